//! How a command reaches the stream under a key.

use crate::error::Error;
use crate::run::key_access::KeyAccess;
use crate::spec::Key;
use crate::storage::entry::{Entry, NewValue};
use crate::storage::table::Slot;
use crate::storage::value::stream::Stream;
use crate::storage::value::{Object, ObjectRef};

/// The stream in an entry.
#[inline]
fn stream_in(entry: &Entry) -> Result<&Stream, Error> {
    match entry.object() {
        Some(ObjectRef::Stream(stream)) => Ok(stream),
        _ => Err(Error::WRONG_TYPE),
    }
}

impl KeyAccess<'_> {
    /// Fetches a stream for reading; WRONGTYPE when it is something else.
    #[inline]
    pub fn read_stream(&mut self, key: Key<'_>) -> Result<Option<&Stream>, Error> {
        self.read(key).map(stream_in).transpose()
    }

    /// Where the key's stream is; WRONGTYPE when it is something else.
    #[inline]
    pub fn find_stream(&mut self, key: Key<'_>) -> Result<Option<Slot>, Error> {
        let Some(slot) = self.find(key) else { return Ok(None) };
        stream_in(self.entry(key, slot))?;
        Ok(Some(slot))
    }

    /// The same of a command that reads, whatever it changes: counts a hit or a miss.
    pub fn find_stream_to_read(&mut self, key: Key<'_>) -> Result<Option<Slot>, Error> {
        let Some(slot) = self.find_to_read(key) else { return Ok(None) };
        stream_in(self.entry(key, slot))?;
        Ok(Some(slot))
    }

    /// The stream in a slot that `find_stream` gave.
    ///
    /// # Panics
    /// When it is something else.
    #[inline]
    pub fn stream(&mut self, key: Key<'_>, slot: Slot) -> &Stream {
        stream_in(self.entry(key, slot)).expect("the slot was found to hold a stream")
    }

    /// Changes the stream in a slot, be it empty afterwards. `f` returns whether it changed
    /// anything that clients watch, and what this returns.
    #[inline]
    pub fn change_stream<R>(
        &mut self,
        key: Key<'_>,
        slot: Slot,
        f: impl FnOnce(&mut Stream) -> (bool, R),
    ) -> R {
        let KeyAccess { now, db, view, local } = self;
        let (changed, result) = view.shard(key.hash).db_mut(*db).modify(slot, |entry| {
            let Some(Object::Stream(stream)) = entry.object_mut() else {
                panic!("the slot was found to hold a stream")
            };
            let (changed, result) = f(stream);
            match changed {
                true => local.note_change(entry, *now),
                false => local.note_use(entry, *now),
            }
            (changed, result)
        });
        if changed {
            self.touch_watches(key);
        }
        result
    }

    /// Puts a new stream under a key that holds nothing.
    pub fn put_stream(&mut self, key: Key<'_>, stream: Stream) -> Slot {
        self.put(key, None, NewValue::Object(Box::new(Object::Stream(stream))), 0)
    }

    /// Drops what a stream has lost, after the unlock when it is large.
    pub fn discard_stream(&mut self, rest: Stream) {
        if rest.parts() > 8 {
            self.discard(NewValue::Object(Box::new(Object::Stream(rest))));
        }
    }
}
