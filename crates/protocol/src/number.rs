//! Numbers as text.

/// Longest text of a double, in bytes.
pub const DOUBLE_TEXT_MAX: usize = 32;

/// A double as Redis 7.0 replies it.
pub fn format_f64(value: f64, into: &mut [u8; DOUBLE_TEXT_MAX]) -> &str {
    use std::io::Write;
    let mut rest = &mut into[..];
    let _ = write!(rest, "{value}");
    let used = DOUBLE_TEXT_MAX - rest.len();
    std::str::from_utf8(&into[..used]).unwrap_or_default()
}
