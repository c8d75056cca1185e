//! Strings.

mod bounded;
mod condition;
mod counter;
mod lcs;
mod multi;
mod once;
mod options;
mod plain;
mod range;
mod store;
mod subsequence;

use crate::run::command::DataCommand;
pub(crate) use store::store;

/// The commands of the family.
pub static COMMANDS: &[&DataCommand] = &[
    &bounded::INCREX,
    &condition::DELEX,
    &condition::DELIFEQ,
    &condition::DIGEST,
    &counter::DECR,
    &counter::DECRBY,
    &counter::INCR,
    &counter::INCRBY,
    &counter::INCRBYFLOAT,
    &lcs::LCS,
    &multi::MGET,
    &multi::MSET,
    &multi::MSETEX,
    &multi::MSETNX,
    &once::GETDEL,
    &once::GETEX,
    &once::GETSET,
    &once::PSETEX,
    &once::SETEX,
    &once::SETNX,
    &plain::GET,
    &plain::SET,
    &range::APPEND,
    &range::GETRANGE,
    &range::SETRANGE,
    &range::STRLEN,
    &range::SUBSTR,
];
