//! Statistics by prefix (`stats-prefixes`): of the keys `cart:17` and `cart:18`, which are alike,
//! how often they are read in vain and why, what they bring and take, and what there is of them.
//!
//! Names get numbers here, [`PREFIXES_MAX`] of them at most; what comes later is counted as one,
//! and so is what has no prefix. A worker keeps the numbers of the prefixes that it has met, the
//! shortest in a small table that is asked with the first eight bytes of a key.
//!
//! What there is of each (keys, bytes, how long they have to live) is not counted as it comes and
//! goes: the ticks of the workers walk over all keys, and what the last walk found is shown.

use crate::hasher::SHARDS;
use crate::keyspace::Keyspace;
use crate::storage::entry::Entry;
use crate::sync::Mutex;
use hashbrown::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The most prefixes that are told apart, with [`NONE`] and [`OTHERS`].
pub const PREFIXES_MAX: usize = crate::stats::PREFIXES_MAX;
/// The number of keys that have no prefix.
pub const NONE: u16 = 0;
/// The number of the prefixes that came too late.
pub const OTHERS: u16 = 1;
/// What a key has to live, by these bounds, in milliseconds: a minute, an hour, a day, a week;
/// before them keys that live for ever, behind them what is more.
pub const TTL_BOUNDS_MS: [u64; 5] = [1_000, 60_000, 3_600_000, 86_400_000, 604_800_000];
/// Keys that live for ever, one more than there are bounds, are counted first.
pub const TTLS: usize = TTL_BOUNDS_MS.len() + 2;

/// What the prefix of a key is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// Nothing is counted.
    #[default]
    Off,
    /// What stands before the `depth`th separator, with it.
    Separator {
        /// The separator.
        byte: u8,
        /// Which of them ends the prefix.
        depth: usize,
    },
    /// The first of these that the key begins with.
    Beginnings(Vec<Box<[u8]>>),
}

/// What is wrong with a rule.
pub const NO_RULE: &str = "stats-prefixes takes a separator and a depth, like ': 2', or \
    beginnings of keys, like 'user: cart:'";

impl Rule {
    /// Reads a rule: nothing, a separator and perhaps a depth, or beginnings of keys. None if it is
    /// none of them.
    pub fn parse(text: &[u8]) -> Option<Rule> {
        let mut words = text.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let Some(first) = words.next() else { return Some(Rule::Off) };
        let rest: Vec<&[u8]> = words.collect();
        if let [byte] = first
            && !byte.is_ascii_alphanumeric()
        {
            let depth = match rest[..] {
                [] => Some(1),
                [depth] => std::str::from_utf8(depth).ok()?.parse().ok(),
                _ => None,
            };
            let depth = depth.filter(|depth| (1..=16).contains(depth))?;
            return Some(Rule::Separator { byte: *byte, depth });
        }
        let trimmed = |word: &[u8]| -> Box<[u8]> { word.strip_suffix(b"*").unwrap_or(word).into() };
        let beginnings: Vec<Box<[u8]>> = [first].into_iter().chain(rest).map(trimmed).collect();
        let fits =
            beginnings.len() <= PREFIXES_MAX - 2 && beginnings.iter().all(|it| !it.is_empty());
        fits.then_some(Rule::Beginnings(beginnings))
    }

    /// The prefix of a key, if it has one.
    pub fn prefix<'k>(&self, key: &'k [u8]) -> Option<&'k [u8]> {
        match self {
            Rule::Off => None,
            Rule::Separator { byte, depth } => {
                let ends = key.iter().enumerate().filter(|(_, own)| *own == byte);
                ends.map(|(at, _)| at + 1).nth(depth - 1).map(|end| &key[..end])
            }
            Rule::Beginnings(beginnings) => {
                let found = beginnings.iter().find(|it| key.starts_with(it))?;
                Some(&key[..found.len()])
            }
        }
    }
}

/// What there is of a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Keys.
    pub keys: u64,
    /// Bytes of their entries.
    pub bytes: u64,
    /// Keys by what they have to live.
    pub ttls: [u64; TTLS],
}

