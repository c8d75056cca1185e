//! A page: 768 bytes of members, each a few bytes, in no particular order.
//!
//! ```text
//!  head   blocks of 16 slots                            texts, the first one at the end
//! +------+---------------+----------------------+------+-----------+-----------+-------+
//! |      | tags | codes  | tags | codes | -->  free <-- | third     | second    | first |
//! +------+---------------+----------------------+------+-----------+-----------+-------+
//! ```
//!
//! A slot is a tag, a byte of the member's hash, and a code: the length of its text, or [`INTEGER`]
//! and the number of bytes of an integer. Where a text lies is the sum of the lengths before it,
//! added up while the tags are compared.
//!
//! The invariants: `count` and `texts`, the bytes of all texts, describe the body; all members have
//! orders that begin with the `depth` upper bits of `order`.

use super::super::Member;
use super::block::{self, LENGTH};
use crate::storage::memory::prefetch;
use crate::storage::value::dense::Numbered;

/// Bytes of slots and texts.
pub const BODY: usize = 756;
/// The longest text in a page, in bytes.
pub const TEXT_MAX: usize = 64;
/// The most members of a page.
pub const COUNT_MAX: usize = 192;
/// In a code: the text is an integer's bytes, the lowest first, as few as hold its sign.
const INTEGER: u8 = 0x80;
/// Bytes of a slot.
const SLOT: usize = 2;
/// The number of a page that is a hole.
const NONE: u32 = u32::MAX;

const _: () = assert!(size_of::<Page>() == 768);
const _: () = assert!(TEXT_MAX <= LENGTH as usize && COUNT_MAX <= u8::MAX as usize);

/// A page of members.
#[derive(Clone)]
#[repr(C)]
pub struct Page {
    /// The lowest order of a member here.
    pub order: u32,
    number: u32,
    texts: u16,
    count: u8,
    /// How many upper bits all orders here share.
    pub depth: u8,
    body: [u8; BODY],
}

impl Default for Page {
    fn default() -> Page {
        Page { order: 0, number: NONE, texts: 0, count: 0, depth: 0, body: [0; BODY] }
    }
}

impl Numbered for Page {
    fn number(&self) -> u32 {
        self.number
    }
    fn set_number(&mut self, number: u32) {
        self.number = number;
    }
}

/// A member as it lies in a page.
#[derive(Clone, Copy)]
pub struct Stored<'a> {
    code: u8,
    integer: [u8; 8],
    text: &'a [u8],
}

impl<'a> Stored<'a> {
    /// A member's bytes; None when they are too long for a page.
    #[inline]
    pub fn of(text: &'a [u8], integer: Option<i64>) -> Option<Stored<'a>> {
        if let Some(n) = integer {
            let bits = 65 - (n ^ (n >> 63)).leading_zeros();
            let code = INTEGER | bits.div_ceil(8) as u8;
            return Some(Stored { code, integer: n.to_le_bytes(), text: b"" });
        }
        let fits = text.len() <= TEXT_MAX;
        fits.then_some(Stored { code: text.len() as u8, integer: [0; 8], text })
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        if self.code & INTEGER != 0 {
            &self.integer[..(self.code & LENGTH) as usize]
        } else {
            self.text
        }
    }

    /// The bytes that it takes.
    #[inline]
    pub fn size(&self) -> usize {
        SLOT + (self.code & LENGTH) as usize
    }
}

/// What an entry with this code and bytes is.
#[inline]
pub fn member(code: u8, bytes: &[u8]) -> Member<'_> {
    if code & INTEGER == 0 {
        return Member::Text(bytes);
    }
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    let unused = 64 - 8 * bytes.len() as u32;
    Member::Integer(i64::from_le_bytes(word) << unused >> unused)
}

impl Page {
    /// No members, the orders beginning with the `depth` upper bits of `order`.
    pub fn new(order: u32, depth: u8) -> Page {
        Page { order, depth, ..Page::default() }
    }

    /// The number of members.
    #[inline]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// The bytes that members have, without the free slots of the last block.
    #[inline]
    pub fn used(&self) -> usize {
        self.texts as usize + SLOT * self.len()
    }

    /// Whether there is room for a member.
    #[inline]
    pub fn has_room(&self, stored: &Stored<'_>) -> bool {
        let blocks = (self.len() + 1).div_ceil(block::SLOTS);
        let texts = self.texts as usize + stored.size() - SLOT;
        blocks * block::BYTES + texts <= BODY && self.len() < COUNT_MAX
    }

    /// The tags and the codes of a block.
    #[inline]
    fn block(&self, nth: usize) -> (&[u8; block::SLOTS], &[u8; block::SLOTS]) {
        let bytes = &self.body[block::BYTES * nth..][..block::BYTES];
        let (tags, codes) = bytes.split_at(block::SLOTS);
        let array = "both halves are of a block's length";
        (tags.try_into().expect(array), codes.try_into().expect(array))
    }

    /// Where the tag of a slot is. Its code is [`block::SLOTS`] behind.
    #[inline]
    fn slot_at(i: usize) -> usize {
        i / block::SLOTS * block::BYTES + i % block::SLOTS
    }

    #[inline]
    fn slot(&self, i: usize) -> (u8, u8) {
        let at = Page::slot_at(i);
        (self.body[at], self.body[at + block::SLOTS])
    }

