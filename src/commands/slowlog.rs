//! SLOWLOG: the commands that took longest of late.

use crate::commands::declare::{Container, SessionCommand, declare_help, help};
use crate::session::Context;
use redstart_engine::spec::*;
use redstart_engine::{Command, Error};
use redstart_protocol::{Args, parse_i64};

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&GET, &LEN, &RESET, &HELP];

const CONTAINER: Container = Container { name: "slowlog", group: Group::Server, since: "2.2.12" };

/// SLOWLOG subcommand
pub static SLOWLOG: Command = CONTAINER.declare(
    "Holds what is about slow commands.",
    &[&GET.spec, &LEN.spec, &RESET.spec, &HELP.spec],
);

const GUARDED: Flags = ADMIN | LOADING | STALE;

/// How many SLOWLOG GET returns without a count.
const COUNT_DEFAULT: i64 = 10;

/// SLOWLOG GET [count]
static GET: SessionCommand = declare("get", Group::Server, Arity::AtLeast(2))
    .flags(GUARDED)
    .since("2.2.12")
    .complexity("O(N) with N commands told.")
    .summary("Returns the newest slow commands.")
    .syntax("[count]")
    .run(get);

fn get(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let session = &mut *context.session;
    let count = match args.len() {
        2 => COUNT_DEFAULT,
        3 => match parse_i64(&args[2]) {
            Some(count @ -1..) => count,
            _ => return Err(Error::text(OUT_OF_RANGE)),
        },
        _ => return Err(Error::subcommand_syntax("slowlog", &args[1])),
    };
    let entries = session.server.slowlog.newest(usize::try_from(count).unwrap_or(usize::MAX));
    let out = &mut session.out;
    out.array(entries.len());
    for entry in entries {
        out.array(6);
        out.integer(entry.id as i64);
        out.integer(entry.unix_s as i64);
        out.integer(entry.us as i64);
        out.array(entry.args.len());
        entry.args.iter().for_each(|arg| out.bulk(arg));
        out.bulk(entry.addr.as_bytes());
        out.bulk(&entry.name);
    }
    Ok(())
}

const OUT_OF_RANGE: &str = "ERR count should be greater than or equal to -1";

/// SLOWLOG LEN
static LEN: SessionCommand = CONTAINER
    .sub("len", Arity::Exactly(2), GUARDED, "Returns how many slow commands are kept.", "")
    .run(|context, _| {
        let len = context.session.server.slowlog.len();
        context.session.out.integer(len as i64);
        Ok(())
    });

/// SLOWLOG RESET
static RESET: SessionCommand = declare("reset", Group::Server, Arity::Exactly(2))
    .flags(GUARDED)
    .since("2.2.12")
    .complexity("O(N) with N commands kept.")
    .summary("Forgets the slow commands.")
    .run(|context, _| {
        context.session.server.slowlog.clear();
        context.session.out.ok();
        Ok(())
    });

/// SLOWLOG HELP
static HELP: SessionCommand = declare_help(Group::Server, "6.2.0").run(|context, _| {
    help(&mut context.session.out, "SLOWLOG", LINES);
    Ok(())
});

const LINES: &[&str] = &[
    "GET [<count>]",
    "    Tell the newest <count> slow commands (ten; -1 for all): number, time, microseconds,",
    "    arguments, the client's address and name.",
    "LEN",
    "    Tell how many are kept.",
    "RESET",
    "    Forget all of them.",
];
