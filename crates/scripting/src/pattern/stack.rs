//! A call from Luau without the handles that mlua makes of values: for functions that are called
//! so often, with so little to do, that these would be most of their work.
//!
//! This file holds `unsafe`: it reads and writes Luau's stack. What a function sees is a [`Call`],
//! whose arguments stay where they are, because all else is put behind them. Luau's errors are C++
//! exceptions: they go through frames of Rust, which drop what they hold.
#![allow(unsafe_code)]

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua};
use std::borrow::Cow;
use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;

/// Where a closure keeps its state, and the function that raises an error of the host.
const STATE: c_int = ffi::lua_upvalueindex(1);
const RAISE: c_int = ffi::lua_upvalueindex(2);
/// Where it keeps what takes other arguments, or a value of its own.
const KEPT: c_int = ffi::lua_upvalueindex(3);

/// The source of the functions that are called instead.
const PRELUDE: &CStr = c"prelude";

/// What came of a call.
pub enum Done {
    /// So many values, which are the last ones on the stack.
    Values(c_int),
    /// The function that was kept for it is to be called with the same arguments.
    Otherwise,
    /// An error with the script's place in front.
    Wrong(Cow<'static, str>),
    /// What the host has to raise: the script has to end.
    Raise,
}

/// A function.
pub trait Native {
    /// What it works with.
    type State;
    /// Its name in a list of calls.
    const NAME: &'static CStr;
    /// Runs it.
    fn run(call: &mut Call<'_>, state: &Self::State) -> Done;
}

/// What a call returned, or a table holds.
pub enum Value<'a> {
    /// Nil or false.
    Nothing,
    Text(&'a [u8]),
    Number(f64),
    /// Another value, by the name of its type.
    Other(&'static str),
}

/// A call: its arguments, and behind them what is put on the stack.
pub struct Call<'a> {
    state: *mut lua_State,
    arguments: PhantomData<&'a [u8]>,
}

impl<'a> Call<'a> {
    /// An argument that is a string; numbers are none.
    #[inline]
    pub fn text(&self, at: c_int) -> Option<&'a [u8]> {
        // SAFETY: arguments stay on the stack as long as the call is there, and so do their bytes.
        unsafe { text(self.state, at) }
    }

    /// A string that the closure keeps.
    #[inline]
    pub fn kept_text(&self) -> Option<&'a [u8]> {
        // SAFETY: the closure that is called keeps it.
        unsafe { text(self.state, KEPT) }
    }

    /// An argument that is a number.
    #[inline]
    pub fn number(&self, at: c_int) -> Option<f64> {
        // SAFETY: any place may be asked about.
        unsafe {
            (ffi::lua_type(self.state, at) == ffi::LUA_TNUMBER)
                .then(|| ffi::lua_tonumberx(self.state, at, std::ptr::null_mut()))
        }
    }

    /// Whether an argument is nil or not there.
    #[inline]
    pub fn is_nil(&self, at: c_int) -> bool {
        // SAFETY: any place may be asked about.
        unsafe { ffi::lua_type(self.state, at) <= ffi::LUA_TNIL }
    }

    /// Whether an argument is neither nil nor false.
    #[inline]
    pub fn is_true(&self, at: c_int) -> bool {
        // SAFETY: any place may be asked about.
        unsafe { ffi::lua_toboolean(self.state, at) != 0 }
    }

    /// Whether an argument is a table.
    pub fn is_table(&self, at: c_int) -> bool {
        // SAFETY: any place may be asked about.
        unsafe { ffi::lua_type(self.state, at) == ffi::LUA_TTABLE }
    }

    /// Whether an argument is a function.
    pub fn is_function(&self, at: c_int) -> bool {
        // SAFETY: any place may be asked about.
        unsafe { ffi::lua_type(self.state, at) == ffi::LUA_TFUNCTION }
    }

    /// Makes room for so many values.
    pub fn reserve(&mut self, values: usize) {
        // SAFETY: it raises an error where there is no room.
        unsafe {
            ffi::luaL_checkstack(self.state, values as c_int, c"too many captures".as_ptr());
        }
    }

    /// Puts an argument on the stack again.
    pub fn push_argument(&mut self, at: c_int) {
        // SAFETY: `reserve` made room.
        unsafe { ffi::lua_pushvalue(self.state, at) }
    }

    /// Puts nil on the stack.
    #[inline]
    pub fn push_nil(&mut self) {
        // SAFETY: a call has room for 20 values, and `reserve` makes more.
        unsafe { ffi::lua_pushnil(self.state) }
    }

    /// Puts a number on the stack.
    #[inline]
    pub fn push_number(&mut self, number: usize) {
        // SAFETY: as for nil.
        unsafe { ffi::lua_pushnumber(self.state, number as f64) }
    }

    /// Puts a string on the stack.
    #[inline]
    pub fn push_text(&mut self, text: &[u8]) {
        // SAFETY: as for nil; Luau copies the bytes.
        unsafe { push_text(self.state, text) }
    }

    /// Calls the function that lies below so many arguments. Its first result takes their place.
    pub fn call(&mut self, arguments: c_int) {
        // SAFETY: they are on the stack.
        unsafe { ffi::lua_call(self.state, arguments, 1) }
    }

    /// Puts what the table in an argument holds for the last value in the place of that.
    pub fn look_up(&mut self, table: c_int) {
        // SAFETY: there is a value, and the argument is a table.
        unsafe { ffi::lua_gettable(self.state, table) };
    }

