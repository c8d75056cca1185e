//! The subcommands of the command line: `redstart check | convert | ping`.

pub mod check;
pub mod convert;
mod duplicate_keys;
mod file;
pub mod ping;
