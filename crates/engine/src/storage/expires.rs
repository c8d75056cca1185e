//! The index of deadlines: which entry of a table expires next.
//!
//! A binary heap of eight-byte items, ordered by deadline, without a pointer to the entry:
//!
//! ```text
//!  63                              32 31             14 13    6 5    0
//! +----------------------------------+-----------------+-------+------+
//! | deadline, ms after the base      | prefix, 18 bits |  tag  | home |
//! +----------------------------------+-----------------+-------+------+
//! ```
//!
//! The lower half is enough of the key's hash to find the entry again. Items are never searched
//! for: one whose entry is gone, or lives longer by now, is recognised when its time comes and
//! dropped or moved. So a deadline costs one push, and its removal nothing. When stale items
//! outnumber the volatile entries, the owner rebuilds the heap from what is true.
//!
//! An item reaches 2^32 ms beyond the base, and the base lags at most 2^31 ms behind the present.
//! So a deadline more than 2^31 ms (24 days) away may be noted as earlier than it is; it is noted
//! again when that time comes.

use crate::hasher::{home_of, prefix_of, tag_of};
use crate::storage::memory::size_class;

/// How far ahead of the base an item can put a deadline, in milliseconds.
const SPAN_MS: u64 = u32::MAX as u64;
/// The base follows the present once it lies this far behind, in milliseconds.
const REBASE_MS: u64 = 1 << 31;
/// Stale items that are always tolerated.
const SLACK: usize = 32;

/// A heap of deadlines.
#[derive(Clone, Default)]
pub struct Expires {
    heap: Vec<u64>,
    base_ms: u64,
    /// Entries with a deadline, counted by the owner's calls.
    volatile: usize,
    /// Entries with deadlines inside their values, likewise.
    timed: usize,
    /// The sum of the volatile entries' deadlines, for their mean.
    deadline_sum: u128,
}

/// The part of a hash that an item keeps.
pub fn fingerprint(hash: u64) -> u64 {
    let prefix = (prefix_of(hash) >> 12) as u64;
    prefix << 14 | (tag_of(hash) as u64) << 6 | home_of(hash) as u64
}

/// A hash with the same shard-relative place and tag as the one the fingerprint was taken of.
fn hash_of(fingerprint: u64) -> u64 {
    let prefix = fingerprint >> 14 & 0x3_ffff;
    prefix << 36 | (fingerprint >> 6 & 0xff) << 8 | fingerprint & 0x3f
}

impl Expires {
    /// The number of volatile entries.
    pub fn volatile(&self) -> usize {
        self.volatile
    }

    /// The number of entries with deadlines inside their values.
    pub fn timed(&self) -> usize {
        self.timed
    }

    /// The sum of the volatile entries' deadlines, in monotonic milliseconds.
    pub fn deadline_sum(&self) -> u128 {
        self.deadline_sum
    }

    /// The earliest noted deadline; no volatile entry expires before it.
    pub fn next_ms(&self) -> Option<u64> {
        self.heap.first().map(|item| self.base_ms + (item >> 32))
    }

    /// The bytes that the index takes.
    pub fn allocated(&self) -> usize {
        self.heap.capacity() * size_of::<u64>()
    }

    /// An entry's deadline changed from `old_ms` to `new_ms`; zero is none.
    pub fn change(&mut self, hash: u64, old_ms: u64, new_ms: u64) {
        if old_ms != 0 {
            self.volatile -= 1;
            self.deadline_sum -= old_ms as u128;
        }
        if new_ms != 0 {
            self.volatile += 1;
            self.deadline_sum += new_ms as u128;
            // An item for an earlier time is there already and will be moved when that comes.
            if old_ms == 0 || new_ms < old_ms {
                self.push(fingerprint(hash), new_ms);
            }
        }
        self.clear_if_unused();
    }

    /// The earliest deadline inside an entry's value changed from `old_ms` to `new_ms`; zero is
    /// none.
    pub fn change_inner(&mut self, hash: u64, old_ms: u64, new_ms: u64) {
        if old_ms == new_ms {
            return;
        }
        self.timed = self.timed + usize::from(new_ms != 0) - usize::from(old_ms != 0);
        if new_ms != 0 && (old_ms == 0 || new_ms < old_ms) {
            self.push(fingerprint(hash), new_ms);
        }
        self.clear_if_unused();
    }

    fn clear_if_unused(&mut self) {
        if self.volatile + self.timed == 0 {
            // A short one is kept: keys that come and go, as locks do, cost it nothing.
            self.heap.clear();
            if self.heap.capacity() > SLACK {
                self.heap = Vec::new();
            }
        }
    }

    /// Whether stale items outnumber the true ones, so that a rebuild is due.
    pub fn is_stale(&self) -> bool {
        self.heap.len() > 2 * (self.volatile + self.timed) + SLACK
    }

    /// Keeps what is true: `deadline_of` returns the deadline of the entry with the given parts of
    /// a hash, the earliest where several share them, or zero.
    pub fn rebuild(&mut self, mut deadline_of: impl FnMut(u64) -> u64) {
        let mut prints: Vec<u64> = self.heap.iter().map(|item| item & 0xffff_ffff).collect();
        prints.sort_unstable();
        prints.dedup();
        self.heap.clear();
        for print in prints {
            let deadline_ms = deadline_of(hash_of(print));
            if deadline_ms != 0 {
                self.heap.push(self.item(print, deadline_ms));
            }
        }
        self.heap.sort_unstable();
        self.heap.shrink_to(self.heap.len() + self.heap.len() / 8);
    }

