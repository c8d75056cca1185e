//! Number parsing and writing against the standard library.
//!
//! Where ours differs, it is by these rules, and by no others:
//!
//! - an integer has one text: no plus, no leading zero, no minus zero;
//! - a double is not `nan`, is infinite only by name, and zero only when it is written so;
//! - hexadecimal doubles are taken.
//!
//! The input's first eight bytes are also a double's bits, which must survive being written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use redstart_protocol::{DOUBLE_TEXT_MAX, decimal, format_f64, parse_f64, parse_i64, parse_u64};

fuzz_target!(|data: &[u8]| {
    let text = std::str::from_utf8(data).ok();
    let integer = text.and_then(|text| text.parse::<i64>().ok());
    let one_text = |value: &i64| value.to_string().as_bytes() == data;
    assert_eq!(parse_i64(data), integer.filter(one_text));
    let unsigned = text.and_then(|text| text.parse::<u64>().ok());
    let one_text = |value: &u64| value.to_string().as_bytes() == data;
    assert_eq!(parse_u64(data), unsigned.filter(one_text));

    let ours = parse_f64(data).map(f64::to_bits);
    if data.iter().any(|byte| matches!(byte, b'x' | b'X')) {
        if let Some(value) = text.and_then(short_hexadecimal) {
            assert_eq!(ours, Some(value.to_bits()));
        }
    } else {
        let value = text.and_then(|text| text.parse::<f64>().ok());
        let value = value.filter(|value| is_told(*value, data));
        assert_eq!(ours, value.map(f64::to_bits));
    }
    if let Some(bits) = data.first_chunk() {
        survive(i64::from_le_bytes(*bits));
    }
});

/// Whether the text says what the value is, instead of exceeding what a double can be.
fn is_told(value: f64, text: &[u8]) -> bool {
    let mantissa = text.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let is_zero = || !mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    let is_named = || text.iter().any(|byte| matches!(byte, b'i' | b'I'));
    match value {
        _ if value.is_nan() => false,
        0.0 => is_zero(),
        _ if value.is_infinite() => is_named(),
        _ => true,
    }
}

/// A hexadecimal double that arithmetic gives exactly: few digits, no point, a small exponent.
fn short_hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.strip_prefix("0x")?.split_once('p') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text.strip_prefix("0x")?, 0),
    };
    if mantissa.len() > 13 || mantissa.starts_with('+') || exponent.abs() > 900 {
        return None;
    }
    let mantissa = u64::from_str_radix(mantissa, 16).ok()?;
    Some(mantissa as f64 * 2f64.powi(exponent))
}

fn survive(value: i64) {
    assert_eq!(parse_i64(&decimal(value)), Some(value));
    assert_eq!(value.to_string().as_bytes(), &*decimal(value));
    let double = f64::from_bits(value as u64);
    let mut buffer = [0; DOUBLE_TEXT_MAX];
    let text = format_f64(double, &mut buffer);
    if double.is_nan() {
        assert_eq!(text, "nan");
    } else {
        assert_eq!(parse_f64(text.as_bytes()).map(f64::to_bits), Some(double.to_bits()));
    }
}
