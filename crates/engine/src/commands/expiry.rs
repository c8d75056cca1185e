//! The expiry options that SET, GETEX and MSETEX share: EX, PX, EXAT, PXAT.

use crate::clock::Now;
use crate::error::Error;
use redstart_protocol::parse_i64;

/// How an expiry time is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpiryUnit {
    /// Seconds, or milliseconds.
    pub seconds: bool,
    /// A Unix time, or from now.
    pub absolute: bool,
}

impl ExpiryUnit {
    /// The unit that an option's name stands for.
    pub fn of_option(word: &[u8]) -> Option<ExpiryUnit> {
        let unit = |seconds, absolute| Some(ExpiryUnit { seconds, absolute });
        match word.len() {
            2 if word.eq_ignore_ascii_case(b"EX") => unit(true, false),
            2 if word.eq_ignore_ascii_case(b"PX") => unit(false, false),
            4 if word.eq_ignore_ascii_case(b"EXAT") => unit(true, true),
            4 if word.eq_ignore_ascii_case(b"PXAT") => unit(false, true),
            _ => None,
        }
    }

    /// The monotonic deadline in milliseconds that `text` gives in this unit.
    ///
    /// # Errors
    /// Not an integer; or not positive, or beyond what a 64-bit millisecond clock tells, which
    /// names `command`.
    pub fn deadline(self, text: &[u8], now: Now, command: &str) -> Result<u64, Error> {
        let value = parse_i64(text).ok_or(Error::NOT_INTEGER)?;
        let ms = if self.seconds { value.checked_mul(1000) } else { Some(value) };
        let present = now.present();
        match ms {
            Some(ms) if value > 0 && self.absolute => Ok(now.deadline(ms)),
            Some(ms) if value > 0 && present.wall_ms.checked_add(ms).is_some() => {
                Ok(present.mono_ms.saturating_add(ms as u64))
            }
            _ => Err(Error::invalid_expire(command)),
        }
    }
}
