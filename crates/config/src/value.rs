//! The values of parameters: from text, to text.
//!
//! What is accepted, how it is written back and every error text are Redis's. Where Redis reads
//! with `strtoll`, so does [`loose_integer`]; where it is strict, only the canonical form is taken.

use super::error::{Reason, system_text};
use super::list::{self, Limit};
use super::table::{Kind, Param};
use redstart_engine::run::event_classes::Classes;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// What a text must be: takes the parameter's name and the text, and tells why it is not.
pub type Check = fn(&'static str, &[u8]) -> Result<(), Reason>;

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Yes or no.
    YesNo(bool),
    /// A number; a negative one for memory is a percentage.
    Integer(i128),
    /// A text.
    Text(Vec<u8>),
    /// A name.
    Choice(&'static str),
    /// Names, in the order of their table.
    Flags(Vec<&'static str>),
    /// Words.
    Words(Vec<Vec<u8>>),
    /// Seconds and changes after which to save.
    Save(Vec<(i64, i32)>),
    /// The limits of normal clients, replicas and subscribers.
    OutputLimits([Limit; 3]),
    /// Classes of keyspace events.
    Events(Classes),
    /// Scores.
    OomScores([i64; 3]),
    /// Percentages.
    Percentiles(Vec<f64>),
}

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
            Kind::YesNo => yes_or_no(text).map(Self::YesNo),
            Kind::Integer(least, most) => {
                let value = strict_integer(text)
                    .ok_or("argument couldn't be parsed into an integer")?
                    .into();
                within(value, least, most).map(Self::Integer)
            }
            Kind::Hertz => {
                let value = strict_integer(text)
                    .ok_or("argument couldn't be parsed into an integer")?
                    .into();
                let value = within(value, 0, i32::MAX.into())?;
                Ok(Self::Integer(value.clamp(1, 500)))
            }
            Kind::Memory(least, most) => {
                let value = memory(text).ok_or("argument must be a memory value")?;
                within(value.into(), least, most).map(Self::Integer)
            }
            Kind::MemoryOrPercent => memory_or_percent(text).map(Self::Integer),
            Kind::Octal(most) => octal(text, most).map(Self::Integer),
            Kind::Text(check) => {
                check(param.name, text)?;
                Ok(Self::Text(text.clone()))
            }
            Kind::Directory => directory(text, current),
            Kind::Choice(names) => choice(text, names).map(Self::Choice),
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

/// Reads an integer that is written the one canonical way.
pub fn strict_integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let value: i64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

/// Reads an integer as `strtoll` does: blanks and a plus sign before it are fine, nothing is zero,
/// and one too large is the largest. `None` if something follows.
pub fn loose_integer(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        _ => (false, text),
    };
    if !digits.iter().all(u8::is_ascii_digit) || digits.is_empty() && !text.is_empty() {
        return None;
    }
    let value = digits.iter().fold(0_i64, |value, digit| {
        value.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    Some(if negative { -value } else { value })
}

/// Reads bytes with a unit: `k`, `m` and `g` are decimal, `kb`, `mb` and `gb` binary. No digits are
/// zero, and digits too large the largest number.
pub fn memory(text: &[u8]) -> Option<u64> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1_000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    if digits.len() >= 128 {
        return None;
    }
    let value = digits.iter().fold(0_u64, |value, digit| {
        value.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    Some(value.saturating_mul(unit))
}

fn within(value: i128, least: i128, most: i128) -> Result<i128, Reason> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("argument must be between {least} and {most} inclusive").into())
    }
}

fn memory_or_percent(text: &[u8]) -> Result<i128, Reason> {
    if let Some(value) = memory(text) {
        return within(value.into(), 0, i64::MAX.into());
    }
    match text.strip_suffix(b"%").and_then(strict_integer) {
        Some(percent @ 0..=100) => Ok(-i128::from(percent)),
        Some(101..) => Err("percentage argument must be less or equal to 100".into()),
        _ => Err("argument must be a memory or percent value".into()),
    }
}

fn octal(text: &[u8], most: i128) -> Result<i128, Reason> {
    let value = std::str::from_utf8(text).ok().and_then(|text| i64::from_str_radix(text, 8).ok());
    let value = value.ok_or("argument couldn't be parsed as an octal number")?.into();
    if (0..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("argument must be between 0 and {most:o} inclusive").into())
    }
}

