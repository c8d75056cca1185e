//! Looks after the script that runs on a worker: whether it has to end, and whether it has run for
//! so long that other clients are served meanwhile, with an error.
//!
//! Commands ask here, and the host's own loops by their [`Pace`](crate::pace::Pace). The clock is
//! read every so many steps. A step may take milliseconds, though, as where two long texts are
//! joined, and a script may loop without a command. So a thread of the server looks after scripts,
//! too ([`Store::tick`](crate::store::Store::tick)): it raises the alarm of one that has run for
//! too long. Then the next step reads the clock, and the next loop or call of the script is a step
//! ([`interrupt`](crate::interrupt)), and so is each one until the script ends. Where there is no
//! such thread, each always is.

use crate::host::{Host, Level, Parts};
use crate::interrupt::Lent;
use crate::store::Running;
use mlua::{Function, Lua};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The clock is read every so many steps.
pub const STEPS: u32 = 64;
/// Steps that a command counts for.
pub const COMMAND_STEPS: u32 = 4;
/// Steps that a loop or a call counts for.
const LOOP_STEPS: u32 = 1;

/// The error of a script that a client has ended.
pub const KILLED: &str = "Script killed by user with SCRIPT KILL.";

const LOAD_TIMEOUT: &str = "ERR FUNCTION LOAD timeout";

/// A worker's watch over its scripts.
pub struct Watchdog {
    parts: Parts,
    host: Rc<dyn Host>,
    /// What other threads know of the script that runs.
    pub running: Arc<Running>,
    must_end: Cell<bool>,
    /// Whether the script has become too long.
    busy: Cell<bool>,
    steps: Cell<u32>,
}

impl Watchdog {
    /// The watchdog of a worker where no script runs.
    pub fn new(parts: Parts, host: Rc<dyn Host>) -> Rc<Watchdog> {
        let running = Arc::new(Running::default());
        parts.scripts.register(running.clone());
        Rc::new(Watchdog {
            parts,
            host,
            running,
            must_end: Cell::new(false),
            busy: Cell::new(false),
            steps: Cell::new(0),
        })
    }

    /// A script begins.
    pub fn start(&self, now_ms: u64) {
        self.must_end.set(false);
        self.running.kill.store(false, Relaxed);
        self.running.alarm.store(false, Relaxed);
        self.running.wrote.store(false, Relaxed);
        self.running.since_ms.store(now_ms.max(1), Relaxed);
    }

    /// The script is at its end.
    pub fn stop(&self) {
        self.must_end.set(false);
        self.running.since_ms.store(0, Relaxed);
        // A KILL was meant for this run, and must not end a library that is loaded next.
        self.running.kill.store(false, Relaxed);
        if self.busy.take() {
            self.parts.engine.keyspace.busy.leave(self.is_function());
        }
    }

    /// A library begins to load, which may take so many milliseconds.
    pub fn start_load(&self, limit_ms: Option<u64>) {
        let end_ms = limit_ms.map_or(0, |limit_ms| self.host.now_ms() + limit_ms);
        self.running.load_end_ms.store(end_ms, Relaxed);
    }

    /// The library is loaded, or given up.
    pub fn stop_load(&self) {
        self.running.load_end_ms.store(0, Relaxed);
        self.must_end.set(false);
    }

    fn is_function(&self) -> bool {
        self.running.function.lock().is_some()
    }

    fn load_is_late(&self) -> bool {
        let end_ms = self.running.load_end_ms.load(Relaxed);
        end_ms != 0 && self.host.now_ms() >= end_ms
    }

    /// The error of a script that has to end.
    fn ended(&self) -> mlua::Error {
        mlua::Error::runtime(if self.load_is_late() { LOAD_TIMEOUT } else { KILLED })
    }

    /// Ends the script: every command of it fails from now on, and so does every loop.
    pub fn end(&self) {
        self.must_end.set(true);
        self.running.interrupt.set();
    }

    /// Whether a client asked it to end.
    pub fn is_killed(&self) -> bool {
        self.running.kill.load(Relaxed)
    }

    /// Whether the script has written.
    pub fn has_written(&self) -> bool {
        self.running.wrote.load(Relaxed)
    }

    /// Counts steps of the script, and serves other clients when it takes long. Returns whether it
    /// has to end.
    #[inline]
    pub fn step(&self, steps: u32) -> bool {
        let count = self.steps.get() + steps;
        self.steps.set(count);
        if count >= STEPS || self.running.alarm.load(Relaxed) {
            self.check();
        }
        self.must_end.get()
    }

    /// Counts steps, and goes on if the script may.
    ///
    /// # Errors
    /// When it has to end.
    #[inline]
    pub fn go_on(&self, steps: u32) -> mlua::Result<()> {
        if self.step(steps) { Err(self.ended()) } else { Ok(()) }
    }

    #[cold]
    fn check(&self) {
        self.steps.set(0);
        self.running.alarm.store(false, Relaxed);
        if self.load_is_late() || self.is_killed() {
            return self.end();
        }
        let since_ms = self.running.since_ms.load(Relaxed);
        if since_ms == 0 {
            return;
        }
        let elapsed_ms = self.host.now_ms().saturating_sub(since_ms);
        if !self.parts.scripts.is_busy_after(elapsed_ms) || self.host.is_loading() {
            return;
        }
        let others = &self.parts.engine.keyspace.busy;
        if !self.busy.replace(true) {
            others.enter(self.is_function());
            self.host.log(Level::Warning, "A script takes long; others are told so.");
            self.running.interrupt.set();
        }
        others.meanwhile();
        if self.is_killed() {
            self.end();
        }
    }

    /// A function by which the prelude's own loops ask whether to go on.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn stepper(self: &Rc<Watchdog>, lua: &Lua) -> mlua::Result<Function> {
        let watchdog = self.clone();
        lua.create_function(move |_, ()| watchdog.go_on(STEPS))
    }

    /// Lets the alarm reach the loops and calls of a state's scripts.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn lend_interrupt(self: &Rc<Watchdog>, lua: &Lua) -> mlua::Result<Lent> {
        let watchdog = self.clone();
        Lent::new(lua, &self.running.interrupt, move || watchdog.interrupted())
    }

    /// A loop or a call asks whether to go on. The next one does if it is set to do so meanwhile.
    fn interrupted(&self) -> mlua::Result<()> {
        if self.busy.get() || self.must_end.get() || !self.parts.scripts.is_watched() {
            return self.go_on(LOOP_STEPS);
        }
        self.running.interrupt.unset();
        self.go_on(STEPS)
    }
}
