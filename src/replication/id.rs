//! What a stream is told by: forty hexadecimal digits, and those of the stream that it goes on
//! with.

/// Forty hexadecimal digits.
pub type Id = [u8; 40];

/// The identity of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids {
    /// Of the stream.
    pub id: Id,
    /// Of the stream before; zeros for none.
    pub id2: Id,
    /// From this offset on `id2` counts no more; -1 for none.
    pub second_offset: i64,
}

/// No stream.
const NONE: Id = [b'0'; 40];

impl Default for Ids {
    fn default() -> Ids {
        Ids::new()
    }
}

impl Ids {
    /// A new stream.
    pub fn new() -> Ids {
        Ids { id: random(), id2: NONE, second_offset: -1 }
    }

    /// The stream of this id, and none before it.
    pub fn of(id: Id) -> Ids {
        Ids { id, ..Ids::new() }
    }

    /// The stream is a new one.
    pub fn renew(&mut self) {
        *self = Ids::new();
    }

    /// The stream goes on under a new id; the old one counts for its first `offset` bytes.
    pub fn shift(&mut self, offset: u64) {
        self.shift_to(random(), offset);
    }

    /// As [`Ids::shift`], under this id.
    pub fn shift_to(&mut self, id: Id, offset: u64) {
        self.id2 = std::mem::replace(&mut self.id, id);
        // A replica asks for the byte behind what it has.
        self.second_offset = offset as i64 + 1;
    }

    /// Whether a replica of the stream `id` that asks for what begins at `offset` (counted from 1)
    /// has what is here.
    pub fn knows(&self, id: &[u8], offset: i64) -> bool {
        id == self.id || id == self.id2 && offset <= self.second_offset
    }
}

/// Forty random digits.
pub fn random() -> Id {
    std::array::from_fn(|_| b"0123456789abcdef"[fastrand::usize(..16)])
}
