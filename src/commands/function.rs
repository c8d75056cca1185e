//! FCALL, FCALL_RO, FUNCTION.

use super::scripting::{KEYS, KEYS_RO, RUNS, kill};
use crate::commands::declare::{Container, SessionCommand, declare_help, help, is};
use crate::dispatch::script_host;
use crate::session::Context;
use redstart_engine::glob;
use redstart_engine::spec::*;
use redstart_engine::{Command, Error};
use redstart_persistence::rdb::payload::{self, Refused};
use redstart_protocol::{Args, Reply};
use redstart_scripting::library::{About, Libraries, library_name};
use redstart_scripting::shebang::FLAG_NAMES;
use redstart_scripting::store::{Called, Kind};
use redstart_scripting::{Access, Existing};

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[
    &FCALL,
    &FCALL_RO,
    &FUNCTION_DELETE,
    &FUNCTION_DUMP,
    &FUNCTION_FLUSH,
    &FUNCTION_HELP,
    &FUNCTION_KILL,
    &FUNCTION_LIST,
    &FUNCTION_LOAD,
    &FUNCTION_RESTORE,
    &FUNCTION_STATS,
];

/// FCALL function numkeys [key [key ...]] [arg [arg ...]]
static FCALL: SessionCommand = declare("fcall", Group::Scripting, Arity::AtLeast(3))
    .flags(RUNS | RUNS_FUNCTION)
    .keys(KEYS)
    .since("7.0.0")
    .complexity("Depends on the function that is executed.")
    .summary("Calls a function.")
    .syntax("function numkeys [key [key ...]] [arg [arg ...]]")
    .run(|context, args| call(context, args, Access::ReadWrite));

/// FCALL_RO function numkeys [key [key ...]] [arg [arg ...]]
static FCALL_RO: SessionCommand = declare("fcall_ro", Group::Scripting, Arity::AtLeast(3))
    .flags(READONLY | RUNS | RUNS_FUNCTION)
    .keys(KEYS_RO)
    .since("7.0.0")
    .complexity("Depends on the function that is executed.")
    .summary("Calls a function that must not write.")
    .syntax("function numkeys [key [key ...]] [arg [arg ...]]")
    .run(|context, args| call(context, args, Access::ReadOnly));

/// Calls a function for the client. MONITOR shows the request before the commands of the function.
fn call(context: &mut Context<'_>, args: Args<'_>, access: Access) -> Result<(), Error> {
    context.session.show_script_to_monitors(args);
    script_host::with(context, |runtime, caller| runtime.call(caller, args, access))?
}

const CONTAINER: Container =
    Container { name: "function", group: Group::Scripting, since: "7.0.0" };

/// FUNCTION
pub static FUNCTION: Command = CONTAINER.declare(
    "Libraries of functions.",
    &[
        &FUNCTION_DELETE.spec,
        &FUNCTION_DUMP.spec,
        &FUNCTION_FLUSH.spec,
        &FUNCTION_HELP.spec,
        &FUNCTION_KILL.spec,
        &FUNCTION_LIST.spec,
        &FUNCTION_LOAD.spec,
        &FUNCTION_RESTORE.spec,
        &FUNCTION_STATS.spec,
    ],
);

/// FUNCTION DELETE library-name
static FUNCTION_DELETE: SessionCommand = CONTAINER
    .sub(
        "delete",
        Arity::Exactly(3),
        NOSCRIPT | WRITE,
        "Removes a library and its functions.",
        "library-name",
    )
    .run(|context, args| {
        change(context, args, |_, libraries| match libraries.remove(&args[2]) {
            Some(_) => Ok(()),
            None => Err(Error::text("ERR Library not found")),
        })?;
        context.session.out.ok();
        Ok(())
    });

/// FUNCTION DUMP
static FUNCTION_DUMP: SessionCommand = CONTAINER
    .sub(
        "dump",
        Arity::Exactly(2),
        NOSCRIPT,
        "Gives all libraries as bytes for FUNCTION RESTORE.",
        "",
    )
    .complexity("O(N) where N is the number of functions")
    .run(|context, _| {
        let libraries = context.session.server.scripts.functions.libraries.read();
        let dump = payload::dump_functions(libraries.values().map(|library| &library.code[..]));
        context.session.out.bulk(&dump);
        Ok(())
    });

