//! Runs are counted by the prefixes of their keys, while `stats-prefixes` says so.

use crate::clock::Now;
use crate::keyspace::prefixes::{Cause, Content, Known};
use crate::keyspace::{Keyspace, LockedShards};
use crate::run::engine::Engine;
use crate::run::execute::Prepared;
use crate::run::key_access::KeyAccess;
use crate::run::worker_state::WorkerState;
use crate::spec::{Command, KeyAt, WRITE};
use redstart_protocol::{Args, Reply};

/// Where a worker is that walks a shard to count what there is of each prefix.
#[derive(Debug)]
pub(crate) struct CountingAt {
    shard: usize,
    db: usize,
    segment: usize,
    found: Vec<Content>,
}

/// How things stand before a run that is counted.
#[derive(Clone, Copy)]
pub(crate) struct Before {
    hits: u64,
    misses: u64,
    reply: usize,
}

impl Before {
    /// As things stand now.
    pub(crate) fn of(local: &WorkerState, reply: &Reply) -> Before {
        let stats = &local.stats;
        let (hits, misses) = (stats.keyspace_hits.value(), stats.keyspace_misses.value());
        Before { hits, misses, reply: reply.len() }
    }
}

/// What has run: a command on keys of a database.
#[derive(Clone, Copy)]
pub(crate) struct Ran<'a> {
    /// The command.
    pub(crate) command: &'static Command,
    /// The arguments.
    pub(crate) args: Args<'a>,
    /// The keys.
    pub(crate) keys: &'a [KeyAt],
    /// The database.
    pub(crate) db: usize,
}

impl Ran<'_> {
    /// The bytes that it brought, where it writes.
    fn bytes_in(&self) -> u64 {
        let bytes: usize = match self.command.is(WRITE) {
            true => self.args.iter().map(<[u8]>::len).sum(),
            false => 0,
        };
        bytes as u64
    }
}

impl WorkerState {
    /// The requests of another client come.
    #[inline(always)]
    pub fn begin_batch(&mut self, keyspace: &Keyspace, no_touch: bool) {
        self.denies_reach = false;
        self.no_touch = no_touch;
        self.follow_prefixes(keyspace);
    }

    /// Follows `stats-prefixes`.
    #[inline(always)]
    pub fn follow_prefixes(&mut self, keyspace: &Keyspace) {
        if self.prefixes_version != keyspace.prefixes.version() {
            self.follow_other_prefixes(keyspace);
        }
    }

    #[cold]
    #[inline(never)]
    fn follow_other_prefixes(&mut self, keyspace: &Keyspace) {
        self.prefixes_version = keyspace.prefixes.version();
        self.counting = None;
        self.prefixes = keyspace.prefixes.is_on().then(Box::default);
        self.stats.reset_prefixes();
        if let Some(known) = &mut self.prefixes {
            known.follow(&keyspace.prefixes);
        }
    }
}

impl KeyAccess<'_> {
    /// Notes how a key went, for the misses that follow.
    #[inline]
    pub(crate) fn note_cause(&mut self, hash: u64, cause: Cause) {
        if self.local.prefixes.is_some() {
            self.view.shard(hash).gone.note(hash, cause);
        }
    }
}

impl Engine {
    /// As [`Engine::run_in`], and counts the run by the prefixes of its keys.
    #[inline(never)]
    pub(crate) fn run_counted(
        &self,
        view: &mut LockedShards,
        local: &mut WorkerState,
        request: Prepared<'_>,
        now: Now,
        reply: &mut Reply,
    ) {
        let before = Before::of(local, reply);
        self.run_uncounted(view, local, request, now, reply);
        let Prepared { command, args, keys, db, .. } = request;
        self.count_run(view, local, Ran { command, args, keys, db }, before, reply);
    }

