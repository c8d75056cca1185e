//! A stream: entries in the order of their ids, groups of consumers, and counters that outlive the
//! entries.
//!
//! Entries lie in blocks ([`block`]), blocks in groups of blocks ([`blocks`]): a stream of a few
//! entries is three allocations, and in one of millions nothing ever moves at once. A key may hold
//! a stream without entries.

pub mod block;
mod blocks;
pub mod group;
pub mod id;
pub mod idempotence;
mod lag;
pub mod ordered;
pub mod seek;
mod stored;
mod trim;

use crate::options::{StreamKeep as Keep, StreamLimits as Limits};
use crate::storage::memory::size_class;
use block::{Block, Item, Pairs};
use blocks::{Blocks, Walk, WalkBack};
use group::{AT_ONCE, Group, Pending};
use id::Id;
use idempotence::Idempotence;
pub use lag::Progress;
use smallvec::SmallVec;
pub use trim::{Bound, References, Trim};

/// A stream.
#[derive(Clone, Debug, Default)]
pub struct Stream(Box<Inner>);

#[derive(Clone, Debug, Default)]
struct Inner {
    blocks: Blocks,
    len: u64,
    last: Id,
    max_deleted: Id,
    added: u64,
    groups: Vec<Group>,
    /// What groups take from the allocator, without their array.
    group_bytes: usize,
    idempotence: Option<Box<Idempotence>>,
}

impl Stream {
    /// The number of entries.
    #[inline]
    pub fn len(&self) -> u64 {
        self.0.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The id of the last entry that was ever added.
    #[inline]
    pub fn last_id(&self) -> Id {
        self.0.last
    }

    /// The greatest id of an entry that was removed alone.
    pub fn max_deleted_id(&self) -> Id {
        self.0.max_deleted
    }

    /// How many entries were ever added.
    pub fn added(&self) -> u64 {
        self.0.added
    }

    /// Sets what outlives the entries.
    pub fn set_counters(&mut self, last: Id, added: u64, max_deleted: Id) {
        (self.0.last, self.0.added, self.0.max_deleted) = (last, added, max_deleted);
    }

    /// The id of the first entry; the least id when there is none.
    pub fn first_id(&self) -> Id {
        self.from(Id::MIN).next().map_or(Id::MIN, |item| item.id)
    }

    /// The number of blocks.
    pub fn blocks_count(&self) -> usize {
        self.0.blocks.count()
    }

    /// The blocks.
    pub fn blocks(&self) -> impl DoubleEndedIterator<Item = &Block> {
        self.0.blocks.iter()
    }

    /// The bytes taken from the allocator. Constant time.
    pub fn allocated(&self) -> usize {
        let Inner { blocks, groups, group_bytes, idempotence, .. } = &*self.0;
        size_class(size_of::<Inner>())
            + blocks.allocated()
            + size_class(groups.capacity() * size_of::<Group>())
            + group_bytes
            + idempotence.as_ref().map_or(0, |it| it.allocated())
    }

    /// The number of allocations to be freed, roughly.
    pub fn parts(&self) -> usize {
        let groups: usize = self.0.groups.iter().map(Group::parts).sum();
        1 + self.0.blocks.parts() + groups
    }

    /// See [`crate::storage::value::Object::freeze`].
    pub fn freeze(&mut self) -> Stream {
        let Inner { blocks, len, last, max_deleted, added, groups, group_bytes, idempotence } =
            &mut *self.0;
        Stream(Box::new(Inner {
            blocks: blocks.share(),
            len: *len,
            last: *last,
            max_deleted: *max_deleted,
            added: *added,
            groups: groups.iter_mut().map(Group::share).collect(),
            group_bytes: *group_bytes,
            idempotence: idempotence.clone(),
        }))
    }

    /// See [`crate::storage::value::Object::shed`].
    pub fn shed(&mut self) -> bool {
        self.0.blocks.shed() || self.0.groups.iter_mut().any(Group::shed)
    }

    /// Adds an entry, whose id must be greater than that of any before.
    #[inline]
    pub fn add<'a>(&mut self, id: Id, pairs: impl Pairs<'a>, limits: Limits) {
        debug_assert!(id > self.0.last);
        self.0.blocks.push(id, pairs, limits);
        self.0.len += 1;
        self.0.added += 1;
        self.0.last = id;
    }

