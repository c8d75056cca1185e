//! The few digits that a double is read back from, as Redis 8 prints it.
//!
//! This is Grisu2 of F. Loitsch ("Printing Floating-Point Numbers Quickly and Accurately with
//! Integers", 2010). It works in 64 bits: the number and the middles to its neighbours are scaled
//! by a power of ten from a table, and digits are taken until what is left is within them. In one
//! of a thousand numbers a shorter text would do, and the last digit of a long one may be the one
//! beside the nearest. So the digits are Redis's only if they are made in this way.
//!
//! ```text
//!      low        number       high       digits are taken off `high`, and the last one is
//!  -----+-----------+-----------+----     stepped down while that comes nearer to the number
//!                 <------ delta ------>
//! ```

/// Bits of a double's fraction.
const FRACTION_BITS: u32 = 52;
/// The least power of ten in the table, and the step to the next one.
const POWER_MIN: i32 = -348;
const POWER_STEP: i32 = 8;
/// A scaled number has its point so many bits from the right.
const SCALED: std::ops::RangeInclusive<i32> = -60..=-32;
/// Thousandths up to which two of them are never the same double.
const THOUSANDTHS_MAX: u64 = 1_000_000_000_000_000;
/// Most digits there are.
const DIGITS_MAX: usize = 18;

/// Powers of ten, each by its upper 64 bits, rounded.
const POWERS: [u64; 87] = [
    0xfa8fd5a0081c0288,
    0xbaaee17fa23ebf76,
    0x8b16fb203055ac76,
    0xcf42894a5dce35ea,
    0x9a6bb0aa55653b2d,
    0xe61acf033d1a45df,
    0xab70fe17c79ac6ca,
    0xff77b1fcbebcdc4f,
    0xbe5691ef416bd60c,
    0x8dd01fad907ffc3c,
    0xd3515c2831559a83,
    0x9d71ac8fada6c9b5,
    0xea9c227723ee8bcb,
    0xaecc49914078536d,
    0x823c12795db6ce57,
    0xc21094364dfb5637,
    0x9096ea6f3848984f,
    0xd77485cb25823ac7,
    0xa086cfcd97bf97f4,
    0xef340a98172aace5,
    0xb23867fb2a35b28e,
    0x84c8d4dfd2c63f3b,
    0xc5dd44271ad3cdba,
    0x936b9fcebb25c996,
    0xdbac6c247d62a584,
    0xa3ab66580d5fdaf6,
    0xf3e2f893dec3f126,
    0xb5b5ada8aaff80b8,
    0x87625f056c7c4a8b,
    0xc9bcff6034c13053,
    0x964e858c91ba2655,
    0xdff9772470297ebd,
    0xa6dfbd9fb8e5b88f,
    0xf8a95fcf88747d94,
    0xb94470938fa89bcf,
    0x8a08f0f8bf0f156b,
    0xcdb02555653131b6,
    0x993fe2c6d07b7fac,
    0xe45c10c42a2b3b06,
    0xaa242499697392d3,
    0xfd87b5f28300ca0e,
    0xbce5086492111aeb,
    0x8cbccc096f5088cc,
    0xd1b71758e219652c,
    0x9c40000000000000,
    0xe8d4a51000000000,
    0xad78ebc5ac620000,
    0x813f3978f8940984,
    0xc097ce7bc90715b3,
    0x8f7e32ce7bea5c70,
    0xd5d238a4abe98068,
    0x9f4f2726179a2245,
    0xed63a231d4c4fb27,
    0xb0de65388cc8ada8,
    0x83c7088e1aab65db,
    0xc45d1df942711d9a,
    0x924d692ca61be758,
    0xda01ee641a708dea,
    0xa26da3999aef774a,
    0xf209787bb47d6b85,
    0xb454e4a179dd1877,
    0x865b86925b9bc5c2,
    0xc83553c5c8965d3d,
    0x952ab45cfa97a0b3,
    0xde469fbd99a05fe3,
    0xa59bc234db398c25,
    0xf6c69a72a3989f5c,
    0xb7dcbf5354e9bece,
    0x88fcf317f22241e2,
    0xcc20ce9bd35c78a5,
    0x98165af37b2153df,
    0xe2a0b5dc971f303a,
    0xa8d9d1535ce3b396,
    0xfb9b7cd9a4a7443c,
    0xbb764c4ca7a44410,
    0x8bab8eefb6409c1a,
    0xd01fef10a657842c,
    0x9b10a4e5e9913129,
    0xe7109bfba19c0c9d,
    0xac2820d9623bf429,
    0x80444b5e7aa7cf85,
    0xbf21e44003acdd2d,
    0x8e679c2f5e44ff8f,
    0xd433179d9c8cb841,
    0x9e19db92b4e31ba9,
    0xeb96bf6ebadf77d9,
    0xaf87023b9bf0ee6b,
];