    /// Counts what has run by the prefixes of its keys.
    #[inline(never)]
    pub(crate) fn count_run(
        &self,
        view: &mut LockedShards,
        local: &mut WorkerState,
        ran: Ran<'_>,
        before: Before,
        reply: &Reply,
    ) {
        let Some(known) = &mut local.prefixes else { return };
        if let [key] = ran.keys {
            let number = known.number_of(&self.keyspace, ran.args.at(key.arg as usize));
            let stats = &*local.stats;
            let counts = &stats.by_prefix()[usize::from(number)];
            stats.last_prefix.set(number.into());
            counts.hits.add(stats.keyspace_hits.value().wrapping_sub(before.hits));
            if stats.keyspace_misses.value() != before.misses {
                let cause = view.shard(key.hash).gone.cause(key.hash);
                counts.misses[cause as usize].add(1);
            }
            counts.bytes_in.add(ran.bytes_in());
            counts.bytes_out.add(reply.len().saturating_sub(before.reply) as u64);
        } else if !ran.keys.is_empty() {
            count_several(&self.keyspace, view, local, ran, before, reply.len());
        }
    }

    /// Counts what there is of each prefix in some hundred keys. Returns how many were looked at;
    /// None when there is nothing to do.
    pub fn count_prefixes(&'static self, local: &mut WorkerState, now: Now) -> Option<usize> {
        local.follow_prefixes(&self.keyspace);
        let prefixes = &self.keyspace.prefixes;
        let known = local.prefixes.as_mut()?;
        let version = local.prefixes_version;
        let next = || {
            let shard = prefixes.next_shard()?;
            Some(CountingAt { shard, db: 0, segment: 0, found: Vec::new() })
        };
        let mut at = local.counting.take().or_else(next)?;
        let Ok(mut view) = self.keyspace.lock_shard_unless_busy(at.shard) else {
            local.counting = Some(at);
            return None;
        };
        let (more, looked) = count_segment(&self.keyspace, &mut view, known, now, &mut at);
        drop(view);
        if more {
            local.counting = Some(at);
        } else {
            prefixes.walked(version, &mut at.found);
        }
        Some(looked)
    }
}

/// Counts a segment, and goes on to the next one: false behind the last. Returns how many keys it
/// had.
fn count_segment(
    keyspace: &Keyspace,
    view: &mut LockedShards,
    known: &mut Known,
    now: Now,
    at: &mut CountingAt,
) -> (bool, usize) {
    let shard = view.shard_at(at.shard);
    if at.db >= shard.db_limit() {
        return (false, 0);
    }
    let part = shard.db(at.db).is_some().then(|| shard.db_mut(at.db));
    let entries = part.and_then(|part| part.table_mut().segment_mut(at.segment));
    let Some(entries) = entries else {
        (at.db, at.segment) = (at.db + 1, 0);
        return (true, 0);
    };
    at.segment += 1;
    let mut looked = 0;
    for entry in entries.filter(|entry| !entry.is_dropped()) {
        known.find(keyspace, entry, now.mono_ms, &mut at.found);
        looked += 1;
    }
    (true, looked)
}

/// Counts a run with several keys: each by itself where each was looked for once.
#[cold]
fn count_several(
    keyspace: &Keyspace,
    view: &mut LockedShards,
    local: &mut WorkerState,
    ran: Ran<'_>,
    before: Before,
    reply_len: usize,
) {
    let Some(known) = &mut local.prefixes else { return };
    let stats = &*local.stats;
    let hits = stats.keyspace_hits.value().wrapping_sub(before.hits);
    let misses = stats.keyspace_misses.value().wrapping_sub(before.misses);
    let keys = ran.keys.iter().filter(|key| key.arg > 0);
    let each = hits + misses == keys.clone().count() as u64;
    for (nth, key) in keys.enumerate() {
        let name = ran.args.at(key.arg as usize);
        let number = known.number_of(keyspace, name);
        let counts = &stats.by_prefix()[usize::from(number)];
        if each {
            let part = view.shard_ref(key.hash).db(ran.db);
            if part.is_some_and(|part| part.table().find(key.hash, name).is_some()) {
                counts.hits.add(1);
            } else {
                counts.misses[view.shard_ref(key.hash).gone.cause(key.hash) as usize].add(1);
            }
        } else if nth == 0 {
            counts.hits.add(hits);
            counts.misses[Cause::Absent as usize].add(misses);
        }
        if nth == 0 {
            stats.last_prefix.set(number.into());
            counts.bytes_in.add(ran.bytes_in());
            counts.bytes_out.add(reply_len.saturating_sub(before.reply) as u64);
        }
    }
}
