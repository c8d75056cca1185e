//! Lists.

pub mod access;
pub mod arguments;
mod blocking;
mod change;
mod look;
mod place;
mod place_many;
mod pop;
mod push;
mod rest;

use crate::run::command::{BlockingCommand, DataCommand};

/// The commands of the family.
pub static COMMANDS: &[&DataCommand] = &[
    &change::LINSERT,
    &change::LREM,
    &change::LSET,
    &change::LTRIM,
    &look::LINDEX,
    &look::LLEN,
    &look::LPOS,
    &look::LRANGE,
    &place::LMOVE,
    &place::RPOPLPUSH,
    &place_many::LMOVEM,
    &pop::LMPOP,
    &pop::LPOP,
    &pop::RPOP,
    &push::LPUSH,
    &push::LPUSHX,
    &push::RPUSH,
    &push::RPUSHX,
];

/// Those that may wait.
pub static WAITING: &[&BlockingCommand] = &[
    &blocking::BLMOVE,
    &blocking::BLMPOP,
    &blocking::BLPOP,
    &blocking::BRPOP,
    &blocking::BRPOPLPUSH,
    &place_many::BLMOVEM,
];
