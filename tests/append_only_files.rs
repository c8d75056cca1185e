//! Redis's append-only files, as Redis 7, Redis 8, Valkey 9 and servers before write them: they are
//! started from.

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

use contents::{Contents, Settings, contents, fill, keys, line, logged_command};
use process::{Process, scratch};
use redstart_differential::oracle::Oracle;
use servers::{
    GOLDEN, UNSAVED, contents_of, golden_folder, golden_writer, oracles, redstart, run, started,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::Value;

/// What lets a real server log. One that syncs every second keeps what it writes back while a sync
/// takes long, so that a killed one has lost it.
fn logging(preamble: &str) -> [&str; 6] {
    ["--appendonly", "yes", "--appendfsync", "always", "--aof-use-rdb-preamble", preamble]
}

/// A log of an oracle's: a base and what followed, a payload and a transaction last.
fn logged(oracle: &Oracle, directory: &Path, preamble: &str) -> (Process, String) {
    let args = logging(preamble);
    let server = started(oracle, directory, &args);
    let mut client = server.client();
    fill(&mut client, Settings::Default, contents_of(oracle.name));
    line(&mut client, "BGREWRITEAOF");
    wait_until(|| {
        let base = directory.join("appendonlydir/appendonly.aof.manifest");
        fs::read_to_string(base)
            .is_ok_and(|text| text.contains(".2.base") && !text.contains(" type h"))
    });
    for text in ["SET later 1 EX 1000", "SELECT 5", "RPUSH later a b", "SELECT 0"] {
        line(&mut client, text);
    }
    for (key, copy) in [("list", "list-copy"), ("hash", "hash-copy"), ("timed", "timed-copy")] {
        let Ok(Value::Bulk(payload)) = client.call(&["DUMP", key]) else { continue };
        let words = [b"RESTORE", copy.as_bytes(), b"0", &payload];
        assert_eq!(client.call(&words).ok(), Some(Value::Simple(b"OK".to_vec())), "{copy}");
    }
    for text in ["MULTI", "SET both 1", "SET of-us 1", "EXEC"] {
        line(&mut client, text);
    }
    let wanted = contents(&mut client);
    (server, wanted)
}

/// The one file that ends with `ending` in a directory.
fn only(directory: &Path, ending: &str) -> PathBuf {
    let entries = fs::read_dir(directory).expect("it is there").filter_map(Result::ok);
    let mut found = entries.map(|entry| entry.path());
    let ends = |path: &PathBuf| path.to_string_lossy().ends_with(ending);
    found.find(ends).expect("there is such a file")
}

/// What the golden logs hold, as commands: before and after a rewrite began, and a half of them in
/// transactions.
const LOGGED: [&[&str]; 2] = [
    &[
        "SET text hello",
        "PEXPIREAT text 4102444800000",
        "RPUSH list a 17 b",
        "HSET hash f 1 g two",
        "MULTI",
        "SELECT 3",
        "INCRBY number 17",
        "EXEC",
        "SELECT 0",
    ],
    &["APPEND text !", "MULTI", "LPOP list", "HDEL hash g", "EXEC", "DEL nothing"],
];
/// And where fields can expire.
const LOGGED_TIMED: [&[&str]; 2] = [
    &["HSET timed f 1 g two h 3", "HPEXPIREAT timed 4102444800000 FIELDS 2 f g"],
    &["HPERSIST timed FIELDS 1 g", "HSET timed i 4"],
];

/// Runs one half of what golden logs hold.
fn log_half(client: &mut Client, half: usize, contents: Contents) {
    let timed = if contents == Contents::All { LOGGED_TIMED[half] } else { &[] };
    for text in LOGGED[half].iter().chain(timed) {
        line(client, text);
    }
    let Ok(Value::Bulk(payload)) = client.call(&["DUMP", "hash"]) else { panic!("it is there") };
    let copy = format!("hash-{half}");
    let words = [b"RESTORE", copy.as_bytes(), b"4102444800000", &payload, b"ABSTTL"];
    assert_eq!(client.call(&words).ok(), Some(Value::Simple(b"OK".to_vec())));
}

/// Makes an oracle write a log, and kills it in the middle of a rewrite.
fn write_golden_log(oracle: &Oracle, folder: &Path, preamble: &str) {
    let directory = scratch(&format!("write-{}-{preamble}", oracle.name));
    let args = logging(preamble);
    let mut server = started(oracle, &directory, &args);
    let (mut client, contents) = (server.client(), contents_of(oracle.name));
    log_half(&mut client, 0, contents);
    line(&mut client, "BGREWRITEAOF");
    let manifest = directory.join("appendonlydir/appendonly.aof.manifest");
    let manifest = || fs::read_to_string(&manifest).unwrap_or_default();
    wait_until(|| manifest().contains(".2.base") && !manifest().contains(" type h"));
    line(&mut client, "CONFIG SET rdb-key-save-delay 10000000");
    log_half(&mut client, 1, contents);
    line(&mut client, "BGREWRITEAOF");
    wait_until(|| manifest().contains(".3.incr"));
    line(&mut client, "SET last 1");
    server.kill();
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).expect("it is ours");
    for file in fs::read_dir(directory.join("appendonlydir")).expect("it is there").flatten() {
        let name = file.file_name();
        if !name.to_string_lossy().starts_with("temp-") {
            fs::copy(file.path(), folder.join(name)).expect("it is there");
        }
    }
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

fn wait_until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "the log is not rewritten");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// All keys with their values and times.
fn held(server: &Process) -> String {
    keys(&mut server.client())
}

