//! The way of a connection from the thread that accepts it to the worker that serves it.

use crate::clients::address::Address;
use crate::network::socket::Accepted;
use crate::replication::link::stream::Master;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::sync::mpsc;

/// A connection on its way to a worker.
pub struct Handover {
    /// The socket.
    pub stream: Accepted,
    /// Where the client is.
    pub addr: Address,
    /// Whether it speaks memcached's protocol.
    pub memcached: bool,
    /// Whether its requests are those of this server's master.
    pub master: Option<Box<Master>>,
}

/// What the accepting thread knows of a worker.
pub struct WorkerHandle {
    /// Where new connections are sent.
    pub queue: mpsc::UnboundedSender<Handover>,
    /// How many connections the worker has.
    pub load: Arc<AtomicUsize>,
}
