//! What the tests of Redis's files share: the servers that write and read them, and our program.

use crate::contents::{Contents, Settings};
use crate::process::{Process, binary};
use redstart_differential::oracle::{KINDS, Oracle};
use std::path::{Path, PathBuf};
use std::process::Command;

/// No save points.
pub const UNSAVED: [&str; 2] = ["--save", ""];

/// The oracles that are here, in the very versions that are known; one that is not is named.
pub fn oracles() -> Vec<Oracle> {
    let known = |oracle: Oracle| match oracle.is_known {
        true => Ok(oracle),
        false => Err(format!("SKIPPED: {} is {} here", oracle.name, oracle.version)),
    };
    let found = KINDS.iter().map(|kind| kind.find().and_then(known));
    found.filter_map(|found| found.inspect_err(|why| eprintln!("{why}")).ok()).collect()
}

/// What an oracle can hold.
pub fn contents_of(oracle: &str) -> Contents {
    if oracle == "redis-7" { Contents::WithoutFieldDeadlines } else { Contents::All }
}

/// The versions of RDB that an oracle reads and that hold all of it that it can hold.
pub fn versions_for(oracle: &str) -> &'static [&'static str] {
    match oracle {
        "redis-7" => &["10"],
        "redis-8" => &["12", "13"],
        "valkey-9" => &["80"],
        other => panic!("{other} is no oracle"),
    }
}

/// The versions of RDB that an oracle reads, of those that are written here.
pub fn readable_by(oracle: &str) -> &'static [&'static str] {
    match oracle {
        "redis-7" => &["10"],
        "redis-8" => &["10", "11", "12", "13"],
        "valkey-9" => &["10", "11", "80"],
        other => panic!("{other} is no oracle"),
    }
}

/// Redstart, ready.
pub fn redstart(directory: &Path, args: &[&str]) -> Process {
    let mut server = Process::start(directory, &[&UNSAVED, args].concat());
    server.wait_until_ready();
    server
}

/// An oracle, ready.
pub fn started(oracle: &Oracle, directory: &Path, args: &[&str]) -> Process {
    let debug = ["--enable-debug-command", "yes"];
    let args = [&UNSAVED, &debug[..], args].concat();
    let mut server = Process::spawn(Command::new(&oracle.program), directory, &args);
    server.wait_until_ready();
    server
}

/// Runs a subcommand; returns its output, and whether it succeeded.
pub fn run(args: &[&Path]) -> (String, bool) {
    let output = Command::new(binary()).args(args).output();
    let output = output.expect("the program was built");
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), output.status.success())
}

/// A folder of golden files.
pub fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots/golden")
}

/// A golden file of an oracle: the server and its version, as they stand in the file's name.
pub fn golden(server: &str, settings: Settings) -> PathBuf {
    golden_folder().join(format!("{server}-{}.rdb", settings.name()))
}

/// The servers that the golden files are of, and their oracles' names.
pub const GOLDEN: [(&str, &str); 3] =
    [("redis-7.0.15", "redis-7"), ("redis-8.6.3", "redis-8"), ("valkey-9.1.2", "valkey-9")];

/// The oracle that writes the golden files of a server anew, if that is wanted.
pub fn golden_writer(name: &str) -> Option<Oracle> {
    std::env::var_os("REDSTART_WRITE_GOLDEN")?;
    oracles().into_iter().find(|oracle| oracle.name == name)
}
