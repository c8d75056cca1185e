//! How a server ends, and what interferes: signals, a log that is turned on and off again before
//! it began, and one that cannot be begun.

use crate::process::{Process, scratch};
use crate::support::client::Client;
use crate::support::resp::{Kind, Value};
use crate::support::talk::{call, field, ok, text, until};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Sends the process a signal.
fn signal(server: &Process, name: &str) {
    let sent = Command::new("kill").args([name, &server.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()));
}

fn started(directory: &Path, args: &[&str]) -> (Process, Client) {
    let mut server = Process::start(directory, args);
    server.wait_until_ready();
    let client = server.client();
    (server, client)
}

/// Checks that a server that starts from the directory has `k`; removes the directory.
fn is_kept(directory: &Path, args: &[&str], value: &str) {
    let (mut server, mut client) = started(directory, args);
    assert_eq!(text(call(&mut client, "GET k")), value);
    server.kill();
    fs::remove_dir_all(directory).expect("the directory is ours");
}

#[test]
fn the_end_of_the_terminal_is_not_the_end_of_the_server() {
    let directory = scratch("hangup");
    let args = ["--save", "3600 1"];
    let (mut server, mut client) = started(&directory, &args);
    assert_eq!(call(&mut client, "SET k v"), ok());
    signal(&server, "-HUP");
    // Signals of a process arrive in order, so this one is behind the other.
    signal(&server, "-TERM");
    assert!(server.wait().success(), "{}", server.output());
    is_kept(&directory, &args, "v");
}

