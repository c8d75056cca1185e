//! Parameters: what Redis can change while it serves is changed here too, or refused in the same
//! words; a configuration made for Redis starts the server; a wrong one is refused with the line
//! that is wrong.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use support::client::Client;
use support::oracles::{Asked, oracle};
use support::resp::{Kind, Value};
use support::server::{Server, free_port};
use support::talk::{call, connect, send, text};

const REDSTART: &str = env!("CARGO_BIN_EXE_redstart");

fn start(args: &[&str]) -> Server {
    let mut all = vec!["--threads", "1"];
    all.extend(args);
    Server::start(Path::new(REDSTART), &all).expect("redstart starts")
}

/// An empty directory that is removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("redstart-config-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory is made");
        Directory(path)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).expect("a file is written");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // If this fails, the temporary directory is cleaned by the system.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Names and values of all parameters.
fn parameters(client: &mut Client) -> Vec<(String, String)> {
    let Value::Items(_, items) = call(client, "CONFIG GET *") else { panic!("a list") };
    let mut words = items.into_iter().map(text);
    let mut pairs = Vec::new();
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        pairs.push((name, value));
    }
    pairs
}

fn set(client: &mut Client, name: &str, value: &str) -> String {
    text(client.call(&["CONFIG", "SET", name, value]).expect("CONFIG SET answers"))
}

fn value_of(client: &mut Client, name: &str) -> Option<String> {
    let reply = client.call(&["CONFIG", "GET", name]).expect("CONFIG GET answers");
    let Value::Items(Kind::Array, mut items) = reply else { panic!("{reply:?}") };
    items.pop().map(text)
}

/// These take any text, so there is no wrong value.
const ANY_TEXT: [&str; 3] = ["masterauth", "masteruser", "requirepass"];
/// What Redis takes by accident: no address at all, and a percentage by an overflow.
const ACCIDENTS: [(&str, &str); 2] =
    [("bind", "-5"), ("maxmemory-clients", "99999999999999999999")];
/// Of these Redis 7 takes other values than Redis 8.
const NEWER: [&str; 4] =
    ["cluster-announce-ip", "repl-diskless-load", "loglevel", "maxmemory-samples"];
const WRONG: [&str; 6] = ["wrong-value", "-5", "99999999999999999999", "", "1.5", "a b"];

/// A text without names that older servers have not, or none but Redstart.
fn without_newer(text: &str) -> String {
    let newer = [
        ", volatile-lrm",
        ", allkeys-lrm",
        ", nothing",
        ", flushdb",
        ", volatile-tinylfu",
        ", allkeys-tinylfu",
    ];
    newer.iter().fold(text.to_owned(), |text, name| text.replace(name, ""))
}

#[test]
fn every_parameter_of_redis_takes_and_refuses_the_same() {
    for asked in ["redis-8", "redis-7"].into_iter().filter_map(|name| oracle(name, &["--save", ""]))
    {
        let different = differences(&asked);
        assert!(different.is_empty(), "{}: {}", asked.name, different.join("\n"));
    }
}

/// The parameters that take and refuse other values here than there.
fn differences(asked: &Asked) -> Vec<String> {
    let server = start(&["--save", ""]);
    let (mut redis, mut redstart) = (connect(&asked.server), connect(&server));
    let parameters = parameters(&mut redis);
    assert!(parameters.len() > 150, "only {} parameters", parameters.len());
    let mut different = Vec::new();
    for (name, value) in &parameters {
        let Some(own) = value_of(&mut redstart, name) else {
            different.push(format!("{name} is unknown"));
            continue;
        };
        let mut compare = |given: &str, here: &str, there: &str| {
            // A value that promises what Redstart cannot do is refused, though Redis takes it.
            let is_refused = here.ends_with(" not supported") && there == "OK";
            let is_accident = ACCIDENTS.contains(&(name, given))
                || asked.is_old && NEWER.contains(&name.as_str());
            if without_newer(here) != without_newer(there) && !is_refused && !is_accident {
                different.push(format!("{name} {given:?}: {here} | {there}"));
            }
        };
        let (here, there) = (set(&mut redstart, name, &own), set(&mut redis, name, value));
        compare(value, &here, &there);
        let wrong = if ANY_TEXT.contains(&name.as_str()) { &[][..] } else { &WRONG };
        for given in wrong {
            let (here, there) = (set(&mut redstart, name, given), set(&mut redis, name, given));
            compare(given, &here, &there);
            if here == "OK" && there == "OK" {
                let here = value_of(&mut redstart, name).expect("it is known");
                compare(given, &here, &value_of(&mut redis, name).expect("it is known"));
            }
            if here == "OK" {
                set(&mut redstart, name, &own);
            }
            if there == "OK" {
                set(&mut redis, name, value);
            }
        }
    }
    different
}

