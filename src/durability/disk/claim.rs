//! A claim on files: of all processes, one at a time writes a snapshot of a name, or a log.
//!
//! Beside the files lies a lock file, which the process that writes them holds by `flock`. The
//! system lets go of it when the process ends, however that happens: so a lock file that was left
//! says nothing, and it is never removed while a server may still write. What stands in it tells
//! others who holds it: the process, and the port if it is a server.
//!
//! Where the file system has no locks or nothing can be made, there is no claim, but the server
//! goes on: it says that it would not notice another one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How often, and how long, who holds the lock has time to say who it is.
const LOOKS: u32 = 20;
const PATIENCE: Duration = Duration::from_millis(5);

/// A claim on the files of a name. It ends when this is dropped, or with the process.
#[derive(Debug)]
pub struct Claim {
    /// The lock file.
    path: PathBuf,
    /// Held as long as the claim; none where nothing can be locked.
    file: Option<File>,
}

/// Why there is no claim.
#[derive(Debug)]
pub enum NotClaimed {
    /// Another process has it: who, as far as it says so.
    Held(String),
    /// Locking does not work here.
    Impossible(io::Error),
}

/// The lock file that stands for a file of this name.
pub fn lock_name(name: &str) -> String {
    format!("{name}.lock")
}

impl Claim {
    /// Claims what the lock file at `path` stands for; `about` says who this process is.
    ///
    /// # Errors
    /// When another process holds it, or nothing can be locked here.
    pub fn take(path: &Path, about: &str) -> Result<Claim, NotClaimed> {
        loop {
            let file = open(path).map_err(NotClaimed::Impossible)?;
            if let Some(claim) = Claim::lock(path, file)? {
                claim.introduce(about);
                return Ok(claim);
            }
        }
    }

    /// Locks a lock file that was opened; none if it was removed meanwhile by who held it: then
    /// another one counts.
    fn lock(path: &Path, file: File) -> Result<Option<Claim>, NotClaimed> {
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(NotClaimed::Held(holder(file))),
            Err(TryLockError::Error(error)) => return Err(NotClaimed::Impossible(error)),
        }
        let claim = Claim { path: path.to_owned(), file: Some(file) };
        Ok(Some(claim).filter(Claim::stands))
    }

    /// What stands in for a claim where nothing can be locked.
    pub fn without_lock(path: &Path) -> Claim {
        Claim { path: path.to_owned(), file: None }
    }

    /// The lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether others see it: not when the lock file was removed, or nothing could be locked.
    pub fn stands(&self) -> bool {
        let same = |file: &File| {
            let (ours, there) = (file.metadata()?, fs::metadata(&self.path)?);
            Ok::<bool, io::Error>((ours.dev(), ours.ino()) == (there.dev(), there.ino()))
        };
        self.file.as_ref().is_some_and(|file| same(file).unwrap_or(false))
    }

    /// Writes into the lock file who this is.
    fn introduce(&self, about: &str) {
        let write = |mut file: &File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{about}")
        };
        // It is for people only.
        let _ = self.file.as_ref().map(write);
    }

    /// Ends the claim, and removes the lock file. Nothing may be written any more.
    pub fn remove(self) {
        if self.file.is_some() {
            // Left over, it does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens a lock file; one that belongs to another user can at least be locked.
fn open(path: &Path) -> io::Result<File> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    match opened {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            File::open(path).map_err(|_| error)
        }
        opened => opened,
    }
}

/// Who holds a lock, by what stands in its file.
fn holder(mut file: File) -> String {
    for _ in 0..LOOKS {
        let mut text = String::new();
        let read = file.rewind().and_then(|()| (&file).take(256).read_to_string(&mut text));
        if read.is_ok() && text.ends_with('\n') {
            return text.trim().to_owned();
        }
        thread::sleep(PATIENCE);
    }
    "another process".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("redstart-claim-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_claim_is_one_process_s_until_it_ends() {
        let path = scratch("one");
        fs::write(&path, "process 1, which was killed and left its file behind\n").expect("ours");
        let claim = Claim::take(&path, "process 7").expect("nothing is held");
        let other = Claim::take(&path, "process 8");
        assert!(matches!(other, Err(NotClaimed::Held(who)) if who == "process 7"));
        drop(claim);
        let claim = Claim::take(&path, "process 8").expect("it has ended");
        claim.remove();
        assert!(!path.exists());
    }

    /// Whoever had opened the file before it was removed must not hold a lock that others do not
    /// see.
    #[test]
    fn a_removed_lock_file_is_no_lock() {
        let path = scratch("removed");
        let first = Claim::take(&path, "process 7").expect("nothing is held");
        let opened = open(&path).expect("it is there");
        first.remove();
        assert!(matches!(Claim::lock(&path, opened), Ok(None)));
        let second = Claim::take(&path, "process 8").expect("nothing is held");
        let opened = open(&path).expect("it is there");
        second.remove();
        let third = Claim::take(&path, "process 9").expect("nothing is held");
        assert!(matches!(Claim::lock(&path, opened), Ok(None)));
        third.remove();
    }

    #[test]
    fn where_nothing_can_be_made_locking_is_impossible() {
        let path = scratch("missing").join("lock");
        assert!(matches!(Claim::take(&path, "process 7"), Err(NotClaimed::Impossible(_))));
    }
}
