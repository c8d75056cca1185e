//! Patterns of Lua 5.1, matched so that a script can be ended meanwhile.
//!
//! Luau's own matching is one call of C, and a pattern with repetitions may try so many ways to
//! match a text that it never ends. So C matches only what it is done with within milliseconds,
//! whatever the text is; [`Pattern::native_max`] says up to which length. All else is matched here,
//! by the same rules: a pattern is a list of items ([`items`]), and to match is to walk down the
//! list, with a stack of the places where another way is left to try ([`matcher`]).
//!
//! `patterns.luau` decides who matches. It gives each text here once ([`library`]) and asks for
//! many matches at a time, as positions in a buffer: Luau cuts the pieces out itself.

mod items;
mod library;
mod matcher;
mod replace;

#[cfg(test)]
mod against_luau;

pub use library::library;
