//! What the server says of itself.

pub mod client_line;
pub mod history;
pub mod info;
pub mod prefixes;
pub mod prometheus;
pub mod sampler;
pub mod usage;
