//! Luau's interrupt: a function that a Lua state calls at every loop and call of a script, while it
//! is set. That takes a third of a short loop's time, so it is set only while something is due.
//! What sets it may be another thread: the one that looks after scripts, or a client's that ends
//! one.
//!
//! This file holds `unsafe`: mlua sets the function on the state's own thread only, so the place
//! where Luau reads it is asked of Luau and written to from here. Luau says of that place, and of
//! no other, that any thread may write to it at any time. It lies in the state: as long as it can
//! be reached through an [`Interrupt`], a [`Lent`] keeps the state.
#![allow(unsafe_code)]

use mlua::{Lua, VmState, ffi};
use parking_lot::Mutex;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering::Release};

/// The interrupt of a worker's Lua state, for all threads; none while the worker has no state.
#[derive(Default)]
pub struct Interrupt(Mutex<Option<Place>>);

/// Where Luau reads what to call, and what it is to find there.
struct Place {
    at: *mut *mut (),
    function: *mut (),
}

// SAFETY: a function has no thread, and `at` is only written to, atomically, as any thread may.
unsafe impl Send for Place {}

impl Interrupt {
    /// From its next loop or call on, a script asks whether to go on.
    pub fn set(&self) {
        self.write(|place| place.function);
    }

    /// No script asks any more.
    pub fn unset(&self) {
        self.write(|_| ptr::null_mut());
    }

    fn write(&self, value: impl FnOnce(&Place) -> *mut ()) {
        if let Some(place) = &*self.0.lock() {
            // SAFETY: the state is there as long as its place is here, the place is a pointer's,
            // aligned, and no pointer but null is no function. Luau reads it as one word.
            unsafe { AtomicPtr::from_ptr(place.at) }.store(value(place), Release);
        }
    }
}

/// The interrupt of a state, which others can set until this is dropped.
pub struct Lent {
    interrupt: Arc<Interrupt>,
    /// Dropped behind the place in it.
    _lua: Lua,
}

impl Lent {
    /// Lends a state's interrupt, which calls `ask`. It is set at first.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn new(
        lua: &Lua,
        interrupt: &Arc<Interrupt>,
        ask: impl Fn() -> mlua::Result<()> + 'static,
    ) -> mlua::Result<Lent> {
        lua.set_interrupt(move |_| ask().map(|()| VmState::Continue));
        let mut place = Place { at: ptr::null_mut(), function: ptr::null_mut() };
        let find = |state| {
            // SAFETY: the state is a live one, whose callbacks lie in it, and this is its thread.
            // An optional function is a pointer, null without one.
            unsafe {
                place.at = (&raw mut (*ffi::lua_callbacks(state)).interrupt).cast();
                place.function = *place.at;
            }
        };
        // SAFETY: nothing is put on the stack, and no error raised.
        unsafe { lua.exec_raw::<()>((), find) }?;
        *interrupt.0.lock() = Some(place);
        Ok(Lent { interrupt: interrupt.clone(), _lua: lua.clone() })
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.interrupt.0.lock() = None;
    }
}
