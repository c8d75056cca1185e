//! Files at rest: without the key that they are encrypted with no server has them, a new key takes
//! the place of an old one, and tools read and write them.

use crate::process::{Process, binary, scratch};
use crate::support::resp::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const SECRET: &str = "what-nobody-may-read";

/// Writes a key file of these keys, the new one first; returns its path.
fn key_file(directory: &Path, keys: &[&str]) -> String {
    let path = directory.join(format!("{}.key", keys.concat()));
    let lines: Vec<String> = keys.iter().map(|key| key.repeat(64)).collect();
    fs::write(&path, lines.join("\n")).expect("it is ours");
    path.to_string_lossy().into_owned()
}

fn start(directory: &Path, more: &[&str]) -> Process {
    let args = ["--appendonly", "yes", "--save", ""];
    Process::start(directory, &[&args[..], more].concat())
}

/// Has a server refuse to start; returns what it said.
fn refused(directory: &Path, more: &[&str]) -> String {
    let before = start_of_output(directory);
    let mut server = start(directory, more);
    assert!(!server.wait().success(), "{more:?}");
    server.output()[before..].to_owned()
}

fn start_of_output(directory: &Path) -> usize {
    fs::metadata(directory.join("output.txt")).map_or(0, |about| about.len() as usize)
}

/// The files that hold data.
fn files(directory: &Path) -> Vec<PathBuf> {
    let log = fs::read_dir(directory.join("appendonlydir")).expect("it is there");
    let files = log.map(|file| file.expect("it is there").path());
    let data = |path: &PathBuf| path.extension().is_some_and(|ending| ending != "lock");
    files.filter(data).chain([directory.join("dump.redstart")]).collect()
}

/// Runs a tool; returns what it said and whether it succeeded.
fn tool(words: &[&str]) -> (String, bool) {
    let done = Command::new(binary()).args(words).output().expect("the binary is there");
    let said = [done.stdout, done.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), done.status.success())
}

fn value(server: &Process) -> Option<Value> {
    server.client().call(&["GET", "key"]).ok()
}

/// Waits until all of the log is encrypted with the first key of a file.
fn wait_for_rewrite(directory: &Path, key: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_done = || {
        let log = files(directory).into_iter().filter(|file| !file.ends_with("dump.redstart"));
        log.map(|file| tool(&["check", "--encryption-key-file", key, &file.to_string_lossy()]))
            .all(|(_, succeeded)| succeeded)
    };
    while !is_done() {
        assert!(Instant::now() < deadline, "the log is not rewritten");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn files_are_read_with_their_key_only() {
    if crate::is_encrypted() {
        return;
    }
    let directory = scratch("encrypted");
    let (old, new) = (key_file(&directory, &["1"]), key_file(&directory, &["2"]));
    let both = key_file(&directory, &["2", "1"]);
    let named = |file| ["--encryption-key-file", file];
    let mut server = start(&directory, &named(&old));
    server.wait_until_ready();
    for words in [&["SET", "key", SECRET][..], &["SAVE"]] {
        server.client().call(words).expect("it lives");
    }
    server.kill();
    for file in files(&directory) {
        let bytes = fs::read(&file).expect("it is there");
        let found = bytes.windows(8).any(|window| SECRET.as_bytes().starts_with(window));
        assert!(!found, "{}", file.display());
    }
    let said = refused(&directory, &[]);
    assert!(said.contains("and there is no key"), "{said}");
    let said = refused(&directory, &named(&new));
    assert!(said.contains("is encrypted with another key"), "{said}");

    // The new key takes the old one's place by a rewrite, which begins by itself.
    let mut server = start(&directory, &named(&both));
    server.wait_until_ready();
    wait_for_rewrite(&directory, &new);
    assert_eq!(value(&server), Some(Value::Bulk(SECRET.into())));
    server.kill();

    // So does none, by CONFIG SET; afterwards plain files are loaded only where that is said.
    let mut server = start(&directory, &named(&new));
    server.wait_until_ready();
    let nothing = server.client().call(&["CONFIG", "SET", "encryption-key-file", "nothing.key"]);
    assert!(matches!(nothing, Ok(Value::Error(_))), "{nothing:?}");
    server.client().call(&["CONFIG", "SET", "encryption-key-file", ""]).expect("it lives");
    wait_for_rewrite(&directory, &old);
    server.kill();
    let said = refused(&directory, &named(&new));
    assert!(said.contains("is not encrypted, though there is a key"), "{said}");
    let plain = [&named(&new)[..], &["--encryption-plain-files", "yes"]].concat();
    let mut server = start(&directory, &plain);
    server.wait_until_ready();
    assert_eq!(value(&server), Some(Value::Bulk(SECRET.into())));
    server.kill();
    convert_all(&directory, &old, &new, &both);
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// The snapshot is encrypted with the old key still: it becomes an RDB file, a snapshot with the
/// new key, and one without any.
fn convert_all(directory: &Path, old: &str, new: &str, both: &str) {
    let place = |name: &str| directory.join(name).to_string_lossy().into_owned();
    let (dump, rdb) = (place("dump.redstart"), place("dump.rdb"));
    let converted = |words: &[&str]| {
        let (said, succeeded) = tool(&[&["convert"][..], words].concat());
        assert!(succeeded, "{said}");
    };
    let (said, succeeded) = tool(&["convert", &dump, &rdb]);
    assert!(!succeeded && said.contains("and there is no key"), "{said}");
    converted(&["--encryption-key-file", old, &dump, &rdb]);
    assert!(fs::read(&rdb).expect("it was written").starts_with(b"REDIS"));
    converted(&["--encryption-key-file", new, &rdb, &place("again.redstart")]);
    converted(&["--same", "--encryption-key-file", both, &dump, &place("new.redstart")]);
    let plain = place("plain.redstart");
    converted(&["--same", "--plain", "--encryption-key-file", old, &dump, &plain]);
    for name in ["again.redstart", "new.redstart"] {
        let (said, succeeded) = tool(&["check", "--encryption-key-file", new, &place(name)]);
        assert!(succeeded && said.contains("encrypted with the key"), "{said}");
    }
    let (said, succeeded) = tool(&["check", &plain]);
    assert!(succeeded && !said.contains("encrypted with"), "{said}");
}
