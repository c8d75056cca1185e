//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use crate::commands::declare::SessionCommand;
use crate::dispatch::exec::exec;
use crate::session::transaction::Queue;
use redstart_engine::Error;
use redstart_engine::spec::*;

/// The commands of this file.
pub static COMMANDS: &[&SessionCommand] = &[&MULTI, &EXEC, &DISCARD, &WATCH, &UNWATCH];

/// MULTI
static MULTI: SessionCommand = declare("multi", Group::Transactions, Arity::Exactly(1))
    .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY | IN_MULTI_AT_ONCE | CONVERSES)
    .since("1.2.0")
    .complexity("O(1)")
    .summary("Begins a transaction: what follows is queued until EXEC.")
    .run(|context, _| {
        if context.session.queue.is_some() {
            return Err(Error::text("ERR MULTI calls can not be nested"));
        }
        context.session.queue = Some(Box::new(Queue::default()));
        context.session.note_transaction();
        context.session.out.ok();
        Ok(())
    });

/// EXEC
static EXEC: SessionCommand = declare("exec", Group::Transactions, Arity::Exactly(1))
    .flags(NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG | RUNS_QUEUE | IN_MULTI_AT_ONCE | CONVERSES)
    .since("1.2.0")
    .complexity("Depends on commands in the transaction")
    .summary("Runs what was queued since MULTI, unless a watched key has changed.")
    .run(|context, _| exec(context));

/// DISCARD
static DISCARD: SessionCommand = declare("discard", Group::Transactions, Arity::Exactly(1))
    .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY | IN_MULTI_AT_ONCE | CONVERSES)
    .since("2.0.0")
    .complexity("O(N), when N is the number of queued commands")
    .summary("Leaves the transaction and forgets what was queued and watched.")
    .run(|context, _| {
        if context.session.queue.is_none() {
            return Err(Error::text("ERR DISCARD without MULTI"));
        }
        context.session.discard();
        context.session.out.ok();
        Ok(())
    });

/// WATCH key [key ...]
static WATCH: SessionCommand = declare("watch", Group::Transactions, Arity::AtLeast(2))
    .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY | IN_MULTI_AT_ONCE | CONVERSES)
    .keys(&[KeySpec::from(1, 1, RO)])
    .since("2.2.0")
    .complexity("O(1) for every key.")
    .summary("Lets the next EXEC fail if one of the keys has changed until then.")
    .syntax("key [key ...]")
    .run(|context, args| {
        if context.session.queue.is_some() {
            return Err(Error::text("ERR WATCH inside MULTI is not allowed"));
        }
        for key in args.iter().skip(1) {
            context.session.watch(key, context.local, context.now);
        }
        context.session.out.ok();
        Ok(())
    });

/// UNWATCH
static UNWATCH: SessionCommand = declare("unwatch", Group::Transactions, Arity::Exactly(1))
    .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY | CONVERSES)
    .since("2.2.0")
    .complexity("O(1)")
    .summary("Forgets all watched keys.")
    .run(|context, _| {
        context.session.unwatch();
        context.session.out.ok();
        Ok(())
    });