/// A number of 64 bits times a power of two.
#[derive(Clone, Copy)]
struct Float {
    bits: u64,
    exponent: i32,
}

impl Float {
    /// A finite number above zero.
    fn of(value: f64) -> Float {
        let bits = value.to_bits();
        let (fraction, exponent) =
            (bits & ((1 << FRACTION_BITS) - 1), (bits >> FRACTION_BITS) as i32 & 0x7ff);
        match exponent {
            0 => Float { bits: fraction, exponent: -1074 },
            _ => Float { bits: fraction | 1 << FRACTION_BITS, exponent: exponent - 1075 },
        }
    }

    fn normal(self) -> Float {
        let zeros = self.bits.leading_zeros();
        Float { bits: self.bits << zeros, exponent: self.exponent - zeros as i32 }
    }

    fn times(self, other: Float) -> Float {
        let product = u128::from(self.bits) * u128::from(other.bits) + (1 << 63);
        Float { bits: (product >> 64) as u64, exponent: self.exponent + other.exponent + 64 }
    }

    /// A power of ten of the table.
    fn power(at: usize) -> Float {
        let power = POWER_MIN + POWER_STEP * at as i32;
        // The logarithm of ten to the base two is 217706 / 2^16.
        Float { bits: POWERS[at], exponent: ((power * 217_706) >> 16) - 63 }
    }
}

/// Decimal digits, and the power of ten of the last one.
pub struct Digits {
    digits: [u8; DIGITS_MAX],
    count: usize,
    /// The power of ten of the last digit.
    pub scale: i32,
}

impl Digits {
    /// The digits of a finite number above zero.
    pub fn of(value: f64) -> Digits {
        let number = Float::of(value);
        Digits::of_thousandths(number).unwrap_or_else(|| Digits::general(number))
    }

    fn general(number: Float) -> Digits {
        let high = Float { bits: 2 * number.bits + 1, exponent: number.exponent - 1 }.normal();
        // Below a power of two the neighbour is nearer.
        let shift = if number.bits == 1 << FRACTION_BITS { 2 } else { 1 };
        let low = (number.bits << shift) - 1;
        let low = low << (number.exponent - shift - high.exponent);
        let (power, at) = power_for(high.exponent);
        let (number, high) = (number.normal().times(power), high.times(power));
        let low = Float { bits: low, exponent: high.exponent - power.exponent - 64 }.times(power);
        let mut digits = Digits {
            digits: [0; DIGITS_MAX],
            count: 0,
            scale: -(POWER_MIN + POWER_STEP * at as i32),
        };
        digits.take(number.bits, low.bits + 1, high.bits - 1, -high.exponent as u32);
        digits
    }

    /// The digits of a number that is read back from whole thousandths, as most scores are: no
    /// other text is as short. One that lies close to the middle between two doubles is left to the
    /// general way, which may not see that the short text is read back.
    #[inline]
    fn of_thousandths(number: Float) -> Option<Digits> {
        let shift = -number.exponent;
        if !(1..=62).contains(&shift) || number.bits == 1 << FRACTION_BITS {
            return None;
        }
        let scaled = number.bits * 1000;
        let mut whole = (scaled + (1 << (shift - 1))) >> shift;
        // Half the way to the next double is 500.
        if scaled.abs_diff(whole << shift) > 490 || !(1..THOUSANDTHS_MAX).contains(&whole) {
            return None;
        }
        let mut scale = -3;
        while whole.is_multiple_of(10) {
            (whole, scale) = (whole / 10, scale + 1);
        }
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(whole).as_bytes();
        let mut digits = Digits { digits: [0; DIGITS_MAX], count: text.len(), scale };
        digits.digits[..text.len()].copy_from_slice(text);
        Some(digits)
    }

