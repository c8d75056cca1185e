//! ACL: the one user that there is, `default`, as ACL's rules describe it.

use crate::commands::command::{CATEGORIES, categories};
use crate::commands::declare::{Container, SessionCommand, declare_help, help, is};
use crate::session::Context;
use crate::system::random;
use redstart_config::Setting;
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::*;
use redstart_engine::{Command, Error};
use redstart_protocol::{Args, parse_i64};
use redstart_scripting::hex;
use sha2::{Digest, Sha256};

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[
    &CAT, &DELUSER, &DRYRUN, &GENPASS, &GETUSER, &HELP, &LIST, &LOAD, &SAVE, &SETUSER, &USERS,
    &WHOAMI,
];

const CONTAINER: Container = Container { name: "acl", group: Group::Server, since: "6.0.0" };

/// ACL subcommand
pub static ACL: Command = CONTAINER.declare(
    "Holds what is about users.",
    &[
        &CAT.spec,
        &DELUSER.spec,
        &DRYRUN.spec,
        &GENPASS.spec,
        &GETUSER.spec,
        &HELP.spec,
        &LIST.spec,
        &LOAD.spec,
        &SAVE.spec,
        &SETUSER.spec,
        &USERS.spec,
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
        context.session.out.bulk(b"default");
        Ok(())
    });

/// ACL USERS
static USERS: SessionCommand = CONTAINER
    .sub("users", Arity::Exactly(2), GUARDED, "Returns the users' names.", "")
    .run(|context, _| {
        let out = &mut context.session.out;
        out.array(1);
        out.bulk(b"default");
        Ok(())
    });

/// The default user's password as ACL prints it, or nothing.
fn password(context: &Context<'_>) -> Option<String> {
    let config = context.session.server.config.read();
    let password = config.text(Setting::Requirepass);
    (!password.is_empty()).then(|| hex(&Sha256::digest(password)))
}

/// ACL LIST
static LIST: SessionCommand = CONTAINER
    .sub("list", Arity::Exactly(2), GUARDED, "Returns the users with their rules.", "")
    .run(|context, _| {
        let secret = match password(context) {
            None => "nopass sanitize-payload".to_owned(),
            Some(hash) => format!("sanitize-payload #{hash}"),
        };
        let out = &mut context.session.out;
        out.array(1);
        out.bulk(format!("user default on {secret} ~* &* +@all").as_bytes());
        Ok(())
    });

/// ACL GETUSER username
static GETUSER: SessionCommand = CONTAINER
    .sub("getuser", Arity::Exactly(3), GUARDED, "Returns a user's rules.", "username")
    .secrets(all_secrets)
    .run(|context, args| {
        let secret = password(context);
        let out = &mut context.session.out;
        if &args[2] != b"default" {
            out.null();
            return Ok(());
        }
        out.map(6);
        out.bulk(b"flags");
        out.set(2 + usize::from(secret.is_none()));
        out.bulk(b"on");
        if secret.is_none() {
            out.bulk(b"nopass");
        }
        out.bulk(b"sanitize-payload");
        out.bulk(b"passwords");
        out.array(secret.iter().len());
        secret.iter().for_each(|hash| out.bulk(hash.as_bytes()));
        for (name, rule) in [("commands", "+@all"), ("keys", "~*"), ("channels", "&*")] {
            out.bulk(name.as_bytes());
            out.bulk(rule.as_bytes());
        }
        out.bulk(b"selectors");
        out.array(0);
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
                let wanted = String::from_utf8_lossy(&args[2]);
                return Err(Error::text(format!("ERR Unknown category '{wanted}'")));
            }
            let within = |command: &&Registered| {
                categories(command).iter().any(|name| is(&args[2], &name[1..]))
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

/// ACL DRYRUN username command [argument ...]
static DRYRUN: SessionCommand = CONTAINER
    .sub(
        "dryrun",
        Arity::AtLeast(4),
        GUARDED,
        "Returns whether a user may run a command.",
        "username command [arg [arg ...]]",
    )
    .run(dry_run);

fn dry_run(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let words = |at: usize| String::from_utf8_lossy(args.at(at)).into_owned();
    if &args[2] != b"default" {
        return Err(Error::text(format!("ERR User '{}' not found", words(2))));
    }
    let session = &mut *context.session;
    let request: Vec<&[u8]> = args.iter().skip(3).collect();
    let request = redstart_protocol::OwnedArgs::from_slices(&request);
    match session.server.registry.resolve(request.as_args()) {
        Ok(Some(found)) => {
            if !found.command.arity.accepts(request.as_args().len()) {
                return Err(Error::wrong_arity(&found.full_name()));
            }
            session.out.ok();
            Ok(())
        }
        _ => Err(Error::text(format!("ERR Command '{}' not found", words(3)))),
    }
}

/// ACL SETUSER username [rule ...]
static SETUSER: SessionCommand = CONTAINER
    .sub(
        "setuser",
        Arity::AtLeast(3),
        GUARDED,
        "Refused: `default` is the one user, and requirepass its password.",
        "username [rule [rule ...]]",
    )
    .secrets(all_secrets)
    .run(|_, _| Err(Error::ONE_USER));

/// ACL DELUSER username [username ...]
static DELUSER: SessionCommand = CONTAINER
    .sub(
        "deluser",
        Arity::AtLeast(3),
        GUARDED,
        "Returns 0: there were no such users.",
        "username [username ...]",
    )
    .secrets(all_secrets)
    .run(|context, args| {
        if args.iter().skip(2).any(|name| name == b"default") {
            return Err(Error::text("ERR The 'default' user cannot be removed"));
        }
        context.session.out.integer(0);
        Ok(())
    });

/// ACL LOAD
static LOAD: SessionCommand = CONTAINER
    .sub("load", Arity::Exactly(2), GUARDED, "Refused: there is no ACL file.", "")
    .run(|_, _| Err(Error::NO_ACL_FILE));

/// ACL SAVE
static SAVE: SessionCommand = CONTAINER
    .sub("save", Arity::Exactly(2), GUARDED, "Refused: there is no ACL file.", "")
    .run(|_, _| Err(Error::NO_ACL_FILE));

/// ACL HELP
static HELP: SessionCommand = declare_help(Group::Server, "6.0.0").run(|context, _| {
    help(&mut context.session.out, "ACL", HELP_LINES);
    Ok(())
});

const HELP_LINES: &[&str] = &[
    "CAT [<category>]",
    "    Tell the categories of commands, or the commands of one.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Tell whether the user may run the command.",
    "GENPASS [<bits>]",
    "    Make up a password of 256 bits, or of so many.",
    "GETUSER <username>",
    "    Tell a user's rules.",
    "LIST",
    "    Tell the users with their rules: there is `default`.",
    "USERS",
    "    Tell the users' names.",
    "WHOAMI",
    "    Tell the connection's user.",
];
