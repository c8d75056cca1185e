//! Numbers as text, by Redis's rules: what it takes from a client, and how it writes them back.
//!
//! An integer has exactly one text (`string2ll` in Redis): no plus, no leading zero, no blank, no
//! minus zero. That is what lets a value be kept as an integer and be given back unchanged. A
//! double is whatever C's `strtod` takes (hexadecimal and infinity included), but not a number
//! that is not one, and nothing around it; it is written with `%.17g`.
//!
//! Cheap paths come first: nearly all doubles in practice are small whole numbers.

use crate::shortest::Digits;

/// The integer that `text` is the one decimal text of.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match *text {
        [digit @ b'0'..=b'9'] => Some(i64::from(digit - b'0')),
        [b'-', b'1'..=b'9', ..] => 0i64.checked_sub_unsigned(digits(&text[1..])?),
        [b'1'..=b'9', ..] => i64::try_from(digits(text)?).ok(),
        _ => None,
    }
}

/// The unsigned integer that `text` is the one decimal text of.
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match *text {
        [digit @ b'0'..=b'9'] => Some(u64::from(digit - b'0')),
        [b'1'..=b'9', ..] => digits(text),
        _ => None,
    }
}

/// The value of nothing but digits, the first of them not zero.
#[inline]
fn digits(text: &[u8]) -> Option<u64> {
    // Nineteen digits always fit, so that only the twentieth is checked.
    let (unchecked, last) = text.split_at_checked(19).unwrap_or((text, &[]));
    let mut value = 0;
    for byte in unchecked {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    match *last {
        [] => Some(value),
        [byte @ b'0'..=b'9'] => value.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    }
}

/// The double that Redis reads from `text`: all that `strtod` takes, blanks in front excepted,
/// except what is no number, what exceeds a double, and what is too small to be told from zero.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    // Whole numbers that a double holds exactly.
    if text.len() <= 15
        && let Some(whole) = parse_i64(text)
    {
        return Some(whole as f64);
    }
    let unsigned = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    if let [b'0', b'x' | b'X', hex @ ..] = unsigned {
        let value = parse_hex(hex)?;
        return Some(if text[0] == b'-' { -value } else { value });
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let named = unsigned.first().is_some_and(u8::is_ascii_alphabetic);
    let exact = match value {
        _ if value.is_nan() => false,
        _ if value.is_infinite() => named,
        0.0 => {
            let mantissa = unsigned.iter().take_while(|byte| !matches!(byte, b'e' | b'E'));
            mantissa.into_iter().all(|byte| matches!(byte, b'0' | b'.'))
        }
        _ => true,
    };
    exact.then_some(value)
}

/// A hexadecimal float behind its `0x`: digits with a point among them, then perhaps `p` and a
/// decimal exponent of two.
fn parse_hex(text: &[u8]) -> Option<f64> {
    let (digits, exponent) = match text.iter().position(|byte| matches!(byte, b'p' | b'P')) {
        Some(p) => (&text[..p], parse_exponent(&text[p + 1..])?),
        None => (text, 0),
    };
    // The first 61 bits or so are kept, of the rest only whether anything was there: that is
    // enough to round correctly.
    let (mut mantissa, mut scale, mut seen, mut point) = (0u64, 0i64, false, false);
    for &byte in digits {
        let digit = match byte {
            b'.' if !point => {
                point = true;
                continue;
            }
            _ => u64::from((byte as char).to_digit(16)?),
        };
        seen = true;
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | digit;
            scale -= if point { 4 } else { 0 };
        } else {
            mantissa |= u64::from(digit != 0);
            scale += if point { 0 } else { 4 };
        }
    }
    if !seen {
        return None;
    }
    scale_exact(mantissa, scale.saturating_add(exponent))
}

/// A decimal exponent, held within bounds that no double reaches.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // An exponent may undo a long mantissa, so the bound is above any mantissa's length.
    let add = |sum: i64, byte: &u8| (sum * 10 + i64::from(byte - b'0')).min(1 << 40);
    Some(sign * digits.iter().fold(0, add))
}

/// `mantissa` times two to the `exponent`, rounded to nearest, ties to even. `None` when it
/// exceeds a double, or is not zero but rounds to it. The layout is IEEE 754's.
fn scale_exact(mantissa: u64, exponent: i64) -> Option<f64> {
    const FRACTION_BITS: i64 = 52;
    const EXPONENT_MIN: i64 = -1074;
    if mantissa == 0 {
        return Some(0.0);
    }
    let top = 63 - i64::from(mantissa.leading_zeros()) + exponent;
    if top > 1023 {
        return None;
    }
    // The place of the result's lowest bit: 52 below its highest, but never below the smallest
    // double.
    let lowest = (top - FRACTION_BITS).max(EXPONENT_MIN);
    let units = match lowest - exponent {
        drop @ ..=0 => mantissa << -drop,
        drop @ 1..=64 => {
            let wide = u128::from(mantissa);
            let (kept, rest) = (wide >> drop, wide & ((1 << drop) - 1));
            let half = 1 << (drop - 1);
            (kept + u128::from(rest > half || (rest == half && kept & 1 == 1))) as u64
        }
        _ => 0,
    };
    // A carry out of the fraction lands in the exponent, which is just what it should do.
    let biased = (lowest - EXPONENT_MIN) as u64;
    let value = f64::from_bits((biased << FRACTION_BITS) + units);
    (value.is_finite() && value != 0.0).then_some(value)
}

