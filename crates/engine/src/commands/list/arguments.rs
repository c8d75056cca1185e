//! Keys, ends and places of elements among a command's arguments.

use crate::commands::arguments::integer;
use crate::error::Error;
use crate::run::call::Call;
use crate::spec::*;
use crate::storage::value::list::End;

/// `source destination`
pub const FROM_AND_TO: &[KeySpec] =
    &[KeySpec::at(1, RW | ACCESS | DELETE), KeySpec::at(2, RW | INSERT)];

/// LEFT or RIGHT.
pub fn parse_end(word: &[u8]) -> Result<End, Error> {
    if word.eq_ignore_ascii_case(b"LEFT") {
        Ok(End::Head)
    } else if word.eq_ignore_ascii_case(b"RIGHT") {
        Ok(End::Tail)
    } else {
        Err(Error::SYNTAX)
    }
}

/// An end as an argument.
pub fn end_word(end: End) -> &'static [u8] {
    if end == End::Head { b"LEFT" } else { b"RIGHT" }
}

/// Argument `at` as an integer that has a negation.
pub fn negatable(call: &Call<'_>, at: usize) -> Result<i64, Error> {
    Some(integer(call, at)?).filter(|number| *number != i64::MIN).ok_or(Error::NOT_NEGATABLE)
}

/// The place that an index, negative from the end, means in a list of `len` elements.
#[inline]
pub fn resolve(index: i64, len: usize) -> Option<usize> {
    let at = if index < 0 { index + len as i64 } else { index };
    usize::try_from(at).ok().filter(|at| *at < len)
}

/// The elements from `first` to `last`, each negative from the end: where they begin, and how many
/// there are in a list of `len`.
#[inline]
pub fn range(first: i64, last: i64, len: usize) -> (usize, usize) {
    let from_end = |index: i64| if index < 0 { index + len as i64 } else { index };
    let (first, last) = (from_end(first).max(0), from_end(last).min(len as i64 - 1));
    if first > last { (0, 0) } else { (first as usize, (last - first + 1) as usize) }
}
