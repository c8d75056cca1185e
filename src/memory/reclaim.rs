//! Drops large values and whole databases on a thread of its own, off every request's path and in
//! pieces; a second thread gives the memory of huge blocks back to the system.

use crate::system::allocator;
use crate::system::pace::{Backlog, Pace, Served};
use redstart_engine::keyspace::garbage::Garbage;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};

/// Sends garbage to the thread that drops it.
#[derive(Default)]
pub struct Reclaimer {
    queue: OnceLock<Sender<Vec<Garbage>>>,
    /// Items of the queue that are not dropped yet.
    waiting: AtomicUsize,
    /// The bytes of what is not dropped yet.
    bytes_waiting: AtomicUsize,
    /// Values in them.
    values_waiting: AtomicUsize,
    /// Values that were dropped.
    values_dropped: AtomicUsize,
}

impl Reclaimer {
    /// Starts both threads.
    ///
    /// # Errors
    /// When the system has no threads to give.
    pub fn start(&'static self, served: Served) -> io::Result<()> {
        let (queue, garbage) = channel();
        // The server starts once.
        let _ = self.queue.set(queue);
        let drop_all = move || self.drop_all(served, garbage);
        std::thread::Builder::new().name("reclaim".into()).spawn(drop_all)?;
        std::thread::Builder::new().name("unmap".into()).spawn(allocator::unmap_for_others)?;
        Ok(())
    }

    /// Drops garbage soon, on the other thread.
    pub fn drop_later(&self, garbage: Vec<Garbage>) {
        // The thread runs before the first request, and does not end.
        if let Some(queue) = self.queue.get() {
            self.waiting.fetch_add(1, Relaxed);
            self.bytes_waiting.fetch_add(bytes_of(&garbage), Relaxed);
            self.values_waiting.fetch_add(garbage.iter().map(Garbage::values).sum(), Relaxed);
            let _ = queue.send(garbage);
        }
    }

    /// How many bytes wait to be freed.
    #[inline]
    pub fn bytes_waiting(&self) -> usize {
        self.bytes_waiting.load(Relaxed)
    }

    /// How many values wait to be dropped.
    pub fn values_waiting(&self) -> usize {
        self.values_waiting.load(Relaxed)
    }

    /// How many values were dropped.
    pub fn values_dropped(&self) -> usize {
        self.values_dropped.load(Relaxed)
    }

    /// Forgets how many values were dropped (CONFIG RESETSTAT).
    pub fn reset_stats(&self) {
        self.values_dropped.store(0, Relaxed);
    }

    fn drop_all(&self, served: Served, garbage: Receiver<Vec<Garbage>>) {
        let mut pace = Pace::new(served);
        for items in garbage {
            pace.resume();
            let bytes = bytes_of(&items);
            for item in items {
                let values = item.values();
                item.drop_in_pieces(&mut || {
                    pace.rest(|| match self.waiting.load(Relaxed) {
                        0..=1 => Backlog::Small,
                        _ => Backlog::Some,
                    });
                });
                self.values_waiting.fetch_sub(values, Relaxed);
                self.values_dropped.fetch_add(values, Relaxed);
            }
            self.bytes_waiting.fetch_sub(bytes, Relaxed);
            self.waiting.fetch_sub(1, Relaxed);
        }
    }
}

/// The bytes of what waits to be dropped.
pub fn bytes_of(garbage: &[Garbage]) -> usize {
    garbage.iter().map(Garbage::allocated).sum()
}
