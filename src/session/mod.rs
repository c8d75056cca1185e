//! What the server keeps of one connection: the client's settings, the input that is not whole
//! yet, and the output that is not written yet.

pub mod blocked;
pub mod fieldsets;
pub mod handlers;
pub mod monitor;
pub mod rights;
pub mod role;
pub mod subscriptions;
pub mod tracking;
pub mod transaction;

use crate::access::Access;
use crate::access::user::User;
use crate::clients::client::{ClientInfo, KeptFor, is_plain};
use crate::clients::held::UNCOUNTED;
use crate::clients::output_limits::Verdict;
use crate::replication::link::stream::Master;
use crate::replication::replicas::Ask;
use crate::replication::replicas::said::Said;
use crate::server::Server;
use crate::session::blocked::Blocked;
use crate::session::fieldsets::Fieldsets;
use crate::session::handlers::Handlers;
use crate::session::role::RoleChange;
use crate::session::transaction::Queue;
use bytes::{Bytes, BytesMut};
use redstart_engine::keyspace::LockedShards;
use redstart_engine::keyspace::watching::ClientWatches;
use redstart_engine::run::apart::Apart;
use redstart_engine::stats::Stats;
use redstart_engine::{Error, Now, WorkerState};
use redstart_protocol::memcached::Decoder;
use redstart_protocol::{Limits, Mark, Parser, Protocol, Reply};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::task::{self, Poll};
use std::time::Duration;

/// Output that a client may leave unread before it has authenticated, in bytes.
pub const UNAUTHENTICATED_UNREAD: usize = 1024;
/// The least that is read at a time into a connection's own input, in bytes.
const READ_MIN: usize = 64 * 1024;

const UNPLAIN_NAME: &str =
    "ERR Client names cannot contain spaces, newlines or special characters.";

/// One connection's state.
pub struct Session {
    /// The server's parts.
    pub server: &'static Server,
    /// The session commands' handlers.
    pub handlers: &'static Handlers,
    /// What other threads may know of the client.
    pub info: Arc<ClientInfo>,
    /// The selected database.
    pub db: usize,
    /// Whether the client may use the server.
    pub authenticated: bool,
    /// The users.
    pub access: &'static Access,
    /// Who the client is, as of `user_version`.
    pub user: Arc<User>,
    /// The version of the users at which `user` was looked up.
    pub user_version: u64,
    /// The version of the users at which the client may do everything; zero if there is something
    /// to check.
    pub free_version: u64,
    /// Replies that wait to be written.
    pub out: Reply,
    /// The beginning of a request that is not whole yet.
    pub input: BytesMut,
    /// Whether `input` holds whole requests that wait: until the output is written, until others
    /// have had their turn, or until there is room.
    pub input_waits: bool,
    /// Whether the batch that was to run waits for room and is still in the input.
    pub crowded: bool,
    /// Whether a request of the input waits for room in memory.
    pub lacks_room: bool,
    /// Where the parser stands in `input`.
    pub parser: Parser,
    /// What decodes the requests of a client of the memcached port.
    pub memcached: Option<Box<Decoder>>,
    /// What else there is of a session whose requests are those of this server's master: they pass
    /// all gates, and nothing is replied to them.
    pub master: Option<Box<Master>>,
    /// How many more bytes the request in `input` wants at least.
    pub wanted: usize,
    /// Whether the connection ends once the output is written.
    pub closing: bool,
    /// How long the replies in `out` wait before they are written: one refuses a login, and there
    /// were many such.
    pub wait: Duration,
    /// Which replies CLIENT REPLY silences.
    pub quiet: Quiet,
    /// The last record of the log that the replies in `out` depend on; zero for none.
    pub log_mark: u64,
    /// The transaction that the client is in.
    pub queue: Option<Box<Queue>>,
    /// What the client watches.
    pub watches: ClientWatches,
    /// The bytes that they take.
    pub watches_bytes: usize,
    /// The command that the client waits in.
    pub blocked: Option<Blocked>,
    /// What is made for the first request in `input`, before it runs again.
    pub apart: Option<Box<Apart>>,
    /// Whether the requests in `input` wait for the end of a pause.
    pub postponed: bool,
    /// The channels, patterns and shard channels that the client listens to.
    pub listening: [BTreeSet<Bytes>; 3],
    /// The bytes that these names take.
    pub names_bytes: usize,
    /// The fields of hashes that the client has named (HIMPORT).
    pub fieldsets: Fieldsets,
    /// Whether the client is sent all commands (MONITOR).
    pub monitors: bool,
    /// Whether the client caches keys (CLIENT TRACKING).
    pub tracks: bool,
    /// What the server is to become once the transaction that runs has ended.
    pub role_change: Option<RoleChange>,
    /// Whether CLIENT CACHING was said for the next command.
    pub caching: bool,
    /// What the client says of itself as a replica.
    pub said: Option<Box<Said>>,
    /// What it asks for as a replica: its connection leaves the worker.
    pub leaves: Option<Ask>,
}

