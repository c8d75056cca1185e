//! Runs one prepared request: locks what its keys need, calls the handler, hands on the effects,
//! unlocks, and only then frees.

use crate::clock::Now;
use crate::keyspace::LockedShards;
use crate::run::call::Call;
use crate::run::command::DataRun;
use crate::run::engine::Engine;
use crate::run::key_access::KeyAccess;
use crate::run::worker_state::WorkerState;
use crate::spec::{Command, KeyAt, TAKES_KEEPTTL, WALKS, WHOLE_KEYSPACE, WRITE};
use redstart_protocol::{Args, Reply};

/// A request whose command is known, whose arity is right and whose keys are hashed.
#[derive(Clone, Copy)]
pub struct Prepared<'a> {
    /// The command.
    pub command: &'static Command,
    /// Its handler.
    pub run: DataRun,
    /// The arguments.
    pub args: Args<'a>,
    /// The keys, in the order of the command's specs.
    pub keys: &'a [KeyAt],
    /// The selected database.
    pub db: usize,
}

impl Engine {
    /// Runs a request as a unit of its own.
    #[inline(always)]
    pub fn run(
        &'static self,
        local: &mut WorkerState,
        request: Prepared<'_>,
        now: Now,
        reply: &mut Reply,
    ) {
        if let [key] = request.keys
            && !request.command.is(WHOLE_KEYSPACE | WALKS)
            && let Some(mut view) = self.keyspace.try_lock_one(key.hash)
        {
            self.begin(local);
            self.run_in(&mut view, local, request, now, reply);
            self.commit(local);
            return self.serve(view, local, now);
        }
        self.run_elsewhere(local, request, now, reply);
    }

    /// As [`Engine::run`], where that is more than one shard that is free.
    #[inline(never)]
    fn run_elsewhere(
        &'static self,
        local: &mut WorkerState,
        request: Prepared<'_>,
        now: Now,
        reply: &mut Reply,
    ) {
        let mut view = match self.lock(request.command, request.keys) {
            Ok(view) => view,
            Err(_) if local.insists => self.lock_at_last(request.command, request.keys),
            Err(busy) => return busy.write(reply),
        };
        let mark = request.command.is(WALKS).then(|| reply.mark());
        self.begin(local);
        self.run_in(&mut view, local, request, now, reply);
        self.commit(local);
        if let Some(mark) = mark
            && let Some(busy) = view.gave_up()
        {
            reply.rewind(mark);
            busy.write(reply);
        }
        self.serve(view, local, now);
    }

    /// Runs a request under locks that the caller has taken, as a part of the caller's unit.
    #[inline(always)]
    pub fn run_in(
        &self,
        view: &mut LockedShards,
        local: &mut WorkerState,
        request: Prepared<'_>,
        now: Now,
        reply: &mut Reply,
    ) {
        match local.prefixes {
            None => self.run_uncounted(view, local, request, now, reply),
            Some(_) => self.run_counted(view, local, request, now, reply),
        }
    }

    /// Notes what a command's run goes by.
    #[inline(always)]
    pub(crate) fn begin_command(&self, local: &mut WorkerState, command: &Command) {
        local.writes = command.is(WRITE);
        local.changes_before = local.stats.changes.value();
        local.aging = self.options.aging();
    }

    /// As [`Engine::run_in`], whatever is counted.
    #[inline(always)]
    pub(crate) fn run_uncounted(
        &self,
        view: &mut LockedShards,
        local: &mut WorkerState,
        request: Prepared<'_>,
        now: Now,
        reply: &mut Reply,
    ) {
        if local.effects.events_wanted() {
            begin_events(local, request);
        }
        self.begin_command(local, request.command);
        let mut call = Call {
            command: request.command,
            args: request.args,
            reply,
            space: KeyAccess { now, db: request.db, view, local },
            options: &self.options,
            keys: request.keys,
        };
        if let Err(error) = (request.run)(&mut call) {
            call.space.local.stats.errors.add(1);
            error.write(call.reply);
        }
    }
}

/// Begins the events of a request.
#[cold]
fn begin_events(local: &mut WorkerState, request: Prepared<'_>) {
    let has = |words: &[&str]| {
        let is = |arg: &[u8]| words.iter().any(|w| arg.eq_ignore_ascii_case(w.as_bytes()));
        request.args.iter().skip(3).any(is)
    };
    // As an option's argument the word is refused, or overruled by what follows.
    let keeps_ttl = request.command.is(TAKES_KEEPTTL)
        && has(&["KEEPTTL"])
        && !has(&["EX", "PX", "EXAT", "PXAT"]);
    local.effects.events.begin(request.command, keeps_ttl);
}
