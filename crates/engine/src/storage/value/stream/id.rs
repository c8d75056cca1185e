//! An entry's id: a time in milliseconds, and a number among those of one millisecond.

/// The id of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Milliseconds since the Unix epoch, where the server chose the id.
    pub ms: u64,
    /// The number within the millisecond.
    pub seq: u64,
}

/// The most bytes of an id as text.
pub const TEXT_MAX: usize = 41;

impl Id {
    /// The least id. No entry has it.
    pub const MIN: Id = Id { ms: 0, seq: 0 };
    /// The greatest id.
    pub const MAX: Id = Id { ms: u64::MAX, seq: u64::MAX };

    /// An id from its two parts.
    pub const fn new(ms: u64, seq: u64) -> Id {
        Id { ms, seq }
    }

    /// The id behind this one, if it is not the greatest.
    pub fn next(self) -> Option<Id> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(Id { seq, ..self }),
            None => Some(Id { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id before this one, if it is not the least.
    pub fn previous(self) -> Option<Id> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(Id { seq, ..self }),
            None => Some(Id { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// Reads `ms-seq`, or `ms` alone, whose number is `seq` then.
    pub fn parse(text: &[u8], seq: u64) -> Option<Id> {
        match text.iter().position(|byte| *byte == b'-') {
            None => Some(Id { ms: number(text)?, seq }),
            Some(at) => Some(Id { ms: number(&text[..at])?, seq: number(&text[at + 1..])? }),
        }
    }

    /// Calls `f` with the id as text.
    #[inline]
    pub fn with_text<R>(self, f: impl FnOnce(&[u8]) -> R) -> R {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (ms, seq) = (ms.format(self.ms).as_bytes(), seq.format(self.seq).as_bytes());
        let mut text = [0; TEXT_MAX];
        let len = ms.len() + 1 + seq.len();
        text[..ms.len()].copy_from_slice(ms);
        text[ms.len()] = b'-';
        text[ms.len() + 1..len].copy_from_slice(seq);
        f(&text[..len])
    }

    /// The id as text.
    pub fn to_text(self) -> Vec<u8> {
        self.with_text(<[u8]>::to_vec)
    }
}

/// A number without a sign as Redis reads one in an id: zeros, blanks or a plus may precede it.
fn number(text: &[u8]) -> Option<u64> {
    let digits = text.trim_ascii_start();
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    let is_number = !digits.is_empty() && digits.len() <= 100;
    digits
        .iter()
        .filter(|_| is_number)
        .try_fold(0u64, |number, digit| {
            let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            number.checked_mul(10)?.checked_add(digit)
        })
        .filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_it_is_written() {
        for id in [Id::MIN, Id::MAX, Id::new(1_700_000_000_000, 7), Id::new(0, u64::MAX)] {
            assert_eq!(Id::parse(&id.to_text(), 9), Some(id));
        }
        assert_eq!(Id::parse(b"5", 9), Some(Id::new(5, 9)));
        for text in [&b""[..], b"-", b"1-", b"-1", b"1-2-3", b"+", b"a-1", b"18446744073709551616"]
        {
            assert_eq!(Id::parse(text, 0), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn neighbours_are_next_to_each_other() {
        let edge = Id::new(3, u64::MAX);
        assert_eq!(edge.next(), Some(Id::new(4, 0)));
        assert_eq!(Id::new(4, 0).previous(), Some(edge));
        assert_eq!((Id::MAX.next(), Id::MIN.previous()), (None, None));
    }
}
