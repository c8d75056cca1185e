//! A sweep over system calls: each write, sync and rename of a save, of appends to the log and of
//! its rewriting fails once, and kills the server once. Afterwards every acknowledged write is
//! there, and nothing that was never sent.
//!
//! strace injects the faults; without it these tests say so and pass. The short form takes the
//! first calls of each kind, the long form all.

use crate::is_long;
use crate::process::{Process, binary, scratch};
use crate::support::client::Client;
use crate::support::resp::Value;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// What is swept.
struct Sweep {
    name: &'static str,
    args: &'static [&'static str],
    /// The files whose calls are counted, in the data directory.
    files: &'static [&'static str],
    /// What a client does; returns how far it got. Numbers are written in their order.
    act: fn(&mut Actor),
}

/// A client that writes numbers, and knows which of them must be there.
struct Actor {
    port: u16,
    /// The last number that was acknowledged as safe.
    safe: u64,
    /// The last number that was sent.
    asked: u64,
}

impl Actor {
    /// Sends a command on a connection of its own; None when it was not answered.
    fn call(&self, words: &[&str]) -> Option<Value> {
        Client::connect(self.port).ok()?.call(words).ok()
    }

    /// Writes the next number; returns whether it was acknowledged.
    fn set(&mut self) -> bool {
        self.asked += 1;
        let reply = self.call(&["SET", "n", &self.asked.to_string()]);
        matches!(reply, Some(Value::Simple(_)))
    }

    /// Writes numbers to a log that promises to keep what it acknowledges.
    fn set_logged(&mut self, count: u64) {
        for _ in 0..count {
            if self.set() {
                self.safe = self.asked;
            }
        }
    }
}

const CALLS: [(&str, &str); 4] =
    [("write", "ENOSPC"), ("fdatasync", "EIO"), ("fsync", "EIO"), ("rename", "EIO")];

/// The processes of strace and of the server. Both are ended if a test ends early: a server lives
/// on without its tracer.
struct Group(u32);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0);
        let mut kill = Command::new("kill");
        kill.args(["-KILL", "--", &group]).stdout(Stdio::null()).stderr(Stdio::null());
        let _ = kill.status();
    }
}

fn has_strace() -> bool {
    let attached = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let has = attached.is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("SKIPPED: strace is not installed or must not trace");
    }
    has
}

fn run(sweep: &Sweep) {
    if !has_strace() {
        return;
    }
    let most = if is_long() { u32::MAX } else { 2 };
    let mut hits = Vec::new();
    for (call, error) in CALLS {
        for fault in [format!("error={error}"), "signal=KILL".to_owned()] {
            for n in 1..=most {
                if !round(sweep, call, &fault, n) {
                    break;
                }
                hits.push(format!("{call} {n} {fault}"));
            }
        }
    }
    println!("{}: {} calls: {hits:?}", sweep.name, hits.len());
    // strace counts each thread's calls apart, and which thread writes is a matter of time: so a
    // thread does not always make a second call.
    for call in ["write 1 ", "fdatasync 1 "] {
        let met = hits.iter().filter(|hit| hit.starts_with(call)).count();
        assert_eq!(met, 2, "{}: {call}is missing in {hits:?}", sweep.name);
    }
}

/// strace, which follows the calls on the sweep's files. The names of unfinished files carry the
/// server's process id: with `-D` that is the one which strace was started with.
fn traced(sweep: &Sweep, directory: &Path, trace: &Path) -> Command {
    let mut shell = Command::new("sh");
    // The arguments behind the script are strace's.
    let mut script = "exec strace -D -f -q -o \"$0\"".to_owned();
    for file in sweep.files {
        let file = directory.join(file.replace("temp-", "temp-$$-"));
        script += &format!(" -P \"{}\"", file.display());
    }
    // Directories are synced by their own name.
    for folder in [directory.to_owned(), directory.join("appendonlydir")] {
        script += &format!(" -P \"{}\"", folder.display());
    }
    shell.arg("-c").arg(script + " \"$@\"").arg(trace);
    shell
}

