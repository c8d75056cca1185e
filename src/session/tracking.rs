//! CLIENT TRACKING in one client's conversation: what it reads is noted, what it changes is sent.

use crate::clients::client::{KeptFor, NODE_BYTES};
use crate::clients::tracking_mode::TrackingMode;
use crate::notify::invalidation::Author;
use crate::server::Server;
use crate::session::Session;
use redstart_engine::keyspace::LockedShards;
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::{KEEPS_CACHING, NOSCRIPT, PUBSUB, READONLY};
use redstart_engine::{Command, KeyAt, Now, Prepared, WorkerState};
use redstart_protocol::Args;
use std::sync::atomic::Ordering::Relaxed;

/// Follows each request of a client that tracks: sends it what the request changed, behind the
/// reply. CLIENT CACHING ends, unless the request was one of CLIENT, or a transaction goes on.
#[cold]
pub fn after_request(session: &mut Session, local: &mut WorkerState, ran: Option<&Registered>) {
    let server = session.server;
    let container = ran.and_then(|registered| registered.container);
    let keeps_caching = container.is_some_and(|container| container.is(KEEPS_CACHING));
    if !keeps_caching && session.queue.is_none() {
        session.caching = false;
    }
    server.tracking.limit(server.engine, &mut local.changes);
    if !local.changes.is_empty() {
        server.tracking.deliver(server.clients, &mut local.changes, Some(author(session)));
    }
}

/// Sends all that a batch of requests has changed; `session` is the client's, where the changes are
/// those of a client.
#[cold]
pub fn settle(server: &Server, local: &mut WorkerState, session: Option<&mut Session>) {
    let changes = &mut local.changes;
    let mut session = session;
    server.tracking.deliver(server.clients, changes, session.as_deref_mut().map(author));
    server.tracking.broadcast(server.clients, changes, session.map(author));
}

fn author(session: &mut Session) -> Author<'_> {
    let (id, protocol) = (session.info.id, session.out.protocol());
    Author { id, protocol, out: &mut session.out }
}

/// Runs a request of a client that tracks what it reads.
pub fn run(session: &mut Session, local: &mut WorkerState, request: Prepared<'_>, now: Now) {
    let server = session.server;
    let engine = server.engine;
    let mut view = match engine.lock(request.command, request.keys) {
        Ok(view) => view,
        Err(busy) => return busy.write(&mut session.out),
    };
    engine.begin(local);
    engine.run_in(&mut view, local, request, now, &mut session.out);
    note_request(session, &mut view, request.args, request.keys);
    engine.commit(local);
    engine.serve(view, local, now);
}

/// Notes the keys of a request, whose shards are locked.
pub fn note_request(session: &Session, view: &mut LockedShards, args: Args<'_>, keys: &[KeyAt]) {
    // Argument 0 stands for what is not named.
    let named = keys.iter().filter(|key| key.arg != 0);
    let keys = named.map(|key| (key.hash, args.at(key.arg as usize)));
    session.server.tracking.note(view, session.info.id, keys);
}

/// Notes the keys of a session command, which locks them itself: called before and after it, so
/// that no change between the two is missed.
#[inline]
pub fn note_session(session: &Session, command: &Command, args: Args<'_>, keys: &[KeyAt]) {
    if session.tracks && session.notes_reads_of(command) && !command.is(NOSCRIPT) {
        note_unlocked(session, args, keys);
    }
}

#[cold]
fn note_unlocked(session: &Session, args: Args<'_>, keys: &[KeyAt]) {
    let keyspace = &session.server.engine.keyspace;
    let Ok(mut view) = keyspace.lock_unless_busy(keys.iter().map(|key| key.hash)) else { return };
    note_request(session, &mut view, args, keys);
}

impl Session {
    /// Whether what a command reads is noted.
    pub fn notes_reads_of(&self, command: &Command) -> bool {
        command.is(READONLY) && !command.is(PUBSUB) && self.notes_reads()
    }

    /// Whether what the client reads now is noted.
    pub fn notes_reads(&self) -> bool {
        if !self.tracks {
            return false;
        }
        let mode = self.info.tracking.lock();
        let as_said = if self.caching { !mode.opt_out } else { !mode.opt_in };
        !mode.broadcast && as_said
    }

    /// Tracks from now on, in another way if the client does already. New prefixes come to those
    /// that it follows.
    pub fn track(&mut self, mode: TrackingMode) {
        let server = self.server;
        server.tracking.follow(server.engine, &mode.prefixes, &self.info);
        let mut current = self.info.tracking.lock();
        let mut prefixes = std::mem::take(&mut current.prefixes);
        prefixes.extend_from_slice(&mode.prefixes);
        prefixes.sort_unstable();
        let bytes = prefixes.iter().map(|prefix| prefix.len() + NODE_BYTES).sum();
        self.info.set_kept(KeptFor::Prefixes, bytes);
        *current = TrackingMode { prefixes, on: true, ..mode };
        drop(current);
        if !std::mem::replace(&mut self.tracks, true) {
            server.tracking.clients.fetch_add(1, Relaxed);
        }
    }

    /// Tracks no more.
    pub fn stop_tracking(&mut self) {
        if !std::mem::take(&mut self.tracks) {
            return;
        }
        self.caching = false;
        let server = self.server;
        let mode = std::mem::take(&mut *self.info.tracking.lock());
        server.tracking.clients.fetch_sub(1, Relaxed);
        server.tracking.unfollow(server.engine, &mode.prefixes, self.info.id);
        self.info.set_kept(KeptFor::Prefixes, 0);
    }
}
