//! What `check` and `convert` share: files as they are named on the command line, and what builds
//! their values.

use crate::durability::Directory;
use redstart_engine::{Engine, Now};
use redstart_persistence::record::Builder;
use std::io;
use std::path::Path;

/// A file's directory and its name.
///
/// # Errors
/// When the path ends in no name, as `..` does.
pub fn place(file: &Path) -> io::Result<(Directory, String)> {
    let directory = Directory::new(file.parent().unwrap_or("".as_ref()));
    let Some(name) = file.file_name() else {
        let text = format!("{} is not the name of a file", file.display());
        return Err(io::Error::new(io::ErrorKind::InvalidFilename, text));
    };
    Ok((directory, name.to_string_lossy().into_owned()))
}

/// What builds values where there is no server: any database is allowed, and both clocks show the
/// same, so that deadlines keep their wall time.
pub fn builder(engine: &Engine) -> Builder<'_> {
    engine.options.set_databases(usize::MAX);
    let (options, hasher) = (&engine.options, engine.keyspace.hasher());
    Builder { options, hasher, now: Now::new(1 << 40, 1 << 40) }
}
