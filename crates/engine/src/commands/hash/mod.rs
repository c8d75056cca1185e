//! Hashes.

mod counter;
mod deadline;
mod field;
pub mod import;
mod rest;
mod timed;
mod whole;

use crate::run::command::DataCommand;

/// The commands of the family.
pub static COMMANDS: &[&DataCommand] = &[
    &counter::HINCRBY,
    &counter::HINCRBYFLOAT,
    &deadline::HEXPIRE,
    &deadline::HEXPIREAT,
    &deadline::HEXPIRETIME,
    &deadline::HPERSIST,
    &deadline::HPEXPIRE,
    &deadline::HPEXPIREAT,
    &deadline::HPEXPIRETIME,
    &deadline::HPTTL,
    &deadline::HTTL,
    &field::HDEL,
    &field::HEXISTS,
    &field::HGET,
    &field::HLEN,
    &field::HMGET,
    &field::HMSET,
    &field::HSET,
    &field::HSETNX,
    &field::HSTRLEN,
    &timed::HGETDEL,
    &timed::HGETEX,
    &timed::HSETEX,
    &whole::HGETALL,
    &whole::HKEYS,
    &whole::HRANDFIELD,
    &whole::HSCAN,
    &whole::HVALS,
];
