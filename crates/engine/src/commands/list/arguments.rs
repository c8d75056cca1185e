//! Ends, counts and places of elements among a command's arguments.

use crate::error::Error;
use crate::run::call::Call;
use crate::storage::value::list::End;
use redstart_protocol::parse_i64;

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

/// Argument `at` as an integer.
#[inline]
pub fn integer(call: &Call<'_>, at: usize) -> Result<i64, Error> {
    parse_i64(call.args.at(at)).ok_or(Error::NOT_INTEGER)
}

/// Argument `at` as an integer that has a negation.
pub fn negatable(call: &Call<'_>, at: usize) -> Result<i64, Error> {
    Some(integer(call, at)?).filter(|number| *number != i64::MIN).ok_or(Error::NOT_NEGATABLE)
}

/// Argument `at` as a count of at least `least`, or the error.
pub fn count(call: &Call<'_>, at: usize, least: i64, error: Error) -> Result<usize, Error> {
    let count = parse_i64(call.args.at(at)).filter(|count| *count >= least).ok_or(error)?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
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
