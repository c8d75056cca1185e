//! COMMAND GETKEYS and GETKEYSANDFLAGS: which arguments of a request are keys. The iterator that
//! the locks are taken by answers.

use super::OPEN;
use super::info::{access_words, words};
use crate::commands::declare::SessionCommand;
use crate::session::Context;
use redstart_engine::Error;
use redstart_engine::spec::*;
use redstart_protocol::Args;

/// COMMAND GETKEYS command [argument ...]
pub static GETKEYS: SessionCommand = declare("getkeys", Group::Server, Arity::AtLeast(3))
    .flags(OPEN)
    .since("2.8.13")
    .complexity("O(N) with N arguments.")
    .summary("Returns which arguments of a command are keys.")
    .syntax("command [arg [arg ...]]")
    .run(|context, args| {
        let keys = keys(context, args.from(2))?;
        let out = &mut context.session.out;
        out.array(keys.len());
        keys.iter().for_each(|(key, _)| out.bulk(key));
        Ok(())
    });

/// COMMAND GETKEYSANDFLAGS command [argument ...]
pub static GETKEYSANDFLAGS: SessionCommand =
    declare("getkeysandflags", Group::Server, Arity::AtLeast(3))
        .flags(OPEN)
        .since("7.0.0")
        .complexity("O(N) with N arguments.")
        .summary("Returns which arguments of a command are keys, and what is done with each.")
        .syntax("command [arg [arg ...]]")
        .run(|context, args| {
            let keys = keys(context, args.from(2))?;
            let out = &mut context.session.out;
            out.array(keys.len());
            for (key, access) in keys {
                out.array(2);
                out.bulk(key);
                words(out, &access_words(access));
            }
            Ok(())
        });

fn keys<'a>(context: &Context<'_>, args: Args<'a>) -> Result<Vec<(&'a [u8], Access)>, Error> {
    let registry = &context.session.server.registry;
    let Ok(Some(found)) = registry.resolve(args) else { return Err(Error::INVALID_COMMAND) };
    let command = found.command;
    if command.keys.iter().all(|spec| spec.access & NOT_KEY != 0) {
        return Err(Error::NO_KEY_ARGUMENTS);
    }
    if !command.arity.accepts(args.len()) {
        return Err(Error::GETKEYS_ARITY);
    }
    let mut keys = Vec::new();
    let told = command.each_key(args, |at, access| keys.push((args.at(at), access & !INCOMPLETE)));
    match told {
        Err(_) if command.is(NO_MANDATORY_KEYS) => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(()) if keys.is_empty() && !command.is(NO_MANDATORY_KEYS) => Err(Error::GETKEYS_INVALID),
        Ok(()) => Ok(keys),
    }
}
