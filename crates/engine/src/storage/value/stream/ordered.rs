//! Small records in the order of their ids, in arrays of at most [`MAX`]: what groups and consumers
//! have pending. No change moves more than one array, and a snapshot shares them.

use super::id::Id;
use crate::storage::memory::size_class;
use crate::storage::part::Part;
use std::collections::VecDeque;

/// The most records of an array.
const MAX: usize = 128;

/// A record with an id.
pub trait Keyed: Copy {
    /// Its id.
    fn id(&self) -> Id;
}

impl Keyed for Id {
    fn id(&self) -> Id {
        *self
    }
}

type Array<T> = VecDeque<T>;

/// Records in order.
#[derive(Debug)]
pub struct Ordered<T> {
    arrays: VecDeque<Part<Array<T>>>,
    len: usize,
    /// What the arrays take from the allocator, without the array of them.
    bytes: usize,
}

impl<T> Default for Ordered<T> {
    fn default() -> Ordered<T> {
        Ordered { arrays: VecDeque::new(), len: 0, bytes: 0 }
    }
}

fn room_of<T>(array: &Array<T>) -> usize {
    size_class(array.capacity() * size_of::<T>())
}

impl<T: Keyed> Clone for Ordered<T> {
    fn clone(&self) -> Ordered<T> {
        let arrays = self.arrays.clone();
        let bytes = arrays.iter().map(|array| room_of(array)).sum();
        Ordered { arrays, len: self.len, bytes }
    }
}

impl<T: Keyed> Ordered<T> {
    /// The number of records.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes taken from the allocator.
    #[inline]
    pub fn allocated(&self) -> usize {
        size_class(self.arrays.capacity() * size_of::<Part<Array<T>>>()) + self.bytes
    }

    /// The number of arrays.
    pub fn parts(&self) -> usize {
        self.arrays.len()
    }

    /// The same for reading, sharing the arrays.
    pub fn share(&mut self) -> Ordered<T> {
        let arrays = self.arrays.iter_mut().map(Part::share).collect();
        Ordered { arrays, len: self.len, bytes: self.bytes }
    }

    /// Drops some arrays from the end; false when there are few.
    pub fn shed(&mut self) -> bool {
        self.arrays.truncate(self.arrays.len().saturating_sub(64));
        self.arrays.len() > 64
    }

    /// The array that has the record, if there is one: the last that begins at or before it.
    #[inline]
    fn array_of(&self, id: Id) -> usize {
        let last = self.arrays.len().saturating_sub(1);
        if self.arrays.get(last).and_then(|array| array.front()).is_none_or(|it| it.id() <= id) {
            return last;
        }
        let behind = self
            .arrays
            .partition_point(|array| array.front().is_some_and(|first| first.id() <= id));
        behind.saturating_sub(1)
    }

    /// Where a record is.
    #[inline]
    fn find(&self, id: Id) -> Option<(usize, usize)> {
        let at = self.array_of(id);
        let array = self.arrays.get(at)?;
        if array.front().is_some_and(|first| first.id() == id) {
            return Some((at, 0));
        }
        array.binary_search_by_key(&id, Keyed::id).ok().map(|index| (at, index))
    }

    /// The record of an id.
    pub fn get(&self, id: Id) -> Option<&T> {
        let (at, index) = self.find(id)?;
        self.arrays[at].get(index)
    }

    /// Changes the record of an id, whose id must stay. False when there is none.
    pub fn update(&mut self, id: Id, f: impl FnOnce(&mut T)) -> bool {
        let Some((at, index)) = self.find(id) else { return false };
        self.edit(at, |array| f(&mut array[index]));
        true
    }

    /// Changes an array, and keeps count of its bytes: one that is shared is copied, and its copy
    /// has another room.
    fn edit<R>(&mut self, at: usize, f: impl FnOnce(&mut Array<T>) -> R) -> R {
        let part = &mut self.arrays[at];
        self.bytes -= room_of(part);
        let array = part.own();
        let result = f(array);
        self.bytes += room_of(array);
        result
    }

