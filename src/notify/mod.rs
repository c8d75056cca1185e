//! What clients hear unasked: channels, MONITOR, invalidations of cached keys.

pub mod invalidation;
pub mod monitor;
pub mod pubsub;
