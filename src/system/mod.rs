//! The machine that the server runs on: allocator, clocks, log, random source, pace of helpers.

pub mod allocator;
pub mod clock;
pub mod heartbeats;
pub mod log;
pub mod pace;
pub mod process;
pub mod progress;
pub mod random;
pub mod supervisor;
