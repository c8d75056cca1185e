//! `redstart report`: what is in a server or a file, as one HTML page with plots, to be attached to
//! a ticket. The page holds no script and loads nothing.
//!
//! `server.rs` and `file.rs` let keys go by, `tally.rs` counts them in bounded memory, `page.rs`
//! with `html.rs` and `plot.rs` writes what was counted.

mod file;
mod html;
mod page;
mod plot;
mod server;
mod tally;

use super::file::keys;
use super::link::{Silence, Target};
use crate::system::clock;
use crate::system::log::counted;
use crate::system::progress::{Audience, Progress};
use clap::{ArgAction, CommandFactory, Parser};
use page::{Report, page};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tally::{PrefixRule, Tally};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Notes that are shown.
const NOTES_MAX: usize = 20;

/// Makes an HTML page about the keys of a server or a file: memory by type and prefix, times to
/// live, sizes, the largest keys; of a server also INFO, the slow log and changed settings.
/// It works with Redis and Valkey, too, and changes nothing.
#[derive(Parser)]
#[command(
    name = "redstart report",
    no_binary_name = true,
    disable_help_flag = true,
    after_help = "The page names keys, and arguments of slow commands: look at it before you \
                  give it away.\n\nExamples:\n  redstart report --output cache.html\n  \
                  redstart report -h cache.example -p 7000 --gentle\n  \
                  redstart report --file dump.redstart\n  \
                  redstart report --file dump.rdb --separators . --depth 1\n\nA user needs +info \
                  +scan +type +pttl +object|encoding +memory|usage +select on all keys,\nand \
                  +slowlog|get +config|get; the page says what it may not ask."
)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Where the page is written.
    #[arg(long, short, value_name = "FILE", default_value = "redstart-report.html")]
    output: PathBuf,
    /// Read a snapshot or an RDB file and not a server.
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["host", "port", "socket", "tls"])]
    file: Option<PathBuf>,
    /// The file with the keys of encrypted files.
    #[arg(long, value_name = "FILE", requires = "file")]
    encryption_key_file: Option<PathBuf>,
    /// What parts of a key's name stand between.
    #[arg(long, value_name = "CHARACTERS", default_value = ":/|")]
    separators: String,
    /// How many parts at the beginning of a key's name are its prefix.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    depth: u8,
    /// Let the server rest as long as it has worked, so that the report takes twice as long.
    #[arg(long, conflicts_with = "file")]
    gentle: bool,
    /// Print this.
    #[arg(long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// What a report is about.
#[derive(Default)]
pub struct Subject {
    /// Its name: an address or a file's.
    title: String,
    /// What it is, in a few words.
    about: String,
    /// What a reader should know about what is not there.
    notes: Vec<String>,
}

impl Subject {
    /// Adds a note, once.
    fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// What clap knows of the subcommand.
pub fn declared() -> clap::Command {
    Arguments::command()
}

/// Runs the subcommand.
pub fn run(arguments: &[String]) -> ExitCode {
    let arguments = Arguments::parse_from(arguments);
    match make(&arguments) {
        Ok(done) => {
            println!("{}: {done}", arguments.output.display());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("redstart report: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Makes the page; returns what it is about in a line.
fn make(arguments: &Arguments) -> Result<String, String> {
    let began = Instant::now();
    let depth = arguments.depth.into();
    let separators = arguments.separators.clone().into_bytes();
    let mut tally = Tally::new(PrefixRule { separators, depth });
    let progress = Progress::default();
    // Nothing is read in vain where nothing can be written.
    replaceable(&arguments.output)?;
    let (subject, facts) = match &arguments.file {
        Some(file) => {
            let keys = keys(arguments.encryption_key_file.as_deref());
            let keys = keys.map_err(|error| error.to_string())?;
            let read = progress.watch("Reading", Audience::Terminal, || {
                file::read(file, &keys, &mut tally, &progress)
            });
            (read.map_err(|error| error.to_string())?, None)
        }
        None => {
            let silent = |Silence { place, reason }| format!("no answer from {place}: {reason}");
            let mut link = arguments.target.connect(PATIENCE).map_err(silent)?;
            let read = progress.watch("Reading", Audience::Terminal, || {
                server::read(&mut link, arguments.gentle, &mut tally, &progress)
            });
            let read = read.map_err(|error| format!("{}: {}", link.place(), link.plain(&error)));
            read.map(|(subject, facts)| (subject, Some(facts)))?
        }
    };
    let (now_s, took) = (clock::wall_us() / 1_000_000, began.elapsed());
    let report = Report { subject: &subject, tally: &tally, facts: facts.as_ref(), now_s, took };
    let html = page(&report);
    fs::write(&arguments.output, &html)
        .map_err(|error| format!("{} cannot be written: {error}", arguments.output.display()))?;
    let keys = counted(tally.all.keys, "key");
    Ok(format!("{keys}, {}", super::show::bytes(tally.all.bytes)))
}

/// Fails where the page could not be written, or would replace what is no page: a data file whose
/// name was given by mistake.
fn replaceable(output: &Path) -> Result<(), String> {
    let folder = match output.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let shown = output.display();
    if !folder.is_dir() {
        return Err(format!("{shown} cannot be written: there is no folder {}", folder.display()));
    }
    let Ok(about) = fs::metadata(output) else { return Ok(()) };
    let mut beginning = vec![];
    let read = File::open(output).and_then(|file| file.take(64).read_to_end(&mut beginning));
    let is_page = read.is_ok() && (beginning.is_empty() || beginning.starts_with(page::BEGINNING));
    if about.is_file() && !is_page {
        return Err(format!("{shown} is there already, and is no HTML page: name another file"));
    }
    Ok(())
}
