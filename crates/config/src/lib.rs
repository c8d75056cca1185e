//! The configuration: every parameter is declared once, read from redis.conf, from the command line
//! and by CONFIG SET, and written back.
//!
//! Nothing here is read on the path of a request: what the hot path needs is copied out when it
//! changes. The order of a CONFIG SET is therefore: [`Config::set_many`], take on the new values,
//! and if that fails, [`Config::undo`].
//!
//! ```text
//!   load, rewrite
//!     arguments, environment
//!       file                reads lines into a Config
//!         advice            what to do instead of setting what has no effect
//!         config            the current values
//!           table           declares the parameters
//!           parse           text to values, and back
//!             check, list   texts with rules; several words
//!               scalar      one word
//!               kind, value, error
//! ```

pub mod advice;
pub mod arguments;
pub mod check;
pub mod config;
pub mod environment;
pub mod error;
pub mod file;
pub mod kind;
pub mod list;
pub mod load;
pub mod meaning;
pub mod parse;
pub mod quota;
pub mod rewrite;
pub mod scalar;
pub mod table;
pub mod value;

pub use config::{Caller, Changes, Config, Rename};
pub use error::SetError;
pub use table::Setting;
pub use value::OutputLimit;

#[cfg(test)]
mod tests;
