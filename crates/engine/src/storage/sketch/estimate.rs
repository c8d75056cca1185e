//! From how many registers have which value to the number of elements: the improved estimator of
//! Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), section 4.

use super::{RANK_MAX, REGISTERS};

/// The estimate; `counts[value]` registers have a value.
pub fn estimate(counts: &[u32; 64]) -> u64 {
    /// 1 / (2 ln 2)
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let m = REGISTERS as f64;
    let mut z = m * tau((m - f64::from(counts[RANK_MAX as usize])) / m);
    for value in (1..RANK_MAX as usize).rev() {
        z = (z + f64::from(counts[value])) * 0.5;
    }
    z += m * sigma(f64::from(counts[0]) / m);
    (ALPHA * m * m / z).round() as u64
}

/// x + x^2 + 2 x^4 + 4 x^8 + ...
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

/// (1 - x - sum of (1 - x^(2^-k))^2 2^-k) / 3
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}
