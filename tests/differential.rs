//! The short form of the differential fuzzer, as every test run takes it: the same streams each
//! time, so that a red run can be repeated, and others with `DIFFERENTIAL_SEED=N`. The long form
//! with new seeds is the binary of crates/differential.

use std::process::{Command, Stdio};

use redstart_differential::families::Plan;
use redstart_differential::link::Fault;
use redstart_differential::run::{Options, Summary, run};

const ORACLE: &str = "redis-server";
/// Replies of other versions differ in places that are no difference of ours.
const ORACLE_SERIES: &str = "v=7.0.";
const COMMANDS: u64 = 200_000;
const SEED: u64 = 20_260;

fn oracle_is_there() -> bool {
    let version = Command::new(ORACLE).arg("--version").stderr(Stdio::null()).output();
    let text = version.map(|output| output.stdout).unwrap_or_default();
    let is_there = String::from_utf8_lossy(&text).contains(ORACLE_SERIES);
    if !is_there {
        println!("SKIPPED: no {ORACLE} {ORACLE_SERIES} to compare with");
    }
    is_there
}

fn options(subject: &str, commands: u64) -> Options {
    let seed = std::env::var("DIFFERENTIAL_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or(SEED);
    println!("DIFFERENTIAL_SEED={seed}");
    Options {
        seed,
        commands,
        stream_length: 2000,
        sleeping: 20,
        oracle: vec![ORACLE.into()],
        subject: vec![subject.into()],
        plan: Plan::new(&[], &[], &[]).expect("the table is not empty"),
        differences_max: 3,
        fault: None,
    }
}

fn compare(options: &Options) -> Summary {
    run(options, &mut |report| println!("{report}\n")).expect("both servers run")
}

#[test]
fn redstart_answers_as_redis_does() {
    if !oracle_is_there() {
        return;
    }
    let summary = compare(&options(env!("CARGO_BIN_EXE_redstart"), COMMANDS));
    println!("{} commands, {} a second", summary.commands, summary.rate());
    assert!(summary.reports.is_empty(), "{} differences, printed above", summary.reports.len());
}

#[test]
fn a_wrong_reply_is_found_and_shrunk() {
    if !oracle_is_there() {
        return;
    }
    let fault = Some(Fault { command: "strlen".into() });
    let plain = Options { sleeping: 0, stream_length: 500, ..options(ORACLE, 20_000) };
    let summary = compare(&Options { fault, ..plain });
    let report = summary.reports.first().expect("the spoilt reply is found");
    let commands: Vec<&str> = report.lines().filter(|line| line.starts_with("> ")).collect();
    assert!(commands.len() <= 4, "not shrunk:\n{report}");
    assert!(commands.last().is_some_and(|last| last.starts_with("> STRLEN ")), "{report}");
}
