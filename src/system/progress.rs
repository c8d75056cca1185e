//! How far a long task is: shown as a bar where standard error is a terminal, as lines in the log
//! where a server loads.

use crate::system::log;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often the bar is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// How often a line is logged.
const LINE: Duration = Duration::from_secs(5);
/// Characters of the bar itself.
const WIDTH: usize = 30;

/// What a task has done, and what there is to do. The threads that do it count here.
#[derive(Default)]
pub struct Progress {
    /// Bytes in all; zero where what is done is counted in keys alone.
    pub total_bytes: AtomicU64,
    /// Keys in all, where there are no bytes.
    pub total_keys: AtomicU64,
    /// Bytes done.
    pub bytes: AtomicU64,
    /// Keys done.
    pub keys: AtomicU64,
}

/// Where progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// On the terminal, if there is one.
    Terminal,
    /// In the server's log, too.
    Log,
}

impl Progress {
    /// Runs `f`, and shows meanwhile how far it is.
    pub fn watch<R>(&self, what: &str, audience: Audience, f: impl FnOnce() -> R) -> R {
        let draws = std::io::stderr().is_terminal();
        if !draws && audience == Audience::Terminal {
            return f();
        }
        let began = Instant::now();
        let (ended, wait) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut logged = began;
                while wait.recv_timeout(FRAME) == Err(RecvTimeoutError::Timeout) {
                    if draws {
                        eprint!("\r{}\x1b[K", self.bar(what, began.elapsed()));
                        // If the terminal is gone, the bar is not missed.
                        let _ = std::io::stderr().flush();
                    }
                    if audience == Audience::Log && logged.elapsed() >= LINE {
                        logged = Instant::now();
                        log::notice(format_args!("{what}: {}", self.text(began.elapsed())));
                    }
                }
                if draws {
                    eprint!("\r\x1b[K");
                }
            });
            let result = f();
            drop(ended);
            result
        })
    }

    /// The part that has been done, from 0 to 1.
    pub fn part(&self) -> f64 {
        let (done, total) = match self.total_bytes.load(Relaxed) {
            0 => (self.keys.load(Relaxed), self.total_keys.load(Relaxed)),
            bytes => (self.bytes.load(Relaxed), bytes),
        };
        (done as f64 / total.max(1) as f64).min(1.0)
    }

    /// Seconds that are left, estimated by those that it took so far.
    pub fn left_s(&self, elapsed: Duration) -> Option<f64> {
        let part = self.part();
        (part > 0.0).then(|| elapsed.as_secs_f64() * (1.0 - part) / part)
    }

    /// Keys, percent and the time that is left.
    fn text(&self, elapsed: Duration) -> String {
        let (part, keys) = (self.part(), log::counted(self.keys.load(Relaxed), "key"));
        let mut text = format!("{:.1} %, {keys}", part * 100.0);
        if self.total_bytes.load(Relaxed) > 0 {
            text += &format!(", {:.1} MB", self.bytes.load(Relaxed) as f64 / 1e6);
        }
        if let Some(left_s) = self.left_s(elapsed) {
            text += &format!(", {left_s:.0} s left");
        }
        text
    }

    fn bar(&self, what: &str, elapsed: Duration) -> String {
        let done = (self.part() * WIDTH as f64) as usize;
        let (full, rest) = ("#".repeat(done), "-".repeat(WIDTH - done));
        format!("{what} [{full}{rest}] {}", self.text(elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_how_far_the_task_is() {
        let progress = Progress::default();
        progress.total_bytes.store(4_000_000, Relaxed);
        let bar = |seconds| progress.bar("loading", Duration::from_secs(seconds));
        assert_eq!(bar(0), format!("loading [{}] 0.0 %, 0 keys, 0.0 MB", "-".repeat(30)));
        progress.bytes.store(1_000_000, Relaxed);
        progress.keys.store(7, Relaxed);
        let (full, rest) = ("#".repeat(7), "-".repeat(23));
        assert_eq!(bar(2), format!("loading [{full}{rest}] 25.0 %, 7 keys, 1.0 MB, 6 s left"));
        progress.total_bytes.store(0, Relaxed);
        progress.total_keys.store(28, Relaxed);
        assert_eq!(bar(2), format!("loading [{full}{rest}] 25.0 %, 7 keys, 6 s left"));
    }
}
