//! The keys that may be evicted next: the best of those that were looked at, and the places that
//! are looked at next.

use redstart_engine::Now;
use redstart_engine::aging::Rule;
use redstart_engine::keyspace::Keyspace;
use redstart_engine::storage::entry::Entry;
use smallvec::SmallVec;

/// Candidates kept for the next choice.
const POOL_MAX: usize = 16;

/// A key that may go.
pub struct Candidate {
    /// The higher, the sooner it goes.
    pub score: u64,
    /// How often it was used, where that is known.
    pub uses: u8,
    /// Its database.
    pub db: usize,
    /// Its name.
    pub key: SmallVec<[u8; 40]>,
    /// The bytes that its entry takes.
    pub bytes: usize,
    /// Where its entry lay: what lies there is not looked at twice.
    address: usize,
}

impl Candidate {
    /// An entry of a database, by what ages mean.
    pub fn of(db: usize, entry: &Entry, aging: Rule, now: Now) -> Candidate {
        let age = entry.age();
        let uses = aging.frequency(age, now).unwrap_or(0);
        Candidate {
            score: aging.staleness(age, now).into(),
            uses,
            db,
            key: SmallVec::from_slice(entry.key()),
            bytes: entry.allocated(),
            address: entry.address(),
        }
    }
}

/// The best of all candidates that were drawn for one request, the worst first. A few draws are a
/// poor sample of all keys; what they leave over makes the next choice better.
#[derive(Default)]
pub struct Pool {
    best: Vec<Candidate>,
    /// Where candidates are drawn next.
    pub places: Places,
}

/// Places that are drawn at random ahead of time, so that what lies there is in the cache when its
/// turn comes: what leads to a place is fetched first, then its bucket, then its entries.
#[derive(Default)]
pub struct Places {
    /// Hashes, in a ring; none before the first was asked for.
    ring: Option<[u64; Places::AHEAD]>,
    at: usize,
}

impl Places {
    /// Places that are known ahead, and how far ahead buckets and entries are fetched.
    const AHEAD: usize = 16;
    const BUCKET: usize = 11;
    const ENTRIES: usize = 6;

    /// The next place, as a hash near which candidates are drawn: so many of them.
    pub fn next(&mut self, keyspace: &Keyspace, candidates: usize) -> u64 {
        let ring = self.ring.get_or_insert_with(|| {
            let ring = std::array::from_fn(|_| fastrand::u64(..));
            ring.iter().for_each(|&place| keyspace.prefetch_shard(place));
            ring.iter().take(Places::BUCKET).for_each(|&place| keyspace.prefetch_bucket(0, place));
            let first = ring.iter().take(Places::ENTRIES);
            first.for_each(|&place| keyspace.prefetch_near(place, candidates));
            ring
        });
        let ahead = |by: usize| (self.at + by) % Places::AHEAD;
        let next = std::mem::replace(&mut ring[ahead(0)], fastrand::u64(..));
        keyspace.prefetch_shard(ring[ahead(0)]);
        keyspace.prefetch_bucket(0, ring[ahead(Places::BUCKET)]);
        keyspace.prefetch_near(ring[ahead(Places::ENTRIES)], candidates);
        self.at = ahead(1);
        next
    }
}

impl Pool {
    /// Keeps a candidate if it is among the best and not there yet.
    pub fn offer(&mut self, drawn: Candidate) {
        if self.admits(drawn.score, drawn.address) {
            self.keep(drawn);
        }
    }

    fn keep(&mut self, drawn: Candidate) {
        if self.best.len() == POOL_MAX {
            self.best.remove(0);
        }
        let at = self.best.partition_point(|kept| kept.score < drawn.score);
        self.best.insert(at, drawn);
    }

    /// Whether a candidate with this score would be among the best, and is not there yet.
    fn admits(&self, score: u64, address: usize) -> bool {
        (self.best.len() < POOL_MAX || self.best[0].score < score)
            && self.best.iter().all(|kept| kept.address != address)
    }

    /// Offers an entry that goes the sooner, the higher its score is.
    pub fn offer_entry(&mut self, score: u64, (db, entry): (usize, &Entry), aging: Rule, now: Now) {
        if self.admits(score, entry.address()) {
            self.keep(Candidate { score, ..Candidate::of(db, entry, aging, now) });
        }
    }

    /// Takes the best.
    pub fn take(&mut self) -> Option<Candidate> {
        self.best.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(score: u64, address: usize) -> Candidate {
        Candidate { score, uses: 0, db: 0, key: SmallVec::new(), bytes: 0, address }
    }

    #[test]
    fn a_pool_keeps_the_best_and_none_twice() {
        let mut pool = Pool::default();
        for score in (0..100).rev() {
            pool.offer(candidate(score, score as usize));
            pool.offer(candidate(score, 1000));
        }
        let taken: Vec<u64> = std::iter::from_fn(|| pool.take().map(|best| best.score)).collect();
        let best: Vec<u64> = [99].into_iter().chain((85..100).rev()).collect();
        assert_eq!(taken, best);
    }
}
