//! Sockets and the tasks on them: listening, connections, the threads that serve them.

pub mod connection;
pub mod handover;
mod handshake;
mod large_writes;
pub mod listen;
pub mod socket;
mod tls;
pub mod while_busy;
pub mod worker_thread;
