//! What the model checks share: how many schedules are tried, and by which schedulers.
//!
//! Half of the schedules are drawn at random, step by step. The other half give the threads
//! priorities that change at a few random steps (probabilistic concurrency testing), which finds
//! what needs one thread to be held up for long. A deadlock ends the check; so does a schedule
//! without an end, since threads that give way wait by looking again and again.

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

/// Schedules of one check, unless `REDSTART_SCHEDULES` says otherwise.
const SCHEDULES: usize = 1000;
/// Steps after which a schedule counts as endless. The longest that end take a few hundred.
const STEPS_MAX: usize = 20_000;
/// Changes of priority in a schedule.
const CHANGES: usize = 3;

fn schedules() -> usize {
    let given = std::env::var("REDSTART_SCHEDULES").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(SCHEDULES)
}

/// Runs a check under many schedules.
pub fn explore(check: fn()) {
    let half = schedules().div_ceil(2);
    run(RandomScheduler::new(half), check);
    run(PctScheduler::new(CHANGES, half), check);
}

fn run(scheduler: impl Scheduler + 'static, check: fn()) {
    let mut config = Config::new();
    config.stack_size = 1 << 17;
    config.max_steps = MaxSteps::FailAfter(STEPS_MAX);
    config.failure_persistence = FailurePersistence::Print;
    Runner::new(scheduler, config).run(check);
}
