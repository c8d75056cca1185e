//! Values from text, and to text: what is accepted, and how it is written back, are Redis's.

use crate::error::Reason;
use crate::kind::Kind;
use crate::table::Param;
use crate::value::Value;
use crate::{list, scalar};

impl Value {
    /// Reads the words of a directive. `current` is the value so far: a directory is relative to
    /// it, and a list of limits changes a part of it.
    pub fn parse(param: &Param, words: &[Vec<u8>], current: &Self) -> Result<Self, Reason> {
        if let Some(value) = list::parse(param.kind, words, current)? {
            return Ok(value);
        }
        let [text] = words else {
            return Err("wrong number of arguments".into());
        };
        match param.kind {
            Kind::YesNo => scalar::yes_or_no(text).map(Self::YesNo),
            Kind::Integer(least, most) => {
                let value = scalar::strict_integer(text)
                    .ok_or("argument couldn't be parsed into an integer")?
                    .into();
                scalar::within(value, least, most).map(Self::Integer)
            }
            Kind::Hertz => {
                let value = scalar::strict_integer(text)
                    .ok_or("argument couldn't be parsed into an integer")?
                    .into();
                let value = scalar::within(value, 0, i32::MAX.into())?;
                Ok(Self::Integer(value.clamp(1, 500)))
            }
            Kind::Memory(least, most) => {
                let value = scalar::memory(text).ok_or("argument must be a memory value")?;
                scalar::within(value.into(), least, most).map(Self::Integer)
            }
            Kind::MemoryOrPercent => scalar::memory_or_percent(text).map(Self::Integer),
            Kind::Octal(most) => scalar::octal(text, most).map(Self::Integer),
            Kind::Text(check) => {
                check(param.name, text)?;
                Ok(Self::Text(text.clone()))
            }
            Kind::Directory => match current {
                Self::Text(base) => scalar::directory(text, base).map(Self::Text),
                _ => unreachable!("a directory is kept as text"),
            },
            Kind::Choice(names) => scalar::choice(text, names).map(Self::Choice),
            Kind::Events => list::events(text),
            _ => Err("wrong number of arguments".into()),
        }
    }

    /// The canonical text, as CONFIG GET shows it.
    pub fn format(&self, kind: Kind) -> Vec<u8> {
        match self {
            Self::YesNo(value) => if *value { "yes" } else { "no" }.into(),
            Self::Integer(value) => match kind {
                Kind::Octal(_) => format!("{value:o}"),
                _ if *value < 0 && matches!(kind, Kind::MemoryOrPercent) => format!("{}%", -value),
                _ => value.to_string(),
            }
            .into(),
            Self::Text(text) => text.clone(),
            Self::Choice(name) => (*name).into(),
            _ => list::format(self, kind),
        }
    }
}
