//! A group of consumers: how far it has read, and what it has given out and not seen acknowledged.
//!
//! A pending entry is one record in the group, in the order of ids, and its id once more among
//! those of its consumer. Consumers have numbers, which stay; their order by name is beside them.

use super::id::Id;
use super::ordered::{Keyed, Ordered};
use crate::storage::memory::size_class;
use smallvec::SmallVec;

/// Records that are given at once without memory of their own.
pub const AT_ONCE: usize = 16;

/// The consumer of an entry that was given back (XNACK): none.
pub const NOBODY: u32 = u32::MAX;

/// An entry that was given to a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The entry's id.
    pub id: Id,
    /// When it was given last, in wall time.
    pub given_ms: i64,
    /// How often it was given.
    pub count: u64,
    /// The consumer's number.
    pub consumer: u32,
}

impl Pending {
    /// How often it was given when it is given once more.
    pub fn again(&self) -> u64 {
        (self.count + 1).min(i64::MAX as u64)
    }
}

impl Keyed for Pending {
    fn id(&self) -> Id {
        self.id
    }
}

/// A consumer.
#[derive(Clone, Debug, Default)]
pub struct Consumer {
    name: Box<[u8]>,
    /// When it last tried anything, in wall time.
    pub seen_ms: i64,
    /// When it last got or claimed an entry, in wall time.
    pub active_ms: Option<i64>,
    pending: Ordered<Id>,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The ids of what it has pending.
    pub fn pending(&self) -> &Ordered<Id> {
        &self.pending
    }
}

/// A group.
#[derive(Debug, Default)]
pub struct Group {
    name: Box<[u8]>,
    /// The id of the last entry that was given out.
    pub last: Id,
    /// How many entries of all that ever were it has read, where that is known.
    pub read: Option<u64>,
    pending: Ordered<Pending>,
    consumers: Vec<Option<Consumer>>,
    /// The consumers' numbers, by name.
    order: Vec<u32>,
    /// What consumers take from the allocator.
    consumer_bytes: usize,
}

fn bytes_of(consumer: &Consumer) -> usize {
    size_class(consumer.name.len()) + consumer.pending.allocated()
}

impl Clone for Group {
    fn clone(&self) -> Group {
        let consumers = self.consumers.clone();
        let consumer_bytes = consumers.iter().flatten().map(bytes_of).sum();
        Group {
            name: self.name.clone(),
            last: self.last,
            read: self.read,
            pending: self.pending.clone(),
            consumers,
            order: self.order.clone(),
            consumer_bytes,
        }
    }
}

impl Group {
    /// A group that goes on behind an entry.
    pub fn new(name: &[u8], last: Id, read: Option<u64>) -> Group {
        Group { name: name.into(), last, read, ..Group::default() }
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// How many of the pending entries are nobody's, because they were given back.
    pub fn given_back(&self) -> usize {
        let taken = self.consumers.iter().flatten().map(|consumer| consumer.pending.len());
        self.pending.len() - taken.sum::<usize>()
    }

    /// The bytes taken from the allocator, its own struct aside.
    pub fn allocated(&self) -> usize {
        size_class(self.name.len())
            + self.pending.allocated()
            + size_class(self.consumers.capacity() * size_of::<Option<Consumer>>())
            + size_class(self.order.capacity() * size_of::<u32>())
            + self.consumer_bytes
    }

    /// The number of allocations to be freed, roughly.
    pub fn parts(&self) -> usize {
        1 + self.pending.parts() * 2 + self.order.len()
    }

    /// The same for reading, sharing what is large.
    pub fn share(&mut self) -> Group {
        let consumers = self.consumers.iter_mut().map(|consumer| {
            let Consumer { name, seen_ms, active_ms, pending } = consumer.as_mut()?;
            let (seen_ms, active_ms) = (*seen_ms, *active_ms);
            Some(Consumer { name: name.clone(), seen_ms, active_ms, pending: pending.share() })
        });
        Group {
            name: self.name.clone(),
            last: self.last,
            read: self.read,
            consumers: consumers.collect(),
            order: self.order.clone(),
            pending: self.pending.share(),
            consumer_bytes: self.consumer_bytes,
        }
    }

    /// Drops a part of what is pending; false when the rest is small.
    pub fn shed(&mut self) -> bool {
        let mut consumers = self.consumers.iter_mut().flatten();
        self.pending.shed() || consumers.any(|consumer| consumer.pending.shed())
    }

    /// What is pending.
    pub fn pending(&self) -> &Ordered<Pending> {
        &self.pending
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.order.iter().map(|number| self.consumer(*number))
    }

    /// The consumer at a place in the order of the names.
    pub fn consumer_at(&self, place: usize) -> Option<&Consumer> {
        self.order.get(place).map(|number| self.consumer(*number))
    }

    /// The consumer of a number.
    pub fn consumer(&self, number: u32) -> &Consumer {
        self.consumers[number as usize]
            .as_ref()
            .expect("numbers of consumers are of those there are")
    }

    /// The name of the consumer of a number; none of [`NOBODY`].
    pub fn name_of(&self, number: u32) -> &[u8] {
        match self.consumers.get(number as usize) {
            Some(Some(consumer)) => &consumer.name,
            _ => b"",
        }
    }

    fn position(&self, name: &[u8]) -> Result<usize, usize> {
        self.order.binary_search_by(|number| (*self.consumer(*number).name).cmp(name))
    }

    /// The number of a consumer.
    pub fn find_consumer(&self, name: &[u8]) -> Option<u32> {
        self.position(name).ok().map(|at| self.order[at])
    }

    /// Adds a consumer; none if there is one of this name.
    pub fn add_consumer(&mut self, name: &[u8], now_ms: i64) -> Option<u32> {
        let Err(at) = self.position(name) else { return None };
        let consumer = Consumer { name: name.into(), seen_ms: now_ms, ..Consumer::default() };
        self.consumer_bytes += bytes_of(&consumer);
        let free = self.consumers.iter().position(Option::is_none);
        let number = free.filter(|_| self.order.len() < self.consumers.len());
        let number = match number {
            Some(number) => {
                self.consumers[number] = Some(consumer);
                number
            }
            None => {
                if self.consumers.capacity() == 0 {
                    self.consumers.reserve_exact(1);
                    self.order.reserve_exact(1);
                }
                self.consumers.push(Some(consumer));
                self.consumers.len() - 1
            }
        };
        self.order.insert(at, number as u32);
        Some(number as u32)
    }

    /// Removes a consumer with what it has pending; returns how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let at = self.position(name).ok()?;
        let number = self.order.remove(at);
        let consumer = self.consumers[number as usize].take()?;
        self.consumer_bytes -= bytes_of(&consumer);
        for id in consumer.pending.iter() {
            self.pending.remove(*id);
        }
        Some(consumer.pending.len())
    }

