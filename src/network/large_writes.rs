//! Large replies go out in pieces, and of all connections of a worker one writes a piece at a time,
//! in the order in which they came: however many clients ask for much, a client that asks for
//! little waits for a piece or two.

use std::cell::Cell;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::yield_now;

thread_local! {
    /// Whose turn it is. It lives as long as its thread, which is as long as the process.
    static TURNS: &'static Semaphore = Box::leak(Box::new(Semaphore::new(1)));
    /// How many wait for theirs.
    static WAITING: Cell<usize> = const { Cell::new(0) };
}

/// The turn of one connection of this worker to write a piece. It does not wait for its client
/// meanwhile.
pub struct WriteTurn {
    /// Handed on when it is dropped. The semaphore is never closed.
    _permit: Option<SemaphorePermit<'static>>,
}

impl WriteTurn {
    /// Waits until it begins.
    pub async fn begin() -> WriteTurn {
        let turns = TURNS.with(|turns| *turns);
        if let Ok(permit) = turns.try_acquire() {
            return WriteTurn { _permit: Some(permit) };
        }
        let _waiting = Waiting::new();
        WriteTurn { _permit: turns.acquire().await.ok() }
    }

    /// Ends it: if this connection or another one has more to write, when all that are ready have
    /// been served.
    pub async fn end(self, has_more: bool) {
        if has_more || WAITING.get() > 0 {
            yield_now().await;
        }
    }
}

/// A connection that waits, until it does not any more.
struct Waiting;

impl Waiting {
    fn new() -> Waiting {
        WAITING.set(WAITING.get() + 1);
        Waiting
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.set(WAITING.get() - 1);
    }
}
