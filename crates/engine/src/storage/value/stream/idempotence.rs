//! Which messages producers have sent lately, so that one that is sent again is not added again
//! (XADD IDMP).
//!
//! For each producer the names of its last messages are kept, as many and for as long as the stream
//! says.

use super::id::Id;
use crate::options::StreamKeep as Keep;
use crate::storage::memory::size_class;
use std::collections::VecDeque;

/// What a producer has sent: the messages' names and the ids of the entries, in their order.
#[derive(Clone, Debug, Default)]
pub struct Producer {
    name: Box<[u8]>,
    sent: VecDeque<(Box<[u8]>, Id)>,
    bytes: usize,
}

impl Producer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Its messages and their entries.
    pub fn sent(&self) -> impl ExactSizeIterator<Item = (&[u8], Id)> {
        self.sent.iter().map(|(name, id)| (&name[..], *id))
    }

    fn allocated(&self) -> usize {
        size_class(self.name.len())
            + size_class(self.sent.capacity() * size_of::<(Box<[u8]>, Id)>())
            + self.bytes
    }

    fn drop_first(&mut self) {
        if let Some((name, _)) = self.sent.pop_front() {
            self.bytes -= size_class(name.len());
        }
    }
}

/// What producers have sent.
#[derive(Clone, Debug)]
pub struct Idempotence {
    keep: Keep,
    /// By name.
    producers: Vec<Producer>,
    /// When was last looked for what is too old, in wall time; zero is never.
    swept_ms: u64,
    /// How many messages were ever added with a name.
    pub added: u64,
    /// How many were not, being there already.
    pub again: u64,
}

impl Idempotence {
    /// Nothing yet.
    pub fn new(keep: Keep) -> Idempotence {
        Idempotence { keep, producers: Vec::new(), swept_ms: 0, added: 0, again: 0 }
    }

    /// How much is kept.
    pub fn keep(&self) -> Keep {
        self.keep
    }

    /// Sets how much is kept, and forgets everything when that changes it.
    pub fn set_keep(&mut self, keep: Keep) {
        if keep != self.keep {
            self.keep = keep;
            self.producers = Vec::new();
        }
    }

    /// The producers, by name.
    pub fn producers(&self) -> &[Producer] {
        &self.producers
    }

    /// How many messages are remembered.
    pub fn count(&self) -> usize {
        self.producers.iter().map(|producer| producer.sent.len()).sum()
    }

    /// The bytes taken from the allocator.
    pub fn allocated(&self) -> usize {
        size_class(size_of::<Idempotence>())
            + size_class(self.producers.capacity() * size_of::<Producer>())
            + self.producers.iter().map(Producer::allocated).sum::<usize>()
    }

    fn position(&self, producer: &[u8]) -> Result<usize, usize> {
        self.producers.binary_search_by(|known| (*known.name).cmp(producer))
    }

    /// Forgets what is too old by the entries' ids; looks for it once a second, as Redis does.
    pub fn expire(&mut self, now_ms: u64) {
        if now_ms < self.swept_ms.saturating_add(1000) || self.swept_ms == 0 {
            self.swept_ms = if self.swept_ms == 0 { now_ms } else { self.swept_ms };
            return;
        }
        self.swept_ms = now_ms;
        let oldest_ms = now_ms.saturating_sub(self.keep.duration_s.saturating_mul(1000));
        for producer in &mut self.producers {
            while producer.sent.front().is_some_and(|(_, id)| id.ms < oldest_ms) {
                producer.drop_first();
            }
        }
        self.producers.retain(|producer| !producer.sent.is_empty());
    }

    /// The entry of a message that was sent before.
    pub fn find(&self, producer: &[u8], message: &[u8]) -> Option<Id> {
        let producer = &self.producers[self.position(producer).ok()?];
        producer.sent.iter().rev().find(|(name, _)| **name == *message).map(|(_, id)| *id)
    }

    /// Remembers a message.
    pub fn add(&mut self, producer: &[u8], message: &[u8], id: Id) {
        let at = self.position(producer).unwrap_or_else(|at| {
            self.producers.insert(at, Producer { name: producer.into(), ..Producer::default() });
            at
        });
        let producer = &mut self.producers[at];
        producer.bytes += size_class(message.len());
        producer.sent.push_back((message.into(), id));
        while producer.sent.len() as u64 > self.keep.most {
            producer.drop_first();
        }
    }
}
