//! Times among the arguments of commands about leases and locks.

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
