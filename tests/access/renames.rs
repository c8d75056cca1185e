//! `rename-command`: what a command is called otherwise, and what goes on by its own name.

use crate::REDSTART;
use crate::support::oracles::{Asked, oracle};
use crate::support::resp::Value;
use crate::support::server::Server;
use crate::support::talk::connect;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const RENAMES: &str = "rename-command GET fetch\nrename-command FLUSHALL \"\"\n\
    rename-command CONFIG adminconfig\nrename-command keys \"KEYS2\"\nrename-command set put\n\
    rename-command put set2\nrename-command del GET\nrename-command eval a-name-that-is-long\n\
    rename-command debug DEBUG\n";

/// What is asked, in this order: the replies are Redis's.
const ASKED: [&str; 41] = [
    "SET a 1",
    "put a 1",
    "Set2 a 1",
    "Fetch a",
    "fetch",
    "ping",
    "get a",
    "GET a",
    "FlushAll",
    "config get port",
    "AdminConfig get databases",
    "adminconfig",
    "adminconfig nosuch",
    "keys *",
    "KEYS2 *",
    "set2 b 2",
    "a-name-that-is-long return(redis.call('fetch','b')) 0",
    "a-name-that-is-long return(redis.call('Get','b')) 0",
    "a-name-that-is-long return(redis.call('set','b','1')) 0",
    "ping",
    "eval return(1) 0",
    "command info flushall",
    "command info config|get",
    "command getkeys fetch k",
    "command getkeys set k v",
    "command getkeysandflags get k",
    "command list filterby pattern *fetch*",
    "command list filterby pattern get",
    "command list filterby pattern flushall",
    "acl setuser bob on nopass ~* +fetch",
    "acl setuser bob on nopass ~* +get -flushall -config|set",
    "acl setuser bob -adminconfig|set",
    "acl dryrun bob fetch a",
    "acl dryrun bob get a",
    "acl dryrun default flushall",
    "acl list",
    "multi",
    "set2 c 3",
    "ping",
    "set c 3",
    "exec",
];

fn conf(name: &str, text: &str) -> PathBuf {
    let file = format!("redstart-renames-{}-{name}.conf", std::process::id());
    let path = std::env::temp_dir().join(file);
    fs::write(&path, text).expect("the directory is there");
    path
}

/// What a server says, without the hash that a script is named by.
fn replies(server: &Server) -> Vec<String> {
    let mut client = connect(server);
    let mut reply = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        let reply = client.call(&words).unwrap_or_else(|error| panic!("{line}: {error:?}"));
        let text = format!("{line} -> {reply:?}");
        match reply {
            Value::Error(_) if line.starts_with("a-name") => text.chars().take(60).collect(),
            _ => text,
        }
    };
    ASKED.iter().map(&mut reply).collect()
}

#[test]
fn renamed_commands_are_what_they_are_in_redis() {
    let place = conf("oracle", RENAMES);
    let program = Path::new(REDSTART);
    let ours = |text: &str| -> Server {
        let place = conf("ours", &format!("{RENAMES}{text}"));
        Server::start_with(program, &[&*place.to_string_lossy()], &[]).expect("it starts")
    };
    let here = replies(&ours(""));
    if let Some(Asked { program, .. }) = oracle("redis-8", &["--save", ""]) {
        let there = Server::start_with(&program, &[&*place.to_string_lossy()], &["--save", ""]);
        assert_eq!(here, replies(&there.expect("it starts")));
    }
    fs::remove_file(place).expect("it is ours");
}

/// The log calls commands what they are declared as: it is read by a server that calls them
/// otherwise again.
#[test]
fn the_log_knows_nothing_of_renames() {
    let directory = std::env::temp_dir().join(format!("redstart-renamed-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("the directory is there");
    let dir = directory.to_string_lossy().into_owned();
    let args = ["--appendonly", "yes", "--save", "", "--dir", &dir];
    let place = conf(
        "log",
        "rename-command SET put\nrename-command DEL SET\n\
        rename-command FUNCTION library\nrename-command XADD stream\n",
    );
    let words = [&*place.to_string_lossy()];
    let server = Server::start_with(Path::new(REDSTART), &words, &args).expect("it starts");
    let mut client = connect(&server);
    let library = "#!lua name=l\nredis.register_function('f', function() return 1 end)";
    for words in [
        &["PUT", "a", "1"][..],
        &["put", "b", "2"],
        &["SET", "a"],
        &["library", "LOAD", library],
        &["STREAM", "s", "*", "f", "v"],
    ] {
        let reply = client.call(words).expect("it lives");
        assert!(!matches!(reply, Value::Error(_)), "{words:?}: {reply:?}");
    }
    drop((client, server));
    let server = Server::start(Path::new(REDSTART), &args).expect("it starts");
    let mut client = connect(&server);
    for (words, expected) in [
        (&["GET", "a"][..], Value::Nil),
        (&["GET", "b"], Value::Bulk(b"2".to_vec())),
        (&["XLEN", "s"], Value::Int(1)),
        (&["FCALL", "f", "0"], Value::Int(1)),
    ] {
        assert_eq!(client.call(words).ok(), Some(expected), "{words:?}");
    }
    drop((client, server));
    fs::remove_dir_all(&directory).expect("it is ours");
    fs::remove_file(place).expect("it is ours");
}

#[test]
fn a_rename_that_cannot_be_ends_the_start() {
    for (line, reason) in [
        ("rename-command NOSUCH x", "No such command in rename-command"),
        ("rename-command GET SET", "Target command name already exists"),
        ("rename-command config|get x", "No such command in rename-command"),
    ] {
        let place = conf("wrong", &format!("# one\n{line}\n"));
        let ended = Command::new(REDSTART).arg(&place).output().expect("the binary is there");
        let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
        assert!(!ended.status.success() && said.contains(reason), "{said}");
        assert!(said.contains("at line 2") && said.contains(line), "{said}");
        fs::remove_file(place).expect("it is ours");
    }
}