/// Longest text that [`format_f64`] writes, in bytes, and some to spare.
pub const DOUBLE_TEXT_MAX: usize = 32;

/// A double as Redis 7.0 replies it: C's `%.17g`, but `inf`, `-inf` and `nan` by these names.
pub fn format_f64(value: f64, into: &mut [u8; DOUBLE_TEXT_MAX]) -> &str {
    const WHOLE_MAX: f64 = 1e17;
    let mut text = Text { bytes: into, len: 0 };
    if value.trunc() == value && value.abs() < WHOLE_MAX {
        if value == 0.0 && value.is_sign_negative() {
            text.put(b"-0");
        } else {
            text.put(itoa::Buffer::new().format(value as i64).as_bytes());
        }
    } else if value.is_nan() {
        text.put(b"nan");
    } else if value.is_infinite() {
        text.put(if value > 0.0 { b"inf" } else { b"-inf" });
    } else {
        text.put_general(value);
    }
    text.into_str()
}

/// A double as Redis 8 takes it from a script: a whole number in full as far as it is safe, another
/// by few digits that read as the same double (`shortest.rs`), with an exponent only where that is
/// shorter.
pub fn format_shortest(value: f64, into: &mut [u8; DOUBLE_TEXT_MAX]) -> &str {
    const WHOLE_MAX: f64 = (i64::MAX / 2) as f64;
    let mut text = Text { bytes: into, len: 0 };
    if value.trunc() == value && value.abs() <= WHOLE_MAX {
        text.put(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        if value.is_sign_negative() {
            text.put(b"-");
        }
        match value.abs() {
            value if value.is_nan() => text.put(b"nan"),
            f64::INFINITY => text.put(b"inf"),
            value => text.put_shortest(value),
        }
    }
    text.into_str()
}

/// A sorted set's score as Redis 8 shows it: [`format_shortest`], but minus zero with its sign.
#[inline]
pub fn format_score(value: f64, into: &mut [u8; DOUBLE_TEXT_MAX]) -> &str {
    if value == 0.0 && value.is_sign_negative() { "-0" } else { format_shortest(value, into) }
}

/// Text in a fixed buffer.
struct Text<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl<'a> Text<'a> {
    fn into_str(self) -> &'a str {
        let Text { bytes, len } = self;
        std::str::from_utf8(&bytes[..len]).expect("digits, signs and letters are ASCII")
    }

    fn put(&mut self, text: &[u8]) {
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }

    /// The fewest digits of a finite number above zero.
    fn put_shortest(&mut self, value: f64) {
        let found = Digits::of(value);
        // The number is `digits` times ten to the power of `scale`.
        let (digits, scale) = (found.as_bytes(), i64::from(found.scale));
        let exponent = scale + digits.len() as i64 - 1;
        let is_plain = match scale {
            0.. => exponent < digits.len() as i64 + 7,
            _ => scale > -7 || exponent.abs() < 4,
        };
        if is_plain && exponent >= 0 {
            self.put_point(digits, exponent as usize + 1);
        } else if is_plain {
            self.put(&b"0.00000"[..(1 - exponent) as usize]);
            self.put(digits);
        } else {
            self.put_point(digits, 1);
            self.put(if exponent < 0 { b"e-" } else { b"e+" });
            self.put(itoa::Buffer::new().format(exponent.abs()).as_bytes());
        }
    }

    /// `%.17g` of a finite number that is not zero.
    fn put_general(&mut self, value: f64) {
        let scientific = Scientific::of(format_args!("{:.16e}", value.abs()));
        let (digits, exponent) = (scientific.digits(), scientific.exponent);
        let used = digits.iter().rposition(|&digit| digit != b'0').map_or(1, |last| last + 1);
        let digits = &digits[..used];

        if value.is_sign_negative() {
            self.put(b"-");
        }
        match exponent {
            -4..=-1 => {
                self.put(&b"0.000"[..(1 - exponent) as usize]);
                self.put(digits);
            }
            0..=16 => {
                let whole = exponent as usize + 1;
                self.put_point(digits, whole);
            }
            _ => {
                self.put_point(digits, 1);
                self.put(if exponent < 0 { b"e-" } else { b"e+" });
                if exponent.abs() < 10 {
                    self.put(b"0");
                }
                self.put(itoa::Buffer::new().format(exponent.abs()).as_bytes());
            }
        }
    }

    /// Digits with a point behind the first `whole`, if anything stands there.
    fn put_point(&mut self, digits: &[u8], whole: usize) {
        let (before, after) = digits.split_at(whole.min(digits.len()));
        self.put(before);
        for _ in before.len()..whole {
            self.put(b"0");
        }
        if !after.is_empty() {
            self.put(b".");
            self.put(after);
        }
    }
}