#[test]
fn golden_logs_are_read() {
    for (server, name) in GOLDEN {
        for (preamble, form) in [("yes", "rdb"), ("no", "aof")] {
            let golden = golden_folder().join(format!("{server}-log-{form}"));
            if let Some(oracle) = golden_writer(name) {
                write_golden_log(&oracle, &golden, preamble);
            }
            let (said, whole) = run(&["check".as_ref(), &only(&golden, ".manifest")]);
            assert!(whole && said.contains("a manifest of 3 whole files"), "{server}: {said}");
            let (filled, loaded) = (scratch("log-filled"), scratch("log-loaded"));
            let filling = redstart(&filled, &[]);
            log_half(&mut filling.client(), 0, contents_of(name));
            log_half(&mut filling.client(), 1, contents_of(name));
            line(&mut filling.client(), "SET last 1");
            let folder = loaded.join("appendonlydir");
            fs::create_dir(&folder).expect("it is ours");
            for file in fs::read_dir(&golden).expect("it is there").flatten() {
                fs::copy(file.path(), folder.join(file.file_name())).expect("it is there");
            }
            let loading = redstart(&loaded, &["--appendonly", "yes"]);
            assert_eq!(held(&loading), held(&filling), "{server}, {form}");
            drop((loading, filling));
            fs::remove_dir_all(&filled).expect("the directory is ours");
            fs::remove_dir_all(&loaded).expect("the directory is ours");
        }
    }
}

#[test]
fn logs_are_started_from() {
    for oracle in oracles() {
        for preamble in ["yes", "no"] {
            start_from_a_log(&oracle, preamble);
        }
    }
}

