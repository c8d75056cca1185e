//! The rest of a reply that is too large to be written at once: it is produced piece by piece, as
//! the client reads.
//!
//! ```text
//! buffer   [ *1000000 \r\n $3 \r\n ... ]   written, then filled again from the rest
//! rest     elements that are not in the buffer yet
//! ```
//!
//! What it is made of stays as it was at the moment of the command. One that has much to do before
//! it can write anything does that in pieces, too. A rest is the end of the output: nothing is
//! written behind it. So only an output whose owner says so takes one, and its owner runs no
//! further command before the rest is written.

use crate::reply::Reply;
use std::fmt;

/// What is produced at a time, in bytes.
pub const PIECE_BYTES: usize = 260 * 1024;
/// What is produced at first, in bytes. That happens as the command runs; where many clients ask
/// for much at the same time, those that come after them wait for it.
const FIRST_BYTES: usize = 32 * 1024;

/// Produces the rest of a reply.
pub trait Rest: Send {
    /// Writes about so many bytes, or works for about a millisecond; false when nothing is left.
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool;

    /// The bytes that are kept for it alone.
    fn own_bytes(&self) -> usize {
        0
    }

    /// Frees a piece of what it is made of; false when what is left is little.
    fn shed(&mut self) -> bool {
        false
    }
}

impl fmt::Debug for dyn Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rest of a reply")
    }
}

impl Reply {
    /// Says whether a reply may have a rest.
    pub fn allow_rest(&mut self, allowed: bool) {
        self.takes_rest = allowed;
    }

    /// Whether a reply of about so many bytes is to have a rest.
    pub fn takes_rest(&self, bytes: usize) -> bool {
        self.takes_rest && bytes > 2 * PIECE_BYTES
    }

    /// Writes a first piece of a rest, and keeps what is left of it.
    pub fn put_rest(&mut self, mut rest: Box<dyn Rest>) {
        debug_assert!(self.takes_rest && self.rest.is_none(), "nobody would write it");
        if rest.write(self, FIRST_BYTES) {
            self.rest = Some(rest);
        }
    }

    /// Whether there is a rest.
    #[inline]
    pub fn has_rest(&self) -> bool {
        self.rest.is_some()
    }

    /// Takes the rest away, to be dropped.
    pub fn take_rest(&mut self) -> Option<Box<dyn Rest>> {
        self.rest.take()
    }

    /// Fills the output, all of which has been written, with the next piece of the rest. Returns
    /// the rest when that was the last piece.
    pub fn refill(&mut self) -> Option<Box<dyn Rest>> {
        let mut rest = self.rest.take()?;
        self.clear();
        if rest.write(self, PIECE_BYTES) {
            self.rest = Some(rest);
            return None;
        }
        Some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Protocol;

    struct Numbers(std::ops::Range<i64>);

    impl Rest for Numbers {
        fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
            let start = reply.len();
            while reply.len() - start < bytes
                && let Some(number) = self.0.next()
            {
                reply.bulk_integer(number);
            }
            !self.0.is_empty()
        }

        fn own_bytes(&self) -> usize {
            7
        }
    }

    #[test]
    fn pieces_of_a_rest_are_the_whole_reply() {
        let numbers = 0..100_000;
        let mut whole = Reply::new(Protocol::Resp2);
        whole.array(numbers.clone().count());
        numbers.clone().for_each(|number| whole.bulk_integer(number));
        let mut reply = Reply::new(Protocol::Resp2);
        assert!(!reply.takes_rest(whole.len()));
        reply.allow_rest(true);
        assert!(reply.takes_rest(whole.len()) && !reply.takes_rest(PIECE_BYTES));
        reply.array(numbers.clone().count());
        reply.put_rest(Box::new(Numbers(numbers)));
        let (mut sent, mut pieces) = (reply.to_vec(), 1);
        assert_eq!(reply.own_len(), reply.len() + 7);
        while reply.has_rest() {
            let last = reply.refill();
            assert_eq!(last.is_some(), !reply.has_rest());
            sent.extend(reply.to_vec());
            pieces += 1;
        }
        assert!(sent == whole.to_vec() && pieces > 3, "{pieces} pieces");
    }

    #[test]
    fn what_is_taken_back_has_no_rest() {
        let mut reply = Reply::new(Protocol::Resp2);
        reply.allow_rest(true);
        let mark = reply.mark();
        reply.put_rest(Box::new(Numbers(0..100_000)));
        assert!(reply.has_rest());
        reply.rewind(mark);
        assert!(!reply.has_rest() && reply.is_empty());
        reply.put_rest(Box::new(Numbers(0..10)));
        assert!(!reply.has_rest());
    }
}
