//! Sets.

pub mod access;
mod algebra;
mod deadline;
mod member;
pub mod pieces;
mod whole;

pub use access::set_of;

use crate::run::command::DataCommand;

/// The commands of the family.
pub static COMMANDS: &[&DataCommand] = &[
    &algebra::SDIFF,
    &algebra::SDIFFCARD,
    &algebra::SDIFFSTORE,
    &algebra::SINTER,
    &algebra::SINTERCARD,
    &algebra::SINTERSTORE,
    &algebra::SUNION,
    &algebra::SUNIONCARD,
    &algebra::SUNIONSTORE,
    &deadline::SADDEX,
    &deadline::SEXPIRE,
    &deadline::SEXPIREAT,
    &deadline::SEXPIRETIME,
    &deadline::SPERSIST,
    &deadline::SPEXPIRE,
    &deadline::SPEXPIREAT,
    &deadline::SPEXPIRETIME,
    &deadline::SPTTL,
    &deadline::STTL,
    &member::SADD,
    &member::SCARD,
    &member::SISMEMBER,
    &member::SMISMEMBER,
    &member::SMOVE,
    &member::SREM,
    &whole::SMEMBERS,
    &whole::SPOP,
    &whole::SRANDMEMBER,
    &whole::SSCAN,
];
