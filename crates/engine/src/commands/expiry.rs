//! The expiry options that SET, GETEX and MSETEX share: EX, PX, EXAT, PXAT.

use crate::clock::Now;
use crate::error::Error;
use redstart_protocol::parse_i64;

/// How an expiry time is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiryUnit {
    /// In seconds from now.
    Seconds,
    /// In milliseconds from now.
    Milliseconds,
    /// As a Unix time in seconds.
    UnixSeconds,
    /// As a Unix time in milliseconds.
    UnixMilliseconds,
}

impl ExpiryUnit {
    /// The unit that an option's name stands for.
    pub fn of_option(word: &[u8]) -> Option<ExpiryUnit> {
        match word.len() {
            2 if word.eq_ignore_ascii_case(b"EX") => Some(ExpiryUnit::Seconds),
            2 if word.eq_ignore_ascii_case(b"PX") => Some(ExpiryUnit::Milliseconds),
            4 if word.eq_ignore_ascii_case(b"EXAT") => Some(ExpiryUnit::UnixSeconds),
            4 if word.eq_ignore_ascii_case(b"PXAT") => Some(ExpiryUnit::UnixMilliseconds),
            _ => None,
        }
    }

    /// The milliseconds in one of it.
    pub fn scale_ms(self) -> i64 {
        match self {
            ExpiryUnit::Seconds | ExpiryUnit::UnixSeconds => 1000,
            ExpiryUnit::Milliseconds | ExpiryUnit::UnixMilliseconds => 1,
        }
    }

    /// The wall time in milliseconds from which it counts.
    pub fn base_ms(self, now: Now) -> i64 {
        if self.is_unix_time() { 0 } else { now.present().wall_ms }
    }

    fn is_unix_time(self) -> bool {
        matches!(self, ExpiryUnit::UnixSeconds | ExpiryUnit::UnixMilliseconds)
    }

    /// The monotonic deadline in milliseconds that `text` gives in this unit.
    ///
    /// # Errors
    /// Not an integer; or not positive, or beyond what a 64-bit millisecond clock can show, which
    /// names `command`.
    pub fn deadline(self, text: &[u8], now: Now, command: &str) -> Result<u64, Error> {
        let value = parse_i64(text).ok_or(Error::NOT_INTEGER)?;
        let ms = value.checked_mul(self.scale_ms());
        let present = now.present();
        match ms {
            Some(ms) if value > 0 && self.is_unix_time() => Ok(now.deadline(ms)),
            Some(ms) if value > 0 && present.wall_ms.checked_add(ms).is_some() => {
                Ok(present.mono_ms.saturating_add(ms as u64))
            }
            _ => Err(Error::invalid_expire(command)),
        }
    }
}
