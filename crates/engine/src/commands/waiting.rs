//! What commands that wait share: the time that they wait.

use crate::error::Error;
use crate::run::call::Call;
use redstart_protocol::parse_f64;

/// Argument `at`, in seconds, as a time to wait in milliseconds; zero is for ever.
pub fn timeout(call: &Call<'_>, at: usize) -> Result<u64, Error> {
    let text = call.args.at(at);
    // What is too large for a float is a number all the same.
    let beyond = || std::str::from_utf8(text).ok()?.parse().ok();
    let seconds = parse_f64(text).or_else(beyond).filter(|seconds| !seconds.is_nan());
    let timeout_ms = (seconds.ok_or(Error::TIMEOUT_NOT_FLOAT)? * 1000.0).ceil();
    if timeout_ms < 0.0 {
        return Err(Error::TIMEOUT_NEGATIVE);
    }
    if timeout_ms >= (i64::MAX - call.now().present().wall_ms) as f64 {
        return Err(Error::TIMEOUT_OUT_OF_RANGE);
    }
    Ok(timeout_ms as u64)
}
