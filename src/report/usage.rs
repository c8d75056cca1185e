//! What memory is used for: the figures that INFO and MEMORY share.
//!
//! ```text
//!  resident      what the system has given the process
//!   |- heap      not backed by files; the rest is the program itself
//!   |   `- used  what the allocator has handed out
//!   |       |- overhead  what there was at the start, tables, clients, scripts, the log's buffer
//!   |       `- dataset   keys and values; what waits to be freed; what a snapshot keeps
//! ```
//!
//! `maxmemory` does not count what there was at the start, nor what waits to be freed, saved by a
//! snapshot or written to the log: no key would have to go for these.

use crate::server::Server;
use crate::system::allocator;
use crate::system::process::Process;
use redstart_engine::Error;
use redstart_engine::keyspace::LockedShards;
use redstart_engine::keyspace::totals::Totals;

/// See the module. All figures are in bytes.
pub struct Usage {
    /// What the keyspace holds.
    pub totals: Totals,
    /// Clients' buffers, and what is known of them.
    pub clients: usize,
    /// What is appended to the log and not written yet.
    pub log: usize,
    /// Scripts and functions.
    pub scripts: redstart_scripting::usage::Usage,
    /// What waits to be freed, or to be saved by a snapshot.
    pub leaving: usize,
    /// What the allocator has handed out.
    pub used: usize,
    /// That, before there was data.
    pub startup: usize,
    /// Its peak, and when that was, in seconds since the Unix epoch.
    pub peak: (usize, i64),
    /// What the system says.
    pub process: Process,
}

impl Usage {
    /// Adds everything up, under the locks that are held or one lock at a time.
    ///
    /// # Errors
    /// When a script holds a shard for too long.
    pub fn of(server: &Server, held: Option<&mut LockedShards>) -> Result<Usage, Error> {
        let totals = Totals::of(&server.engine.keyspace, held)?;
        let clients = server.clients.all().iter().map(|client| client.memory()).sum();
        let used = allocator::allocated();
        Ok(Usage {
            totals,
            clients,
            log: server.durability.log_buffer(),
            scripts: server.scripts.usage(),
            leaving: server.reclaimer.bytes_waiting() + server.engine.keyspace.kept_for_snapshot(),
            used,
            startup: server.watermarks.startup(),
            peak: server.watermarks.note(used, server.clock.now().wall_ms / 1000),
            process: Process::now(),
        })
    }

    /// What is neither key nor value.
    pub fn overhead(&self) -> usize {
        self.startup + self.totals.overhead_bytes + self.clients + self.log + self.scripts.bytes()
    }

    /// Keys and values.
    pub fn dataset(&self) -> usize {
        self.used.saturating_sub(self.overhead())
    }

    /// What `maxmemory` does not count.
    pub fn not_counted(&self) -> usize {
        self.startup + self.leaving + self.log
    }

    /// What is used, without what there was at the start.
    pub fn net(&self) -> usize {
        self.used.saturating_sub(self.startup)
    }

    /// What the system has given the process.
    pub fn resident(&self) -> usize {
        self.process.resident_bytes.unwrap_or(self.used)
    }

    /// The part of it that is not backed by files. What was handed out and never touched is not
    /// resident.
    pub fn heap(&self) -> usize {
        self.resident().saturating_sub(self.process.file_bytes)
    }
}

/// How many per cent a part of a whole is.
pub fn percent(part: usize, whole: usize) -> f64 {
    100.0 * ratio(part, whole)
}

/// How large something is in terms of another.
pub fn ratio(one: usize, other: usize) -> f64 {
    one as f64 / other.max(1) as f64
}

/// How much larger something is than another.
pub fn surplus(one: usize, other: usize) -> i64 {
    one as i64 - other as i64
}
