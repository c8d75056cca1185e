//! Sorted sets.

mod algebra;
pub mod arguments;
mod blocking;
mod change;
mod gather;
mod look;
pub(crate) mod pieces;
mod pop;
pub mod range;
mod range_store;
mod remove;
mod rest;
mod whole;

use crate::run::command::{BlockingCommand, DataCommand};

/// The commands of the family.
pub static COMMANDS: &[&DataCommand] = &[
    &algebra::ZDIFF,
    &algebra::ZDIFFSTORE,
    &algebra::ZINTER,
    &algebra::ZINTERCARD,
    &algebra::ZINTERSTORE,
    &algebra::ZUNION,
    &algebra::ZUNIONSTORE,
    &change::ZADD,
    &change::ZINCRBY,
    &change::ZREM,
    &look::ZCARD,
    &look::ZCOUNT,
    &look::ZLEXCOUNT,
    &look::ZMSCORE,
    &look::ZRANK,
    &look::ZREVRANK,
    &look::ZSCORE,
    &pop::ZMPOP,
    &pop::ZPOPMAX,
    &pop::ZPOPMIN,
    &range::ZRANGE,
    &range::ZRANGEBYLEX,
    &range::ZRANGEBYSCORE,
    &range::ZREVRANGE,
    &range::ZREVRANGEBYLEX,
    &range::ZREVRANGEBYSCORE,
    &range_store::ZRANGESTORE,
    &remove::ZREMRANGEBYLEX,
    &remove::ZREMRANGEBYRANK,
    &remove::ZREMRANGEBYSCORE,
    &whole::ZRANDMEMBER,
    &whole::ZSCAN,
];

/// Those that may wait.
pub static WAITING: &[&BlockingCommand] =
    &[&blocking::BZMPOP, &blocking::BZPOPMAX, &blocking::BZPOPMIN];
