//! A block of a stream: entries in the order of their ids, in one buffer.
//!
//! ```text
//! head    fields | name length | name | value length | ...        of the first entry
//! entry   what | [ms] | [seq] | [fields | name length | name ...] | [value length] value ...
//!
//! what    bit 0 deleted | bit 1 own names | bit 2 own lengths | bits 3, 4 id | bits 5 to 7 small
//! id      0  the millisecond of the entry before, and the next number
//!         1  so many milliseconds behind the entry before (small, or as a number if that is zero),
//!            with the number zero
//!         2  both as numbers: milliseconds behind the entry before, and the number, which within
//!            one millisecond is the distance
//! ```
//!
//! Numbers are in groups of seven bits, the lowest first. An entry whose names are those of the
//! head has only values, and where their lengths are the head's, too, nothing but their bytes: it
//! is passed over without a look at them. What is removed is marked, so that nothing moves; a block
//! without an entry that is left is dropped by its stream.

use super::id::Id;
use crate::options::StreamLimits as Limits;
use crate::storage::memory::size_class;
use redstart_protocol::parse_i64;

pub(super) const DELETED: u8 = 1;
pub(super) const OWN_NAMES: u8 = 2;
pub(super) const OWN_LENGTHS: u8 = 4;
pub(super) const ID_SHIFT: u8 = 3;
pub(super) const SMALL_SHIFT: u8 = 5;
const SMALL_MAX: u64 = 7;
pub(super) const ID_NEXT: u8 = 0;
pub(super) const ID_LATER: u8 = 1;
pub(super) const ID_BOTH: u8 = 2;

/// No block is filled further than this, whatever the settings allow, in bytes: what is shared
/// with a snapshot is copied before it changes.
const BYTES_MAX: usize = 1 << 18;
/// The least room of a new block, in bytes.
const ROOM_MIN: usize = 64;

/// A block of entries.
#[derive(Debug, Default)]
pub struct Block {
    pub(super) first: Id,
    pub(super) last: Id,
    pub(super) bytes: Vec<u8>,
    pub(super) live: u32,
    pub(super) deleted: u32,
    /// Where the entries begin.
    pub(super) head: u32,
    /// What Redis's form of the block takes, its two counts aside, in bytes.
    pub(super) packed: u32,
}

const _: () = assert!(size_of::<Block>() == 72);

/// A copied buffer has no spare room.
impl Clone for Block {
    fn clone(&self) -> Block {
        Block { bytes: self.bytes.clone(), ..*self }
    }
}

fn put(to: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

/// A number from the beginning of `rest`, which is shortened by it. Zero, where there is none.
#[inline]
fn take(rest: &mut &[u8]) -> u64 {
    match **rest {
        [byte, ref behind @ ..] if byte < 0x80 => {
            *rest = behind;
            byte.into()
        }
        _ => take_long(rest).unwrap_or(0),
    }
}

pub(super) fn take_long(rest: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        n |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(n);
        }
    }
    None
}

#[inline]
fn take_bytes<'a>(rest: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (bytes, behind) = rest.split_at(len);
    *rest = behind;
    bytes
}

/// What a number takes in Redis's listpack.
pub(super) fn packed_number(n: i64) -> usize {
    match n {
        0..128 => 2,
        -4096..4096 => 3,
        -32_768..32_768 => 4,
        -8_388_608..8_388_608 => 5,
        -2_147_483_648..2_147_483_648 => 6,
        _ => 10,
    }
}

