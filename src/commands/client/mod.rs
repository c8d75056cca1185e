//! CLIENT: what a connection says of itself, and what it may know of others and do to them.

mod kill;
mod list;
mod pause;
mod tracking;
mod unblock;

use crate::clients::client;
use crate::commands::declare::{Container, SessionCommand, declare_help, help, is};
use crate::session::{Context, Quiet};
use redstart_engine::spec::*;
use redstart_engine::{Command, Error};
use redstart_protocol::Args;
use std::sync::atomic::Ordering::Relaxed;

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[
    &ID,
    &GETNAME,
    &SETNAME,
    &SETINFO,
    &list::INFO,
    &list::LIST,
    &kill::KILL,
    &unblock::UNBLOCK,
    &pause::PAUSE,
    &pause::UNPAUSE,
    &tracking::TRACKING,
    &tracking::CACHING,
    &tracking::GETREDIR,
    &tracking::TRACKINGINFO,
    &NO_EVICT,
    &NO_TOUCH,
    &REPLY,
    &HELP,
];

const CONTAINER: Container = Container { name: "client", group: Group::Connection, since: "2.4.0" };

/// CLIENT subcommand
pub static CLIENT: Command = CONTAINER
    .declare(
        "Holds what is about client connections.",
        &[
            &ID.spec,
            &GETNAME.spec,
            &SETNAME.spec,
            &SETINFO.spec,
            &list::INFO.spec,
            &list::LIST.spec,
            &kill::KILL.spec,
            &unblock::UNBLOCK.spec,
            &pause::PAUSE.spec,
            &pause::UNPAUSE.spec,
            &tracking::TRACKING.spec,
            &tracking::CACHING.spec,
            &tracking::GETREDIR.spec,
            &tracking::TRACKINGINFO.spec,
            &NO_EVICT.spec,
            &NO_TOUCH.spec,
            &REPLY.spec,
            &HELP.spec,
        ],
    )
    .flags(KEEPS_CACHING);

/// What is only about the client itself.
const OWN: Flags = NOSCRIPT | LOADING | STALE;

/// CLIENT ID
static ID: SessionCommand = CONTAINER
    .since("5.0.0")
    .sub("id", Arity::Exactly(2), OWN, "Returns the connection's number.", "")
    .run(|context, _| {
        let id = context.session.info.id;
        context.session.out.integer(id as i64);
        Ok(())
    });

/// CLIENT GETNAME
static GETNAME: SessionCommand = CONTAINER
    .since("2.6.9")
    .sub("getname", Arity::Exactly(2), OWN, "Returns the connection's name.", "")
    .run(|context, _| {
        let session = &mut *context.session;
        let names = session.info.names.lock();
        match &names.name[..] {
            [] => session.out.null(),
            name => session.out.bulk(name),
        }
        Ok(())
    });

/// CLIENT SETNAME connection-name
static SETNAME: SessionCommand = CONTAINER
    .since("2.6.9")
    .sub("setname", Arity::Exactly(3), OWN, "Names the connection.", "connection-name")
    .run(|context, args| {
        context.session.set_name(&args[2])?;
        context.session.out.ok();
        Ok(())
    });

/// CLIENT SETINFO <LIB-NAME libname | LIB-VER libver>
static SETINFO: SessionCommand = CONTAINER
    .since("7.2.0")
    .sub(
        "setinfo",
        Arity::Exactly(4),
        OWN,
        "Returns which library the client uses, for CLIENT LIST.",
        "<LIB-NAME libname | LIB-VER libver>",
    )
    .run(setinfo);

fn setinfo(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let (what, value) = (&args[2], &args[3]);
    let mut names = context.session.info.names.lock();
    let place = if is(what, "lib-name") {
        &mut names.library
    } else if is(what, "lib-ver") {
        &mut names.version
    } else {
        return Err(Error::quoting("ERR Unrecognized option '", what, "'"));
    };
    if !client::is_plain(value) {
        let after = " cannot contain spaces, newlines or special characters.";
        return Err(Error::quoting("ERR ", what, after));
    }
    *place = value.to_vec();
    drop(names);
    context.session.out.ok();
    Ok(())
}