/// Which replies are silenced (CLIENT REPLY).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiet {
    /// None.
    No,
    /// That of the next command.
    Next,
    /// That of this command.
    This,
    /// All.
    Always,
}

/// What a session command works with.
pub struct Context<'a> {
    /// The connection.
    pub session: &'a mut Session,
    /// The worker's part of the engine.
    pub local: &'a mut WorkerState,
    /// The moment at which the batch began.
    pub now: Now,
    /// All shards, where a transaction that holds them runs the command.
    pub held: Option<&'a mut LockedShards>,
}

/// A client's name, if it may be one.
///
/// # Errors
/// When the name would break a line of CLIENT LIST.
pub fn checked_name(name: &[u8]) -> Result<&[u8], Error> {
    if is_plain(name) { Ok(name) } else { Err(Error::text(UNPLAIN_NAME)) }
}

impl Session {
    /// A new connection's state.
    pub fn new(
        server: &'static Server,
        handlers: &'static Handlers,
        info: Arc<ClientInfo>,
    ) -> Session {
        let access = server.access;
        let user_version = access.version();
        let user = access.default_user();
        let mut out = Reply::new(Protocol::Resp2);
        out.allow_rest(true);
        Session {
            server,
            handlers,
            info,
            db: 0,
            authenticated: user.is_open(),
            access,
            user,
            user_version,
            free_version: 0,
            out,
            input: BytesMut::new(),
            input_waits: false,
            crowded: false,
            lacks_room: false,
            parser: Parser::default(),
            memcached: None,
            master: None,
            wanted: 0,
            closing: false,
            wait: Duration::ZERO,
            quiet: Quiet::No,
            log_mark: 0,
            queue: None,
            watches: ClientWatches::default(),
            watches_bytes: 0,
            blocked: None,
            apart: None,
            postponed: false,
            listening: Default::default(),
            names_bytes: 0,
            fieldsets: Fieldsets::default(),
            monitors: false,
            tracks: false,
            role_change: None,
            caching: false,
            said: None,
            leaves: None,
        }
    }

    /// What the client may send now.
    #[inline]
    pub fn limits(&self) -> Limits {
        if !self.authenticated {
            return Limits::UNAUTHENTICATED;
        }
        let bulk_bytes_max = self.server.clients.input_limits.bulk_bytes_max();
        Limits { bulk_bytes_max, ..Limits::DEFAULT }
    }

    /// Makes room for the next read: as much as the request wants, but never more than doubles
    /// what has arrived, since what a client announces is not what it sends.
    pub fn reserve_input(&mut self) {
        let room = self.wanted.clamp(READ_MIN, self.input.len().max(READ_MIN));
        self.input.reserve(room);
    }

    /// Notes output that is more than a little. A client that leaves too much unread is closed; too
    /// much is very little before it has authenticated.
    #[cold]
    pub fn note_output(&mut self) -> Verdict {
        let bytes = self.out.len();
        let verdict = self.info.set_output(bytes, self.out.own_len());
        self.server.clients.shed_output();
        if !self.authenticated && bytes > UNCOUNTED + UNAUTHENTICATED_UNREAD {
            self.info.close_for_output(bytes);
        }
        if self.info.is_ended() { Verdict::Closes } else { verdict }
    }

    /// Requests run now; returns [`Session::moment`].
    #[inline]
    pub fn begin_batch(&self, present: Now) -> Now {
        self.info.active_ms.store(present.mono_ms, Relaxed);
        self.moment(present)
    }

    /// The moment at which its requests run: for those of a master, one at which nothing has
    /// expired.
    #[inline]
    pub fn moment(&self, present: Now) -> Now {
        if self.master.is_some() { present.replaying() } else { present }
    }

