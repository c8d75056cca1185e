//! Runs the transcripts below `tests/conformance` on every target that there is.
//!
//! `CONFORMANCE=string/set cargo test --test conformance` runs only the files whose path contains
//! that text. A transcript with which an oracle disagrees is wrong: the oracle's tests fail. They
//! are skipped, with a printed line, where it is not at hand. An oracle of another version than the
//! transcripts know runs them too, and what differs is printed, but fails nothing.

#[allow(dead_code, reason = "shared with other tests, which use other parts")]
mod support;
#[allow(dead_code, reason = "shared with the recorder")]
#[path = "conformance/mod.rs"]
mod transcript;

use std::path::{Path, PathBuf};

use redstart_differential::oracle::{self, Oracle};
use transcript::format::Transcript;
use transcript::in_process::InProcess;
use transcript::runner::{Report, Runner};
use transcript::table;
use transcript::target::{Protocol, Target, Tcp};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

fn redstart(protocol: Protocol) -> Tcp {
    Tcp::redstart(Path::new(env!("CARGO_BIN_EXE_redstart")), protocol)
}

/// Runs all transcripts and shows every failing section at once.
fn run(target: &mut dyn Target) -> Report {
    let filter = std::env::var("CONFORMANCE").unwrap_or_default();
    let report = Runner::new(target).run_all(&root(), &filter);
    println!(
        "{} sections run, {} left out, {} calls, {} known differences, \
         {} failures too late to count",
        report.sections_run,
        report.sections_left_out,
        report.calls,
        report.known_differences,
        report.late
    );
    for failure in &report.failures {
        println!("{failure}");
    }
    report
}

fn must_pass(report: &Report) {
    assert!(report.failures.is_empty(), "{} sections failed", report.failures.len());
}

/// Sessions are not the engine's, but every data command is.
fn run_in_process(protocol: Protocol) {
    let report = run(&mut InProcess::new(protocol));
    must_pass(&report);
    let is_data = |path: &&PathBuf| {
        let family = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        !matches!(family, Some("connection" | "server" | "transactions" | "pubsub" | "scripting"))
    };
    let missing: Vec<&PathBuf> = report.files_left_out.iter().filter(is_data).collect();
    assert!(missing.is_empty(), "not run at all: {missing:?}");
}

/// An oracle; says so where it is not at hand.
fn oracle(name: &str) -> Option<Oracle> {
    oracle::find(name).map_err(|why| println!("{why}")).ok()
}

fn run_oracle(name: &str, protocol: Protocol) {
    let Some(oracle) = oracle(name) else { return };
    let report = run(&mut Tcp::oracle(&oracle, protocol));
    if oracle.is_known {
        must_pass(&report);
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
    must_pass(&run(&mut redstart(Protocol::Resp2)));
}

#[test]
fn redstart_over_tcp_in_resp3() {
    must_pass(&run(&mut redstart(Protocol::Resp3)));
}

#[test]
fn redis_7_in_resp2() {
    run_oracle("redis-7", Protocol::Resp2);
}

#[test]
fn redis_7_in_resp3() {
    run_oracle("redis-7", Protocol::Resp3);
}

#[test]
fn redis_8_in_resp2() {
    run_oracle("redis-8", Protocol::Resp2);
}

#[test]
fn redis_8_in_resp3() {
    run_oracle("redis-8", Protocol::Resp3);
}

#[test]
fn valkey_9_in_resp2() {
    run_oracle("valkey-9", Protocol::Resp2);
}

#[test]
fn valkey_9_in_resp3() {
    run_oracle("valkey-9", Protocol::Resp3);
}

/// A command without a transcript fails here. A subcommand may stand in any file.
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

/// Arity, flags, keys, categories and tips are Redis 8's, and Valkey's where only Valkey has it.
/// `table-differences` beside the transcripts lists what is known to differ.
#[test]
fn the_command_table_is_the_oracles() {
    let (Some(redis), Some(valkey)) = (oracle("redis-8"), oracle("valkey-9")) else { return };
    let are_known = redis.is_known && valkey.is_known;
    let mut oracles = [redis, valkey].map(|oracle| Tcp::oracle(&oracle, Protocol::Resp2));
    let found = table::differences(&mut redstart(Protocol::Resp2), &mut oracles)
        .expect("the servers answer COMMAND");
    let known = std::fs::read_to_string(root().join("table-differences")).expect("the list");
    let known: Vec<&str> = known.lines().filter(|line| !line.starts_with('#')).collect();
    let is_known = |difference: &&table::Difference| known.contains(&difference.place.as_str());
    let new: Vec<_> = found.iter().filter(|difference| !is_known(difference)).collect();
    let is_gone = |place: &&&str| !found.iter().any(|difference| difference.place == **place);
    let gone: Vec<_> = known.iter().filter(is_gone).collect();
    for difference in &new {
        println!("{}: {}", difference.place, difference.values);
    }
    assert!(new.is_empty() || !are_known, "{} differences", new.len());
    assert!(
        gone.is_empty() || !are_known,
        "no longer differences, take them from the list: {gone:?}"
    );
}

/// What an oracle has and Redstart has not stands in `table-missing`, with its reason.
#[test]
fn what_is_missing_has_its_reason() {
    let (Some(redis), Some(valkey)) = (oracle("redis-8"), oracle("valkey-9")) else { return };
    let are_known = redis.is_known && valkey.is_known;
    let mut oracles = [redis, valkey].map(|oracle| Tcp::oracle(&oracle, Protocol::Resp2));
    let missing = table::missing(&mut redstart(Protocol::Resp2), &mut oracles)
        .expect("the servers answer COMMAND");
    let list = std::fs::read_to_string(root().join("table-missing")).expect("the list");
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let listed: Vec<&str> = lines.filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    let fits = |listed: &str, name: &str| match listed.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == listed,
    };
    let without: Vec<_> =
        missing.iter().filter(|name| !listed.iter().any(|one| fits(one, name))).collect();
    let gone: Vec<_> =
        listed.iter().filter(|one| !missing.iter().any(|name| fits(one, name))).collect();
    assert!(without.is_empty() || !are_known, "missing without a reason: {without:?}");
    assert!(gone.is_empty() || !are_known, "not missing, take them from the list: {gone:?}");
}

fn has_transcript(paths: &[PathBuf], command: &str) -> bool {
    let called = format!("> {}", command.replace('|', " ")).to_lowercase();
    let (container, subcommand) = command.split_once('|').unwrap_or((command, ""));
    let own =
        |path: &&PathBuf| path.file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case(container));
    let read = |path: &PathBuf| std::fs::read_to_string(path).expect("a transcript can be read");
    let mut places = paths.iter().filter(|path| own(path) || !subcommand.is_empty());
    places.any(|path| read(path).to_lowercase().contains(&called))
}
