//! The locks and atomics that threads meet at, by one name each.
//!
//! The model check (`crates/model`) compiles this engine a second time, with the primitives of a
//! scheduler that tries the interleavings. So what is proved is this code, not a picture of it.

#[cfg(not(feature = "model"))]
pub use parking_lot::{Condvar, Mutex, MutexGuard};
#[cfg(not(feature = "model"))]
pub use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

#[cfg(feature = "model")]
mod scheduled;
#[cfg(feature = "model")]
pub use scheduled::{AtomicBool, AtomicU8, Condvar, Mutex, MutexGuard, Ordering};
