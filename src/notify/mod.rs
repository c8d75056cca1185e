//! What clients are sent unasked: channels, MONITOR, invalidations of cached keys.

pub mod invalidation;
pub mod monitor;
pub mod pubsub;
