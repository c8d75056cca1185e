//! Drops large values and whole databases on a thread of its own, off every request's path; a
//! second one gives the memory of huge blocks back to the system.

use crate::allocator;
use redstart_engine::execute::Garbage;
use std::io;
use std::sync::mpsc::{Sender, channel};

/// The way to the thread that drops.
pub struct Reclaimer {
    queue: Sender<Vec<Garbage>>,
}

impl Reclaimer {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system has no threads to give.
    pub fn start() -> io::Result<Reclaimer> {
        let (queue, garbage) = channel::<Vec<Garbage>>();
        let body = move || garbage.into_iter().for_each(drop);
        std::thread::Builder::new().name("reclaim".into()).spawn(body)?;
        std::thread::Builder::new().name("unmap".into()).spawn(allocator::unmap_for_others)?;
        Ok(Reclaimer { queue })
    }

    /// Drops garbage some time soon.
    pub fn drop_later(&self, garbage: Vec<Garbage>) {
        // The thread lives as long as this end of the queue.
        let _ = self.queue.send(garbage);
    }
}
