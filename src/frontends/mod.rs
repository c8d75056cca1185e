//! Ways to the server beside RESP on a socket of its own.

pub mod http;
