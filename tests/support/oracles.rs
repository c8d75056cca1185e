//! Redstart beside the servers that are the oracles, for tests that ask all of them the same.

use redstart_differential::oracle::{Oracle, Product, find};
use std::path::{Path, PathBuf};

use super::server::Server;

/// A server, and what is known of it.
pub struct Asked {
    /// `redstart`, or the oracle's name: `redis-8`.
    pub name: &'static str,
    /// Whether it is a Redis of version 7.0, which knows nothing of deadlines of fields.
    pub is_old: bool,
    /// Whether it is Valkey.
    pub is_valkey: bool,
    /// The program that it is.
    pub program: PathBuf,
    /// The server.
    pub server: Server,
}

/// Whether what an oracle says counts: it is of the version that the tests know.
fn known(name: &'static str) -> Option<Oracle> {
    match find(name) {
        Ok(oracle) => Some(oracle).filter(|oracle| oracle.is_known),
        Err(why) => {
            println!("{why}");
            None
        }
    }
}

/// Starts a server.
fn start(name: &'static str, program: &Path, args: &[&str]) -> Server {
    Server::start(program, args).unwrap_or_else(|error| panic!("{name} starts: {error}"))
}

/// Starts an oracle, if it is here.
pub fn oracle(name: &'static str, args: &[&str]) -> Option<Asked> {
    let oracle = known(name)?;
    let server = start(name, &oracle.program, args);
    let is_old = oracle.series() == (7, 0);
    let is_valkey = oracle.product == Product::Valkey;
    Some(Asked { name, is_old, is_valkey, program: oracle.program, server })
}

/// Starts Redstart.
pub fn redstart(program: &str, args: &[&str]) -> Asked {
    let program = PathBuf::from(program);
    let server = start("redstart", &program, args);
    Asked { name: "redstart", is_old: false, is_valkey: false, program, server }
}

/// Starts Redstart and every oracle that is here.
pub fn all(program: &str, args: &[&str]) -> Vec<Asked> {
    let oracles = ["redis-8", "valkey-9", "redis-7"].into_iter();
    let oracles = oracles.filter_map(|name| oracle(name, args));
    [redstart(program, args)].into_iter().chain(oracles).collect()
}
