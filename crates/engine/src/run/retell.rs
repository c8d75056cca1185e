//! Telling again what somebody could not be told: the deadlines of a hash's fields, to replicas
//! whose full sync could not hold them.

use crate::clock::Now;
use crate::run::engine::Engine;
use crate::run::key_access::KeyAccess;
use crate::run::worker_state::WorkerState;
use crate::spec::Key;
use crate::storage::value::ObjectRef;

impl Engine {
    /// Emits the deadlines of a hash's fields as they are now, as a unit of its own.
    pub fn retell_deadlines(
        &'static self,
        local: &mut WorkerState,
        now: Now,
        db: usize,
        key: &[u8],
    ) {
        let hash = self.keyspace.hasher().hash(key);
        let mut view = self.keyspace.lock(std::iter::once(hash));
        self.begin(local);
        let mut space = KeyAccess { now, db, view: &mut view, local };
        let slot = space.view.shard(hash).db(db).and_then(|part| part.table().find(hash, key));
        let timed: Vec<(Vec<u8>, u64)> = slot.map_or_else(Vec::new, |slot| {
            match space.entry(Key { bytes: key, hash }, slot).object() {
                Some(ObjectRef::Hash(hash)) => {
                    let all = hash.iter_timed().filter(|(_, _, deadline_ms)| *deadline_ms != 0);
                    all.map(|(field, _, deadline_ms)| (field.to_vec(), deadline_ms)).collect()
                }
                _ => Vec::new(),
            }
        });
        for (field, deadline_ms) in timed {
            let at = now.wall(deadline_ms).to_string();
            let words: [&[u8]; 6] = [b"HPEXPIREAT", key, at.as_bytes(), b"FIELDS", b"1", &field];
            space.emit_unseen(|| words);
        }
        self.commit(local);
        self.serve(view, local, now);
    }
}
