//! What leases are told by the commands that change keys, and what the commands about leases and
//! locks reach them by.

use crate::hasher::{SHARDS, shard_of};
use crate::keyspace::leases::{Granted, Leases, Place};
use crate::keyspace::locks::{Fences, Lock, Locks};
use crate::run::key_access::KeyAccess;
use crate::spec::Key;
use crate::storage::entry::Entry;

impl KeyAccess<'_> {
    /// A key is written to: a lease of it is void.
    #[cold]
    pub(crate) fn void_lease(&mut self, key: Key<'_>) {
        let place = self.place_of(key);
        let stale = self.view.shard(key.hash).leases.void(place);
        stale.into_iter().for_each(|entry| self.local.discard(entry));
    }

    /// A key was to be removed, and is not there: who computes its value does so from what was
    /// before.
    pub(crate) fn void_absent(&mut self, key: Key<'_>) {
        let shard = self.view.shard(key.hash);
        if !shard.leases.is_empty() {
            shard.waiters.note_gone(self.db, key.hash, key.bytes, &mut self.local.ready);
            self.void_lease(key);
        }
    }

    /// Drops the value of a key whose time is over, unless it may still be given for a while.
    pub(crate) fn part_from(&mut self, key: Key<'_>, entry: Entry) {
        let shard = self.view.shard(key.hash);
        match shard.keep_stale(self.db, key.hash, entry, self.now.mono_ms) {
            Ok(until_ms) => self.view.publish_earlier(shard_of(key.hash), until_ms),
            Err(entry) => self.local.discard(entry),
        }
    }

    /// Databases were emptied or exchanged: all leases there are void.
    pub(crate) fn forget_leases(&mut self, is_gone: impl Fn(usize) -> bool) {
        for index in 0..SHARDS {
            let shard = self.view.shard_at(index);
            let stale = shard.leases.forget_dbs(&is_gone);
            stale.into_iter().for_each(|entry| self.local.discard(entry));
        }
    }

    /// A key in the selected database.
    pub(crate) fn place_of<'b>(&self, key: Key<'b>) -> Place<'b> {
        Place { db: self.db, hash: key.hash, key: key.bytes }
    }

    /// The leases of a key's shard.
    pub(crate) fn leases(&mut self, key: Key<'_>) -> &mut Leases {
        &mut self.view.shard(key.hash).leases
    }

    /// Grants the lease of a key until then. Returns its token.
    pub(crate) fn grant_lease(&mut self, key: Key<'_>, until_ms: u64) -> u64 {
        let token = self.random().u64(1..);
        let place = self.place_of(key);
        self.leases(key).grant(place, token, until_ms);
        self.view.publish_earlier(shard_of(key.hash), until_ms);
        let Place { db, hash, key } = place;
        self.local.granted = Some(Granted { db, hash, key: key.into(), token });
        token
    }

    /// Takes the lease of a key from a token, and lets the next client have it that waits. False if
    /// the token does not hold it.
    pub(crate) fn release_lease(&mut self, key: Key<'_>, token: u64) -> bool {
        let (place, now) = (self.place_of(key), self.now);
        let shard = self.view.shard(key.hash);
        let released = shard.leases.release(place, token, now);
        if released {
            shard.waiters.note_gone(self.db, key.hash, key.bytes, &mut self.local.ready);
        }
        released
    }

    /// The locks of a key's shard.
    pub(crate) fn locks(&mut self, key: Key<'_>) -> &mut Locks {
        &mut self.view.shard(key.hash).locks
    }

    /// The counter of fences.
    pub(crate) fn fences(&self) -> &'static Fences {
        &self.view.keyspace().fences
    }

    /// Notes who holds a lock, with which fence, until then.
    pub(crate) fn note_lock(&mut self, key: Key<'_>, owner: &[u8], fence: u64, until_ms: u64) {
        let Place { db, hash, key: name } = self.place_of(key);
        let lock = Lock { db, hash, name: name.into(), owner: owner.into(), fence };
        self.locks(key).set(lock, until_ms);
        self.view.publish_earlier(shard_of(key.hash), until_ms);
    }

    /// Whether clients wait in turn for the key to be gone; if so, they are looked at after this
    /// command.
    pub(crate) fn has_heirs(&mut self, key: Key<'_>) -> bool {
        let waiters = &self.view.shard(key.hash).waiters;
        let has_heirs = waiters.has_heirs(self.db, key.bytes);
        if has_heirs {
            waiters.note_gone(self.db, key.hash, key.bytes, &mut self.local.ready);
        }
        has_heirs
    }

    /// How many clients wait for the key to be gone.
    pub(crate) fn heirs(&mut self, key: Key<'_>) -> usize {
        self.view.shard(key.hash).waiters.heirs(self.db, key.bytes)
    }
}