    /// The last value.
    pub fn last(&self) -> Value<'_> {
        // SAFETY: there is one, which stays there while it is borrowed.
        unsafe {
            match ffi::lua_type(self.state, -1) {
                ffi::LUA_TSTRING => Value::Text(text(self.state, -1).unwrap_or_default()),
                ffi::LUA_TNUMBER => {
                    Value::Number(ffi::lua_tonumberx(self.state, -1, std::ptr::null_mut()))
                }
                _ if ffi::lua_toboolean(self.state, -1) == 0 => Value::Nothing,
                kind => {
                    let name = CStr::from_ptr(ffi::lua_typename(self.state, kind));
                    Value::Other(name.to_str().unwrap_or("value"))
                }
            }
        }
    }

    /// Takes the last values off.
    pub fn pop(&mut self, values: c_int) {
        // SAFETY: there are so many.
        unsafe { ffi::lua_settop(self.state, -values - 1) }
    }

    /// Puts a function with its state, which keeps an argument, on the stack.
    pub fn push_closure<N: Native>(&mut self, state: N::State, kept: c_int) {
        // SAFETY: the function is called with what is put here in its places.
        unsafe {
            ffi::lua_newuserdata_t(self.state, state);
            ffi::lua_pushvalue(self.state, RAISE);
            ffi::lua_pushvalue(self.state, kept);
            ffi::lua_pushcclosurek(self.state, entry::<N>, N::NAME.as_ptr(), 3, None);
        }
    }
}

/// A function for Luau: with its state, what raises an error of the host, and what is called
/// instead where it says so: that returns nil and its results, or the text of an error.
///
/// # Errors
/// When there is no memory.
pub fn function<N: Native>(
    lua: &Lua,
    state: N::State,
    raise: &Function,
    otherwise: &Function,
) -> mlua::Result<Function> {
    let make = |lua: *mut lua_State| {
        // SAFETY: the two functions are on the stack, and what is put below them is the state.
        unsafe {
            ffi::lua_newuserdata_t(lua, state);
            ffi::lua_insert(lua, 1);
            ffi::lua_pushcclosurek(lua, entry::<N>, N::NAME.as_ptr(), 3, None);
        }
    };
    // SAFETY: one function is left on the stack.
    unsafe { lua.exec_raw((raise, otherwise), make) }
}

unsafe extern "C-unwind" fn entry<N: Native>(state: *mut lua_State) -> c_int {
    // SAFETY: the closure was made above, with a state of this type, which it keeps.
    let own = unsafe { &*ffi::lua_touserdata(state, STATE).cast::<N::State>() };
    let done = N::run(&mut Call { state, arguments: PhantomData }, own);
    // SAFETY: nothing is held any more but the text of an error, which is dropped before it is
    // raised.
    unsafe {
        match done {
            Done::Values(number) => number,
            Done::Otherwise => otherwise(state),
            Done::Wrong(text) => {
                push_place(state);
                push_text(state, text.as_bytes());
                drop(text);
                ffi::lua_concat(state, 2);
                ffi::lua_error(state)
            }
            Done::Raise => {
                ffi::lua_pushvalue(state, RAISE);
                ffi::lua_call(state, 0, 0);
                0
            }
        }
    }
}

/// Calls what takes other arguments.
///
/// # Safety
/// For a call of a closure that keeps such a function.
unsafe fn otherwise(state: *mut lua_State) -> c_int {
    // SAFETY: the arguments are all that is on the stack.
    unsafe {
        let arguments = ffi::lua_gettop(state);
        ffi::luaL_checkstack(state, 4, c"too many arguments".as_ptr());
        ffi::lua_pushvalue(state, KEPT);
        ffi::lua_insert(state, 1);
        ffi::lua_call(state, arguments, ffi::LUA_MULTRET);
        if ffi::lua_type(state, 1) == ffi::LUA_TNIL {
            return ffi::lua_gettop(state) - 1;
        }
        ffi::lua_settop(state, 1);
        push_place(state);
        ffi::lua_insert(state, 1);
        ffi::lua_concat(state, 2);
        ffi::lua_error(state)
    }
}

/// Puts the place of the script that called on the stack, as it stands in front of an error: an
/// empty text where C did.
///
/// # Safety
/// There has to be room.
unsafe fn push_place(state: *mut lua_State) {
    let mut level = 1;
    // SAFETY: Luau fills in what is asked for, and the name of a source is a text that it keeps.
    unsafe {
        let mut caller: ffi::lua_Debug = std::mem::zeroed();
        while ffi::lua_getinfo(state, level, c"s".as_ptr(), &raw mut caller) != 0
            && CStr::from_ptr(caller.short_src) == PRELUDE
        {
            // One of these functions called it.
            level += 2;
        }
        ffi::luaL_where(state, level);
    }
}

/// The bytes of a value that is a string.
///
/// # Safety
/// The value has to stay where it is as long as they are used.
#[inline]
unsafe fn text<'a>(state: *mut lua_State, at: c_int) -> Option<&'a [u8]> {
    // SAFETY: of a string Luau returns its own bytes, which do not move.
    unsafe {
        if ffi::lua_type(state, at) != ffi::LUA_TSTRING {
            return None;
        }
        let mut length = 0;
        let bytes = ffi::lua_tolstring(state, at, &raw mut length);
        Some(std::slice::from_raw_parts(bytes.cast(), length))
    }
}

/// Puts a string on the stack.
///
/// # Safety
/// There has to be room.
#[inline]
unsafe fn push_text(state: *mut lua_State, text: &[u8]) {
    // SAFETY: Luau copies the bytes.
    unsafe { ffi::lua_pushlstring_(state, text.as_ptr().cast::<c_char>(), text.len()) }
}
