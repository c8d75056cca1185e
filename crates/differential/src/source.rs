//! The random source of a stream: keys, values, numbers and options, the edges among them.
//!
//! Everything comes from the seed and nothing from the clock, so a seed is a stream for ever.
//! The key space is small, so that commands meet each other's keys. No integer here lies
//! between a thousand and 2^31: one of those as a SETRANGE offset would make values of
//! megabytes, and 2^31 is beyond the largest string and so an error.

use crate::stream::Command;

const KEYS: &[&[u8]] = &[
    b"a",
    b"b",
    b"c",
    b"k1",
    b"k2",
    b"k3",
    b"key:1",
    b"key:2",
    b"{tag}a",
    b"{tag}b",
    b"10",
    b"-1",
    b"",
    b" ",
    b"\x00",
    b"\xff\x00\xfe\r\n",
    b"h[ae]llo",
    b"*",
    b"\\x",
    "schl\u{fc}ssel".as_bytes(),
    b"a-key-that-is-longer-than-the-small-ones-and-needs-a-longer-header-than-they-do-0123456789",
];

const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "10",
    "-10",
    "99",
    "100",
    "999",
    "-1000",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775806",
    "9223372036854775807",
    "-9223372036854775807",
    "-9223372036854775808",
];

const NOT_INTEGERS: &[&str] = &[
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890",
    "",
    " 1",
    "1 ",
    "+1",
    "01",
    "-0",
    "-",
    "--1",
    "0x10",
    "1.0",
    "1e3",
    "abc",
    "1\0",
];

const FLOATS: &[&str] = &[
    "0",
    "0.1",
    "-0.1",
    "1.5",
    "3.0e3",
    "5.0e-1",
    "-1e-17",
    "1e17",
    "1e-18",
    "3.14159265358979323846",
    "1e308",
    "-1e308",
    "1e4000",
    "1e4932",
    "1e5000",
    "1e-5000",
    "9223372036854775807",
    "0.30000000000000004",
    ".5",
    "5.",
    "+1.5",
    "-0.0",
    "inf",
    "-inf",
    "+INF",
    "infinity",
    "nan",
    "NaN",
    " 1.5",
    "1.5 ",
    "1.5x",
    "",
    "1e",
    "e5",
    "1,5",
    "0x1p3",
    "0x10",
    "123456789012345678901234567890.5",
];

const WIDE_KEYS: usize = 4000;

/// Seeded choices. One per stream.
#[derive(Debug)]
pub struct Source {
    rng: fastrand::Rng,
    is_wide: bool,
    /// How many commands a transaction has still room for; none outside of one.
    queued: Option<usize>,
    deadlines: u64,
    entries: u64,
}

impl Source {
    /// The source of the stream with this seed.
    pub fn new(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        Self { rng, is_wide: false, queued: None, deadlines: 0, entries: 0 }
    }

    /// From now on most keys are of a large key space, so that tables grow and scans are long.
    pub fn widen(&mut self) {
        self.is_wide = true;
    }

    /// From now on a few commands are in a transaction.
    pub fn begin_transaction(&mut self) {
        self.queued = Some(self.below(8));
    }

    /// Whether the next command has to end a transaction.
    pub fn ends_transaction(&mut self) -> bool {
        let left = self.queued;
        self.queued = left.and_then(|left| left.checked_sub(1));
        left == Some(0)
    }

    /// No transaction was begun after all.
    pub fn leave_transaction(&mut self) {
        self.queued = None;
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.rng.u32(0..100) < percent
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.rng.usize(0..bound)
    }

