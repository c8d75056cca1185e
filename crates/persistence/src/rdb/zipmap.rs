//! The zipmap of Redis before 2.6: fields with their values, behind one another.
//!
//! ```text
//! count u8 | length | field | length | unused u8 | value | unused bytes | ... | FF
//! ```
//!
//! A length is one byte, or FE and four, the low one first. A count of 254 says nothing.

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
        if self.rest.is_empty() {
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