    /// Takes out the earliest item if it is due, and returns its parts of the hash.
    pub fn pop_due(&mut self, now_ms: u64) -> Option<u64> {
        if now_ms - self.base_ms.min(now_ms) > REBASE_MS {
            self.rebase(now_ms);
        }
        let first = *self.heap.first()?;
        if self.base_ms + (first >> 32) > now_ms {
            return None;
        }
        let last = self.heap.pop()?;
        if !self.heap.is_empty() {
            self.sink(last);
        }
        Some(hash_of(first & 0xffff_ffff))
    }

    /// Notes a deadline again whose item was popped before its entry was due.
    pub fn note(&mut self, hash: u64, deadline_ms: u64) {
        self.push(fingerprint(hash), deadline_ms);
    }

    fn item(&self, print: u64, deadline_ms: u64) -> u64 {
        deadline_ms.saturating_sub(self.base_ms).min(SPAN_MS) << 32 | print
    }

    fn push(&mut self, print: u64, deadline_ms: u64) {
        let item = self.item(print, deadline_ms);
        if self.heap.len() == self.heap.capacity() {
            // Small steps, each to the end of a size class: half-empty vectors would cost a
            // million volatile keys four bytes each.
            let wanted = self.heap.len() + self.heap.len() / 16 + 4;
            let capacity = size_class(wanted * size_of::<u64>()) / size_of::<u64>();
            self.heap.reserve_exact(capacity - self.heap.len());
        }
        self.heap.push(item);
        let mut at = self.heap.len() - 1;
        while at > 0 && self.heap[(at - 1) / 2] > item {
            self.heap[at] = self.heap[(at - 1) / 2];
            at = (at - 1) / 2;
        }
        self.heap[at] = item;
    }

    /// Puts `item` in at the root and lets it sink to its place.
    fn sink(&mut self, item: u64) {
        let (mut at, len) = (0, self.heap.len());
        loop {
            let mut child = 2 * at + 1;
            if child >= len {
                break;
            }
            if child + 1 < len && self.heap[child + 1] < self.heap[child] {
                child += 1;
            }
            if self.heap[child] >= item {
                break;
            }
            self.heap[at] = self.heap[child];
            at = child;
        }
        self.heap[at] = item;
    }

    /// Moves the base to the present. Order is kept, so the heap stays one.
    fn rebase(&mut self, now_ms: u64) {
        let by = now_ms - self.base_ms;
        self.base_ms = now_ms;
        for item in &mut self.heap {
            let ahead = (*item >> 32).saturating_sub(by);
            *item = ahead << 32 | *item & 0xffff_ffff;
        }
        self.heap.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> u64 {
        hash_of(n.wrapping_mul(0x9e37_79b9) & 0xffff_ffff | 1 << 6)
    }

    #[test]
    fn fingerprints_find_the_same_place() {
        for n in 0..1000u64 {
            let hash = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let again = hash_of(fingerprint(hash));
            assert_eq!(prefix_of(hash) >> 12, prefix_of(again) >> 12);
            assert_eq!((tag_of(hash), home_of(hash)), (tag_of(again), home_of(again)));
        }
    }

    #[test]
    fn items_come_out_in_order_of_their_deadlines() {
        let mut expires = Expires::default();
        let deadlines: Vec<u64> = (0..500).map(|n| (n * 7919) % 1009 + 1).collect();
        for (n, &deadline) in deadlines.iter().enumerate() {
            expires.change(hash(n as u64), 0, deadline);
        }
        let mut sorted = deadlines.clone();
        sorted.sort_unstable();
        for due in sorted {
            assert_eq!(expires.next_ms(), Some(due));
            assert!(expires.pop_due(due - 1).is_none());
            assert!(expires.pop_due(due).is_some());
        }
    }

    #[test]
    fn a_far_deadline_survives_the_base_moving() {
        let mut expires = Expires::default();
        let year = 365 * 86_400_000;
        expires.change(hash(1), 0, year);
        let mut now = 0;
        let mut wakes = 0;
        while now < year {
            now = expires.next_ms().expect("the item is noted");
            let due = expires.pop_due(now).expect("it is due");
            if now < year {
                expires.note(due, year);
            }
            wakes += 1;
        }
        assert_eq!(now, year);
        assert!(wakes < 20);
    }

    #[test]
    fn stale_items_are_dropped_by_a_rebuild() {
        let mut expires = Expires::default();
        expires.change(hash(0), 0, 5);
        for n in 1..100 {
            expires.change(hash(n), 0, 50);
            expires.change(hash(n), 50, 0);
        }
        assert!(expires.is_stale());
        let only = fingerprint(hash(0));
        expires.rebuild(|h| if fingerprint(h) == only { 5 } else { 0 });
        assert_eq!((expires.heap.len(), expires.next_ms()), (1, Some(5)));
    }
}
