//! After a kill, a server has every write that it acknowledged, no hole and nothing invented,
//! under every policy of the log; after a proper end it has everything; damaged files are refused
//! by name and offset.
//!
//! The short form runs with the other tests; `REDSTART_CRASH_ROUNDS=1000` (`make crash`) is the
//! long one. `REDSTART_CRASH_SEED` changes what chance decides, and `REDSTART_BIN` tests another
//! binary than the one that was built with the tests. `REDSTART_CRASH_ENCRYPTED=1` has all files
//! encrypted.

#[path = "crash/disk.rs"]
mod disk;
#[path = "crash/encrypted.rs"]
mod encrypted;
#[path = "crash/ends.rs"]
mod ends;
#[path = "crash/faults.rs"]
mod faults;
#[path = "crash/full.rs"]
mod full;
#[path = "crash/kills.rs"]
mod kills;
#[path = "crash/power.rs"]
mod power;
#[path = "crash/process.rs"]
mod process;
#[allow(dead_code, reason = "each test binary uses a part")]
mod support;
#[path = "crash/sweep.rs"]
mod sweep;
#[path = "crash/writer.rs"]
mod writer;

use process::{Process, binary, is_encrypted, key_arguments, scratch};
use std::thread;
use std::time::Duration;
use support::resp::Value;
use writer::Writer;

const WRITERS: usize = 16;

/// Whether this is the long form.
fn is_long() -> bool {
    std::env::var_os("REDSTART_CRASH_ROUNDS").is_some()
}

/// `redstart check`.
fn check() -> std::process::Command {
    let mut program = std::process::Command::new(binary());
    program.arg("check");
    if is_encrypted() {
        program.args(key_arguments());
    }
    program
}

