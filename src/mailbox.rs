//! What others send to a connection: messages of channels it listens to, the reply to a command
//! that it waits in. Bytes are ready to be written; the connection's task is woken and appends
//! them to its output between two replies.

use bytes::Bytes;
use parking_lot::Mutex;
use redstart_protocol::Reply;
use std::sync::atomic::{AtomicBool, Ordering};

/// A connection's mailbox.
#[derive(Default)]
pub struct Mailbox {
    /// Whether there is anything: looked at without the lock on every poll.
    full: AtomicBool,
    mail: Mutex<Mail>,
}

#[derive(Default)]
struct Mail {
    messages: Vec<Bytes>,
    bytes: usize,
}

impl Mailbox {
    /// Adds a message. Returns how many bytes wait.
    pub fn put(&self, message: Bytes) -> usize {
        let mut mail = self.mail.lock();
        mail.bytes += message.len();
        mail.messages.push(message);
        self.full.store(true, Ordering::Release);
        mail.bytes
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        if self.full.load(Ordering::Acquire) { self.mail.lock().bytes } else { 0 }
    }

    /// Appends everything to `out`; false when there was nothing.
    #[inline]
    pub fn take(&self, out: &mut Reply) -> bool {
        self.full.load(Ordering::Acquire) && self.empty(out)
    }

    #[cold]
    fn empty(&self, out: &mut Reply) -> bool {
        let mail = {
            let mut mail = self.mail.lock();
            self.full.store(false, Ordering::Release);
            std::mem::take(&mut *mail)
        };
        mail.messages.iter().for_each(|message| out.raw(message));
        !mail.messages.is_empty()
    }
}
