//! Patterns of Lua 5.1, matched so that a script can be ended meanwhile.
//!
//! Luau's own matching is one call of C, and a pattern with repetitions may try so many ways to
//! match a text that it never ends. So all texts are matched here, by the same rules: a pattern is
//! a list of items ([`items`]), and to match is to walk down the list, with a stack of the places
//! where another way is left to try ([`matcher`]).
//!
//! Scripts match short texts very often, and so Luau calls what is here ([`library`]) without
//! anything in between: it finds text and pattern on Luau's stack ([`stack`]), and the compiled
//! pattern among those that it remembers ([`known`]). `patterns.luau` has what is rare: arguments
//! that are no strings, and malformed patterns.

mod items;
mod known;
mod library;
mod matcher;
mod replace;
mod stack;

#[cfg(test)]
mod against_luau;

pub use library::library;