    /// One of `choices`, which are not none.
    pub fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// Shuffles `items`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        self.rng.shuffle(items);
    }

    /// A key of the small key space; the plain ones more often.
    pub fn key(&mut self) -> Vec<u8> {
        if self.is_wide && self.chance(90) {
            return format!("wide:{}", self.below(WIDE_KEYS)).into_bytes();
        }
        if self.chance(50) { self.pick(&KEYS[..6]).to_vec() } else { self.pick(KEYS).to_vec() }
    }

    /// All keys of the key space.
    pub fn keys() -> &'static [&'static [u8]] {
        KEYS
    }

    /// How many keys a command takes that takes any number: a few; many in a large key space.
    pub fn key_count(&mut self) -> usize {
        1 + self.below(if self.is_wide { 60 } else { 4 })
    }

    /// That many keys, the same one twice at times.
    pub fn some_keys(&mut self) -> Vec<Vec<u8>> {
        let count = self.key_count();
        (0..count).map(|_| self.key()).collect()
    }

    /// A value for a string: number, text, binary, at the sizes where encodings change.
    pub fn value(&mut self) -> Vec<u8> {
        match self.below(100) {
            0..30 => self.integer(),
            30..38 => self.float(),
            38..40 => Vec::new(),
            40..60 => {
                let len = 1 + self.below(12);
                self.text(len)
            }
            60..70 => {
                let len = self.below(40);
                (0..len).map(|_| self.rng.u8(..)).collect()
            }
            70..98 => {
                let len = *self.pick(&[&20, &43, &44, &45, &63, &64, &65, &127, &128, &200]);
                self.text(len)
            }
            _ => {
                let len = *self.pick(&[&255, &256, &1000, &1024, &2000]);
                if self.chance(5) { self.text(20_000) } else { self.text(len) }
            }
        }
    }

    /// Letters, few different ones, so that substrings and patterns match.
    pub fn text(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| *self.pick(&[&b'a', &b'b', &b'c', &b'h', &b'l', &b'o'])).collect()
    }

    /// An integer's text; in a few cases not one, or out of range.
    pub fn integer(&mut self) -> Vec<u8> {
        match self.below(100) {
            0..50 => self.small_integer(),
            50..90 => self.pick(INTEGERS).as_bytes().to_vec(),
            _ => self.pick(NOT_INTEGERS).as_bytes().to_vec(),
        }
    }

    /// An integer between -30 and 300.
    pub fn small_integer(&mut self) -> Vec<u8> {
        self.rng.i32(-30..300).to_string().into_bytes()
    }

    /// A float's text; in a few cases not one, or out of range.
    pub fn float(&mut self) -> Vec<u8> {
        match self.below(100) {
            0..40 => {
                let (whole, scale) =
                    (self.rng.i32(-100_000..100_000), self.pick(&[&1, &10, &1000]));
                (f64::from(whole) / f64::from(*scale)).to_string().into_bytes()
            }
            40..50 => self.small_integer(),
            _ => self.pick(FLOATS).as_bytes().to_vec(),
        }
    }

    /// Anything at all, for a place where it does not belong.
    pub fn junk(&mut self) -> Vec<u8> {
        match self.below(6) {
            0 => self.key(),
            1 => self.integer(),
            2 => self.float(),
            3 => {
                let word = ["EX", "PX", "NX", "XX", "GT", "LT", "GET", "COUNT", "MATCH", "KEEPTTL"];
                self.pick(&word).as_bytes().to_vec()
            }
            4 => self.pick(NOT_INTEGERS).as_bytes().to_vec(),
            _ => self.value(),
        }
    }

    /// A database index: a low one mostly, at times none.
    pub fn database(&mut self) -> Vec<u8> {
        match self.below(100) {
            0..85 => self.pick(&["0", "0", "0", "1", "2", "3"]).as_bytes().to_vec(),
            85..95 => self.pick(&["9", "15", "16", "-1"]).as_bytes().to_vec(),
            _ => self.junk(),
        }
    }

    /// `word` in upper, lower or mixed case.
    pub fn cased(&mut self, word: &str) -> Vec<u8> {
        match self.below(10) {
            0..5 => word.as_bytes().to_ascii_uppercase(),
            5..8 => word.as_bytes().to_ascii_lowercase(),
            _ => {
                word.bytes()
                    .map(|b| {
                        if self.chance(50) {
                            b.to_ascii_uppercase()
                        } else {
                            b.to_ascii_lowercase()
                        }
                    })
                    .collect()
            }
        }
    }

    /// Appends each of `options` with its chance in percent, in any order and case. An
    /// option is its words: the keyword, then what its closure draws.
    pub fn options(&mut self, command: &mut Command, options: &[(u32, Choice)]) {
        let mut chosen: Vec<&Choice> = Vec::new();
        for (percent, option) in options {
            if self.chance(*percent) {
                chosen.push(option);
            }
        }
        self.shuffle(&mut chosen);
        for option in chosen {
            match option {
                Choice::Word(word) => command.args.push(self.cased(word)),
                Choice::With(word, draw) => {
                    command.args.push(self.cased(word));
                    command.args.push(draw(self));
                }
            }
        }
    }

    /// How many entries were drawn for streams: what their ids rise with.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Counts an entry.
    pub fn count_entry(&mut self) {
        self.entries += 1;
    }

    /// A number that no other call gives in the next 65,536: what keeps two deadlines of a
    /// stream apart.
    pub fn unique(&mut self) -> u64 {
        self.deadlines += 1;
        self.deadlines.wrapping_mul(40_503) % 65_536
    }
}

/// An option of a command, for [`Source::options`].
#[derive(Debug, Clone, Copy)]
pub enum Choice {
    /// A keyword alone.
    Word(&'static str),
    /// A keyword and its argument.
    With(&'static str, fn(&mut Source) -> Vec<u8>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unique_numbers_do_not_repeat() {
        let mut source = Source::new(1);
        let mut seen: Vec<u64> = (0..65_536).map(|_| source.unique()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 65_536);
    }

    #[test]
    fn a_seed_gives_the_same_choices() {
        let draw = |seed| {
            let mut source = Source::new(seed);
            (0..50).map(|_| source.value()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
