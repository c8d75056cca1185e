//! `redstart check --repair FILE...`: makes a damaged file one that a server loads, and says what
//! is lost by that.
//!
//! ```text
//! segment    whole | whole | cut or wrong ...   ->  whole | whole
//! snapshot   whole | wrong | whole | cut ...    ->  whole | whole
//! ```
//!
//! The log loses what is behind its first fault, also in later segments, because what a record does
//! depends on those before it. A snapshot loses the sections that are not whole, and all behind one
//! whose length is not right. What the file was stays beside it, under a name that ends in
//! `.unrepaired`: repairing takes nothing away for good. A file that a server may be writing is
//! left alone: its [claim](crate::durability::Claim) is taken first.

use super::check::check;
use super::duplicate_keys::DuplicateKeys;
use super::file::{builder, claim, place};
use crate::durability::Directory;
use crate::system::log::counted;
use crate::system::progress::Progress;
use redstart_engine::Engine;
use redstart_persistence::ReadError;
use redstart_persistence::log::{End, SegmentReader, decode as decode_record};
use redstart_persistence::names::{self, Plan};
use redstart_persistence::snapshot::{Header, MAGIC, Reader, Writer, decode};
use redstart_persistence::storage::Storage;
use redstart_persistence::storage::encrypted::Keys;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Who this process is, for others that want the files.
const ABOUT: &str = "redstart check --repair";

/// What a file is, by its name and its first bytes.
enum Kind {
    /// A segment of the log of this prefix, with its first record.
    Segment(String, u64),
    /// A snapshot, or the base of the log of this prefix.
    Snapshot(Option<String>),
    /// It is not ours.
    Foreign,
}

/// Repairs a file if it is damaged. Returns what was done, or that it is whole.
///
/// # Errors
/// When it is in use, no file of ours, or cannot be read or written. It is as it was then.
pub fn repair(file: &Path, keys: &Arc<Keys>, progress: &Progress) -> Result<String, ReadError> {
    let (directory, name) = place(file, keys)?;
    let (owner, kind) = match kind(&directory, &name)? {
        Kind::Foreign => {
            let text = format!(
                "{} is not repaired: only Redstart's snapshots and segments of its log are. \
                 `redis-check-aof --fix` repairs an append-only file of Redis's",
                file.display()
            );
            return Err(io::Error::new(io::ErrorKind::Unsupported, text).into());
        }
        Kind::Segment(prefix, first) => (prefix.clone(), Kind::Segment(prefix, first)),
        Kind::Snapshot(prefix) => (prefix.clone().unwrap_or(name.clone()), Kind::Snapshot(prefix)),
    };
    let claim = claim(&directory, &owner, file, ABOUT)?;
    let repaired = match check(file, keys, progress) {
        Ok(found) => Ok(found),
        Err(ReadError::Io(error)) => Err(error.into()),
        Err(ReadError::Fault(fault)) => match kind {
            Kind::Segment(prefix, first) => {
                repair_segment(&directory, &name, &prefix, first).map(|done| (fault, done))
            }
            _ => repair_snapshot(&directory, &name).map(|done| (fault, done)),
        }
        .map(|(fault, done)| format!("at byte {}: {}. {done}", fault.offset, fault.what)),
    };
    claim.into_iter().for_each(crate::durability::Claim::remove);
    repaired
}

fn kind(directory: &Directory, name: &str) -> Result<Kind, ReadError> {
    let numbered = |ending: &str| {
        let (prefix, number) = name.strip_suffix(ending)?.rsplit_once('.')?;
        Some((prefix.to_owned(), number.parse().ok()?))
    };
    if let Some((prefix, first)) = numbered(".log") {
        return Ok(Kind::Segment(prefix, first));
    }
    let (source, _) = directory.open(name)?;
    let mut beginning = Vec::new();
    source.take(MAGIC.len() as u64).read_to_end(&mut beginning)?;
    Ok(match beginning == MAGIC {
        true => Kind::Snapshot(numbered(".base").map(|(prefix, _)| prefix)),
        false => Kind::Foreign,
    })
}