    /// Adds a block that was read from a file, whose entries must be behind all others.
    ///
    /// # Errors
    /// When they are not.
    pub fn add_block(&mut self, block: Block) -> Result<(), &'static str> {
        if self.0.blocks.last().is_some_and(|last| last.last() >= block.first()) {
            return Err("the blocks of a stream are not in order");
        }
        self.0.len += block.live();
        self.0.last = self.0.last.max(block.last());
        self.0.blocks.push_block(block);
        Ok(())
    }

    /// The entry of an id.
    pub fn get(&self, id: Id) -> Option<Item<'_>> {
        self.0.blocks.get(id)
    }

    /// Removes an entry; false when there is none of this id.
    pub fn remove(&mut self, id: Id) -> bool {
        let removed = self.0.blocks.remove(id);
        if removed {
            self.0.len -= 1;
            self.0.max_deleted = self.0.max_deleted.max(id);
        }
        removed
    }

    /// The entries from an id on.
    #[inline]
    pub fn from(&self, id: Id) -> Walk<'_> {
        self.0.blocks.from(id)
    }

    /// The entries from an id on, backwards.
    pub fn back_from(&self, id: Id) -> WalkBack<'_> {
        self.0.blocks.back_from(id)
    }

    /// The groups, by name.
    pub fn groups(&self) -> &[Group] {
        &self.0.groups
    }

    fn position(&self, name: &[u8]) -> Result<usize, usize> {
        self.0.groups.binary_search_by(|group| group.name().cmp(name))
    }

    /// A group.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.position(name).ok().map(|at| &self.0.groups[at])
    }

    /// Adds a group; false when there is one of its name.
    pub fn add_group(&mut self, group: Group) -> bool {
        let Err(at) = self.position(group.name()) else { return false };
        if self.0.groups.capacity() == 0 {
            self.0.groups.reserve_exact(1);
        }
        self.0.group_bytes += group.allocated();
        self.0.groups.insert(at, group);
        true
    }

    /// Removes a group. What is left of it is to be dropped where that is cheap.
    pub fn remove_group(&mut self, name: &[u8]) -> Option<Stream> {
        let at = self.position(name).ok()?;
        let group = self.0.groups.remove(at);
        self.0.group_bytes -= group.allocated();
        let mut rest = Stream::default();
        rest.add_group(group);
        Some(rest)
    }

    /// Changes a group.
    pub fn edit_group<R>(&mut self, name: &[u8], f: impl FnOnce(&mut Group) -> R) -> Option<R> {
        let at = self.position(name).ok()?;
        Some(self.edit_at(at, |group, _| f(group)))
    }

    fn edit_at<R>(&mut self, at: usize, f: impl FnOnce(&mut Group, &Blocks) -> R) -> R {
        let Inner { blocks, groups, group_bytes, .. } = &mut *self.0;
        let group = &mut groups[at];
        *group_bytes -= group.allocated();
        let result = f(group, blocks);
        *group_bytes += group.allocated();
        result
    }

    /// Gives the next entries, at most `most`, to a consumer of a group, and passes them to `f`.
    /// They become pending unless `no_ack`. Returns how many there were.
    pub fn give(
        &mut self,
        name: &[u8],
        consumer: u32,
        most: usize,
        now_ms: i64,
        no_ack: bool,
        mut f: impl FnMut(Item<'_>),
    ) -> usize {
        let progress = self.progress();
        let Ok(at) = self.position(name) else { return 0 };
        self.edit_at(at, |group, blocks| {
            let Some(from) = group.last.next() else { return 0 };
            let (mut count, mut new) = (0, SmallVec::<[Pending; AT_ONCE]>::new());
            for item in blocks.from(from).take(most) {
                group.read = progress.read_after(group.read, group.last, item.id);
                group.last = item.id;
                if !no_ack {
                    let given = Pending { id: item.id, given_ms: now_ms, count: 1, consumer };
                    // One that was given before, and which the group was set back behind.
                    if group.pending().last().is_some_and(|last| last.id >= item.id) {
                        group.give(given);
                    } else {
                        new.push(given);
                        if new.len() == AT_ONCE {
                            group.give_more(consumer, &new);
                            new.clear();
                        }
                    }
                }
                f(item);
                count += 1;
            }
            if !new.is_empty() {
                group.give_more(consumer, &new);
            }
            count
        })
    }

    /// All that is in it, as text: for tests.
    pub fn contents(&self) -> String {
        let mut text = format!("{:?}", (self.last_id(), self.max_deleted_id(), self.added()));
        for item in self.from(Id::MIN) {
            text += &format!("{:?}", (item.id, item.fields.iter().collect::<Vec<_>>()));
        }
        for group in self.groups() {
            let names = group.consumers().map(|consumer| consumer.name());
            let names: Vec<_> = names.collect();
            text += &format!("{:?}", (group.name(), group.last, group.read, names));
            for Pending { id, given_ms, count, consumer } in group.pending().iter() {
                text += &format!("{:?}", (id, given_ms, count, group.name_of(*consumer)));
            }
        }
        for producer in self.idempotence().into_iter().flat_map(Idempotence::producers) {
            text += &format!("{:?}", (producer.name(), producer.sent().collect::<Vec<_>>()));
        }
        text
    }

    /// What producers have sent, if any said so.
    pub fn idempotence(&self) -> Option<&Idempotence> {
        self.0.idempotence.as_deref()
    }

    /// The same, to be changed.
    pub fn idempotence_mut(&mut self, keep: Keep) -> &mut Idempotence {
        self.0.idempotence.get_or_insert_with(|| Box::new(Idempotence::new(keep)))
    }

    /// What is needed to tell how far groups are.
    pub fn progress(&self) -> Progress {
        Progress {
            first: self.first_id(),
            last: self.0.last,
            max_deleted: self.0.max_deleted,
            len: self.0.len,
            added: self.0.added,
        }
    }
}
