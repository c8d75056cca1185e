//! The keys that files are encrypted with: what the key file holds, read at the start and whenever
//! CONFIG SET names it.

use crate::system::{log, random};
use parking_lot::RwLock;
use redstart_config::{Config, Setting};
use redstart_persistence::storage::encrypted::{Key, KeyId, Keys, Random, parse_keys};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

/// What ids and nonces are drawn with.
pub const RANDOM: Random = random::fill;
/// A key file is not longer, in bytes.
const FILE_MAX: u64 = 64 << 10;
/// The permissions of a file that others than its owner have.
const OTHERS: u32 = 0o077;

/// The keys that count.
#[derive(Default)]
pub struct Keyring(RwLock<Arc<Keys>>);

impl Keyring {
    /// The keys.
    pub fn current(&self) -> Arc<Keys> {
        self.0.read().clone()
    }

    /// The key that is written with, if there is one.
    pub fn written_with(&self) -> Option<KeyId> {
        self.0.read().keys.first().map(Key::id)
    }

    /// Reads the keys that the settings name, and whether plain files are read. Returns whether
    /// files are written otherwise from now on.
    ///
    /// # Errors
    /// When the key file cannot be read or holds no keys; those from before count on.
    pub fn follow(&self, config: &Config) -> io::Result<bool> {
        let path = config.text(Setting::EncryptionKeyFile);
        let path = Some(path).filter(|path| !path.is_empty());
        let keys = path.map_or(Ok(Vec::new()), |path| read(Path::new(OsStr::from_bytes(path))))?;
        let takes_plain = config.is(Setting::EncryptionPlainFiles);
        let before = self.written_with();
        *self.0.write() = Arc::new(Keys { keys, takes_plain });
        Ok(before != self.written_with())
    }
}

/// Reads a key file; warns where others may read it, too.
///
/// # Errors
/// When it cannot be read or holds no keys.
pub fn read(path: &Path) -> io::Result<Vec<Key>> {
    let shown = path.display();
    let failed = |what: &dyn std::fmt::Display| {
        io::Error::other(format!("The key file {shown} cannot be used: {what}"))
    };
    let mut text = String::new();
    let about = std::fs::metadata(path).map_err(|error| failed(&error))?;
    super::check_regular(&about).map_err(|error| failed(&error))?;
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    file.take(FILE_MAX).read_to_string(&mut text).map_err(|error| failed(&error))?;
    if about.mode() & OTHERS != 0 {
        log::warning(format_args!(
            "The key file {shown} can be used by others than its owner (chmod 600 {shown})"
        ));
    }
    parse_keys(&text).map_err(|what| failed(&what))
}
