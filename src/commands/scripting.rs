//! EVAL, EVALSHA, EVAL_RO, EVALSHA_RO, SCRIPT.

use crate::commands::declare::{Container, SessionCommand, declare_help, help, is};
use crate::dispatch::script_host;
use crate::session::Context;
use redstart_engine::spec::*;
use redstart_engine::{Command, Error};
use redstart_protocol::Args;
use redstart_scripting::store::Kind;
use redstart_scripting::{Access, ScriptRef, unhex};

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[
    &EVAL,
    &EVALSHA,
    &EVAL_RO,
    &EVALSHA_RO,
    &SCRIPT_DEBUG,
    &SCRIPT_EXISTS,
    &SCRIPT_FLUSH,
    &SCRIPT_KILL,
    &SCRIPT_LOAD,
    &SCRIPT_HELP,
];

/// The flags of every command that runs a script.
pub const RUNS: Flags = NOSCRIPT | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS;

const fn running(
    name: &'static str,
    flags: Flags,
    access: &'static [KeySpec],
    since: &'static str,
    summary: &'static str,
    syntax: &'static str,
) -> Command {
    declare(name, Group::Scripting, Arity::AtLeast(3))
        .flags(flags)
        .keys(access)
        .since(since)
        .complexity("Depends on the script that is executed.")
        .summary(summary)
        .syntax(syntax)
}

/// The keys of a request that runs a script which may write.
pub const KEYS: &[KeySpec] = &[KeySpec::counted(2, 1, RW | ACCESS | UPDATE)];
/// The keys of a request that runs one which must not.
pub const KEYS_RO: &[KeySpec] = &[KeySpec::counted(2, 1, RO | ACCESS)];

/// EVAL script numkeys [key [key ...]] [arg [arg ...]]
static EVAL: SessionCommand = running(
    "eval",
    RUNS | RUNS_TEXT,
    KEYS,
    "2.6.0",
    "Runs a script.",
    "script numkeys [key [key ...]] [arg [arg ...]]",
)
.run(|context, args| eval(context, ScriptRef::Text(args.at(1)), args, Access::ReadWrite));

/// EVALSHA sha1 numkeys [key [key ...]] [arg [arg ...]]
static EVALSHA: SessionCommand = running(
    "evalsha",
    RUNS | RUNS_DIGEST,
    KEYS,
    "2.6.0",
    "Runs a script that the server knows, named by the SHA1 of its text.",
    "sha1 numkeys [key [key ...]] [arg [arg ...]]",
)
.run(|context, args| eval(context, ScriptRef::Digest(args.at(1)), args, Access::ReadWrite));

/// EVAL_RO script numkeys [key [key ...]] [arg [arg ...]]
static EVAL_RO: SessionCommand = running(
    "eval_ro",
    READONLY | RUNS | RUNS_TEXT,
    KEYS_RO,
    "7.0.0",
    "Runs a script that must not write.",
    "script numkeys [key [key ...]] [arg [arg ...]]",
)
.run(|context, args| eval(context, ScriptRef::Text(args.at(1)), args, Access::ReadOnly));

/// EVALSHA_RO sha1 numkeys [key [key ...]] [arg [arg ...]]
static EVALSHA_RO: SessionCommand = running(
    "evalsha_ro",
    READONLY | RUNS | RUNS_DIGEST,
    KEYS_RO,
    "7.0.0",
    "Runs a script that the server knows and that must not write.",
    "sha1 numkeys [key [key ...]] [arg [arg ...]]",
)
.run(|context, args| eval(context, ScriptRef::Digest(args.at(1)), args, Access::ReadOnly));

/// Runs a script for the client. MONITOR shows the request before the commands of the script.
fn eval(
    context: &mut Context<'_>,
    script: ScriptRef<'_>,
    args: Args<'_>,
    access: Access,
) -> Result<(), Error> {
    context.session.show_script_to_monitors(args);
    script_host::with(context, |runtime, caller| runtime.eval(caller, script, args, access))?
}

const CONTAINER: Container = Container { name: "script", group: Group::Scripting, since: "2.6.0" };

