//! What durability needs of scripts: the libraries of functions for a snapshot, and what of a log
//! the engine cannot run again.
//!
//! Redis before version 7 wrote a script's call to its append-only file, not what it did. It is
//! run again as Redis does while it loads: by a client that may do anything, whatever memory is
//! left, for as long as it takes, at a moment at which nothing has expired. A script that ends with
//! an error did so the first time, too, after some of its writes: it is logged and passed over. One
//! that cannot be run at all would leave a hole, and is refused.

use crate::clients::client::ClientInfo;
use crate::dispatch::script_host;
use crate::durability::{Libraries, Replay};
use crate::server::Server;
use crate::session::handlers::Handlers;
use crate::session::{Context, Session, tracking};
use crate::system::log;
use redstart_engine::run::command::Runner;
use redstart_engine::stats::Stats;
use redstart_engine::{Error, Now, Prepared, WorkerState};
use redstart_protocol::OwnedArgs;
use redstart_scripting::library::Catalogue;
use redstart_scripting::{Existing, Loader};
use std::sync::Arc;

impl Libraries for Catalogue {
    fn texts(&self, meanwhile: &mut dyn FnMut()) -> Vec<Arc<[u8]>> {
        // A change is logged under the same lock.
        let libraries = self.libraries.read();
        meanwhile();
        libraries.values().map(|library| library.code.clone()).collect()
    }
}

/// Runs scripts and loads libraries where there is no client.
pub struct Replayer {
    server: &'static Server,
    handlers: &'static Handlers,
    /// Loads libraries, made when it is first needed.
    loader: Option<Loader>,
    /// Runs scripts, made when it is first needed.
    scripts: Option<Scripts>,
}

impl Replayer {
    /// Replays what one start or reload loads.
    pub fn new(server: &'static Server, handlers: &'static Handlers) -> Replayer {
        Replayer { server, handlers, loader: None, scripts: None }
    }

    fn loader(&mut self) -> Result<&mut Loader, String> {
        match &mut self.loader {
            Some(loader) => Ok(loader),
            none => {
                let made = script_host::loader(self.server, self.handlers);
                Ok(none.insert(made.map_err(|error| text(&error))?))
            }
        }
    }
}

impl Replay for Replayer {
    fn add_library(&mut self, code: &[u8], replace: bool) -> Result<(), String> {
        let existing = if replace { Existing::Replace } else { Existing::Keep };
        self.loader()?.add(code, existing).map_err(|error| text(&error))
    }

    fn remove_library(&mut self, name: &[u8]) -> Result<(), String> {
        self.loader()?.remove(name);
        Ok(())
    }

    fn remove_libraries(&mut self) -> Result<(), String> {
        self.loader()?.clear();
        Ok(())
    }

    fn run_script(&mut self, words: &[&[u8]], db: usize, now: Now) -> Result<(), String> {
        if let Some(loader) = &self.loader {
            // Scripts call the functions that have come so far.
            loader.publish();
        }
        let (server, handlers) = (self.server, self.handlers);
        self.scripts.get_or_insert_with(|| Scripts::new(server, handlers)).run(words, db, now)
    }

    fn empty(&mut self) {
        let (server, handlers) = (self.server, self.handlers);
        self.loader = None;
        self.scripts.get_or_insert_with(|| Scripts::new(server, handlers)).flush();
    }

    fn finish(&mut self) {
        match self.loader.take() {
            Some(loader) => loader.publish(),
            None => self.server.scripts.functions.set(Default::default(), || ()),
        }
    }
}

fn text(error: &Error) -> String {
    String::from_utf8_lossy(error.as_bytes()).into_owned()
}

/// How replies begin when nothing was run.
const NOT_RUN: [&[u8]; 3] =
    [b"-NOSCRIPT", b"-ERR Error compiling script", b"-ERR Function not found"];

/// Runs scripts.
struct Scripts {
    session: Session,
    local: WorkerState,
}

impl Scripts {
    fn new(server: &'static Server, handlers: &'static Handlers) -> Scripts {
        let mut session = Session::new(server, handlers, ClientInfo::nobody());
        session.trust();
        let stats = Arc::new(Stats::new(server.registry.len()));
        Scripts { session, local: WorkerState::new(stats, fastrand::u64(..)) }
    }

    /// Runs FLUSHALL. What it removes is freed here: before there is more to hold.
    fn flush(&mut self) {
        let Scripts { session, local } = self;
        let Session { server, out, .. } = session;
        let owned = OwnedArgs::from_slices(&[&b"FLUSHALL"[..]]);
        let registered = server.registry.resolve_declared(owned.as_args());
        let registered = registered.expect("FLUSHALL is a command");
        let Runner::Data(run, _) = registered.runner else { return };
        let (command, now) = (registered.command, server.clock.now());
        let prepared = Prepared { command, run, args: owned.as_args(), keys: &[], db: 0 };
        server.engine.run(local, prepared, now, out);
        out.clear();
        local.garbage.clear();
        tracking::settle(server, local, None);
        // Events were not asked for: the keys of a replica go by its master.
        drop(local.take_events());
    }

    fn run(&mut self, words: &[&[u8]], db: usize, now: Now) -> Result<(), String> {
        let owned = OwnedArgs::from_slices(words);
        let Session { server, handlers, .. } = self.session;
        let registered = match server.registry.resolve_declared(owned.as_args()) {
            Some(found) if found.command.arity.accepts(words.len()) => found,
            _ => return Err("its arguments are not right".to_owned()),
        };
        self.session.db = db;
        let mut context =
            Context { session: &mut self.session, local: &mut self.local, now, held: None };
        let run = handlers.run(registered.id, &mut context, owned.as_args());
        self.local.garbage.clear();
        let out = &mut self.session.out;
        if let Err(error) = run {
            error.write(out);
        }
        let reply = out.to_vec();
        out.clear();
        if reply.first() != Some(&b'-') {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&reply[1..]).trim_end().to_owned();
        if NOT_RUN.iter().any(|beginning| reply.starts_with(beginning)) {
            return Err(why);
        }
        let name = String::from_utf8_lossy(words[0]);
        log::warning(format_args!("{name} was replayed, and ended as it may have before: {why}"));
        Ok(())
    }
}
