//! Files of real servers that hold what does not exist here: `redstart check --for-load` lists all
//! of it, `redstart convert --skip-unsupported` leaves it out, and a server names what can be done.

#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "crash/process.rs"]
mod process;
#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use process::{Process, binary, scratch};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::client::Client;
use support::resp::Value;

/// The servers whose files are tried, as far as they are there, and whether they have vector sets.
fn oracles() -> Vec<(PathBuf, bool)> {
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/oracles/bin");
    let all = [
        (PathBuf::from("redis-server"), false),
        (bin.join("redis-server-8"), true),
        (bin.join("valkey-server-9"), false),
    ];
    let is_there = |(program, _): &(PathBuf, bool)| {
        let there = Command::new(program).arg("--version").output().is_ok();
        if !there {
            eprintln!("SKIPPED: there is no {}", program.display());
        }
        there
    };
    all.into_iter().filter(is_there).collect()
}

fn line(client: &mut Client, line: &str) -> Value {
    let words: Vec<&str> = line.split(' ').collect();
    client.call(&words).unwrap_or_else(|error| panic!("{line}: {error:?}"))
}

/// Runs a subcommand in a folder: whether it succeeded, and what it said.
fn tool(directory: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new(binary()).args(args).current_dir(directory).output();
    let output = output.expect("the server's binary is there");
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// Keys that load, and between them streams with all that belongs to one: groups, consumers,
/// entries that were delivered, producers.
fn fill(client: &mut Client, has_vector_sets: bool) {
    for n in 0..50 {
        line(client, &format!("SET before:{n} {n}"));
        line(client, &format!("RPUSH after:{n} a b c"));
    }
    for n in 0..300 {
        line(client, &format!("XADD stream 1-{} f {n} g some-text", n + 1));
    }
    line(client, "XADD small 5-5 f v");
    line(client, "PEXPIRE small 100000000");
    for group in ["g1", "g2"] {
        line(client, &format!("XGROUP CREATE stream {group} 0"));
    }
    line(client, "XREADGROUP GROUP g1 c1 COUNT 10 STREAMS stream >");
    line(client, "XREADGROUP GROUP g1 c2 COUNT 3 STREAMS stream >");
    line(client, "XDEL stream 1-1 1-150");
    if has_vector_sets {
        line(client, "XADD small IDMP p1 i1 * f v");
        line(client, "VADD vectors VALUES 3 1 2 3 element");
    }
    line(client, "SELECT 2");
    line(client, "XADD elsewhere 1-1 f v");
    line(client, "SET last 1");
}

#[test]
fn all_that_does_not_exist_here_is_listed_and_left_out() {
    for (oracle, has_vector_sets) in oracles() {
        // The others have nothing that does not exist here.
        if !has_vector_sets {
            continue;
        }
        let directory = scratch("for-load");
        let mut server = Process::spawn(Command::new(&oracle), &directory, &["--save", ""]);
        server.wait_until_ready();
        let mut client = server.client();
        fill(&mut client, has_vector_sets);
        line(&mut client, "SAVE");
        server.kill();
        let (loads, said) = tool(&directory, &["check", "--for-load", "dump.rdb"]);
        let shown = oracle.display();
        assert!(!loads, "{shown}: {said}");
        let keys = [("vectors", 0)];
        for (key, db) in &keys {
            let place = format!("the key \"{key}\" (database {db}, at byte ");
            assert!(said.contains(&place), "{shown}: {said} lacks {place}");
        }
        let of =
            format!("{} of {} keys and 0 commands will not load: ", keys.len(), keys.len() + 104);
        assert!(said.contains(&of) && said.contains("a vector set: 1"), "{shown}: {said}");
        // The server names one, and what to do.
        let mut refused = Process::start(&directory, &[]);
        assert!(!refused.wait().success());
        let output = refused.output();
        assert!(output.contains("which does not exist here"), "{shown}: {output}");
        assert!(output.contains("check --for-load") && output.contains("--skip-unsupported"));
        let (done, said) = tool(&directory, &["convert", "dump.rdb", "dump.redstart"]);
        assert!(!done && said.contains("does not exist here"), "{shown}: {said}");
        let convert = ["convert", "--skip-unsupported", "dump.rdb", "dump.redstart"];
        let (done, said) = tool(&directory, &convert);
        assert!(done && said.contains("a snapshot of 104 keys"), "{shown}: {said}");
        assert_eq!(said.matches(" is left out: ").count(), keys.len(), "{shown}: {said}");
        let mut server = Process::start(&directory, &[]);
        server.wait_until_ready();
        let mut client = server.client();
        assert_eq!(line(&mut client, "DBSIZE"), Value::Int(102), "{shown}");
        assert_eq!(line(&mut client, "XLEN stream"), Value::Int(298), "{shown}");
        assert_eq!(line(&mut client, "GET before:49"), Value::Bulk(b"49".to_vec()));
        assert_eq!(line(&mut client, "LLEN after:49"), Value::Int(3));
        line(&mut client, "SELECT 2");
        assert_eq!(line(&mut client, "GET last"), Value::Bulk(b"1".to_vec()));
        server.kill();
        fs::remove_dir_all(&directory).expect("the directory is ours");
    }
}

#[test]
fn commands_of_a_log_that_do_not_exist_here_are_listed() {
    for (oracle, _) in oracles() {
        let directory = scratch("for-load-aof");
        let args = ["--save", "", "--appendonly", "yes"];
        let mut server = Process::spawn(Command::new(&oracle), &directory, &args);
        server.wait_until_ready();
        let mut client = server.client();
        for text in ["SET a 1", "SELECT 3", "RPUSH l x"] {
            line(&mut client, text);
        }
        server.terminate();
        server.wait();
        let manifest = "appendonlydir/appendonly.aof.manifest";
        // No server that is here has a command of this name.
        let log = directory.join("appendonlydir/appendonly.aof.1.incr.aof");
        let mut text = fs::read(&log).expect("it is there");
        for _ in 0..2 {
            text.extend_from_slice(b"*2\r\n$7\r\nNOTHERE\r\n$1\r\ns\r\n");
        }
        fs::write(&log, text).expect("it is ours");
        let (loads, said) = tool(&directory, &["check", "--for-load", manifest]);
        let shown = oracle.display();
        assert!(!loads && said.matches("NOTHERE, at byte ").count() == 2, "{shown}: {said}");
        assert!(said.contains("will not load: the command NOTHERE: 2"), "{shown}: {said}");
        fs::remove_dir_all(&directory).expect("the directory is ours");
    }
}

#[test]
fn a_damaged_snapshot_says_what_can_be_done() {
    let directory = scratch("for-load-damaged");
    let mut server = Process::start(&directory, &[]);
    server.wait_until_ready();
    let mut client = server.client();
    line(&mut client, "SET a 1");
    line(&mut client, "SAVE");
    server.kill();
    let file = directory.join("dump.redstart");
    let mut bytes = fs::read(&file).expect("it was saved");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).expect("it is ours");
    let mut server = Process::start(&directory, &[]);
    assert!(!server.wait().success());
    let output = server.output();
    assert!(output.contains("dump.redstart, at byte "), "{output}");
    assert!(output.contains("put an earlier copy in its place, or move it away"), "{output}");
    // So it is.
    fs::rename(&file, directory.join("damaged")).expect("it is there");
    Process::start(&directory, &[]).wait_until_ready();
    fs::remove_dir_all(&directory).expect("the directory is ours");
}
