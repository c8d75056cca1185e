//! Texts with scores, put in order a piece at a time: runs are sorted as they are filled, and then
//! merged as far as they are wanted.

use std::cmp::Ordering;

/// Texts in a run: about a millisecond of sorting.
const RUN_LEN: usize = 4096;
/// Bytes in a run that begins no further text.
const RUN_BYTES: usize = 1 << 20;

/// A text and its score.
pub type Scored<'a> = (f64, &'a [u8]);

/// How two of them compare. What is equal stays in the order in which it came.
pub type Compare = fn(Scored<'_>, Scored<'_>) -> Ordering;

/// Sorted runs, and the heap by which they are merged.
pub struct Runs {
    compare: Compare,
    runs: Vec<Run>,
    /// The runs that are not at their end, as a heap by their first texts.
    heap: Vec<u32>,
    bytes: usize,
}

#[derive(Default)]
struct Run {
    texts: Vec<u8>,
    items: Vec<(f64, u32, u32)>,
    /// How many of the items were given out.
    done: usize,
}

impl Run {
    fn get(&self, at: usize) -> Scored<'_> {
        let (score, from, len) = self.items[at];
        (score, &self.texts[from as usize..][..len as usize])
    }

    fn is_full(&self) -> bool {
        self.items.len() >= RUN_LEN || self.texts.len() >= RUN_BYTES
    }

    fn bytes(&self) -> usize {
        self.texts.capacity() + self.items.capacity() * size_of::<(f64, u32, u32)>()
    }
}

impl Runs {
    /// No text yet.
    pub fn new(compare: Compare) -> Runs {
        Runs { compare, runs: Vec::new(), heap: Vec::new(), bytes: 0 }
    }

    /// Adds a text, which is shorter than 4 GB. Returns whether a run is full: then it is sorted,
    /// and it is time for others.
    pub fn add(&mut self, score: f64, text: &[u8]) -> bool {
        if self.runs.last().is_none_or(Run::is_full) {
            self.runs.push(Run::default());
        }
        let Some(run) = self.runs.last_mut() else { return false };
        run.items.push((score, run.texts.len() as u32, text.len() as u32));
        run.texts.extend_from_slice(text);
        let is_full = run.is_full();
        if is_full {
            self.sort_last();
        }
        is_full
    }

    fn sort_last(&mut self) {
        let Some(run) = self.runs.last_mut() else { return };
        let (texts, compare) = (&run.texts, self.compare);
        let text = |(score, from, len): &(f64, u32, u32)| -> (f64, &[u8]) {
            (*score, &texts[*from as usize..][..*len as usize])
        };
        run.items.sort_by(|one, other| compare(text(one), text(other)));
        run.items.shrink_to_fit();
        run.texts.shrink_to_fit();
        self.bytes += run.bytes();
    }

    /// All texts were added: what follows is [`Runs::next`].
    pub fn begin(&mut self) {
        if self.runs.last().is_some_and(|run| !run.is_full()) {
            self.sort_last();
        }
        self.heap = (0..self.runs.len() as u32).collect();
        for at in (0..self.heap.len() / 2).rev() {
            self.sink(at);
        }
    }

    /// Calls `f` with the first text of those that are left. Returns false if there was none.
    pub fn next(&mut self, f: impl FnOnce(Scored<'_>)) -> bool {
        let Some(&first) = self.heap.first() else { return false };
        let run = &mut self.runs[first as usize];
        run.done += 1;
        f(run.get(run.done - 1));
        if run.done == run.items.len() {
            self.bytes -= run.bytes();
            *run = Run::default();
            self.heap.swap_remove(0);
        }
        self.sink(0);
        true
    }

    /// Lets a run sink in the heap to where it belongs.
    fn sink(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let mut least = at;
            for child in [left, right] {
                if child < self.heap.len() && self.is_before(child, least) {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }

    fn is_before(&self, one: usize, other: usize) -> bool {
        let (one, other) = (self.heap[one], self.heap[other]);
        let first = |run: u32| {
            let run = &self.runs[run as usize];
            run.get(run.done)
        };
        (self.compare)(first(one), first(other)).then(one.cmp(&other)).is_lt()
    }

    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        self.bytes
    }

    /// Frees a run; false when none is left.
    pub fn shed(&mut self) -> bool {
        self.runs.pop();
        !self.runs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_in_order_and_equal_ones_as_they_came() {
        let mut random = fastrand::Rng::with_seed(11);
        let all: Vec<(f64, Vec<u8>)> = (0..3 * RUN_LEN as u32 + 77)
            .map(|nth| (f64::from(random.u8(..)), nth.to_be_bytes().to_vec()))
            .collect();
        for size in [0, 1, 2, RUN_LEN - 1, RUN_LEN, RUN_LEN + 1, all.len()] {
            let mut expected = all[..size].to_vec();
            let mut runs = Runs::new(|one, other| one.0.total_cmp(&other.0));
            expected.iter().for_each(|(score, text)| _ = runs.add(*score, text));
            runs.begin();
            expected.sort_by(|one, other| one.0.total_cmp(&other.0));
            let mut got = Vec::new();
            while runs.next(|(score, text)| got.push((score, text.to_vec()))) {}
            assert!(got == expected, "{size}");
            assert_eq!(runs.allocated(), 0);
        }
    }

    #[test]
    fn long_texts_fill_a_run_sooner() {
        let mut runs = Runs::new(|one, other| one.1.cmp(other.1));
        let text = vec![b'x'; RUN_BYTES / 2];
        assert_eq!([1, 2, 3].map(|_| runs.add(0.0, &text)), [false, true, false]);
        assert!(runs.shed() && !runs.shed());
    }
}
