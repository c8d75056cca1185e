//! ACL: the users, what each may do, and what was refused.

mod check;
mod show;
mod users;

use crate::commands::declare::{Container, SessionCommand, declare_help, help, is};
use crate::session::Context;
use crate::system::random;
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::*;
use redstart_engine::{Command, Error};
use redstart_protocol::{Args, parse_i64};
use redstart_scripting::hex;

/// The commands of this folder.
pub static COMMANDS: &[&SessionCommand] = &[
    &CAT,
    &users::DELUSER,
    &check::DRYRUN,
    &GENPASS,
    &show::GETUSER,
    &HELP,
    &show::LIST,
    &users::LOAD,
    &check::LOG,
    &users::SAVE,
    &users::SETUSER,
    &show::USERS,
    &WHOAMI,
];

const CONTAINER: Container = Container { name: "acl", group: Group::Server, since: "6.0.0" };

/// ACL subcommand
pub static ACL: Command = CONTAINER.declare(
    "Holds what is about users.",
    &[
        &CAT.spec,
        &users::DELUSER.spec,
        &check::DRYRUN.spec,
        &GENPASS.spec,
        &show::GETUSER.spec,
        &HELP.spec,
        &show::LIST.spec,
        &users::LOAD.spec,
        &check::LOG.spec,
        &users::SAVE.spec,
        &users::SETUSER.spec,
        &show::USERS.spec,
        &WHOAMI.spec,
    ],
);

const OPEN: Flags = NOSCRIPT | LOADING | STALE;
const GUARDED: Flags = OPEN | ADMIN;

/// Users and their rules are not shown.
fn all_secrets(args: Args<'_>) -> Vec<usize> {
    (2..args.len()).collect()
}

/// ACL WHOAMI
static WHOAMI: SessionCommand = CONTAINER
    .sub("whoami", Arity::Exactly(2), OPEN, "Returns the connection's user.", "")
    .run(|context, _| {
        let session = &mut *context.session;
        session.out.bulk(&session.user.name);
        Ok(())
    });

/// ACL CAT [category]
static CAT: SessionCommand = CONTAINER
    .sub(
        "cat",
        Arity::AtLeast(2),
        OPEN,
        "Returns the categories of commands, or the commands of one.",
        "[category]",
    )
    .run(cat);

fn cat(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let session = &mut *context.session;
    let names: Vec<String> = match args.len() {
        2 => CATEGORIES.iter().map(|name| name[1..].to_owned()).collect(),
        3 => {
            if !CATEGORIES.iter().any(|name| is(&args[2], &name[1..])) {
                return Err(Error::quoting("ERR Unknown category '", &args[2], "'"));
            }
            let within = |found: &&Registered| {
                let own = categories(found.command, found.container);
                own.iter().any(|name| is(&args[2], &name[1..]))
            };
            session.server.registry.iter().filter(within).map(Registered::full_name).collect()
        }
        _ => return Err(Error::subcommand_syntax("acl", &args[1])),
    };
    session.out.array(names.len());
    names.iter().for_each(|name| session.out.bulk(name.as_bytes()));
    Ok(())
}

/// ACL GENPASS [bits]
static GENPASS: SessionCommand = CONTAINER
    .sub("genpass", Arity::AtLeast(2), OPEN, "Makes up a password.", "[bits]")
    .run(|context, args| {
        let bits = match args.len() {
            2 => 256,
            3 => parse_i64(&args[2]).ok_or(Error::NOT_INTEGER)?,
            _ => return Err(Error::subcommand_syntax("acl", &args[1])),
        };
        if !(1..=4096).contains(&bits) {
            return Err(Error::text(PASSWORD_BITS));
        }
        // Four bits a digit, as many digits as hold them.
        let digits = (bits as usize).div_ceil(4);
        let mut bytes = vec![0; digits.div_ceil(2)];
        random::fill(&mut bytes).map_err(|error| Error::text(format!("ERR {error}")))?;
        context.session.out.bulk(&hex(&bytes).as_bytes()[..digits]);
        Ok(())
    });

const PASSWORD_BITS: &str = "ERR ACL GENPASS argument must be the number of bits for the output \
    password, a positive number up to 4096";

/// ACL HELP
static HELP: SessionCommand = declare_help(Group::Server, "6.0.0").run(|context, _| {
    help(&mut context.session.out, "ACL", HELP_LINES);
    Ok(())
});

const HELP_LINES: &[&str] = &[
    "CAT [<category>]",
    "    Tell the categories of commands, or the commands of one.",
    "DELUSER <username> [<username> ...]",
    "    Remove users, and close their connections.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Tell whether the user may run the command.",
    "GENPASS [<bits>]",
    "    Make up a password of 256 bits, or of so many.",
    "GETUSER <username>",
    "    Tell a user's rules.",
    "LIST",
    "    Tell the users with their rules, as an ACL file has them.",
    "LOAD",
    "    Take on the users of the ACL file.",
    "LOG [<count> | RESET]",
    "    Tell what was refused lately, or forget it.",
    "SAVE",
    "    Write the users to the ACL file.",
    "SETUSER <username> [<rule> ...]",
    "    Make a user, or change one by rules.",
    "USERS",
    "    Tell the users' names.",
    "WHOAMI",
    "    Tell the connection's user.",
];
