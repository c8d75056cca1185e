//! Redis's files, with a real redis-server as the oracle: what it saves is read here, what is
//! converted here is read there, key by key; its append-only files are started from.
//!
//! Golden files that redis-server wrote are read without one. With `REDSTART_WRITE_GOLDEN=1` the
//! redis-server at hand writes them anew.

#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "redis_files/contents.rs"]
mod contents;
#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "crash/process.rs"]
mod process;
#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use contents::{Settings, contents, fill, keys, line, restored};
use process::{Process, binary, scratch};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};
use support::client::Client;
use support::resp::Value;

const UNSAVED: [&str; 2] = ["--save", ""];

fn redstart(directory: &Path, args: &[&str]) -> Process {
    let mut server = Process::start(directory, &[&UNSAVED, args].concat());
    server.wait_until_ready();
    server
}

fn redis(directory: &Path, args: &[&str]) -> Option<Process> {
    let debug = ["--enable-debug-command", "yes"];
    let mut server = Process::start_redis(directory, &[&UNSAVED, &debug[..], args].concat())?;
    server.wait_until_ready();
    Some(server)
}

/// Runs a subcommand; returns its output, and whether it succeeded.
fn run(args: &[&Path]) -> (String, bool) {
    let output = Command::new(binary()).args(args).output();
    let output = output.expect("the program was built");
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), output.status.success())
}