/// Cuts a segment at its first fault, and puts the segments behind it aside.
fn repair_segment(
    directory: &Directory,
    name: &str,
    prefix: &str,
    first: u64,
) -> Result<String, ReadError> {
    let plan = Plan::of(prefix, &directory.list()?);
    if !plan.segments.contains(&first) {
        let text = format!("{name} is not repaired: a newer base makes it superfluous");
        return Err(io::Error::other(text).into());
    }
    let whole = match SegmentReader::open(directory, name, first) {
        Ok(reader) => Some(whole_records(reader)?),
        // Not even its beginning is right.
        Err(ReadError::Fault(_)) => None,
        Err(error) => return Err(error),
    };
    let mut done = Vec::new();
    let place = directory.path().join(name);
    let next = match whole {
        Some((bytes, next)) => {
            let copy = copy_beside(&place)?;
            let before = fs::metadata(&place)?.len();
            directory.append(name, bytes)?.sync()?;
            let lost = before.saturating_sub(fs::metadata(&place)?.len());
            let count = counted(next - first, "record");
            done.push(format!(
                "It is cut there, behind {count}: what its last {lost} bytes were is lost, from \
                 record {next} on. As it was, it is {}",
                shown(&copy)
            ));
            next
        }
        None => {
            let moved = move_beside(&place)?;
            done.push(format!("Nothing of it can be read: it is {} now", shown(&moved)));
            first
        }
    };
    // They would not follow what is left.
    for &later in plan.segments.iter().filter(|later| **later > first && **later > next) {
        let name = names::segment(prefix, later);
        let moved = move_beside(&directory.path().join(&name))?;
        done.push(format!(
            "{name} no longer follows it: it is lost, too, and {} now",
            shown(&moved)
        ));
    }
    directory.sync_directory()?;
    Ok(done.join(". "))
}