/// A number in Rust's scientific notation, taken apart: at most seventeen digits, the first of
/// which stands before the point.
struct Scientific {
    digits: [u8; 17],
    count: usize,
    exponent: i64,
}

impl Scientific {
    fn of(notation: std::fmt::Arguments<'_>) -> Scientific {
        use std::io::Write;
        // The longest: `1.2345678901234567e-308`.
        let mut text = [0; DOUBLE_TEXT_MAX];
        let mut rest = &mut text[..];
        rest.write_fmt(notation).expect("the buffer holds any double");
        let unused = rest.len();
        let text = &text[..DOUBLE_TEXT_MAX - unused];
        let at = text.iter().position(|&byte| byte == b'e').expect("there is an exponent");
        let exponent = parse_i64(&text[at + 1..]).expect("an exponent is an integer");
        let (mut digits, mut count) = ([0; 17], 0);
        for &digit in text[..at].iter().filter(|&&byte| byte != b'.') {
            digits[count] = digit;
            count += 1;
        }
        Scientific { digits, count, exponent }
    }

    fn digits(&self) -> &[u8] {
        &self.digits[..self.count]
    }
}

/// An integer's decimal text, without an allocation.
#[derive(Clone, Copy)]
pub struct Decimal {
    bytes: [u8; 20],
    len: u8,
}

/// The decimal text of `value`.
#[inline]
pub fn decimal(value: i64) -> Decimal {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value).as_bytes();
    let mut bytes = [0; 20];
    bytes[..text.len()].copy_from_slice(text);
    Decimal { bytes, len: text.len() as u8 }
}

