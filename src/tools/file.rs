//! What `check` and `convert` share: files as they are named on the command line, who may write
//! them, and what builds their values.

use crate::durability::{Claim, Directory, NotClaimed, keyring, lock_name};
use redstart_engine::{Engine, Now};
use redstart_persistence::record::Builder;
use redstart_persistence::storage::encrypted::Keys;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The keys of a key file. A tool reads files that are not encrypted, too: it is told which.
///
/// # Errors
/// When it cannot be read or holds no keys.
pub fn keys(file: Option<&Path>) -> io::Result<Arc<Keys>> {
    let keys = file.map_or(Ok(Vec::new()), keyring::read)?;
    Ok(Arc::new(Keys { keys, takes_plain: true }))
}

/// A file's directory and its name.
///
/// # Errors
/// When the path ends in no name, as `..` does.
pub fn place(file: &Path, keys: &Arc<Keys>) -> io::Result<(Directory, String)> {
    let directory = Directory::with_keys(file.parent().unwrap_or("".as_ref()), keys.clone());
    let Some(name) = file.file_name() else {
        let text = format!("{} is not the name of a file", file.display());
        return Err(io::Error::new(io::ErrorKind::InvalidFilename, text));
    };
    Ok((directory, name.to_string_lossy().into_owned()))
}

/// Claims the files that `name` stands for, of which `path` is one to be written: a server may be
/// writing them, or another tool than this, `tool`. Where nothing can be locked, there is no claim.
///
/// # Errors
/// When another process has them.
pub fn claim(
    directory: &Directory,
    name: &str,
    path: &Path,
    tool: &str,
) -> io::Result<Option<Claim>> {
    let about = format!("process {} ({tool})", std::process::id());
    match Claim::take(&directory.path().join(lock_name(name)), &about) {
        Ok(claim) => Ok(Some(claim)),
        Err(NotClaimed::Impossible(_)) => Ok(None),
        Err(NotClaimed::Held(who)) => {
            let path = path.display();
            let text = format!("{path} cannot be written: {who} writes it. End that one first");
            Err(io::Error::new(io::ErrorKind::ResourceBusy, text))
        }
    }
}

/// What builds values where there is no server: any database is allowed, and both clocks show the
/// same, so that deadlines keep their wall time.
pub fn builder(engine: &Engine) -> Builder<'_> {
    engine.options.set_databases(usize::MAX);
    let (options, hasher) = (&engine.options, engine.keyspace.hasher());
    Builder { options, hasher, now: Now::new(1 << 40, 1 << 40) }
}