/// What a text takes there.
#[inline]
pub(super) fn packed_text(text: &[u8]) -> usize {
    if text.len() <= 20
        && matches!(text.first(), Some(b'-' | b'0'..=b'9'))
        && let Some(n) = parse_i64(text)
    {
        return packed_number(n);
    }
    let len = text.len();
    let body = len
        + if len < 64 {
            1
        } else if len < 4096 {
            2
        } else {
            5
        };
    body + match body {
        0..128 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// The names and values of an entry that is to be added: name, value, name, ...
pub trait Pairs<'a>: ExactSizeIterator<Item = &'a [u8]> + Clone {}
impl<'a, T: ExactSizeIterator<Item = &'a [u8]> + Clone> Pairs<'a> for T {}

impl Block {
    /// A block of one entry.
    pub fn new<'a>(id: Id, pairs: impl Pairs<'a>) -> Block {
        let mut block = Block { first: id, last: id, ..Block::default() };
        block.bytes.reserve_exact(size_class(ROOM_MIN.max(bytes_of(pairs.clone()) + 16)));
        // What frames it, the number of names, the names, and the end of the head.
        let mut packed = 7 + packed_number((pairs.len() / 2) as i64) + 2;
        put(&mut block.bytes, (pairs.len() / 2) as u64);
        let mut rest = pairs.clone();
        while let (Some(name), Some(value)) = (rest.next(), rest.next()) {
            packed += packed_text(name);
            put(&mut block.bytes, name.len() as u64);
            block.bytes.extend_from_slice(name);
            put(&mut block.bytes, value.len() as u64);
        }
        block.head = block.bytes.len() as u32;
        block.packed = packed as u32;
        block.add(id, pairs);
        block
    }

    /// Adds an entry behind the last one.
    pub fn add<'a>(&mut self, id: Id, pairs: impl Pairs<'a>) {
        let (names, lengths) = self.compare(pairs.clone());
        let count = pairs.len() / 2;
        let need = self.bytes.len() + bytes_of(pairs.clone()) + 24;
        if need > self.bytes.capacity() {
            self.grow(need, pairs.clone(), names && lengths);
        }
        self.put_head(id, names, lengths);
        let bytes = &mut self.bytes;
        let mut packed = 0;
        if !names {
            put(bytes, count as u64);
            packed += packed_number(count as i64);
        }
        for (at, text) in pairs.enumerate() {
            let is_value = at % 2 == 1;
            if is_value || !names {
                packed += packed_text(text);
                if !(names && lengths) {
                    put(bytes, text.len() as u64);
                }
                bytes.extend_from_slice(text);
            }
        }
        packed += self.packed_frame(id, names, count);
        self.packed = self.packed.saturating_add(packed as u32);
        self.live += 1;
        self.last = id;
    }

    /// What Redis's form of an entry of so many fields takes beside its texts: the flags, two
    /// distances, and the number of parts.
    pub(super) fn packed_frame(&self, id: Id, names: bool, fields: usize) -> usize {
        let distance = |to: u64, from: u64| packed_number(to.wrapping_sub(from) as i64);
        let parts = if names { fields + 3 } else { fields * 2 + 4 };
        2 + distance(id.ms, self.first.ms)
            + distance(id.seq, self.first.seq)
            + packed_number(parts as i64)
    }

    /// More room, a fifth beyond what is needed.
    #[cold]
    fn grow<'a>(&mut self, need: usize, pairs: impl Pairs<'a>, is_even: bool) {
        let exact = if is_even {
            self.bytes.len() + 8 + pairs.skip(1).step_by(2).map(<[u8]>::len).sum::<usize>()
        } else {
            need
        };
        if exact > self.bytes.capacity() {
            let room = size_class(exact + exact / 5);
            self.bytes.reserve_exact(room - self.bytes.len());
        }
    }

    /// Whether names, and the values' lengths, are those of the head.
    #[inline]
    fn compare<'a>(&self, mut pairs: impl Pairs<'a>) -> (bool, bool) {
        let mut head = &self.bytes[..self.head as usize];
        if take(&mut head) as usize != pairs.len() / 2 {
            return (false, false);
        }
        let mut lengths = true;
        while let (Some(name), Some(value)) = (pairs.next(), pairs.next()) {
            let len = take(&mut head) as usize;
            if take_bytes(&mut head, len) != name {
                return (false, false);
            }
            lengths &= take(&mut head) as usize == value.len();
        }
        (true, lengths)
    }

    #[inline]
    fn put_head(&mut self, id: Id, names: bool, lengths: bool) {
        let own = if names { 0 } else { OWN_NAMES } | if lengths { 0 } else { OWN_LENGTHS };
        let ms = id.ms - self.last.ms;
        let (seq, is_next) = match ms {
            0 => (id.seq - self.last.seq, id.seq - self.last.seq == 1),
            _ => (id.seq, false),
        };
        if is_next {
            self.bytes.push(own | ID_NEXT << ID_SHIFT);
        } else if ms > 0 && seq == 0 {
            let small = if ms <= SMALL_MAX { ms as u8 } else { 0 };
            self.bytes.push(own | ID_LATER << ID_SHIFT | small << SMALL_SHIFT);
            if small == 0 {
                put(&mut self.bytes, ms);
            }
        } else {
            self.bytes.push(own | ID_BOTH << ID_SHIFT);
            put(&mut self.bytes, ms);
            put(&mut self.bytes, seq);
        }
    }

    /// Whether an entry of so many bytes of texts, as Redis counts, is not added here any more.
    #[inline]
    pub fn is_full(&self, texts: usize, limits: Limits) -> bool {
        let bytes = if limits.bytes == 0 { usize::MAX } else { limits.bytes };
        let count = (self.live + self.deleted) as usize;
        self.packed_bytes() + texts >= bytes
            || (limits.entries > 0 && count >= limits.entries)
            || self.bytes.len() + texts >= BYTES_MAX
            || count >= (u32::MAX / 2) as usize
    }

    /// What Redis's form of the block takes, in bytes.
    fn packed_bytes(&self) -> usize {
        let counts = packed_number(self.live.into()) + packed_number(self.deleted.into());
        self.packed as usize + counts
    }

    /// Gives back the room behind the last entry: none is added any more.
    pub fn close(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// The id of the first entry that was ever here.
    #[inline]
    pub fn first(&self) -> Id {
        self.first
    }

    /// The id of the last entry that was ever here.
    #[inline]
    pub fn last(&self) -> Id {
        self.last
    }

    /// The number of entries.
    #[inline]
    pub fn live(&self) -> u64 {
        self.live.into()
    }

    /// The number of entries that were removed.
    pub fn deleted(&self) -> u64 {
        self.deleted.into()
    }

    /// All bytes, as [`Block::restore`] (`stored.rs`) reads them.
    pub fn raw(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes that the buffer takes from the allocator.
    #[inline]
    pub fn allocated(&self) -> usize {
        size_class(self.bytes.capacity())
    }

    /// The fields' names in the head.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut rest = &self.bytes[..self.head as usize];
        let count = take(&mut rest) as usize;
        (0..count).map(move |_| {
            let len = take(&mut rest) as usize;
            let name = take_bytes(&mut rest, len);
            take(&mut rest);
            name
        })
    }

    /// Marks the entry as removed that begins at `at`; see [`Item::at`].
    pub fn delete(&mut self, at: usize) {
        let what = &mut self.bytes[at];
        assert!(*what & DELETED == 0, "it was there");
        *what |= DELETED;
        self.live -= 1;
        self.deleted += 1;
    }

    /// The entries in order, those that were removed among them.
    #[inline]
    pub fn items(&self) -> Items<'_> {
        let mut head = &self.bytes[..self.head as usize];
        let count = take(&mut head) as usize;
        let names = head;
        let even = (0..count).map(|_| {
            let len = take(&mut head) as usize;
            take_bytes(&mut head, len);
            take(&mut head) as usize
        });
        let even = even.sum();
        Items { block: self, names, count, even, id: self.first, at: self.head as usize }
    }
}

