//! Measurements: rates, the times of commands, slow commands, events that made clients wait,
//! errors.

pub mod errors;
pub mod histogram;
pub mod latency;
pub mod rates;
pub mod slowlog;
pub mod timing;
