//! The way of a connection from the thread that accepts it to the worker that serves it.

use crate::network::socket::{Accepted, Address};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::sync::mpsc;

/// A connection on its way to a worker.
pub struct Handover {
    /// The socket.
    pub stream: Accepted,
    /// Where the client is.
    pub addr: Address,
}

/// A worker as the acceptor sees it.
pub struct WorkerHandle {
    /// Takes connections.
    pub queue: mpsc::UnboundedSender<Handover>,
    /// How many connections the worker has.
    pub load: Arc<AtomicUsize>,
}
