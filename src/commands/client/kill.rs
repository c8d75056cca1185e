//! CLIENT KILL: closes the connections that the filters fit.

use super::OWN;
use crate::access::Access;
use crate::clients::address::Address;
use crate::clients::client::ClientInfo;
use crate::clients::kind::ClientKind;
use crate::commands::declare::{SessionCommand, is};
use crate::session::{Context, Session};
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, parse_i64};

/// CLIENT KILL, by address or by filters.
pub static KILL: SessionCommand = declare("kill", Group::Connection, Arity::AtLeast(3))
    .flags(OWN | ADMIN)
    .since("2.4.0")
    .complexity("O(N) with N connections.")
    .summary("Closes the connections that all filters fit, or the one from an address.")
    .syntax(
        "<ip:port | <[ID client-id] | \
                 [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | \
                 [ADDR ip:port] | [LADDR ip:port] | [SKIPME yes/no] | [MAXAGE maxage]> ...>",
    )
    .run(kill);

/// Which clients to close.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    kind: Option<ClientKind>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    age_s: u64,
    with_me: bool,
}

impl<'a> Filter<'a> {
    fn parse(args: Args<'a>, access: &Access) -> Result<Filter<'a>, Error> {
        let mut filter = Filter::default();
        let mut at = 2;
        while at < args.len() {
            let Some(value) = args.get(at + 1) else { return Err(Error::SYNTAX) };
            let name = &args[at];
            if is(name, "id") {
                filter.id = Some(positive(value, "client-id should be greater than 0")?);
            } else if is(name, "maxage") {
                let text = "maxage is not an integer or out of range";
                parse_i64(value).ok_or_else(|| Error::text(format!("ERR {text}")))?;
                filter.age_s = positive(value, "maxage should be greater than 0")?;
            } else if is(name, "type") {
                filter.kind = Some(ClientKind::parse(value)?);
            } else if is(name, "addr") {
                filter.addr = Some(value);
            } else if is(name, "laddr") {
                filter.laddr = Some(value);
            } else if is(name, "user") {
                if access.find(value).is_none() {
                    return Err(Error::quoting("ERR No such user '", value, "'"));
                }
                filter.user = Some(value);
            } else if is(name, "skipme") {
                filter.with_me = match value {
                    yes if is(yes, "yes") => false,
                    no if is(no, "no") => true,
                    _ => return Err(Error::SYNTAX),
                };
            } else {
                return Err(Error::SYNTAX);
            }
            at += 2;
        }
        Ok(filter)
    }

    fn fits(&self, client: &ClientInfo, session: &Session, now_ms: u64) -> bool {
        let is = |filter: Option<&[u8]>, addr: &Address| {
            filter.is_none_or(|text| text == addr.to_string().as_bytes())
        };
        self.id.is_none_or(|id| id == client.id)
            && self.kind.is_none_or(|kind| kind == client.kind())
            && is(self.addr, &client.addr)
            && is(self.laddr, &client.laddr)
            && self.user.is_none_or(|name| client.is_user(name))
            && now_ms.saturating_sub(client.connected_ms) / 1000 >= self.age_s
            && (self.with_me || client.id != session.info.id)
    }
}

fn positive(value: &[u8], text: &str) -> Result<u64, Error> {
    let number = parse_i64(value).and_then(|number| u64::try_from(number).ok());
    number.filter(|number| *number > 0).ok_or_else(|| Error::text(format!("ERR {text}")))
}

fn kill(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let filter = match args.len() {
        3 => Filter { addr: Some(args.at(2)), with_me: true, ..Filter::default() },
        _ => Filter::parse(args, context.session.access)?,
    };
    let session = &mut *context.session;
    let mut killed = 0;
    for client in session.server.clients.all() {
        if !filter.fits(&client, session, context.now.mono_ms) {
            continue;
        }
        if client.id == session.info.id {
            // The answer goes out first.
            session.closing = true;
            killed += 1;
        } else if client.kill_at_once() {
            killed += 1;
        }
    }
    match (args.len(), killed) {
        (3, 0) => return Err(Error::text("ERR No such client")),
        (3, _) => session.out.ok(),
        _ => session.out.integer(killed),
    }
    Ok(())
}
