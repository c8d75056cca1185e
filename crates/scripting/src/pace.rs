//! The pace of the host's own loops: what depends on the length of an input counts its work here,
//! and is asked every so often whether to go on, as the loops of a script are.

use crate::watchdog::{STEPS, Watchdog};
use std::cell::Cell;
use std::rc::Rc;

/// Work between two questions: bytes that are looked at one by one, about a millisecond of them.
const WORK: usize = 1 << 19;
/// What an item of a table, or another value made for Lua, counts for.
pub const ITEM: usize = 64;
/// What a byte that is copied with others counts for, as a part: so many count as one.
pub const COPIED: usize = 8;

/// Counts the work of a worker's scripts.
pub struct Pace {
    watchdog: Option<Rc<Watchdog>>,
    done: Cell<usize>,
}

impl Pace {
    /// A new count.
    pub fn new(watchdog: Rc<Watchdog>) -> Rc<Pace> {
        Rc::new(Pace { watchdog: Some(watchdog), done: Cell::new(0) })
    }

    /// A count that nobody asks.
    #[cfg(test)]
    pub fn unwatched() -> Rc<Pace> {
        Rc::new(Pace { watchdog: None, done: Cell::new(0) })
    }

    /// Counts work, and serves other clients when much was done.
    ///
    /// # Errors
    /// When the script has to end.
    #[inline]
    pub fn spend(&self, work: usize) -> mlua::Result<()> {
        let done = self.done.get() + work;
        self.done.set(done);
        if done < WORK { Ok(()) } else { self.ask() }
    }

    #[cold]
    fn ask(&self) -> mlua::Result<()> {
        self.done.set(0);
        self.watchdog.as_ref().map_or(Ok(()), |watchdog| watchdog.go_on(STEPS))
    }
}
