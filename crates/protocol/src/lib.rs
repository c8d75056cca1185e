//! Bytes on the wire: requests in, replies out.
//!
//! Sans-IO: it takes and gives byte slices, and knows no socket, no clock and no command. A
//! request goes through [`Parser`] to [`Args`]; a handler answers into a [`Reply`].

mod args;
mod number;
mod reply;

pub use args::{Args, OwnedArgs, Span};
pub use number::{DOUBLE_TEXT_MAX, format_f64};
pub use reply::{Mark, Protocol, Reply, SHARED_MIN};
