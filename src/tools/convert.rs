//! `redstart convert IN OUT`: makes a snapshot of an RDB file, and an RDB file of a snapshot; with
//! `--same`, a file of Redstart's that is encrypted otherwise.

use super::duplicate_keys::DuplicateKeys;
use super::file::{builder, claim, keys, place};
use super::for_load::{Unloadable, place_of};
use crate::durability::{Claim, Directory, check_regular, looks_like_rdb, remedy};
use crate::system::log::counted;
use crate::system::progress::{Audience, Progress};
use clap::{CommandFactory, Parser};
use redstart_engine::Engine;
use redstart_persistence::log::MAGIC as LOG_MAGIC;
use redstart_persistence::rdb::{self, Compression, Found, Version, envelope};
use redstart_persistence::snapshot::{self, Header, MAGIC};
use redstart_persistence::storage::{Output, Storage, Stream};
use redstart_persistence::{ReadError, names};
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Makes a snapshot of an RDB file, and an RDB file of a snapshot.
#[derive(Parser)]
#[command(name = "redstart convert", no_binary_name = true)]
struct Arguments {
    /// The version of the RDB file that is written: 10 for Redis 7.0 and everything newer. Hashes
    /// whose fields expire need 12 (Redis 7.4), 13 (Redis 8.6) or 80 (Valkey 9).
    #[arg(long, default_value = "10", value_parser = written_version)]
    rdb_version: Version,
    /// Leave out keys of an RDB file whose types do not exist here, and list them.
    #[arg(long)]
    skip_unsupported: bool,
    /// The file with the keys of encrypted files. What is written of Redstart's is encrypted with
    /// the first of them; RDB files never are.
    #[arg(long, value_name = "FILE")]
    encryption_key_file: Option<PathBuf>,
    /// What is written is not encrypted.
    #[arg(long)]
    plain: bool,
    /// Write the same snapshot or segment of the log once more: encrypted with the first key, or no
    /// longer (--plain).
    #[arg(long)]
    same: bool,
    /// The file to read.
    input: PathBuf,
    /// The file to write.
    output: PathBuf,
}

fn written_version(text: &str) -> Result<Version, String> {
    let version = text.parse().ok().and_then(Version::written);
    version.ok_or_else(|| {
        let all = Version::WRITTEN.map(|version| version.number().to_string()).join(", ");
        format!("none of {all}")
    })
}

/// What clap knows of the subcommand.
pub fn declared() -> clap::Command {
    Arguments::command()
}

