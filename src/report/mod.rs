//! What the server says of itself.

pub mod client_line;
pub mod info;
pub mod usage;
