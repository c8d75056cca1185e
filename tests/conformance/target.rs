//! What a transcript can be run against.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use redstart_differential::oracle::Oracle;

use super::scope::REDSTART;
use crate::support::client::{Client, Failure};
use crate::support::resp::{Kind, Value};
use crate::support::server::Server;

/// What INFO does not tell by then, it never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// The reply dialect that a run asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Protocol {
    Resp2,
    Resp3,
}

impl Protocol {
    /// Passes a reply on if every type in it belongs to this dialect.
    pub fn admit(self, reply: Value) -> Result<Value, Failure> {
        match self.stranger(&reply) {
            Some(stranger) => Err(Failure::Broken(format!("not of {self:?}: {stranger:?}"))),
            None => Ok(reply),
        }
    }

    fn stranger(self, value: &Value) -> Option<&Value> {
        let belongs = match value {
            Value::Nil | Value::NilArray => self == Protocol::Resp2,
            Value::Null
            | Value::Double(_)
            | Value::Bool(_)
            | Value::Big(_)
            | Value::Verbatim(..)
            | Value::Items(Kind::Map | Kind::Set | Kind::Push, _) => self == Protocol::Resp3,
            _ => true,
        };
        match value {
            _ if !belongs => Some(value),
            Value::Items(_, items) => items.iter().find_map(|item| self.stranger(item)),
            _ => None,
        }
    }
}

/// A server, or something that behaves like one.
pub trait Target {
    /// Empties the data, forgets all connections and selects database 0.
    fn begin(&mut self) -> Result<(), String>;

    /// Runs one command on a connection, which is opened when it is first used. Without arguments
    /// it only waits for the next reply.
    fn call(&mut self, connection: usize, args: &[Vec<u8>]) -> Result<Value, Failure>;

    /// Sends raw bytes on a connection.
    fn send(&mut self, _connection: usize, _bytes: &[u8]) -> Result<(), Failure> {
        Err(Failure::Broken("there is no wire".to_owned()))
    }

    /// Lets time pass: in a process its own clock may be moved instead.
    fn sleep(&mut self, ms: u64);

    /// Waits until INFO has this line; what it has instead, if that takes too long.
    fn wait_until(&mut self, _line: &str) -> Result<(), String> {
        Err("there is no INFO".to_owned())
    }

    /// The dialect of the replies.
    fn protocol(&self) -> Protocol;

    /// The oracle, if this is one: it does not know what is newer.
    fn oracle(&self) -> Option<&Oracle> {
        None
    }

    /// What transcripts call it.
    fn name(&self) -> &'static str {
        self.oracle().map_or(REDSTART, |oracle| oracle.name)
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
    oracle: Option<Oracle>,
    server: Option<Server>,
    connections: HashMap<usize, Connection>,
}

/// A client, and the dialect that the server speaks to it now.
struct Connection {
    client: Client,
    dialect: Protocol,
}

impl Connection {
    fn call(&mut self, args: &[Vec<u8>]) -> Result<Value, Failure> {
        let reply = match args {
            [] => self.client.reply()?,
            _ => self.client.call(args)?,
        };
        let is = |index: usize, word: &str| {
            args.get(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
        };
        match reply {
            Value::Error(_) => {}
            _ if is(0, "HELLO") && is(1, "3") => self.dialect = Protocol::Resp3,
            _ if is(0, "HELLO") && is(1, "2") || is(0, "RESET") => self.dialect = Protocol::Resp2,
            _ => {}
        }
        self.dialect.admit(reply)
    }
}

impl Tcp {
    /// The redstart binary.
    pub fn redstart(program: &Path, protocol: Protocol) -> Tcp {
        Tcp::new(program, &["--save", "", "--threads", "2"], protocol, None)
    }

    /// An oracle.
    pub fn oracle(oracle: &Oracle, protocol: Protocol) -> Tcp {
        let args = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"];
        Tcp::new(&oracle.program, &args, protocol, Some(oracle.clone()))
    }

    fn new(
        program: &Path,
        args: &[&'static str],
        protocol: Protocol,
        oracle: Option<Oracle>,
    ) -> Tcp {
        // DEBUG is off by default in all servers.
        let args = [args, ["--enable-debug-command", "local"].as_slice()].concat();
        Tcp {
            program: program.to_owned(),
            args,
            protocol,
            oracle,
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

    fn connection(&mut self, number: usize) -> Result<&mut Connection, Failure> {
        if !self.connections.contains_key(&number) {
            let port = self.server.as_ref().map(Server::port).ok_or(Failure::Closed)?;
            let client = Client::connect(port)?;
            let mut connection = Connection { client, dialect: Protocol::Resp2 };
            if self.protocol == Protocol::Resp3 {
                // Where a password is asked for first, the connection stays in RESP2.
                connection.call(&["HELLO", "3"].map(|arg| arg.as_bytes().to_vec()))?;
            }
            self.connections.insert(number, connection);
        }
        self.connections.get_mut(&number).ok_or(Failure::Closed)
    }
}

impl Target for Tcp {
    fn begin(&mut self) -> Result<(), String> {
        self.connections.drain().for_each(|(_, connection)| connection.client.close());
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

    fn send(&mut self, connection: usize, bytes: &[u8]) -> Result<(), Failure> {
        self.connection(connection)?.client.send(bytes)
    }

    fn sleep(&mut self, ms: u64) {
        thread::sleep(Duration::from_millis(ms));
    }

    fn wait_until(&mut self, line: &str) -> Result<(), String> {
        let port = self.server.as_ref().map(Server::port).ok_or("the server is not started")?;
        let failed = |failure: Failure| format!("INFO: {failure:?}");
        let field = line.split_once(':').map_or(line, |(field, _)| field);
        let deadline = Instant::now() + PATIENCE;
        let mut client = Client::connect(port).map_err(failed)?;
        loop {
            let Value::Bulk(text) = client.call(&["INFO"]).map_err(failed)? else {
                return Err("INFO is not a string".to_owned());
            };
            let text = String::from_utf8_lossy(&text).into_owned();
            let found = text.lines().find(|found| found.split(':').next() == Some(field));
            if found == Some(line) {
                client.close();
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("it never came to {line}: {found:?}"));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn oracle(&self) -> Option<&Oracle> {
        self.oracle.as_ref()
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
            Some(mut connection) => connection.client.is_closed(),
            None => true,
        }
    }

    fn discard(&mut self) {
        self.server = None;
    }
}
