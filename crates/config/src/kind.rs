//! The kinds of parameters: what the values of each are.

use crate::error::Reason;

/// What a text must be: takes the parameter's name and the text, and returns why it is not.
pub type Check = fn(&'static str, &[u8]) -> Result<(), Reason>;

/// What the values of a parameter are.
#[derive(Clone, Copy)]
pub enum Kind {
    /// `yes` or `no`.
    YesNo,
    /// A decimal integer between bounds.
    Integer(i128, i128),
    /// Bytes between bounds, with or without a unit.
    Memory(i128, i128),
    /// Bytes, or a percentage of `maxmemory`.
    MemoryOrPercent,
    /// An octal number up to a bound.
    Octal(i128),
    /// How often a second; a number out of range is moved into it.
    Hertz,
    /// Any text that passes the check.
    Text(Check),
    /// An existing directory, relative to the previous one.
    Directory,
    /// One of these names; `a=b` reads a and means b, `~a` is a name that only Valkey knows.
    Choice(&'static [&'static str]),
    /// Any of these names but the first, which means none of them.
    Flags(&'static [&'static str]),
    /// Pairs of seconds and changes.
    Save,
    /// Class, hard limit, soft limit and soft seconds of output buffers.
    OutputLimits,
    /// Letters for classes of keyspace events.
    Events,
    /// Addresses; one after `-` may be missing.
    Addresses,
    /// Three scores.
    OomScores,
    /// Percentages.
    Percentiles,
    /// Host and port, or `no one`.
    Primary,
}

impl Kind {
    /// The words that it is one of, or made of; none where there are too many.
    pub fn choices(self) -> &'static [&'static str] {
        match self {
            Self::YesNo => &["yes", "no"],
            Self::Choice(names) | Self::Flags(names) => names,
            _ => &[],
        }
    }

    /// Whether the value is a list of words.
    pub fn is_list(self) -> bool {
        matches!(
            self,
            Self::Flags(_)
                | Self::Save
                | Self::OutputLimits
                | Self::Addresses
                | Self::OomScores
                | Self::Percentiles
                | Self::Primary
        )
    }
}
