//! What others send to a connection: messages of channels it listens to, the reply to a command
//! that it waits in. Bytes are ready to be written; the connection's task is woken and appends
//! them to its output between two replies.
//!
//! Small messages are copied one behind the other: a hundred of them cost the receiver one copy and
//! nobody an allocation each. Large ones are shared by all who get them.

use bytes::Bytes;
use parking_lot::Mutex;
use redstart_protocol::Reply;
use std::sync::atomic::{AtomicBool, Ordering};

/// A connection's mailbox.
#[derive(Default)]
pub struct Outbox {
    /// Whether there is anything: looked at without the lock on every poll.
    full: AtomicBool,
    mail: Mutex<Mail>,
}

/// Messages from this size on are shared, in bytes.
const SHARED_MIN: usize = 4096;
/// The most that an empty mailbox keeps for the next messages, in bytes.
const KEEP_BYTES: usize = 4096;

#[derive(Default)]
struct Mail {
    /// What comes before `tail`.
    parts: Vec<Bytes>,
    tail: Vec<u8>,
    bytes: usize,
}

impl Outbox {
    /// Adds a message. Returns how many bytes wait.
    pub fn put(&self, message: &Bytes) -> usize {
        let mut mail = self.mail.lock();
        mail.bytes += message.len();
        if message.len() < SHARED_MIN {
            mail.tail.extend_from_slice(message);
        } else {
            let tail = std::mem::take(&mut mail.tail);
            mail.parts.extend([tail.into(), message.clone()]);
        }
        self.full.store(true, Ordering::Release);
        mail.bytes
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        if self.full.load(Ordering::Acquire) { self.mail.lock().bytes } else { 0 }
    }

    /// Whether there is anything.
    #[inline]
    pub fn has_any(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// Appends everything to `out`; false when there was nothing.
    #[cold]
    pub fn take(&self, out: &mut Reply) -> bool {
        let mut mail = self.mail.lock();
        self.full.store(false, Ordering::Release);
        let any = mail.bytes > 0;
        mail.parts.iter().for_each(|part| out.raw(part));
        out.raw(&mail.tail);
        mail.parts = Vec::new();
        mail.tail.clear();
        mail.tail.shrink_to(KEEP_BYTES);
        mail.bytes = 0;
        any
    }
}
