//! Glob patterns, as KEYS, SCAN, PSUBSCRIBE and CONFIG GET take them.
//!
//! Redis's dialect to the letter, its corners included:
//!
//! ```text
//! *       any bytes, also none         [abc]   one of these bytes
//! ?       one byte                     [^abc]  one byte that is none of these
//! \x      the byte x                   [a-z]   a range; its ends may stand in either order
//! ```
//!
//! - A class that is not closed ends with the pattern. Inside a class `\x` is the byte x.
//! - Range ends compare as signed bytes, so `[\x01-\xff]` is three bytes wide.
//! - Where case is ignored, an escaped byte inside a class still counts by its exact value, and a
//!   range is folded after its ends were put in order, so `[a-Z]` is empty.
//! - An empty text matches the empty pattern only: not even `*`.
//!
//! Every piece but the star takes exactly one byte. So when a piece fails, only the latest star
//! needs to grow: an earlier one could but find the same later. The cost is at most pattern times
//! text, without recursion, whatever a client sends. As both may be long, steps are counted, and a
//! match that takes too many is given up.

/// Whether upper and lower case ASCII letters differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `a` and `A` differ.
    Sensitive,
    /// `a` and `A` are the same.
    Insensitive,
}

/// Steps after which a match is given up: some milliseconds.
const STEPS_MAX: usize = 4_000_000;

/// Whether the whole of `text` matches `pattern`. What would take too long does not.
pub fn matches(pattern: &[u8], text: &[u8], case: Case) -> bool {
    matches_within(pattern, text, case, &mut { STEPS_MAX }).unwrap_or(false)
}

/// As [`matches`], within so many steps, which are counted down; None if these were too few.
pub fn matches_within(pattern: &[u8], text: &[u8], case: Case, steps: &mut usize) -> Option<bool> {
    if text.is_empty() {
        return Some(pattern.is_empty());
    }
    let (mut at, mut position) = (0, 0);
    // Where the pattern goes on after the latest star, and where the text did then.
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        *steps = steps.checked_sub(1)?;
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            if at == pattern.len() {
                return Some(true);
            }
            star = Some((at, position));
            continue;
        }
        let (next, class_len) = piece(pattern, at, text[position], case);
        *steps = steps.checked_sub(class_len)?;
        if let Some(next) = next {
            at = next;
            position += 1;
        } else if let Some((after, began)) = star {
            star = Some((after, began + 1));
            at = after;
            position = began + 1;
        } else {
            return Some(false);
        }
    }
    Some(pattern[at..].iter().all(|byte| *byte == b'*'))
}

/// Matches the piece of the pattern at `at`, which is not a star, with one byte: where the next
/// piece begins, or `None` if the byte does not match; and the length of the class, if it is one.
#[inline]
fn piece(pattern: &[u8], at: usize, byte: u8, case: Case) -> (Option<usize>, usize) {
    let next = match pattern.get(at) {
        None => None,
        Some(b'?') => Some(at + 1),
        Some(b'[') => {
            let (found, end) = class(pattern, at + 1, byte, case);
            return (found.then_some(end), end - at);
        }
        Some(b'\\') if at + 1 < pattern.len() => {
            same(pattern[at + 1], byte, case).then_some(at + 2)
        }
        Some(literal) => same(*literal, byte, case).then_some(at + 1),
    };
    (next, 0)
}

