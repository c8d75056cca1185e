//! A probe's thread goes before everything else on its core.
//!
//! What a probe is to show is how long the server makes a client wait. On a core that the load
//! shares with the kernel's threads and the machine's own services, the slowest thousandth of its
//! times was theirs: of the waits above 2 ms that were traced, most began with the reply on its way
//! and the probe's thread waiting for one of them to end its turn. With real-time priority it goes
//! first. The server has no such priority, and neither have the children of this thread.
//!
//! It is given by `chrt` of util-linux. Where that is not permitted, or the core is the server's
//! too, the measurement is made without it, and the report says so.

use super::outcome::progress;
use super::server::Cores;
use std::process::{Command, Stdio};

/// Lasts until it is dropped. Belongs to the thread that asked.
pub struct Precedence {
    given: bool,
}

impl Precedence {
    /// Gives this thread the lowest of the real-time priorities, if that can be done.
    pub fn take(cores: &Cores) -> Self {
        let given = !cores.shared() && set(&["--fifo", "--reset-on-fork"], "1");
        if !given {
            progress("  the probe has no precedence on its core");
        }
        Self { given }
    }

    /// What the report says of it.
    pub fn note(&self) -> &'static str {
        match self.given {
            true => "The load's thread, which is the probe's, has real-time priority on its core.",
            false => "The load's thread, which is the probe's, had no precedence on its core.",
        }
    }
}

impl Drop for Precedence {
    fn drop(&mut self) {
        if self.given {
            set(&["--other"], "0");
        }
    }
}

/// Sets this thread's policy and priority; false when it is not permitted.
fn set(policy: &[&str], priority: &str) -> bool {
    let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
    Command::new("chrt")
        .args(policy)
        .args(["--pid", priority, &thread])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The scheduling policy of this thread: field 41 of its `stat`, as `proc(5)` counts them.
    fn policy() -> Option<u32> {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").ok()?;
        let (_, after_name) = stat.rsplit_once(')')?;
        after_name.split_whitespace().nth(41 - 3)?.parse().ok()
    }

    #[test]
    fn precedence_is_given_back() -> super::super::outcome::Outcome<()> {
        let cores = Cores::find()?;
        let precedence = Precedence::take(&cores);
        // SCHED_FIFO is 1 and SCHED_OTHER 0.
        assert_eq!(policy(), Some(u32::from(precedence.given)));
        drop(precedence);
        assert_eq!(policy(), Some(0));
        Ok(())
    }
}
