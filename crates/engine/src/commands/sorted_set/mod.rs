//! Sorted sets.

pub mod arguments;
mod blocking;
mod change;
mod look;
mod pop;
pub mod range;
mod remove;
mod whole;

use crate::run::command::{BlockingCommand, DataCommand};

/// The commands of the family.
pub static COMMANDS: &[&DataCommand] = &[
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
    &remove::ZREMRANGEBYLEX,
    &remove::ZREMRANGEBYRANK,
    &remove::ZREMRANGEBYSCORE,
    &whole::ZRANDMEMBER,
    &whole::ZSCAN,
];

/// Those that may wait.
pub static WAITING: &[&BlockingCommand] =
    &[&blocking::BZMPOP, &blocking::BZPOPMAX, &blocking::BZPOPMIN];
