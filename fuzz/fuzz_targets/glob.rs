//! The glob matcher against a naive one, and against time.
//!
//! The input is one byte of options (its lowest bit: ignore case; the others: how the rest is
//! shared out), then the pattern, then the text. The naive matcher follows Redis's recursive
//! definition piece by piece and remembers what it has tried. It gets short inputs only; long ones
//! are for termination, which libFuzzer's own timeout watches.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redstart_engine::glob::{Case, matches};

fuzz_target!(|data: &[u8]| {
    let [options, rest @ ..] = data else { return };
    let case = if options & 1 == 0 { Case::Sensitive } else { Case::Insensitive };
    let (pattern, text) = rest.split_at(rest.len() * usize::from(options >> 1) / 127);
    let matched = matches(pattern, text, case);
    if rest.len() <= 512 {
        assert_eq!(matched, Naive::new(pattern, text, case).matches());
    }
});

struct Naive<'a> {
    pattern: &'a [u8],
    text: &'a [u8],
    case: Case,
    /// For each place in the pattern and in the text: whether their rests match, where known.
    known: Vec<Option<bool>>,
}

impl<'a> Naive<'a> {
    fn new(pattern: &'a [u8], text: &'a [u8], case: Case) -> Self {
        let known = vec![None; (pattern.len() + 1) * (text.len() + 1)];
        Self { pattern, text, case, known }
    }

    /// Redis looks at no star when there is no text at all.
    fn matches(&mut self) -> bool {
        if self.text.is_empty() { self.pattern.is_empty() } else { self.rest(0, 0) }
    }

    fn rest(&mut self, p: usize, t: usize) -> bool {
        let place = p * (self.text.len() + 1) + t;
        if let Some(known) = self.known[place] {
            return known;
        }
        let answer = match self.pattern.get(p) {
            None => t == self.text.len(),
            Some(b'*') => self.rest(p + 1, t) || (t < self.text.len() && self.rest(p, t + 1)),
            Some(_) => match self.text.get(t) {
                None => false,
                Some(&byte) => {
                    let (matched, next) = self.one(p, byte);
                    matched && self.rest(next, t + 1)
                }
            },
        };
        self.known[place] = Some(answer);
        answer
    }

    /// Whether the piece at `p` matches `byte`, and where the next piece begins.
    fn one(&self, p: usize, byte: u8) -> (bool, usize) {
        match self.pattern[p..] {
            [b'?', ..] => (true, p + 1),
            [b'[', ..] => self.class(p + 1, byte),
            [b'\\', escaped, ..] => (self.fold(escaped) == self.fold(byte), p + 2),
            [other, ..] => (self.fold(other) == self.fold(byte), p + 1),
            [] => unreachable!("a piece has a byte"),
        }
    }

    fn class(&self, mut p: usize, byte: u8) -> (bool, usize) {
        let negated = self.pattern.get(p) == Some(&b'^');
        p += usize::from(negated);
        let mut found = false;
        loop {
            let (hit, width) = match self.pattern[p..] {
                [] => return (found != negated, p),
                [b'\\', escaped, ..] => (escaped == byte, 2),
                [b']', ..] => return (found != negated, p + 1),
                [a, b'-', z, ..] => {
                    let (low, high) = if (a as i8) > z as i8 { (z, a) } else { (a, z) };
                    let (low, high) = (self.fold(low) as i8, self.fold(high) as i8);
                    ((low..=high).contains(&(self.fold(byte) as i8)), 3)
                }
                [other, ..] => (self.fold(other) == self.fold(byte), 1),
            };
            found |= hit;
            p += width;
        }
    }

    fn fold(&self, byte: u8) -> u8 {
        match self.case {
            Case::Sensitive => byte,
            Case::Insensitive => byte.to_ascii_lowercase(),
        }
    }
}
