//! The CRC-64 of Redis: the Jones polynomial, reflected, from zero and without a last inversion.

use crc_fast::{CrcAlgorithm, Digest};

/// The sum of what `sum` is of, followed by `bytes`. Nothing has the sum zero.
pub fn crc64(sum: u64, bytes: &[u8]) -> u64 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, sum);
    digest.update(bytes);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_redis_however_it_is_cut() {
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        let text: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for cut in 0..40 {
            let (head, tail) = text.split_at(cut);
            assert_eq!(crc64(crc64(0, head), tail), crc64(0, &text));
        }
    }
}
