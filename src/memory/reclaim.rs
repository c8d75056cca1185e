//! Drops large values and whole databases on a thread of its own, off every request's path and in
//! pieces; a second one gives the memory of huge blocks back to the system.

use crate::server::Server;
use crate::system::allocator;
use crate::system::pace::{Backlog, Pace};
use redstart_engine::keyspace::garbage::Garbage;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};

/// The way to the thread that drops.
#[derive(Default)]
pub struct Reclaimer {
    queue: OnceLock<Sender<Vec<Garbage>>>,
    /// How often something was put into the queue and has not been dropped yet.
    waiting: AtomicUsize,
}

impl Reclaimer {
    /// Drops garbage some time soon.
    pub fn drop_later(&self, garbage: Vec<Garbage>) {
        // The thread is there before the first request, and does not end.
        if let Some(queue) = self.queue.get() {
            self.waiting.fetch_add(1, Relaxed);
            let _ = queue.send(garbage);
        }
    }
}

/// Starts the threads.
///
/// # Errors
/// When the system has no threads to give.
pub fn start(server: &'static Server) -> io::Result<()> {
    let (queue, garbage) = channel();
    // The server starts once.
    let _ = server.reclaimer.queue.set(queue);
    std::thread::Builder::new().name("reclaim".into()).spawn(move || drop_all(server, garbage))?;
    std::thread::Builder::new().name("unmap".into()).spawn(allocator::unmap_for_others)?;
    Ok(())
}

fn drop_all(server: &'static Server, garbage: Receiver<Vec<Garbage>>) {
    let mut pace = Pace::new(server);
    let waiting = &server.reclaimer.waiting;
    for items in garbage {
        pace.resume();
        for item in items {
            item.drop_in_pieces(&mut || {
                pace.rest(|| match waiting.load(Relaxed) {
                    0..=1 => Backlog::Small,
                    _ => Backlog::Some,
                });
            });
        }
        waiting.fetch_sub(1, Relaxed);
    }
}
