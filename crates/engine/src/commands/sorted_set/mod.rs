//! Sorted sets.

pub mod arguments;
mod change;
mod look;
pub mod range;

use crate::run::command::DataCommand;

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
    &range::ZRANGE,
    &range::ZRANGEBYLEX,
    &range::ZRANGEBYSCORE,
    &range::ZREVRANGE,
    &range::ZREVRANGEBYLEX,
    &range::ZREVRANGEBYSCORE,
];
