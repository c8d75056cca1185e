//! ACL DRYRUN and ACL LOG: what would be refused, and what was.

use super::{CONTAINER, GUARDED};
use crate::access::log::Entry;
use crate::commands::declare::{SessionCommand, is};
use crate::dispatch::rights;
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::{Args, Reply, parse_i64};

/// ACL DRYRUN username command [argument ...]
pub static DRYRUN: SessionCommand = CONTAINER
    .since("7.0.0")
    .sub(
        "dryrun",
        Arity::AtLeast(4),
        GUARDED,
        "Returns whether a user may run a command.",
        "username command [arg [arg ...]]",
    )
    .run(dry_run);

fn dry_run(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let session = &mut *context.session;
    let unknown = || Error::quoting("ERR User '", &args[2], "' not found");
    let user = session.access.find(&args[2]).ok_or_else(unknown)?;
    let request = args.from(3);
    let Ok(Some(found)) = session.server.registry.resolve(request) else {
        return Err(Error::quoting("ERR Command '", &args[3], "' not found"));
    };
    if !found.command.arity.accepts(request.len()) {
        return Err(Error::wrong_arity(&found.full_name()));
    }
    match user.check(found, request, rights::at(session.server, session.db)) {
        Ok(()) => session.out.ok(),
        Err(denied) => {
            let object = denied.argument().map_or(&b""[..], |at| request.at(at));
            session.out.bulk(&denied.full_text(&user, &found.full_name(), object));
        }
    }
    Ok(())
}

/// The number of entries that ACL LOG shows without one.
const ENTRIES: usize = 10;

/// ACL LOG [count | RESET]
pub static LOG: SessionCommand = CONTAINER
    .sub(
        "log",
        Arity::AtLeast(2),
        GUARDED,
        "Returns what was refused lately, or forgets it.",
        "[count | RESET]",
    )
    .run(log);

fn log(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let session = &mut *context.session;
    let count = match args.len() {
        2 => ENTRIES,
        3 if is(&args[2], "reset") => {
            session.access.log().clear();
            session.out.ok();
            return Ok(());
        }
        3 => usize::try_from(parse_i64(&args[2]).ok_or(Error::NOT_INTEGER)?).unwrap_or(0),
        _ => return Err(Error::subcommand_syntax("acl", &args[1])),
    };
    let entries = session.access.log().latest(count);
    let now_ms = u64::try_from(context.now.present().wall_ms).unwrap_or(0);
    session.out.array(entries.len());
    entries.iter().for_each(|entry| show(&mut session.out, entry, now_ms));
    Ok(())
}

fn show(out: &mut Reply, entry: &Entry, now_ms: u64) {
    let texts: [(&str, &[u8]); 4] = [
        ("reason", entry.refused.name().as_bytes()),
        ("context", entry.place.name().as_bytes()),
        ("object", &entry.object),
        ("username", &entry.user),
    ];
    out.map(10);
    out.bulk(b"count");
    out.integer(entry.count as i64);
    for (name, text) in texts {
        out.bulk(name.as_bytes());
        out.bulk(text);
    }
    out.bulk(b"age-seconds");
    out.double(now_ms.saturating_sub(entry.last_ms) as f64 / 1000.0);
    out.bulk(b"client-info");
    out.bulk(&entry.client);
    let numbers = [
        ("entry-id", entry.id),
        ("timestamp-created", entry.first_ms),
        ("timestamp-last-updated", entry.last_ms),
    ];
    for (name, number) in numbers {
        out.bulk(name.as_bytes());
        out.integer(number as i64);
    }
}