/// SCRIPT
pub static SCRIPT: Command = CONTAINER.declare(
    "The scripts that the server knows.",
    &[
        &SCRIPT_DEBUG.spec,
        &SCRIPT_EXISTS.spec,
        &SCRIPT_FLUSH.spec,
        &SCRIPT_KILL.spec,
        &SCRIPT_LOAD.spec,
        &SCRIPT_HELP.spec,
    ],
);

/// SCRIPT DEBUG <YES | SYNC | NO>
static SCRIPT_DEBUG: SessionCommand = CONTAINER
    .since("3.2.0")
    .sub(
        "debug",
        Arity::Exactly(3),
        NOSCRIPT,
        "Does nothing: there is no debugger.",
        "<YES | SYNC | NO>",
    )
    .run(|context, args| {
        if !["yes", "sync", "no"].iter().any(|mode| is(&args[2], mode)) {
            return Err(Error::text("ERR Use SCRIPT DEBUG YES/SYNC/NO"));
        }
        context.session.out.ok();
        Ok(())
    });

/// SCRIPT EXISTS sha1 [sha1 ...]
static SCRIPT_EXISTS: SessionCommand = CONTAINER
    .sub(
        "exists",
        Arity::AtLeast(3),
        NOSCRIPT,
        "Returns which scripts the server knows.",
        "sha1 [sha1 ...]",
    )
    .complexity("O(N) with N being the number of scripts to check.")
    .run(|context, args| {
        let server = context.session.server;
        context.session.out.array(args.len() - 2);
        for name in args.from(2).iter() {
            let known = unhex(name).is_some_and(|digest| server.scripts.get(&digest).is_some());
            context.session.out.integer(known.into());
        }
        Ok(())
    });

/// SCRIPT FLUSH [ASYNC | SYNC]
static SCRIPT_FLUSH: SessionCommand = CONTAINER
    .sub("flush", Arity::AtLeast(2), NOSCRIPT, "Forgets all scripts.", "[ASYNC | SYNC]")
    .complexity("O(N) with N being the number of scripts in cache")
    .run(|context, args| {
        let known = args.get(2).is_none_or(|mode| is(mode, "sync") || is(mode, "async"));
        if args.len() > 3 || !known {
            return Err(Error::text("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
        }
        context.session.server.scripts.flush();
        context.session.out.ok();
        Ok(())
    });

/// SCRIPT KILL
static SCRIPT_KILL: SessionCommand = CONTAINER
    .sub(
        "kill",
        Arity::Exactly(2),
        NOSCRIPT | ALLOW_BUSY,
        "Ends scripts that run for too long, if they have not written anything.",
        "",
    )
    .run(|context, _| kill(context, Kind::Script));

/// SCRIPT KILL and FUNCTION KILL.
pub fn kill(context: &mut Context<'_>, kind: Kind) -> Result<(), Error> {
    let server = context.session.server;
    let after_ms = server.config.read().integer(redstart_config::Setting::BusyReplyThreshold);
    server.scripts.kill(kind, server.clock.now().mono_ms, after_ms as u64)?;
    context.session.out.ok();
    Ok(())
}

/// SCRIPT LOAD script
static SCRIPT_LOAD: SessionCommand = CONTAINER
    .sub(
        "load",
        Arity::Exactly(3),
        NOSCRIPT | STALE,
        "Makes a script known to the server.",
        "script",
    )
    .complexity("O(N) with N being the length in bytes of the script body.")
    .run(|context, args| {
        let digest = script_host::with(context, |runtime, _| runtime.load_script(args.at(2)))??;
        context.session.out.bulk(digest.as_bytes());
        Ok(())
    });

/// SCRIPT HELP
static SCRIPT_HELP: SessionCommand = declare_help(Group::Scripting, "5.0.0").run(|context, _| {
    help(
        &mut context.session.out,
        "SCRIPT",
        &[
            "DEBUG (YES|SYNC|NO)",
            "    Accepted, without effect.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Tell which of the scripts are known.",
            "FLUSH [ASYNC|SYNC]",
            "    Forget all scripts.",
            "KILL",
            "    End a script that runs for too long.",
            "LOAD <script>",
            "    Make a script known without running it.",
        ],
    );
    Ok(())
});
