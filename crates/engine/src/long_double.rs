//! The 80-bit floating-point number that INCRBYFLOAT and HINCRBYFLOAT count with.
//!
//! Redis adds in the x87's extended format, reads with C's `strtold` and writes with `%.17Lf`.
//! Stored values show each of the three, so all are reproduced here, bit by bit, in integers:
//!
//! ```text
//! value = mantissa * 2^exponent      mantissa: 64 bits, the top one set unless subnormal
//!                                    exponent: -16445 (subnormals too) to 16320
//! ```
//!
//! Every operation computes a longer magnitude, notes whether something non-zero lies below it
//! (`sticky`), and rounds once, half to even. Numbers of everyday size take only 128-bit integers;
//! those of hundreds of digits take a `BigUint`, whose size the length of a text bounds.
//!
//! NaN is absent: no text that is accepted means it, and no sum that would be it is returned.

use num_bigint::BigUint;
use smallvec::SmallVec;
use std::cmp::Ordering;

/// Texts of this many bytes or more are no numbers to Redis.
const TEXT_BYTES_LIMIT: usize = 5 * 1024;
/// The exponent of subnormal numbers and of the least normal ones.
const EXPONENT_MIN: i32 = -16445;
/// The exponent of the largest numbers.
const EXPONENT_MAX: i32 = 16320;
/// Decimals behind the point in the formatted text, before its trailing zeros go.
const DECIMALS: usize = 17;
/// Ten to the power of [`DECIMALS`].
const DECIMALS_SCALE: u64 = 100_000_000_000_000_000;
/// The largest power of five below 2^64.
const FIVES_MAX: i64 = 27;
/// Free bits below the mantissas of an addition; one bit above them takes the carry.
const GUARD_BITS: u32 = 62;

/// An 80-bit extended number: finite or infinite, never NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    size: Size,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Finite { mantissa: u64, exponent: i32 },
    Infinite,
}

/// A sum that would be infinite or NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotFinite;

/// The formatted number.
pub type Text = SmallVec<[u8; 48]>;

