//! Numbers as C's `%g` writes them, which is how Lua 5.1 and the libraries do.

/// `value` by `%.{digits}g`.
pub fn general(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return if value.is_sign_negative() { "-nan".into() } else { "nan".into() };
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf".into() } else { "inf".into() };
    }
    if value.trunc() == value && value.abs() < 1e15 && value.abs() < 10f64.powi(digits as i32) {
        return if value == 0.0 && value.is_sign_negative() {
            "-0".into()
        } else {
            (value as i64).to_string()
        };
    }
    let text = format!("{:.*e}", digits.max(1) - 1, value);
    let (mantissa, exponent) = text.split_once('e').expect("this format has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a number");
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs());
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    trimmed(&format!("{value:.decimals$}")).into()
}

/// Without zeros at the end of a fraction.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::general;

    #[test]
    fn numbers_are_written_as_c_writes_them() {
        for (value, text) in [
            (0.1 + 0.2, "0.3"),
            (1e14, "1e+14"),
            (1e13, "10000000000000"),
            (1e15, "1e+15"),
            (-0.0, "-0"),
            (3.3, "3.3"),
            (1e100, "1e+100"),
            (1.5e-7, "1.5e-07"),
            (0.0001, "0.0001"),
            (f64::INFINITY, "inf"),
            (123456789.123, "123456789.123"),
        ] {
            assert_eq!(general(value, 14), text);
        }
    }
}
