//! What a shard remembers of keys that were evicted: how often they were used, and how they went.
//! A key that comes back is as popular as it was, and shows whether its like goes too early.
//!
//! One word a key, four to a group; where a group is full, the oldest is overwritten. A key is
//! known by twelve bits of its hash: one in some hundred is taken for another, which does no harm.
//!
//! ```text
//!  31        20 19           12    11     10      6 5    0
//! | fingerprint | how many went | way | period    | uses |
//! ```

use crate::aging::Rule;

/// Words of a group.
const GROUP: usize = 4;
const PRINT_AT: u32 = 20;
const GONE_AT: u32 = 12;
const GONE_MASK: u32 = 0xff;
const WAY_AT: u32 = 11;
const PERIOD_AT: u32 = 6;
const PERIOD_MASK: u32 = 0x1f;
const USES_MASK: u32 = 0x3f;
/// A key came back soon if since it went no more went in the same way than this part of all keys.
const SOON_PART: usize = 20;
/// In how many steps that is counted.
const STEPS: usize = 4;

/// How a key went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As a newcomer.
    Refused,
    /// In the place of one.
    Displaced,
}

/// What is known of a key that has come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recalled {
    /// How often it was used, halved for each period since.
    pub uses: u8,
    /// How it went, if it came back soon.
    pub soon: Option<Way>,
}

/// The memory of one shard.
#[derive(Default)]
pub struct Ghosts {
    words: Box<[u32]>,
    /// How many have gone in each way.
    gone: [u32; 2],
}

impl Ghosts {
    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        size_of_val(&*self.words)
    }

    /// Notes that one of so many keys goes.
    pub fn note(&mut self, hash: u64, uses: u8, way: Way, keys: usize, moment: u32) {
        let room = (keys * 3 / 4).next_power_of_two().max(GROUP);
        if self.words.len() < room {
            self.words = vec![0; room].into();
        }
        self.gone[way as usize] = self.gone[way as usize].wrapping_add(1);
        let (print, gone) = (print_of(hash), self.gone.map(|gone| gone / step(keys)));
        let word = print << PRINT_AT
            | (gone[way as usize] & GONE_MASK) << GONE_AT
            | (way as u32) << WAY_AT
            | (Rule::period_of(moment) & PERIOD_MASK) << PERIOD_AT
            | u32::from(uses).min(USES_MASK);
        let age = |own: &u32| match *own {
            0 => u32::MAX,
            own if own >> PRINT_AT == print => u32::MAX,
            own => since(own, gone[way_of(own) as usize]),
        };
        if let Some(oldest) = self.group(hash).iter_mut().max_by_key(|own| age(own)) {
            *oldest = word;
        }
    }

    /// What is known of a key that comes to so many; it is forgotten here.
    pub fn recall(&mut self, hash: u64, keys: usize, moment: u32) -> Recalled {
        if self.words.is_empty() {
            return Recalled::default();
        }
        let (gone, print) = (self.gone, print_of(hash));
        let group = self.group(hash);
        let Some(word) = group.iter_mut().find(|own| **own >> PRINT_AT == print) else {
            return Recalled::default();
        };
        let known = std::mem::take(word);
        let way = way_of(known);
        let since = since(known, gone[way as usize] / step(keys));
        let soon = (keys / SOON_PART / step(keys) as usize).max(1);
        let periods = Rule::period_of(moment).wrapping_sub(known >> PERIOD_AT) & PERIOD_MASK;
        Recalled {
            uses: ((known & USES_MASK) >> periods.min(u8::BITS - 1)) as u8,
            soon: (since as usize <= soon).then_some(way),
        }
    }

    fn group(&mut self, hash: u64) -> &mut [u32] {
        let groups = self.words.len() / GROUP;
        let at = mixed(hash) as usize % groups * GROUP;
        &mut self.words[at..at + GROUP]
    }
}

/// How a key went.
fn way_of(word: u32) -> Way {
    if word >> WAY_AT & 1 == 0 { Way::Refused } else { Way::Displaced }
}

/// How many steps ago that was, of those of the same way.
fn since(word: u32, gone: u32) -> u32 {
    gone.wrapping_sub(word >> GONE_AT) & GONE_MASK
}

/// How many that go in one way are a step.
fn step(keys: usize) -> u32 {
    (keys / SOON_PART / STEPS).max(1) as u32
}

/// The bits of a hash that a shard's keys do not share, mixed.
fn mixed(hash: u64) -> u64 {
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// Never zero.
fn print_of(hash: u64) -> u32 {
    (mixed(hash) >> 20) as u32 | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hasher::Hasher;

    fn hash(n: u32) -> u64 {
        Hasher::new([1, 2]).hash(&n.to_le_bytes())
    }

    #[test]
    fn those_that_went_lately_are_known() {
        let (mut ghosts, keys) = (Ghosts::default(), 1000);
        let uses = |n: u32| (n % 50) as u8 + 1;
        for n in 0..5000 {
            ghosts.note(hash(n), uses(n), Way::Refused, keys, 0);
        }
        assert_eq!(ghosts.allocated(), 4 * 1024);
        let late = (4500..5000).filter(|n| ghosts.recall(hash(*n), keys, 0).uses == uses(*n));
        assert!(late.count() > 400);
        let early = (0..2000).filter(|n| ghosts.recall(hash(*n), keys, 0).uses > 0).count();
        assert!(early < 40, "{early} of 2000 that were forgotten");
        assert_eq!(ghosts.recall(hash(4999), keys, 0), Recalled::default(), "asked for once");
    }

    #[test]
    fn who_comes_back_soon_says_how_it_went() {
        let (mut ghosts, keys) = (Ghosts::default(), 1000);
        for n in 0..100 {
            ghosts.note(hash(n), 9, Way::Displaced, keys, 0);
        }
        for n in 100..400 {
            ghosts.note(hash(n), 9, Way::Refused, keys, 0);
        }
        let mut soon = |n: u32| ghosts.recall(hash(n), keys, 3 << 6);
        assert_eq!(soon(95), Recalled { uses: 1, soon: Some(Way::Displaced) });
        assert_eq!(soon(390), Recalled { uses: 1, soon: Some(Way::Refused) });
        assert_eq!(soon(20), Recalled { uses: 1, soon: None });
        assert_eq!(soon(200), Recalled { uses: 1, soon: None });
    }
}
