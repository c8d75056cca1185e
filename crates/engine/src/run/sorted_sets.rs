//! How a command reaches the sorted set under a key.

use crate::error::Error;
use crate::options::Options;
use crate::run::call::Call;
use crate::run::event_classes::SORTED_SET;
use crate::run::key_access::KeyAccess;
use crate::spec::Key;
use crate::storage::entry::{Entry, NewValue};
use crate::storage::table::Slot;
use crate::storage::value::sorted_set::{Limits, SortedSet};
use crate::storage::value::{Object, ObjectRef, Type};
use redstart_protocol::{DOUBLE_TEXT_MAX, format_score};

/// The sorted set in an entry.
#[inline]
fn sorted_set_in(entry: &Entry) -> Result<&SortedSet, Error> {
    match entry.object() {
        Some(ObjectRef::SortedSet(set)) => Ok(set),
        _ => Err(Error::WRONG_TYPE),
    }
}

impl<'a> KeyAccess<'a> {
    /// Fetches a sorted set for reading; WRONGTYPE when it is something else.
    #[inline]
    pub fn read_sorted_set(&mut self, key: Key<'_>) -> Result<Option<&SortedSet>, Error> {
        self.read(key).map(sorted_set_in).transpose()
    }

    /// Fetches a sorted set for a look that is no access.
    #[inline]
    pub fn look_sorted_set(&mut self, key: Key<'_>) -> Result<Option<&SortedSet>, Error> {
        self.look(key).map(sorted_set_in).transpose()
    }

    /// Where the key's sorted set is; WRONGTYPE when it is something else.
    #[inline]
    pub fn find_sorted_set(&mut self, key: Key<'_>) -> Result<Option<Slot>, Error> {
        let Some(slot) = self.find(key) else { return Ok(None) };
        sorted_set_in(self.entry(key, slot))?;
        Ok(Some(slot))
    }

    /// The sorted set in a slot that `find_sorted_set` gave.
    ///
    /// # Panics
    /// When it is something else.
    #[inline]
    pub fn sorted_set(&mut self, key: Key<'_>, slot: Slot) -> &SortedSet {
        sorted_set_in(self.entry(key, slot)).expect("the slot was found to hold a sorted set")
    }

    /// Changes the sorted set in a slot, or makes one; one that is empty afterwards is removed. `f`
    /// returns whether it changed anything; if so, watches of the key are broken.
    #[inline]
    pub fn change_sorted_set(
        &mut self,
        key: Key<'_>,
        slot: Option<Slot>,
        f: impl FnOnce(&mut SortedSet) -> bool,
    ) {
        let Some(slot) = slot else {
            let mut set = SortedSet::default();
            f(&mut set);
            if !set.is_empty() {
                self.put(key, None, NewValue::Object(Box::new(Object::SortedSet(set))), 0);
            }
            return;
        };
        let KeyAccess { now, db, view, local } = self;
        let (changed, is_empty) = view.shard(key.hash).db_mut(*db).modify(slot, |entry| {
            let Some(Object::SortedSet(set)) = entry.object_mut() else {
                panic!("the slot was found to hold a sorted set")
            };
            let (changed, is_empty) = (f(set), set.is_empty());
            match changed {
                true => local.note_change(entry, *now),
                false => local.note_use(entry, *now),
            }
            (changed, is_empty)
        });
        if is_empty {
            self.remove(key, slot);
        } else if changed {
            self.touch_watches(key);
        }
    }

    /// Puts a whole sorted set under a key, in place of whatever is there; an empty one removes it.
    /// Returns whether there was something.
    pub fn replace_by_sorted_set(&mut self, key: Key<'_>, set: SortedSet) -> bool {
        let slot = self.find(key);
        if set.is_empty() {
            slot.inspect(|slot| self.remove(key, *slot));
        } else {
            self.note_overwrite(key, slot, Type::SortedSet);
            self.put(key, slot, NewValue::Object(Box::new(Object::SortedSet(set))), 0);
        }
        slot.is_some()
    }

    /// Up to what a sorted set stays packed.
    #[inline]
    pub fn sorted_set_limits(&self, options: &Options) -> Limits<'a> {
        Limits {
            members: options.sorted_set_packed_members_max(),
            bytes: options.sorted_set_packed_bytes_max(),
            hasher: self.hasher(),
        }
    }
}

impl Call<'_> {
    /// Puts a sorted set that was made of others in the place of whatever a key holds, and replies
    /// with the number of members; an empty one removes the key. Returns whether it was put there,
    /// so that the caller has to emit how.
    pub fn store_sorted_set(&mut self, target: Key<'_>, set: SortedSet) -> bool {
        let len = set.len();
        self.reply.integer(len as i64);
        if self.space.replace_by_sorted_set(target, set) && len == 0 {
            self.space.emit(|| [&b"DEL"[..], target.bytes]);
        }
        len > 0
    }

    /// Emits what [`Call::store_sorted_set`] has put there as a whole, where older servers cannot
    /// make it: the event is the command's own.
    pub fn emit_sorted_set(&mut self, target: Key<'_>) {
        self.space.note_event(SORTED_SET, self.command.name, target);
        let slot = if self.space.listened_to() { self.space.find(target) } else { None };
        let Some(slot) = slot else { return };
        let set = self.space.sorted_set(target, slot);
        let texts = set.iter(0).flat_map(|(member, score)| {
            let mut text = [0; DOUBLE_TEXT_MAX];
            [format_score(score, &mut text).as_bytes().to_vec(), member.to_vec()]
        });
        let texts: Vec<Vec<u8>> = texts.collect();
        self.space.emit_unseen(|| [&b"DEL"[..], target.bytes]);
        let head = [&b"ZADD"[..], target.bytes];
        self.space.emit_unseen(|| head.into_iter().chain(texts.iter().map(|text| &text[..])));
    }
}