#[derive(Default)]
struct State {
    rule: Rule,
    numbers: HashMap<Box<[u8]>, u16>,
    names: Vec<Box<[u8]>>,
    /// What the last walk has found, and the present one so far.
    found: Vec<Content>,
    finding: Vec<Content>,
    /// The next shard, how many are being walked, and how many walks there have been.
    next: usize,
    walking: usize,
    walks: u64,
}

/// The prefixes of a keyspace.
#[derive(Default)]
pub struct Prefixes {
    on: AtomicBool,
    /// Counts the rules that there have been.
    version: AtomicU64,
    state: Mutex<State>,
}

impl Prefixes {
    /// Follows the configuration.
    pub fn set_rule(&self, rule: Rule) {
        let state = &mut *self.state.lock();
        if state.rule != rule {
            let names = match &rule {
                Rule::Off => Vec::new(),
                _ => vec![Box::default(), b"(other)".as_slice().into()],
            };
            self.on.store(rule != Rule::Off, Relaxed);
            *state = State { rule, names, ..State::default() };
            self.version.fetch_add(1, Relaxed);
        }
    }

    /// Whether anything is counted.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }

    /// How many rules there have been.
    #[inline]
    pub fn version(&self) -> u64 {
        self.version.load(Relaxed)
    }

    /// The names, by their numbers, and what the last walk has found of each.
    pub fn all(&self) -> Vec<(Box<[u8]>, Content)> {
        let state = &mut *self.state.lock();
        let found = |at: usize| state.found.get(at).copied().unwrap_or_default();
        state.names.iter().cloned().enumerate().map(|(at, name)| (name, found(at))).collect()
    }

    /// How many walks have been completed.
    pub fn walks(&self) -> u64 {
        self.state.lock().walks
    }

    fn number(state: &mut State, name: Option<&[u8]>) -> u16 {
        let Some(name) = name else { return NONE };
        if let Some(number) = state.numbers.get(name) {
            return *number;
        }
        if state.names.len() >= PREFIXES_MAX {
            return OTHERS;
        }
        let number = state.names.len() as u16;
        state.names.push(name.into());
        state.numbers.insert(name.into(), number);
        number
    }

    /// A shard to be walked, unless that goes on elsewhere.
    pub(crate) fn next_shard(&self) -> Option<usize> {
        let state = &mut *self.state.lock();
        if state.next >= SHARDS {
            if state.walking > 0 {
                return None;
            }
            state.found = std::mem::take(&mut state.finding);
            (state.next, state.walks) = (0, state.walks + 1);
        }
        state.next += 1;
        state.walking += 1;
        Some(state.next - 1)
    }

    /// A shard was walked to its end: adds what was found there.
    pub(crate) fn walked(&self, version: u64, found: &mut Vec<Content>) {
        let state = &mut *self.state.lock();
        if self.version() == version {
            state.walking -= 1;
            let len = state.finding.len().max(found.len());
            state.finding.resize(len, Content::default());
            for (sum, more) in state.finding.iter_mut().zip(found.iter()) {
                sum.keys += more.keys;
                sum.bytes += more.bytes;
                sum.ttls.iter_mut().zip(more.ttls).for_each(|(sum, more)| *sum += more);
            }
        }
        found.clear();
    }
}

/// Slots of the table of short prefixes.
const SLOTS: usize = 64;
const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// What a worker knows of prefixes.
pub struct Known {
    /// Of which rule this is; zero before the first.
    version: u64,
    rule: Rule,
    /// The separator, where it alone ends a prefix, in every byte.
    separator: Option<u64>,
    /// Short prefixes, with their length below, and their numbers.
    short: Box<[(u64, u16); SLOTS]>,
    numbers: HashMap<Box<[u8]>, u16>,
}

impl Default for Known {
    fn default() -> Known {
        Known {
            version: 0,
            rule: Rule::Off,
            separator: None,
            short: Box::new([(0, 0); SLOTS]),
            numbers: HashMap::new(),
        }
    }
}

impl Known {
    /// Whether this is of the present rule.
    #[inline]
    pub fn is_of(&self, version: u64) -> bool {
        self.version == version
    }

