//! `redstart convert IN OUT`: an RDB file of Redis's becomes a snapshot of ours, and the other way
//! round.

use super::duplicate_keys::Seen;
use crate::durability::disk::directory::{Directory, regular};
use crate::durability::redis_files::looks_like_rdb;
use crate::system::progress::{Progress, Told};
use clap::Parser;
use redstart_engine::{Engine, Now};
use redstart_persistence::ReadError;
use redstart_persistence::rdb::{self, Compression, Found, Input};
use redstart_persistence::record::Builder;
use redstart_persistence::snapshot::{self, Header};
use redstart_persistence::storage::Storage;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;

/// Makes a snapshot of an RDB file, and an RDB file of a snapshot.
#[derive(Parser)]
#[command(name = "redstart convert", no_binary_name = true)]
struct Options {
    /// The version of an RDB file that is written: 10 for Redis 7.0 and everything newer, 12 for
    /// hashes whose fields expire.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(10..=12))]
    rdb_version: u16,
    /// What is read.
    input: PathBuf,
    /// What is written.
    output: PathBuf,
}

/// Runs the subcommand.
pub fn run(arguments: &[String]) -> ExitCode {
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    match convert(&options) {
        Ok(told) => {
            println!("{}: {told}", options.output.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("redstart convert: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A file's directory and its name.
pub fn place(file: &Path) -> io::Result<(Directory, String)> {
    let directory = Directory::new(file.parent().unwrap_or("".as_ref()));
    let Some(name) = file.file_name() else {
        let text = format!("{} is not the name of a file", file.display());
        return Err(io::Error::new(io::ErrorKind::InvalidFilename, text));
    };
    Ok((directory, name.to_string_lossy().into_owned()))
}

/// What is there under the name of what is to be written may be replaced if it is a file, and not
/// the one that is read: a file in place of a device or a pipe is what nobody wants, nor one whose
/// name belies what it holds.
fn replaceable(input: &Path, output: &Path) -> io::Result<()> {
    let Ok(about) = std::fs::metadata(output) else { return Ok(()) };
    let place = |about: &Metadata| (about.dev(), about.ino());
    let is_input = std::fs::metadata(input).is_ok_and(|read| place(&read) == place(&about));
    let same = || io::Error::new(io::ErrorKind::InvalidInput, "it is what is read");
    regular(&about).and_then(|()| if is_input { Err(same()) } else { Ok(()) }).map_err(|error| {
        let text = format!("{} cannot be replaced: {error}", output.display());
        io::Error::new(error.kind(), text)
    })
}

/// What builds values where there is no server: all databases are known, and wall time is kept.
pub fn builder(engine: &Engine) -> Builder<'_> {
    engine.options.set_databases(usize::MAX);
    let (options, hasher) = (&engine.options, engine.keyspace.hasher());
    Builder { options, hasher, now: Now::new(1 << 40, 1 << 40) }
}

fn convert(options: &Options) -> Result<String, ReadError> {
    let (from, input) = place(&options.input)?;
    let (to, output) = place(&options.output)?;
    replaceable(&options.input, &options.output)?;
    let progress = Progress::default();
    let path = &options.output;
    let conversion = Conversion { from: &from, input: &input, to: &to, output: &output, path };
    progress.watch("Converting", Told::Terminal, || {
        if looks_like_rdb(&from, &input)? {
            conversion.to_snapshot(&progress)
        } else {
            conversion.to_rdb(options.rdb_version, &progress)
        }
    })
}

struct Conversion<'a> {
    from: &'a Directory,
    input: &'a str,
    to: &'a Directory,
    output: &'a str,
    /// What is written, as it was named.
    path: &'a Path,
}

impl Conversion<'_> {
    /// Adds to an error which file could not be written.
    fn written<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let text = format!("{} cannot be written: {error}", self.path.display());
            io::Error::new(error.kind(), text)
        })
    }

    fn to_snapshot(&self, progress: &Progress) -> Result<String, ReadError> {
        let engine = Engine::new([0; 2]);
        let builder = builder(&engine);
        let (source, len) = self.from.open(self.input)?;
        progress.total_bytes.store(len, Relaxed);
        let mut reader = rdb::Reader::new(Input::new(self.input, source, len))?;
        let writer = env!("CARGO_PKG_VERSION").to_owned();
        let wall_ms = (crate::system::clock::wall_us() / 1000) as i64;
        let header = Header { writer, wall_ms, sequence: 0 };
        let writer = snapshot::Writer::create(self.to, self.output, &header, builder.now);
        let mut writer = self.written(writer)?;
        let mut copy = || -> Result<(), ReadError> {
            let (mut libraries, mut seen) = (Vec::new(), Seen::default());
            while let Some(found) = reader.next(builder)? {
                match found {
                    Found::Library(text) => libraries.push(text),
                    Found::Entry(db, entry) => {
                        let taken = seen.take(db, entry.key());
                        taken.map_err(|what| reader.fault(reader.entry_at(), what))?;
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
            Ok(self.written(writer.libraries(libraries.iter().map(|text| &text[..])))?)
        };
        if let Err(error) = copy() {
            writer.abandon();
            return Err(error);
        }
        let counts = self.written(writer.finish())?;
        Ok(format!("a snapshot of {} keys, {} bytes", counts.entries, counts.bytes))
    }

    fn to_rdb(&self, version: u16, progress: &Progress) -> Result<String, ReadError> {
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
        let (mut entries, mut seen) = (Vec::new(), Seen::default());
        let mut copy = || -> Result<(), ReadError> {
            while let Some(section) = reader.next_section()? {
                snapshot::decode(&section, builder, &mut entries)
                    .map_err(|(offset, what)| reader.fault(offset, &what))?;
                for (db, entry) in entries.drain(..) {
                    let taken = seen.take(db, entry.key());
                    taken.map_err(|what| reader.fault(section.offset, &what))?;
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
        let keys = progress.keys.load(Relaxed);
        Ok(format!("RDB {version} of {keys} keys, {bytes} bytes"))
    }
}
