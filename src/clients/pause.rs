//! A pause (CLIENT PAUSE): commands wait until it ends, all of them or those that may write.
//!
//! A request that has to wait is put back into its connection's input, with everything behind it,
//! and the connection's task sleeps; whoever ends the pause wakes it. One task on the thread that
//! takes connections waits for the end of the time, so a client that waits costs nothing meanwhile.
//! While there is a pause, nothing expires and nothing is evicted either: what is past its deadline
//! is not seen, but stays. Fields of a hash are the exception: a read that comes upon one past its
//! deadline removes it.

use crate::clients::ClientInfo;
use crate::scripting::{shebang, unhex};
use crate::server::Server;
use crate::session::Session;
use crate::system::clock::Clock;
use parking_lot::Mutex;
use redstart_engine::spec::{
    MAY_REPLICATE, READONLY, RUNS_DIGEST, RUNS_FUNCTION, RUNS_QUEUE, RUNS_TEXT, WRITE,
};
use redstart_engine::stats::Stats;
use redstart_engine::{Command, Now};
use redstart_protocol::Args;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// A longer pause is looked at again after this time.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// How often a worker that is waited for is looked at.
const BEAT: Duration = Duration::from_millis(1);

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Mode {
    /// Commands that may write.
    Write = 1,
    /// All commands.
    All = 2,
}

/// The pause, if there is one.
#[derive(Default)]
pub struct Pause {
    /// A [`Mode`]; zero is no pause. Looked at for every request.
    mode: AtomicU8,
    state: Mutex<State>,
    changed: Notify,
    /// Held by who is alone.
    alone: Mutex<()>,
}

#[derive(Default)]
struct State {
    mode: Option<Mode>,
    /// When it ends, in monotonic milliseconds.
    end_ms: u64,
    /// The clients that wait, by number.
    waiting: BTreeMap<u64, Arc<ClientInfo>>,
}

impl Pause {
    /// Whether there is a pause, as far as nobody has noticed its end.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.mode.load(Ordering::Acquire) != 0
    }

    /// What waits, and until when in monotonic milliseconds.
    pub fn now(&self) -> Option<(Mode, u64)> {
        let state = self.state.lock();
        state.mode.map(|mode| (mode, state.end_ms))
    }

    /// Begins a pause; one that there is already only becomes longer and stricter.
    pub fn begin(&self, server: &Server, mode: Mode, end_ms: u64) {
        let mut state = self.state.lock();
        if state.mode.is_none() {
            state.end_ms = 0;
        }
        let mode = state.mode.map_or(mode, |old| old.max(mode));
        state.mode = Some(mode);
        state.end_ms = state.end_ms.max(end_ms);
        server.engine.keyspace.set_expiry_paused(true);
        self.mode.store(mode as u8, Ordering::Release);
        self.changed.notify_one();
    }

    /// Ends the pause; who waits goes on.
    pub fn end(&self, server: &Server) {
        let mut state = self.state.lock();
        state.mode = None;
        server.engine.keyspace.set_expiry_paused(false);
        self.mode.store(0, Ordering::Release);
        for client in std::mem::take(&mut state.waiting).into_values() {
            client.postponed.store(false, Ordering::Release);
            client.wake();
        }
        self.changed.notify_one();
    }

    /// Runs `f` while nobody else runs anything: commands wait, and what was under way has ended.
    /// `own` are the counters of the worker that asks, which stands still meanwhile. None when
    /// another worker does the same.
    pub fn alone<R>(&self, server: &Server, own: &Arc<Stats>, f: impl FnOnce() -> R) -> Option<R> {
        let _alone = self.alone.try_lock()?;
        let before = self.now();
        self.begin(server, Mode::All, u64::MAX);
        let others = server.beats.iter().zip(server.stats);
        for (beats, _) in others.filter(|(_, stats)| !Arc::ptr_eq(stats, own)) {
            // A beat from now on is one between two requests, of which the second sees the pause.
            let seen = beats.fetch_add(0, Ordering::AcqRel);
            while beats.load(Ordering::Acquire) == seen {
                std::thread::sleep(BEAT);
            }
        }
        let result = f();
        self.end(server);
        if let Some((mode, end_ms)) = before {
            self.begin(server, mode, end_ms);
        }
        Some(result)
    }

    /// Ends the pause if its time is up. Returns whether there is one still.
    fn lasts(&self, server: &Server, now: Now) -> bool {
        match self.now() {
            Some((_, end_ms)) if end_ms > now.mono_ms => true,
            Some(_) => {
                self.end(server);
                false
            }
            None => false,
        }
    }

    /// Whether a command of the session has to wait.
    #[cold]
    pub fn holds(&self, session: &Session, command: &Command, args: Args<'_>, now: Now) -> bool {
        let Some((mode, _)) = self.now() else { return false };
        let held = mode == Mode::All
            || match &session.queue {
                Some(queue) if command.is(RUNS_QUEUE) => queue.requests().any(|(command, args)| {
                    may_write(session.server, session.server.registry.at(command).command, args)
                }),
                _ => may_write(session.server, command, args),
            };
        held && self.lasts(session.server, now)
    }

    /// Lets a client wait for the end; false when there is no pause any more.
    pub fn wait(&self, client: &Arc<ClientInfo>) -> bool {
        let mut state = self.state.lock();
        let waits = state.mode.is_some();
        if waits {
            client.postponed.store(true, Ordering::Release);
            state.waiting.insert(client.id, client.clone());
        }
        waits
    }

    /// A client that waits has gone.
    pub fn leave(&self, id: u64) {
        self.state.lock().waiting.remove(&id);
    }
}

/// Ends every pause when its time is up.
pub async fn watch(server: &'static Server) {
    let Server { pause, clock, .. } = server;
    loop {
        match pause.now() {
            None => pause.changed.notified().await,
            Some((_, end_ms)) => {
                let left = left(clock, end_ms);
                if left.is_zero() {
                    pause.lasts(server, clock.now());
                } else {
                    // A change of the end is as good a reason to look again as the end.
                    let _ = tokio::time::timeout(left, pause.changed.notified()).await;
                }
            }
        }
    }
}

/// The time until `end_ms`.
fn left(clock: &Clock, end_ms: u64) -> Duration {
    Duration::from_millis(end_ms.saturating_sub(clock.now().mono_ms)).min(LONGEST)
}

/// Whether a command may write, as far as its arguments tell: a script's own word counts, and one
/// that says nothing may.
fn may_write(server: &Server, command: &Command, args: Args<'_>) -> bool {
    let scripts = &server.scripts;
    let flags = if command.is(RUNS_TEXT) {
        shebang::of_script(&args[1]).ok().flatten()
    } else if command.is(RUNS_DIGEST) {
        unhex(&args[1]).and_then(|digest| scripts.get(&digest)).and_then(|script| script.flags)
    } else if command.is(RUNS_FUNCTION) {
        scripts.functions.flags(&args[1])
    } else {
        return command.is(WRITE | MAY_REPLICATE);
    };
    match flags {
        Some(flags) => flags & shebang::NO_WRITES == 0,
        None => !command.is(READONLY),
    }
}
