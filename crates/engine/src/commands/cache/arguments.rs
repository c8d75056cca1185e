//! Times among the arguments and in the replies of commands about leases and locks.

use crate::clock::Now;
use crate::error::Error;
use crate::run::call::Call;
use redstart_protocol::parse_i64;

/// Argument `at` as milliseconds to wait; zero is not to wait.
pub fn wait_ms(call: &Call<'_>, at: usize) -> Result<u64, Error> {
    let text = call.args.get(at).ok_or(Error::SYNTAX)?;
    let ms = parse_i64(text).ok_or(Error::TIMEOUT_NOT_INTEGER)?;
    let ms = u64::try_from(ms).map_err(|_| Error::TIMEOUT_NEGATIVE)?;
    // As for other waits, the end has to be a time that the clock can show.
    let latest = i64::MAX.abs_diff(call.now().present().wall_ms);
    if ms >= latest { Err(Error::TIMEOUT_OUT_OF_RANGE) } else { Ok(ms) }
}

/// Argument `at` as a duration in milliseconds, more than none.
pub fn duration_ms(call: &Call<'_>, at: usize) -> Result<u64, Error> {
    let text = call.args.get(at).ok_or(Error::SYNTAX)?;
    let ms = parse_i64(text).ok_or(Error::NOT_INTEGER)?;
    let latest = i64::MAX.abs_diff(call.now().present().wall_ms);
    let ms = u64::try_from(ms).ok().filter(|ms| *ms > 0 && *ms < latest);
    ms.ok_or_else(|| Error::invalid_expire(call.command.name))
}

/// The milliseconds until a deadline that has not passed, as replies have them: -1 where there is
/// none.
pub fn left_ms(deadline_ms: u64, now: Now) -> i64 {
    match deadline_ms {
        0 => -1,
        deadline_ms => i64::try_from(deadline_ms - now.mono_ms).unwrap_or(i64::MAX),
    }
}