/// FUNCTION FLUSH [ASYNC | SYNC]
static FUNCTION_FLUSH: SessionCommand = CONTAINER
    .sub("flush", Arity::AtLeast(2), NOSCRIPT | WRITE, "Removes all libraries.", "[ASYNC | SYNC]")
    .complexity("O(N) where N is the number of functions deleted")
    .run(|context, args| {
        let known = args.get(2).is_none_or(|mode| is(mode, "sync") || is(mode, "async"));
        if args.len() > 3 {
            return Err(Error::subcommand_syntax("function", &args[1]));
        }
        if !known {
            return Err(Error::text("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
        }
        change(context, args, |_, libraries| {
            libraries.clear();
            Ok(())
        })?;
        context.session.out.ok();
        Ok(())
    });

/// FUNCTION KILL
static FUNCTION_KILL: SessionCommand = CONTAINER
    .sub(
        "kill",
        Arity::Exactly(2),
        NOSCRIPT | ALLOW_BUSY,
        "Ends functions that run for too long, if they have not written anything.",
        "",
    )
    .run(|context, _| kill(context, Kind::Function));

/// FUNCTION LIST [LIBRARYNAME library-name-pattern] [WITHCODE]
static FUNCTION_LIST: SessionCommand = CONTAINER
    .sub(
        "list",
        Arity::AtLeast(2),
        NOSCRIPT,
        "Lists libraries and their functions.",
        "[LIBRARYNAME library-name-pattern] [WITHCODE]",
    )
    .complexity("O(N) where N is the number of functions")
    .run(list);

fn list(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let (mut pattern, mut with_code, mut at) = (None, false, 2);
    while at < args.len() {
        if is(&args[at], "withcode") && !with_code {
            with_code = true;
        } else if is(&args[at], "libraryname") && pattern.is_none() {
            at += 1;
            let text = "ERR library name argument was not given";
            pattern = Some(args.get(at).ok_or(Error::text(text))?);
        } else {
            // Redis trims the ends of other errors, and not of this one.
            let word =
                args[at].iter().map(|byte| if b"\r\n".contains(byte) { b' ' } else { *byte });
            let word: Vec<u8> = word.collect();
            return Err(Error::quoting("ERR Unknown argument ", &word, ""));
        }
        at += 1;
    }
    let libraries = context.session.server.scripts.functions.libraries.read();
    let wanted = |name: &[u8]| {
        pattern.is_none_or(|pattern| glob::matches(pattern, name, glob::Case::Sensitive))
    };
    let chosen: Vec<_> = libraries.iter().filter(|(name, _)| wanted(name)).collect();
    let out = &mut context.session.out;
    out.array(chosen.len());
    for (name, library) in chosen {
        out.map(3 + usize::from(with_code));
        out.bulk(b"library_name");
        out.bulk(name);
        out.bulk(b"engine");
        out.bulk(b"LUA");
        out.bulk(b"functions");
        out.array(library.functions.len());
        library.functions.iter().for_each(|about| write_about(about, out));
        if with_code {
            out.bulk(b"library_code");
            out.bulk(&library.code);
        }
    }
    Ok(())
}

fn write_about(about: &About, out: &mut Reply) {
    out.map(3);
    out.bulk(b"name");
    out.bulk(&about.name);
    out.bulk(b"description");
    match &about.description {
        Some(text) => out.bulk(text),
        None => out.null(),
    }
    out.bulk(b"flags");
    let flags: Vec<_> = FLAG_NAMES.iter().filter(|(flag, _)| about.flags & flag != 0).collect();
    out.set(flags.len());
    flags.iter().for_each(|(_, name)| out.simple(name));
}

/// FUNCTION LOAD [REPLACE] function-code
static FUNCTION_LOAD: SessionCommand = CONTAINER
    .sub(
        "load",
        Arity::AtLeast(3),
        NOSCRIPT | WRITE | DENYOOM,
        "Adds a library.",
        "[REPLACE] function-code",
    )
    .complexity("O(1) (considering compilation time is redundant)")
    .run(|context, args| {
        let options = args.len() - 1;
        let bad = (2..options).find(|&at| !is(&args[at], "replace"));
        if let Some(at) = bad {
            return Err(Error::quoting("ERR Unknown option given: ", &args[at], ""));
        }
        let existing = if options > 2 { Existing::Replace } else { Existing::Keep };
        let name = change(context, args, |context, libraries| {
            add(context, libraries, &args[options], existing)
        })?;
        context.session.out.bulk(&name);
        Ok(())
    });

/// Adds a library to `libraries`, and returns its name.
fn add(
    context: &mut Context<'_>,
    libraries: &mut Libraries,
    code: &[u8],
    existing: Existing,
) -> Result<Vec<u8>, Error> {
    script_host::with(context, |runtime, _| runtime.add_library(libraries, code, existing))?
}

/// Changes the libraries, all or nothing, and logs the request.
fn change<R>(
    context: &mut Context<'_>,
    args: Args<'_>,
    f: impl FnOnce(&mut Context<'_>, &mut Libraries) -> Result<R, Error>,
) -> Result<R, Error> {
    let server = context.session.server;
    let functions = &server.scripts.functions;
    let _changing = functions.changing.lock();
    let mut libraries = functions.libraries.read().clone();
    let result = f(context, &mut libraries)?;
    functions.set(libraries, || {
        server.durability.log_request(args);
        server.replication.feed_request(0, args);
    });
    context.local.stats.changes.add(1);
    Ok(result)
}

/// FUNCTION RESTORE serialized-value [FLUSH | APPEND | REPLACE]
static FUNCTION_RESTORE: SessionCommand = CONTAINER
    .sub(
        "restore",
        Arity::AtLeast(3),
        NOSCRIPT | WRITE | DENYOOM,
        "Takes back libraries from what FUNCTION DUMP gave.",
        "serialized-value [FLUSH | APPEND | REPLACE]",
    )
    .complexity("O(N) where N is the number of functions on the payload")
    .run(|context, args| {
        let policy = args.get(3).unwrap_or(b"append");
        let known = ["flush", "append", "replace"].iter().any(|word| is(policy, word));
        if args.len() > 4 {
            return Err(Error::subcommand_syntax("function", &args[1]));
        }
        if !known {
            return Err(Error::text(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
        let texts = payload::restore_functions(&args[2]).map_err(|refused| match refused {
            Refused::Footer => Error::PAYLOAD_FOOTER,
            Refused::Body => Error::text("ERR Failed loading library code"),
            Refused::NoFunction => Error::text("ERR given type is not a function"),
        })?;
        change(context, args, |context, libraries| {
            if is(policy, "flush") {
                libraries.clear();
            }
            texts.iter().try_for_each(|text| {
                let name = library_name(text)?;
                if !is(policy, "replace") && libraries.contains_key(&name) {
                    return Err(Error::quoting("ERR Library ", &name, " already exists"));
                }
                add(context, libraries, text, Existing::Replace).map(drop)
            })
        })?;
        context.session.out.ok();
        Ok(())
    });

/// FUNCTION STATS
static FUNCTION_STATS: SessionCommand = CONTAINER
    .sub(
        "stats",
        Arity::Exactly(2),
        NOSCRIPT | ALLOW_BUSY,
        "Returns which function runs now, and how many there are.",
        "",
    )
    .run(|context, _| {
        let server = context.session.server;
        let busy = &server.engine.keyspace.busy;
        if busy.is_set() && busy.error() == Error::BUSY_SCRIPT {
            return Err(Error::BUSY_SCRIPT);
        }
        let running = server.scripts.running_function(server.clock.now().mono_ms);
        let out = &mut context.session.out;
        out.map(2);
        out.bulk(b"running_script");
        match running {
            None => out.null(),
            Some((Called { name, request }, duration_ms)) => {
                out.map(3);
                out.bulk(b"name");
                out.bulk(&name);
                out.bulk(b"command");
                out.array(request.len());
                request.iter().for_each(|arg| out.bulk(arg));
                out.bulk(b"duration_ms");
                out.integer(duration_ms as i64);
            }
        }
        let libraries = server.scripts.functions.libraries.read();
        let functions: usize = libraries.values().map(|library| library.functions.len()).sum();
        out.bulk(b"engines");
        out.map(1);
        out.bulk(b"LUA");
        out.map(2);
        out.bulk(b"libraries_count");
        out.integer(libraries.len() as i64);
        out.bulk(b"functions_count");
        out.integer(functions as i64);
        Ok(())
    });

/// FUNCTION HELP
static FUNCTION_HELP: SessionCommand = declare_help(Group::Scripting, "7.0.0").run(|context, _| {
    help(
        &mut context.session.out,
        "FUNCTION",
        &[
            "LOAD [REPLACE] <FUNCTION CODE>",
            "    Add a library.",
            "DELETE <LIBRARY NAME>",
            "    Remove a library.",
            "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
            "    List libraries and their functions.",
            "STATS",
            "    Tell which function runs now, and how many there are.",
            "KILL",
            "    End a function that runs for too long.",
            "FLUSH [ASYNC|SYNC]",
            "    Remove all libraries.",
            "DUMP",
            "    Give all libraries as bytes.",
            "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
            "    Take back libraries that DUMP gave.",
        ],
    );
    Ok(())
});
