//! The engine as a target: no socket, no thread, and a clock that moves only when a transcript
//! sleeps. Sections that use a command of the session (all but SELECT) are left out.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use redstart_engine::driver::Driver;
use redstart_engine::{Engine, Now};

use super::target::{Protocol, Target};
use crate::support::client::Failure;
use crate::support::resp::{Value, decode};

/// Every run takes the same random choices.
const SEED: u64 = 1;

/// An engine of our own.
pub struct InProcess {
    driver: Driver,
    protocol: Protocol,
    /// What SELECT chose, by connection.
    selected: HashMap<usize, usize>,
}

impl InProcess {
    /// An empty engine that replies in this dialect.
    pub fn new(protocol: Protocol) -> InProcess {
        InProcess { driver: driver(protocol), protocol, selected: HashMap::new() }
    }
}

fn driver(protocol: Protocol) -> Driver {
    let engine = Box::leak(Box::new(Engine::new([SEED, !SEED])));
    let now = Now::new(1_000_000, 1_700_000_000_000);
    let mut driver = Driver::of(engine, SEED, now, redstart_persistence::commands::COMMANDS);
    driver.protocol = match protocol {
        Protocol::Resp2 => redstart_protocol::Protocol::Resp2,
        Protocol::Resp3 => redstart_protocol::Protocol::Resp3,
    };
    driver
}

/// The database that a SELECT names; transcripts of its mistakes need a session.
fn selects(args: &[Vec<u8>]) -> Option<usize> {
    match args {
        [name, index] if name.eq_ignore_ascii_case(b"select") => {
            std::str::from_utf8(index).ok()?.parse().ok()
        }
        _ => None,
    }
}

impl Target for InProcess {
    fn begin(&mut self) -> Result<(), String> {
        self.driver = driver(self.protocol);
        self.selected.clear();
        Ok(())
    }

    fn call(&mut self, connection: usize, args: &[Vec<u8>]) -> Result<Value, Failure> {
        if let Some(index) = selects(args) {
            self.selected.insert(connection, index);
            return Ok(Value::Simple(b"OK".to_vec()));
        }
        self.driver.db = self.selected.get(&connection).copied().unwrap_or(0);
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let reply = catch_unwind(AssertUnwindSafe(|| self.driver.call(&args)))
            .map_err(|_| Failure::Broken("the engine panicked".to_owned()))?;
        match decode(&reply) {
            Ok(Some((value, length))) if length == reply.len() => self.protocol.admit(value),
            other => Err(Failure::Broken(format!("not one reply: {other:?}"))),
        }
    }

    fn sleep(&mut self, ms: u64) {
        self.driver.advance(ms);
    }

    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn knows(&mut self, command: &str) -> bool {
        self.driver.knows(command.to_ascii_lowercase().as_bytes())
    }

    fn runs(&mut self, args: &[Vec<u8>]) -> bool {
        let name = args.first().map(|name| String::from_utf8_lossy(name).into_owned());
        selects(args).is_some() || name.is_some_and(|name| self.knows(&name))
    }
}
