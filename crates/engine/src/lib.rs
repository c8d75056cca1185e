//! Keys and values: the keyspace, expiry, the value types, the command table and every data
//! command's handler.
//!
//! Sans-IO: no socket, file, clock or thread is reached from here. [`Now`] and the random source
//! are passed in, so that the whole data model runs in a test on a virtual clock, from a seed.
//! The way in is [`Engine`]: it holds the keyspace and runs one prepared request at a time.

pub mod aging;
pub mod clock;
pub mod commands;
pub mod driver;
pub mod error;
pub mod glob;
pub mod hasher;
pub mod keyspace;
pub mod long_double;
pub mod options;
pub mod run;
pub mod spec;
pub mod stats;
pub mod storage;
pub mod sync;

pub use clock::Now;
pub use error::Error;
pub use keyspace::Keyspace;
pub use run::call::Call;
pub use run::command::{BlockingCommand, DataCommand};
pub use run::engine::Engine;
pub use run::execute::Prepared;
pub use run::registry::Registry;
pub use run::worker_state::WorkerState;
pub use spec::{Command, Key, KeyAt};
