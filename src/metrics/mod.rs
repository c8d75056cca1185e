//! What is measured while the server works: rates, command times, slow commands, errors.

pub mod errors;
pub mod histogram;
pub mod latency;
pub mod rates;
pub mod slowlog;
pub mod timing;
