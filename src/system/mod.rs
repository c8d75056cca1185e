//! The machine that the server runs on: allocator, clocks, log, random source, the process, and how
//! threads share its cores.

pub mod allocator;
pub mod clock;
pub mod heartbeats;
#[cfg(target_os = "linux")]
pub mod huge_pages;
pub mod log;
pub mod pace;
pub mod process;
pub mod progress;
pub mod random;
pub mod sandbox;
pub mod supervisor;
