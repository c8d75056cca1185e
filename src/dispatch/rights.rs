//! Whether a client's user may run a request, and the note of it where it may not.
//!
//! Asked once for each request, again for each command of a transaction when EXEC runs it, and for
//! each call of a script. A client whose user may do everything is asked once for each version of
//! the users.

use crate::access::databases::Where;
use crate::access::log::{Entry, Place, Refused};
use crate::access::selector::Denied;
use crate::access::user::User;
use crate::clients::client::ClientInfo;
use crate::report::client_line;
use crate::server::Server;
use crate::session::transaction::NOT_IN_MULTI;
use crate::session::{Session, blocked};
use redstart_engine::keyspace::waiters::Waiter;
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::{LISTS_KEYS, NO_AUTH, NO_MULTI, REACHES};
use redstart_engine::{Error, WorkerState};
use redstart_protocol::Args;
use std::sync::atomic::Ordering::Relaxed;

/// Checks a request that a client has sent.
///
/// # Errors
/// Why it must not run.
#[cold]
pub fn check(
    session: &mut Session,
    local: &mut WorkerState,
    registered: &Registered,
    args: Args<'_>,
) -> Result<(), Error> {
    session.follow_user();
    let command = registered.command;
    if !session.authenticated && !command.is(NO_AUTH) {
        return Err(Error::NO_AUTH);
    }
    if session.queue.is_some() && command.is(NO_MULTI) {
        return Err(Error::text(NOT_IN_MULTI));
    }
    if session.user.is_unlimited() && session.authenticated {
        session.free_version = session.user_version;
    }
    let place = if session.queue.is_some() { Place::Transaction } else { Place::Request };
    check_user(session, local, registered, args, place).map_err(|denied| {
        let text = denied.text(&session.user, &registered.full_name());
        Error::bytes([b"NOPERM ", &text[..]].concat())
    })
}

/// Checks a command that EXEC is about to run: rights may have been taken away since it was queued.
///
/// # Errors
/// Why it must not run.
#[cold]
pub fn check_queued(
    session: &mut Session,
    local: &mut WorkerState,
    registered: &Registered,
    args: Args<'_>,
) -> Result<(), Error> {
    session.follow_user();
    check_user(session, local, registered, args, Place::Transaction).map_err(|denied| {
        let reason = denied.reason_in_exec();
        Error::text(format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the \
             EXEC call. This command is no longer allowed for the following reason: {reason}"
        ))
    })
}

/// Checks a request against the rules of the session's user, and notes what is refused.
///
/// # Errors
/// What of it is not allowed.
pub fn check_user(
    session: &Session,
    local: &mut WorkerState,
    registered: &Registered,
    args: Args<'_>,
    place: Place,
) -> Result<(), Denied> {
    check_user_in(session, session.db, local, registered, args, place)
}

/// As [`check_user`], in a database that a script has selected.
///
/// # Errors
/// As there.
pub fn check_user_in(
    session: &Session,
    db: usize,
    local: &mut WorkerState,
    registered: &Registered,
    args: Args<'_>,
    place: Place,
) -> Result<(), Denied> {
    let user = &session.user;
    local.reach = None;
    if user.is_unlimited() {
        return Ok(());
    }
    let at = at(session.server, db);
    let checked = user.check(registered, args, at);
    if let Err(denied) = checked {
        if place != Place::Script {
            session.info.last_command.store(registered.id, Relaxed);
        }
        let object = object(denied, registered, args);
        let what = What { refused: denied.refused(), place, object };
        note(session.server, &session.info, what, &user.name);
    } else if registered.command.is(REACHES | LISTS_KEYS) {
        local.reach = user.reach(registered, args, at);
    }
    checked
}

/// Where a request runs whose client has selected a database.
pub fn at(server: &Server, db: usize) -> Where {
    Where { db, count: server.engine.options.databases() }
}

/// Ends the wait of a client in a command that its user may no longer run.
pub fn end_wait(server: &Server, client: &ClientInfo, waiter: &Waiter, user: &User) {
    let Some((command, args)) = waiter.request() else { return };
    let Some(registered) = server.registry.get(command.name.as_bytes()) else { return };
    let at = at(server, client.db.load(Relaxed));
    let Err(denied) = user.check(registered, args.as_args(), at) else { return };
    let text = denied.text(user, command.name);
    let text = String::from_utf8_lossy(&text);
    if blocked::fail(waiter, &format!("NOPERM {text}")) {
        let object = object(denied, registered, args.as_args());
        let what = What { refused: denied.refused(), place: Place::Request, object };
        note(server, client, what, &user.name);
    }
}

/// Ends a wait that has just begun if meanwhile the user's rights were taken away: who did so saw
/// no client that waits.
#[inline]
pub fn check_wait(session: &mut Session) {
    if session.blocked.is_some() && session.user_version != session.access.version() {
        check_new_wait(session);
    }
}

#[cold]
fn check_new_wait(session: &mut Session) {
    session.follow_user();
    let waiter = session.info.waiter.lock().clone();
    if let Some(waiter) = waiter {
        end_wait(session.server, &session.info, &waiter, &session.user);
    }
}

/// What ACL LOG names of a request that was refused.
fn object(denied: Denied, registered: &Registered, args: Args<'_>) -> Vec<u8> {
    match denied.argument() {
        Some(at) => args.at(at).to_vec(),
        None => registered.full_name().into_bytes(),
    }
}

/// What was refused, and where.
pub struct What {
    /// What kind of thing.
    pub refused: Refused,
    /// Where.
    pub place: Place,
    /// The command, the key, the channel, or the command that gave the password.
    pub object: Vec<u8>,
}

/// Notes for ACL LOG that a client was refused something as this user.
#[cold]
pub fn note(server: &Server, info: &ClientInfo, what: What, user: &[u8]) {
    let now = server.clock.now();
    let now_ms = u64::try_from(now.wall_ms).unwrap_or(0);
    let mut client = Vec::new();
    client_line::line(&mut client, info, server, now.mono_ms);
    client.pop();
    let What { refused, place, object } = what;
    server.access.note(Entry {
        refused,
        place,
        object,
        user: user.to_vec(),
        client,
        count: 1,
        id: 0,
        first_ms: now_ms,
        last_ms: now_ms,
    });
}
