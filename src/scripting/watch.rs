//! Looks after the script that runs on a worker: whether it has to end, and whether it runs for so
//! long that others are told and served meanwhile.
//!
//! Luau asks at every loop and call of a script. That costs a script that can do neither, but for
//! calls of the host, a twentieth of its time: while such a one runs, only its commands ask.

use super::store::Running;
use crate::network::while_busy;
use crate::server::Server;
use mlua::{Function, Lua, VmState};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Every so many steps the clock is looked at.
const STEPS: u32 = 64;
/// Steps that a command counts for.
pub const COMMAND_STEPS: u32 = 4;
/// Steps that a loop or a call counts for.
const LOOP_STEPS: u32 = 1;

const LOAD_TIMEOUT: &str = "ERR FUNCTION LOAD timeout";

/// Words without which a text has neither loops nor functions of its own, and cannot make any.
const ENDLESS: [&[u8]; 7] =
    [b"for", b"while", b"repeat", b"function", b"load", b"loadstring", b"_G"];

/// A worker's watch over its scripts.
pub struct Watch {
    server: &'static Server,
    /// What others know of the script that runs.
    pub running: Arc<Running>,
    over: Cell<bool>,
    busy: Cell<bool>,
    steps: Cell<u32>,
    /// When the library that is being loaded has taken too long, in monotonic milliseconds; zero
    /// is never.
    load_end_ms: Cell<u64>,
    interrupts: Cell<bool>,
}

impl Watch {
    /// The watch of a worker where no script runs.
    pub fn new(server: &'static Server) -> Rc<Watch> {
        let running = Arc::new(Running::default());
        server.scripts.register(running.clone());
        let (over, busy, interrupts) = (Cell::new(false), Cell::new(false), Cell::new(false));
        let (steps, load_end_ms) = (Cell::new(0), Cell::new(0));
        Rc::new(Watch { server, running, over, busy, steps, load_end_ms, interrupts })
    }

    /// Begins to look after a script.
    pub fn start(&self, now_ms: u64) {
        self.over.set(false);
        self.running.kill.store(false, Relaxed);
        self.running.wrote.store(false, Relaxed);
        self.running.since_ms.store(now_ms.max(1), Relaxed);
    }

    /// The script is at its end.
    pub fn stop(&self) {
        self.over.set(false);
        self.running.since_ms.store(0, Relaxed);
        // It was meant for this run: a library that is loaded next is not to be ended by it.
        self.running.kill.store(false, Relaxed);
        if self.busy.take() {
            let is_function = self.running.function.lock().is_some();
            self.server.engine.keyspace.busy.leave(is_function);
        }
    }

    /// Begins to look after a library that is loaded, up to a time in monotonic milliseconds.
    pub fn start_load(&self, end_ms: u64) {
        self.load_end_ms.set(end_ms);
    }

    /// The library is loaded, or given up.
    pub fn stop_load(&self) {
        self.load_end_ms.set(0);
        self.over.set(false);
    }

    fn load_is_late(&self) -> bool {
        let end_ms = self.load_end_ms.get();
        end_ms != 0 && self.server.clock.now().mono_ms >= end_ms
    }

    /// What a script is told that has to end.
    fn ended(&self) -> mlua::Error {
        mlua::Error::runtime(if self.load_is_late() { LOAD_TIMEOUT } else { super::run::KILLED })
    }

    /// Lets the script end: every command of it fails, and so does every loop.
    pub fn end(&self) {
        self.over.set(true);
    }

    /// Whether somebody asked it to end.
    pub fn is_killed(&self) -> bool {
        self.running.kill.load(Relaxed)
    }

    /// Counts steps of the script, and lets others be served when it takes long. Returns whether it
    /// has to end.
    #[inline]
    pub fn step(&self, steps: u32) -> bool {
        let count = self.steps.get() + steps;
        self.steps.set(count);
        if count >= STEPS {
            self.look();
        }
        self.over.get() || self.is_killed()
    }

    #[cold]
    fn look(&self) {
        self.steps.set(0);
        if self.load_is_late() {
            self.over.set(true);
        }
        let since_ms = self.running.since_ms.load(Relaxed);
        let elapsed_ms = self.server.clock.now().mono_ms.saturating_sub(since_ms);
        if since_ms == 0 || elapsed_ms < self.server.live.busy_ms.load(Relaxed) {
            return;
        }
        if self.server.durability.is_loading() {
            // That is what others are told already.
            return;
        }
        if !self.busy.replace(true) {
            let is_function = self.running.function.lock().is_some();
            self.server.engine.keyspace.busy.enter(is_function);
            crate::system::log::warning("A script takes long; others are told so.");
        }
        while_busy::serve(self.server);
    }

    /// Says whether Luau asks at loops and calls from now on.
    #[inline]
    pub fn interrupt(self: &Rc<Watch>, lua: &Lua, wanted: bool) {
        if self.interrupts.get() != wanted {
            self.set_interrupts(lua, wanted);
        }
    }

    /// A function by which work for the script that is done in Luau asks whether to go on.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn stepper(self: &Rc<Watch>, lua: &Lua) -> mlua::Result<Function> {
        let watch = self.clone();
        lua.create_function(move |_, ()| match watch.step(STEPS) {
            true => Err(watch.ended()),
            false => Ok(()),
        })
    }

    #[cold]
    fn set_interrupts(self: &Rc<Watch>, lua: &Lua, wanted: bool) {
        self.interrupts.set(wanted);
        if !wanted {
            return lua.remove_interrupt();
        }
        let watch = self.clone();
        lua.set_interrupt(move |_| match watch.step(LOOP_STEPS) {
            true => Err(watch.ended()),
            false => Ok(VmState::Continue),
        });
    }
}

/// Whether a script can do no more steps than it has words, whatever it is given: nothing in its
/// text loops, or calls but what the host supplies.
pub fn is_straight(text: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.split(|byte| !is_letter(byte)).all(|word| !ENDLESS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_that_may_go_on_are_told_from_those_that_may_not() {
        for text in ["", "return 1", "if fortune then return _GA end", "local forty = 40"] {
            assert!(is_straight(text.as_bytes()), "{text}");
        }
        for text in [
            "for n = 1, 2 do end",
            "local x=1 while(x) do end",
            "repeat until nil",
            "(function()end)()",
            "loadstring('x')",
            "load(f)",
            "return _G['load' .. 'string']('x')",
        ] {
            assert!(!is_straight(text.as_bytes()), "{text}");
        }
    }
}