/// Randomness for the test of this number.
fn random(test: u64) -> fastrand::Rng {
    let seed = std::env::var("REDSTART_CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    fastrand::Rng::with_seed(seed.unwrap_or(0u64).wrapping_mul(1000) + test)
}

fn rounds(short: usize) -> usize {
    let rounds = std::env::var("REDSTART_CRASH_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(short)
}

/// What was acknowledged before SIGTERM or SHUTDOWN is there after it, without a log.
#[test]
fn what_ends_well_keeps_everything() {
    let directory = scratch("term");
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    for round in 0..rounds(6).min(100) {
        let mut server = Process::start(&directory, &["--save", "3600 1"]);
        server.wait_until_ready();
        let mut client = server.client();
        for writer in &mut writers {
            writer.verify(&mut client).unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        let port = server.port();
        thread::scope(|scope| {
            for (seed, writer) in writers.iter_mut().enumerate() {
                scope.spawn(move || writer.write_until_closed(port, seed as u64));
            }
            thread::sleep(Duration::from_millis(60));
            if round % 2 == 0 {
                server.terminate();
            } else {
                // The server closes the connection instead of answering.
                client.call(&["SHUTDOWN"]).expect_err("a server that ended says nothing");
            }
            assert!(server.wait().success());
        });
    }
    std::fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// The log says how long the last snapshot itself took, without the wait for the one before, which
/// it ended.
#[test]
fn a_snapshot_that_ends_another_one_takes_time_itself() {
    let directory = scratch("ends");
    let mut server = Process::start(&directory, &["--save", "", "--enable-debug-command", "yes"]);
    server.wait_until_ready();
    let mut client = server.client();
    client.call(&["DEBUG", "POPULATE", "300000"]).expect("it is allowed");
    client.send(b"BGSAVE\r\nSHUTDOWN SAVE\r\n").expect("it is sent");
    assert!(server.wait().success());
    let said = server.output();
    // So many keys take more than a millisecond.
    assert!(said.contains(" 300000 keys") && !said.contains(", 0 ms"), "{said}");
    std::fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// With snapshots alone, a killed server has exactly the last snapshot that was acknowledged, or
/// the one that was under way.
#[test]
fn killed_with_snapshots_alone() {
    let directory = scratch("snapshot");
    let mut random = random(4);
    let mut saved = 0;
    for _ in 0..rounds(6).min(100) {
        let mut server = Process::start(&directory, &["--save", ""]);
        server.wait_until_ready();
        let mut client = server.client();
        let found = client.call(&["GET", "n"]).expect("it lives");
        let found = match found {
            Value::Bulk(text) => String::from_utf8_lossy(&text).parse().expect("a number"),
            _ => 0,
        };
        assert!(found >= saved, "{saved} was saved, {found} is there");
        saved = found;
        for n in found + 1..found + 40 {
            client.call(&["SET", "n", &n.to_string()]).expect("it lives");
            if random.u32(..8) == 0 {
                client.call(&["SAVE"]).expect("it lives");
                saved = n;
            }
        }
        let _ = client.call(&["BGSAVE"]);
        thread::sleep(Duration::from_millis(random.u64(..8)));
        server.kill();
    }
    std::fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// Stops threads when it is dropped.
struct Stops<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Money moves between accounts, and their sum is the same in every snapshot. There are enough keys
/// for a second thread to help with encoding, where a core is free.
#[test]
fn snapshots_under_transfers_have_the_exact_sum() {
    const ACCOUNTS: usize = 2000;
    const OTHERS: &str = "30000";
    let directory = scratch("transfers");
    let args = ["--save", "", "--threads", "1", "--enable-debug-command", "yes"];
    let mut server = Process::start(&directory, &args);
    server.wait_until_ready();
    let mut client = server.client();
    client.call(&["DEBUG", "POPULATE", OTHERS]).expect("it is allowed");
    for account in 0..ACCOUNTS {
        client.call(&["SET", &format!("account:{account}"), "1000"]).expect("it lives");
    }
    let stop = std::sync::atomic::AtomicBool::new(false);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    thread::scope(|scope| {
        for seed in 0..4 {
            let (port, stop) = (server.port(), &stop);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                while !stop.load(relaxed) {
                    writer::transfer(port, &mut random, ACCOUNTS, stop);
                }
            });
        }
        // It stops them also when a check below fails.
        let _stops = Stops(&stop);
        for round in 0..rounds(8).min(200) {
            client.call(&["SAVE"]).expect("it lives");
            let copy = scratch(&format!("transfers-{round}"));
            std::fs::copy(directory.join("dump.redstart"), copy.join("dump.redstart"))
                .expect("the snapshot is there");
            let mut other = Process::start(&copy, &["--save", ""]);
            other.wait_until_ready();
            let mut reader = other.client();
            let sum: i64 = (0..ACCOUNTS)
                .map(|account| {
                    let reply = reader.call(&["GET", &format!("account:{account}")]);
                    let Ok(Value::Bulk(text)) = reply else { panic!("{account}: {reply:?}") };
                    String::from_utf8_lossy(&text).parse::<i64>().expect("a number")
                })
                .sum();
            assert_eq!(sum, 1000 * ACCOUNTS as i64, "snapshot {round}");
            other.kill();
            std::fs::remove_dir_all(&copy).expect("the directory is ours");
        }
    });
    server.kill();
    std::fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// A torn end is cut off with a warning; damage in the middle names the file and the place. Both
/// hold of encrypted files.
#[test]
fn damaged_logs_are_refused_and_torn_ones_cut() {
    let (args, key) = (["--appendonly", "yes", "--save", ""], key_arguments());
    let key = [&key[0][..], &key[1]];
    damage_logs("damage", &args, &[]);
    damage_logs("damage-encrypted", &[&args[..], &key].concat(), &key);
}

fn damage_logs(name: &str, args: &[&str], key: &[&str]) {
    let directory = scratch(name);
    let mut server = Process::start(&directory, args);
    server.wait_until_ready();
    let mut client = server.client();
    for n in 0..50 {
        client.call(&["RPUSH", "list", &format!("element-{n}")]).expect("it lives");
    }
    server.kill();
    let segment = directory.join("appendonlydir/appendonly.00000000000000000001.log");
    let whole = std::fs::read(&segment).expect("the segment is there");
    let check =
        |file: &std::path::Path| self::check().args(key).arg(file).output().expect("it runs");
    assert!(check(&segment).status.success());

    std::fs::write(&segment, &whole[..whole.len() - 3]).expect("it is ours");
    assert!(!check(&segment).status.success());
    let mut server = Process::start(&directory, args);
    server.wait_until_ready();
    let length = server.client().call(&["RPUSH", "list", "element-49"]);
    assert!(matches!(length, Ok(Value::Int(50))), "{length:?}");
    server.kill();
    assert!(server.output().contains("bytes are cut off"));

    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 4;
    std::fs::write(&segment, &damaged).expect("it is ours");
    let mut server = Process::start(&directory, args);
    assert!(!server.wait().success());
    let output = server.output();
    assert!(output.contains("appendonly.00000000000000000001.log, at byte"), "{output}");
    let report = String::from_utf8_lossy(&check(&segment).stderr).into_owned();
    assert!(report.contains("at byte"), "{report}");
    std::fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// The log of a running server is turned on, off and on again; and a log without its base is
/// refused at the start.
#[test]
fn a_log_is_turned_on_and_off_while_the_server_runs() {
    let directory = scratch("toggle");
    let mut server = Process::start(&directory, &["--save", ""]);
    server.wait_until_ready();
    let mut client = server.client();
    let mut ask = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        client.call(&words).unwrap_or_else(|error| panic!("{line}: {error:?}"))
    };
    for round in 0..3 {
        ask(&format!("SET before:{round} 1"));
        ask("CONFIG SET appendonly yes");
        ask(&format!("SET while:{round} 1"));
        let based = || {
            let names = std::fs::read_dir(directory.join("appendonlydir")).expect("it was made");
            let mut names = names.filter_map(|name| name.ok()?.file_name().into_string().ok());
            names.any(|name| name.ends_with(".base"))
        };
        while !based() {
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(300));
        ask(&format!("SET after:{round} 1"));
        if round < 2 {
            ask("CONFIG SET appendonly no");
            ask(&format!("SET off:{round} 1"));
        }
    }
    server.kill();
    let args = ["--appendonly", "yes", "--save", ""];
    let mut server = Process::start(&directory, &args);
    server.wait_until_ready();
    assert_eq!(server.client().call(&["DBSIZE"]).ok(), Some(Value::Int(11)));
    server.kill();
    let folder = std::fs::read_dir(directory.join("appendonlydir")).expect("it is there");
    for file in folder.filter_map(Result::ok) {
        if file.path().extension().is_some_and(|ending| ending == "base") {
            std::fs::remove_file(file.path()).expect("it is ours");
        }
    }
    let mut server = Process::start(&directory, &args);
    assert!(!server.wait().success());
    assert!(server.output().contains("no base before them"), "{}", server.output());
    std::fs::remove_dir_all(&directory).expect("the directory is ours");
}
