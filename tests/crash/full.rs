//! A disk of sixteen megabytes that runs full: reads go on, writes are refused, what was
//! acknowledged is kept, and service resumes when there is space again.

use crate::disk::{Disk, text};
use crate::process::Process;
use crate::support::client::Client;
use crate::support::resp::{Kind, Value};
use crate::support::talk::until_blocked;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// Sets a key on a connection of its own: true if it was acknowledged, false if it was refused,
/// None if it was not answered.
fn set(server: &Process, key: &str, value: &str) -> Option<bool> {
    let mut client = Client::connect(server.port()).ok()?;
    match client.call(&["SET", key, value]).ok()? {
        Value::Simple(_) => Some(true),
        Value::Error(text) if text.starts_with(b"MISCONF") => Some(false),
        other => panic!("SET answered {other:?}"),
    }
}

/// Writes until a write is acknowledged again.
fn resumes(server: &Process, key: &str) {
    let deadline = Instant::now() + PATIENCE;
    while set(server, key, "1") != Some(true) {
        assert!(Instant::now() < deadline, "it never resumed: {}", server.output());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_log_waits_for_space_on_a_full_disk() {
    let Some(disk) = Disk::new("full-log", 16) else { return };
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 6 << 20]).expect("there is space");
    let path = text(&disk.path());
    let args = ["--appendonly", "yes", "--save", "", "--dir", &path];
    let mut server = Process::start(&disk.path().join(".."), &args);
    server.wait_until_ready();
    let value: String = (0..50_000u32).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect();
    let mut kept = Vec::new();
    for n in 0.. {
        let key = format!("key:{n}");
        match set(&server, &key, &value) {
            Some(true) => kept.push(key),
            Some(false) => break,
            None => {}
        }
        assert!(n < 10_000, "the disk never ran full");
    }
    assert!(!kept.is_empty());
    let read = server.client().call(&["STRLEN", &kept[0]]);
    assert_eq!(read.ok(), Some(Value::Int(50_000)));
    // A wait that ends without success is answered even while the log fails.
    let waited = server.client().call(&["WAITAOF", "1", "0", "10"]);
    assert_eq!(waited.ok(), Some(Value::Items(Kind::Array, vec![Value::Int(0), Value::Int(0)])));
    // A client that may wait does so until there is room again.
    let mut patient = server.client();
    let waiting = thread::spawn(move || patient.call(&["WAITAOF", "1", "0", "0"]));
    until_blocked(&mut server.client(), 1);
    fs::remove_file(&ballast).expect("it is there");
    resumes(&server, "later");
    let waited = waiting.join().expect("it does not panic");
    assert_eq!(waited.ok(), Some(Value::Items(Kind::Array, vec![Value::Int(1), Value::Int(0)])));
    server.kill();
    let mut server = Process::start(&disk.path().join(".."), &args);
    server.wait_until_ready();
    let mut client = server.client();
    for key in kept.iter().map(String::as_str).chain(["later"]) {
        let there = client.call(&["EXISTS", key]);
        assert_eq!(there.ok(), Some(Value::Int(1)), "{key} was acknowledged");
    }
    server.kill();
}

#[test]
fn a_snapshot_that_does_not_fit_leaves_the_old_one() {
    let Some(disk) = Disk::new("full-snapshot", 16) else { return };
    let path = text(&disk.path());
    // Packed, it would fit.
    let args = ["--save", "3600 1000000", "--rdbcompression", "no", "--dir", &path];
    let mut server = Process::start(&disk.path().join(".."), &args);
    server.wait_until_ready();
    let mut client = server.client();
    let ok = || Some(Value::Simple(b"OK".to_vec()));
    assert_eq!(client.call(&["SET", "old", "1"]).ok(), ok());
    assert_eq!(client.call(&["SAVE"]).ok(), ok());
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 8 << 20]).expect("there is space");
    let value = "x".repeat(1 << 20);
    for n in 0..8 {
        assert_eq!(client.call(&["SET", &format!("large:{n}"), &value]).ok(), ok());
    }
    assert!(matches!(client.call(&["SAVE"]), Ok(Value::Error(_))));
    assert_eq!(set(&server, "large:0", &value), Some(true), "SAVE was answered with the error");
    assert!(matches!(client.call(&["BGSAVE"]), Ok(Value::Simple(_))));
    let deadline = Instant::now() + PATIENCE;
    while set(&server, "large:0", &value) != Some(false) {
        assert!(Instant::now() < deadline, "writes are never refused: {}", server.output());
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(client.call(&["GET", "old"]).ok(), Some(Value::Bulk(b"1".to_vec())));
    let (mut check, snapshot) = (crate::check(), disk.path().join("dump.redstart"));
    let said = check.arg(&snapshot).output().expect("it runs");
    assert!(String::from_utf8_lossy(&said.stdout).contains("a whole snapshot of 1 key "));
    fs::remove_file(&ballast).expect("it is there");
    assert_eq!(client.call(&["SAVE"]).ok(), ok());
    resumes(&server, "later");
    server.kill();
    let mut server = Process::start(&disk.path().join(".."), &args);
    server.wait_until_ready();
    assert_eq!(server.client().call(&["DBSIZE"]).ok(), Some(Value::Int(9)));
    server.kill();
}
