//! The short form of the differential fuzzer, as every test run takes it: the same streams each
//! time, so that a red run can be repeated, and others with `DIFFERENTIAL_SEED=N`. The long form
//! with new seeds is the binary of crates/differential.

use redstart_differential::families::Plan;
use redstart_differential::link::Fault;
use redstart_differential::oracle::{self, KINDS, Oracle};
use redstart_differential::run::{Options, Summary, run};

const COMMANDS: u64 = 100_000;
const SEED: u64 = 20_260;

/// An oracle; says so where it is not at hand.
fn oracle(name: &str) -> Option<Oracle> {
    oracle::find(name).map_err(|why| println!("{why}")).ok()
}

fn options(oracle: Oracle, subject: &str, commands: u64) -> Options {
    let seed = std::env::var("DIFFERENTIAL_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or(SEED);
    println!("DIFFERENTIAL_SEED={seed}");
    Options {
        seed,
        commands,
        stream_length: 2000,
        sleeping: 20,
        oracle,
        subject: vec![subject.into()],
        plan: Plan::new(&[], &[], &[]).expect("the table is not empty"),
        differences_max: 3,
        fault: None,
    }
}

fn compare(options: &Options) -> Summary {
    run(options, &mut |report| println!("{report}\n")).expect("both servers run")
}

/// What differs in a version that is not the known one is shown, and fails nothing.
fn answers_as(name: &str) {
    let Some(oracle) = oracle(name) else { return };
    let is_known = oracle.is_known;
    let summary = compare(&options(oracle, env!("CARGO_BIN_EXE_redstart"), COMMANDS));
    println!("{} commands, {} a second", summary.commands, summary.rate());
    for line in &summary.known {
        println!("{line}");
    }
    let count = summary.reports.len();
    assert!(count == 0 || !is_known, "{count} differences, printed above");
}

#[test]
fn redstart_answers_as_redis_8() {
    answers_as("redis-8");
}

#[test]
fn redstart_answers_as_valkey_9() {
    answers_as("valkey-9");
}

#[test]
fn redstart_answers_as_redis_7() {
    answers_as("redis-7");
}

#[test]
fn a_wrong_reply_is_found_and_shrunk() {
    let Some(oracle) = KINDS.iter().find_map(|kind| oracle(kind.name)) else { return };
    let fault = Some(Fault { command: "strlen".into() });
    let subject = oracle.program.to_string_lossy().into_owned();
    let plain = options(oracle, &subject, 20_000);
    let plain = Options { sleeping: 0, stream_length: 500, ..plain };
    let summary = compare(&Options { fault, ..plain });
    let report = summary.reports.first().expect("the spoilt reply is found");
    let commands: Vec<&str> = report.lines().filter(|line| line.starts_with("> ")).collect();
    assert!(commands.len() <= 4, "not shrunk:\n{report}");
    assert!(commands.last().is_some_and(|last| last.starts_with("> STRLEN ")), "{report}");
}