/// Runs the subcommand.
pub fn run(arguments: &[String]) -> ExitCode {
    let arguments = Arguments::parse_from(arguments);
    match convert(&arguments) {
        Ok(report) => {
            println!("{}: {report}", arguments.output.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("redstart convert: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Fails if `output` exists and must not be replaced. A device or a pipe must not become a file;
/// and the input must not be replaced by a file of the other format under its name.
fn check_replaceable(input: &Path, output: &Path) -> io::Result<()> {
    let Ok(about) = std::fs::metadata(output) else { return Ok(()) };
    let place = |about: &Metadata| (about.dev(), about.ino());
    let is_input = std::fs::metadata(input).is_ok_and(|read| place(&read) == place(&about));
    let same = || io::Error::new(io::ErrorKind::InvalidInput, "it is what is read");
    let checked = check_regular(&about).and_then(|()| if is_input { Err(same()) } else { Ok(()) });
    checked.map_err(|error| {
        let text = format!("{} cannot be replaced: {error}", output.display());
        io::Error::new(error.kind(), text)
    })
}

/// Converts a file; returns what was written.
fn convert(arguments: &Arguments) -> Result<String, ReadError> {
    let keys = keys(arguments.encryption_key_file.as_deref())?;
    let (from, input) = place(&arguments.input, &keys)?;
    let is_rdb = looks_like_rdb(&from, &input)?;
    let is_encrypted = !arguments.plain && (is_rdb || arguments.same);
    let written = if is_encrypted { keys } else { Arc::default() };
    let (to, output) = place(&arguments.output, &written)?;
    check_replaceable(&arguments.input, &arguments.output)?;
    let progress = Progress::default();
    let path = &arguments.output;
    let claim = claim(&to, &output, path, "redstart convert")?;
    let conversion = Conversion { from: &from, input: &input, to: &to, output: &output, path };
    let converted = progress.watch("Converting", Audience::Terminal, || {
        if arguments.same {
            conversion.once_more(&progress)
        } else if is_rdb {
            conversion.to_snapshot(arguments.skip_unsupported, &progress)
        } else {
            conversion.to_rdb(arguments.rdb_version, &progress)
        }
    });
    claim.into_iter().for_each(Claim::remove);
    converted
}

struct Conversion<'a> {
    from: &'a Directory,
    input: &'a str,
    to: &'a Directory,
    output: &'a str,
    /// The output as the command line names it.
    path: &'a Path,
}

impl Conversion<'_> {
    /// Adds the name of the output to an error.
    fn written<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let (path, remedy) = (self.path.display(), remedy(error.kind()));
            let text = format!("{path} cannot be written: {error}{remedy}");
            io::Error::new(error.kind(), text)
        })
    }

    fn to_snapshot(&self, skips: bool, progress: &Progress) -> Result<String, ReadError> {
        let engine = Engine::new([0; 2]);
        let builder = builder(&engine);
        let input = envelope::open(self.from, self.input)?;
        let len = input.len();
        progress.total_bytes.store(len, Relaxed);
        let mut reader = rdb::Reader::new(input)?.passes_over_foreign(skips);
        let mut left_out = Unloadable::default();
        let writer = env!("CARGO_PKG_VERSION").to_owned();
        let wall_ms = (crate::system::clock::wall_us() / 1000) as i64;
        let header = Header { writer, wall_ms, sequence: 0 };
        let writer = snapshot::Writer::create(self.to, self.output, &header, builder.now);
        let mut writer = self.written(writer)?;
        let mut copy = || -> Result<(), ReadError> {
            let (mut libraries, mut seen) = (Vec::new(), DuplicateKeys::default());
            while let Some(found) = reader.next(builder)? {
                match found {
                    Found::Library(text) => libraries.push(text),
                    Found::Foreign(db, key, what) => {
                        let place = place_of(db, &key, reader.found_at());
                        println!("{}: {place} is left out: {what}", self.input);
                        left_out.note(&what);
                    }
                    Found::Entry(db, entry) => {
                        let checked = seen.check(db, entry.key());
                        checked.map_err(|what| reader.fault(reader.found_at(), what))?;
                        writer.entry(db, &entry);
                        self.written(writer.write_full())?;
                    }
                }
                progress.bytes.store(reader.at(), Relaxed);
                progress.keys.store(reader.about().entries, Relaxed);
            }
            if reader.at() != len {
                return Err(reader.fault(reader.at(), "there are bytes behind its end"));
            }
            Ok(self.written(writer.write_libraries(libraries.iter().map(|text| &text[..])))?)
        };
        if let Err(error) = copy() {
            writer.abandon();
            return Err(error);
        }
        let counts = self.written(writer.finish())?;
        let what =
            format!("a snapshot of {}, {} bytes", counted(counts.entries, "key"), counts.bytes);
        Ok(match left_out.is_empty() {
            true => what,
            false => format!("{what}; left out: {left_out}"),
        })
    }

    /// Copies a file as it is, but for how it is encrypted.
    fn once_more(&self, progress: &Progress) -> Result<String, ReadError> {
        let (mut source, len) = self.from.open(self.input)?;
        progress.total_bytes.store(len, Relaxed);
        let mut piece = Vec::new();
        source.by_ref().take(PIECE).read_to_end(&mut piece)?;
        let is_segment = piece.starts_with(LOG_MAGIC);
        if !is_segment && !piece.starts_with(MAGIC) {
            let what = "only Redstart's snapshots and segments of its log are written once more";
            return Err(io::Error::new(io::ErrorKind::Unsupported, what).into());
        }
        let unfinished = names::unfinished(self.output, self.to.process());
        let mut target = match is_segment {
            true => Target::Growing(self.written(self.to.create(&unfinished))?),
            false => Target::Stream(self.written(self.to.create_stream(&unfinished))?),
        };
        let mut copy = || -> Result<(), ReadError> {
            while !piece.is_empty() {
                self.written(target.write(&piece))?;
                progress.bytes.fetch_add(piece.len() as u64, Relaxed);
                piece.clear();
                source.by_ref().take(PIECE).read_to_end(&mut piece)?;
            }
            self.written(target.finish())?;
            self.to.rename(&unfinished, self.output)?;
            Ok(self.to.sync_directory()?)
        };
        if let Err(error) = copy() {
            let _ = self.to.remove(&unfinished);
            return Err(error);
        }
        progress.bytes.store(len, Relaxed);
        let what = if is_segment { "a segment of the log" } else { "a snapshot" };
        Ok(match self.to.key_of(self.output)? {
            Some(key) => format!("{what}, encrypted with the key {key}"),
            None => format!("{what}, not encrypted"),
        })
    }

    fn to_rdb(&self, version: Version, progress: &Progress) -> Result<String, ReadError> {
        let engine = Engine::new([0; 2]);
        let builder = builder(&engine);
        let mut reader = snapshot::Reader::open(self.from, self.input)?;
        progress.total_bytes.store(reader.len(), Relaxed);
        let plan = rdb::Plan {
            version,
            compression: Compression::Lzf,
            writer: env!("CARGO_PKG_VERSION"),
            now: builder.now,
        };
        let mut writer = self.written(rdb::Writer::create(self.to, self.output, &plan))?;
        let (mut entries, mut seen) = (Vec::new(), DuplicateKeys::default());
        let mut copy = || -> Result<(), ReadError> {
            while let Some(section) = reader.next_section()? {
                snapshot::decode(&section, builder, &mut entries)
                    .map_err(|(offset, what)| reader.fault(offset, &what))?;
                for (db, entry) in entries.drain(..) {
                    let checked = seen.check(db, entry.key());
                    checked.map_err(|what| reader.fault(section.offset, &what))?;
                    self.written(writer.entry(db, &entry))?;
                    progress.keys.fetch_add(1, Relaxed);
                }
                progress.bytes.store(reader.counts().bytes, Relaxed);
            }
            reader.libraries().iter().for_each(|text| writer.library(text));
            Ok(())
        };
        if let Err(error) = copy() {
            writer.abandon();
            return Err(error);
        }
        let bytes = self.written(writer.finish())?;
        let keys = counted(progress.keys.load(Relaxed), "key");
        Ok(format!("{version} of {keys}, {bytes} bytes"))
    }
}

/// Bytes that are copied at a time.
const PIECE: u64 = 1 << 20;

/// A file that is written once more, in the way in which its kind is written.
enum Target {
    Growing(Arc<dyn Output>),
    Stream(Box<dyn Stream>),
}

impl Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Target::Growing(output) => output.write(bytes),
            Target::Stream(stream) => stream.write(bytes),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Target::Growing(output) => output.sync(),
            Target::Stream(stream) => stream.finish(),
        }
    }
}