/// About what the texts of an entry take here, at most.
#[inline]
fn bytes_of<'a>(pairs: impl Pairs<'a>) -> usize {
    pairs.map(|text| text.len() + 1 + if text.len() < 128 { 0 } else { 5 }).sum()
}

/// An entry's fields.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// Names with the lengths of the values, of the head; or nothing.
    names: Option<&'a [u8]>,
    rest: &'a [u8],
    count: usize,
    own_lengths: bool,
}

impl<'a> Fields<'a> {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether they have the names of the block's head.
    pub fn has_head_names(&self) -> bool {
        self.names.is_some()
    }

    /// Names and values in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let Fields { mut names, mut rest, count, own_lengths } = *self;
        (0..count).map(move |_| match &mut names {
            Some(names) => {
                let len = take(names) as usize;
                let name = take_bytes(names, len);
                let len = take(names) as usize;
                let len = if own_lengths { take(&mut rest) as usize } else { len };
                (name, take_bytes(&mut rest, len))
            }
            None => {
                let len = take(&mut rest) as usize;
                let name = take_bytes(&mut rest, len);
                let len = take(&mut rest) as usize;
                (name, take_bytes(&mut rest, len))
            }
        })
    }
}

/// An entry in its block.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// Its id.
    pub id: Id,
    /// Where it begins.
    pub at: usize,
    /// Whether it was removed.
    pub is_deleted: bool,
    /// Its fields.
    pub fields: Fields<'a>,
}

