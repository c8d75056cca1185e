//! What the server says of itself.

pub mod info;
pub mod usage;
