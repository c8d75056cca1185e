//! Requests of memcached's clients, whole and in pieces.

use super::{Decoded, Decoder, MemcachedLimits, Request, Requests};
use crate::args::Span;
use proptest::prelude::*;

const LIMITS: MemcachedLimits = MemcachedLimits { item_bytes_max: 100, authenticated: true };

fn text_of(input: &[u8], span: Span) -> String {
    let (start, len) = (span.start as usize, span.len as usize);
    input[start..start + len].escape_ascii().to_string()
}

/// What is decoded of an input that comes in pieces of a length: each request with its words.
fn decoded(input: &[u8], piece: usize, limits: &MemcachedLimits) -> Vec<String> {
    let (mut decoder, mut kept, mut found) = (Decoder::default(), Vec::new(), Vec::new());
    for piece in input.chunks(piece) {
        kept.extend_from_slice(piece);
        let (mut at, mut spans, mut to) = (0, Vec::new(), Requests::default());
        while at < kept.len() {
            match decoder.decode(&mut kept, at, &mut spans, &mut to, limits) {
                Decoded::Until(end) => at = end,
                Decoded::Incomplete(wanted) => {
                    assert!(wanted > 0);
                    break;
                }
                Decoded::Hopeless => return found,
            }
        }
        for request in &to.requests {
            let words: Vec<String> =
                spans[request.args.clone()].iter().map(|span| text_of(&kept, *span)).collect();
            let Request { verb, quiet, flags, exptime, number, keys, .. } = request;
            found.push(format!("{verb:?} {words:?} {keys} {quiet} {flags} {exptime} {number}"));
        }
        kept.drain(..at);
    }
    found
}

#[test]
fn requests_are_found_with_their_words() {
    let all = |text: &str| decoded(text.as_bytes(), usize::MAX, &LIMITS).join("; ");
    assert_eq!(all("get a  b \r\n"), r#"Get { versions: false } ["get", "a", "b"] 2 false 0 0 0"#);
    assert_eq!(all("set k 5 -60 3 noreply\r\na\r\n\r\n"), {
        r#"Set ["set", "k", "a\\r\\n"] 1 true 5 -60 0"#
    });
    assert_eq!(all("ms YWI= 2 b k\r\nxy\r\n"), {
        r#"MetaSet ["ms", "ab", "xy", "b", "k"] 1 false 0 0 0"#
    });
    let both = all("gats 9 a b\r\n");
    assert!(both.starts_with(r#"Gat { versions: true, ends: false } ["gats", "a"] 1 false 0 9"#));
    assert!(both.contains(r#"Gat { versions: true, ends: true } ["gats", "b"]"#));
}

#[test]
fn a_block_that_is_refused_is_passed_over() {
    let text = b"set k 0 0 200\r\n";
    let input = [&text[..], &[b'\n'; 202], b"mn\r\n"].concat();
    for piece in [1, 7, 1000] {
        let found = decoded(&input, piece, &LIMITS);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("TooLarge") && found[1].starts_with("MetaNoop"));
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(
        parts in proptest::collection::vec(prop_oneof![
            Just("get a b\r\n".to_owned()), Just("gat 5 a b\r\n".to_owned()),
            Just("set k 0 0 3\r\nabc\r\n".to_owned()), Just("set k 0 0 300\r\n".to_owned()),
            Just("ms YWI= 2 b\r\nxy\r\n".to_owned()), Just("mg YQ== b v\r\n".to_owned()),
            Just("add k 1 2 x\r\n".to_owned()), Just("mn\r\n".to_owned()),
            "[ -~]{0,20}\r\n", "(get|set|ms|cas|ma) [ 0-9a-z]{0,20}\r\n",
        ], 0..12),
        piece in 1usize..40,
        authenticated in any::<bool>(),
    ) {
        let input = parts.concat().into_bytes();
        let limits = MemcachedLimits { authenticated, ..LIMITS };
        prop_assert_eq!(
            decoded(&input, piece, &limits),
            decoded(&input, usize::MAX, &limits)
        );
    }

    #[test]
    fn no_bytes_are_too_odd(
        input in proptest::collection::vec(any::<u8>(), 0..400),
        piece in 1usize..40,
    ) {
        decoded(&input, piece, &LIMITS);
    }
}
