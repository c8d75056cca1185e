//! What the integration tests share: servers of their own on free ports, and a raw RESP client that
//! shows replies as they are, without a client library's conversions.

pub mod client;
pub mod oracles;
pub mod resp;
pub mod server;
pub mod talk;
