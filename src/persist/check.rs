//! `redstart check FILE...`: whether files are whole, what they hold, and where the first fault is.

use super::files::Directory;
use clap::Parser;
use redstart_engine::Engine;
use redstart_engine::Now;
use redstart_persistence::log::{End, SegmentReader, decode as decode_record};
use redstart_persistence::record::Builder;
use redstart_persistence::snapshot::{Reader, decode};
use redstart_persistence::{Fault, ReadError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Verifies snapshots and segments of the log; fails at the first one that is not whole.
#[derive(Parser)]
#[command(name = "redstart check", no_binary_name = true)]
struct Options {
    /// The files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Runs the subcommand.
pub fn run(arguments: &[String]) -> ExitCode {
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    let mut code = ExitCode::SUCCESS;
    for file in &options.files {
        match check(file) {
            Ok(found) => println!("{}: {found}", file.display()),
            Err(error) => {
                eprintln!("redstart check: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// Reads a file from its beginning to its end and tells what it holds.
fn check(file: &Path) -> Result<String, ReadError> {
    let directory = Directory::new(file.parent().unwrap_or("".as_ref()));
    let name = file.file_name().ok_or(io::ErrorKind::InvalidFilename).map_err(io::Error::from)?;
    let name = name.to_string_lossy();
    match name.strip_suffix(".log").and_then(|name| name.rsplit('.').next()?.parse().ok()) {
        Some(first) => check_segment(&directory, &name, first),
        None => check_snapshot(&directory, &name),
    }
}

fn check_snapshot(directory: &Directory, name: &str) -> Result<String, ReadError> {
    let engine = Engine::new([0; 2]);
    engine.options.set_databases(usize::MAX);
    let (options, hasher) = (&engine.options, engine.keyspace.hasher());
    let builder = Builder { options, hasher, now: Now::new(1 << 40, 1 << 40) };
    let mut reader = Reader::open(directory, name)?;
    let mut entries = Vec::new();
    while let Some(section) = reader.next_section()? {
        decode(&section, builder, &mut entries).map_err(|(offset, what)| Fault {
            file: name.to_owned(),
            offset,
            what,
        })?;
        entries.clear();
    }
    let (counts, header) = (reader.counts(), reader.header());
    Ok(format!(
        "a whole snapshot of {} keys, {} bytes, by Redstart {}, up to record {}",
        counts.entries,
        reader.len(),
        header.writer,
        header.sequence
    ))
}

fn check_segment(directory: &Directory, name: &str, first: u64) -> Result<String, ReadError> {
    let mut reader = SegmentReader::open(directory, name, first)?;
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
            }
            Err(End::Whole) => break,
            Err(End::Torn(fault)) => return Err(fault.into()),
        }
    }
    let records = reader.next_sequence() - first;
    Ok(format!("a whole segment of {records} records from {first} on, {effects} commands"))
}
