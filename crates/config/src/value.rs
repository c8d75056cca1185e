//! The values of parameters.

use redstart_engine::run::event_classes::Classes;

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `yes` or `no`.
    YesNo(bool),
    /// A number; a negative one for memory is a percentage.
    Integer(i128),
    /// A text.
    Text(Vec<u8>),
    /// A name.
    Choice(&'static str),
    /// Names, in the order of their table.
    Flags(Vec<&'static str>),
    /// Words.
    Words(Vec<Vec<u8>>),
    /// Seconds and changes after which to save.
    Save(Vec<(i64, i32)>),
    /// The limits of normal clients, replicas and subscribers.
    OutputLimits([OutputLimit; 3]),
    /// Classes of keyspace events.
    Events(Classes),
    /// Scores.
    OomScores([i64; 3]),
    /// Percentages.
    Percentiles(Vec<f64>),
}

/// The limit of an output buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes at which a client is dropped at once.
    pub hard_bytes: u64,
    /// Bytes at which a client is dropped if it stays above them.
    pub soft_bytes: u64,
    /// For how long, in seconds.
    pub soft_s: i64,
}
