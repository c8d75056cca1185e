//! What is counted while keys go by, in bounded memory however many there are: sums by type,
//! database, encoding and prefix, two histograms, the largest keys.
//!
//! Ten million keys take no more of it than ten thousand. Prefixes are the one thing of which there
//! may be as many as keys: beyond `PREFIXES_MAX` the smallest are put together with the keys that
//! have none, so that all sums stay right; what then is missing at a prefix is small.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// Largest keys that are kept.
pub const LARGEST: usize = 50;
/// Prefixes that are told apart; when there are twice as many, the smaller half is put together.
const PREFIXES_MAX: usize = 4096;
/// Types and encodings that are told apart: modules have names of their own.
const KINDS_MAX: usize = 64;
/// Databases that are told apart.
const DBS_MAX: usize = 256;
/// Bytes of a prefix.
const PREFIX_LEN_MAX: usize = 64;
/// Bytes of a key's name that are kept.
const NAME_LEN_MAX: usize = 256;

/// Upper ends of the spans that times to live are counted by, in milliseconds, and their names. The
/// last has none.
pub const TTLS: [(u64, &str); 8] = [
    (60_000, "1 min"),
    (600_000, "10 min"),
    (3_600_000, "1 h"),
    (21_600_000, "6 h"),
    (86_400_000, "1 d"),
    (604_800_000, "7 d"),
    (2_592_000_000, "30 d"),
    (u64::MAX, "more"),
];
/// Upper ends of the spans that sizes are counted by, in bytes, and their names.
pub const SIZES: [(u64, &str); 11] = [
    (64, "64 B"),
    (256, "256 B"),
    (1 << 10, "1 kB"),
    (1 << 12, "4 kB"),
    (1 << 14, "16 kB"),
    (1 << 16, "64 kB"),
    (1 << 18, "256 kB"),
    (1 << 20, "1 MB"),
    (1 << 22, "4 MB"),
    (1 << 24, "16 MB"),
    (u64::MAX, "more"),
];

/// How long a key has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It has no deadline.
    Forever,
    /// So many milliseconds.
    Ms(u64),
    /// Its deadline has passed: in a file it still stands.
    Nothing,
}

/// A key as it goes by.
pub struct Key<'a> {
    /// Its database.
    pub db: usize,
    /// Its name.
    pub name: &'a [u8],
    /// Its type, as TYPE names it.
    pub kind: &'a str,
    /// Its encoding, as OBJECT ENCODING names it; empty where that is not told.
    pub encoding: &'a str,
    /// What it takes, in bytes.
    pub bytes: u64,
    /// How long it has left.
    pub left: Left,
    /// How many elements it has, or bytes of a string, where that is known.
    pub elements: Option<u64>,
}

/// Keys and what they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The keys.
    pub keys: u64,
    /// What they take, in bytes.
    pub bytes: u64,
    /// How many of them have a deadline.
    pub expires: u64,
}

impl Share {
    fn add(&mut self, key: &Key<'_>) {
        self.keys += 1;
        self.bytes += key.bytes;
        self.expires += u64::from(key.left != Left::Forever);
    }

    fn join(&mut self, other: Share) {
        self.keys += other.keys;
        self.bytes += other.bytes;
        self.expires += other.expires;
    }
}

/// A key that is among the largest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Large {
    /// What it takes, in bytes.
    pub bytes: u64,
    /// Its database.
    pub db: usize,
    /// Its name, whole: it may be asked for once more.
    pub name: Box<[u8]>,
    /// Its type.
    pub kind: Box<str>,
    /// Its encoding.
    pub encoding: Box<str>,
    /// How many elements it has.
    pub elements: Option<u64>,
    /// How long it has left, in milliseconds; none without a deadline.
    pub left_ms: Option<u64>,
}

/// All that was counted.
#[derive(Default)]
pub struct Tally {
    /// All keys.
    pub all: Share,
    /// By type.
    pub kinds: BTreeMap<String, Share>,
    /// By type and encoding.
    pub encodings: BTreeMap<(String, String), Share>,
    /// By database.
    pub dbs: BTreeMap<usize, Share>,
    /// By how long they have left; see [`TTLS`].
    pub ttls: [Share; TTLS.len()],
    /// Keys without a deadline.
    pub forever: Share,
    /// Keys whose deadline has passed.
    pub expired: Share,
    /// By what they take; see [`SIZES`].
    pub sizes: [Share; SIZES.len()],
    /// Keys whose prefix is none of those that are told apart.
    pub other_prefixes: Share,
    /// Whether there were more prefixes than are told apart.
    pub prefixes_joined: bool,
    prefixes: HashMap<Box<[u8]>, Share>,
    largest: BinaryHeap<Reverse<Large>>,
    rule: PrefixRule,
}

