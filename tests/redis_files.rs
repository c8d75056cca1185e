//! Redis's files, with real servers of Redis and of Valkey as the oracles: what they save is read
//! here, what is converted here is read there, key by key.
//!
//! Golden files that those servers wrote are read without them. With `REDSTART_WRITE_GOLDEN=1` the
//! oracles at hand write them anew.

#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "redis_files/contents.rs"]
mod contents;
#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "crash/process.rs"]
mod process;
#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "redis_files/servers.rs"]
mod servers;
#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use contents::{
    Contents, Settings, contents, fill, fill_edges, keys, line, logged_command, restored,
};
use process::{Process, binary, scratch};
use servers::{
    GOLDEN, UNSAVED, contents_of, golden, golden_folder, golden_writer, oracles, readable_by,
    redstart, run, started, versions_for,
};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};
use support::resp::Value;

#[test]
fn golden_files_are_read() {
    for (server, name) in GOLDEN {
        for &settings in Settings::GOLDEN {
            let (file, what) = (golden(server, settings), contents_of(name));
            let directory = scratch(&format!("golden-{server}-{}", settings.name()));
            if let Some(oracle) = golden_writer(name) {
                let writer = started(&oracle, &directory, settings.args());
                fill(&mut writer.client(), settings, what);
                line(&mut writer.client(), "SAVE");
                fs::copy(directory.join("dump.rdb"), &file).expect("the directory is there");
            }
            let (said, whole) = run(&["check".as_ref(), &file]);
            let version = server.rsplit('-').next().expect("a name has parts");
            assert!(whole && said.contains(&format!(" {version}")), "{said}");
            let beside = scratch(&format!("filled-{server}"));
            let filled = redstart(&beside, settings.args_here());
            fill(&mut filled.client(), settings, what);
            fs::copy(&file, directory.join("dump.rdb")).expect("the directory is ours");
            let loaded = redstart(&directory, settings.args_here());
            assert_eq!(contents(&mut loaded.client()), contents(&mut filled.client()), "{server}");
            fs::remove_dir_all(&beside).expect("the directory is ours");
            fs::remove_dir_all(&directory).expect("the directory is ours");
        }
    }
}

#[test]
fn rdb_files_go_both_ways() {
    for oracle in oracles() {
        for settings in Settings::ALL {
            let directory = scratch(&format!("both-{}-{}", oracle.name, settings.name()));
            let mut writer = started(&oracle, &directory, settings.args());
            fill(&mut writer.client(), settings, contents_of(oracle.name));
            fill_edges(&mut writer.client());
            let wanted = contents(&mut writer.client());
            line(&mut writer.client(), "SAVE");
            writer.kill();

            let place = format!("{}, {settings:?}", oracle.name);
            let mut server = redstart(&directory, &["--enable-debug-command", "yes"]);
            assert_eq!(contents(&mut server.client()), wanted, "{place}");
            line(&mut server.client(), "DEBUG RELOAD");
            assert_eq!(contents(&mut server.client()), wanted, "{place}");
            server.kill();

            for version in versions_for(oracle.name) {
                let snapshot = directory.join("dump.redstart");
                let back = directory.join(format!("back-{version}.rdb"));
                let words = ["convert", "--rdb-version", version].map(Path::new);
                let (said, done) = run(&[&words[..], &[&snapshot, &back]].concat());
                assert!(done, "{said}");
                let name = format!("back-{version}.rdb");
                let reader = started(&oracle, &directory, &["--dbfilename", &name]);
                assert_eq!(contents(&mut reader.client()), wanted, "{place}, RDB {version}");

                let again = scratch(&format!("again-{}", oracle.name));
                let (said, done) = run(&["convert".as_ref(), &back, &again.join("dump.redstart")]);
                assert!(done, "{said}");
                let server = redstart(&again, &[]);
                assert_eq!(contents(&mut server.client()), wanted, "{place}, RDB {version}");
                fs::remove_dir_all(&again).expect("the directory is ours");
            }
            fs::remove_dir_all(&directory).expect("the directory is ours");
        }
    }
}

