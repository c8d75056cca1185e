//! A storage: the files of one directory, encrypted if there are keys.

use super::uncached::{Reading, Writing};
use crate::durability::keyring::RANDOM;
use redstart_persistence::storage::encrypted::{Encrypted, KeyId, Keys};
use redstart_persistence::storage::{Output, Storage, Stream};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A directory of the file system.
#[derive(Clone, Debug)]
pub struct Directory(Encrypted<Folder>);

/// The files as they lie in it.
#[derive(Clone, Debug)]
struct Folder(PathBuf);

impl Directory {
    /// The directory at `path`; an empty path is the working directory.
    pub fn new(path: impl AsRef<Path>) -> Directory {
        Directory::with_keys(path, Arc::default())
    }

    /// The directory at `path`, with the keys of its files.
    pub fn with_keys(path: impl AsRef<Path>, keys: Arc<Keys>) -> Directory {
        let path = path.as_ref();
        let folder = if path.as_os_str().is_empty() { ".".into() } else { path.to_owned() };
        Directory(Encrypted::new(Folder(folder), keys, RANDOM))
    }

    /// The key that a file is encrypted with, if it is.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn key_of(&self, name: &str) -> io::Result<Option<KeyId>> {
        self.0.key_of(name)
    }

    /// Whether a file is encrypted as one that is written now.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn is_current(&self, name: &str) -> io::Result<bool> {
        self.0.is_current(name)
    }

    /// Makes the directory if it is not there, and syncs its name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(&self) -> io::Result<()> {
        let path = self.path();
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let text = format!("{} cannot be used: it is not a folder", path.display());
                Err(io::Error::new(io::ErrorKind::NotADirectory, text))
            }
            Err(error) => self.0.inner().named("", Err(error)),
            Ok(()) => {
                let parent = Directory::new(path.parent().unwrap_or("".as_ref()));
                parent.sync_directory()
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.inner().0
    }

    /// When a file was last changed, if it is there.
    pub fn modified(&self, name: &str) -> Option<SystemTime> {
        fs::metadata(self.path().join(name)).and_then(|about| about.modified()).ok()
    }
}

impl Folder {
    fn place(&self, name: &str) -> PathBuf {
        // Without a name, the directory: no separator behind it.
        if name.is_empty() { self.0.clone() } else { self.0.join(name) }
    }

    /// Adds the path to an error, which the system's text lacks.
    fn named<T>(&self, name: &str, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let (place, remedy) = (self.place(name), remedy(error.kind()));
            let text = format!("{} cannot be used: {error}{remedy}", place.display());
            io::Error::new(error.kind(), text)
        })
    }
}

/// Fails for what has neither a length nor an end: a pipe, a device, a directory.
///
/// # Errors
/// When it is no regular file.
pub fn check_regular(about: &fs::Metadata) -> io::Result<()> {
    if about.is_file() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
    }
}

/// What helps against an error of the system, behind its text.
pub fn remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ". Free some space there",
        io::ErrorKind::PermissionDenied => ". Give this user the right to it",
        io::ErrorKind::ReadOnlyFilesystem => ". Name a folder that can be written (dir)",
        _ => "",
    }
}

struct Opened(File);

impl Storage for Directory {
    fn create(&self, name: &str) -> io::Result<Arc<dyn Output>> {
        self.0.create(name)
    }

    fn create_stream(&self, name: &str) -> io::Result<Box<dyn Stream>> {
        self.0.create_stream(name)
    }

    fn append(&self, name: &str, len: u64) -> io::Result<Arc<dyn Output>> {
        self.0.append(name, len)
    }

    fn open(&self, name: &str) -> io::Result<(Box<dyn Read + Send>, u64)> {
        self.0.open(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn process(&self) -> u32 {
        self.0.process()
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.0.sync_directory()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }
}

impl Storage for Folder {
    fn create(&self, name: &str) -> io::Result<Arc<dyn Output>> {
        let _ = fs::remove_file(self.place(name));
        let made = OpenOptions::new().append(true).create_new(true).open(self.place(name));
        Ok(Arc::new(Opened(self.named(name, made)?)))
    }

    fn create_stream(&self, name: &str) -> io::Result<Box<dyn Stream>> {
        let _ = fs::remove_file(self.place(name));
        let made = OpenOptions::new().write(true).create_new(true).open(self.place(name));
        Ok(Box::new(Writing::new(self.named(name, made)?)))
    }

    fn append(&self, name: &str, len: u64) -> io::Result<Arc<dyn Output>> {
        let file = OpenOptions::new().append(true).open(self.place(name));
        let opened = Opened(self.named(name, file)?);
        opened.cut(len)?;
        Ok(Arc::new(opened))
    }

    fn open(&self, name: &str) -> io::Result<(Box<dyn Read + Send>, u64)> {
        // Looked at before it is opened: to open a pipe waits until a process writes to it.
        let about = self.named(name, fs::metadata(self.place(name)))?;
        self.named(name, check_regular(&about))?;
        let file = self.named(name, File::open(self.place(name)))?;
        let len = self.named(name, file.metadata())?.len();
        Ok((Box::new(Reading::new(file, len)), len))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.named(from, fs::rename(self.place(from), self.place(to)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.named(name, fs::remove_file(self.place(name)))
    }

    fn process(&self) -> u32 {
        std::process::id()
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.named("", File::open(&self.0).and_then(|directory| directory.sync_all()))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.named("", fs::read_dir(&self.0))? {
            let entry = self.named("", entry)?;
            let is_file = self.named("", entry.file_type())?.is_file();
            if let (true, Ok(name)) = (is_file, entry.file_name().into_string()) {
                names.push(name);
            }
        }
        Ok(names)
    }
}

impl Output for Opened {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
