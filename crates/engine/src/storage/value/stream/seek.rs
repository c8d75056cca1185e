//! Entries by ids that come in order: the walk goes on from one to the next where they are near
//! each other, and begins anew where they are not.

use super::block::Item;
use super::blocks::Walk;
use super::{Id, Stream};

/// Entries that are passed over before the next one is looked for from the top.
const STEPS: usize = 64;

/// A walk through a stream.
pub struct InOrder<'a> {
    stream: &'a Stream,
    walk: Option<Walk<'a>>,
    ahead: Option<Item<'a>>,
}

impl<'a> InOrder<'a> {
    /// Before the first entry.
    pub fn new(stream: &'a Stream) -> InOrder<'a> {
        InOrder { stream, walk: None, ahead: None }
    }

    /// The entry of an id, which is greater than those that were asked for before.
    pub fn find(&mut self, id: Id) -> Option<Item<'a>> {
        for _ in 0..STEPS {
            match self.ahead {
                Some(item) if item.id >= id => return Some(item).filter(|item| item.id == id),
                Some(_) => self.ahead = self.walk.as_mut().and_then(Walk::next),
                None => break,
            }
        }
        let mut walk = self.stream.from(id);
        self.ahead = walk.next();
        self.walk = Some(walk);
        self.ahead.filter(|item| item.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::StreamLimits;

    #[test]
    fn entries_are_those_that_are_looked_for_one_by_one() {
        let limits = StreamLimits { bytes: 4096, entries: 100 };
        let mut random = fastrand::Rng::with_seed(31);
        let mut stream = Stream::default();
        for ms in 1..5000 {
            stream.add(Id::new(ms, 0), [&b"a"[..], b"b"].into_iter(), limits);
        }
        (1..5000).filter(|_| random.bool()).collect::<Vec<u64>>().into_iter().for_each(|ms| {
            stream.remove(Id::new(ms, 0));
        });
        for reach in [2, 10, 90, 1000] {
            let (mut walk, mut ms) = (InOrder::new(&stream), 0);
            while ms < 5100 {
                ms += random.u64(1..=reach);
                let (found, wanted) = (walk.find(Id::new(ms, 0)), stream.get(Id::new(ms, 0)));
                assert_eq!(found.map(|item| item.id), wanted.map(|item| item.id), "{ms}");
            }
        }
    }
}
