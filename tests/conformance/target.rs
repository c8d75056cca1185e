//! What a transcript can be run against.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::support::client::{Client, Failure};
use crate::support::resp::Value;
use crate::support::server::Server;

/// The reply dialect that a run asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Protocol {
    Resp2,
    Resp3,
}

/// A server, or something that behaves like one.
pub trait Target {
    /// Empties the data, forgets all connections and selects database 0.
    fn begin(&mut self) -> Result<(), String>;

    /// Runs one command on a connection, which is opened when it is first used.
    fn call(&mut self, connection: usize, args: &[Vec<u8>]) -> Result<Value, Failure>;

    /// Lets time pass: in a process its own clock may be moved instead.
    fn sleep(&mut self, ms: u64);

    /// The dialect of the replies.
    fn protocol(&self) -> Protocol;

    /// The version of the oracle, if this is the oracle: it does not know what is newer.
    fn oracle_version(&self) -> Option<&str> {
        None
    }

    /// Whether there are sessions: names, authentication, closing.
    fn has_sessions(&self) -> bool {
        false
    }

    /// Whether there is such a command.
    fn knows(&mut self, command: &str) -> bool;

    /// Whether this command can be asked for at all.
    fn runs(&mut self, _args: &[Vec<u8>]) -> bool {
        true
    }

    /// Whether the server has closed the connection.
    fn is_closed(&mut self, _connection: usize) -> bool {
        false
    }

    /// Called after a section that failed: it may have left settings behind.
    fn discard(&mut self) {}
}

/// A server process of our own, spoken to over TCP.
pub struct Tcp {
    program: PathBuf,
    args: Vec<&'static str>,
    protocol: Protocol,
    oracle_version: Option<String>,
    server: Option<Server>,
    connections: HashMap<usize, Client>,
}

impl Tcp {
    /// The redstart binary.
    pub fn redstart(program: &Path, protocol: Protocol) -> Tcp {
        Tcp::new(program, &["--save", "", "--threads", "2"], protocol, None)
    }

    /// The oracle.
    pub fn oracle(program: &Path, version: &str, protocol: Protocol) -> Tcp {
        let args = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"];
        Tcp::new(program, &args, protocol, Some(version.to_owned()))
    }

    fn new(
        program: &Path,
        args: &[&'static str],
        protocol: Protocol,
        oracle_version: Option<String>,
    ) -> Tcp {
        // DEBUG is off by default in both servers.
        let args = [args, ["--enable-debug-command", "local"].as_slice()].concat();
        Tcp {
            program: program.to_owned(),
            args,
            protocol,
            oracle_version,
            server: None,
            connections: HashMap::new(),
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        let port = self.server.as_ref().map(Server::port).ok_or("the server is not started")?;
        let failed = |failure: Failure| format!("FLUSHALL before the section: {failure:?}");
        let mut client = Client::connect(port).map_err(failed)?;
        let reply = client.call(&["FLUSHALL"]).map_err(failed)?;
        client.close();
        match reply {
            Value::Simple(_) => Ok(()),
            other => Err(format!("FLUSHALL before the section: {other:?}")),
        }
    }

    fn connection(&mut self, number: usize) -> Result<&mut Client, Failure> {
        if !self.connections.contains_key(&number) {
            let port = self.server.as_ref().map(Server::port).ok_or(Failure::Closed)?;
            let mut client = Client::connect(port)?;
            if self.protocol == Protocol::Resp3 {
                // An unauthenticated connection stays in RESP2, as a client's would.
                client.call(&["HELLO", "3"])?;
            }
            self.connections.insert(number, client);
        }
        self.connections.get_mut(&number).ok_or(Failure::Closed)
    }
}

impl Target for Tcp {
    fn begin(&mut self) -> Result<(), String> {
        self.connections.drain().for_each(|(_, client)| client.close());
        if self.flush().is_ok() {
            return Ok(());
        }
        // Not started yet, or ended by the last section.
        self.server = None;
        self.server = Some(Server::start(&self.program, &self.args)?);
        self.flush()
    }

    fn call(&mut self, connection: usize, args: &[Vec<u8>]) -> Result<Value, Failure> {
        let result = self.connection(connection)?.call(args);
        if result.is_err() {
            self.connections.remove(&connection);
        }
        result
    }

    fn sleep(&mut self, ms: u64) {
        thread::sleep(Duration::from_millis(ms));
    }

    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn oracle_version(&self) -> Option<&str> {
        self.oracle_version.as_deref()
    }

    fn has_sessions(&self) -> bool {
        true
    }

    fn knows(&mut self, command: &str) -> bool {
        let args = ["COMMAND", "INFO", command].map(|arg| arg.as_bytes().to_vec());
        match (self.begin(), self.call(1, &args)) {
            (Ok(()), Ok(Value::Items(_, items))) => matches!(items.as_slice(), [Value::Items(..)]),
            _ => false,
        }
    }

    fn is_closed(&mut self, connection: usize) -> bool {
        match self.connections.remove(&connection) {
            Some(mut client) => client.is_closed(),
            None => true,
        }
    }

    fn discard(&mut self) {
        self.server = None;
    }
}
