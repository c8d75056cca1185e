//! Loops over many bytes, compiled once for any processor and once each for two sets of wider
//! instructions. Which of them the processor has is asked when a loop is run.
//!
//! The loops are plain ones: the compiler makes them wide. It does so with what is inlined into
//! [`widely`]'s closure, so that functions called there are `inline(always)`.
//!
//! This file holds `unsafe` for the calls of functions that want these instructions.
#![allow(unsafe_code)]

/// Runs `work`, compiled for the widest instructions that the processor has.
#[inline]
pub fn widely<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        if has_widest() {
            // SAFETY: `has_widest` has asked for each of the instructions.
            return unsafe { widest(work) };
        }
        if has_wide() {
            // SAFETY: `has_wide` has asked for each of the instructions.
            return unsafe { wide(work) };
        }
    }
    work()
}

#[cfg(target_arch = "x86_64")]
fn has_wide() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn wide<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(target_arch = "x86_64")]
fn has_widest() -> bool {
    has_wide()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vpopcntdq")
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt,avx512f,avx512bw,avx512vl,avx512vbmi,avx512vpopcntdq")]
fn widest<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_does_the_same_however_wide_it_is() {
        let mut random = fastrand::Rng::with_seed(21);
        let bytes: Vec<u8> = (0..10_000).map(|_| random.u8(..)).collect();
        let count = || bytes.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
        let wanted = count();
        assert_eq!(widely(count), wanted);
        #[cfg(target_arch = "x86_64")]
        if has_wide() {
            // SAFETY: it was asked for just before.
            assert_eq!(unsafe { wide(count) }, wanted);
        }
    }
}