    /// Forgets what was of another rule.
    pub fn follow(&mut self, prefixes: &Prefixes) {
        let version = prefixes.version();
        let rule = prefixes.state.lock().rule.clone();
        let separator = match rule {
            Rule::Separator { byte, depth: 1 } => Some(LOW * u64::from(byte)),
            _ => None,
        };
        *self = Known { version, rule, separator, ..Known::default() };
    }

    /// The number of a key's prefix.
    #[inline(always)]
    pub fn number_of(&mut self, keyspace: &Keyspace, key: &[u8]) -> u16 {
        if let (Some(separator), Some(first)) = (self.separator, key.first_chunk()) {
            let word = u64::from_le_bytes(*first);
            let x = word ^ separator;
            let ends = x.wrapping_sub(LOW) & !x & HIGH;
            // The bits up to the separator's end; eight bytes leave no room for the length.
            let bits = ends.trailing_zeros() + 1;
            if bits < u64::BITS {
                let short = word << (u64::BITS - bits) | u64::from(bits);
                let slot =
                    &mut self.short[short.wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> 58];
                if slot.0 == short {
                    return slot.1;
                }
                let number = self.look_up(keyspace, key);
                let at = short.wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> 58;
                self.short[at] = (short, number);
                return number;
            }
        }
        self.look_up(keyspace, key)
    }

    #[inline(never)]
    fn look_up(&mut self, keyspace: &Keyspace, key: &[u8]) -> u16 {
        let prefix = self.rule.prefix(key);
        let Some(prefix) = prefix else { return NONE };
        if let Some(number) = self.numbers.get(prefix) {
            return *number;
        }
        let number = Prefixes::number(&mut keyspace.prefixes.state.lock(), Some(prefix));
        if number != OTHERS {
            self.numbers.insert(prefix.into(), number);
        }
        number
    }

    /// Adds an entry to what was found of its prefix.
    pub fn find(
        &mut self,
        keyspace: &Keyspace,
        entry: &Entry,
        now_ms: u64,
        found: &mut Vec<Content>,
    ) {
        let number = usize::from(self.number_of(keyspace, entry.key()));
        if found.len() <= number {
            found.resize(number + 1, Content::default());
        }
        let content = &mut found[number];
        content.keys += 1;
        content.bytes += entry.allocated() as u64;
        let ttl = match entry.deadline_ms() {
            0 => 0,
            at_ms => {
                1 + TTL_BOUNDS_MS.partition_point(|bound| *bound <= at_ms.saturating_sub(now_ms))
            }
        };
        content.ttls[ttl] += 1;
    }
}

/// How a key went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// It was never there, as far as is known.
    Absent,
    /// Its time was over.
    Expired,
    /// Memory was short.
    Evicted,
    /// A client has removed it, or given it another name.
    Deleted,
    /// A tag of it was dropped.
    Dropped,
}

/// How many causes there are.
pub const CAUSES: usize = crate::stats::CAUSES;
/// Their names, in their order.
pub const CAUSE_NAMES: [&str; CAUSES] = ["absent", "expired", "evicted", "deleted", "dropped"];

impl Cause {
    fn of(number: u16) -> Cause {
        [Cause::Absent, Cause::Expired, Cause::Evicted, Cause::Deleted, Cause::Dropped]
            .into_iter()
            .find(|cause| *cause as u16 == number)
            .unwrap_or(Cause::Absent)
    }
}

/// Words of a group, and groups of a shard: four million keys that went are known, at eight bytes
/// for four of them.
const GROUP: usize = 4;
const GROUPS: usize = 1024;
const CAUSE_BITS: u32 = 3;

/// How keys of a shard went: thirteen bits of a hash, and the cause. Where a group is full the
/// oldest is forgotten. One in two thousand is taken for another.
#[derive(Default)]
pub struct Gone(Box<[[u16; GROUP]]>);

