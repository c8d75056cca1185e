//! `redstart check FILE...`: whether files are whole, what they hold, and where the first fault is.
//! It reads Redstart's files and Redis's.

use super::duplicate_keys::DuplicateKeys;
use super::file::{builder, keys, place};
use super::for_load;
use super::repair::repair;
use crate::durability::{Directory, can_replay, read_manifest};
use crate::system::log::counted;
use crate::system::progress::{Audience, Progress};
use clap::{CommandFactory, Parser};
use redstart_engine::Engine;
use redstart_engine::driver::Driver;
use redstart_persistence::aof::{self, Next};
use redstart_persistence::commands::COMMANDS;
use redstart_persistence::log::{End, SegmentReader, decode as decode_record};
use redstart_persistence::rdb::{self, About, Found, Input, envelope, is_rdb};
use redstart_persistence::snapshot::{MAGIC, Reader, decode};
use redstart_persistence::storage::Storage;
use redstart_persistence::storage::encrypted::Keys;
use redstart_persistence::{Fault, ReadError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Verifies snapshots, segments of the log, RDB files, append-only files and their manifests;
/// fails if one of them is not whole.
#[derive(Parser)]
#[command(name = "redstart check", no_binary_name = true)]
struct Arguments {
    /// Load Redis's files as a server does, and list every key and command that will not load, with
    /// counts by kind. Takes as much memory as the server would.
    #[arg(long)]
    for_load: bool,
    /// Make a damaged snapshot or segment of the log one that a server loads, and say what is lost.
    /// What the file was stays beside it. No server may have the folder in use.
    #[arg(long, conflicts_with = "for_load")]
    repair: bool,
    /// With --for-load: how many databases the server has.
    #[arg(long, default_value = "16")]
    databases: usize,
    /// The file with the keys of encrypted files.
    #[arg(long, value_name = "FILE")]
    encryption_key_file: Option<PathBuf>,
    /// The files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// What clap knows of the subcommand.
pub fn declared() -> clap::Command {
    Arguments::command()
}

/// Runs the subcommand.
pub fn run(arguments: &[String]) -> ExitCode {
    let arguments = Arguments::parse_from(arguments);
    let keys = match keys(arguments.encryption_key_file.as_deref()) {
        Ok(keys) => keys,
        Err(error) => {
            eprintln!("redstart check: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut code = ExitCode::SUCCESS;
    for file in &arguments.files {
        let progress = Progress::default();
        let (shown, databases) = (file.display(), arguments.databases);
        let mut tell = |line: &str| println!("{shown}: {line}");
        let checked = progress.watch("Checking", Audience::Terminal, || {
            if arguments.for_load {
                for_load::list(file, &keys, databases, &progress, &mut tell)
            } else if arguments.repair {
                repair(file, &keys, &progress).map(|done| (done, true))
            } else {
                check(file, &keys, &progress).map(|found| (found, true))
            }
        });
        match checked {
            Ok((found, loads)) => {
                println!("{shown}: {found}");
                if !loads {
                    code = ExitCode::FAILURE;
                }
            }
            Err(error) => {
                eprintln!("redstart check: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// Reads a file from its beginning to its end; returns what it holds.
pub fn check(file: &Path, keys: &Arc<Keys>, progress: &Progress) -> Result<String, ReadError> {
    let (directory, name) = place(file, keys)?;
    let found = check_at(file, &directory, &name, keys, progress)?;
    let key = directory.key_of(&name)?.map(|key| format!(", encrypted with the key {key}"));
    Ok(found + &key.unwrap_or_default())
}

fn check_at(
    file: &Path,
    directory: &Directory,
    name: &str,
    keys: &Arc<Keys>,
    progress: &Progress,
) -> Result<String, ReadError> {
    if name.ends_with(".manifest") {
        let (source, len) = directory.open(name)?;
        let names = read_manifest(name, source, len)?;
        for part in &names {
            check(&file.with_file_name(part), keys, progress)?;
        }
        return Ok(format!("a manifest of {} whole files", names.len()));
    }
    let number = name.strip_suffix(".log").and_then(|name| name.rsplit('.').next()?.parse().ok());
    if let Some(first) = number {
        return check_segment(directory, name, first, progress);
    }
    let (source, len) = directory.open(name)?;
    let mut beginning = Vec::new();
    source.take(16).read_to_end(&mut beginning)?;
    if beginning.starts_with(MAGIC) {
        progress.total_bytes.store(len, Relaxed);
        return check_snapshot(directory, name, progress);
    }
    // A log of Redis's is empty until something is written to it.
    let unwritten = len == 0 && name.ends_with(".aof");
    if unwritten || is_rdb(&beginning) || matches!(beginning.first(), Some(b'*' | b'#')) {
        let input = envelope::open(directory, name)?;
        // The files of a manifest count one behind the other.
        let before = progress.total_bytes.fetch_add(input.len(), Relaxed);
        return check_redis(input, progress, before);
    }
    let what = "it is no file that Redstart knows".to_owned();
    Err(Fault { file: name.to_owned(), offset: 0, what }.into())
}

/// Reads an RDB file and the commands behind it, or commands alone.
fn check_redis(
    mut input: Input<'_>,
    progress: &Progress,
    before: u64,
) -> Result<String, ReadError> {
    let mut about = None;
    if matches!(input.peek()?, Some(b'R' | b'V')) {
        let engine = Engine::new([0; 2]);
        let (mut reader, mut seen) = (rdb::Reader::new(input)?, DuplicateKeys::default());
        while let Some(found) = reader.next(builder(&engine))? {
            if let Found::Entry(db, entry) = found {
                let checked = seen.check(db, entry.key());
                checked.map_err(|what| reader.fault(reader.found_at(), what))?;
            }
            progress.bytes.store(before + reader.at(), Relaxed);
            progress.keys.store(reader.about().entries, Relaxed);
        }
        about = Some(reader.about().clone());
        input = reader.into_input();
    }
    let (units, commands) = check_commands(&mut input, progress, before)?;
    let bytes = input.len();
    let behind =
        format!("{} of {}", counted(units as u64, "unit"), counted(commands as u64, "command"));
    let Some(about) = about else {
        return Ok(format!("a whole append-only file of {behind}, {bytes} bytes"));
    };
    let About { version, entries, libraries, .. } = about;
    let remarks = remarks(&about);
    let keys = counted(entries, "key");
    Ok(match units {
        0 => {
            let what = format!("a whole {version} file of {keys}");
            format!("{what} and {}, {bytes} bytes{remarks}", libraries_of(libraries))
        }
        _ => format!("a whole {version} of {keys} and {behind}, {bytes} bytes{remarks}"),
    })
}

/// Reads commands to the end of a file, none of which must be one that does not exist here; returns
/// how many units and commands there are.
fn check_commands(
    input: &mut Input<'_>,
    progress: &Progress,
    before: u64,
) -> Result<(usize, usize), ReadError> {
    let engine: &'static Engine = Box::leak(Box::new(Engine::new([0; 2])));
    let driver = Driver::of(engine, 0, builder(engine).now, COMMANDS);
    let (mut units, mut commands) = (0, 0);
    loop {
        let next = aof::next(input)?;
        progress.bytes.store(before + input.at(), Relaxed);
        match next {
            Next::End => return Ok((units, commands)),
            Next::Torn(offset) => {
                return Err(input.fault(offset, "it ends in the middle of a command"));
            }
            Next::Unit(unit) => {
                let mut names = unit.commands.iter().map(|words| &words[0][..]);
                if let Some(name) = names.find(|name| !can_replay(&driver, name)) {
                    let name = name.escape_ascii();
                    let what = format!("{name} is a command that does not exist here");
                    return Err(input.fault(unit.offset, what));
                }
                (units, commands) = (units + 1, commands + unit.commands.len());
            }
        }
    }
}

/// Who wrote an RDB file, and what of it is not loaded.
fn remarks(about: &About) -> String {
    let mut remarks = about.writer.as_ref().map_or(String::new(), |name| format!(", by {name}"));
    if about.empty > 0 {
        let count = about.empty;
        remarks += &format!("; {count} more keys are empty and are passed over");
    }
    for (what, count) in &about.passed_over {
        remarks += &format!("; {what} is passed over {count} times");
    }
    remarks
}

fn check_snapshot(
    directory: &Directory,
    name: &str,
    progress: &Progress,
) -> Result<String, ReadError> {
    let engine = Engine::new([0; 2]);
    let builder = builder(&engine);
    let mut reader = Reader::open(directory, name)?;
    let (mut entries, mut seen) = (Vec::new(), DuplicateKeys::default());
    while let Some(section) = reader.next_section()? {
        decode(&section, builder, &mut entries)
            .map_err(|(offset, what)| reader.fault(offset, &what))?;
        for (db, entry) in &entries {
            let checked = seen.check(*db, entry.key());
            checked.map_err(|what| reader.fault(section.offset, &what))?;
        }
        progress.bytes.store(reader.counts().bytes, Relaxed);
        progress.keys.fetch_add(entries.len() as u64, Relaxed);
        entries.clear();
    }
    progress.bytes.store(reader.len(), Relaxed);
    let (counts, header) = (reader.counts(), reader.header());
    Ok(format!(
        "a whole snapshot of {} and {}, {} bytes, by Redstart {}, up to record {}",
        counted(counts.entries, "key"),
        libraries_of(reader.libraries().len() as u64),
        reader.len(),
        header.writer,
        header.sequence
    ))
}

/// How many libraries there are.
fn libraries_of(count: u64) -> String {
    if count == 1 { "1 library".into() } else { format!("{count} libraries") }
}

fn check_segment(
    directory: &Directory,
    name: &str,
    first: u64,
    progress: &Progress,
) -> Result<String, ReadError> {
    let mut reader = SegmentReader::open(directory, name, first)?;
    progress.total_bytes.store(reader.file_len(), Relaxed);
    let (mut payload, mut effects) = (Vec::new(), 0);
    loop {
        let offset = reader.offset();
        match reader.next_record(&mut payload)? {
            Ok(_) => {
                let unit = decode_record(&payload).map_err(|what| Fault {
                    file: name.to_owned(),
                    offset,
                    what,
                })?;
                effects += unit.len();
                progress.bytes.store(reader.offset(), Relaxed);
            }
            Err(End::Whole) => break,
            Err(End::Torn(fault, _)) => return Err(fault.into()),
        }
    }
    progress.bytes.store(reader.file_len(), Relaxed);
    let records = reader.next_sequence() - first;
    Ok(format!("a whole segment of {records} records from {first} on, {effects} commands"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use redstart_engine::Now;
    use redstart_engine::run::effect::{Effect, Sink};
    use redstart_engine::storage::entry::{Entry, NewValue};
    use redstart_persistence::log::{Log, Start};
    use redstart_persistence::snapshot::{Header, Writer};

    /// What progress shows at the end of a check that succeeds: bytes, of how many.
    fn shown(file: &Path) -> (u64, u64) {
        let progress = Progress::default();
        let found = check(file, &Arc::default(), &progress);
        assert!(found.is_ok(), "{}: {found:?}", file.display());
        (progress.bytes.load(Relaxed), progress.total_bytes.load(Relaxed))
    }

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("redstart-{name}-{}", std::process::id()));
        Directory::new(&path).make().expect("it can be made");
        path
    }

    #[test]
    fn a_key_must_not_occur_twice_in_a_snapshot() {
        let path = scratch("twice");
        let directory = Directory::new(&path);
        let now = Now::new(1 << 40, 1 << 40);
        for (dbs, whole) in [([0, 1, 2], true), ([0, 1, 0], false)] {
            let mut writer = Writer::create(&directory, "twice", &Header::default(), now)
                .expect("it can be made");
            for db in dbs {
                writer.entry(db, &Entry::new(b"k", NewValue::Str(b"v"), 0));
            }
            writer.finish().expect("it can be written");
            let found = check(&path.join("twice"), &Arc::default(), &Progress::default());
            let found = found.map_err(|error| error.to_string());
            let fault = "the key \"k\" occurs twice in database 0";
            assert_eq!(found.is_ok(), whole, "{found:?}");
            assert!(whole || found.is_err_and(|error| error.ends_with(fault)));
        }
        std::fs::remove_dir_all(&path).expect("it is ours");
    }

    #[test]
    fn progress_gets_from_the_beginning_to_the_end_of_each_kind_of_file() {
        let path = scratch("check");
        let directory = Directory::new(&path);
        let log = Log::default();
        log.rotate(&Start { storage: &directory, prefix: "log" }).expect("it can be begun");
        for key in ["a", "b", "c"] {
            let args = ["SET", key, "v"].map(|arg| bytes::Bytes::copy_from_slice(arg.as_bytes()));
            log.append(&[Effect { db: 0, args: args.to_vec() }]);
        }
        log.write_out(3).expect("it can be written");
        let whole = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
        let write = |name: &str, bytes: &[u8]| std::fs::write(path.join(name), bytes);
        write("a.aof", whole).expect("it can be written");
        write("b.aof", &whole.repeat(2)).expect("it can be written");
        let lines = b"file a.aof seq 1 type b\nfile b.aof seq 1 type i\n";
        write("both.manifest", lines).expect("it can be written");
        // After a rewrite the next file is empty until something is written.
        write("fresh.aof", b"").expect("it can be written");
        let lines = b"file a.aof seq 1 type b\nfile fresh.aof seq 1 type i\n";
        write("fresh.manifest", lines).expect("it can be written");
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots/golden");
        for (file, expected) in [
            (path.join(redstart_persistence::names::segment("log", 1)), None),
            (path.join("both.manifest"), Some(3 * whole.len() as u64)),
            (path.join("fresh.manifest"), Some(whole.len() as u64)),
            (golden.join("format-2.redstart"), None),
            (golden.join("format-4.redstart"), None),
            (golden.join("format-8.redstart"), None),
            (golden.join("format-16.redstart"), None),
            (golden.join("redis-7.0.15-small.rdb"), None),
        ] {
            let len = std::fs::metadata(&file).expect("it is there").len();
            let expected = expected.unwrap_or(len);
            assert_eq!(shown(&file), (expected, expected), "{}", file.display());
        }
        std::fs::remove_dir_all(&path).expect("it is ours");
    }
}