impl LongDouble {
    /// Reads a number as C's `strtold` does in the C locale: decimal or hexadecimal, with or
    /// without point and exponent, or an infinity. The text must be nothing but the number, and
    /// one that overflows, or comes to zero without being it, is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= TEXT_BYTES_LIMIT {
            return None;
        }
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") {
            return Some(Self { negative, size: Size::Infinite });
        }
        let digits = match text {
            [b'0', b'x' | b'X', rest @ ..] => Digits::scan(rest, 16, b'p')?,
            _ => Digits::scan(text, 10, b'e')?,
        };
        if digits.head == 0 {
            return Some(Self::zero(negative));
        }
        let number = if digits.radix == 16 {
            let exponent = digits.power + 4 * (digits.dropped - digits.decimals);
            round(negative, digits.head, clamp(exponent), digits.cut)
        } else if digits.cut {
            let exponent = digits.power - digits.decimals;
            decimal_large(negative, digits.all(text)?, exponent)
        } else {
            let exponent = digits.power + digits.dropped - digits.decimals;
            decimal_small(negative, digits.head, exponent)
                .unwrap_or_else(|| decimal_large(negative, digits.head.into(), exponent))
        };
        match number.size {
            Size::Infinite | Size::Finite { mantissa: 0, .. } => None,
            Size::Finite { .. } => Some(number),
        }
    }

    /// The sum, rounded to the nearest number, ties to even.
    pub fn checked_add(self, other: Self) -> Result<Self, NotFinite> {
        let (
            Size::Finite { mantissa: left, exponent: left_exponent },
            Size::Finite { mantissa: right, exponent: right_exponent },
        ) = (self.size, other.size)
        else {
            return Err(NotFinite);
        };
        if left == 0 && right == 0 {
            return Ok(Self::zero(self.negative && other.negative));
        } else if left == 0 {
            return Ok(other);
        } else if right == 0 {
            return Ok(self);
        } else if left_exponent < right_exponent {
            return other.checked_add(self);
        }
        let left = u128::from(left) << GUARD_BITS;
        let right = shift_right_sticky(
            u128::from(right) << GUARD_BITS,
            left_exponent.abs_diff(right_exponent),
        );
        let (negative, sum) = match (self.negative == other.negative, left.cmp(&right)) {
            (true, _) => (self.negative, left + right),
            (false, Ordering::Greater) => (self.negative, left - right),
            (false, Ordering::Less) => (other.negative, right - left),
            (false, Ordering::Equal) => return Ok(Self::zero(false)),
        };
        let sum = round(negative, sum, left_exponent - GUARD_BITS.cast_signed(), false);
        if sum.size == Size::Infinite { Err(NotFinite) } else { Ok(sum) }
    }

    /// The number in decimal with at most 17 digits behind the point, without exponent and without
    /// trailing zeros. What rounds to zero has no sign.
    pub fn format(self) -> Text {
        let mut text = Text::new();
        if self.negative {
            text.push(b'-');
        }
        let Size::Finite { mantissa, exponent } = self.size else {
            text.extend_from_slice(b"inf");
            return text;
        };
        if exponent > 64 {
            let whole = BigUint::from(mantissa) << exponent.unsigned_abs();
            text.extend_from_slice(whole.to_string().as_bytes());
            return text;
        }
        let (whole, decimals) = split(mantissa, exponent);
        if whole == 0 && decimals == 0 {
            text.clear();
        }
        text.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        if decimals != 0 {
            push_decimals(&mut text, decimals);
        }
        text
    }

    /// The greatest number.
    pub const MAX: Self =
        Self { negative: false, size: Size::Finite { mantissa: u64::MAX, exponent: EXPONENT_MAX } };

    /// The number with the other sign.
    pub fn negated(self) -> Self {
        Self { negative: !self.negative, ..self }
    }

    /// Whether it is below zero, or a zero with such a sign.
    pub fn is_negative(self) -> bool {
        self.negative
    }

    /// Whether it is no number, but beyond all of them.
    pub fn is_infinite(self) -> bool {
        self.size == Size::Infinite
    }

    /// Which of two is greater.
    pub fn compare(self, other: Self) -> Ordering {
        let size = |of: Self| match of.size {
            Size::Finite { mantissa, exponent } => (false, exponent, mantissa),
            Size::Infinite => (true, 0, 0),
        };
        let sign = |of: Self| match of.size {
            Size::Finite { mantissa: 0, .. } => 0,
            _ if of.negative => -1,
            _ => 1,
        };
        let by_size = size(self).cmp(&size(other));
        let by_size = if self.negative { by_size.reverse() } else { by_size };
        sign(self).cmp(&sign(other)).then(by_size)
    }

    fn zero(negative: bool) -> Self {
        Self { negative, size: Size::Finite { mantissa: 0, exponent: EXPONENT_MIN } }
    }
}

impl From<i64> for LongDouble {
    fn from(value: i64) -> Self {
        round(value < 0, u128::from(value.unsigned_abs()), 0, false)
    }
}

/// A scanned number: `head * radix^(dropped - decimals)`, times ten or two to the `power`.
struct Digits {
    radix: u32,
    /// The leading digits, as many as fit.
    head: u128,
    /// How many digits came after the head.
    dropped: i64,
    /// Whether one of those was not zero.
    cut: bool,
    /// How many of all digits stood behind the point.
    decimals: i64,
    /// The written exponent.
    power: i64,
}