    /// Adds a record, in place of another with its id.
    pub fn insert(&mut self, record: T) {
        let id = record.id();
        if self.arrays.is_empty() {
            self.add_array(0, Array::new());
        }
        let mut at = self.array_of(id);
        let array = &self.arrays[at];
        let mut index = match array.back() {
            Some(last) if last.id() < id => array.len(),
            _ => match array.binary_search_by_key(&id, Keyed::id) {
                Ok(index) => {
                    return self.edit(at, |array| array[index] = record);
                }
                Err(index) => index,
            },
        };
        if array.len() >= MAX {
            if at + 1 == self.arrays.len() && index == MAX {
                self.add_array(at + 1, Array::new());
                (at, index) = (at + 1, 0);
            } else {
                let second = self.edit(at, |array| array.split_off(MAX / 2));
                self.add_array(at + 1, second);
                if index > MAX / 2 {
                    (at, index) = (at + 1, index - MAX / 2);
                }
            }
        }
        self.edit(at, |array| {
            if array.len() == array.capacity() {
                // A consumer with a few entries takes no more than they need.
                array.reserve_exact((array.len() / 2).clamp(2, MAX / 4));
            }
            array.insert(index, record);
        });
        self.len += 1;
    }

    /// Adds records in order, which are behind all others.
    pub fn append(&mut self, mut records: &[T]) {
        debug_assert!(records.is_sorted_by_key(Keyed::id));
        while !records.is_empty() {
            if self.arrays.back().is_none_or(|array| array.len() >= MAX) {
                self.add_array(self.arrays.len(), Array::new());
            }
            let last = self.arrays.len() - 1;
            let room = MAX - self.arrays[last].len();
            let (now, later) = records.split_at(records.len().min(room));
            self.edit(last, |array| {
                if array.len() + now.len() > array.capacity() {
                    array.reserve_exact(now.len().max(array.len().clamp(2, MAX / 4)));
                }
                array.extend(now);
            });
            self.len += now.len();
            records = later;
        }
    }

    fn add_array(&mut self, at: usize, array: Array<T>) {
        if self.arrays.capacity() == 0 {
            self.arrays.reserve_exact(1);
        }
        self.bytes += room_of(&array);
        self.arrays.insert(at, Part::Own(array));
    }

    /// Removes the record of an id.
    pub fn remove(&mut self, id: Id) -> Option<T> {
        let (at, index) = self.find(id)?;
        let record = self.edit(at, |array| array.remove(index))?;
        self.len -= 1;
        if self.arrays[at].is_empty() {
            self.bytes -= room_of(&self.arrays[at]);
            self.arrays.remove(at);
        }
        Some(record)
    }

    /// The records from an id on.
    pub fn from(&self, id: Id) -> impl Iterator<Item = &T> {
        let at = self.array_of(id);
        let index =
            self.arrays.get(at).map_or(0, |array| array.partition_point(|record| record.id() < id));
        self.arrays.iter().skip(at).flat_map(|array| array.iter()).skip(index)
    }

    /// All records.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.arrays.iter().flat_map(|array| array.iter())
    }

    /// The last record.
    pub fn last(&self) -> Option<&T> {
        self.arrays.back()?.back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn records_are_those_of_an_ordered_set() {
        let mut random = fastrand::Rng::with_seed(11);
        let (mut ordered, mut model) = (Ordered::default(), BTreeSet::new());
        let mut shared: Option<(Ordered<Id>, Vec<Id>)> = None;
        for step in 0..60_000u64 {
            let id = Id::new(random.u64(..40), random.u64(..100));
            match random.u8(..10) {
                0..5 => {
                    ordered.insert(id);
                    model.insert(id);
                }
                5 if step % 7 == 0 => {
                    let last = model.last().map_or(0, |last: &Id| last.ms);
                    let more = random.u64(..300);
                    let ids: Vec<Id> =
                        (1..=more).map(|n| Id::new(last + n / 50, 100 + n)).collect();
                    let ids: Vec<Id> =
                        ids.into_iter().filter(|id| model.last() < Some(id)).collect();
                    ordered.append(&ids);
                    model.extend(ids);
                }
                _ => assert_eq!(ordered.remove(id).is_some(), model.remove(&id)),
            }
            if step % 500 == 0 {
                assert!(ordered.iter().eq(model.iter()) && ordered.len() == model.len());
                assert!(ordered.from(id).eq(model.range(id..)));
                assert_eq!(ordered.get(id).is_some(), model.contains(&id));
                let rooms: usize = ordered.arrays.iter().map(|array| room_of(array)).sum();
                assert_eq!(ordered.bytes, rooms);
                if let Some((frozen, then)) = shared.take() {
                    assert!(frozen.iter().eq(then.iter()));
                }
                if random.bool() {
                    shared = Some((ordered.share(), model.iter().copied().collect()));
                } else {
                    ordered = ordered.clone();
                }
            }
        }
    }
}
