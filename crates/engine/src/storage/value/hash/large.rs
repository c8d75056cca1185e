//! The large form of a hash: a timed table of its own, in which every field is an entry.

use super::Ttl;
use crate::hasher::Hasher;
use crate::storage::entry::{Entry, NewValue, Value};
use crate::storage::table::Position;
use crate::storage::timed_table::TimedTable;
use hashbrown::HashSet;

/// Of all fields: a snapshot saves a hash as a whole, and is owed none of its fields.
const EPOCH: bool = false;

/// A hash with many fields, or long ones.
#[derive(Clone, Default)]
pub struct Large {
    fields: TimedTable,
}

fn read(entry: &Entry) -> (&[u8], Value<'_>) {
    (entry.key(), entry.value())
}

impl Large {
    /// The number of fields.
    pub fn len(&self) -> usize {
        self.fields.table().len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        size_of::<Large>() + self.fields.allocated()
    }

    /// See [`super::Hash::next_deadline_ms`].
    pub fn next_deadline_ms(&self) -> u64 {
        self.fields.expires().next_ms().unwrap_or(0)
    }

    /// See [`crate::storage::value::Object::freeze`].
    pub fn freeze(&mut self) -> Large {
        Large { fields: self.fields.freeze() }
    }

    /// See [`crate::storage::value::Object::copy`].
    pub fn copy(&mut self) -> Large {
        Large { fields: self.fields.copy() }
    }

    /// See [`crate::storage::value::Object::shed`].
    pub fn shed(&mut self) -> bool {
        self.fields.shed(&mut Vec::new())
    }

    fn entry(&self, field: &[u8], hasher: &Hasher) -> Option<&Entry> {
        let slot = self.fields.table().find(hasher.hash(field), field)?;
        Some(self.fields.table().at(slot))
    }

    /// Asks the processor to fetch the bucket of a field.
    pub fn prefetch(&self, field: &[u8], hasher: &Hasher) {
        self.fields.table().prefetch_bucket(hasher.hash(field));
    }

    /// Asks the processor to fetch a field's entry, whose bucket is in the cache by now.
    pub fn prefetch_field(&self, field: &[u8], hasher: &Hasher) {
        self.fields.table().prefetch_entry(hasher.hash(field));
    }

    /// A field's value.
    pub fn get(&self, field: &[u8], hasher: &Hasher) -> Option<Value<'_>> {
        self.entry(field, hasher).map(Entry::value)
    }

    /// See [`super::Hash::deadline_ms`].
    pub fn deadline_ms(&self, field: &[u8], hasher: &Hasher) -> Option<u64> {
        self.entry(field, hasher).map(Entry::deadline_ms)
    }

    /// All fields with their values and deadlines.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Value<'_>, u64)> {
        let entries = self.fields.table().iter();
        entries.map(|entry| (entry.key(), entry.value(), entry.deadline_ms()))
    }

    /// Adds a field that is not there yet.
    pub fn insert(&mut self, field: &[u8], value: NewValue<'_>, deadline_ms: u64, hasher: &Hasher) {
        let entry = Entry::new(field, value, deadline_ms);
        self.fields.insert(hasher.hash(field), entry, EPOCH, hasher);
    }

    /// See [`super::Hash::set`].
    pub fn set(&mut self, field: &[u8], value: NewValue<'_>, ttl: Ttl, hasher: &Hasher) -> bool {
        let hash = hasher.hash(field);
        let Some(slot) = self.fields.table().find(hash, field) else {
            self.fields.insert(hash, Entry::new(field, value, 0), EPOCH, hasher);
            return true;
        };
        let deadline_ms = match ttl {
            Ttl::Keep => self.fields.table().at(slot).deadline_ms(),
            Ttl::Clear => 0,
        };
        drop(self.fields.replace(hash, slot, value, deadline_ms, EPOCH, hasher));
        false
    }

    /// See [`super::Hash::remove`].
    pub fn remove(&mut self, field: &[u8], hasher: &Hasher) -> bool {
        let hash = hasher.hash(field);
        let found = self.fields.table().find(hash, field);
        if let Some(slot) = found {
            drop(self.fields.take(hash, slot, hasher));
            self.fields.shrink(hash, hasher);
        }
        found.is_some()
    }

    /// See [`super::Hash::set_deadline`].
    pub fn set_deadline(&mut self, field: &[u8], deadline_ms: u64, hasher: &Hasher) -> bool {
        let hash = hasher.hash(field);
        let found = self.fields.table().find(hash, field);
        if let Some(slot) = found {
            self.fields.set_deadline(hash, slot, deadline_ms, EPOCH, hasher);
        }
        found.is_some()
    }

    /// See [`super::Hash::expire`].
    pub fn expire(&mut self, now_ms: u64, limit: usize, hasher: &Hasher, mut f: impl FnMut(&[u8])) {
        for _ in 0..limit {
            let Some(entry) = self.fields.take_due(now_ms, hasher) else { break };
            f(entry.key());
            self.fields.shrink(hasher.hash(entry.key()), hasher);
        }
    }

    /// See [`super::Hash::scan`]. The cursor is a position in the order of the fields' hashes, as
    /// SCAN's is in that of the keys'.
    pub fn scan<'a>(
        &'a self,
        cursor: u64,
        count: u64,
        hasher: &Hasher,
        mut f: impl FnMut(&'a [u8], Value<'a>),
    ) -> u64 {
        let Some(mut position) = Position::of_cursor(cursor) else { return 0 };
        let mut seen = 0;
        // An empty part of the table must not hold up the shard's other clients.
        for _ in 0..count.saturating_mul(10) {
            let next = self.fields.table().visit(position, hasher, |entry| {
                seen += 1;
                f(entry.key(), entry.value());
            });
            let Some(next) = next else { return 0 };
            position = next;
            if seen >= count {
                break;
            }
        }
        position.cursor()
    }

    /// See [`super::Hash::draw`].
    pub fn draw(
        &self,
        count: u64,
        random: &mut fastrand::Rng,
        mut f: impl FnMut(&[u8], Value<'_>) -> bool,
    ) {
        for _ in 0..count {
            let Some((_, entry)) = self.draw_one(random) else { break };
            let (field, value) = read(entry);
            if !f(field, value) {
                break;
            }
        }
    }

    /// One entry, drawn evenly, with its slot's number. The table shrinks, so that it does not take
    /// many draws.
    fn draw_one(&self, random: &mut fastrand::Rng) -> Option<(usize, &Entry)> {
        let (_, slots) = self.fields.table().capacity();
        while !self.is_empty() {
            let nth = random.usize(..slots);
            if let Some(entry) = self.fields.table().nth(nth) {
                return Some((nth, entry));
            }
        }
        None
    }

    /// See [`super::Hash::draw_distinct`].
    pub fn draw_distinct(
        &self,
        count: usize,
        random: &mut fastrand::Rng,
        mut f: impl FnMut(&[u8], Value<'_>),
    ) {
        if count > self.len() / 3 {
            let mut entries: Vec<_> = self.fields.table().iter().collect();
            for nth in 0..count.min(entries.len()) {
                let other = random.usize(nth..entries.len());
                entries.swap(nth, other);
                let (field, value) = read(entries[nth]);
                f(field, value);
            }
            return;
        }
        let mut drawn = HashSet::new();
        while drawn.len() < count {
            let Some((nth, entry)) = self.draw_one(random) else { break };
            if drawn.insert(nth) {
                let (field, value) = read(entry);
                f(field, value);
            }
        }
    }
}
