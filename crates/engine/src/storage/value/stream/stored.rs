//! A block as it is read from a file: the bytes are looked at before they are believed.

use super::block::{
    Block, DELETED, ID_BOTH, ID_LATER, ID_NEXT, ID_SHIFT, OWN_LENGTHS, OWN_NAMES, SMALL_SHIFT,
    packed_number, packed_text, take_long,
};
use super::id::Id;

impl Block {
    /// A block from bytes that [`Block::raw`] gave, whose first entry has this id.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn restore(first: Id, bytes: &[u8]) -> Result<Block, &'static str> {
        const BAD: &str = "a block of a stream is damaged";
        let mut checked = Checked(bytes);
        let count = checked.number().ok_or(BAD)?;
        let mut lens = Vec::new();
        let mut packed = 7 + packed_number(count as i64) + 2;
        for _ in 0..count {
            packed += packed_text(checked.text().ok_or(BAD)?);
            lens.push(checked.number().ok_or(BAD)?);
        }
        if count == 0 || u32::try_from(bytes.len()).is_err() {
            return Err(BAD);
        }
        let head = (bytes.len() - checked.0.len()) as u32;
        let mut block = Block { first, last: first, head, ..Block::default() };
        let mut is_first = true;
        block.bytes = bytes.to_vec();
        while !checked.0.is_empty() {
            let (what, id) = checked.id(block.last, is_first).ok_or(BAD)?;
            let (fields, texts) = checked.fields(what, &lens).ok_or(BAD)?;
            packed += texts + block.packed_frame(id, what & OWN_NAMES == 0, fields);
            block.last = id;
            match what & DELETED {
                0 => block.live += 1,
                _ => block.deleted += 1,
            }
            is_first = false;
        }
        block.packed = u32::try_from(packed).map_err(|_| BAD)?;
        if block.live == 0 { Err(BAD) } else { Ok(block) }
    }
}

/// Bytes that may be anything.
struct Checked<'a>(&'a [u8]);

impl<'a> Checked<'a> {
    fn number(&mut self) -> Option<u64> {
        take_long(&mut self.0)
    }

    fn bytes(&mut self, len: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.number()?;
        self.bytes(len)
    }

    /// What an entry is and its id, which is the one before it for the first and greater for any
    /// other.
    fn id(&mut self, before: Id, is_first: bool) -> Option<(u8, Id)> {
        let what = self.bytes(1)?[0];
        let small = u64::from(what >> SMALL_SHIFT);
        let id = match what >> ID_SHIFT & 3 {
            ID_NEXT => Id { seq: before.seq.checked_add(1)?, ..before },
            ID_LATER => {
                let ms = if small == 0 { self.number()? } else { small };
                Id { ms: before.ms.checked_add(ms)?, seq: 0 }
            }
            ID_BOTH => {
                let (ms, seq) = (self.number()?, self.number()?);
                let seq = if ms == 0 { before.seq.checked_add(seq)? } else { seq };
                Id { ms: before.ms.checked_add(ms)?, seq }
            }
            _ => return None,
        };
        (if is_first { id == before } else { id > before }).then_some((what, id))
    }

    /// How many fields an entry has, and what their texts take in Redis's form.
    fn fields(&mut self, what: u8, lens: &[u64]) -> Option<(usize, usize)> {
        if what & OWN_NAMES != 0 {
            let count = self.number().filter(|count| *count > 0)?;
            let mut packed = packed_number(i64::try_from(count).ok()?);
            for _ in 0..count.checked_mul(2)? {
                packed += packed_text(self.text()?);
            }
            return Some((count as usize, packed));
        }
        let mut packed = 0;
        for len in lens {
            let len = if what & OWN_LENGTHS != 0 { self.number()? } else { *len };
            packed += packed_text(self.bytes(len)?);
        }
        Some((lens.len(), packed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs<'a>(texts: &'a [&'a str]) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        texts.iter().map(|text| text.as_bytes())
    }

    #[test]
    fn what_is_restored_is_the_same_and_no_cut_block_is() {
        let mut block = Block::new(Id::new(5, 7), pairs(&["a", "1", "bb", "two"]));
        block.add(Id::new(5, 8), pairs(&["a", "2", "bb", "six"]));
        block.add(Id::new(5, 100), pairs(&["other", "2"]));
        block.add(Id::new(900, 0), pairs(&["a", "3000", "bb", ""]));
        block.add(Id::new(901, 4), pairs(&["a", "x", "bb", "yyy"]));
        let at = block.items().nth(1).expect("it is there").at;
        block.delete(at);
        let again = Block::restore(block.first, block.raw()).expect("it is whole");
        assert_eq!((again.live, again.deleted), (4, 1));
        assert_eq!((again.last, again.packed, again.head), (block.last, block.packed, block.head));
        for len in 0..block.bytes.len() {
            // What ends between two entries is a block of less.
            if let Ok(part) = Block::restore(block.first, &block.bytes[..len]) {
                assert!(part.last < block.last);
            }
        }
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let mut bytes = block.bytes.clone();
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(..);
            if let Ok(other) = Block::restore(block.first, &bytes) {
                other.items().for_each(|item| item.fields.iter().for_each(drop));
            }
        }
    }
}
