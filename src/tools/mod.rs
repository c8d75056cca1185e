//! The subcommands of the command line: `redstart check | convert | ping`.

pub mod check;
pub mod convert;
mod duplicate_keys;
mod file;
mod for_load;
pub mod ping;
mod repair;
