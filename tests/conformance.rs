//! Runs the transcripts below `tests/conformance` on every target that there is.
//!
//! `CONFORMANCE=string/set cargo test --test conformance` runs only the files whose path contains
//! that text. A transcript with which the oracle disagrees is wrong: the oracle's tests fail, and
//! are skipped with a printed line where no redis-server of its series is installed.

#[allow(dead_code, reason = "shared with other tests, which use other parts")]
mod support;
#[allow(dead_code, reason = "shared with the recorder")]
#[path = "conformance/mod.rs"]
mod transcript;

use std::path::{Path, PathBuf};

use support::server::installed_redis;
use transcript::format::Transcript;
use transcript::in_process::InProcess;
use transcript::runner::{Report, Runner};
use transcript::table;
use transcript::target::{Protocol, Target, Tcp};

/// The series that the transcripts were recorded from.
const ORACLE_SERIES: &str = "7.0.";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

fn redstart(protocol: Protocol) -> Tcp {
    Tcp::redstart(Path::new(env!("CARGO_BIN_EXE_redstart")), protocol)
}

/// Runs all transcripts and reports every failing section at once.
fn run(target: &mut dyn Target) -> Report {
    let filter = std::env::var("CONFORMANCE").unwrap_or_default();
    let report = Runner::new(target).run_all(&root(), &filter);
    println!(
        "{} sections run, {} left out, {} calls, {} failures too late to count",
        report.sections_run, report.sections_left_out, report.calls, report.late
    );
    for failure in &report.failures {
        println!("{failure}");
    }
    assert!(report.failures.is_empty(), "{} sections failed", report.failures.len());
    report
}

/// Sessions are not the engine's, but every data command is.
fn run_in_process(protocol: Protocol) {
    let report = run(&mut InProcess::new(protocol));
    let is_data = |path: &&PathBuf| {
        let family = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        !matches!(family, Some("connection" | "server" | "transactions" | "pubsub" | "scripting"))
    };
    let missing: Vec<&PathBuf> = report.files_left_out.iter().filter(is_data).collect();
    assert!(missing.is_empty(), "not run at all: {missing:?}");
}

/// The installed redis-server and its version; says so where there is none to ask.
fn oracle() -> Option<(PathBuf, String)> {
    let found = installed_redis();
    match &found {
        Some((_, version)) if version.starts_with(ORACLE_SERIES) => return found,
        Some((_, version)) => println!("SKIPPED: redis-server is {version}, not {ORACLE_SERIES}x"),
        None => println!("SKIPPED: redis-server is not installed"),
    }
    None
}

fn run_oracle(protocol: Protocol) {
    if let Some((program, version)) = oracle() {
        run(&mut Tcp::oracle(&program, &version, protocol));
    }
}

#[test]
fn engine_in_process_in_resp2() {
    run_in_process(Protocol::Resp2);
}

#[test]
fn engine_in_process_in_resp3() {
    run_in_process(Protocol::Resp3);
}

#[test]
fn redstart_over_tcp_in_resp2() {
    run(&mut redstart(Protocol::Resp2));
}

#[test]
fn redstart_over_tcp_in_resp3() {
    run(&mut redstart(Protocol::Resp3));
}

#[test]
fn oracle_in_resp2() {
    run_oracle(Protocol::Resp2);
}

#[test]
fn oracle_in_resp3() {
    run_oracle(Protocol::Resp3);
}

/// A command without a transcript fails here. A subcommand is looked for in its container's file.
#[test]
fn every_command_has_a_transcript() {
    let mut target = redstart(Protocol::Resp2);
    target.begin().expect("the server starts");
    let args = ["COMMAND", "LIST"].map(|arg| arg.as_bytes().to_vec());
    let reply = target.call(1, &args).expect("COMMAND LIST is answered");
    let names = table::names(&reply);
    assert!(!names.is_empty(), "COMMAND LIST is empty");
    let paths = Transcript::find(&root()).expect("the transcripts can be read");
    let missing: Vec<&String> = names.iter().filter(|name| !has_transcript(&paths, name)).collect();
    assert!(missing.is_empty(), "commands without a transcript: {missing:?}");
}

/// Arity, flags, keys, categories and tips, for every command that both have.
#[test]
fn the_command_table_is_the_oracles() {
    let Some((program, version)) = oracle() else { return };
    let mut oracle = Tcp::oracle(&program, &version, Protocol::Resp2);
    let differences = table::differences(&mut redstart(Protocol::Resp2), &mut oracle)
        .expect("both servers answer COMMAND");
    for difference in &differences {
        println!("{difference}");
    }
    assert!(differences.is_empty(), "{} differences", differences.len());
}

fn has_transcript(paths: &[PathBuf], command: &str) -> bool {
    let (container, subcommand) = command.split_once('|').unwrap_or((command, ""));
    let Some(path) = paths
        .iter()
        .find(|path| path.file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case(container)))
    else {
        return false;
    };
    let text = std::fs::read_to_string(path).expect("a transcript can be read").to_lowercase();
    text.contains(format!("> {container} {subcommand}").to_lowercase().trim_end())
}