impl Gone {
    fn place(hash: u64) -> (usize, u16) {
        // The bits that a shard's keys do not share, mixed.
        let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed >> 40) as usize % GROUPS, (mixed >> 51) as u16)
    }

    /// Notes how a key went.
    pub fn note(&mut self, hash: u64, cause: Cause) {
        if self.0.is_empty() {
            self.0 = vec![[0; GROUP]; GROUPS].into();
        }
        let (group, print) = Gone::place(hash);
        let group = &mut self.0[group];
        let at = group.iter().position(|word| word >> CAUSE_BITS == print).unwrap_or(GROUP - 1);
        group[..=at].rotate_right(1);
        group[0] = print << CAUSE_BITS | cause as u16;
    }

    /// How a key went that is not there.
    pub fn cause(&self, hash: u64) -> Cause {
        if self.0.is_empty() {
            return Cause::Absent;
        }
        let (group, print) = Gone::place(hash);
        let found = self.0[group].iter().find(|word| *word >> CAUSE_BITS == print);
        found.map_or(Cause::Absent, |word| Cause::of(word & ((1 << CAUSE_BITS) - 1)))
    }

    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        size_of_val(&*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_says_what_the_prefix_is() {
        let prefix = |rule: &str, key: &str| {
            let rule = Rule::parse(rule.as_bytes()).expect("a rule");
            rule.prefix(key.as_bytes()).map(|it| String::from_utf8_lossy(it).into_owned())
        };
        assert_eq!(prefix(":", "user:17:cart").as_deref(), Some("user:"));
        assert_eq!(prefix(": 2", "user:17:cart").as_deref(), Some("user:17:"));
        assert_eq!(prefix(": 3", "user:17:cart"), None);
        assert_eq!(prefix("user:* cart", "cart-9").as_deref(), Some("cart"));
        assert_eq!(prefix("user: cart", "other"), None);
        assert_eq!(prefix("", "user:17"), None);
        for wrong in [": 0", ": 17", ": x", ": 1 2", "a *"] {
            assert_eq!(Rule::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_are_bounded_and_the_quick_way_finds_the_same() {
        let keyspace = Keyspace::new([1, 2]);
        keyspace.prefixes.set_rule(Rule::Separator { byte: b':', depth: 1 });
        let (mut known, mut again) = (Known::default(), Known::default());
        known.follow(&keyspace.prefixes);
        again.follow(&keyspace.prefixes);
        let mut seen = Vec::new();
        for n in 0..2000_u32 {
            let name = format!("{}{n}:", "p".repeat(n as usize % 9));
            let key = format!("{name}{n}");
            let number = known.number_of(&keyspace, key.as_bytes());
            assert_eq!(again.number_of(&keyspace, key.as_bytes()), number);
            assert_eq!(known.number_of(&keyspace, format!("{name}other").as_bytes()), number);
            seen.push((name, number));
        }
        let all = keyspace.prefixes.all();
        assert_eq!(all.len(), PREFIXES_MAX);
        for (name, number) in seen {
            let expected = if number == OTHERS { "(other)" } else { &name };
            assert_eq!(&*all[usize::from(number)].0, expected.as_bytes());
        }
        assert_eq!(known.number_of(&keyspace, b"none"), NONE);
        assert_eq!(known.number_of(&keyspace, b"\0a:x-and-more"), OTHERS);
    }

    #[test]
    fn what_went_lately_is_known() {
        let mut gone = Gone::default();
        assert_eq!(gone.cause(1), Cause::Absent);
        let hash = |n: u64| n.wrapping_mul(0xd134_2543_de82_ef95);
        for n in 0..3000 {
            gone.note(hash(n), Cause::Expired);
            gone.note(hash(n), if n % 2 == 0 { Cause::Deleted } else { Cause::Evicted });
        }
        let right = (2000..3000).filter(|n| {
            gone.cause(hash(*n)) == if n % 2 == 0 { Cause::Deleted } else { Cause::Evicted }
        });
        assert!(right.count() > 900);
        let wrong = (5000..15_000).filter(|n| gone.cause(hash(*n)) != Cause::Absent).count();
        assert!(wrong < 50, "{wrong}");
        assert_eq!(gone.allocated(), GROUPS * GROUP * 2);
    }
}