/// Files that are compressed as a whole, as Valkey 9.2 compresses them: a golden file in its
/// envelope, packed by the programs `lz4 -BD` and `zstd`.
#[test]
fn files_compressed_as_a_whole_are_read() {
    let plain = golden("valkey-9.1.2", Settings::Default);
    let directory = scratch("packed-plain");
    fs::copy(&plain, directory.join("dump.rdb")).expect("the directory is ours");
    let wanted = contents(&mut redstart(&directory, &[]).client());
    fs::remove_dir_all(&directory).expect("the directory is ours");
    for codec in ["lz4", "zstd"] {
        let file = golden_folder().join(format!("valkey-packed-{codec}.rdb"));
        let directory = scratch(&format!("packed-{codec}"));
        let dump = directory.join("dump.rdb");
        fs::copy(&file, &dump).expect("the directory is ours");
        let (said, whole) = run(&["check".as_ref(), &dump]);
        let len = fs::metadata(&plain).expect("it is there").len();
        let wanted_said = format!("a whole RDB 80 file of 23 keys and 1 library, {len} bytes");
        assert!(whole && said.contains(&wanted_said), "{said}");
        let server = redstart(&directory, &[]);
        assert_eq!(contents(&mut server.client()), wanted, "{codec}");
        drop(server);
        let snapshot = directory.join("dump.redstart");
        let (said, done) = run(&["convert".as_ref(), &dump, &snapshot]);
        assert!(done && said.contains("a snapshot of 23 keys"), "{said}");
        // Where it is damaged.
        let mut damaged = fs::read(&file).expect("it is there");
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x10;
        fs::write(&dump, &damaged).expect("it is ours");
        fs::remove_file(&snapshot).expect("it is ours");
        let mut server = Process::start(&directory, &UNSAVED);
        assert!(!server.wait().success());
        let output = server.output();
        assert!(output.contains("what is compressed here is damaged: "), "{output}");
        fs::remove_dir_all(&directory).expect("the directory is ours");
    }
}

