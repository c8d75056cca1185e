//! Streams.

mod add;
mod arguments;
mod budget;
mod claim;
mod delete;
mod full;
pub mod group;
pub mod info;
mod pending;
mod range;
mod read;
mod release;
mod rest;

use crate::run::command::{BlockingCommand, DataCommand};

/// The commands of the family; the subcommands of its containers are beside those.
pub static COMMANDS: &[&DataCommand] = &[
    &add::XADD,
    &add::XCFGSET,
    &add::XIDMPRECORD,
    &add::XSETID,
    &add::XTRIM,
    &claim::XAUTOCLAIM,
    &claim::XCLAIM,
    &delete::XACKDEL,
    &delete::XDEL,
    &delete::XDELEX,
    &pending::XACK,
    &pending::XPENDING,
    &range::XLEN,
    &range::XRANGE,
    &range::XREVRANGE,
    &release::XNACK,
];

/// Those that may wait.
pub static WAITING: &[&BlockingCommand] = &[&read::XREAD, &read::XREADGROUP];
