//! ACL SETUSER, DELUSER, LOAD and SAVE: users change, and what they may no longer do ends.

use super::{CONTAINER, GUARDED, all_secrets};
use crate::access::user::User;
use crate::access::{DEFAULT, Replaced, file};
use crate::commands::declare::SessionCommand;
use crate::dispatch::rights;
use crate::notify::pubsub::Kind;
use crate::session::Session;
use crate::session::rights::may_listen;
use crate::system::log;
use redstart_config::Setting;
use redstart_engine::Error;
use redstart_engine::spec::*;
use std::sync::Arc;

/// ACL SETUSER username [rule ...]
pub static SETUSER: SessionCommand = CONTAINER
    .sub(
        "setuser",
        Arity::AtLeast(3),
        GUARDED,
        "Makes a user, or changes one by rules.",
        "username [rule [rule ...]]",
    )
    .secrets(all_secrets)
    .run(|context, args| {
        let session = &mut *context.session;
        let rules: Vec<&[u8]> = args.iter().skip(3).collect();
        if let Some(replaced) = session.access.set_user(&args[2], &rules)? {
            enforce(session, &replaced);
        }
        session.out.ok();
        Ok(())
    });

/// ACL DELUSER username [username ...]
pub static DELUSER: SessionCommand = CONTAINER
    .sub(
        "deluser",
        Arity::AtLeast(3),
        GUARDED,
        "Removes users, and closes their connections.",
        "username [username ...]",
    )
    .secrets(all_secrets)
    .run(|context, args| {
        let session = &mut *context.session;
        if args.iter().skip(2).any(|name| name == DEFAULT) {
            return Err(Error::text("ERR The 'default' user cannot be removed"));
        }
        let mut removed = 0;
        for name in args.iter().skip(2) {
            if session.access.remove(name) {
                removed += 1;
                close_all(session, name);
            }
        }
        session.out.integer(removed);
        Ok(())
    });

/// The ACL file's path.
fn path(session: &Session) -> Result<String, Error> {
    let config = session.server.config.read();
    match config.text(Setting::Aclfile) {
        [] => Err(Error::NO_ACL_FILE),
        path => Ok(String::from_utf8_lossy(path).into_owned()),
    }
}

/// ACL LOAD
pub static LOAD: SessionCommand = CONTAINER
    .sub("load", Arity::Exactly(2), GUARDED, "Takes on the users of the ACL file.", "")
    .run(|context, _| {
        let session = &mut *context.session;
        let loaded = session.access.load(&path(session)?);
        let replaced = loaded.map_err(|text| Error::text(format!("ERR {text}")))?;
        replaced.iter().for_each(|replaced| enforce(session, replaced));
        session.out.ok();
        Ok(())
    });

/// ACL SAVE
pub static SAVE: SessionCommand = CONTAINER
    .sub("save", Arity::Exactly(2), GUARDED, "Writes the users to the ACL file.", "")
    .run(|context, _| {
        let session = &mut *context.session;
        let path = path(session)?;
        let lines: Vec<Vec<u8>> = session.access.all().iter().map(|user| user.line()).collect();
        file::write(&path, &lines).map_err(|error| {
            log::warning(format_args!("The users cannot be written to {path}: {error}"));
            Error::text(NOT_SAVED)
        })?;
        session.out.ok();
        Ok(())
    });

const NOT_SAVED: &str = "ERR There was an error trying to save the ACLs. Please check the server \
    logs for more information";

/// Ends what the clients of a user that was replaced may no longer do: they no longer listen, wait
/// for keys, or are there at all.
fn enforce(session: &mut Session, replaced: &Replaced) {
    let Some(new) = &replaced.new else { return close_all(session, &replaced.old.name) };
    if loses_channels(&replaced.old, new) {
        close_listeners(session, new);
    }
    for client in session.server.clients.all() {
        let waiter = client.waiter.lock().clone();
        if let Some(waiter) = waiter.filter(|_| client.is_user(&new.name)) {
            rights::end_wait(session.server, &client, &waiter, new);
        }
    }
}

/// Closes all connections of a user; this one when the reply is written.
fn close_all(session: &mut Session, name: &[u8]) {
    for client in session.server.clients.all() {
        if client.id != session.info.id && client.is_user(name) {
            client.kill_at_once();
        }
    }
    if *session.user.name == *name {
        session.forget_user();
        session.authenticated = false;
        session.closing = true;
    }
}

/// Whether there may be channels that the user could listen to before and no longer can.
fn loses_channels(old: &User, new: &User) -> bool {
    let keeps = |name: &[u8]| {
        new.all_selectors()
            .flat_map(|selector| selector.channels())
            .any(|pattern| pattern.text() == name)
    };
    let has_all = |user: &User| user.all_selectors().any(|selector| selector.has_all_channels());
    let mut patterns = old.all_selectors().flat_map(|selector| selector.channels());
    !has_all(new) && (has_all(old) || !patterns.all(|pattern| keeps(pattern.text())))
}

/// Closes the connections of a user that listen to what it may not.
fn close_listeners(session: &mut Session, user: &Arc<User>) {
    let mut closed = Vec::new();
    session.server.pubsub.each(|kind: Kind, name, client| {
        if !may_listen(user, kind, name) && client.is_user(&user.name) {
            closed.push(client.clone());
        }
    });
    for client in closed {
        if client.id == session.info.id {
            session.closing = true;
        } else {
            client.kill_at_once();
        }
    }
}