fn start_from_a_log(oracle: &Oracle, preamble: &str) {
    let place = format!("{}, {preamble}", oracle.name);
    let directory = scratch(&format!("multi-{}-{preamble}", oracle.name));
    let (mut server, wanted) = logged(oracle, &directory, preamble);
    server.kill();
    let folder = directory.join("appendonlydir");
    let (said, whole) = run(&["check".as_ref(), &only(&folder, ".manifest")]);
    assert!(whole, "{place}: {said}");
    let args = ["--appendonly", "yes"];
    for _ in 0..2 {
        // The second time, from our own log.
        let mut server = redstart(&directory, &args);
        assert_eq!(contents(&mut server.client()), wanted, "{place}");
        server.kill();
    }
    // A torn transaction is left out.
    fs::remove_file(only(&folder, ".base")).expect("it is ours");
    fs::remove_file(only(&folder, ".log")).expect("it is ours");
    let last = only(&folder, ".incr.aof");
    let whole = fs::read(&last).expect("it is there");
    fs::write(&last, &whole[..whole.len() - 3]).expect("it is ours");
    let (said, whole) = run(&["check".as_ref(), &last]);
    assert!(!whole && said.contains("in the middle of a command"), "{place}: {said}");
    let mut strict = Process::start(
        &directory,
        &[&UNSAVED, &args[..], &["--aof-load-truncated", "no"]].concat(),
    );
    assert!(!strict.wait().success());
    let server = redstart(&directory, &args);
    let there = line(&mut server.client(), "EXISTS later both of-us");
    assert_eq!(there, Value::Int(1), "{place}");
    assert!(server.output().contains("They are left out"), "{}", server.output());
    drop(server);
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

#[test]
fn single_append_only_files_are_started_from() {
    for oracle in oracles() {
        for preamble in ["yes", "no"] {
            start_from_a_single_file(&oracle, preamble);
        }
    }
}

fn start_from_a_single_file(oracle: &Oracle, preamble: &str) {
    let place = format!("{}, {preamble}", oracle.name);
    let directory = scratch(&format!("single-{}-{preamble}", oracle.name));
    let (mut server, wanted) = logged(oracle, &directory, preamble);
    server.kill();
    let folder = directory.join("appendonlydir");
    let base = only(&folder, if preamble == "yes" { ".base.rdb" } else { ".base.aof" });
    let parts = [base, only(&folder, ".incr.aof")].map(|part| fs::read(part).expect("there"));
    fs::remove_dir_all(&folder).expect("it is ours");
    let single = directory.join("appendonly.aof");
    fs::write(&single, parts.concat()).expect("it is ours");
    let (said, whole) = run(&["check".as_ref(), &single]);
    assert!(whole, "{place}: {said}");
    // The second time, as Redis 7 leaves it when it ends before it has moved the file.
    for manifest in [None, Some("file appendonly.aof seq 1 type b\n")] {
        if let Some(manifest) = manifest {
            fs::remove_dir_all(&folder).expect("it is ours");
            fs::create_dir(&folder).expect("it is ours");
            fs::write(folder.join("appendonly.aof.manifest"), manifest).expect("it is ours");
        }
        let server = redstart(&directory, &["--appendonly", "yes"]);
        assert_eq!(contents(&mut server.client()), wanted, "{place}");
    }
    fs::remove_dir_all(&directory).expect("the directory is ours");
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
    if let Some(oracle) = oracles().into_iter().find(|oracle| oracle.name == "redis-7") {
        let oracle = started(&oracle, &redis_directory, &args);
        assert_eq!(facts(&mut oracle.client()), found);
    }
    drop(server);
    // Our own log holds what the scripts did.
    assert_eq!(facts(&mut redstart(&directory, &args).client()), found);
    fs::remove_dir_all(&directory).expect("the directory is ours");
    fs::remove_dir_all(&redis_directory).expect("the directory is ours");
}

#[test]
fn unknown_commands_and_scripts_are_refused() {
    let directory = scratch("unknown");
    let first = logged_command(&["SET", "k", "v"]);
    for (words, error) in [
        (&["EVALSHA", ADD_DIGEST, "1", "k", "1"][..], "NOSCRIPT"),
        (&["FCALL", "nothing", "0"], "Function not found"),
        (&["EVAL", "this is no Lua", "0"], "Error compiling script"),
        (&["EVAL", "return 1"], "its arguments are not right"),
        (&["VADD", "s", "VALUES", "1", "1", "e"], "unknown command"),
        (&["NOTHERE", "s", "1-1", "f", "v"], "unknown command"),
    ] {
        let text = [&first[..], &logged_command(words)].concat();
        fs::write(directory.join("appendonly.aof"), text).expect("it is ours");
        let mut server =
            Process::start(&directory, &[&UNSAVED[..], &["--appendonly", "yes"]].concat());
        assert!(!server.wait().success());
        let output = server.output();
        let named = format!("appendonly.aof, at byte {}: {}", first.len(), words[0]);
        assert!(output.contains(&named) && output.contains(error), "{output}");
        if error == "unknown command" {
            let (said, whole) = run(&["check".as_ref(), &directory.join("appendonly.aof")]);
            let named = format!("{named} is a command that does not exist here");
            assert!(!whole && said.contains(&named), "{said}");
        }
    }
    fs::remove_dir_all(&directory).expect("the directory is ours");
}

/// Deadlines that a log brings back are told of as those of commands are: by our own log, and by
/// Redis's, where the commands lie as they were sent.
#[test]
fn fields_and_keys_from_a_log_tell_when_they_go() {
    const LEFT: Duration = Duration::from_millis(6000);
    let directory = scratch("events-from-a-log");
    let args =
        [&UNSAVED[..], &["--appendonly", "yes", "--notify-keyspace-events", "Ehxg"]].concat();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let end = now.expect("the clock is right").as_millis() + LEFT.as_millis();
    let at = |delay: u128| (end + delay).to_string();
    let commands = [
        "HSET some f 1 g 2".to_owned(),
        format!("HPEXPIREAT some {} FIELDS 1 f", at(0)),
        "HSET all f 1 g 2".to_owned(),
        format!("HPEXPIREAT all {} FIELDS 2 f g", at(100)),
        format!("HSETEX set PXAT {} FIELDS 1 f 1", at(200)),
        format!("SET text v PXAT {}", at(300)),
    ];
    let log = commands
        .iter()
        .map(|text| logged_command(&text.split(' ').collect::<Vec<_>>()))
        .collect::<String>();
    fs::write(directory.join("appendonly.aof"), log).expect("it is ours");
    // The first start reads Redis's file, those after it our log.
    for _ in 0..2 {
        let mut server = Process::start(&directory, &args);
        server.wait_until_ready();
        server.kill();
    }
    let mut server = Process::start(&directory, &args);
    server.wait_until_ready();
    let mut listener = server.client();
    line(&mut listener, "PSUBSCRIBE __key*");
    let heard: Vec<String> = (0..6)
        .map(|_| {
            let Ok(Value::Items(_, parts)) = listener.reply() else { panic!("no message") };
            let texts = parts[2..].iter().map(|part| match part {
                Value::Bulk(text) => String::from_utf8_lossy(text).replace("__keyevent@0__:", ""),
                other => panic!("{other:?} is no text"),
            });
            texts.collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(
        heard,
        ["hexpired some", "hexpired all", "del all", "hexpired set", "del set", "expired text"]
    );
    fs::remove_dir_all(&directory).expect("the directory is ours");
}
