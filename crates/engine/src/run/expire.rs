//! Expiry beside commands: what has expired is removed though no command comes upon it.

use crate::clock::Now;
use crate::hasher::SHARDS;
use crate::keyspace::LockedShards;
use crate::keyspace::db::Due;
use crate::keyspace::garbage::Garbage;
use crate::keyspace::prefixes::Cause;
use crate::run::engine::Engine;
use crate::run::key_access::KeyAccess;
use crate::run::worker_state::WorkerState;
use crate::spec::Key;
use crate::storage::entry::Entry;

impl Engine {
    /// Removes a key if its deadline has passed, under its lock. Returns whether it is still there
    /// although it has.
    pub fn expire_if_due(
        &self,
        view: &mut LockedShards,
        local: &mut WorkerState,
        now: Now,
        db: usize,
        key: Key<'_>,
    ) -> bool {
        self.begin(local);
        local.writes = false;
        let mut space = KeyAccess { now, db, view, local };
        let is_left = space.find(key).is_none() && space.has(key);
        self.commit(local);
        is_left
    }

    /// Removes what has expired in one shard, at most `limit` keys and fields, under its lock.
    /// Returns how many there were.
    pub fn expire_shard(
        &'static self,
        local: &mut WorkerState,
        index: usize,
        now: Now,
        limit: usize,
    ) -> usize {
        let (mut removed, mut count) = (Vec::new(), 0);
        let (mut expired_keys, mut expired_parts) = (0, 0);
        // What a script holds for too long is looked at when it is free again.
        let Ok(mut view) = self.keyspace.lock_shard_unless_busy(index) else { return 0 };
        self.begin(local);
        for db in view.shard_at(index).indices() {
            while count < limit {
                let db_part = view.shard_at(index).db_mut(db);
                let hasher = self.keyspace.hasher();
                match db_part.expire_one(now.mono_ms, hasher, limit - count) {
                    Some(Due::Entry(entry)) => {
                        let (shard, hash) = (view.shard_at(index), hasher.hash(entry.key()));
                        shard.touch(db, entry.key(), false, &mut local.changes);
                        shard.waiters.note_gone(db, hash, entry.key(), &mut local.ready);
                        if local.prefixes.is_some() {
                            shard.gone.note(hash, Cause::Expired);
                        }
                        local.effects.push_expired(db, entry.key());
                        let kept = shard.keep_stale(db, hash, entry, now.mono_ms);
                        removed.extend(kept.err());
                        expired_keys += 1;
                        count += 1;
                    }
                    Some(Due::Parts { key, of, parts, emptied }) => {
                        view.shard_at(index).touch(db, &key, false, &mut local.changes);
                        let is_emptied = emptied.is_some();
                        local.effects.push_expired_parts(db, &key, of, &parts, is_emptied);
                        removed.extend(emptied);
                        expired_parts += parts.len();
                        count += parts.len();
                    }
                    None => break,
                }
            }
        }
        self.commit(local);
        removed.extend(view.shard_at(index).expire_leases(now.mono_ms, &mut local.ready));
        view.shard_at(index).expire_locks(now.mono_ms);
        view.publish(index);
        self.serve(view, local, now);
        local.stats.expired_actively(expired_keys, expired_parts as u64);
        local.garbage.extend(removed.into_iter().filter(Entry::is_heavy).map(Garbage::Entry));
        count
    }

    /// Removes what has expired in the shards that fall to worker `worker` of `workers`. Returns
    /// whether something is left because there was too much for one call.
    pub fn expire(
        &'static self,
        local: &mut WorkerState,
        worker: usize,
        workers: usize,
        now: Now,
    ) -> bool {
        const PER_LOCK: usize = 64;
        const PER_CALL: usize = 4096;
        let mut removed = 0;
        for index in (worker..SHARDS).step_by(workers) {
            while self.keyspace.next_ms(index) <= now.mono_ms {
                let count = self.expire_shard(local, index, now, PER_LOCK);
                removed += count;
                if removed >= PER_CALL {
                    return true;
                }
                if count == 0 {
                    break;
                }
            }
        }
        false
    }
}
