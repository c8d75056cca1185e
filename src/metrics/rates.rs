//! Commands and bytes a second: INFO's `instantaneous` fields, measured as Redis does over the last
//! samples of sums that only grow.

use parking_lot::Mutex;

/// Samples that the mean is taken over: at ten a second, the last second and a half.
const SAMPLES: usize = 16;

/// The sums since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    /// Commands.
    pub commands: u64,
    /// Bytes read.
    pub input_bytes: u64,
    /// Bytes written.
    pub output_bytes: u64,
}

/// The last samples.
#[derive(Default)]
pub struct Rates(Mutex<Ring>);

#[derive(Default)]
struct Ring {
    /// When each was taken, in monotonic milliseconds, and the sums by then.
    samples: [(u64, Sums); SAMPLES],
    next: usize,
    count: usize,
}

impl Rates {
    /// Takes a sample.
    pub fn sample(&self, now_ms: u64, sums: Sums) {
        let mut ring = self.0.lock();
        let next = ring.next;
        ring.samples[next] = (now_ms, sums);
        ring.next = (next + 1) % SAMPLES;
        ring.count = (ring.count + 1).min(SAMPLES);
    }

    /// Commands a second, kilobytes read and kilobytes written a second.
    pub fn now(&self) -> (u64, f64, f64) {
        let ring = self.0.lock();
        if ring.count < 2 {
            return (0, 0.0, 0.0);
        }
        let (to_ms, to) = ring.samples[(ring.next + SAMPLES - 1) % SAMPLES];
        let (from_ms, from) = ring.samples[(ring.next + SAMPLES - ring.count) % SAMPLES];
        let seconds = to_ms.saturating_sub(from_ms).max(1) as f64 / 1000.0;
        // A reset of the counters makes them smaller.
        let a_second = |to: u64, from: u64| to.saturating_sub(from) as f64 / seconds;
        (
            a_second(to.commands, from.commands) as u64,
            a_second(to.input_bytes, from.input_bytes) / 1024.0,
            a_second(to.output_bytes, from.output_bytes) / 1024.0,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_the_last_samples() {
        let rates = Rates::default();
        assert_eq!(rates.now(), (0, 0.0, 0.0));
        for n in 0..40 {
            let sums = Sums { commands: n * 100, input_bytes: n * 1024, output_bytes: n * 2048 };
            rates.sample(1000 + n * 100, sums);
        }
        assert_eq!(rates.now(), (1000, 10.0, 20.0));
    }

    #[test]
    fn a_reset_is_no_rate() {
        let rates = Rates::default();
        rates.sample(1000, Sums { commands: 500, ..Sums::default() });
        rates.sample(1100, Sums::default());
        assert_eq!(rates.now().0, 0);
    }
}
