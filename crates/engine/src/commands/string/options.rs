//! The options of SET, and the times that SET, MSETEX and GETEX share.

use super::condition::Condition;
use crate::clock::Now;
use crate::commands::expiry::ExpiryUnit;
use crate::error::Error;
use crate::run::call::Call;

/// The time that a value is given: by one of EX, PX, EXAT and PXAT, or by a word instead of them
/// (KEEPTTL, PERSIST). A repeated option is no error, and the last one counts.
#[derive(Default)]
pub struct Time<'a> {
    given: Option<(ExpiryUnit, &'a [u8])>,
    /// The word was there.
    pub word: bool,
}

impl<'a> Time<'a> {
    /// Takes one option; returns how many arguments it has, zero when it is another option.
    ///
    /// # Errors
    /// A time without its number, or together with a time of another kind.
    pub fn option(
        &mut self,
        option: &[u8],
        next: Option<&'a [u8]>,
        word: &str,
    ) -> Result<usize, Error> {
        if let Some(unit) = ExpiryUnit::of_option(option) {
            let other = self.given.is_some_and(|(before, _)| before != unit);
            let (Some(text), false, false) = (next, self.word, other) else {
                return Err(Error::SYNTAX);
            };
            self.given = Some((unit, text));
            return Ok(2);
        }
        if !option.eq_ignore_ascii_case(word.as_bytes()) {
            return Ok(0);
        }
        if self.given.is_some() {
            return Err(Error::SYNTAX);
        }
        self.word = true;
        Ok(1)
    }

    /// The deadline in monotonic milliseconds, zero when no time was given.
    ///
    /// # Errors
    /// See [`ExpiryUnit::deadline`].
    pub fn deadline_ms(&self, now: Now, command: &str) -> Result<u64, Error> {
        match self.given {
            Some((unit, text)) => unit.deadline(text, now, command),
            None => Ok(0),
        }
    }
}

/// SET's options.
pub struct SetOptions<'a> {
    /// When the value is set.
    pub condition: Condition<'a>,
    /// NX or XX, which may stand behind a condition on the value.
    pub existence: Condition<'a>,
    /// GET: the reply is the old value.
    pub returns_old: bool,
    /// In monotonic milliseconds, zero for none.
    pub deadline_ms: u64,
    /// KEEPTTL.
    pub keeps_ttl: bool,
}

impl<'a> SetOptions<'a> {
    /// Reads the options behind `SET key value`.
    ///
    /// # Errors
    /// What does not exist or does not go together, and a bad time.
    pub fn parse(call: &Call<'a>) -> Result<Self, Error> {
        let (mut condition, mut existence) = (Condition::Always, Condition::Always);
        let mut returns_old = false;
        let mut time = Time::default();
        let mut at = 3;
        while let Some(option) = call.args.get(at) {
            let next = call.args.get(at + 1);
            let used = time.option(option, next, "KEEPTTL")?;
            at += if used > 0 {
                used
            } else if option.eq_ignore_ascii_case(b"GET") {
                returns_old = true;
                1
            } else if let Some(used) = existence.existence(option)? {
                used
            } else if existence == Condition::Always {
                condition.option(option, next)?
            } else {
                return Err(Error::SYNTAX);
            };
        }
        let deadline_ms = time.deadline_ms(call.now(), "set")?;
        let keeps_ttl = time.word;
        Ok(SetOptions { condition, existence, returns_old, deadline_ms, keeps_ttl })
    }
}
