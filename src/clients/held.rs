//! What all clients take together, in bytes: one number, changed by each client's difference.
//!
//! A client that takes little is not worth a shared counter on the path of its requests: it counts
//! from some kilobytes on, when it has a transaction, and when others have messages for it.

use redstart_config::{Config, Setting};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Input and output below this size are not counted, in bytes: what Redis keeps in a client's own
/// buffer.
pub const UNCOUNTED: usize = 16 * 1024;
/// The least that a share of the machine's memory is taken for, in bytes.
const OUTPUT_MIN: usize = 256 << 20;

/// What all clients take.
#[derive(Default)]
pub struct Held {
    /// Input, queued requests and output.
    bytes: AtomicUsize,
    /// Output alone.
    output: AtomicUsize,
    /// The most output (`client-output-total-limit`); zero is no limit.
    output_max: AtomicUsize,
}

/// What one client has added to the sums.
#[derive(Default)]
pub struct Counted {
    bytes: AtomicUsize,
    output: AtomicUsize,
}

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

    /// The input, queued requests and output of all clients.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// By how much all output is too much; zero when it is not.
    #[inline]
    pub fn output_excess(&self) -> usize {
        match self.output_max.load(Relaxed) {
            0 => 0,
            most => self.output.load(Relaxed).saturating_sub(most),
        }
    }

    /// A client takes so much now.
    pub fn count(&self, counted: &Counted, bytes: usize, output: usize) {
        change(&self.bytes, &counted.bytes, bytes);
        change(&self.output, &counted.output, output);
    }
}

impl Counted {
    /// The output that counts.
    pub fn output(&self) -> usize {
        self.output.load(Relaxed)
    }
}

/// Replaces a client's part of a sum.
fn change(sum: &AtomicUsize, part: &AtomicUsize, bytes: usize) {
    let before = part.swap(bytes, Relaxed);
    sum.fetch_add(bytes.wrapping_sub(before), Relaxed);
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
        held.count(&parts[0], 70, 60);
        held.count(&parts[1], 90, 50);
        assert_eq!((held.bytes(), held.output_excess()), (160, 10));
        held.count(&parts[0], 10, 0);
        assert_eq!((held.bytes(), held.output_excess(), parts[1].output()), (100, 0, 50));
        held.count(&parts[1], 0, 0);
        held.count(&parts[0], 0, 0);
        assert_eq!((held.bytes(), held.output_excess()), (0, 0));
    }

    #[test]
    fn a_share_of_the_machine_has_a_least_and_zero_is_no_limit() {
        let excess = |limit, output| {
            let held = configured(limit);
            held.count(&Counted::default(), output, output);
            held.output_excess()
        };
        assert_eq!(excess("0", usize::MAX), 0);
        assert_eq!(excess("2%", (2 << 30) + 7), 7 + (2 << 30) - 100 * ((1 << 30) / 50));
        let held = configured("1%");
        held.configure(&Config::new(), || 1 << 30);
        held.count(&Counted::default(), 0, OUTPUT_MIN + 1);
        assert_eq!(held.output_excess(), 1);
    }
}
