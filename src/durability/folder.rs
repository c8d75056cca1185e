//! Whose the folder is: two servers that write the same files would lose what one of them had
//! acknowledged. So a server [claims](super::disk::claim) the files that it writes.
//!
//! ```text
//!  dir/dump.redstart.lock               who writes snapshots of this name
//!  dir/appendonlydir/appendonly.lock    who writes the log
//! ```
//!
//! With save points or the log, it does so before it reads anything, and does not start where
//! another one has them. A server with neither only reads, and may share its folder with others; it
//! claims the files when it is first told to write: SAVE, BGSAVE, CONFIG SET. Claims last until the
//! process ends, or move when `dir` does.

use super::Durability;
use super::disk::claim::{Claim, NotClaimed, lock_name};
use super::disk::directory::Directory;
use super::parts::{Parts, log_path, path};
use crate::system::log;
use parking_lot::Mutex;
use redstart_config::{Config, Setting};
use redstart_persistence::names;
use redstart_persistence::storage::Storage;
use std::io;
use std::path::{Path, PathBuf};

/// The claims of this server.
#[derive(Default)]
pub struct Claims(Mutex<Vec<Claim>>);

/// Files to be claimed.
struct Wanted {
    lock: PathBuf,
    directory: Directory,
    /// The snapshot's name, or what the names of the log begin with.
    name: String,
}

impl Durability {
    /// Claims the files that the settings have this server write, if any.
    ///
    /// # Errors
    /// When another process writes them; nothing has changed then.
    pub fn claim_as_configured(&self) -> io::Result<()> {
        let writes = {
            let config = self.parts.config.read();
            config.is(Setting::Appendonly) || !config.save_points().is_empty()
        };
        if writes || !self.claims.0.lock().is_empty() { self.claim() } else { Ok(()) }
    }

    /// Claims the files that a snapshot is written to, and those of the log if it is on.
    ///
    /// # Errors
    /// When another process writes them; nothing has changed then.
    pub fn claim(&self) -> io::Result<()> {
        let (wanted, about) = wanted(&self.parts);
        let mut claims = self.claims.0.lock();
        let known: Vec<PathBuf> = claims.iter().map(|claim| claim.path().to_owned()).collect();
        claims.retain(Claim::stands);
        let mut new = Vec::new();
        for files in &wanted {
            if !claims.iter().any(|claim| claim.path() == files.lock) {
                new.push(claim_one(files, &about, known.contains(&files.lock))?);
            }
        }
        // A snapshot that is being written, and the log's segment, stay where they were begun.
        if !new.is_empty() && !self.is_logging() && !self.status.lock().is_working() {
            claims.retain(|claim| wanted.iter().any(|wanted| wanted.lock == claim.path()));
        }
        claims.append(&mut new);
        Ok(())
    }
}

/// What is to be claimed, and how this server tells others who it is.
fn wanted(parts: &Parts) -> (Vec<Wanted>, String) {
    let config = parts.config.read();
    let dir = path(config.text(Setting::Dir));
    let text = |setting| String::from_utf8_lossy(config.text(setting)).into_owned();
    let of = |folder: &Path, name: String| Wanted {
        lock: folder.join(lock_name(&name)),
        directory: Directory::new(folder),
        name,
    };
    let mut wanted = vec![of(&dir, names::dump(&text(Setting::Dbfilename)))];
    if config.is(Setting::Appendonly) {
        let prefix = names::prefix(&text(Setting::Appendfilename)).to_owned();
        let directory = Directory::new(log_path(&config));
        // Where it cannot be made, nothing can be locked, which is said then.
        let _ = directory.make();
        wanted.push(of(directory.path(), prefix));
    }
    (wanted, introduction(&config))
}

fn introduction(config: &Config) -> String {
    let (id, port) = (std::process::id(), config.integer(Setting::Port));
    let socket = String::from_utf8_lossy(config.text(Setting::Unixsocket));
    match (port, &*socket) {
        (0, socket) => format!("process {id} ({socket})"),
        (port, _) => format!("process {id} (port {port})"),
    }
}

/// Claims files, perhaps not for the first time; removes what an earlier process that was killed
/// left unfinished of them.
fn claim_one(files: &Wanted, about: &str, again: bool) -> io::Result<Claim> {
    let Wanted { lock, directory, name } = files;
    match Claim::take(lock, about) {
        Ok(claim) => {
            remove_unfinished(directory, name);
            Ok(claim)
        }
        Err(NotClaimed::Held(who)) => {
            let folder = directory.path().display();
            let text = format!(
                "{folder} is in use: {who} writes {name} there, and two servers on one folder \
                 would lose data. End the other one, or give this one a folder of its own (dir). \
                 A server without persistence (save \"\", appendonly no) may share it"
            );
            Err(io::Error::new(io::ErrorKind::ResourceBusy, text))
        }
        Err(NotClaimed::Impossible(error)) => {
            if !again {
                log::warning(format_args!(
                    "{} cannot be locked: {error}. Another server that writes to the same folder \
                     would not be noticed",
                    lock.display()
                ));
            }
            Ok(Claim::without_lock(lock))
        }
    }
}

/// No other process writes files of this name: unfinished ones belong to none that lives. This
/// one's own go when it writes them anew.
fn remove_unfinished(directory: &Directory, name: &str) {
    let own = names::unfinished(name, directory.process());
    let files = directory.list().unwrap_or_default();
    let others = |file: &&String| names::is_unfinished(file, name) && !file.starts_with(&own);
    for file in files.iter().filter(others) {
        // What cannot be removed takes space, and does no other harm.
        let _ = directory.remove(file);
    }
}