#[test]
fn who_loads_ends_at_once_and_well() {
    let directory = scratch("loading");
    // Loading runs the script again, which never ends.
    let log = "*3\r\n$4\r\nEVAL\r\n$17\r\nwhile true do end\r\n$1\r\n0\r\n";
    fs::write(directory.join("appendonly.aof"), log).expect("the directory is ours");
    let args = ["--appendonly", "yes", "--encryption-plain-files", "yes"];
    for name in ["-TERM", "-INT"] {
        let mut server = Process::start(&directory, &args);
        until("it loads", || {
            let client = Client::connect(server.port());
            let answer = client.and_then(|mut client| client.call(&["PING"]));
            matches!(answer, Ok(Value::Error(text)) if text.starts_with(b"LOADING"))
        });
        signal(&server, name);
        assert!(server.wait().success(), "{}", server.output());
    }
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// A second interrupt ends the process at once.
#[test]
fn who_insists_need_not_wait_for_the_last_snapshot() {
    let directory = scratch("insists");
    let delayed = ["--save", "3600 100", "--rdb-key-save-delay", "100000000"];
    let (mut server, mut client) = started(&directory, &["--save", "3600 1"]);
    assert_eq!(call(&mut client, "SET k kept"), ok());
    signal(&server, "-INT");
    assert!(server.wait().success(), "{}", server.output());
    let (mut server, mut client) = started(&directory, &delayed);
    assert_eq!(call(&mut client, "SET k lost"), ok());
    signal(&server, "-INT");
    until("it saves", || server.output().contains("Saving the final snapshot"));
    signal(&server, "-INT");
    assert_eq!(server.wait().code(), Some(1), "{}", server.output());
    is_kept(&directory, &["--save", ""], "kept");
}

/// A slow snapshot is given up when the server ends.
#[test]
fn a_slow_snapshot_is_given_up_for_the_end() {
    let directory = scratch("slow");
    let delayed = ["--save", "", "--rdb-key-save-delay", "100000000"];
    let (mut server, mut client) = started(&directory, &delayed);
    assert_eq!(call(&mut client, "SET k v"), ok());
    assert_eq!(text(call(&mut client, "BGSAVE")), "Background saving started");
    until("it saves", || field(&mut client, "current_save_keys_processed") == "1");
    assert_eq!(field(&mut client, "rdb_bgsave_in_progress"), "1");
    assert_eq!(text(call(&mut client, "BGSAVE")), "ERR Background save already in progress");
    client.send(b"SHUTDOWN NOSAVE\r\n").expect("it is sent");
    assert!(server.wait().success(), "{}", server.output());
    assert!(!directory.join("dump.redstart").exists());
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

#[test]
fn a_log_that_is_not_wanted_any_more_when_it_has_begun_ends() {
    let directory = scratch("unwanted");
    let (mut server, mut client) = started(&directory, &["--save", ""]);
    assert_eq!(call(&mut client, "MULTI"), ok());
    // The transaction holds the key's shard: nothing begins before its end.
    for line in ["SET k v", "CONFIG SET appendonly yes", "CONFIG SET appendonly no"] {
        assert_eq!(text(call(&mut client, line)), "QUEUED");
    }
    assert_eq!(call(&mut client, "EXEC"), Value::Items(Kind::Array, vec![ok(), ok(), ok()]));
    until("it has begun", || field(&mut client, "aof_rewrites") == "1");
    assert_eq!(field(&mut client, "aof_enabled"), "0");
    until("it has ended", || {
        !text(call(&mut client, "INFO persistence")).contains("aof_base_size")
    });
    assert_eq!(call(&mut client, "CONFIG SET appendonly yes"), ok());
    until("it has begun", || field(&mut client, "aof_rewrites") == "2");
    assert_eq!(call(&mut client, "SET k w"), ok());
    server.kill();
    is_kept(&directory, &["--appendonly", "yes"], "w");
}

#[test]
fn a_log_that_cannot_be_begun_is_not_turned_on() {
    let directory = scratch("unbegun");
    fs::write(directory.join("appendonlydir"), "a file").expect("the directory is ours");
    let (mut server, mut client) = started(&directory, &["--save", ""]);
    let answer = text(call(&mut client, "CONFIG SET appendonly yes"));
    let expected = "ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to \
                    turn on AOF. Check server logs.";
    assert_eq!(answer, expected);
    assert_eq!(field(&mut client, "aof_enabled"), "0");
    assert_eq!(field(&mut client, "aof_last_bgrewrite_status"), "err");
    let failed = "aof_rewrites_consecutive_failures";
    assert_eq!(field(&mut client, failed), "0");
    let begun = "Background append only file rewriting started";
    assert_eq!(text(call(&mut client, "BGREWRITEAOF")), begun);
    until("it has failed", || field(&mut client, failed) == "1");
    fs::remove_file(directory.join("appendonlydir")).expect("it is ours");
    assert_eq!(call(&mut client, "CONFIG SET appendonly yes"), ok());
    until("it has begun", || field(&mut client, "aof_last_bgrewrite_status") == "ok");
    assert_eq!(field(&mut client, failed), "0");
    server.kill();
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// Under `everysec` a reply does not wait for the sync, from the first write on.
#[test]
fn the_first_write_does_not_wait_for_the_disk() {
    let directory = scratch("first");
    let is_ahead = |round: usize| {
        let (mut server, mut client) = started(&directory, &["--appendonly", "yes"]);
        assert_eq!(call(&mut client, &format!("SET k {round}")), ok());
        let info = text(call(&mut client, "INFO persistence"));
        let mark = |name: &str| {
            let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.parse::<u64>().ok()).expect("INFO has it")
        };
        server.kill();
        mark("aof_records_synced") < mark("aof_records_written")
    };
    // On a slow machine the sync may have come before INFO.
    assert!((0..20).any(is_ahead), "the first reply always waits");
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

#[test]
fn resetstat_sets_the_counts_of_snapshots_back() {
    let directory = scratch("resetstat");
    let (mut server, mut client) = started(&directory, &["--save", ""]);
    assert_eq!(call(&mut client, "SAVE"), ok());
    assert_eq!(field(&mut client, "rdb_saves"), "1");
    assert_eq!(call(&mut client, "CONFIG RESETSTAT"), ok());
    assert_eq!(field(&mut client, "rdb_saves"), "0");
    server.kill();
    fs::remove_dir_all(&directory).expect("the directory is ours");
}