/// What strace wrote, once it has seen the server's end.
fn whole_trace(trace: &Path) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(trace).unwrap_or_default();
        let ended = text.lines().last().is_some_and(|line| line.contains("+++"));
        if ended || Instant::now() > deadline {
            return text;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Has the nth call fail; false when there are fewer.
fn round(sweep: &Sweep, call: &str, fault: &str, n: u32) -> bool {
    let what = format!("{}: {call} {n} {fault}", sweep.name);
    let directory = scratch(&format!("sweep-{}", sweep.name));
    // What was there before.
    let mut server = Process::start(&directory, sweep.args);
    server.wait_until_ready();
    let mut actor = Actor { port: server.port(), safe: 1, asked: 0 };
    assert!(actor.set());
    assert!(matches!(actor.call(&["SAVE"]), Some(Value::Simple(_))));
    server.kill();

    let trace = directory.join("trace");
    let mut strace = traced(sweep, &directory, &trace);
    strace.args(["-e", &format!("trace={call}")]);
    strace.args(["-e", &format!("inject={call}:{fault}:when={n}")]);
    strace.arg(binary()).args(["--threads", "2"]);
    strace.process_group(0);
    let mut server = Process::spawn(strace, &directory, sweep.args);
    let _group = Group(server.id());
    actor.port = server.port();
    if server.is_ready() {
        (sweep.act)(&mut actor);
        let _ = actor.call(&["SHUTDOWN", "NOSAVE", "FORCE"]);
    }
    server.wait();
    let trace = whole_trace(&trace);

    let mut server = Process::start(&directory, sweep.args);
    server.wait_until_ready();
    let found = match (Actor { port: server.port(), ..actor }).call(&["GET", "n"]) {
        Some(Value::Bulk(text)) => String::from_utf8_lossy(&text).parse().expect("a number"),
        other => panic!("{what}: {other:?}"),
    };
    server.kill();
    let may = actor.safe..=actor.asked;
    assert!(may.contains(&found), "{what}: {found} is not in {may:?}; {}", server.output());
    fs::remove_dir_all(&directory).expect("the directory is ours");
    trace.contains("(INJECTED)") || trace.contains("killed by SIGKILL")
}

#[test]
fn every_call_of_a_save_may_fail() {
    run(&Sweep {
        name: "save",
        args: &["--save", ""],
        files: &["temp-dump.redstart", "dump.redstart"],
        act: |actor| {
            for _ in 0..2 {
                if actor.set() && matches!(actor.call(&["SAVE"]), Some(Value::Simple(_))) {
                    actor.safe = actor.asked;
                }
            }
        },
    });
}

const LOGGED: &[&str] = &["--appendonly", "yes", "--appendfsync", "always", "--save", ""];

/// The log's files, as far as a sweep gets.
const LOG: &[&str] = &[
    "appendonlydir/appendonly.00000000000000000001.log",
    "appendonlydir/appendonly.00000000000000000005.log",
    "appendonlydir/appendonly.00000000000000000006.log",
    "appendonlydir/temp-appendonly.00000000000000000005.log",
    "appendonlydir/temp-appendonly.00000000000000000006.log",
    "appendonlydir/appendonly.00000000000000000004.base",
    "appendonlydir/temp-appendonly.00000000000000000004.base",
    "appendonlydir/temp-appendonly.00000000000000000005.base",
];

#[test]
fn every_call_of_an_append_may_fail() {
    run(&Sweep { name: "append", args: LOGGED, files: LOG, act: |actor| actor.set_logged(3) });
}

#[test]
fn every_call_of_a_rewrite_may_fail() {
    run(&Sweep {
        name: "rewrite",
        args: LOGGED,
        files: LOG,
        act: |actor| {
            actor.set_logged(3);
            let _ = actor.call(&["BGREWRITEAOF"]);
            let deadline = Instant::now() + PATIENCE;
            while let Some(Value::Bulk(info)) = actor.call(&["INFO", "persistence"]) {
                if !String::from_utf8_lossy(&info).contains("aof_rewrite_in_progress:1") {
                    break;
                }
                assert!(Instant::now() < deadline, "the rewriting does not end");
                thread::sleep(Duration::from_millis(10));
            }
            actor.set_logged(2);
        },
    });
}
