//! Keys and values: the keyspace, expiry, the value types, the command table and every data
//! command's handler.
//!
//! Sans-IO: no socket, file, clock or thread is reached from here. [`Now`] and the random source
//! are passed in, so that the whole data model runs in a test on a virtual clock, from a seed.
//! The way in is [`Engine`]: it holds the keyspace and runs one prepared request at a time.

pub mod aging;
pub mod call;
pub mod clock;
pub mod commands;
pub mod driver;
pub mod effects;
pub mod entry;
pub mod error;
pub mod events;
pub mod execute;
pub mod expires;
pub mod garbage;
pub mod glob;
pub mod hasher;
pub mod keys;
pub mod keyspace;
pub mod long_double;
pub mod options;
pub mod registry;
pub mod scan;
pub mod shard;
pub mod snapshot;
pub mod spec;
pub mod stats;
pub mod sync;
pub mod syntax;
pub mod table;
pub mod tracking;
pub mod value;
pub mod waiters;
pub mod watch;

pub use call::{Call, Key};
pub use clock::Now;
pub use error::Error;
pub use execute::{Engine, Local, Prepared};
pub use keyspace::Keyspace;
pub use registry::Registry;
pub use spec::Command;