    /// Changes a consumer's times.
    pub fn note_consumer(&mut self, number: u32, seen_ms: i64, is_active: bool) {
        if let Some(Some(consumer)) = self.consumers.get_mut(number as usize) {
            consumer.seen_ms = seen_ms;
            if is_active {
                consumer.active_ms = Some(seen_ms);
            }
        }
    }

    /// Sets a consumer's times to what they were.
    pub fn set_times(&mut self, number: u32, seen_ms: i64, active_ms: Option<i64>) {
        if let Some(Some(consumer)) = self.consumers.get_mut(number as usize) {
            (consumer.seen_ms, consumer.active_ms) = (seen_ms, active_ms);
        }
    }

    fn edit_consumer(&mut self, number: u32, f: impl FnOnce(&mut Ordered<Id>)) {
        if let Some(Some(consumer)) = self.consumers.get_mut(number as usize) {
            self.consumer_bytes -= consumer.pending.allocated();
            f(&mut consumer.pending);
            self.consumer_bytes += consumer.pending.allocated();
        }
    }

    /// Gives an entry to a consumer, from whichever had it.
    pub fn give(&mut self, record: Pending) {
        let before = self.pending.get(record.id).map(|before| before.consumer);
        if before != Some(record.consumer) {
            if let Some(before) = before {
                self.edit_consumer(before, |pending| {
                    pending.remove(record.id);
                });
            }
            self.edit_consumer(record.consumer, |pending| pending.insert(record.id));
        }
        self.pending.insert(record);
    }

    /// Gives an entry that nobody has pending to a consumer.
    #[inline]
    pub fn give_new(&mut self, record: Pending) {
        self.edit_consumer(record.consumer, |pending| pending.insert(record.id));
        self.pending.insert(record);
    }

    /// The same of several in order, behind all that are pending.
    pub fn give_more(&mut self, consumer: u32, records: &[Pending]) {
        let ids: SmallVec<[Id; AT_ONCE]> = records.iter().map(|record| record.id).collect();
        self.edit_consumer(consumer, |pending| pending.append(&ids));
        self.pending.append(records);
    }

    /// Changes when and how often an entry was given.
    pub fn update(&mut self, id: Id, f: impl FnOnce(&mut Pending)) -> bool {
        self.pending.update(id, f)
    }

    /// An entry is pending no more; false when it was not.
    #[inline]
    pub fn acknowledge(&mut self, id: Id) -> bool {
        let Some(record) = self.pending.remove(id) else { return false };
        self.edit_consumer(record.consumer, |pending| {
            pending.remove(id);
        });
        true
    }
}
