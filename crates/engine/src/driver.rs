//! The engine without a server: one caller, a virtual clock, a seed. Tests, fuzzers and the
//! in-process conformance run drive the whole data model through it. Its engine is never freed,
//! as a server's is not.

use crate::clock::Now;
use crate::error::Error;
use crate::run::command::{DataCommand, Declared, Runner};
use crate::run::engine::Engine;
use crate::run::execute::Prepared;
use crate::run::registry::Registry;
use crate::run::worker_state::WorkerState;
use crate::spec::KeyAt;
use crate::stats::Stats;
use redstart_protocol::{OwnedArgs, Protocol, Reply};
use std::sync::Arc;

/// One caller of an engine of its own.
pub struct Driver {
    /// The engine.
    pub engine: &'static Engine,
    /// The moment of the next call; move it to let time pass.
    pub now: Now,
    /// The selected database.
    pub db: usize,
    /// The protocol of the replies.
    pub protocol: Protocol,
    registry: Registry,
    local: WorkerState,
}

impl Driver {
    /// An empty engine with every data command.
    pub fn new(seed: u64) -> Driver {
        let engine = Box::leak(Box::new(Engine::new([seed, !seed])));
        Driver::of(engine, seed, Now::new(1_000_000, 1_700_000_000_000), &[])
    }

    /// A caller of an engine that is there already, as the log's replay is, with `more` commands.
    pub fn of(
        engine: &'static Engine,
        seed: u64,
        now: Now,
        more: &[&'static DataCommand],
    ) -> Driver {
        let registry = Registry::new(
            crate::commands::all().chain(more.iter().map(|command| Declared::from(*command))),
        );
        let stats = Arc::new(Stats::new(registry.len()));
        Driver {
            engine,
            now,
            db: 0,
            protocol: Protocol::Resp2,
            registry,
            local: WorkerState::new(stats, seed),
        }
    }

    /// Lets milliseconds pass on both clocks, and runs the expiry tick as a server would.
    pub fn advance(&mut self, ms: u64) {
        self.now = Now::new(self.now.mono_ms + ms, self.now.wall_ms + ms as i64);
        while self.engine.expire(&mut self.local, 0, 1, self.now) {}
        while self.engine.free_dropped(&mut self.local, self.now) {}
        self.local.garbage.clear();
    }

    /// Walks over all keys for statistics by prefix, once.
    pub fn count_prefixes(&mut self) {
        let walks = self.engine.keyspace.prefixes.walks();
        // A walk is published when the next one begins.
        while self.engine.count_prefixes(&mut self.local, self.now).is_some()
            && self.engine.keyspace.prefixes.walks() < walks + 2
        {}
    }

    /// The counters.
    pub fn stats(&self) -> &Stats {
        &self.local.stats
    }

    /// Whether this is a command that the engine itself runs.
    pub fn knows(&self, name: &[u8]) -> bool {
        self.registry.get(name).is_some()
    }

    /// Runs one command and returns the reply's bytes.
    pub fn call(&mut self, args: &[&[u8]]) -> Vec<u8> {
        self.call_before_drop(args, || {})
    }

    /// Runs one command, calls `after`, and only then drops the large values that it removed.
    /// Returns the reply's bytes.
    pub fn call_before_drop(&mut self, args: &[&[u8]], after: impl FnOnce()) -> Vec<u8> {
        let mut reply = Reply::new(self.protocol);
        if let Err(error) = self.run(args, &mut reply) {
            error.write(&mut reply);
        }
        after();
        self.local.garbage.clear();
        reply.to_vec()
    }

    /// Runs one command whose reply may come in pieces, and calls `between` before each but the
    /// first. Returns the reply's bytes and the number of pieces.
    pub fn call_in_pieces(
        &mut self,
        args: &[&[u8]],
        mut between: impl FnMut(&mut Driver),
    ) -> (Vec<u8>, usize) {
        let mut reply = Reply::new(self.protocol);
        reply.allow_rest(true);
        if let Err(error) = self.run(args, &mut reply) {
            error.write(&mut reply);
        }
        self.local.garbage.clear();
        let (mut all, mut pieces) = (reply.to_vec(), 1);
        while reply.has_rest() {
            between(self);
            reply.refill();
            all.extend(reply.to_vec());
            pieces += 1;
        }
        (all, pieces)
    }

    /// Runs a command given as words separated by blanks, and returns the reply as text.
    pub fn line(&mut self, line: &str) -> String {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        String::from_utf8_lossy(&self.call(&args)).into_owned()
    }

    fn run(&mut self, args: &[&[u8]], reply: &mut Reply) -> Result<(), Error> {
        let owned = OwnedArgs::from_slices(args);
        let args = owned.as_args();
        let found = match self.registry.resolve(args) {
            Ok(Some(found)) => found,
            Ok(None) => return Err(Error::unknown_command(args.iter())),
            Err(container) => return Err(Error::unknown_subcommand(container.name, &args[1])),
        };
        if !found.command.arity.accepts(args.len()) {
            return Err(Error::wrong_arity(&found.full_name()));
        }
        let Runner::Data(run, _) = found.runner else {
            return Err(Error::unknown_command(args.iter()));
        };
        let mut keys: Vec<KeyAt> = Vec::new();
        // The handler refuses arguments that do not say where the keys are.
        if self.engine.hash_keys(found, args, &mut keys).is_err() {
            keys.clear();
        }
        let request = Prepared { command: found.command, run, args, keys: &keys, db: self.db };
        self.engine.run(&mut self.local, request, self.now, reply);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_comes_back_until_its_deadline() {
        let mut driver = Driver::new(1);
        assert_eq!(driver.line("GET k"), "$-1\r\n");
        assert_eq!(driver.line("SET k v PX 100"), "+OK\r\n");
        assert_eq!(driver.line("get k"), "$1\r\nv\r\n");
        driver.now.mono_ms += 100;
        assert_eq!(driver.line("GET k"), "$-1\r\n");
        driver.line("SET k v PX 100");
        driver.advance(100);
        assert_eq!(driver.stats().expired_keys.value(), 2);
    }
}