    #[inline]
    fn set_slot(&mut self, i: usize, (tag, code): (u8, u8)) {
        let at = Page::slot_at(i);
        (self.body[at], self.body[at + block::SLOTS]) = (tag, code);
    }

    /// Calls `f` with each member whose tag is `tag`: its turn, its code and the end of its text,
    /// counted from the end of the body; until it returns a result.
    #[inline]
    fn each_tagged<R>(
        &self,
        tag: u8,
        mut f: impl FnMut(usize, u8, usize) -> Option<R>,
    ) -> Option<R> {
        let count = self.len();
        let mut sum = 0;
        for nth in 0..count.div_ceil(block::SLOTS) {
            let (tags, codes) = self.block(nth);
            let mut same = block::equal(tags, tag);
            while same != 0 {
                let lane = same.trailing_zeros() as usize;
                let i = block::SLOTS * nth + lane;
                if i >= count {
                    break;
                }
                let found = f(i, codes[lane], sum + block::sum(codes, lane + 1));
                if found.is_some() {
                    return found;
                }
                same &= same - 1;
            }
            sum += block::sum(codes, block::SLOTS);
        }
        None
    }

    /// The turn of a member, if it is here.
    #[inline]
    pub fn find(&self, tag: u8, stored: &Stored<'_>) -> Option<usize> {
        self.find_entry(tag, stored.code, stored.bytes())
    }

    /// The turn of what [`Page::entries`] of another page has, if it is here.
    #[inline]
    pub fn find_entry(&self, tag: u8, code: u8, bytes: &[u8]) -> Option<usize> {
        self.each_tagged(tag, |i, other, end| {
            let at = BODY.saturating_sub(end);
            let is = code == other && self.body.get(at..at + bytes.len()) == Some(bytes);
            is.then_some(i)
        })
    }

    /// Asks the processor to fetch the slots.
    #[inline]
    pub fn prefetch(&self) {
        let at: *const Page = self;
        prefetch(at.cast());
        prefetch(at.cast::<u8>().wrapping_add(64));
    }

    /// Asks the processor to fetch the texts of the members with a tag, mostly one, and the end
    /// of the texts: there a new one would lie, and from there one comes where another goes.
    #[inline]
    pub fn prefetch_tagged(&self, tag: u8) {
        self.each_tagged(tag, |_, _, end| {
            if let Some(byte) = self.body.get(BODY.saturating_sub(end)) {
                prefetch(byte);
            }
            None::<()>
        });
        if let Some(byte) = self.body.get((BODY - 1).saturating_sub(self.texts as usize)) {
            prefetch(byte);
        }
    }

    /// The sum of the lengths of the texts before the one at `i`.
    #[inline]
    fn before(&self, i: usize) -> usize {
        let whole = i / block::SLOTS;
        let blocks = (0..whole).map(|nth| block::sum(self.block(nth).1, block::SLOTS));
        blocks.sum::<usize>() + block::sum(self.block(whole).1, i % block::SLOTS)
    }

    /// The member at `i`.
    #[inline]
    pub fn member(&self, i: usize) -> Option<Member<'_>> {
        (i < self.len()).then(|| {
            let code = self.slot(i).1;
            let end = BODY - self.before(i);
            member(code, &self.body[end - (code & LENGTH) as usize..end])
        })
    }

    /// All members, with tag, code and bytes.
    #[inline]
    pub fn entries(&self) -> impl Iterator<Item = (u8, u8, &[u8])> {
        let mut end = BODY;
        (0..self.len()).map(move |i| {
            let (tag, code) = self.slot(i);
            let at = end - (code & LENGTH) as usize;
            let bytes = &self.body[at..end];
            end = at;
            (tag, code, bytes)
        })
    }

    /// All members.
    #[inline]
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.entries().map(|(_, code, bytes)| member(code, bytes))
    }

    /// Adds a member, for which there is room.
    #[inline]
    pub fn push(&mut self, tag: u8, stored: &Stored<'_>) {
        self.push_entry(tag, stored.code, stored.bytes());
    }

    /// Adds what [`Page::entries`] of another page has.
    #[inline]
    pub fn push_entry(&mut self, tag: u8, code: u8, bytes: &[u8]) {
        let end = BODY - self.texts as usize;
        self.body[end - bytes.len()..end].copy_from_slice(bytes);
        self.set_slot(self.len(), (tag, code));
        self.count += 1;
        self.texts += bytes.len() as u16;
    }

    /// Removes the member at `i`; others may get its turn. The last one takes its place if it is as
    /// long, so that most of the page is not even looked at.
    pub fn remove(&mut self, i: usize) {
        let (last, len) = (self.len() - 1, (self.slot(i).1 & LENGTH) as usize);
        let end = BODY - self.before(i);
        let first = BODY - self.texts as usize;
        if (self.slot(last).1 & LENGTH) as usize == len {
            self.body.copy_within(first..first + len, end - len);
            self.set_slot(i, self.slot(last));
        } else {
            self.body.copy_within(first..end - len, first + len);
            for i in i..last {
                self.set_slot(i, self.slot(i + 1));
            }
        }
        self.count -= 1;
        self.texts -= len as u16;
    }
}
