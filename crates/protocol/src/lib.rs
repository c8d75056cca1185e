//! Bytes on the wire: requests in, replies out.
//!
//! Sans-IO: it takes and gives byte slices, and knows no socket, no clock and no command. A
//! request goes through [`Parser`] to [`Args`]; a handler answers into a [`Reply`].

mod args;
mod array;
mod error;
mod inline;
pub mod memcached;
mod number;
mod reply;
mod request;
mod rest;
mod shortest;

pub use args::{Args, OwnedArgs, Span};
pub use array::Begun;
pub use error::ProtocolError;
pub use inline::{quote, split_words};
pub use number::{
    DOUBLE_TEXT_MAX, Decimal, decimal, format_f64, format_score, format_shortest, parse_f64,
    parse_i64, parse_u64,
};
pub use reply::{Mark, Protocol, Reply, SHARED_MIN};
pub use request::{Limits, Parser, Step};
pub use rest::{PIECE_BYTES, Rest};