impl Digits {
    /// Scans the digits, at least one, and the exponent that `mark` introduces, to the end of the
    /// text.
    fn scan(text: &[u8], radix: u32, mark: u8) -> Option<Self> {
        let mut digits = Self { radix, head: 0, dropped: 0, cut: false, decimals: 0, power: 0 };
        let (mut any, mut point) = (false, false);
        for (position, byte) in text.iter().enumerate() {
            if let Some(digit) = char::from(*byte).to_digit(radix) {
                any = true;
                digits.decimals += i64::from(point);
                if digits.head < u128::MAX / 16 {
                    digits.head = digits.head * u128::from(radix) + u128::from(digit);
                } else {
                    digits.dropped += 1;
                    digits.cut |= digit != 0;
                }
            } else if *byte == b'.' && !point {
                point = true;
            } else if any && byte.eq_ignore_ascii_case(&mark) {
                digits.power = power(&text[position + 1..])?;
                break;
            } else {
                return None;
            }
        }
        any.then_some(digits)
    }

    /// All digits of the decimal `text` that was scanned, as one integer.
    fn all(&self, text: &[u8]) -> Option<BigUint> {
        let digits: Vec<u8> = text
            .iter()
            .copied()
            .take_while(|byte| !byte.eq_ignore_ascii_case(&b'e'))
            .filter(u8::is_ascii_digit)
            .collect();
        BigUint::parse_bytes(&digits, self.radix)
    }
}

/// Reads an exponent. One that is too large for any number stays so, without overflowing.
fn power(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0_i64, |value, digit| {
        (value * 10 + i64::from(digit - b'0')).min(i64::from(i32::MAX))
    });
    Some(sign * value)
}

/// `digits * 10^exponent` by 128-bit arithmetic, where that is enough.
fn decimal_small(negative: bool, digits: u128, exponent: i64) -> Option<LongDouble> {
    if exponent >= 0 {
        let scale = 10_u128.checked_pow(exponent.try_into().ok()?)?;
        return Some(round(negative, digits.checked_mul(scale)?, 0, false));
    }
    if exponent < -FIVES_MAX {
        return None;
    }
    // 2^127 over a divisor below 2^63 leaves 65 bits: a mantissa, the half bit, and the sticky one
    // from the remainder.
    let fives = 5_u128.pow(exponent.unsigned_abs().try_into().ok()?);
    let shift = digits.leading_zeros();
    let dividend = digits << shift;
    let exponent = clamp(exponent) - shift.cast_signed();
    Some(round(negative, dividend / fives, exponent, !dividend.is_multiple_of(fives)))
}

/// `digits * 10^exponent` for non-zero digits, however long.
fn decimal_large(negative: bool, digits: BigUint, exponent: i64) -> LongDouble {
    // Far outside of what these bounds leave, the result is certain; inside, it is affordable.
    let limit = 2 * TEXT_BYTES_LIMIT as u64;
    let Some(scale) = Some(exponent.unsigned_abs()).filter(|exponent| *exponent <= limit) else {
        let size = if exponent > 0 {
            Size::Infinite
        } else {
            Size::Finite { mantissa: 0, exponent: EXPONENT_MIN }
        };
        return LongDouble { negative, size };
    };
    let scale = BigUint::from(10_u8).pow(u32::try_from(scale).unwrap_or(u32::MAX));
    if exponent >= 0 {
        return round_large(negative, &(digits * scale), 0, false);
    }
    let shift = (scale.bits() + 66).saturating_sub(digits.bits());
    let dividend = digits << shift;
    let sticky = &dividend % &scale != BigUint::ZERO;
    round_large(negative, &(dividend / scale), -clamp(shift.cast_signed()), sticky)
}

fn round_large(negative: bool, magnitude: &BigUint, exponent: i32, sticky: bool) -> LongDouble {
    let shift = magnitude.bits().saturating_sub(128);
    let below = shift > 0 && magnitude.trailing_zeros().is_some_and(|zeros| zeros < shift);
    let head = u128::try_from(magnitude >> shift).expect("128 bits remain after the shift");
    round(negative, head, exponent + clamp(shift.cast_signed()), sticky || below)
}

