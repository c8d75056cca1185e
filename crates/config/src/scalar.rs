//! Values that are one word: numbers, bytes, names, a directory.
//!
//! What is accepted and every error text are Redis's. Where Redis reads with `strtoll`, so does
//! [`loose_integer`]; where it is strict, only the canonical form is taken.

use crate::error::{Reason, system_text};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Reads an integer that is written the one canonical way.
pub fn strict_integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let value: i64 = text.parse().ok()?;
    (value.to_string() == text).then_some(value)
}

/// Reads an integer as `strtoll` does: blanks and a plus sign before it are fine, an empty text is
/// zero, and a number too large is the largest. `None` if something follows.
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
/// zero, and a number too large is the largest.
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

/// The value, if it is between the bounds.
pub fn within(value: i128, least: i128, most: i128) -> Result<i128, Reason> {
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("argument must be between {least} and {most} inclusive").into())
    }
}

/// Reads bytes, or a percentage, which becomes negative.
pub fn memory_or_percent(text: &[u8]) -> Result<i128, Reason> {
    if let Some(value) = memory(text) {
        return within(value.into(), 0, i64::MAX.into());
    }
    match text.strip_suffix(b"%").and_then(strict_integer) {
        Some(percent @ 0..=100) => Ok(-i128::from(percent)),
        Some(101..) => Err("percentage argument must be less or equal to 100".into()),
        _ => Err("argument must be a memory or percent value".into()),
    }
}

/// Reads an octal number up to a bound.
pub fn octal(text: &[u8], most: i128) -> Result<i128, Reason> {
    let value = std::str::from_utf8(text).ok().and_then(|text| i64::from_str_radix(text, 8).ok());
    let value = value.ok_or("argument couldn't be parsed as an octal number")?.into();
    if (0..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("argument must be between 0 and {most:o} inclusive").into())
    }
}

/// Reads `yes` or `no`.
pub fn yes_or_no(text: &[u8]) -> Result<bool, Reason> {
    if text.eq_ignore_ascii_case(b"yes") {
        Ok(true)
    } else if text.eq_ignore_ascii_case(b"no") {
        Ok(false)
    } else {
        Err("argument must be 'yes' or 'no'".into())
    }
}

/// Finds the name that the text is, in any case; a name `a=b` is read as a and means b, and `~a` is
/// read as a. An error names those that Redis knows.
pub fn choice(text: &[u8], names: &'static [&'static str]) -> Result<&'static str, Reason> {
    let split = |name: &'static str| {
        let name = name.trim_start_matches('~');
        name.split_once('=').unwrap_or((name, name))
    };
    let found = names.iter().map(|name| split(name));
    if let Some((_, meaning)) =
        found.clone().find(|(name, _)| text.eq_ignore_ascii_case(name.as_bytes()))
    {
        return Ok(meaning);
    }
    let of_redis = names.iter().filter(|name| !name.starts_with('~'));
    let names: Vec<&str> = of_redis.map(|name| split(name).0).collect();
    Err(format!("argument(s) must be one of the following: {}", names.join(", ")).into())
}

/// An existing directory, relative to `base`, in absolute form.
pub fn directory(text: &[u8], base: &[u8]) -> Result<Vec<u8>, Reason> {
    let path = Path::new(std::ffi::OsStr::from_bytes(base))
        .join(std::ffi::OsStr::from_bytes(text))
        .canonicalize()
        .map_err(|error| system_text(&error))?;
    if !path.is_dir() {
        return Err("Not a directory".into());
    }
    Ok(path.into_os_string().into_vec())
}