    /// Selects a database.
    pub fn select(&mut self, db: usize) {
        self.db = db;
        self.info.db.store(db, Relaxed);
    }

    /// Switches the protocol.
    pub fn speak(&mut self, protocol: Protocol) {
        self.out.set_protocol(protocol);
        self.info.resp.store(if protocol == Protocol::Resp3 { 3 } else { 2 }, Relaxed);
    }

    /// Names the connection; an empty name is none.
    ///
    /// # Errors
    /// When the name would break a line of CLIENT LIST.
    pub fn set_name(&mut self, name: &[u8]) -> Result<(), Error> {
        self.info.names.lock().name = checked_name(name)?.to_vec();
        Ok(())
    }

    /// Takes back the reply of the command that has just ended, which begins at `mark`, if CLIENT
    /// REPLY silences it. Without a mark there is nothing to take back.
    #[cold]
    pub fn keep_quiet(&mut self, mark: Option<Mark>) {
        self.quiet = match self.quiet {
            Quiet::No => return,
            Quiet::Next => Quiet::This,
            Quiet::This => Quiet::No,
            Quiet::Always => Quiet::Always,
        };
        if let Some(mark) = mark {
            self.out.rewind(mark);
        }
    }

    /// Back to the state of a new connection (RESET).
    pub fn reset(&mut self) {
        self.discard();
        self.stop_all_listening();
        self.stop_monitoring();
        self.stop_tracking();
        self.fieldsets.clear();
        self.note_fieldsets();
        self.select(0);
        self.speak(Protocol::Resp2);
        self.forget_user();
        self.quiet = Quiet::No;
        self.info.marks.store(0, Relaxed);
        self.info.names.lock().name.clear();
    }

    /// Keeps input that has not run. The buffer is given back once nothing is left.
    #[inline]
    pub fn keep_input(&mut self, rest: &[u8]) {
        self.input.extend_from_slice(rest);
        if self.input.is_empty() {
            self.input_waits = false;
            self.wanted = 0;
            self.input = BytesMut::new();
        }
        self.info.set_input(self.input.len());
    }

    /// Whether no further request runs for now.
    #[inline]
    pub fn is_waiting(&self) -> bool {
        self.blocked.is_some() || self.postponed
    }

    /// Waits for the end of what the client waits for; `stats` are the worker's counters.
    pub fn poll_wait(&mut self, cx: &mut task::Context<'_>, stats: &Stats) -> Poll<()> {
        if self.postponed {
            if self.info.postponed.load(Acquire) {
                return Poll::Pending;
            }
            self.postponed = false;
        }
        self.poll_blocked(cx, stats)
    }

    /// Works for about a millisecond on what is made for the next request. Returns whether there is
    /// more to do.
    pub fn work_apart(&mut self) -> bool {
        self.apart.as_mut().is_some_and(|apart| apart.go_on())
    }

    /// What was made for a request is not wanted.
    #[cold]
    pub fn give_up(&self, apart: Apart) {
        let Server { engine, leftover_watches, reclaimer, .. } = self.server;
        reclaimer.drop_later(vec![apart.give_up(&engine.keyspace, leftover_watches)]);
    }

    /// Whether the client listens to anything.
    #[inline]
    pub fn listens(&self) -> bool {
        self.listening.iter().any(|names| !names.is_empty())
    }

    /// Notes for other threads how much the client listens to.
    pub fn note_listening(&self) {
        for (count, names) in self.info.listening.iter().zip(&self.listening) {
            count.store(names.len(), Relaxed);
        }
        self.info.set_kept(KeptFor::Names, self.names_bytes);
    }
}

impl Session {
    /// Takes the client off all lists in which other threads look for it.
    pub fn leave(&mut self) {
        if std::mem::take(&mut self.postponed) {
            self.server.pause.leave(self.info.id);
        }
        if let Some(apart) = self.apart.take() {
            self.give_up(*apart);
        }
        self.discard();
        // Nothing is granted to a client that does not wait.
        self.blocked = None;
        if let Some(holder) = self.info.leases.get() {
            self.server.engine.keyspace.end_leases(holder);
        }
        self.stop_monitoring();
        self.stop_tracking();
        if self.listens() {
            self.stop_all_listening();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.leave();
        self.info.release();
    }
}
