//! Transcripts: what a client says and what the server must answer, as text.
//!
//! `README.md` beside this file describes the format. The same files run against Redstart over TCP,
//! against its engine in process, and against a real redis-server, which is the oracle.

pub mod expect;
pub mod format;
pub mod in_process;
pub mod quote;
pub mod runner;
pub mod scope;
pub mod table;
pub mod target;
