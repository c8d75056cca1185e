//! HIMPORT: hashes with the same fields, which the client names once.

use crate::commands::declare::{Container, SessionCommand};
use crate::session::Context;
use redstart_engine::commands::hash::import::import;
use redstart_engine::run::fieldset::Fieldset;
use redstart_engine::spec::*;
use redstart_engine::{Command, Error, KeyAt, Prepared};
use redstart_protocol::Args;

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&PREPARE, &SET, &DISCARD, &DISCARDALL];

const CONTAINER: Container = Container { name: "himport", group: Group::Hash, since: "8.10.0" };

/// HIMPORT subcommand
pub static HIMPORT: Command = CONTAINER.declare(
    "Holds what makes hashes of fields that the client names once.",
    &[&PREPARE.spec, &SET.spec, &DISCARD.spec, &DISCARDALL.spec],
);

/// HIMPORT PREPARE fieldset-name field [field ...]
static PREPARE: SessionCommand = CONTAINER
    .sub(
        "prepare",
        Arity::AtLeast(4),
        DENYOOM,
        "Names the fields of hashes, for this connection.",
        "fieldset-name field [field ...]",
    )
    .complexity("O(N*log(N)) with N fields given.")
    .run(|context, args| {
        let fieldset = Fieldset::new(args.iter().skip(3))?;
        context.session.fieldsets.add(&args[2], fieldset);
        context.session.out.ok();
        note(context);
        Ok(())
    });

/// HIMPORT SET key fieldset-name value [value ...]
static SET: SessionCommand = CONTAINER
    .sub(
        "set",
        Arity::AtLeast(5),
        WRITE | DENYOOM | REPLACES,
        "Makes a hash of values, whose fields were named before, in place of any other.",
        "key fieldset-name value [value ...]",
    )
    .keys(&[KeySpec::at(2, OW | UPDATE)])
    .complexity("O(N) with N values given.")
    .run(set);

fn set(context: &mut Context<'_>, args: Args<'_>) -> Result<(), Error> {
    let Context { session, local, now, held } = context;
    let engine = session.server.engine;
    let hash = engine.keyspace.hasher().hash(&args[2]);
    let keys = &[KeyAt { arg: 2, hash }];
    let request = Prepared { command: &SET.spec, run: import, args, keys, db: session.db };
    local.fieldset = session.fieldsets.get(&args[3]);
    match held {
        Some(view) => engine.run_in(view, local, request, *now, &mut session.out),
        None => engine.run(local, request, *now, &mut session.out),
    }
    Ok(())
}

/// HIMPORT DISCARD fieldset-name
static DISCARD: SessionCommand = CONTAINER
    .sub("discard", Arity::Exactly(3), 0, "Forgets the fields of one name.", "fieldset-name")
    .complexity("O(log(N)) with N fieldsets of the connection.")
    .run(|context, args| {
        let removed = context.session.fieldsets.remove(&args[2]);
        context.session.out.integer(removed.into());
        note(context);
        Ok(())
    });

/// HIMPORT DISCARDALL
static DISCARDALL: SessionCommand = CONTAINER
    .sub("discardall", Arity::Exactly(2), 0, "Forgets all fields that were named.", "")
    .complexity("O(N) with N fieldsets of the connection.")
    .run(|context, _| {
        let removed = context.session.fieldsets.clear();
        context.session.out.integer(removed as i64);
        note(context);
        Ok(())
    });

/// Those of a script end with it, and are not the client's.
fn note(context: &mut Context<'_>) {
    if !context.local.in_script {
        context.session.note_fieldsets();
    }
}