/// How many bytes of a segment are whole, and the number of the record behind.
fn whole_records(mut reader: SegmentReader) -> Result<(u64, u64), ReadError> {
    let mut payload = Vec::new();
    loop {
        let at = (reader.offset(), reader.next_sequence());
        match reader.next_record(&mut payload) {
            Ok(Ok(_)) if decode_record(&payload).is_ok() => {}
            Ok(Ok(_) | Err(End::Whole | End::Torn(..))) | Err(ReadError::Fault(_)) => {
                return Ok(at);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Writes a snapshot anew of its sections that are whole.
fn repair_snapshot(directory: &Directory, name: &str) -> Result<String, ReadError> {
    let engine = Engine::new([0; 2]);
    let builder = builder(&engine);
    let mut reader = Reader::open(directory, name)?;
    let Header { writer, wall_ms, sequence } = reader.header();
    let header = Header { writer: writer.clone(), wall_ms: *wall_ms, sequence: *sequence };
    let mut writer = Writer::create(directory, name, &header, builder.now)?;
    let mut copy = || -> Result<(u64, bool), ReadError> {
        let (mut entries, mut seen, mut wrong) = (Vec::new(), DuplicateKeys::default(), 0);
        let reached_end = loop {
            match reader.next_section() {
                Ok(Some(section)) => {
                    // What was decoded before a fault is whole.
                    wrong += u64::from(decode(&section, builder, &mut entries).is_err());
                }
                Ok(None) => break true,
                Err(ReadError::Fault(_)) if reader.skip() => wrong += 1,
                Err(ReadError::Fault(_)) => break false,
                Err(error) => return Err(error),
            }
            for (db, entry) in entries.drain(..) {
                if seen.check(db, entry.key()).is_ok() {
                    writer.entry(db, &entry);
                    writer.write_full()?;
                }
            }
        };
        writer.write_libraries(reader.libraries().iter().map(|text| &text[..]))?;
        writer.write_locks(reader.locks())?;
        Ok((wrong, reached_end))
    };
    let (wrong, reached_end) = match copy() {
        Ok(copied) => copied,
        Err(error) => {
            writer.abandon();
            return Err(error);
        }
    };
    let place = directory.path().join(name);
    let kept = copy_beside(&place)?;
    let counts = writer.finish()?;
    directory.sync_directory()?;
    let mut done = format!("It is written anew, with {}", counted(counts.entries, "key"));
    if wrong > 0 {
        done += &format!("; what {} held is lost", counted(wrong, "wrong section"));
    }
    if !reached_end {
        done += "; whatever was behind its last whole section is lost";
    }
    Ok(format!("{done}. As it was, it is {}", shown(&kept)))
}

fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The first name beside a file that is free, and the file that was made there.
fn free_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    for nth in 1..=u32::MAX {
        let mut name = path.as_os_str().to_owned();
        name.push(if nth == 1 { ".unrepaired".to_owned() } else { format!(".unrepaired-{nth}") });
        let beside = PathBuf::from(name);
        match OpenOptions::new().write(true).create_new(true).open(&beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let text = format!("{} cannot be made: {error}", beside.display());
                return Err(io::Error::new(error.kind(), text));
            }
            Ok(file) => return Ok((beside, file)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Copies a file beside itself, safe from a power cut.
fn copy_beside(path: &Path) -> io::Result<PathBuf> {
    let (beside, mut to) = free_beside(path)?;
    let copied = File::open(path).and_then(|mut from| {
        to.set_permissions(from.metadata()?.permissions())?;
        io::copy(&mut from, &mut to)
    });
    match copied.and_then(|_| to.sync_all()) {
        Ok(()) => Ok(beside),
        Err(error) => {
            let _ = fs::remove_file(&beside);
            let text = format!("{} cannot be written: {error}", beside.display());
            Err(io::Error::new(error.kind(), text))
        }
    }
}

/// Gives a file another name beside itself.
fn move_beside(path: &Path) -> io::Result<PathBuf> {
    let (beside, _) = free_beside(path)?;
    fs::rename(path, &beside)?;
    Ok(beside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use redstart_engine::run::effect::{Effect, Sink};
    use redstart_engine::storage::entry::{Entry, NewValue};
    use redstart_persistence::log::{Log, Start};

    /// A folder with a log of two segments, records 1 to 3 and 4 to 5.
    fn logged(name: &str) -> (PathBuf, [PathBuf; 2]) {
        let path = std::env::temp_dir().join(format!("redstart-{name}-{}", std::process::id()));
        let directory = Directory::new(&path);
        directory.make().expect("it can be made");
        let log = Log::default();
        for keys in [1..4, 4..6] {
            log.rotate(&Start { storage: &directory, prefix: "log" }).expect("it can be begun");
            for key in keys.clone() {
                let words = ["SET".to_owned(), format!("key:{key}"), "value".to_owned()];
                log.append(&[Effect { db: 0, args: words.map(bytes::Bytes::from).to_vec() }]);
            }
            log.write_out(keys.end - 1).expect("it can be written");
        }
        let segments = [1, 4].map(|first| path.join(names::segment("log", first)));
        (path, segments)
    }

    fn repaired(file: &Path) -> String {
        repair(file, &Arc::default(), &Progress::default())
            .unwrap_or_else(|error| panic!("{error}"))
    }

    fn refused(file: &Path) -> String {
        repair(file, &Arc::default(), &Progress::default()).expect_err("it is refused").to_string()
    }

    fn beside(file: &Path, ending: &str) -> PathBuf {
        PathBuf::from(format!("{}.{ending}", file.display()))
    }

    #[test]
    fn a_torn_tail_is_cut_off_and_a_copy_kept() {
        let (path, [first, last]) = logged("torn");
        let whole = fs::read(&last).expect("it is there");
        assert!(repaired(&last).starts_with("a whole segment of 2 records"));
        let torn = &whole[..whole.len() - 1];
        for ending in ["unrepaired", "unrepaired-2"] {
            fs::write(&last, torn).expect("it is ours");
            let done = repaired(&last);
            assert!(done.contains("a record is cut. It is cut there, behind 1 record"), "{done}");
            assert!(done.contains("from record 5 on"), "{done}");
            assert_eq!(fs::read(beside(&last, ending)).expect("a copy is kept"), torn);
        }
        assert!(repaired(&last).starts_with("a whole segment of 1 records"));
        assert!(repaired(&first).starts_with("a whole segment of 3 records"));
        fs::remove_dir_all(&path).expect("it is ours");
    }

    #[test]
    fn what_no_longer_follows_is_put_aside() {
        let (path, [first, last]) = logged("damaged");
        let (mut bytes, later) = (fs::read(&first).expect("ours"), fs::read(&last).expect("ours"));
        let at = bytes.windows(5).position(|text| text == b"key:2").expect("it is in it");
        bytes[at] ^= 1;
        fs::write(&first, &bytes).expect("it is ours");
        let done = repaired(&first);
        assert!(done.contains("behind 1 record:") && done.contains("no longer follows"), "{done}");
        assert!(repaired(&first).starts_with("a whole segment of 1 records"));
        assert!(!last.exists());
        assert_eq!(fs::read(beside(&last, "unrepaired")).expect("it is kept"), later);
        // Not even its beginning is whole.
        fs::write(&first, &bytes[..9]).expect("it is ours");
        assert!(repaired(&first).contains("Nothing of it can be read"));
        assert!(!first.exists() && beside(&first, "unrepaired-2").exists());
        fs::remove_dir_all(&path).expect("it is ours");
    }

    #[test]
    fn a_snapshot_keeps_its_whole_sections() {
        const KEYS: u64 = 5000;
        let (path, _) = logged("snapshot");
        let (directory, file) = (Directory::new(&path), path.join("dump.redstart"));
        let now = builder(&Engine::new([0; 2])).now;
        let mut writer =
            Writer::create(&directory, "dump.redstart", &Header::default(), now).expect("made");
        for n in 0..KEYS {
            let (key, value) = (format!("key:{n}"), fastrand::u128(..).to_string());
            writer.entry(0, &Entry::new(key.as_bytes(), NewValue::Str(value.as_bytes()), 0));
            writer.write_full().expect("it can be written");
        }
        writer.write_libraries([&b"a library"[..]].into_iter()).expect("it can be written");
        writer.finish().expect("it can be written");
        let whole = fs::read(&file).expect("it is there");
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 1;
        let cut = &whole[..whole.len() / 2];
        for (bytes, at_least) in [(&damaged[..], KEYS * 2 / 3), (cut, KEYS / 4)] {
            fs::write(&file, bytes).expect("it is ours");
            let done = repaired(&file);
            assert!(done.contains("lost") && done.contains("It is written anew"), "{done}");
            let mut reader = Reader::open(&directory, "dump.redstart").expect("it is whole");
            while reader.next_section().expect("it is whole").is_some() {}
            let kept = reader.counts().entries;
            assert!((at_least..KEYS).contains(&kept), "{kept} keys");
            assert_eq!(reader.libraries().len(), usize::from(bytes.len() == whole.len()));
        }
        assert_eq!(fs::read(beside(&file, "unrepaired")).expect("it is kept"), damaged);
        fs::remove_dir_all(&path).expect("it is ours");
    }

    #[test]
    fn what_is_in_use_or_foreign_is_left_alone() {
        let (path, [_, last]) = logged("used");
        let torn = fs::read(&last).map(|bytes| bytes[..bytes.len() - 1].to_vec()).expect("ours");
        fs::write(&last, &torn).expect("it is ours");
        let lock = path.join(crate::durability::lock_name("log"));
        let held = crate::durability::Claim::take(&lock, "process 7").expect("nobody has it");
        assert!(refused(&last).contains("process 7 writes it"));
        assert_eq!(fs::read(&last).expect("it is there"), torn);
        drop(held);
        assert!(repaired(&last).contains("It is cut there"));
        let foreign = path.join("appendonly.aof");
        fs::write(&foreign, "*1\r\n$4\r\nPI").expect("it is ours");
        assert!(refused(&foreign).contains("redis-check-aof --fix"));
        assert!(refused(&path.join("missing.redstart")).contains("missing.redstart"));
        fs::remove_dir_all(&path).expect("it is ours");
    }
}