/// The entries of a block.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    block: &'a Block,
    names: &'a [u8],
    count: usize,
    even: usize,
    id: Id,
    at: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        let mut rest = self.block.bytes.get(self.at..)?;
        let what = *rest.first()?;
        let at = self.at;
        rest = &rest[1..];
        match what >> ID_SHIFT & 3 {
            ID_NEXT => self.id.seq += 1,
            ID_LATER => {
                let small = u64::from(what >> SMALL_SHIFT);
                self.id.ms += if small == 0 { take(&mut rest) } else { small };
                self.id.seq = 0;
            }
            _ => {
                let (ms, seq) = (take(&mut rest), take(&mut rest));
                self.id.seq = if ms == 0 { self.id.seq + seq } else { seq };
                self.id.ms += ms;
            }
        }
        let own_names = what & OWN_NAMES != 0;
        let own_lengths = what & OWN_LENGTHS != 0;
        let count = if own_names { take(&mut rest) as usize } else { self.count };
        let fields = Fields { names: (!own_names).then_some(self.names), rest, count, own_lengths };
        let end = if own_names || own_lengths {
            let lens = if own_names { 2 * count } else { count };
            for _ in 0..lens {
                let len = take(&mut rest) as usize;
                take_bytes(&mut rest, len);
            }
            self.block.bytes.len() - rest.len()
        } else {
            self.block.bytes.len() - rest.len() + self.even
        };
        self.at = end;
        Some(Item { id: self.id, at, is_deleted: what & DELETED != 0, fields })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { bytes: 4096, entries: 100 };

    fn pairs<'a>(texts: &'a [&'a str]) -> impl Pairs<'a> {
        texts.iter().map(|text| text.as_bytes())
    }

    #[test]
    fn entries_of_the_same_shape_take_their_values_and_a_byte() {
        let mut block = Block::new(Id::new(1000, 0), pairs(&["a", "0123456789", "b", "xyz"]));
        let before = block.bytes.len();
        block.add(Id::new(1000, 1), pairs(&["a", "9876543210", "b", "uvw"]));
        block.add(Id::new(1007, 0), pairs(&["a", "9876543210", "b", "uvw"]));
        assert_eq!(block.bytes.len(), before + 2 * 14);
        // 41 ms need a number behind the first byte, and other lengths stand before the values.
        block.add(Id::new(1048, 0), pairs(&["a", "1", "b", "2"]));
        assert_eq!(block.bytes.len(), before + 2 * 14 + 6);
        let ids: Vec<Id> = block.items().map(|item| item.id).collect();
        let expected = [(1000, 0), (1000, 1), (1007, 0), (1048, 0)];
        assert!(ids.iter().map(|id| (id.ms, id.seq)).eq(expected));
        let last = block.items().last().map(|item| item.fields.iter().collect::<Vec<_>>());
        assert_eq!(last, Some(vec![(&b"a"[..], &b"1"[..]), (b"b", b"2")]));
    }

    #[test]
    fn a_block_is_full_where_rediss_is() {
        let value = "0123456789abcdef";
        let texts = ["field-one", value, "field-two", value];
        let mut block = Block::new(Id::new(1_700_000_000_000, 0), pairs(&texts));
        let mut count = 1;
        while !block.is_full(50, LIMITS) {
            block.add(Id::new(1_700_000_000_000 + count * 100, 0), pairs(&texts));
            count += 1;
        }
        // As Redis 8.6 has it, by XINFO STREAM's count of nodes.
        assert_eq!(count, 89);
    }
}