/// What every server can hold goes to each of them in every version that it reads, as a file and
/// as payloads.
#[test]
fn every_version_is_read_by_all_that_know_it() {
    let directory = scratch("common");
    let server = redstart(&directory, &[]);
    let mut ours = server.client();
    fill(&mut ours, Settings::Default, Contents::WithoutFieldDeadlines);
    fill_edges(&mut ours);
    let wanted = contents(&mut ours);
    line(&mut ours, "SAVE");
    let (snapshot, file) = (directory.join("dump.redstart"), directory.join("dump.rdb"));
    for oracle in oracles() {
        for version in readable_by(oracle.name) {
            let words = ["convert", "--rdb-version", version].map(Path::new);
            let (said, done) = run(&[&words[..], &[&snapshot, &file]].concat());
            assert!(done && said.contains(&format!("RDB {version} of ")), "{said}");
            let reader = started(&oracle, &directory, &[]);
            let mut theirs = reader.client();
            assert_eq!(contents(&mut theirs), wanted, "{}, RDB {version}", oracle.name);
            line(&mut ours, &format!("CONFIG SET rdb-version {version}"));
            let restored = restored(&mut ours, &mut theirs);
            assert!(wanted.starts_with(&restored), "{}, version {version}", oracle.name);
        }
    }
    drop(server);
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// How often keys are used, and how long they were not, come from their files, and by RESTORE; and
/// our own snapshots keep it.
#[test]
fn ages_are_read() {
    for oracle in oracles() {
        for (policy, option, asked) in
            [("allkeys-lfu", "FREQ", "FREQ"), ("volatile-lru", "IDLETIME", "IDLETIME")]
        {
            let directory = scratch(&format!("ages-{}-{policy}", oracle.name));
            let args = ["--maxmemory-policy", policy, "--lfu-decay-time", "0"];
            let mut server = started(&oracle, &directory, &args);
            let mut theirs = server.client();
            line(&mut theirs, "SET from v");
            let Value::Bulk(payload) = line(&mut theirs, "DUMP from") else {
                panic!("it is there")
            };
            let ages = ["0", "1", "100", "255"];
            for age in ages {
                let words = [b"RESTORE", age.as_bytes(), b"0", &payload, option.as_bytes()];
                let reply = theirs.call(&[&words[..], &[age.as_bytes()]].concat());
                assert_eq!(reply.ok(), Some(Value::Simple(b"OK".to_vec())));
            }
            line(&mut theirs, "SAVE");
            server.kill();
            // From their file, from our snapshot of it, and from the log's base.
            for (appends, file) in [("no", "dump.redstart"), ("no", "dump.redstart"), ("yes", "")] {
                let mut server =
                    redstart(&directory, &[&args[..], &["--appendonly", appends]].concat());
                for age in ages {
                    let there = line(&mut server.client(), &format!("OBJECT {asked} {age}"));
                    let age: i64 = age.parse().expect("it is a number");
                    // Seconds have passed, and the key's time of use is a second's.
                    let most = if asked == "FREQ" { age } else { age + 60 };
                    let is_right =
                        matches!(there, Value::Int(found) if (age..=most).contains(&found));
                    assert!(is_right, "{}, {asked} {age}: {there:?}", oracle.name);
                }
                line(&mut server.client(), "SAVE");
                server.kill();
                assert!(file.is_empty() || directory.join(file).exists());
            }
            fs::remove_dir_all(&directory).expect("the directory is ours");
        }
    }
}

/// Libraries of functions go both ways, as payloads of FUNCTION DUMP.
#[test]
fn libraries_go_both_ways() {
    let beside = scratch("libraries-ours");
    let ours = redstart(&beside, &[]);
    let library = |name: &str, answer: u32| {
        format!(
            "#!lua name={name}\n-- {}\nredis.register_function{{function_name='{name}', \
             callback=function() return {answer} end, flags={{'no-writes'}}}}",
            "long ".repeat(60)
        )
    };
    for oracle in oracles() {
        let directory = scratch(&format!("libraries-{}", oracle.name));
        let theirs = started(&oracle, &directory, &[]);
        let moved = |from: &Process, to: &Process, place: &str| {
            let (mut from, mut to) = (from.client(), to.client());
            line(&mut from, "FUNCTION FLUSH");
            line(&mut to, "FUNCTION FLUSH");
            for (name, answer) in [("one", 1), ("two", 2)] {
                let words = ["FUNCTION", "LOAD", &library(name, answer)];
                assert_eq!(from.call(&words).ok(), Some(Value::Bulk(name.into())), "{place}");
            }
            let words = ["FUNCTION", "LOAD", &library("two", 7)];
            to.call(&words).expect("it lives");
            let Value::Bulk(payload) = line(&mut from, "FUNCTION DUMP") else { panic!("{place}") };
            let mut restore = |policy: &str| {
                to.call(&[b"FUNCTION", &b"RESTORE"[..], &payload, policy.as_bytes()]).ok()
            };
            let taken = restore("APPEND");
            let is_taken =
                matches!(&taken, Some(Value::Error(text)) if text.ends_with(b"already exists"));
            assert!(is_taken, "{place}: {taken:?}");
            assert_eq!(restore("REPLACE"), Some(Value::Simple(b"OK".to_vec())), "{place}");
            assert_eq!(line(&mut to, "FCALL two 0"), Value::Int(2), "{place}");
            let code = "FUNCTION LIST LIBRARYNAME one WITHCODE";
            assert_eq!(line(&mut to, code), line(&mut from, code), "{place}");
        };
        moved(&theirs, &ours, oracle.name);
        for version in readable_by(oracle.name) {
            line(&mut ours.client(), &format!("CONFIG SET rdb-version {version}"));
            moved(&ours, &theirs, &format!("{}, version {version}", oracle.name));
        }
        drop(theirs);
        fs::remove_dir_all(&directory).expect("the directory is ours");
    }
    drop(ours);
    fs::remove_dir_all(&beside).expect("the directory is ours");
}

/// A library of Valkey's may say `server.` for `redis.`: it comes in its files and payloads, is
/// called, and goes back.
#[test]
fn libraries_that_say_server_go_both_ways() {
    let Some(valkey) = oracles().into_iter().find(|oracle| oracle.name == "valkey-9") else {
        return;
    };
    let library = "#!lua name=theirs\nserver.register_function('keep', function(keys, args) \
        server.log(server.LOG_DEBUG, 'kept') server.setresp(3) \
        local reply = server.pcall('set', keys[1], args[1]) \
        return reply.ok and server.status_reply(reply.ok .. ' ' .. server.sha1hex('')) end)";
    let called = Value::Simple(b"OK da39a3ee5e6b4b0d3255bfef95601890afd80709".to_vec());
    let calls = |server: &Process, key: &str| {
        let mut client = server.client();
        assert_eq!(line(&mut client, &format!("FCALL keep 1 {key} v")), called, "{key}");
        assert_eq!(line(&mut client, &format!("GET {key}")), Value::Bulk(b"v".to_vec()));
        line(&mut client, "SAVE");
        line(&mut client, "FUNCTION DUMP")
    };
    let restored = |server: &Process, payload: Value, place: &str| {
        let Value::Bulk(payload) = payload else { panic!("FUNCTION DUMP answers a string") };
        line(&mut server.client(), "FUNCTION FLUSH");
        let words = [b"FUNCTION".to_vec(), b"RESTORE".to_vec(), payload];
        let reply = server.client().call(&words).ok();
        assert_eq!(reply, Some(Value::Simple(b"OK".to_vec())), "{place}");
    };
    let directory = scratch("says-server");
    let mut theirs = started(&valkey, &directory, &[]);
    let loaded = theirs.client().call(&["FUNCTION", "LOAD", library]);
    assert_eq!(loaded.ok(), Some(Value::Bulk(b"theirs".to_vec())));
    let payload = calls(&theirs, "there");
    theirs.kill();

    let mut ours = redstart(&directory, &[]);
    calls(&ours, "from-the-file");
    restored(&ours, payload, "their payload");
    line(&mut ours.client(), "CONFIG SET rdb-version 80");
    let payload = calls(&ours, "from-their-payload");
    ours.kill();

    let (snapshot, file) = (directory.join("dump.redstart"), directory.join("back.rdb"));
    let words = ["convert", "--rdb-version", "80"].map(Path::new);
    let (said, done) = run(&[&words[..], &[&snapshot, &file]].concat());
    assert!(done, "{said}");
    let theirs = started(&valkey, &directory, &["--dbfilename", "back.rdb"]);
    calls(&theirs, "from-our-file");
    restored(&theirs, payload, "our payload");
    calls(&theirs, "from-our-payload");
    let there = "EXISTS there from-the-file from-their-payload from-our-file from-our-payload";
    assert_eq!(line(&mut theirs.client(), there), Value::Int(5));
    drop(theirs);
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// What does not exist here, by the command that makes it, and its name.
const FOREIGN: [(&str, &str); 1] = [("VADD key VALUES 3 1 2 3 e", "a vector set")];

#[test]
fn types_that_do_not_exist_here_are_named() {
    let beside = scratch("foreign-ours");
    let ours = redstart(&beside, &[]);
    let mut ours = ours.client();
    for oracle in oracles() {
        let directory = scratch(&format!("foreign-{}", oracle.name));
        let server = started(&oracle, &directory, &[]);
        let mut client = server.client();
        for (command, name) in FOREIGN {
            line(&mut client, "FLUSHALL");
            let words: Vec<&str> = command.split(' ').collect();
            if matches!(client.call(&words), Ok(Value::Error(_))) {
                // The oracle has no such type.
                continue;
            }
            line(&mut client, "SAVE");
            let (said, whole) = run(&["check".as_ref(), &directory.join("dump.rdb")]);
            let what = format!(": the value is {name}, encoding ");
            assert!(!whole && said.contains(&what), "{}, {command}: {said}", oracle.name);
            let what = "which does not exist here (key \"key\", at byte ";
            assert!(said.contains(what), "{}, {command}: {said}", oracle.name);
            let Value::Bulk(payload) = line(&mut client, "DUMP key") else { panic!("{command}") };
            let reply = ours.call(&[b"RESTORE", &b"key"[..], b"0", &payload]);
            let refused = Value::Error(b"ERR Bad data format".to_vec());
            assert_eq!(reply.ok(), Some(refused), "{}, {command}", oracle.name);
        }
        drop(server);
        fs::remove_dir_all(&directory).expect("the directory is ours");
    }
    fs::remove_dir_all(&beside).expect("the directory is ours");
}

#[test]
fn payloads_go_both_ways() {
    for oracle in oracles() {
        for settings in Settings::ALL {
            let directory = scratch(&format!("payloads-{}-{}", oracle.name, settings.name()));
            let theirs = started(&oracle, &directory, settings.args());
            let beside = scratch(&format!("payloads-ours-{}", oracle.name));
            let ours = redstart(&beside, settings.args_here());
            for server in [&theirs, &ours] {
                fill(&mut server.client(), settings, contents_of(oracle.name));
                fill_edges(&mut server.client());
            }
            let wanted = keys(&mut theirs.client());
            let place = format!("{}, {settings:?}", oracle.name);
            assert_eq!(keys(&mut ours.client()), wanted, "{place}");
            assert_eq!(restored(&mut theirs.client(), &mut ours.client()), wanted, "{place}");
            for version in versions_for(oracle.name) {
                line(&mut ours.client(), &format!("CONFIG SET rdb-version {version}"));
                let back = restored(&mut ours.client(), &mut theirs.client());
                assert_eq!(back, wanted, "{place}, version {version}");
            }
            fs::remove_dir_all(&beside).expect("the directory is ours");
            fs::remove_dir_all(&directory).expect("the directory is ours");
        }
    }
}

/// Our files are read as long as they are there; a warning says that Redis's are newer.
#[test]
fn newer_files_of_redis_are_warned_of() {
    let directory = scratch("newer");
    let (dump, single) = (directory.join("dump.rdb"), directory.join("appendonly.aof"));
    fs::copy(golden("redis-7.0.15", Settings::Default), &dump).expect("it is in the repository");
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
    let whole =
        fs::read(golden("redis-7.0.15", Settings::Default)).expect("it is in the repository");
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    // The same key in two databases is no fault.
    let twice = b"REDIS0010\x00\x04once\x01v\xfe\x01\x00\x04once\x01v\x00\x05again\x01v\
        \xfe\x00\x00\x05again\x01v\xfc\xff\xff\xff\xff\xff\xff\x00\x00\x00\x05again\x01w\
        \xff\x00\x00\x00\x00\x00\x00\x00\x00";
    let array = b"REDIS0014\x1c\x03key\x01\x01a\xff\x00\x00\x00\x00\x00\x00\x00\x00".to_vec();
    for (bytes, named) in [
        (damaged, "dump.rdb, at byte "),
        (whole[..whole.len() - 1].to_vec(), "dump.rdb, at byte "),
        (array, "dump.rdb, at byte 14: the value is an array, encoding 28"),
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
    let (small, large) =
        (golden("redis-7.0.15", Settings::Default), golden("redis-7.0.15", Settings::Plain));
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
    let source = golden("redis-7.0.15", Settings::Default);
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
