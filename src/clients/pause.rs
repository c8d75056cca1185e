//! A pause (CLIENT PAUSE): commands wait until it ends, all of them or those that may write.
//!
//! A request that has to wait is put back into its connection's input, with everything behind it,
//! and the connection's task sleeps; the end of the pause wakes it. One task on the thread that
//! takes connections waits for the end of the time, so a client that waits costs nothing meanwhile.
//! During a pause nothing expires and nothing is evicted either: what is past its deadline is not
//! seen, but stays. Fields of a hash are the exception: a read that comes upon one past its
//! deadline removes it.

use crate::clients::client::ClientInfo;
use crate::system::clock::Clock;
use crate::system::heartbeats::Heartbeats;
use parking_lot::Mutex;
use redstart_engine::Now;
use redstart_engine::keyspace::Keyspace;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// The end of a longer pause is looked for again after this time.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Which commands wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum PauseMode {
    /// Commands that may write.
    Write = 1,
    /// All commands.
    All = 2,
}

/// The pause, if there is one.
#[derive(Default)]
pub struct Pause {
    /// A [`PauseMode`]; zero is no pause. Looked at for every request.
    mode: AtomicU8,
    state: Mutex<State>,
    changed: Notify,
    /// Held by the thread that runs alone.
    alone: Mutex<()>,
}

#[derive(Default)]
struct State {
    mode: Option<PauseMode>,
    /// When it ends, in monotonic milliseconds.
    end_ms: u64,
    /// The clients that wait, by id.
    waiting: BTreeMap<u64, Arc<ClientInfo>>,
}

impl Pause {
    /// Whether there is a pause; one whose time is up counts until its end is noticed.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.mode.load(Ordering::Acquire) != 0
    }

    /// Which commands wait, and until when in monotonic milliseconds.
    pub fn now(&self) -> Option<(PauseMode, u64)> {
        let state = self.state.lock();
        state.mode.map(|mode| (mode, state.end_ms))
    }

    /// Begins a pause; one that there is already only becomes longer and stricter.
    pub fn begin(&self, keyspace: &Keyspace, mode: PauseMode, end_ms: u64) {
        let mut state = self.state.lock();
        if state.mode.is_none() {
            state.end_ms = 0;
        }
        let mode = state.mode.map_or(mode, |old| old.max(mode));
        state.mode = Some(mode);
        state.end_ms = state.end_ms.max(end_ms);
        keyspace.set_expiry_paused(true);
        self.mode.store(mode as u8, Ordering::Release);
        self.changed.notify_one();
    }

    /// Ends the pause; the clients that wait go on.
    pub fn end(&self, keyspace: &Keyspace) {
        let mut state = self.state.lock();
        state.mode = None;
        keyspace.set_expiry_paused(false);
        self.mode.store(0, Ordering::Release);
        for client in std::mem::take(&mut state.waiting).into_values() {
            client.postponed.store(false, Ordering::Release);
            client.wake();
        }
        self.changed.notify_one();
    }

    /// Runs `f` while no other worker runs anything: commands wait, and what was under way has
    /// ended. `own` is the worker that calls, which stands still meanwhile. None when another
    /// worker does the same.
    pub fn alone<R>(
        &self,
        keyspace: &Keyspace,
        heartbeats: &Heartbeats,
        own: usize,
        f: impl FnOnce() -> R,
    ) -> Option<R> {
        let _alone = self.alone.try_lock()?;
        let before = self.now();
        self.begin(keyspace, PauseMode::All, u64::MAX);
        heartbeats.wait_for_others(own);
        let result = f();
        self.end(keyspace);
        if let Some((mode, end_ms)) = before {
            self.begin(keyspace, mode, end_ms);
        }
        Some(result)
    }

    /// Ends the pause if its time is up. Returns whether there still is one.
    pub fn lasts(&self, keyspace: &Keyspace, now: Now) -> bool {
        match self.now() {
            Some((_, end_ms)) if end_ms > now.mono_ms => true,
            Some(_) => {
                self.end(keyspace);
                false
            }
            None => false,
        }
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

    /// Forgets a client that waits and has gone.
    pub fn leave(&self, id: u64) {
        self.state.lock().waiting.remove(&id);
    }

    /// Ends every pause when its time is up.
    pub async fn watch(&self, keyspace: &Keyspace, clock: &Clock) {
        loop {
            match self.now() {
                None => self.changed.notified().await,
                Some((_, end_ms)) => {
                    let left = left(clock, end_ms);
                    if left.is_zero() {
                        self.lasts(keyspace, clock.now());
                    } else {
                        // The end may change meanwhile.
                        let _ = tokio::time::timeout(left, self.changed.notified()).await;
                    }
                }
            }
        }
    }
}

/// The time until `end_ms`.
fn left(clock: &Clock, end_ms: u64) -> Duration {
    Duration::from_millis(end_ms.saturating_sub(clock.now().mono_ms)).min(LONGEST)
}
