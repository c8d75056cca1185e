//! The text protocol of memcached 1.6, its meta commands included: requests in, values out.
//!
//! A request is a line of words, and for those that store a block of bytes behind it. As in
//! [`crate::Parser`] nothing is copied: the words' places are pushed, the command's first, then the
//! keys or the key, then the data block, then what is left of the line.
//!
//! ```text
//!   set k 5 60 3\r\nabc\r\n     set | k | abc           flags 5, exptime 60
//!   get a b c\r\n               get | a | b | c
//!   mg k v t O12\r\n            mg | k | v | t | O12
//! ```
//!
//! Deliberately absent: the binary protocol, which memcached itself gives up.

mod base64;
mod decode;
mod meta;
mod reply;
#[cfg(test)]
mod tests;

pub use base64::encode as base64_encode;
pub use decode::{Decoder, MemcachedLimits};
pub use meta::Meta;
pub use reply::{number, value, value_pieces};

use std::ops::Range;

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 250;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `get`, `gets`: values of the keys.
    Get {
        /// With their versions.
        versions: bool,
    },
    /// `gat`, `gats`: the value of a key, which gets another time to live.
    Gat {
        /// With its version.
        versions: bool,
        /// Whether it is the last key of its line.
        ends: bool,
    },
    /// `set`.
    Set,
    /// `add`: if the key is not there.
    Add,
    /// `replace`: if the key is there.
    Replace,
    /// `append`: behind the value that is there.
    Append,
    /// `prepend`: before the value that is there.
    Prepend,
    /// `cas`: if the value is the version that the client knows.
    Cas,
    /// `incr`.
    Incr,
    /// `decr`.
    Decr,
    /// `touch`: another time to live.
    Touch,
    /// `delete`.
    Delete,
    /// `mg`: a value, or what is known of it.
    MetaGet,
    /// `ms`: stores a value.
    MetaSet,
    /// `md`: deletes a key, or marks its value as stale.
    MetaDelete,
    /// `ma`: counts.
    MetaArithmetic,
    /// `me`: what is known of a key, for people.
    MetaDebug,
    /// `mn`.
    MetaNoop,
    /// `flush_all`.
    FlushAll,
    /// `version`.
    Version,
    /// `stats`.
    Stats,
    /// `verbosity`, `cache_memlimit`: without effect.
    Verbosity,
    /// `quit`.
    Quit,
    /// Says who the client is: a `set` before anything else, where a password is wanted.
    Auth,
    /// A `set` that is too large: the value that was there is not the newest any more.
    TooLarge,
    /// A line that is refused, with the words of the reply.
    Refused(&'static str),
    /// The lines of a browser's request: a page must not be able to give commands.
    Http,
    /// A request of the binary protocol, with its opcode.
    Binary(u8),
}

impl Verb {
    /// Whether it is a meta command with flags.
    pub fn is_meta(self) -> bool {
        use Verb::{MetaArithmetic, MetaDebug, MetaDelete, MetaGet, MetaSet};
        matches!(self, MetaArithmetic | MetaDebug | MetaDelete | MetaGet | MetaSet)
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it asks for.
    pub verb: Verb,
    /// Where it begins in the input.
    pub from: usize,
    /// Its words among the spans.
    pub args: Range<usize>,
    /// How many of them are keys: those behind the first.
    pub keys: usize,
    /// Whether the client wants no reply, or only those that tell something.
    pub quiet: bool,
    /// The client's flags.
    pub flags: u32,
    /// The time to live: zero is for ever, negative is over, more than thirty days is a Unix time.
    pub exptime: i32,
    /// The version that the value must have, or by how much to count.
    pub number: u64,
    /// The place of a meta command's flags among those of the batch.
    pub meta: usize,
}

/// The requests of a batch.
#[derive(Debug, Default)]
pub struct Requests {
    /// In their order.
    pub requests: Vec<Request>,
    /// The flags of those that are meta commands.
    pub metas: Vec<Meta>,
}

impl Requests {
    /// Forgets them all.
    pub fn clear(&mut self) {
        self.requests.clear();
        self.metas.clear();
    }
}

/// How far the decoder came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Everything before this place is dealt with: a request was added, or there was something to
    /// pass over.
    Until(usize),
    /// The request is not whole yet: it wants so many more bytes at least.
    Incomplete(usize),
    /// Nothing that comes can be understood: the client is not listened to any more.
    Hopeless,
}

/// The words of replies.
pub mod words {
    /// A line that is no request.
    pub const ERROR: &str = "ERROR";
    /// A line whose words are not right.
    pub const BAD_LINE: &str = "CLIENT_ERROR bad command line format";
    /// A key that is to be base64, and is not.
    pub const BAD_KEY: &str = "CLIENT_ERROR error decoding key";
    /// The data block does not end where the line says.
    pub const BAD_DATA: &str = "CLIENT_ERROR bad data chunk";
    /// The value is too large.
    pub const TOO_LARGE: &str = "SERVER_ERROR object too large for cache";
    /// The client has to say first who it is.
    pub const UNAUTHENTICATED: &str = "CLIENT_ERROR unauthenticated";
    /// A time to live that is no number.
    pub const BAD_EXPTIME: &str = "CLIENT_ERROR invalid exptime argument";
    /// What is to be counted by is no number.
    pub const BAD_DELTA: &str = "CLIENT_ERROR invalid numeric delta argument";
    /// The value is no number.
    pub const NOT_NUMBER: &str = "CLIENT_ERROR cannot increment or decrement non-numeric value";
    /// The server does not stop for a client.
    pub const NO_SHUTDOWN: &str = "SERVER_ERROR: shutdown not enabled";
}
