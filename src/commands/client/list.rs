//! CLIENT LIST and CLIENT INFO: a line about a connection.

use super::{CONTAINER, OWN};
use crate::clients::client::{ClientInfo, KeptFor, shown};
use crate::clients::kind::ClientKind;
use crate::commands::declare::{SessionCommand, is};
use crate::server::Server;
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, parse_i64};
use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;

/// CLIENT INFO
pub static INFO: SessionCommand = CONTAINER
    .since("6.2.0")
    .sub("info", Arity::Exactly(2), OWN, "Returns what is known of the connection.", "")
    .run(|context, _| {
        let session = &mut *context.session;
        let mut text = Vec::new();
        line(&mut text, &session.info, session.server, context.now.mono_ms);
        session.out.verbatim("txt", &text);
        Ok(())
    });

/// CLIENT LIST [TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]
pub static LIST: SessionCommand = declare("list", Group::Connection, Arity::AtLeast(2))
    .flags(OWN | ADMIN)
    .since("2.4.0")
    .complexity("O(N) with N connections.")
    .summary("Returns what is known of every connection, or of some.")
    .syntax("[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]")
    .run(list);

fn list(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let session = &mut *context.session;
    let mut clients = session.server.clients.all();
    if args.len() == 4 && is(&args[2], "type") {
        let kind = ClientKind::parse(&args[3])?;
        clients.retain(|client| client.kind() == kind);
    } else if args.len() > 3 && is(&args[2], "id") {
        let mut named = Vec::new();
        for id in args.iter().skip(3) {
            let id = parse_i64(id).ok_or_else(|| Error::text("ERR Invalid client ID"))?;
            named.extend(clients.iter().find(|client| client.id as i64 == id).cloned());
        }
        clients = named;
    } else if args.len() != 2 {
        return Err(Error::SYNTAX);
    }
    let mut text = Vec::new();
    for client in &clients {
        line(&mut text, client, session.server, context.now.mono_ms);
    }
    session.out.verbatim("txt", &text);
    Ok(())
}

/// Appends a connection's line. Buffers that belong to a worker and not to the connection count
/// as none.
fn line(text: &mut Vec<u8>, client: &ClientInfo, server: &Server, now_ms: u64) {
    let seconds = |since_ms: u64| now_ms.saturating_sub(since_ms) / 1000;
    let command = match client.last_command.load(Relaxed) {
        u16::MAX => "NULL".to_string(),
        id => server.registry.at(id).full_name(),
    };
    let (input, output) = (client.input_bytes.load(Relaxed), client.unread());
    let names = client.names.lock();
    let mut put = |name: &str, value: &dyn std::fmt::Display| {
        let space = if name == "id" { "" } else { " " };
        // Writing to memory does not fail.
        let _ = write!(text, "{space}{name}={value}");
    };
    put("id", &client.id);
    put("addr", &client.addr);
    put("laddr", &client.laddr);
    put("fd", &client.fd);
    put("name", &String::from_utf8_lossy(shown(&names.name)));
    put("age", &seconds(client.connected_ms));
    put("idle", &seconds(client.active_ms.load(Relaxed)));
    put("flags", &client.flags());
    put("db", &client.db.load(Relaxed));
    for (name, count) in ["sub", "psub", "ssub"].iter().zip(&client.listening) {
        put(name, &count.load(Relaxed));
    }
    put("multi", &client.queued.load(Relaxed));
    put("watch", &client.watched.load(Relaxed));
    put("qbuf", &input);
    for name in ["qbuf-free", "argv-mem"] {
        put(name, &0);
    }
    put("multi-mem", &client.kept(KeptFor::Transaction));
    put("rbs", &output);
    put("rbp", &output);
    put("obl", &output);
    put("oll", &0);
    put("omem", &output);
    put("tot-mem", &client.memory());
    put("events", &"r");
    put("cmd", &command);
    put("user", &"default");
    put("redir", &client.redirect());
    put("resp", &client.resp.load(Relaxed));
    put("lib-name", &String::from_utf8_lossy(shown(&names.library)));
    put("lib-ver", &String::from_utf8_lossy(shown(&names.version)));
    text.push(b'\n');
}
