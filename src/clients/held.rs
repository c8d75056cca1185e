//! What all clients leave unread together, in bytes: one number, changed by each client's
//! difference, and its limit (`client-output-total-limit`).
//!
//! A little output is not worth a shared counter on the path of a request: a client counts when it
//! has some kilobytes, or does not read. A value that is sent by reference counts as none.

use redstart_config::{Config, Setting};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Output up to this size is not counted, in bytes: what Redis keeps in a client's own buffer.
pub const UNCOUNTED: usize = 16 * 1024;
/// The least that a share of the machine's memory is taken for, in bytes.
const OUTPUT_MIN: usize = 256 << 20;

/// What all clients leave unread.
#[derive(Default)]
pub struct Held {
    output: AtomicUsize,
    /// The most; zero is no limit.
    output_max: AtomicUsize,
}

/// What one client has added to the sum.
#[derive(Default)]
pub struct Counted(AtomicUsize);

impl Held {
    /// Follows the configuration; `machine_bytes` is the machine's memory.
    pub fn configure(&self, config: &Config, machine_bytes: impl FnOnce() -> usize) {
        // A negative number is a percentage.
        let output_max = match config.integer(Setting::ClientOutputTotalLimit) {
            percent @ ..0 => {
                (machine_bytes() / 100 * percent.unsigned_abs() as usize).max(OUTPUT_MIN)
            }
            bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
        };
        self.output_max.store(output_max, Relaxed);
    }

    /// By how much all output is too much; zero when it is not.
    #[inline]
    pub fn output_excess(&self) -> usize {
        match self.output_max.load(Relaxed) {
            0 => 0,
            most => self.output.load(Relaxed).saturating_sub(most),
        }
    }

    /// A client leaves so much unread now.
    pub fn count(&self, counted: &Counted, output: usize) {
        let before = counted.0.swap(output, Relaxed);
        self.output.fetch_add(output.wrapping_sub(before), Relaxed);
    }
}

impl Counted {
    /// The output that counts.
    pub fn output(&self) -> usize {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(limit: &str) -> Held {
        let (held, mut config) = (Held::default(), Config::new());
        let pairs: [(&[u8], &[u8]); 1] = [(b"client-output-total-limit", limit.as_bytes())];
        config.set_many(&pairs, redstart_config::Caller::Local).unwrap();
        held.configure(&config, || 100 << 30);
        held
    }

    #[test]
    fn a_sum_follows_its_parts() {
        let held = configured("100");
        let parts = [Counted::default(), Counted::default()];
        held.count(&parts[0], 60);
        held.count(&parts[1], 50);
        assert_eq!(held.output_excess(), 10);
        held.count(&parts[0], 0);
        assert_eq!((held.output_excess(), parts[1].output()), (0, 50));
        held.count(&parts[0], 51);
        assert_eq!(held.output_excess(), 1);
    }

    #[test]
    fn a_share_of_the_machine_has_a_least_and_zero_is_no_limit() {
        let excess = |limit, output| {
            let held = configured(limit);
            held.count(&Counted::default(), output);
            held.output_excess()
        };
        assert_eq!(excess("0", usize::MAX), 0);
        assert_eq!(excess("2%", (2 << 30) + 7), 7);
        let held = configured("1%");
        held.configure(&Config::new(), || 1 << 30);
        held.count(&Counted::default(), OUTPUT_MIN + 1);
        assert_eq!(held.output_excess(), 1);
    }
}