fn yes_or_no(text: &[u8]) -> Result<bool, Reason> {
    if text.eq_ignore_ascii_case(b"yes") {
        Ok(true)
    } else if text.eq_ignore_ascii_case(b"no") {
        Ok(false)
    } else {
        Err("argument must be 'yes' or 'no'".into())
    }
}

/// Finds the name that the text is; see [`Kind::Choice`] for synonyms.
pub fn choice(text: &[u8], names: &'static [&'static str]) -> Result<&'static str, Reason> {
    let split = |name: &'static str| name.split_once('=').unwrap_or((name, name));
    let found = names.iter().map(|name| split(name));
    if let Some((_, meaning)) =
        found.clone().find(|(name, _)| text.eq_ignore_ascii_case(name.as_bytes()))
    {
        return Ok(meaning);
    }
    let names: Vec<&str> = found.map(|(name, _)| name).collect();
    Err(format!("argument(s) must be one of the following: {}", names.join(", ")).into())
}

/// An existing directory in absolute form.
fn directory(text: &[u8], current: &Value) -> Result<Value, Reason> {
    let Value::Text(base) = current else {
        unreachable!("a directory is kept as text");
    };
    let path = Path::new(std::ffi::OsStr::from_bytes(base))
        .join(std::ffi::OsStr::from_bytes(text))
        .canonicalize()
        .map_err(|error| system_text(&error))?;
    if !path.is_dir() {
        return Err("Not a directory".into());
    }
    Ok(Value::Text(path.into_os_string().into_vec()))
}

/// Every text is right.
pub fn any(_: &'static str, _: &[u8]) -> Result<(), Reason> {
    Ok(())
}

/// A file's name without a path, for a snapshot or a log.
pub fn is_file_name(name: &'static str, text: &[u8]) -> Result<(), Reason> {
    if text.contains(&b'/') {
        Err(format!("{name} can't be a path, just a filename").into())
    } else if text.is_empty() && name == "appendfilename" {
        Err("appendfilename can't be empty".into())
    } else {
        Ok(())
    }
}

/// A directory's name without a path.
pub fn is_directory_name(name: &'static str, text: &[u8]) -> Result<(), Reason> {
    if text.contains(&b'/') {
        Err(format!("{name} can't be a path, just a dirname").into())
    } else if text.is_empty() {
        Err(format!("{name} can't be empty").into())
    } else {
        Ok(())
    }
}

/// A host's name, or none.
pub fn is_host_name(_: &'static str, text: &[u8]) -> Result<(), Reason> {
    if text.len() >= 256 {
        return Err("Hostnames must be less than 256 characters".into());
    }
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if text.iter().all(legal) {
        Ok(())
    } else {
        Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into())
    }
}

/// A template of known variables that comes to some text.
pub fn is_title(_: &'static str, text: &[u8]) -> Result<(), Reason> {
    const VARIABLES: [&str; 7] = [
        "{title}",
        "{listen-addr}",
        "{server-mode}",
        "{port}",
        "{tls-port}",
        "{unixsocket}",
        "{config-file}",
    ];
    let mut rest = String::from_utf8_lossy(text).into_owned();
    let constant = rest == "{title}" || rest.trim().is_empty();
    for variable in VARIABLES {
        rest = rest.replace(variable, "");
    }
    if constant || rest.contains(['{', '}']) {
        return Err("template format is invalid or contains unknown variables".into());
    }
    Ok(())
}

/// A version in three numbers, which clients compare.
pub fn is_version(_: &'static str, text: &[u8]) -> Result<(), Reason> {
    let numbers = text.split(|byte| *byte == b'.');
    let legal = |number: &[u8]| (1..=5).contains(&number.len()) && strict_integer(number).is_some();
    if numbers.clone().count() == 3 && numbers.clone().all(legal) && !text.contains(&b'-') {
        Ok(())
    } else {
        Err("argument must be a version of three numbers, like 7.4.0".into())
    }
}
