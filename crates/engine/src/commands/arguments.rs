//! Numbers among a command's arguments, and how many of which keys' parts it takes.

use crate::error::Error;
use crate::run::call::Call;
use redstart_protocol::parse_i64;

/// Argument `at` as an integer.
#[inline]
pub fn integer(call: &Call<'_>, at: usize) -> Result<i64, Error> {
    parse_i64(call.args.at(at)).ok_or(Error::NOT_INTEGER)
}

/// Argument `at` as a count of at least `least`, or the error.
pub fn count(call: &Call<'_>, at: usize, least: i64, error: Error) -> Result<usize, Error> {
    let count = parse_i64(call.args.at(at)).filter(|count| *count >= least).ok_or(error)?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// `numkeys key [key ...] <END> [COUNT count]` from argument `first` on: which end, and how many at
/// most.
pub fn end_and_most<E>(
    call: &Call<'_>,
    first: usize,
    parse_end: fn(&[u8]) -> Result<E, Error>,
) -> Result<(E, usize), Error> {
    let keys = count(call, first, 1, Error::NUMKEYS)?;
    let at = keys.checked_add(first + 1).filter(|at| *at < call.args.len());
    let at = at.ok_or(Error::SYNTAX)?;
    let end = parse_end(call.args.at(at))?;
    let most = match call.args.len() - at - 1 {
        0 => 1,
        1 => return Err(Error::SYNTAX),
        _ if !call.args[at + 1].eq_ignore_ascii_case(b"COUNT") => return Err(Error::SYNTAX),
        more => {
            let most = count(call, at + 2, 1, Error::COUNT_NOT_POSITIVE)?;
            if more > 2 {
                return Err(Error::SYNTAX);
            }
            most
        }
    };
    Ok((end, most))
}
