//! Where clients connect from and to.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Where a client is, or where it connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The path of the server's unix socket.
    Unix(Arc<str>),
}

impl Address {
    /// Whether the client is on the same machine.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Tcp(addr) => addr.ip().to_canonical().is_loopback(),
            Address::Unix(_) => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(addr) => write!(out, "{addr}"),
            Address::Unix(path) => write!(out, "{path}:0"),
        }
    }
}