fn golden(settings: Settings) -> PathBuf {
    let name = format!("snapshots/golden/redis-7.0.15-{}.rdb", settings.name());
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn golden_files_of_redis_are_read() {
    for settings in Settings::ALL {
        let file = golden(settings);
        let directory = scratch(&format!("golden-{}", settings.name()));
        if std::env::var_os("REDSTART_WRITE_GOLDEN").is_some() {
            let oracle = redis(&directory, settings.args()).expect("redis-server is needed");
            fill(&mut oracle.client(), settings);
            line(&mut oracle.client(), "SAVE");
            fs::copy(directory.join("dump.rdb"), &file).expect("the directory is there");
        }
        let (said, whole) = run(&["check".as_ref(), &file]);
        assert!(whole && said.contains("by Redis 7.0.15"), "{said}");
        let beside = scratch("filled");
        let filled = redstart(&beside, settings.args_here());
        fill(&mut filled.client(), settings);
        fs::copy(&file, directory.join("dump.rdb")).expect("the directory is ours");
        let loaded = redstart(&directory, settings.args_here());
        assert_eq!(contents(&mut loaded.client()), contents(&mut filled.client()));
        fs::remove_dir_all(&beside).expect("the directory is ours");
        fs::remove_dir_all(&directory).expect("the directory is ours");
    }
}

#[test]
fn rdb_files_go_both_ways() {
    for settings in Settings::ALL {
        let directory = scratch(&format!("both-{}", settings.name()));
        let Some(mut oracle) = redis(&directory, settings.args()) else { return };
        fill(&mut oracle.client(), settings);
        let wanted = contents(&mut oracle.client());
        line(&mut oracle.client(), "SAVE");
        oracle.kill();

        let mut server = redstart(&directory, &["--enable-debug-command", "yes"]);
        assert_eq!(contents(&mut server.client()), wanted, "{settings:?}");
        line(&mut server.client(), "DEBUG RELOAD");
        assert_eq!(contents(&mut server.client()), wanted, "{settings:?}");
        server.kill();

        let (snapshot, back) = (directory.join("dump.redstart"), directory.join("back.rdb"));
        let (said, done) = run(&["convert".as_ref(), &snapshot, &back]);
        assert!(done, "{said}");
        let oracle = redis(&directory, &["--dbfilename", "back.rdb"]).expect("it was there");
        assert_eq!(contents(&mut oracle.client()), wanted, "{settings:?}");

        let again = scratch("again");
        let (said, done) = run(&["convert".as_ref(), &back, &again.join("dump.redstart")]);
        assert!(done, "{said}");
        let server = redstart(&again, &[]);
        assert_eq!(contents(&mut server.client()), wanted, "{settings:?}");
        fs::remove_dir_all(&directory).expect("the directory is ours");
        fs::remove_dir_all(&again).expect("the directory is ours");
    }
}

#[test]
fn payloads_go_both_ways() {
    for settings in Settings::ALL {
        let directory = scratch(&format!("payloads-{}", settings.name()));
        let Some(oracle) = redis(&directory, settings.args()) else { return };
        let beside = scratch("payloads-ours");
        let ours = redstart(&beside, settings.args_here());
        fill(&mut oracle.client(), settings);
        fill(&mut ours.client(), settings);
        let wanted = keys(&mut oracle.client());
        assert_eq!(keys(&mut ours.client()), wanted, "{settings:?}");
        assert_eq!(restored(&mut oracle.client(), &mut ours.client()), wanted, "{settings:?}");
        assert_eq!(restored(&mut ours.client(), &mut oracle.client()), wanted, "{settings:?}");
        fs::remove_dir_all(&beside).expect("the directory is ours");
        fs::remove_dir_all(&directory).expect("the directory is ours");
    }
}

/// A log of Redis's: a base and what followed, a transaction last.
fn logged(directory: &Path, preamble: &str) -> Option<(Process, String)> {
    let args = ["--appendonly", "yes", "--aof-use-rdb-preamble", preamble];
    let oracle = redis(directory, &args)?;
    let mut client = oracle.client();
    fill(&mut client, Settings::Default);
    line(&mut client, "BGREWRITEAOF");
    let rewritten = || {
        let base = directory.join("appendonlydir/appendonly.aof.manifest");
        fs::read_to_string(base).is_ok_and(|text| text.contains(".2.base") && !text.contains("h\n"))
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !rewritten() {
        assert!(Instant::now() < deadline, "Redis does not rewrite its log");
        std::thread::sleep(Duration::from_millis(5));
    }
    for text in ["SET later 1 EX 1000", "SELECT 5", "RPUSH later a b", "SELECT 0"] {
        line(&mut client, text);
    }
    for text in ["MULTI", "SET both 1", "SET of-us 1", "EXEC"] {
        line(&mut client, text);
    }
    let wanted = contents(&mut client);
    Some((oracle, wanted))
}

/// The one file that ends with `ending` in a directory.
fn only(directory: &Path, ending: &str) -> PathBuf {
    let entries = fs::read_dir(directory).expect("it is there").filter_map(Result::ok);
    let mut found = entries.map(|entry| entry.path());
    let ends = |path: &PathBuf| path.to_string_lossy().ends_with(ending);
    found.find(ends).expect("there is such a file")
}

#[test]
fn a_log_of_redis_7_is_started_from() {
    for preamble in ["yes", "no"] {
        let directory = scratch(&format!("multi-{preamble}"));
        let Some((mut oracle, wanted)) = logged(&directory, preamble) else { return };
        oracle.kill();
        let folder = directory.join("appendonlydir");
        let (said, whole) = run(&["check".as_ref(), &only(&folder, ".manifest")]);
        assert!(whole, "{said}");
        let args = ["--appendonly", "yes"];
        for _ in 0..2 {
            // The second time, from our own log.
            let mut server = redstart(&directory, &args);
            assert_eq!(contents(&mut server.client()), wanted, "{preamble}");
            server.kill();
        }
        // A torn transaction is left out.
        fs::remove_file(only(&folder, ".base")).expect("it is ours");
        fs::remove_file(only(&folder, ".log")).expect("it is ours");
        let last = only(&folder, ".incr.aof");
        let whole = fs::read(&last).expect("it is there");
        fs::write(&last, &whole[..whole.len() - 3]).expect("it is ours");
        let (said, whole) = run(&["check".as_ref(), &last]);
        assert!(!whole && said.contains("in the middle of a command"), "{said}");
        let mut strict = Process::start(
            &directory,
            &[&UNSAVED, &args[..], &["--aof-load-truncated", "no"]].concat(),
        );
        assert!(!strict.wait().success());
        let server = redstart(&directory, &args);
        let mut client = server.client();
        let there = line(&mut client, "EXISTS later both of-us");
        assert_eq!(there, Value::Int(1));
        assert!(server.output().contains("They are left out"), "{}", server.output());
        drop(server);
        fs::remove_dir_all(&directory).expect("the directory is ours");
    }
}

#[test]
fn a_single_append_only_file_is_started_from() {
    for preamble in ["yes", "no"] {
        let directory = scratch(&format!("single-{preamble}"));
        let Some((mut oracle, wanted)) = logged(&directory, preamble) else { return };
        oracle.kill();
        let folder = directory.join("appendonlydir");
        let base = only(&folder, if preamble == "yes" { ".base.rdb" } else { ".base.aof" });
        let parts = [base, only(&folder, ".incr.aof")].map(|part| fs::read(part).expect("there"));
        fs::remove_dir_all(&folder).expect("it is ours");
        let single = directory.join("appendonly.aof");
        fs::write(&single, parts.concat()).expect("it is ours");
        let (said, whole) = run(&["check".as_ref(), &single]);
        assert!(whole, "{said}");
        // The second time, as Redis 7 leaves it when it ends before it has moved the file.
        for manifest in [None, Some("file appendonly.aof seq 1 type b\n")] {
            if let Some(manifest) = manifest {
                fs::remove_dir_all(&folder).expect("it is ours");
                fs::create_dir(&folder).expect("it is ours");
                fs::write(folder.join("appendonly.aof.manifest"), manifest).expect("it is ours");
            }
            let server = redstart(&directory, &["--appendonly", "yes"]);
            assert_eq!(contents(&mut server.client()), wanted, "{preamble}");
        }
        fs::remove_dir_all(&directory).expect("the directory is ours");
    }
}

/// A command as append-only files hold it.
fn logged_command(words: &[&str]) -> String {
    let word = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
    format!("*{}\r\n{}", words.len(), words.iter().map(word).collect::<String>())
}

/// Adds its argument to a key; and its SHA-1.
const ADD: &str = "return redis.call('incrby', KEYS[1], ARGV[1])";
const ADD_DIGEST: &str = "65b45e1e1b8b36c8c3e885080b88ae484e64fde6";
/// Appends its arguments to a list; and its SHA-1.
const PUSH: &str = "return redis.call('rpush', KEYS[1], unpack(ARGV))";
const PUSH_DIGEST: &str = "eb60aec61ddcdf9436bfae2dafbdbb60ca21aff2";

/// What servers before 7 wrote: calls of scripts as they were.
fn logged_scripts() -> String {
    let elsewhere = "redis.call('select', 3) redis.call('hset', 'undeclared', 'f', 'v')";
    let visible = "if redis.call('exists', KEYS[1]) == 1 then redis.call('set', 'seen', 1) end";
    let large = "for n = 1, 50 do redis.call('set', 'large' .. n, string.rep('x', 100000)) end";
    let timed = "redis.call('set', KEYS[1], 'v', 'EX', ARGV[1]) \
        if redis.call('ttl', KEYS[1]) > 90000 then redis.call('set', 'far', 1) end";
    let library = "#!lua name=library\nredis.register_function('put', function(keys, args) \
        return redis.call('set', keys[1], args[1]) end)";
    let commands: [&[&str]; 17] = [
        &["SELECT", "0"],
        &["EVAL", ADD, "1", "counted", "5"],
        &["EVALSHA", ADD_DIGEST, "1", "counted", "6"],
        &["SCRIPT", "LOAD", PUSH],
        &["evalsha", PUSH_DIGEST, "1", "list", "a", "b"],
        &["EVAL", elsewhere, "0"],
        &["EVAL", "redis.call('set', KEYS[1], 'part') error('as before')", "1", "failed"],
        &["SET", "passed", "v", "PXAT", "1000"],
        &["EVAL", visible, "1", "passed"],
        &["EVAL", timed, "1", "timed", "100000"],
        &["FUNCTION", "LOAD", library],
        &["FCALL", "put", "1", "by-function", "v"],
        &["MULTI"],
        &["SET", "both", "1"],
        &["EVAL", ADD, "1", "both", "7"],
        &["EXEC"],
        &["EVAL", large, "0"],
    ];
    commands.iter().map(|words| logged_command(words)).collect()
}

#[test]
fn scripts_in_an_append_only_file_are_run_once_more() {
    // Loading may exceed a limit that clients may not.
    let args = ["--appendonly", "yes", "--maxmemory", "2000000"];
    let directory = scratch("scripts");
    let redis_directory = scratch("scripts-redis");
    for place in [&directory, &redis_directory] {
        fs::write(place.join("appendonly.aof"), logged_scripts()).expect("it is ours");
    }
    let facts = |client: &mut Client| {
        let timed = line(client, "TTL timed");
        assert!(matches!(timed, Value::Int(90_000..=100_000)), "{timed:?}");
        let mut facts = String::new();
        for text in [
            "MGET counted failed both far seen by-function passed",
            "DBSIZE",
            "LRANGE list 0 -1",
            "STRLEN large50",
            "SELECT 3",
            "HGETALL undeclared",
            "DBSIZE",
        ] {
            facts += &format!("{text}: {:?}\n", line(client, text));
        }
        facts
    };
    let server = redstart(&directory, &args);
    let found = facts(&mut server.client());
    assert!(server.output().contains("ended as it may have before"), "{}", server.output());
    // With the one that has expired, but has not been removed yet.
    assert!(server.output().contains("DB loaded from disk: 60 keys"), "{}", server.output());
    assert!(found.contains("DBSIZE: Int(58)"), "{found}");
    if let Some(oracle) = redis(&redis_directory, &args) {
        assert_eq!(facts(&mut oracle.client()), found);
    }
    drop(server);
    // Our own log holds what the scripts did.
    assert_eq!(facts(&mut redstart(&directory, &args).client()), found);
    fs::remove_dir_all(&directory).expect("the directory is ours");
    fs::remove_dir_all(&redis_directory).expect("the directory is ours");
}

#[test]
fn unknown_scripts_are_refused() {
    let directory = scratch("unknown");
    let first = logged_command(&["SET", "k", "v"]);
    for (words, error) in [
        (&["EVALSHA", ADD_DIGEST, "1", "k", "1"][..], "NOSCRIPT"),
        (&["FCALL", "nothing", "0"], "Function not found"),
        (&["EVAL", "this is no Lua", "0"], "Error compiling script"),
        (&["EVAL", "return 1"], "its arguments are not right"),
    ] {
        let text = [&first[..], &logged_command(words)].concat();
        fs::write(directory.join("appendonly.aof"), text).expect("it is ours");
        let mut server =
            Process::start(&directory, &[&UNSAVED[..], &["--appendonly", "yes"]].concat());
        assert!(!server.wait().success());
        let output = server.output();
        let named = format!("appendonly.aof, at byte {}: {}", first.len(), words[0]);
        assert!(output.contains(&named) && output.contains(error), "{output}");
    }
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// Our files are read as long as they are there; a warning says that Redis's are newer.
#[test]
fn newer_files_of_redis_are_warned_of() {
    let directory = scratch("newer");
    let (dump, single) = (directory.join("dump.rdb"), directory.join("appendonly.aof"));
    fs::copy(golden(Settings::Default), &dump).expect("it is in the repository");
    fs::write(&single, logged_command(&["SET", "k", "v"])).expect("it is ours");
    let touch = |file: &Path, at: SystemTime| {
        let file = fs::File::options().append(true).open(file).expect("it is there");
        file.set_modified(at).expect("it is ours");
    };
    let hour = Duration::from_secs(3600);
    for (args, file) in [(&["--appendonly", "no"], &dump), (&["--appendonly", "yes"], &single)] {
        // The first start reads Redis's, and leaves ours behind.
        touch(file, SystemTime::now() - hour);
        for start in 0..3 {
            let mut server = redstart(&directory, args);
            line(&mut server.client(), "SET still-here 1");
            line(&mut server.client(), "SAVE");
            server.kill();
            let warned = server.output().contains(" is newer than ");
            assert_eq!(warned, start == 2, "{args:?}, {start}: {}", server.output());
            fs::remove_file(directory.join("output.txt")).expect("it is ours");
            let at = if start == 1 { SystemTime::now() + hour } else { SystemTime::now() - hour };
            touch(file, at);
        }
    }
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

#[test]
fn what_cannot_be_read_is_named() {
    let directory = scratch("named");
    let dump = directory.join("dump.rdb");
    let whole = fs::read(golden(Settings::Default)).expect("it is in the repository");
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    // The same key in two databases is no fault.
    let twice = b"REDIS0010\x00\x04once\x01v\xfe\x01\x00\x04once\x01v\x00\x05again\x01v\
        \xfe\x00\x00\x05again\x01v\xfc\xff\xff\xff\xff\xff\xff\x00\x00\x00\x05again\x01w\
        \xff\x00\x00\x00\x00\x00\x00\x00\x00";
    let set = b"REDIS0010\x02\x03key\x01\x01a\xff\x00\x00\x00\x00\x00\x00\x00\x00".to_vec();
    for (bytes, named) in [
        (damaged, "dump.rdb, at byte "),
        (whole[..whole.len() - 1].to_vec(), "dump.rdb, at byte "),
        (set, "dump.rdb, at byte 14: the value is a set, encoding 2"),
        (twice.to_vec(), "dump.rdb, at byte 56: the key \"again\" occurs twice in database 0"),
        (b"something else".to_vec(), "dump.rdb, at byte 0: it is not an RDB file"),
    ] {
        fs::write(&dump, &bytes).expect("it is ours");
        let mut server = Process::start(&directory, &UNSAVED);
        assert!(!server.wait().success());
        assert!(server.output().contains(named), "{}", server.output());
        let (said, whole) = run(&["check".as_ref(), &dump]);
        assert!(!whole && said.contains("dump.rdb, at byte"), "{said}");
        let out = directory.join("out.redstart");
        let (converted, done) = run(&["convert".as_ref(), &dump, &out]);
        assert!(!done && !out.exists(), "{converted}");
        if bytes == twice {
            assert!(said.contains(named) && converted.contains(named), "{said}{converted}");
        }
    }
    // Fields that expire need a newer format.
    let hash = scratch("timed");
    let mut server = redstart(&hash, &[]);
    let mut client = server.client();
    line(&mut client, "HSET timed f v");
    line(&mut client, "HPEXPIREAT timed 4102444800000 FIELDS 1 f");
    line(&mut client, "SAVE");
    server.kill();
    let (from, to) = (hash.join("dump.redstart"), hash.join("out.rdb"));
    let (said, done) = run(&["convert".as_ref(), &from, &to]);
    assert!(!done && said.contains("RDB 10 cannot hold \"timed\", RDB 12 can"), "{said}");
    let (said, done) =
        run(&["convert".as_ref(), "--rdb-version".as_ref(), "12".as_ref(), &from, &to]);
    assert!(done, "{said}");
    fs::remove_dir_all(&hash).expect("the directory is ours");
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// Where the disk is full, the old file stays, and no half-written one is left.
#[test]
fn what_cannot_be_written_is_named() {
    let directory = scratch("room");
    let place = |name: &str| directory.join(name);
    let (small, large) = (golden(Settings::Default), golden(Settings::Plain));
    let snapshot = place("in.redstart");
    let (said, done) = run(&["convert".as_ref(), &large, &snapshot]);
    assert!(done, "{said}");
    let convert = |limit: &str, input: &Path, output: &Path| {
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\"");
        let mut program = Command::new("sh");
        program.args(["-c", &script, "sh"]).arg(binary()).arg("convert").args([input, output]);
        program.output().expect("there is a shell")
    };
    for (input, name) in
        [(&small, "out.redstart"), (&large, "out.redstart"), (&snapshot, "out.rdb")]
    {
        let output = place(name);
        fs::write(&output, "old").expect("the directory is ours");
        let failed = convert("1", input, &output);
        let said = String::from_utf8_lossy(&failed.stderr);
        let named = format!("redstart convert: {} cannot be written: ", output.display());
        assert!(failed.status.code() == Some(1) && said.starts_with(&named), "{said}");
        assert_eq!(fs::read(&output).expect("it is there"), b"old");
        let rest: Vec<_> = fs::read_dir(&directory).expect("it is ours").flatten().collect();
        assert!(!rest.iter().any(|file| file.file_name().to_string_lossy().contains("temp")));
        assert!(convert("unlimited", input, &output).status.success());
    }
    let (said, done) = run(&["convert".as_ref(), &small, &place("absent/out.redstart")]);
    assert!(!done && said.contains("absent/out.redstart cannot be written: "), "{said}");
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// Pipes, devices and directories are neither waited for nor replaced.
#[test]
fn what_is_no_file_is_refused() {
    let directory = scratch("pipe");
    let (pipe, out) = (directory.join("pipe.rdb"), directory.join("out.redstart"));
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    let source = golden(Settings::Default);
    let words: [&[&Path]; 4] = [
        &["check".as_ref(), &pipe],
        &["check".as_ref(), &directory],
        &["convert".as_ref(), &pipe, &out],
        &["convert".as_ref(), &source, &pipe],
    ];
    for words in words {
        let output = Command::new("timeout").arg("60").arg(binary()).args(words).output();
        let output = output.expect("the program was built");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        assert!(said.contains("it is not a regular file"), "{words:?}: {said}");
    }
    assert!(!out.exists() && !fs::metadata(&pipe).expect("it is there").is_file());
    // Nor does the output replace the input.
    let copy = directory.join("dump.rdb");
    fs::copy(&source, &copy).expect("the directory is ours");
    let (said, done) = run(&["convert".as_ref(), &copy, &directory.join("./dump.rdb")]);
    assert!(!done && said.contains("it is what is read"), "{said}");
    assert_eq!(fs::read(&copy).ok(), fs::read(&source).ok());
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// Libraries of functions are in the log and in snapshots, as they were last acknowledged.
#[test]
fn functions_outlive_a_killed_server() {
    let directory = scratch("functions");
    let library = |name: &str, answer: u32| {
        format!(
            "#!lua name={name}\nredis.register_function('{name}', function() return {answer} end)"
        )
    };
    for args in [["--appendonly", "yes"], ["--appendonly", "no"]] {
        let mut server = redstart(&directory, &args);
        let mut client = server.client();
        for words in [
            vec!["FUNCTION", "FLUSH"],
            vec!["FUNCTION", "LOAD", &library("gone", 1)],
            vec!["FUNCTION", "LOAD", &library("kept", 2)],
            vec!["FUNCTION", "LOAD", "REPLACE", &library("kept", 3)],
            vec!["FUNCTION", "DELETE", "gone"],
        ] {
            let reply = client.call(&words).expect("it lives");
            assert!(!matches!(reply, Value::Error(_)), "{words:?}: {reply:?}");
        }
        let dumped = line(&mut client, "FUNCTION DUMP");
        if args[1] == "no" {
            line(&mut client, "SAVE");
        }
        server.kill();
        let mut server = redstart(&directory, &args);
        let mut client = server.client();
        assert_eq!(line(&mut client, "FCALL kept 0"), Value::Int(3), "{args:?}");
        assert_eq!(line(&mut client, "FUNCTION DUMP"), dumped, "{args:?}");
        // What RESTORE did is kept, too.
        line(&mut client, "FUNCTION FLUSH");
        let Value::Bulk(payload) = dumped else { panic!("FUNCTION DUMP answers a string") };
        let words = [b"FUNCTION".to_vec(), b"RESTORE".to_vec(), payload];
        assert_eq!(client.call(&words).ok(), Some(Value::Simple(b"OK".to_vec())));
        if args[1] == "yes" {
            line(&mut client, "BGREWRITEAOF");
            server.kill();
            let server = redstart(&directory, &args);
            assert_eq!(line(&mut server.client(), "FCALL kept 0"), Value::Int(3));
        }
    }
    fs::remove_dir_all(&directory).expect("the directory is ours");
}