    /// The digits as letters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.count]
    }

    fn push(&mut self, digit: u64) {
        if digit > 0 || self.count > 0 {
            self.digits[self.count] = b'0' + digit as u8;
            self.count += 1;
        }
    }

    /// Takes digits off `high`, whose point is so many bits from the right.
    fn take(&mut self, number: u64, low: u64, high: u64, point: u32) {
        let (mut delta, one) = (high - low, 1u64 << point);
        let (mut whole, mut rest) = ((high >> point) as u32, high & (one - 1));
        let mut unit = 1_000_000_000u32;
        for power in (0..10).rev() {
            self.push(u64::from(whole / unit));
            whole %= unit;
            let left = (u64::from(whole) << point) + rest;
            if left <= delta {
                self.scale += power;
                return self.step_down(delta, left, u64::from(unit) << point, high - number);
            }
            unit /= 10;
        }
        let mut scaled = high - number;
        loop {
            rest *= 10;
            delta *= 10;
            scaled = scaled.wrapping_mul(10);
            self.scale -= 1;
            self.push(rest >> point);
            rest &= one - 1;
            if rest < delta {
                return self.step_down(delta, rest, one, scaled);
            }
        }
    }

    /// Steps the last digit down, of which one is `unit`, while that comes nearer to the number,
    /// which is `wanted` below where the digits were taken off.
    fn step_down(&mut self, delta: u64, mut left: u64, unit: u64, wanted: u64) {
        let last = &mut self.digits[self.count - 1];
        while left < wanted
            && delta - left >= unit
            && (left + unit < wanted || wanted - left > left + unit - wanted)
        {
            *last -= 1;
            left += unit;
        }
    }
}

/// The power of ten that brings a number with this exponent into the range, and its place.
fn power_for(exponent: i32) -> (Float, usize) {
    const LOG_OF_TWO: f64 = 0.301_029_995_663_981_14;
    let about = (-f64::from(exponent + POWERS.len() as i32) * LOG_OF_TWO) as i32;
    let mut at = ((about - POWER_MIN) / POWER_STEP) as usize;
    loop {
        let power = Float::power(at);
        let scaled = exponent + power.exponent + 64;
        if SCALED.contains(&scaled) {
            return (power, at);
        }
        if scaled < *SCALED.start() { at += 1 } else { at -= 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64) -> String {
        let digits = Digits::of(value);
        format!("{}e{}", std::str::from_utf8(digits.as_bytes()).unwrap(), digits.scale)
    }

    #[test]
    #[allow(clippy::excessive_precision, reason = "these digits are what is tested")]
    fn digits_are_redis_8s() {
        for (value, digits) in [
            (0.1, "1e-1"),
            (1.5, "15e-1"),
            (5e-324, "5e-324"),
            (f64::MAX, "17976931348623157e292"),
            (f64::MIN_POSITIVE, "22250738585072014e-324"),
            // A tie, and one that is not the shortest.
            (734057189282562.25, "7340571892825622e-1"),
            (226877950225608.125, "22687795022560812e-2"),
            (6570.900000000001, "65709000000000005e-13"),
        ] {
            assert_eq!(text(value), digits, "{value:e}");
        }
    }

    /// G. Marsaglia's.
    fn xorshift(mut random: u64) -> u64 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^ random << 17
    }

    /// The quick way gives the digits of the general one, and is taken.
    #[test]
    fn thousandths_have_the_same_digits_on_both_ways() {
        let mut random = 88_172_645_463_325_252u64;
        let mut quick = 0;
        for _ in 0..200_000 {
            random = xorshift(random);
            let most = 10u64.pow(random as u32 % 15 + 1);
            let parts = [1.0, 10.0, 100.0, 1000.0][(random >> 8) as usize % 4];
            let value = ((random >> 12) % most + 1) as f64 / parts;
            let value = match random >> 61 {
                0 => f64::from_bits(value.to_bits() + 1),
                1 => f64::from_bits(value.to_bits() - 1),
                _ => value,
            };
            let (number, digits) = (Float::of(value), Digits::general(Float::of(value)));
            if let Some(short) = Digits::of_thousandths(number) {
                quick += 1;
                assert_eq!(short.as_bytes(), digits.as_bytes(), "{value}");
                assert_eq!(short.scale, digits.scale, "{value}");
            }
        }
        assert!(quick > 100_000, "{quick}");
    }

    #[test]
    fn digits_are_read_as_the_same_number() {
        let mut random = 88_172_645_463_325_252u64;
        for _ in 0..200_000 {
            random = xorshift(random);
            let value = f64::from_bits(random).abs();
            if value.is_finite() && value > 0.0 {
                let text = text(value);
                assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
            }
        }
    }
}