impl Tally {
    /// Before the first key.
    pub fn new(rule: PrefixRule) -> Tally {
        Tally { rule, ..Tally::default() }
    }

    /// Counts a key.
    pub fn add(&mut self, key: &Key<'_>) {
        self.all.add(key);
        share_of(&mut self.kinds, KINDS_MAX, key.kind.to_owned(), "(others)".to_owned()).add(key);
        let encoding = (key.kind.to_owned(), key.encoding.to_owned());
        let others = ("(others)".to_owned(), String::new());
        share_of(&mut self.encodings, KINDS_MAX, encoding, others).add(key);
        share_of(&mut self.dbs, DBS_MAX, key.db, usize::MAX).add(key);
        match key.left {
            Left::Forever => self.forever.add(key),
            Left::Nothing => self.expired.add(key),
            Left::Ms(ms) => self.ttls[TTLS.partition_point(|(end, _)| *end < ms)].add(key),
        }
        self.sizes[SIZES.partition_point(|(end, _)| *end < key.bytes)].add(key);
        self.add_to_prefix(key);
        self.add_to_largest(key);
    }

    fn add_to_prefix(&mut self, key: &Key<'_>) {
        let prefix = self.rule.prefix(key.name);
        if prefix.is_empty() {
            self.other_prefixes.add(key);
            return;
        }
        match self.prefixes.get_mut(&prefix[..]) {
            Some(share) => share.add(key),
            None => self.prefixes.entry(prefix.into()).or_default().add(key),
        }
        if self.prefixes.len() >= 2 * PREFIXES_MAX {
            self.prefixes_joined = true;
            let mut all: Vec<(Box<[u8]>, Share)> = self.prefixes.drain().collect();
            all.sort_by_key(|(_, share)| Reverse((share.bytes, share.keys)));
            for (_, share) in all.drain(PREFIXES_MAX..) {
                self.other_prefixes.join(share);
            }
            self.prefixes.extend(all);
        }
    }

    fn add_to_largest(&mut self, key: &Key<'_>) {
        let is_full = self.largest.len() == LARGEST;
        if is_full && self.largest.peek().is_some_and(|Reverse(least)| least.bytes >= key.bytes) {
            return;
        }
        if is_full {
            self.largest.pop();
        }
        self.largest.push(Reverse(Large {
            bytes: key.bytes,
            db: key.db,
            name: key.name.into(),
            kind: key.kind.into(),
            encoding: key.encoding.into(),
            elements: key.elements,
            left_ms: match key.left {
                Left::Forever => None,
                Left::Ms(ms) => Some(ms),
                Left::Nothing => Some(0),
            },
        }));
    }

    /// The largest keys, the largest first. A key that a scan has met twice is here once.
    pub fn largest(&self) -> Vec<Large> {
        let mut largest: Vec<Large> = self.largest.iter().map(|large| large.0.clone()).collect();
        largest.sort_by(|a, b| b.cmp(a));
        let mut seen = std::collections::HashSet::new();
        largest.retain(|large| seen.insert((large.db, large.name.clone())));
        largest
    }

    /// The prefixes that take most, so many of them; and all others, with the keys without one.
    pub fn prefixes(&self, most: usize) -> (Vec<(&[u8], Share)>, Share) {
        let mut all: Vec<(&[u8], Share)> =
            self.prefixes.iter().map(|(name, share)| (&name[..], *share)).collect();
        all.sort_by(|a, b| (b.1.bytes, b.1.keys).cmp(&(a.1.bytes, a.1.keys)).then(a.0.cmp(b.0)));
        let mut others = self.other_prefixes;
        all.drain(most.min(all.len())..).for_each(|(_, share)| others.join(share));
        (all, others)
    }

    /// How many prefixes there are, as far as they are told apart.
    pub fn prefixes_len(&self) -> usize {
        self.prefixes.len()
    }
}

/// The share of `which`, or, where there are too many, of `others`.
fn share_of<K: Ord>(map: &mut BTreeMap<K, Share>, most: usize, which: K, others: K) -> &mut Share {
    let known = map.contains_key(&which) || map.len() < most;
    map.entry(if known { which } else { others }).or_default()
}

/// How a key's prefix is found.
#[derive(Clone, Debug)]
pub struct PrefixRule {
    /// What parts of a name stand between.
    pub separators: Vec<u8>,
    /// How many parts at the beginning are the prefix.
    pub depth: usize,
}

impl Default for PrefixRule {
    fn default() -> PrefixRule {
        PrefixRule { separators: b":/|".to_vec(), depth: 2 }
    }
}