/// Matches a class whose first byte after the bracket is at `at`: whether it does, and where the
/// next piece begins.
fn class(pattern: &[u8], mut at: usize, byte: u8, case: Case) -> (bool, usize) {
    let negated = pattern.get(at) == Some(&b'^');
    at += usize::from(negated);
    let mut found = false;
    loop {
        match pattern[at..] {
            [] => break,
            [b'\\', escaped, ..] => {
                found |= escaped == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [start, b'-', end, ..] => {
                found |= within(start, end, byte, case);
                at += 3;
            }
            [literal, ..] => {
                found |= same(literal, byte, case);
                at += 1;
            }
        }
    }
    (found != negated, at)
}

fn same(left: u8, right: u8, case: Case) -> bool {
    match case {
        Case::Sensitive => left == right,
        Case::Insensitive => left.eq_ignore_ascii_case(&right),
    }
}

fn within(start: u8, end: u8, byte: u8, case: Case) -> bool {
    let (start, end) =
        if start.cast_signed() > end.cast_signed() { (end, start) } else { (start, end) };
    let fold = |byte: u8| match case {
        Case::Sensitive => byte.cast_signed(),
        Case::Insensitive => byte.to_ascii_lowercase().cast_signed(),
    };
    (fold(start)..=fold(end)).contains(&fold(byte))
}

#[cfg(test)]
mod tests {
    use super::{Case, matches, matches_within, piece};
    use proptest::prelude::*;

    /// Tries every length for every star.
    fn naive(pattern: &[u8], text: &[u8], case: Case) -> bool {
        fn rest(pattern: &[u8], text: &[u8], case: Case) -> bool {
            match pattern {
                [] => text.is_empty(),
                [b'*', pattern @ ..] => {
                    (0..=text.len()).any(|length| rest(pattern, &text[length..], case))
                }
                _ => text.split_first().is_some_and(|(byte, text)| {
                    let (next, _) = piece(pattern, 0, *byte, case);
                    next.is_some_and(|next| rest(&pattern[next..], text, case))
                }),
            }
        }
        if text.is_empty() { pattern.is_empty() } else { rest(pattern, text, case) }
    }

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        for text in yes {
            assert!(matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive), "{text}");
        }
        for text in no {
            assert!(!matches(pattern.as_bytes(), text.as_bytes(), Case::Sensitive), "{text}");
        }
    }

    #[test]
    fn stars_and_question_marks() {
        check("*", &["a", "abc"], &[""]);
        check("", &[""], &["a"]);
        check("h?llo", &["hello", "h*llo"], &["hllo", "heello"]);
        check("h*llo", &["hllo", "heeeello"], &["hllo!", "hell"]);
        check("a**b***", &["ab", "axb", "axbx"], &["a", "b"]);
        check("*a*b", &["ab", "xaxbxb"], &["ba", "abx"]);
    }

    #[test]
    fn classes() {
        check("h[ae]llo", &["hello", "hallo"], &["hillo"]);
        check("h[^e]llo", &["hallo"], &["hello"]);
        check("h[b-a]llo", &["hallo", "hbllo"], &["hcllo"]);
        check("[a-]", &["^", "a"], &["b", "-"]);
        check("[a-c", &["b"], &["d"]);
        check("[a-", &["a", "-"], &["b"]);
        check("[", &[], &["["]);
        check("[^", &["x"], &["xx"]);
        check("[]", &[], &["]", "["]);
        check(r"[\]]", &["]"], &["\\"]);
        check(r"[\", &["\\"], &["["]);
        check("[*]x", &["*x"], &["ax"]);
    }

    #[test]
    fn escapes() {
        check(r"a\*b", &["a*b"], &["axb", r"a\*b"]);
        check(r"a\", &[r"a\"], &["a"]);
        check(r"\[a]", &["[a]"], &["a"]);
    }

    #[test]
    fn letters_without_their_case() {
        let matches = |pattern: &str, text: &str| {
            matches(pattern.as_bytes(), text.as_bytes(), Case::Insensitive)
        };
        assert!(matches("MaxMemory*", "maxmemory-policy"));
        assert!(matches("[A-C]", "b"));
        assert!(!matches("[a-Z]", "b"));
        assert!(!matches(r"[\A]", "a"));
        assert!(matches(r"\A", "a"));
    }

    #[test]
    fn range_ends_are_signed() {
        assert!(matches(b"[\x01-\xff]", b"\x00", Case::Sensitive));
        assert!(!matches(b"[\x01-\xff]", b"a", Case::Sensitive));
    }

    #[test]
    fn many_stars_cost_no_more_than_pattern_times_text() {
        let pattern = [b"a*".repeat(500), b"b".to_vec()].concat();
        assert!(!matches(&pattern, &b"a".repeat(50_000), Case::Sensitive));
    }

    #[test]
    fn a_match_that_takes_too_long_is_given_up() {
        let (text, rest) = (b"a".repeat(100_000), [b"a".repeat(50_000), b"b".to_vec()].concat());
        let pattern = [b"*", &rest[..]].concat();
        let mut steps = 1_000_000;
        assert_eq!(matches_within(&pattern, &text, Case::Sensitive, &mut steps), None);
        assert!(!matches(&pattern, &text, Case::Sensitive));
        let class = [b"*[", &b"b".repeat(50_000)[..], b"]"].concat();
        assert_eq!(matches_within(&class, &text, Case::Sensitive, &mut 1_000_000), None);
        // One that ends soon counts what it took.
        let mut steps = 100;
        assert_eq!(matches_within(b"a*[bc]", b"aac", Case::Sensitive, &mut steps), Some(true));
        assert!((80..99).contains(&steps), "{steps} are left");
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_matcher(
            pattern in "[a-c*?\\[\\]^\\\\A-]{0,9}",
            text in "[a-c*?\\[\\]^\\\\A-]{0,7}",
            insensitive: bool,
        ) {
            let case = if insensitive { Case::Insensitive } else { Case::Sensitive };
            prop_assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes(), case),
                naive(pattern.as_bytes(), text.as_bytes(), case)
            );
        }

        #[test]
        fn never_panics(
            pattern in prop::collection::vec(any::<u8>(), 0..40),
            text in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            matches(&pattern, &text, Case::Insensitive);
        }
    }
}
