//! Libraries of functions.

/// The libraries that a worker has loaded.
#[derive(Default)]
pub struct Loaded;