/// What a program prints about a configuration whose last line is wrong.
fn complaint(program: &Path, directory: &Directory, content: &str) -> Vec<String> {
    let path = directory.write("wrong.conf", &format!("{content}\nno-such-directive 1\n"));
    let Output { status, stderr, .. } =
        Command::new(program).arg(&path).output().expect("the program runs");
    assert!(!status.success(), "{content}: it served");
    let text = String::from_utf8_lossy(&stderr).into_owned();
    // Redis does not name the file.
    let text = text.replace(&format!(" {}", path.display()), "");
    let is_about = |line: &&str| !line.starts_with("*** FATAL") && !line.is_empty();
    text.lines().filter(is_about).map(str::to_owned).collect()
}

#[test]
fn a_wrong_value_ends_the_start_where_it_stands() {
    let directory = Directory::new();
    let printed = complaint(Path::new(REDSTART), &directory, "# one\nhz 10\ntimeout abc");
    assert_eq!(printed[0], "Reading the configuration file, at line 3");
    assert_eq!(printed[1], ">>> 'timeout abc'");
    assert_eq!(printed[2], "argument couldn't be parsed into an integer");
    // Newer ones do not print the lines of every mistake.
    let Some(asked) = oracle("redis-7", &["--save", ""]) else { return };
    let mut different = Vec::new();
    for (name, _) in parameters(&mut connect(&asked.server)) {
        for given in ["wrong-value", "a b"] {
            let content = format!("# one\n{name} {given}");
            let [here, there] = [Path::new(REDSTART), &asked.program].map(|program| {
                let lines = complaint(program, &directory, &content);
                lines.iter().map(|line| without_newer(line)).collect::<Vec<_>>()
            });
            let is_refused = here.last().is_some_and(|why| why.ends_with("not supported"));
            if here != there && !is_refused && !NEWER.contains(&name.as_str()) {
                different.push(format!("{name} {given}: {here:?} | {there:?}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// The directives of the redis.conf that Debian ships, its paths left out.
const DEBIAN: &str = r#"
bind 127.0.0.1 -::1
protected-mode yes
tcp-backlog 511
timeout 0
tcp-keepalive 300
daemonize yes
loglevel notice
databases 16
always-show-logo no
set-proc-title yes
proc-title-template "{title} {listen-addr} {server-mode}"
stop-writes-on-bgsave-error yes
rdbcompression yes
rdbchecksum yes
dbfilename dump.rdb
rdb-del-sync-files no
replica-serve-stale-data yes
replica-read-only yes
repl-diskless-sync yes
repl-diskless-sync-delay 5
repl-diskless-sync-max-replicas 0
repl-diskless-load disabled
repl-disable-tcp-nodelay no
replica-priority 100
acllog-max-len 128
lazyfree-lazy-eviction no
lazyfree-lazy-expire no
lazyfree-lazy-server-del no
replica-lazy-flush no
lazyfree-lazy-user-del no
lazyfree-lazy-user-flush no
oom-score-adj no
oom-score-adj-values 0 200 800
disable-thp yes
appendonly no
appendfilename "appendonly.aof"
appenddirname "appendonlydir"
appendfsync everysec
no-appendfsync-on-rewrite no
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
aof-load-truncated yes
aof-use-rdb-preamble yes
aof-timestamp-enabled no
slowlog-log-slower-than 10000
slowlog-max-len 128
latency-monitor-threshold 0
notify-keyspace-events ""
hash-max-listpack-entries 512
hash-max-listpack-value 64
list-max-listpack-size -2
list-compress-depth 0
set-max-intset-entries 512
zset-max-listpack-entries 128
zset-max-listpack-value 64
hll-sparse-max-bytes 3000
stream-node-max-bytes 4096
stream-node-max-entries 100
activerehashing yes
client-output-buffer-limit normal 0 0 0
client-output-buffer-limit replica 256mb 64mb 60
client-output-buffer-limit pubsub 32mb 8mb 60
hz 10
dynamic-hz yes
aof-rewrite-incremental-fsync yes
rdb-save-incremental-fsync yes
jemalloc-bg-thread yes
"#;

#[test]
fn a_configuration_made_for_redis_starts_the_server() {
    let directory = Directory::new();
    let path = directory.write("redis.conf", DEBIAN);
    let (server, mut client) = spawn(&directory, &path);
    assert_eq!(value_of(&mut client, "bind").as_deref(), Some("127.0.0.1 -::1"));
    let limits = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
    assert_eq!(value_of(&mut client, "client-output-buffer-limit").as_deref(), Some(limits));
    drop(server);
    // All of it, comments included, where it is installed and readable; and those of the newest.
    let oracles =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("target/oracles").join("root").join("etc");
    for shipped in [
        PathBuf::from("/etc/redis/redis.conf"),
        oracles.join("redis/redis.conf"),
        oracles.join("valkey/valkey.conf"),
    ] {
        let Ok(content) = fs::read_to_string(&shipped) else {
            println!("SKIPPED: there is no {}", shipped.display());
            continue;
        };
        // Their directories are made by the packages.
        let places = ["dir ", "logfile ", "pidfile "];
        let is_place = |line: &&str| places.iter().any(|place| line.starts_with(place));
        let lines: Vec<&str> = content.lines().filter(|line| !is_place(line)).collect();
        let path = directory.write("shipped.conf", &lines.join("\n"));
        let (_server, mut client) = spawn(&directory, &path);
        assert_eq!(value_of(&mut client, "hz").as_deref(), Some("10"));
    }
}

/// What Valkey 9.1 and Redis 8.6 know and have in the files that they come with, or in comments.
#[test]
fn names_of_newer_servers_are_known() {
    let directory = Directory::new();
    let content = "commandlog-execution-slower-than 5\ncommandlog-slow-execution-max-len 6\n\
                   commandlog-request-larger-than 1048576\ncommandlog-large-request-max-len 128\n\
                   commandlog-reply-larger-than 1048576\ncommandlog-large-reply-max-len 128\n\
                   rdb-version-check strict\ndual-channel-replication-enabled no\n\
                   primaryauth secret\nlookahead 16\nserver-cpulist 0-7:2\nimport-mode no\n\
                   cluster-slot-stats-enabled cpu net\nmaxmemory-policy allkeys-lrm\n\
                   notify-keyspace-events KEocn\n";
    let path = directory.write("valkey.conf", content);
    let (_server, mut client) = spawn(&directory, &path);
    for (name, value) in [
        ("slowlog-log-slower-than", "5"),
        ("commandlog-slow-execution-max-len", "6"),
        ("masterauth", "secret"),
        ("server_cpulist", "0-7:2"),
        ("cluster-slot-stats-enabled", "cpu net"),
        ("notify-keyspace-events", "nocKE"),
    ] {
        assert_eq!(value_of(&mut client, name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn several_are_set_or_none() {
    let server = start(&["--save", ""]);
    let mut client = connect(&server);
    let before = parameters(&mut client);
    for wrong in [
        "CONFIG SET hz 50 timeout 7 maxclients wrong",
        "CONFIG SET hz 50 timeout 7 no-such-parameter 1",
        "CONFIG SET hz 50 timeout 7 hz 60",
        "CONFIG SET hz 50 timeout 7 databases 3",
        "CONFIG SET hz 50 timeout 7 dir /no/such/directory",
        "CONFIG SET hz 50 timeout 7 bind 203.0.113.1",
        "CONFIG SET hz 50 timeout",
    ] {
        assert!(matches!(call(&mut client, wrong), Value::Error(_)), "{wrong}");
        assert_eq!(parameters(&mut client), before, "{wrong}");
    }
    let several = call(&mut client, "CONFIG SET hz 50 timeout 7 maxmemory 3mb");
    assert_eq!(several, Value::Simple("OK".into()));
    let now = ["hz", "timeout", "maxmemory"].map(|name| value_of(&mut client, name));
    assert_eq!(now.map(Option::unwrap_or_default), ["50", "7", "3145728"]);
}

#[test]
fn a_rewrite_keeps_comments() {
    let directory = Directory::new();
    let content =
        "# Kept: a comment.\nhz 20\n\n  # Kept, too.\nsave 100 1\nsave 200 2\ntimeout 5\n";
    let path = directory.write("own.conf", content);
    let (mut child, mut client) = spawn(&directory, &path);
    set(&mut client, "hz", "40");
    set(&mut client, "maxmemory", "5mb");
    assert_eq!(text(call(&mut client, "CONFIG REWRITE")), "OK");
    send(&mut client, "SHUTDOWN NOSAVE");
    child.0.wait().expect("it ends");
    let rewritten = fs::read_to_string(&path).expect("the file is there");
    for line in
        ["# Kept: a comment.", "hz 40", "  # Kept, too.", "timeout 5", "save 100 1", "save 200 2"]
    {
        assert_eq!(rewritten.lines().filter(|known| *known == line).count(), 1, "{rewritten}");
    }
    assert!(rewritten.lines().any(|line| line == "maxmemory 5mb" || line == "maxmemory 5242880"));
}

/// Starts the server with a configuration file, in a directory of its own.
fn spawn(directory: &Directory, path: &Path) -> (Child, Client) {
    // Another process may take the port before the server does.
    (0..3).find_map(|_| spawn_once(directory, path)).expect("it serves")
}

fn spawn_once(directory: &Directory, path: &Path) -> Option<(Child, Client)> {
    let (port, dir) = (free_port().to_string(), directory.0.to_str().expect("a path in UTF-8"));
    let own = ["--port", &port, "--threads", "1", "--dir", dir, "--logfile", "", "--pidfile", ""];
    let child = Command::new(REDSTART)
        .arg(path)
        .args(own)
        .current_dir(&directory.0)
        .stdout(std::process::Stdio::null())
        .spawn();
    let mut child = Child(child.expect("redstart runs"));
    let mut client = None;
    let mut has_ended = false;
    support::talk::until("it serves or ends", || {
        client = Client::connect(port.parse().expect("a port")).ok();
        has_ended = !matches!(child.0.try_wait(), Ok(None));
        has_ended || client.as_mut().is_some_and(|client| client.call(&["PING"]).is_ok())
    });
    client.filter(|_| !has_ended).map(|client| (child, client))
}

/// A process that does not outlive the test.
struct Child(std::process::Child);

impl Drop for Child {
    fn drop(&mut self) {
        // If the process has ended already, both fail, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_server_moves_to_another_port_and_address() {
    let server = start(&["--save", "", "--bind", "127.0.0.1"]);
    let mut client = connect(&server);
    // Another process may take a port that was free.
    let moves = |port: &u16| set(&mut client, "port", &port.to_string()) == "OK";
    let port = (0..5).map(|_| free_port()).find(moves).expect("it moves");
    // Clients stay connected.
    assert_eq!(call(&mut client, "PING"), Value::Simple("PONG".into()));
    let mut moved = Client::connect(port).expect("it listens at the new port");
    assert_eq!(call(&mut moved, "PING"), Value::Simple("PONG".into()));
    assert!(Client::connect(server.port()).is_err(), "it listens at the old port");
    // A port in use is refused, and nothing changes.
    let holder = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let taken = holder.local_addr().expect("it is bound").port();
    let refused = set(&mut client, "port", &taken.to_string());
    assert!(refused.contains("Unable to listen on this port"), "{refused}");
    assert_eq!(value_of(&mut client, "port"), Some(port.to_string()));
    Client::connect(port).expect("it still listens");
    if cfg!(not(target_os = "linux")) {
        return;
    }
    assert_eq!(set(&mut client, "bind", "127.0.0.2"), "OK");
    assert!(Client::connect(port).is_err(), "it listens at the old address");
    assert_eq!(set(&mut client, "bind", "127.0.0.1 127.0.0.2"), "OK");
    Client::connect(port).expect("it listens at both");
}

#[test]
fn a_unix_socket_has_the_permission_that_it_was_given() {
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;
    let directory = Directory::new();
    let path = directory.0.join("socket");
    let name = path.to_str().expect("a path in UTF-8");
    let server = start(&["--save", "", "--unixsocket", name, "--unixsocketperm", "710"]);
    let mode = fs::metadata(&path).expect("the socket is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o710);
    let mut stream = std::os::unix::net::UnixStream::connect(&path).expect("it takes connections");
    stream.write_all(b"CLIENT SETNAME unix\r\n").expect("it reads");
    let mut ok = [0; 5];
    stream.read_exact(&mut ok).expect("it answers");
    assert_eq!(&ok, b"+OK\r\n");
    let mut client = connect(&server);
    let list = text(call(&mut client, "CLIENT LIST"));
    let line = list.lines().find(|line| line.contains(" name=unix ")).expect("it is listed");
    assert!(line.contains(&format!(" addr={name}:0 laddr={name}:0 ")), "{line}");
    for parameter in ["unixsocket", "unixsocketperm"] {
        let refused = set(&mut client, parameter, "1");
        assert!(refused.contains("can't set immutable config"), "{refused}");
    }
}

/// A line, and what its reply contains.
type Step<'a> = (&'a str, &'a str);

fn text_of(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Items(_, items) => items.iter().map(text_of).collect::<Vec<_>>().join(" "),
        Value::Nil | Value::NilArray | Value::Null => "nil".into(),
        other => text(other.clone()),
    }
}

#[test]
fn a_change_takes_effect_at_once() {
    let server = start(&["--save", ""]);
    let mut client = connect(&server);
    let steps: &[Step<'_>] = &[
        ("HSET h a 1 b 2", "2"),
        ("OBJECT ENCODING h", "listpack"),
        ("CONFIG SET hash-max-listpack-entries 1", "OK"),
        ("HSET h c 3", "1"),
        ("OBJECT ENCODING h", "hashtable"),
        ("CONFIG SET hash-max-ziplist-entries 128 hash-max-listpack-value 3", "OK"),
        ("HSET h2 a long-value", "1"),
        ("OBJECT ENCODING h2", "hashtable"),
        ("CONFIG SET list-max-listpack-size 2", "OK"),
        ("RPUSH l a b c", "3"),
        ("OBJECT ENCODING l", "quicklist"),
        ("CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 3", "OK"),
        ("GET a", "nil"),
        ("GET a", "nil"),
        ("GET a", "nil"),
        ("GET a", "nil"),
        ("SLOWLOG LEN", "3"),
        ("CONFIG SET slowlog-log-slower-than -1", "OK"),
        ("SLOWLOG RESET", "OK"),
        ("GET a", "nil"),
        ("SLOWLOG LEN", "0"),
        ("CONFIG SET latency-tracking-info-percentiles", "wrong number of arguments"),
        ("INFO latencystats", "p50="),
        ("CONFIG SET latency-tracking-info-percentiles 25", "OK"),
        ("INFO latencystats", ":p25="),
        ("CONFIG SET latency-tracking no", "OK"),
        ("LATENCY HISTOGRAM", ""),
        ("CONFIG SET proto-max-bulk-len 1mb", "OK"),
        ("SETRANGE s 1048576 x", "string exceeds maximum allowed size"),
        ("CONFIG SET notify-keyspace-events KEA", "OK"),
        ("CONFIG GET notify-keyspace-events", "AKE"),
        ("CONFIG SET redis-version 7.2.1", "OK"),
        ("INFO server", "redis_version:7.2.1"),
        ("CONFIG SET maxmemory 1 maxmemory-policy noeviction", "OK"),
        ("SET k v", "OOM command not allowed"),
        ("CONFIG SET maxmemory 0", "OK"),
        ("SET k v", "OK"),
        ("CONFIG SET appendonly yes", "OK"),
        ("INFO persistence", "aof_enabled:1"),
        ("CONFIG SET appendfsync always", "OK"),
        ("SET k w", "OK"),
        ("CONFIG SET appendonly no", "OK"),
        ("INFO persistence", "aof_enabled:0"),
        ("CONFIG SET dir .", "can't set protected config"),
        ("CONFIG SET databases 5", "can't set immutable config"),
    ];
    for (line, expected) in steps {
        let reply = text_of(&call(&mut client, line));
        assert!(reply.contains(expected), "{line}: {reply:?}, not {expected:?}");
    }
}

#[test]
fn limits_of_clients_take_effect_at_once() {
    let server = start(&["--save", ""]);
    let mut client = connect(&server);
    // One more than there are.
    assert_eq!(set(&mut client, "maxclients", "2"), "OK");
    // A client that has just left may still count.
    let mut second = connect(&server);
    support::talk::until("there is room", || {
        second = connect(&server);
        second.call(&["PING"]).is_ok_and(|reply| text_of(&reply) == "PONG")
    });
    let mut third = connect(&server);
    let refused = text_of(&third.reply().expect("the refusal says why"));
    assert_eq!(refused, "ERR max number of clients reached");
    assert_eq!(set(&mut client, "maxclients", "100"), "OK");
    assert_eq!(set(&mut client, "client-query-buffer-limit", "1mb"), "OK");
    let flood = vec![b'x'; 3 << 20];
    let head = format!("*2\r\n$4\r\nECHO\r\n${}\r\n", 5 << 20);
    // The server closes the connection before it has read everything.
    let _ = second.send(&[head.as_bytes(), &flood].concat());
    assert!(second.is_closed());
    assert_eq!(support::talk::field(&mut client, "client_query_buffer_limit_disconnections"), "1");
    // Clients that connect from now on need the password.
    assert_eq!(set(&mut client, "requirepass", "secret"), "OK");
    assert_eq!(text_of(&call(&mut client, "PING")), "PONG");
    let mut stranger = connect(&server);
    assert!(text_of(&call(&mut stranger, "PING")).starts_with("NOAUTH"));
    assert_eq!(text_of(&call(&mut stranger, "AUTH secret")), "OK");
    assert_eq!(set(&mut client, "requirepass", ""), "OK");
    assert_eq!(text_of(&call(&mut connect(&server), "PING")), "PONG");
    // A client that is idle for long is closed.
    let mut silent = connect(&server);
    assert_eq!(set(&mut client, "timeout", "1"), "OK");
    assert!(silent.is_closed());
}

#[test]
fn a_supervisor_is_notified_when_the_server_is_ready() {
    let directory = Directory::new();
    let path = directory.0.join("notify");
    let supervisor = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket is made");
    let patience = std::time::Duration::from_secs(60);
    supervisor.set_read_timeout(Some(patience)).expect("a timeout is settable");
    let child = Command::new(REDSTART)
        .args(["--port", "0", "--threads", "1", "--save", "", "--supervised", "systemd"])
        .env("NOTIFY_SOCKET", &path)
        .current_dir(&directory.0)
        .stdout(std::process::Stdio::null())
        .spawn();
    let _child = Child(child.expect("redstart runs"));
    let mut message = [0; 256];
    let length = supervisor.recv(&mut message).expect("a message comes");
    assert!(message[..length].starts_with(b"READY=1\n"));
}