/// The nearest number to `magnitude * 2^exponent`, ties to even. `sticky` says that the true
/// magnitude is a fraction larger; `magnitude` then has more bits than a mantissa.
fn round(negative: bool, magnitude: u128, exponent: i32, sticky: bool) -> LongDouble {
    if magnitude == 0 {
        return LongDouble::zero(negative);
    }
    let excess = 64 - magnitude.leading_zeros().cast_signed();
    let shift = excess.max(EXPONENT_MIN.saturating_sub(exponent));
    let mut exponent = exponent.saturating_add(shift);
    let mut mantissa = match u32::try_from(shift) {
        Err(_) | Ok(0) => magnitude << shift.unsigned_abs(),
        Ok(129..) => 0,
        Ok(shift) => {
            let kept = magnitude.checked_shr(shift).unwrap_or(0);
            let half = 1_u128 << (shift - 1);
            let lost = magnitude - kept.checked_shl(shift).unwrap_or(0);
            match lost.cmp(&half) {
                Ordering::Greater => kept + 1,
                Ordering::Equal if sticky => kept + 1,
                Ordering::Equal => kept + (kept & 1),
                Ordering::Less => kept,
            }
        }
    };
    if mantissa > u128::from(u64::MAX) {
        mantissa >>= 1;
        exponent += 1;
    }
    if exponent > EXPONENT_MAX {
        return LongDouble { negative, size: Size::Infinite };
    }
    let mantissa = u64::try_from(mantissa).expect("rounded to 64 bits");
    if mantissa == 0 {
        return LongDouble::zero(negative);
    }
    LongDouble { negative, size: Size::Finite { mantissa, exponent } }
}

/// Shifts right; where that loses a set bit, the last one is set instead.
fn shift_right_sticky(value: u128, shift: u32) -> u128 {
    let shifted = value.checked_shr(shift).unwrap_or(0);
    let lost = shifted.checked_shl(shift).unwrap_or(0) != value;
    shifted | u128::from(lost)
}

/// The whole part and the rounded decimals of `mantissa * 2^exponent`, for exponents up to 64.
fn split(mantissa: u64, exponent: i32) -> (u128, u64) {
    let value = u128::from(mantissa);
    if exponent >= 0 {
        return (value << exponent.unsigned_abs(), 0);
    }
    let shift = exponent.unsigned_abs();
    let whole = value.checked_shr(shift).unwrap_or(0);
    // A 64-bit fraction times 10^17 has 121 bits at most, so a longer shift leaves less than half.
    let fraction = (value - whole.checked_shl(shift).unwrap_or(0)) * u128::from(DECIMALS_SCALE);
    if shift > 121 {
        return (whole, 0);
    }
    let (kept, half) = (fraction >> shift, 1 << (shift - 1));
    let decimals = match (fraction - (kept << shift)).cmp(&half) {
        Ordering::Less => kept,
        Ordering::Equal => kept + (kept & 1),
        Ordering::Greater => kept + 1,
    };
    match u64::try_from(decimals).expect("decimals are at most their scale") {
        DECIMALS_SCALE => (whole + 1, 0),
        decimals => (whole, decimals),
    }
}

fn push_decimals(text: &mut Text, decimals: u64) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(decimals).as_bytes();
    text.push(b'.');
    text.resize(text.len() + DECIMALS - digits.len(), b'0');
    text.extend_from_slice(digits);
    while text.last() == Some(&b'0') {
        text.pop();
    }
}