impl std::ops::Deref for Decimal {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_integer_has_one_text() {
        for value in [0, 1, 9, 10, -1, -9, 99, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert_eq!(parse_i64(value.to_string().as_bytes()), Some(value));
            assert_eq!(&*decimal(value), value.to_string().as_bytes());
        }
        let wrong = [
            "",
            "-",
            "+1",
            "-0",
            "00",
            "01",
            "-01",
            " 1",
            "1 ",
            "1a",
            "a",
            "--1",
            "0x1",
            "1.0",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999",
            "100000000000000000000",
            "1234567890123456789\0",
            "/",
            ":",
        ];
        for text in wrong {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn an_unsigned_integer_has_one_text() {
        for value in [0, 9, 10, u64::from(u32::MAX), i64::MAX as u64 + 1, u64::MAX] {
            assert_eq!(parse_u64(value.to_string().as_bytes()), Some(value));
        }
        for text in
            ["", "-1", "+1", "01", " 1", "1 ", "18446744073709551616", "1844674407370955161a"]
        {
            assert_eq!(parse_u64(text.as_bytes()), None, "{text}");
        }
    }

    /// Each was asked of Redis 7.0.15 with ZADD, or of C's `strtod`.
    const DOUBLES: &[(&str, f64)] = &[
        ("inf", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
        ("+INF", f64::INFINITY),
        ("Infinity", f64::INFINITY),
        ("1.", 1.0),
        (".5", 0.5),
        ("+1", 1.0),
        ("1e5", 1e5),
        ("1E5", 1e5),
        ("007", 7.0),
        ("-0", -0.0),
        ("0e99999999", 0.0),
        ("4.9e-324", 5e-324),
        ("9007199254740993", 9007199254740992.0),
        ("0x10", 16.0),
        ("-0x1p+4", -16.0),
        ("0x.8", 0.5),
        ("0X1.8P-2", 0.375),
        ("0x1p-1074", 5e-324),
        ("0x1.8p-1075", 5e-324),
        ("0x0p99999999999999999999", 0.0),
        ("0x100000000000000000000p-80", 1.0),
        ("0x1.fffffffffffff8p0", 2.0),
        ("0x1.fffffffffffff7fp1023", f64::MAX),
        ("0x1.00000000000008p0", 1.0),
        ("0x1.000000000000080000001p0", 1.0000000000000002),
        ("0x1.00000000000018p0", 1.0000000000000004),
    ];

    /// Asked in the same way.
    const NO_DOUBLES: &str = "nan -nan nan(1) 0x 0x. 0xg 0x1p 0x1p+ 1e400 -1e400 1e-400 2e-324 . \
        --1 +-1 1e 1e+ infi in 1_0 1f - + 0x-1 0x1.1.1 0x1p-1080 0x1p1024 0x1p-1075 \
        0x1p99999999999999999999 0x1p-99999999999999999999 0x1.fffffffffffff8p1023 \u{ff11}";

    #[test]
    fn doubles_are_what_redis_takes() {
        for (text, value) in DOUBLES {
            let parsed = parse_f64(text.as_bytes()).map(f64::to_bits);
            assert_eq!(parsed, Some(value.to_bits()), "{text}");
        }
        for text in NO_DOUBLES.split_ascii_whitespace().chain(["", " 1", "1 ", "1\t", "1\0"]) {
            assert_eq!(parse_f64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_f64(b"\xff"), None);
    }

    /// Each was asked of Redis 7.0.15 or of C's `printf`.
    #[test]
    fn doubles_are_written_with_seventeen_digits() {
        let table = [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-3.5, "-3.5"),
            (0.1, "0.10000000000000001"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (-1e17, "-1e+17"),
            (1e21, "1e+21"),
            (99999999999999984.0, "99999999999999984"),
            (123456789012345678.0, "1.2345678901234568e+17"),
            (1e-4, "0.0001"),
            (1e-5, "1.0000000000000001e-05"),
            (-1e-7, "-9.9999999999999995e-08"),
            (1e100, "1e+100"),
            (5e-324, "4.9406564584124654e-324"),
            (0.5, "0.5"),
            (0.05, { "0.050000000000000003" }),
            (0.001953125, "0.001953125"),
            (1234.5, "1234.5"),
            (9007199254740991.5, { "9007199254740992" }),
            (1125899906842623.8, "1125899906842623.8"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-f64::MIN_POSITIVE, "-2.2250738585072014e-308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (-f64::NAN, "nan"),
        ];
        for (value, text) in table {
            assert_eq!(format_f64(value, &mut [0; DOUBLE_TEXT_MAX]), text);
        }
    }

    proptest! {
        #[test]
        fn integers_survive(value: i64, unsigned: u64) {
            prop_assert_eq!(parse_i64(&decimal(value)), Some(value));
            prop_assert_eq!(parse_u64(unsigned.to_string().as_bytes()), Some(unsigned));
        }

        #[test]
        fn doubles_survive(bits: u64) {
            let value = f64::from_bits(bits);
            let mut buffer = [0; DOUBLE_TEXT_MAX];
            let text = format_f64(value, &mut buffer);
            if !value.is_nan() {
                prop_assert_eq!(parse_f64(text.as_bytes()), Some(value));
            }
        }

        #[test]
        fn short_hexadecimal_doubles_are_exact(mantissa in 0u64..1 << 52, power in -500i32..500) {
            let text = format!("{mantissa:#x}p{power}");
            let value = mantissa as f64 * 2f64.powi(power);
            prop_assert_eq!(parse_f64(text.as_bytes()), Some(value));
        }

        #[test]
        fn any_bytes_are_taken_or_not(text in "[-+0-9a-fA-FxXpPinfty.]{0,30}") {
            let integer = parse_i64(text.as_bytes());
            prop_assert_eq!(integer.is_some(), text.parse() == Ok(integer.unwrap_or(1))
                && integer.is_some_and(|value| value.to_string() == text));
            parse_f64(text.as_bytes());
        }
    }

    /// Each was asked of Redis 8.6.3, as an argument that a script handed over.
    #[test]
    fn shortest_digits_are_those_of_redis_8() {
        let cases = [
            (3.3, "3.3"),
            (0.1 + 0.2, "0.30000000000000004"),
            (-0.0, "0"),
            (1e17, "100000000000000000"),
            (4.6e18, "4600000000000000000"),
            (-5e18, "-5e+18"),
            (9_223_372_036_854_775_808.0, "9223372036854776000"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
            (1e19, "1e+19"),
            (1.5e22, "1.5e+22"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (1e-6, "0.000001"),
            (1.2e-6, "1.2e-6"),
            (1.23e-5, "1.23e-5"),
            (0.000_123, "0.000123"),
            (1e-7, "1e-7"),
            (-3.14e-9, "-3.14e-9"),
            (100_000.5, "100000.5"),
            (12_345_678_901.25, "12345678901.25"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN.copysign(1.0), "nan"),
            (f64::NAN.copysign(-1.0), "-nan"),
        ];
        for (value, text) in cases {
            assert_eq!(format_shortest(value, &mut [0; DOUBLE_TEXT_MAX]), text);
        }
    }

    proptest! {
        #[test]
        fn shortest_digits_read_as_the_same_double(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let mut buffer = [0; DOUBLE_TEXT_MAX];
            let read: f64 = format_shortest(value, &mut buffer).parse().unwrap();
            prop_assert!(read == value || value.is_nan());
        }
    }
}