impl PrefixRule {
    /// The prefix of a name: its first parts, but for the last of all; empty where there is one
    /// part only. A part that is a number or another mark of one thing is a star: of `user:17:cart`
    /// the prefix is `user:*:`.
    fn prefix(&self, name: &[u8]) -> Vec<u8> {
        let mut prefix = Vec::new();
        let mut from = 0;
        for _ in 0..self.depth {
            let ends = |byte: &u8| self.separators.contains(byte);
            let Some(len) = name[from..].iter().position(ends) else { break };
            let part = &name[from..from + len];
            if is_id(part) {
                prefix.push(b'*');
            } else {
                prefix.extend_from_slice(part);
            }
            prefix.push(name[from + len]);
            from += len + 1;
            if prefix.len() >= PREFIX_LEN_MAX {
                prefix.truncate(PREFIX_LEN_MAX);
                break;
            }
        }
        prefix
    }
}

/// Whether a part of a name tells one thing from others like it: a number, hexadecimal digits, a
/// long word with many digits.
fn is_id(part: &[u8]) -> bool {
    let digits = part.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_hex = part.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    !part.is_empty()
        && (digits == part.len()
            || part.len() >= 8 && is_hex && digits > 0
            || part.len() >= 16 && digits >= 4)
}

/// A name as it is shown: not all of it, where it is long.
pub fn shown(name: &[u8]) -> String {
    crate::tools::show::name(name, NAME_LEN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key<'a>(name: &'a [u8], bytes: u64, left: Left) -> Key<'a> {
        Key { db: 0, name, kind: "string", encoding: "raw", bytes, left, elements: None }
    }

    #[test]
    fn prefixes_are_of_things_that_are_alike() {
        let rule = PrefixRule::default();
        for (name, prefix) in [
            ("user:17", "user:"),
            ("user:17:cart", "user:*:"),
            ("app:user:17:cart", "app:user:"),
            ("page/home", "page/"),
            ("plain", ""),
            ("", ""),
            (":x", ":"),
            ("s:550e8400-e29b-41d4-a716-446655440000:x", "s:*:"),
            ("facade:deadbeef:x", "facade:deadbeef:"),
            ("<script>:1:x", "<script>:*:"),
        ] {
            let found = rule.prefix(name.as_bytes());
            assert_eq!(String::from_utf8_lossy(&found), prefix, "{name}");
        }
        assert!(rule.prefix(&b"x".repeat(1 << 20)).is_empty());
        let long = [&b"x".repeat(1 << 20)[..], b":1"].concat();
        assert_eq!(rule.prefix(&long).len(), PREFIX_LEN_MAX);
    }

    #[test]
    fn sums_are_right_however_many_prefixes_there_are() {
        let mut tally = Tally::new(PrefixRule::default());
        let count = 5 * PREFIXES_MAX as u64;
        for number in 0..count {
            let name = format!("p{}:x", number * 7919 % count);
            tally.add(&key(name.as_bytes(), 100 + number, Left::Ms(number)));
            tally.add(&key(b"big:x", 1, Left::Forever));
        }
        assert!(tally.prefixes_joined && tally.prefixes_len() < 2 * PREFIXES_MAX);
        let (some, others) = tally.prefixes(10);
        assert_eq!(some.len(), 10);
        let big = tally.prefixes(usize::MAX).0.into_iter().find(|(name, _)| *name == b"big:");
        assert_eq!(big.map(|(_, share)| share.keys), Some(count));
        let mut sum = others;
        some.iter().for_each(|(_, share)| sum.join(*share));
        assert_eq!(sum, tally.all);
        let largest = tally.largest();
        assert_eq!((largest.len(), largest[0].bytes), (LARGEST, 99 + count));
        assert!(largest.is_sorted_by(|a, b| a.bytes >= b.bytes));
    }

    #[test]
    fn histograms_have_everything_once() {
        let mut tally = Tally::new(PrefixRule::default());
        let lefts = [Left::Ms(0), Left::Ms(60_000), Left::Ms(60_001), Left::Ms(u64::MAX)];
        for left in lefts.into_iter().chain([Left::Forever, Left::Nothing]) {
            tally.add(&key(b"k", 64, left));
        }
        tally.add(&key(b"k", u64::MAX / 2, Left::Forever));
        let counts: Vec<u64> = tally.ttls.iter().map(|share| share.keys).collect();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!((tally.forever.keys, tally.expired.keys), (2, 1));
        assert_eq!((tally.sizes[0].keys, tally.sizes[SIZES.len() - 1].keys), (6, 1));
        assert_eq!(tally.largest().len(), 1);
    }
}
