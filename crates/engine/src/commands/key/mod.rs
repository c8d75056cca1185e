//! Keys, whatever their values are.

mod database;
mod deadline;
mod look;
mod place;
mod remove;
mod whole;

pub use remove::EVICT;

use crate::run::command::DataCommand;

/// The commands of the family.
pub static COMMANDS: &[&DataCommand] = &[
    &deadline::EXPIRE,
    &deadline::EXPIREAT,
    &deadline::EXPIRETIME,
    &deadline::PERSIST,
    &deadline::PEXPIRE,
    &deadline::PEXPIREAT,
    &deadline::PEXPIRETIME,
    &deadline::PTTL,
    &deadline::TTL,
    &look::EXISTS,
    &look::TOUCH,
    &look::TYPE,
    &place::COPY,
    &place::MOVE,
    &place::RENAME,
    &place::RENAMENX,
    &remove::DEL,
    &remove::UNLINK,
    &whole::DBSIZE,
    &whole::FLUSHALL,
    &whole::FLUSHDB,
    &whole::KEYS,
    &whole::RANDOMKEY,
    &whole::SCAN,
    &whole::SWAPDB,
];
