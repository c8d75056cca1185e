//! Scores and bounds among a command's arguments, and members in a reply.

use crate::commands::value::parse_lenient;
use crate::error::Error;
use crate::storage::value::sorted_set::SortedSet;
use redstart_protocol::{Protocol, Reply, parse_f64};
use std::ops::Range;

/// A score to be stored.
#[inline]
pub fn parse_score(text: &[u8]) -> Result<f64, Error> {
    parse_f64(text).ok_or(Error::NOT_FLOAT)
}

/// A bound of scores; `(` before it leaves out what equals it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ScoreBound {
    score: f64,
    excludes: bool,
}

impl ScoreBound {
    fn parse(text: &[u8]) -> Option<ScoreBound> {
        let (excludes, text) = match text {
            [b'(', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        parse_lenient(text).map(|score| ScoreBound { score, excludes })
    }
}

/// A range of scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    min: ScoreBound,
    max: ScoreBound,
}

impl Scores {
    /// Reads the two bounds.
    pub fn parse(min: &[u8], max: &[u8]) -> Result<Scores, Error> {
        match (ScoreBound::parse(min), ScoreBound::parse(max)) {
            (Some(min), Some(max)) => Ok(Scores { min, max }),
            _ => Err(Error::SCORE_RANGE),
        }
    }

    /// The ranks of the members with these scores.
    #[inline]
    pub fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let Scores { min, max } = *self;
        let start =
            set.count_scores(
                |score| {
                    if min.excludes { score <= min.score } else { score < min.score }
                },
            );
        let end =
            set.count_scores(
                |score| {
                    if max.excludes { score < max.score } else { score <= max.score }
                },
            );
        start..end.max(start)
    }
}

/// A bound of texts: `-` and `+` are before and behind all of them, `[` takes in what equals the
/// text behind it, `(` leaves it out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum TextBound<'a> {
    Front,
    Back,
    At { text: &'a [u8], excludes: bool },
}

impl<'a> TextBound<'a> {
    fn parse(text: &'a [u8]) -> Option<TextBound<'a>> {
        match text {
            [b'-'] | [b'-', 0, ..] => Some(TextBound::Front),
            [b'+'] | [b'+', 0, ..] => Some(TextBound::Back),
            [b'[', text @ ..] => Some(TextBound::At { text, excludes: false }),
            [b'(', text @ ..] => Some(TextBound::At { text, excludes: true }),
            _ => None,
        }
    }

    /// Whether a text lies before what begins here, or `ends` here.
    fn is_behind(self, own: &[u8], ends: bool) -> bool {
        match self {
            TextBound::Front => false,
            TextBound::Back => true,
            TextBound::At { text, excludes } if excludes == ends => own < text,
            TextBound::At { text, .. } => own <= text,
        }
    }
}

/// A range of texts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Texts<'a> {
    min: TextBound<'a>,
    max: TextBound<'a>,
}

impl<'a> Texts<'a> {
    /// Reads the two bounds.
    pub fn parse(min: &'a [u8], max: &'a [u8]) -> Result<Texts<'a>, Error> {
        match (TextBound::parse(min), TextBound::parse(max)) {
            (Some(min), Some(max)) => Ok(Texts { min, max }),
            _ => Err(Error::TEXT_RANGE),
        }
    }

    /// The ranks of the members with these texts. Of a set whose scores are not all equal they mean
    /// nothing, but are ranks.
    pub fn ranks(&self, set: &SortedSet) -> Range<usize> {
        let start = set.count_texts(|text| self.min.is_behind(text, false));
        let end = set.count_texts(|text| self.max.is_behind(text, true));
        start..end.max(start)
    }
}

/// The ranks from `first` to `last`, each negative from the end, in a set of `len` members.
#[inline]
pub fn ranks(first: i64, last: i64, len: usize) -> Range<usize> {
    let from_end = |rank: i64| if rank < 0 { rank + len as i64 } else { rank };
    let (first, last) = (from_end(first).max(0), from_end(last).min(len as i64 - 1));
    if first > last { 0..0 } else { first as usize..last as usize + 1 }
}

/// The head of an array of members. With scores RESP3 has an array of its own for each pair, RESP2
/// all of them in a row.
#[inline]
pub fn write_head(reply: &mut Reply, members: usize, with_scores: bool) {
    let doubled = with_scores && reply.protocol() == Protocol::Resp2;
    reply.array(if doubled { 2 * members } else { members });
}

/// A member of such an array.
#[inline]
pub fn write_member(reply: &mut Reply, member: &[u8], score: f64, with_scores: bool) {
    if !with_scores {
        return reply.bulk(member);
    }
    if reply.protocol() == Protocol::Resp3 {
        reply.array(2);
    }
    reply.bulk(member);
    reply.score(score);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_as_redis_reads_them() {
        let scores = |text: &str| ScoreBound::parse(text.as_bytes());
        let bound = |score, excludes| Some(ScoreBound { score, excludes });
        for (text, score) in
            [("", 0.0), ("5\0x", 5.0), ("1e400", f64::INFINITY), ("-inf", -1.0 / 0.0)]
        {
            assert_eq!(scores(text), bound(score, false), "{text:?}");
            assert_eq!(scores(&format!("({text}")), bound(score, true), "({text:?}");
        }
        for text in [" 1", "1 ", "x", "nan", "0x10", "((1", "[1"] {
            assert_eq!(scores(text), None, "{text:?}");
        }
        for text in [&b""[..], b"a", b"-a", b"+a", b"1"] {
            assert_eq!(TextBound::parse(text), None, "{text:?}");
        }
        assert_eq!(TextBound::parse(b"+\0a"), Some(TextBound::Back));
        assert_eq!(TextBound::parse(b"["), Some(TextBound::At { text: b"", excludes: false }));
    }

    #[test]
    fn ranks_from_both_ends() {
        for (first, last, wanted) in [(0, -1, 0..5), (1, 2, 1..3), (-2, 9, 3..5), (-9, 0, 0..1)] {
            assert_eq!(ranks(first, last, 5), wanted);
        }
        for (first, last) in [(3, 2), (5, 9), (-1, -2), (i64::MAX, i64::MAX), (i64::MIN, i64::MIN)]
        {
            assert!(ranks(first, last, 5).is_empty());
        }
        assert!(ranks(0, -1, 0).is_empty());
    }
}
