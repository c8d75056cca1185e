//! MONITOR: every command that runs is sent to the clients that asked for it.
//!
//! A line is made only while there is such a client; otherwise a batch of requests pays one relaxed
//! load. The lock is held while a line is sent, so that all clients see the same order. Lines that
//! a slow client has not read wait in its outbox, which `client-output-buffer-limit` bounds.
//!
//! Not shown: what is for administrators, what was refused or only queued, passwords.

use crate::clients::client::ClientInfo;
use bytes::Bytes;
use parking_lot::Mutex;
use redstart_engine::Command;
use redstart_engine::spec::{
    ADMIN, MAY_REPLICATE, READONLY, REDACTED, SKIP_MONITOR, UNSEEN, WRITE,
};
use redstart_protocol::{Args, quote};
use std::fmt::Display;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The clients that sent MONITOR.
#[derive(Default)]
pub struct Monitors {
    on: AtomicBool,
    list: Mutex<Vec<Arc<ClientInfo>>>,
}

impl Monitors {
    /// Whether there is one.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }

    /// Sends a client all commands from now on.
    pub fn add(&self, client: &Arc<ClientInfo>) {
        let mut list = self.list.lock();
        list.push(client.clone());
        self.on.store(true, Relaxed);
    }

    /// Sends it no more.
    pub fn remove(&self, id: u64) {
        let mut list = self.list.lock();
        list.retain(|client| client.id != id);
        self.on.store(!list.is_empty(), Relaxed);
    }

    /// Shows a request of a client or, where `from` says so, of a script. Arguments that are
    /// passwords for the command are left out.
    #[cold]
    pub fn show(&self, db: usize, from: &dyn Display, command: Option<&Command>, args: Args<'_>) {
        let now_us = crate::system::clock::wall_us();
        let (s, us) = (now_us / 1_000_000, now_us % 1_000_000);
        let mut line = Vec::new();
        // Writing to memory does not fail.
        let _ = write!(line, "+{s}.{us:06} [{db} {from}]");
        let secrets = command.map_or_else(Vec::new, |command| command.secrets_in(args));
        for (at, arg) in args.iter().enumerate() {
            line.push(b' ');
            quote(if secrets.contains(&at) { REDACTED } else { arg }, &mut line);
        }
        line.extend_from_slice(b"\r\n");
        let line = Bytes::from(line);
        self.list.lock().iter().for_each(|client| client.deliver(&line));
    }
}

/// Whether a command is shown when it has run. EVAL and its kin show themselves before their
/// scripts begin; QUIT is never seen to run.
pub fn is_shown(command: &Command) -> bool {
    !command.is(SKIP_MONITOR | ADMIN | UNSEEN)
}

/// Whether a client that sent MONITOR may not run a command itself.
pub fn is_refused(command: &Command) -> bool {
    // Those that are not shown by themselves run scripts.
    command.is(WRITE | READONLY | MAY_REPLICATE | SKIP_MONITOR)
}
