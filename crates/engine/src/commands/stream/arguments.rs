//! What commands about streams share: ids, the ends of a range, and how a stream is trimmed.

use crate::commands::arguments::integer;
use crate::error::Error;
use crate::run::call::Call;
use crate::storage::value::stream::id::Id;
use crate::storage::value::stream::{Bound, References, Trim};

/// An id, or `-` and `+` for the least and the greatest; `seq` is what `ms` alone means.
pub fn parse_id(text: &[u8], seq: u64) -> Result<Id, Error> {
    match text {
        b"-" => Ok(Id::MIN),
        b"+" => Ok(Id::MAX),
        _ => parse_strict(text, seq),
    }
}

/// An id.
pub fn parse_strict(text: &[u8], seq: u64) -> Result<Id, Error> {
    Id::parse(text, seq).ok_or(Error::INVALID_STREAM_ID)
}

/// Where a range begins; what follows a parenthesis is not in it.
pub fn parse_start(text: &[u8]) -> Result<Id, Error> {
    match text.strip_prefix(b"(") {
        Some(id) => parse_strict(id, 0)?.next().ok_or(Error::INVALID_START_ID),
        None => parse_id(text, 0),
    }
}

/// Where a range ends.
pub fn parse_end(text: &[u8]) -> Result<Id, Error> {
    match text.strip_prefix(b"(") {
        Some(id) => parse_strict(id, u64::MAX)?.previous().ok_or(Error::INVALID_END_ID),
        None => parse_id(text, u64::MAX),
    }
}

/// KEEPREF, DELREF or ACKED.
pub fn parse_references(word: &[u8]) -> Option<References> {
    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
    match word {
        _ if is(b"KEEPREF") => Some(References::Keep),
        _ if is(b"DELREF") => Some(References::Remove),
        _ if is(b"ACKED") => Some(References::Spare),
        _ => None,
    }
}

/// The word for what becomes of references.
pub fn references_word(references: References) -> &'static [u8] {
    match references {
        References::Keep => b"KEEPREF",
        References::Remove => b"DELREF",
        References::Spare => b"ACKED",
    }
}

/// How a stream is trimmed, as far as it has been read.
#[derive(Default)]
pub struct TrimOptions {
    bound: Option<Bound>,
    is_approximate: bool,
    limit: Option<u64>,
    /// What becomes of entries that groups refer to.
    pub references: Option<References>,
}

impl TrimOptions {
    /// Reads the option at argument `at`; returns how many arguments it takes, none if it is
    /// another.
    pub fn read(&mut self, call: &Call<'_>, at: usize) -> Result<usize, Error> {
        let args = call.args;
        let more = args.len() - at - 1;
        let is = |name: &[u8]| args[at].eq_ignore_ascii_case(name);
        let (is_length, is_id) = (is(b"MAXLEN"), is(b"MINID"));
        if (is_length || is_id) && more > 0 {
            if self.bound.is_some() {
                return Err(Error::TWO_BOUNDS);
            }
            let sign = &args[at + 1];
            let signed = more >= 2 && matches!(sign, b"~" | b"=");
            self.is_approximate = signed && sign == b"~";
            let value = at + 1 + usize::from(signed);
            self.bound = Some(if is_length {
                let most = integer(call, value)?;
                Bound::Length(u64::try_from(most).map_err(|_| Error::MAXLEN_NEGATIVE)?)
            } else {
                Bound::Id(parse_strict(&args[value], 0)?)
            });
            return Ok(2 + usize::from(signed));
        }
        if is(b"LIMIT") && more > 0 {
            let limit = integer(call, at + 1)?;
            self.limit = Some(u64::try_from(limit).map_err(|_| Error::LIMIT_NEGATIVE)?);
            return Ok(2);
        }
        if self.references.is_none()
            && let Some(references) = parse_references(&args[at])
        {
            self.references = Some(references);
            return Ok(1);
        }
        Ok(0)
    }

    /// What has been read, if it goes together; none where nothing is to be trimmed, or `unbound`.
    pub fn finish(&self, call: &Call<'_>, unbound: Option<Error>) -> Result<Option<Trim>, Error> {
        if self.limit.is_some_and(|limit| limit > 0) && self.bound.is_none() {
            return Err(Error::LIMIT_WITHOUT_BOUND);
        }
        if let Some(error) = unbound.filter(|_| self.bound.is_none()) {
            return Err(error);
        }
        if self.limit.is_some() && !self.is_approximate {
            return Err(Error::LIMIT_WITHOUT_TILDE);
        }
        let Some(bound) = self.bound else { return Ok(None) };
        let limit = match self.limit {
            _ if !self.is_approximate => None,
            Some(limit) => Some(limit).filter(|limit| *limit > 0),
            // So that no request takes long.
            None => Some(match call.options.stream_limits().entries.saturating_mul(100) {
                0 => 10_000,
                entries => (entries as u64).min(1_000_000),
            }),
        };
        let references = self.references.unwrap_or(References::Keep);
        Ok(Some(Trim { bound, is_approximate: self.is_approximate, limit, references }))
    }
}
