//! One command's run: the call, the shards it holds, its effects and events, blocking.

pub mod blocking;
pub mod call;
pub mod effects;
pub mod event_classes;
pub mod events;
pub mod execute;
pub mod registry;
pub mod scan;