/// Exponents beyond these bounds are infinite or zero all the same.
fn clamp(exponent: i64) -> i32 {
    i32::try_from(exponent.clamp(-1_000_000, 1_000_000)).expect("clamped to a small range")
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVALID: &str = "value is not a valid float";
    const INFINITE: &str = "increment would produce NaN or Infinity";

    /// A value, an increment, and what redis-server 7.0.15 on x86-64 made of them.
    #[rustfmt::skip]
    const SUMS: &[(&str, &str, Result<&str, &str>)] = &[
        ("0", "0", Ok("0")),
        ("-0", "-0", Ok("0")),
        ("0", "-0.0", Ok("0")),
        ("1", "2", Ok("3")),
        ("10.5", "0.1", Ok("10.6")),
        ("10.50", "0.10", Ok("10.6")),
        ("0.1", "0.2", Ok("0.3")),
        ("3.0e3", "200", Ok("3200")),
        ("5.0e3", "-4.9999e3", Ok("0.10000000000000009")),
        ("1.1", "-1.1", Ok("0")),
        ("-1.5", "0.25", Ok("-1.25")),
        ("0.01", "0.05", Ok("0.06")),
        ("1.23", "4.56", Ok("5.79")),
        ("19.99", "-0.01", Ok("19.98")),
        ("100.1", "1e-3", Ok("100.101")),
        ("3", "1.000000000000000005", Ok("4.00000000000000001")),
        ("1e17", "0.1", Ok("100000000000000000.1015625")),
        ("1e18", "0.5", Ok("1000000000000000000.5")),
        ("9007199254740993", "0.5", Ok("9007199254740993.5")),
        ("9223372036854775807", "1", Ok("9223372036854775808")),
        ("-9223372036854775808", "-1", Ok("-9223372036854775809")),
        ("18446744073709551615", "1", Ok("18446744073709551616")),
        ("18446744073709551615", "0.5", Ok("18446744073709551616")),
        ("18446744073709551615", "1.5", Ok("18446744073709551616")),
        ("36893488147419103231", "0", Ok("36893488147419103232")),
        ("1e19", "1e-19", Ok("10000000000000000000")),
        ("1e27", "1", Ok("1000000000000000000000000000")),
        ("1e30", "1", Ok("1000000000000000000024696061952")),
        ("123456789012345678901234567890", "0", Ok("123456789012345678899921813504")),
        ("1e40", "1", Ok("9999999999999999999783686092270256259072")),
        ("1e-17", "0", Ok("0.00000000000000001")),
        ("5e-18", "0", Ok("0")),
        ("4.99e-18", "0", Ok("0")),
        ("-5e-18", "0", Ok("0")),
        ("-1e-30", "0", Ok("0")),
        ("0.00000000000000001", "0.00000000000000002", Ok("0.00000000000000003")),
        ("0.1234567890123456789", "0", Ok("0.12345678901234568")),
        ("0.99999999999999999", "0.00000000000000001", Ok("1")),
        ("0.999999999999999999", "0", Ok("1")),
        ("1.999999999999999995", "0", Ok("2")),
        ("3.14159265358979323846264338327950288", "0", Ok("3.14159265358979324")),
        ("2.71828182845904523536028747135266249775724709369995e0", "1", Ok("3.71828182845904524")),
        (".5", "5.", Ok("5.5")),
        ("+1", "+2", Ok("3")),
        ("1E2", "1e+2", Ok("200")),
        ("1e-2", "1E-02", Ok("0.02")),
        ("0x10", "0", Ok("16")),
        ("0X1.8p1", "0", Ok("3")),
        ("0x.8", "0x8.", Ok("8.5")),
        ("0xffffffffffffffff", "0x1p-1", Ok("18446744073709551616")),
        ("0x1.00000000000000008p0", "0", Ok("1")),
        ("0x1.00000000000000018p0", "0", Ok("1")),
        ("0x1.000000000000000080000000000000000001p63", "0", Ok("9223372036854775808")),
        ("0x1p63", "0x1p-2", Ok("9223372036854775808")),
        ("0x1p-16445", "0", Ok("0")),
        ("1e-4949", "0", Ok("0")),
        ("1e4932", "1e4932", Err(INFINITE)),
        ("inf", "1", Err(INFINITE)),
        ("1", "-inf", Err(INFINITE)),
        ("inf", "-inf", Err(INFINITE)),
        ("Infinity", "0", Err(INFINITE)),
        ("1e4933", "0", Err(INVALID)),
        ("0x1p16384", "0", Err(INVALID)),
        ("1e-4960", "0", Err(INVALID)),
        ("0x1p-16447", "0", Err(INVALID)),
        ("nan", "1", Err(INVALID)),
        ("1", "nan", Err(INVALID)),
        ("", "1", Err(INVALID)),
        ("1", "", Err(INVALID)),
        (" 1", "1", Err(INVALID)),
        ("1", "1 ", Err(INVALID)),
        ("1e", "0", Err(INVALID)),
        ("1e+", "0", Err(INVALID)),
        ("0x", "0", Err(INVALID)),
        ("0x.", "0", Err(INVALID)),
        ("0x1p", "0", Err(INVALID)),
        (".", "0", Err(INVALID)),
        ("-", "0", Err(INVALID)),
        ("1.2.3", "0", Err(INVALID)),
        ("--1", "0", Err(INVALID)),
        ("1_0", "0", Err(INVALID)),
        ("abc", "1", Err(INVALID)),
        ("1f", "0", Err(INVALID)),
    ];

    fn sum(value: &str, increment: &str) -> Result<String, &'static str> {
        let value = LongDouble::parse(value.as_bytes()).ok_or(INVALID)?;
        let increment = LongDouble::parse(increment.as_bytes()).ok_or(INVALID)?;
        let sum = value.checked_add(increment).map_err(|NotFinite| INFINITE)?;
        Ok(String::from_utf8(sum.format().to_vec()).unwrap())
    }

    #[test]
    fn sums_are_those_of_the_oracle() {
        for (value, increment, expected) in SUMS {
            let expected = expected.map(str::to_owned);
            assert_eq!(sum(value, increment), expected, "{value} + {increment}");
        }
    }

    #[test]
    fn the_largest_number_and_what_rounds_past_it() {
        let largest = LongDouble::parse(b"0x1.fffffffffffffffep16383").unwrap();
        assert_eq!(largest.format().len(), 4933);
        let half_step = LongDouble::parse(b"0x1p16319").unwrap();
        assert_eq!(largest.checked_add(half_step), Err(NotFinite));
        let less = LongDouble::parse(b"0x1.fffffffffffffffep16318").unwrap();
        assert_eq!(largest.checked_add(less), Ok(largest));
        assert_eq!(LongDouble::parse(b"0x1.ffffffffffffffffp16383"), None);
    }

    #[test]
    fn subnormal_numbers_add_exactly() {
        let least = LongDouble::parse(b"0x1p-16445").unwrap();
        assert_eq!(least.checked_add(least), Ok(LongDouble::parse(b"0x1p-16444").unwrap()));
        // A tie goes to the even zero, one above it to the least number.
        assert_eq!(LongDouble::parse(b"0x1p-16446"), None);
        assert_eq!(LongDouble::parse(b"0x1.8p-16446"), Some(least));
    }

    #[test]
    fn texts_of_any_length_are_bounded() {
        let longest = [b"1.".to_vec(), vec![b'3'; TEXT_BYTES_LIMIT - 3]].concat();
        let third = LongDouble::parse(&longest).unwrap();
        assert_eq!(third.format().as_slice(), b"1.33333333333333333");
        assert_eq!(LongDouble::parse(&[longest, b"3".to_vec()].concat()), None);
        assert_eq!(LongDouble::parse(b"1e99999999999999999999999"), None);
        assert_eq!(LongDouble::parse(b"0e99999999999999999999999"), Some(LongDouble::from(0)));
        assert_eq!(LongDouble::parse(b"0x1p-99999999999999999999999"), None);
        let point = [b"0.".to_vec(), vec![b'0'; 4950], b"1e4951".to_vec()].concat();
        assert_eq!(LongDouble::parse(&point), Some(LongDouble::from(1)));
    }

    #[test]
    fn integers_are_exact() {
        for value in [0, 1, -1, i64::MIN, i64::MAX] {
            assert_eq!(LongDouble::from(value).format().as_slice(), value.to_string().as_bytes());
            assert_eq!(
                LongDouble::parse(value.to_string().as_bytes()),
                Some(LongDouble::from(value))
            );
        }
    }
}
