//! The subcommands of the command line: `redstart check | convert | ping`.

pub mod check;
pub mod convert;
pub mod duplicate_keys;
pub mod ping;
