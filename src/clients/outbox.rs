//! What others push to a client: messages of channels that it listens to, invalidations, the lines
//! of MONITOR. The bytes are ready to be written; the connection's task is woken and appends them
//! to its output between two replies.
//!
//! Small messages are copied one behind the other: a hundred of them cost the receiver one copy,
//! and no sender an allocation. Large ones are shared by all clients that get them.

use bytes::Bytes;
use parking_lot::Mutex;
use redstart_protocol::Reply;
use std::sync::atomic::{AtomicBool, Ordering};

/// The messages that wait for a client.
#[derive(Default)]
pub struct Outbox {
    /// Whether there are any: looked at without the lock on every poll.
    full: AtomicBool,
    messages: Mutex<Messages>,
}

/// Messages from this size on are shared, in bytes. Smaller than for replies: a message may go to
/// many clients.
const SHARED_FROM: usize = 4096;
/// The most that an empty outbox keeps for the next messages, in bytes.
const KEEP_BYTES: usize = 4096;

#[derive(Default)]
struct Messages {
    /// What comes before `tail`.
    parts: Vec<Bytes>,
    tail: Vec<u8>,
    bytes: usize,
}

impl Outbox {
    /// Adds a message. Returns how many bytes wait.
    pub fn put(&self, message: &Bytes) -> usize {
        let mut messages = self.messages.lock();
        messages.bytes += message.len();
        if message.len() < SHARED_FROM {
            messages.tail.extend_from_slice(message);
        } else {
            let tail = std::mem::take(&mut messages.tail);
            messages.parts.extend([tail.into(), message.clone()]);
        }
        self.full.store(true, Ordering::Release);
        messages.bytes
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        if self.full.load(Ordering::Acquire) { self.messages.lock().bytes } else { 0 }
    }

    /// Whether there are messages.
    #[inline]
    pub fn has_any(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// Appends all messages to `out`; false when there were none.
    #[cold]
    pub fn take(&self, out: &mut Reply) -> bool {
        let mut messages = self.messages.lock();
        self.full.store(false, Ordering::Release);
        let any = messages.bytes > 0;
        messages.parts.iter().for_each(|part| out.raw(part));
        out.raw(&messages.tail);
        messages.parts = Vec::new();
        messages.tail.clear();
        messages.tail.shrink_to(KEEP_BYTES);
        messages.bytes = 0;
        any
    }
}
