//! CLIENT LIST and CLIENT INFO: a line about a connection.

use super::{CONTAINER, OWN};
use crate::clients::kind::ClientKind;
use crate::commands::declare::{SessionCommand, is};
use crate::report::client_line::line;
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, parse_i64};

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
