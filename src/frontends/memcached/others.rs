//! Requests that are about no key, or about all.

use super::answer::line;
use super::execute::Asked;
use super::stats;
use crate::commands;
use crate::dispatch::after_unlock::take_out_garbage;
use crate::dispatch::worker::{self, Worker};
use crate::server::Server;
use crate::session::Session;
use parking_lot::Mutex;
use redstart_engine::run::command::Runner;
use redstart_engine::{Now, Prepared, WorkerState};
use redstart_protocol::memcached::{Verb, words};
use redstart_protocol::{OwnedArgs, Protocol, Reply};
use std::time::Duration;
use tokio::task::AbortHandle;

/// The version of memcached that clients are told: the one whose behaviour this is.
pub const VERSION: &str = "1.6.45";

/// What a client of the binary protocol is told, in that protocol: the head of a reply that says
/// that the command is not supported, and why.
const NO_BINARY: &[u8] = b"Redstart speaks memcached's text protocol, not the binary one";
const NOT_SUPPORTED: [u8; 2] = [0, 0x83];

/// Runs a request that goes by no command's name.
pub fn run(session: &mut Session, worker: &mut Worker, asked: Asked<'_>, now: Now) {
    let request = asked.request;
    let mark = session.out.mark();
    match request.verb {
        Verb::Auth => authenticate(session, asked),
        Verb::Version => line(session, &format!("VERSION {VERSION}")),
        Verb::Verbosity => line(session, "OK"),
        Verb::MetaNoop => line(session, "MN"),
        Verb::Refused(text) => line(session, text),
        Verb::Binary(opcode) => {
            refuse_binary(&mut session.out, opcode);
            session.closing = true;
        }
        Verb::Quit | Verb::Http => session.closing = true,
        _ => run_on_all(session, worker, asked, now),
    }
    if request.quiet && !request.verb.is_meta() && request.verb != Verb::Auth {
        session.out.rewind(mark);
    }
}

/// A reply to a request of the binary protocol.
fn refuse_binary(out: &mut Reply, opcode: u8) {
    let mut head = [0; 24];
    (head[0], head[1]) = (0x81, opcode);
    head[6..8].copy_from_slice(&NOT_SUPPORTED);
    head[8..12].copy_from_slice(&(NO_BINARY.len() as u32).to_be_bytes());
    out.raw(&head);
    out.raw(NO_BINARY);
}

/// A `set` whose value is a user and a password.
fn authenticate(session: &mut Session, asked: Asked<'_>) {
    let mut parts = asked.args.at(1).split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (Some(user), Some(password)) = (parts.next(), parts.next()) else {
        return line(session, "CLIENT_ERROR bad authentication token format");
    };
    let known = commands::authenticate(session, user, password, b"auth").is_ok();
    line(session, if known { "STORED" } else { "CLIENT_ERROR authentication failure" });
}

/// Runs a request about all keys.
pub fn run_on_all(session: &mut Session, worker: &mut Worker, asked: Asked<'_>, now: Now) {
    match asked.request.verb {
        Verb::FlushAll => {
            flush_all(session.server, worker, asked.request.exptime, now);
            line(session, "OK");
        }
        Verb::Stats => stats::write(session, asked.args, now),
        _ => line(session, words::ERROR),
    }
}

/// The `flush_all` that is to come: a later one takes its place.
static PENDING: Mutex<Option<AbortHandle>> = Mutex::new(None);

/// Empties the database, at once or so many seconds later.
fn flush_all(server: &'static Server, worker: &mut Worker, delay_s: i32, now: Now) {
    let mut pending = PENDING.lock();
    if let Some(earlier) = pending.take() {
        earlier.abort();
    }
    let Ok(delay_s @ 1..) = u64::try_from(delay_s) else {
        drop(pending);
        return flush(server, &mut worker.local, now);
    };
    let task = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(delay_s)).await;
        worker::with(|worker| {
            flush(server, &mut worker.local, server.clock.now());
            take_out_garbage(worker, server);
        });
    });
    *pending = Some(task.abort_handle());
}

fn flush(server: &'static Server, local: &mut WorkerState, now: Now) {
    let Some(registered) = server.registry.get(b"flushdb") else { return };
    let Runner::Data(run, _) = registered.runner else { return };
    let args = OwnedArgs::from_slices(&[b"FLUSHDB"]);
    let (command, args) = (registered.command, args.as_args());
    let mut reply = Reply::new(Protocol::Resp2);
    server.engine.run(local, Prepared { command, run, args, keys: &[], db: 0 }, now, &mut reply);
}
