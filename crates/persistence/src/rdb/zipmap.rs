//! The zipmap of Redis before 2.6: fields with their values, behind one another.
//!
//! ```text
//! count u8 | length | field | length | unused u8 | value | unused bytes | ... | FF
//! ```
//!
//! A length is one byte, or FE and four, the low one first. A count of 254 says nothing. Bytes
//! between the end and a last FF belong to no pair: Redis passes over them, too.

const LONG: u8 = 0xfe;
const END: u8 = 0xff;

/// A field and its value.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// A zipmap that is being read.
pub struct Zipmap<'a> {
    rest: &'a [u8],
    seen: usize,
    count: u8,
}

impl<'a> Zipmap<'a> {
    /// Looks at the frame.
    ///
    /// # Errors
    /// When it is not a zipmap's.
    pub fn open(bytes: &'a [u8]) -> Result<Zipmap<'a>, &'static str> {
        let [count, rest @ .., END] = bytes else { return Err("a zipmap has no end") };
        Ok(Zipmap { rest, seen: 0, count: *count })
    }

    /// The next field and value; None when all have been read and counted.
    ///
    /// # Errors
    /// When they are damaged.
    pub fn next(&mut self) -> Result<Option<Pair<'a>>, &'static str> {
        if self.rest.first().is_none_or(|&byte| byte == END) {
            if self.count != LONG && usize::from(self.count) != self.seen {
                return Err("a zipmap's count is not right");
            }
            return Ok(None);
        }
        self.seen += 1;
        self.pair().map(Some).ok_or("a zipmap is cut")
    }

    fn pair(&mut self) -> Option<Pair<'a>> {
        let len = self.length()?;
        let field = self.take(len)?;
        let len = self.length()?;
        let unused = self.take(1)?[0];
        let value = self.take(len)?;
        self.take(unused.into())?;
        Some((field, value))
    }

    fn length(&mut self) -> Option<usize> {
        match self.take(1)?[0] {
            LONG => {
                let (len, _) = self.take(4)?.split_first_chunk::<4>()?;
                Some(u32::from_le_bytes(*len) as usize)
            }
            END => None,
            len => Some(len.into()),
        }
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(bytes: &[u8]) -> Result<Vec<Pair<'_>>, &'static str> {
        let mut zipmap = Zipmap::open(bytes)?;
        std::iter::from_fn(|| zipmap.next().transpose()).collect()
    }

    #[test]
    fn the_first_end_is_the_end() {
        let whole = b"\x01\x010\x03\x00201\xff";
        assert_eq!(pairs(whole), Ok(vec![(&b"0"[..], &b"201"[..])]));
        assert_eq!(pairs(&[&whole[..], b"2\xff"].concat()), pairs(whole));
        assert_eq!(pairs(b"\x02\x010\x03\x00201\xff2\xff"), Err("a zipmap's count is not right"));
        assert_eq!(pairs(b"\x01\x010\x09\x00201\xff"), Err("a zipmap is cut"));
        assert_eq!(
            pairs(whole.strip_suffix(b"\xff").expect("it ends so")),
            Err("a zipmap has no end")
        );
    }
}
