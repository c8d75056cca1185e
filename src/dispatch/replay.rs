//! Scripts in Redis's append-only files: before version 7 the call itself was written, not what it
//! did, so that it is run once more.
//!
//! It is run as Redis does while it loads: as a client of nobody's who may do anything, whatever
//! memory is left, for as long as it takes, at a moment at which nothing has expired. A script that
//! ends with an error did so the first time, too, after some of its writes: that is told and passed
//! over. One that cannot be run at all would leave a hole, and is refused.

use crate::clients::ClientInfo;
use crate::server::Server;
use crate::session::{Context, Session};
use crate::system::log;
use redstart_engine::Now;
use redstart_engine::run::execute::WorkerState;
use redstart_engine::stats::Stats;
use redstart_protocol::OwnedArgs;
use std::sync::Arc;

/// The commands that are replayed here.
const NAMES: [&str; 7] =
    ["eval", "evalsha", "eval_ro", "evalsha_ro", "fcall", "fcall_ro", "script"];

/// How replies begin that say that nothing was run.
const NOT_RUN: [&[u8]; 3] =
    [b"-NOSCRIPT", b"-ERR Error compiling script", b"-ERR Function not found"];

/// Whether a command of this name is replayed here.
pub fn runs(name: &[u8]) -> bool {
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Runs scripts where there is no client.
pub struct Scripts {
    session: Session,
    local: WorkerState,
}

impl Scripts {
    /// What runs scripts on this thread.
    pub fn new(server: &'static Server) -> Scripts {
        let mut session = Session::new(server, ClientInfo::nobody());
        session.authenticated = true;
        let stats = Arc::new(Stats::new(server.registry.len()));
        Scripts { session, local: WorkerState::new(stats, fastrand::u64(..)) }
    }

    /// Does a command once more.
    ///
    /// # Errors
    /// When there is nothing to be run.
    pub fn replay(&mut self, now: Now, db: usize, words: &[&[u8]]) -> Result<(), String> {
        let name = String::from_utf8_lossy(words[0]).into_owned();
        let owned = OwnedArgs::from_slices(words);
        let server = self.session.server;
        let registered = match server.registry.resolve(owned.as_args()) {
            Ok(Some(found)) if found.command.arity.accepts(words.len()) => found,
            _ => return Err(format!("{name} cannot be replayed: its arguments are not right")),
        };
        self.session.db = db;
        let mut context =
            Context { session: &mut self.session, local: &mut self.local, now, held: None };
        let run = server.handlers.run(registered.id, &mut context, owned.as_args());
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
        let told = String::from_utf8_lossy(&reply[1..]).trim_end().to_owned();
        if NOT_RUN.iter().any(|beginning| reply.starts_with(beginning)) {
            return Err(format!("{name} cannot be replayed: {told}"));
        }
        log::warning(format_args!("{name} was replayed, and ended as it may have before: {told}"));
        Ok(())
    }
}
