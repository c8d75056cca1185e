//! PING, ECHO, SELECT, HELLO, AUTH, QUIT, RESET: what a client says about its connection.

use super::SessionCommand;
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, Protocol, parse_i64};
use std::sync::atomic::Ordering::Relaxed;

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&PING, &ECHO, &SELECT, &HELLO, &QUIT];

/// PING [message]
static PING: SessionCommand = SessionCommand {
    spec: Command {
        name: "ping",
        group: Group::Connection,
        arity: Arity::AtLeast(1),
        flags: FAST,
        keys: &[],
        doc: Doc {
            since: "1.0.0",
            complexity: "O(1)",
            summary: "Answers PONG, or the given message.",
            syntax: "[message]",
        },
        run: Run::Session,
    },
    run: ping,
};

fn ping(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    match args.len() {
        1 => context.session.out.simple("PONG"),
        2 => context.session.out.bulk(&args[1]),
        _ => return Err(Error::wrong_arity("ping")),
    }
    Ok(())
}

/// ECHO message
static ECHO: SessionCommand = SessionCommand {
    spec: Command {
        name: "echo",
        group: Group::Connection,
        arity: Arity::Exactly(2),
        flags: LOADING | STALE | FAST,
        keys: &[],
        doc: Doc {
            since: "1.0.0",
            complexity: "O(1)",
            summary: "Answers the given message.",
            syntax: "message",
        },
        run: Run::Session,
    },
    run: |context, args| {
        context.session.out.bulk(&args[1]);
        Ok(())
    },
};

/// SELECT index
static SELECT: SessionCommand = SessionCommand {
    spec: Command {
        name: "select",
        group: Group::Connection,
        arity: Arity::Exactly(2),
        flags: LOADING | STALE | FAST,
        keys: &[],
        doc: Doc {
            since: "1.0.0",
            complexity: "O(1)",
            summary: "Selects the database that the connection's commands work in.",
            syntax: "index",
        },
        run: Run::Session,
    },
    run: select,
};

fn select(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let index = parse_i64(&args[1]).ok_or(Error::INVALID_DB)?;
    let databases = context.session.server.engine.options.databases() as i64;
    if !(0..databases).contains(&index) {
        return Err(Error::DB_OUT_OF_RANGE);
    }
    context.session.select(index as usize);
    context.session.out.ok();
    Ok(())
}

/// HELLO [protover [AUTH username password] [SETNAME clientname]]
static HELLO: SessionCommand = SessionCommand {
    spec: Command {
        name: "hello",
        group: Group::Connection,
        arity: Arity::AtLeast(1),
        flags: NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
        keys: &[],
        doc: Doc {
            since: "6.0.0",
            complexity: "O(1)",
            summary: "Negotiates the protocol, and may authenticate and name the connection.",
            syntax: "[protover [AUTH username password] [SETNAME clientname]]",
        },
        run: Run::Session,
    },
    run: hello,
};

fn hello(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    if let Some(version) = args.get(1) {
        let protocol = match parse_i64(version) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err(Error::text("NOPROTO unsupported protocol version")),
            None => {
                let text = "ERR Protocol version is not an integer or out of range";
                return Err(Error::text(text));
            }
        };
        context.session.speak(protocol);
    }
    let session = &mut *context.session;
    let out = &mut session.out;
    out.map(7);
    out.bulk(b"server");
    out.bulk(b"redis");
    out.bulk(b"version");
    out.bulk(b"7.4.0");
    out.bulk(b"proto");
    out.integer(session.info.resp.load(Relaxed) as i64);
    out.bulk(b"id");
    out.integer(session.info.id as i64);
    out.bulk(b"mode");
    out.bulk(b"standalone");
    out.bulk(b"role");
    out.bulk(b"master");
    out.bulk(b"modules");
    out.array(0);
    Ok(())
}

/// QUIT
static QUIT: SessionCommand = SessionCommand {
    spec: Command {
        name: "quit",
        group: Group::Connection,
        arity: Arity::AtLeast(1),
        flags: NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
        keys: &[],
        doc: Doc {
            since: "1.0.0",
            complexity: "O(1)",
            summary: "Closes the connection.",
            syntax: "",
        },
        run: Run::Session,
    },
    run: |context, _| {
        context.session.out.ok();
        context.session.closing = true;
        Ok(())
    },
};
