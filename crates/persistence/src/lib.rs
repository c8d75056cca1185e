//! Bytes on disk: the snapshot's format, the log's, and the storage that both are written to.
//!
//! Sans-IO: what touches a disk is behind [`storage::Storage`], which the server implements with
//! files and tests with memory that fails and crashes on purpose. No thread and no clock either:
//! deadlines become wall time by the [`Now`](redstart_engine::Now) that is passed in.
//!
//! A file that is read may come from anywhere: nothing is trusted before its checksum is right, and
//! then nothing is allocated that the file's own size does not account for.

pub mod aof;
pub mod checksum;
mod codec;
pub mod commands;
pub mod fault;
pub mod log;
pub mod names;
pub mod rdb;
pub mod record;
pub mod snapshot;
pub mod storage;

pub use fault::{Fault, ReadError};