/// CLIENT NO-EVICT <ON | OFF>
static NO_EVICT: SessionCommand = CONTAINER
    .since("7.0.0")
    .sub(
        "no-evict",
        Arity::Exactly(3),
        OWN | ADMIN,
        "Keeps the connection when others are closed because they take memory.",
        "<ON | OFF>",
    )
    .run(|context, args| mark(context, args, client::NO_EVICT));

/// CLIENT NO-TOUCH <ON | OFF>
static NO_TOUCH: SessionCommand = CONTAINER
    .since("7.2.0")
    .sub(
        "no-touch",
        Arity::Exactly(3),
        OWN,
        "Marks the connection as one whose commands are no use of a key.",
        "<ON | OFF>",
    )
    .run(|context, args| mark(context, args, client::NO_TOUCH));

fn mark(context: &mut Context<'_>, args: Args<'_>, mark: u8) -> Result<(), Error> {
    let marks = &context.session.info.marks;
    if is(&args[2], "on") {
        marks.fetch_or(mark, Relaxed);
    } else if is(&args[2], "off") {
        marks.fetch_and(!mark, Relaxed);
    } else {
        return Err(Error::SYNTAX);
    }
    context.local.no_touch = marks.load(Relaxed) & client::NO_TOUCH != 0;
    context.session.out.ok();
    Ok(())
}

/// CLIENT REPLY <ON | OFF | SKIP>
static REPLY: SessionCommand = CONTAINER
    .since("3.2.0")
    .sub(
        "reply",
        Arity::Exactly(3),
        OWN | CONVERSES,
        "Turns the replies on, off, or off for the next command.",
        "<ON | OFF | SKIP>",
    )
    .run(|context, args| {
        let session = &mut *context.session;
        if is(&args[2], "on") {
            session.quiet = Quiet::No;
            session.out.ok();
        } else if is(&args[2], "off") {
            session.quiet = Quiet::Always;
        } else if is(&args[2], "skip") {
            if session.quiet != Quiet::Always {
                session.quiet = Quiet::Next;
            }
        } else {
            return Err(Error::SYNTAX);
        }
        Ok(())
    });

/// CLIENT HELP
static HELP: SessionCommand = declare_help(Group::Connection, "5.0.0").run(|context, _| {
    help(&mut context.session.out, "CLIENT", LINES);
    Ok(())
});

const LINES: &[&str] = &[
    "CACHING (YES|NO)",
    "    Track, or do not track, the keys of the next command.",
    "GETNAME",
    "    Tell the connection's name.",
    "GETREDIR",
    "    Tell to which connection this one's invalidations go.",
    "ID",
    "    Tell the connection's number.",
    "INFO",
    "    Tell this connection's line of CLIENT LIST.",
    "KILL <ip:port>",
    "    Close the connection from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Close the connections that all options fit:",
    "    * ADDR <ip:port>, LADDR <ip:port>: from, or to, this address.",
    "    * ID <client-id>: of this number.",
    "    * MAXAGE <seconds>: at least so old.",
    "    * SKIPME (YES|NO): leave this connection out, which is the default.",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB): of this type.",
    "    * USER <username>: of this user.",
    "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <client-id> [<client-id> ...]]",
    "    Tell a line about every connection, or about those named.",
    "NO-EVICT (ON|OFF)",
    "    Keep this connection when memory is short.",
    "NO-TOUCH (ON|OFF)",
    "    Mark this connection as one whose commands are no use of a key.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Let commands, or those that may write, wait for so many milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Answer commands, do not, or leave out one answer.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Tell which library the client uses.",
    "SETNAME <name>",
    "    Name this connection.",
    "TRACKING (ON|OFF) [REDIRECT <client-id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Be sent invalidations of the keys that this connection reads, or no longer.",
    "TRACKINGINFO",
    "    Tell how this connection's keys are tracked.",
    "UNBLOCK <client-id> [TIMEOUT|ERROR]",
    "    End the wait of that connection, by default as if its time were up.",
    "UNPAUSE",
    "    End a pause.",
];
