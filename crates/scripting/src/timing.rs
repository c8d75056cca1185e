//! How long the commands of scripts take, at almost no cost.
//!
//! What Lua does between two commands is none of theirs, so a command is measured by two readings
//! of the clock, which cost a short command a sixth of its time. Therefore only every [`EVERY`]th
//! short command of one kind is measured, and the others count as long as that one. A command that
//! may take longer is measured each time, and so is every command while the host asks for it.
//!
//! ```text
//!   GET   Lua   GET   Lua   GET  ...  GET        | = a reading of the clock
//!  |---|       =====       =====     |---|       = counts as long as the last one measured
//! ```

use crate::host::Measuring;
use redstart_engine::run::registry::Registered;
use redstart_engine::stats::{Times, bucket_of};

/// One of so many short commands is measured. The number is odd: a script that calls a command for
/// two keys in turn has both measured.
pub const EVERY: u8 = 7;

/// The last short command of one kind that was measured.
#[derive(Clone, Copy, Default)]
struct Sample {
    /// How long it took, in nanoseconds.
    ns: u32,
    /// The bucket of that duration.
    bucket: u16,
    /// How many more commands count as long.
    left: u8,
}

/// Measures the commands of a worker's scripts.
pub struct CallTimer {
    measuring: Measuring,
    /// By the command's id.
    samples: Box<[Sample]>,
}

impl CallTimer {
    /// A timer for a registry of so many commands.
    pub fn new(commands: usize) -> CallTimer {
        let samples = vec![Sample::default(); commands].into();
        CallTimer { measuring: Measuring::default(), samples }
    }

    /// Measures as the host wants it from now on.
    pub fn follow(&mut self, measuring: Measuring) {
        self.measuring = measuring;
    }

    /// Whether the command that is about to run is measured by the clock.
    #[inline]
    pub fn measures(&mut self, registered: &Registered, args: usize) -> bool {
        if !registered.command.is_short(args) || self.measuring.precisely {
            return true;
        }
        let sample = &mut self.samples[registered.id as usize];
        let is_due = sample.left == 0;
        sample.left = if is_due { EVERY - 1 } else { sample.left - 1 };
        is_due
    }

    /// Records a command that has run: in as many nanoseconds as were measured, or as the last
    /// one did. Returns the time of one that was slow.
    #[inline]
    #[must_use]
    pub fn record(&mut self, id: u16, measured_ns: Option<u64>, times: &Times) -> Option<u64> {
        let sample = &mut self.samples[id as usize];
        if let Some(ns) = measured_ns {
            sample.ns = u32::try_from(ns).unwrap_or(u32::MAX);
            sample.bucket = bucket_of(ns) as u16;
        }
        let ns = measured_ns.unwrap_or(sample.ns.into());
        times.add(1, ns, self.measuring.histograms.then_some(sample.bucket.into()));
        measured_ns.filter(|ns| *ns >= self.measuring.slow_ns)
    }
}
