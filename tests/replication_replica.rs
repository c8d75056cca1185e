//! Redstart as the replica of real servers: under writes of all types it follows each of them, goes
//! on where a broken link left off, refuses what a replica refuses, and becomes a master.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use redstart_differential::oracle::{KINDS, Oracle, Product};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::{self, Value};
use support::server::Server;

/// How long anything that has to happen may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests that are sent before their replies are read.
const PIPELINE: usize = 50;

/// A field of INFO.
fn info(client: &mut Client, name: &str) -> Option<String> {
    let Ok(Value::Bulk(text)) = client.call(&["INFO", "replication", "stats"]) else { return None };
    let text = String::from_utf8_lossy(&text).into_owned();
    let field = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    field.map(str::to_owned)
}

fn number(client: &mut Client, name: &str) -> u64 {
    info(client, name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} counts"))
}

/// Waits until `f` is true.
fn wait(what: &str, mut f: impl FnMut() -> bool) {
    let began = Instant::now();
    while !f() {
        assert!(began.elapsed() < PATIENCE, "{what} takes too long");
        thread::sleep(Duration::from_millis(20));
    }
}

fn ok(client: &mut Client, args: &[&str]) {
    let reply = client.call(args);
    assert!(matches!(reply, Ok(Value::Simple(_))), "{args:?}: {reply:?}");
}

fn error(client: &mut Client, args: &[&str]) -> String {
    match client.call(args) {
        Ok(Value::Error(text)) => String::from_utf8_lossy(&text).into_owned(),
        reply => panic!("{args:?} is refused, not {reply:?}"),
    }
}

/// A random write, of any type; what it works on may be of another.
fn write(random: &mut fastrand::Rng, is_old: bool, is_valkey: bool) -> Vec<String> {
    let key = |name: &str, random: &mut fastrand::Rng| format!("{name}{}", random.u32(..40));
    let small = random.u32(..60).to_string();
    let value = "v".repeat(random.usize(..300)) + &small;
    let words: Vec<String> = match random.u32(..34) {
        0 => vec!["SET".into(), key("s", random), value],
        1 => vec!["SET".into(), key("s", random), value, "EX".into(), "10000".into()],
        2 => vec!["INCRBY".into(), key("n", random), small],
        3 => vec!["APPEND".into(), key("s", random), small],
        4 => vec!["SETRANGE".into(), key("s", random), small, "xyz".into()],
        5 => vec!["LPUSH".into(), key("l", random), value, small],
        6 => vec!["RPUSH".into(), key("l", random), value],
        7 => vec!["LPOP".into(), key("l", random), "2".into()],
        8 => vec!["LTRIM".into(), key("l", random), "0".into(), "50".into()],
        9 => vec!["RPOPLPUSH".into(), key("l", random), key("l", random)],
        10 => vec!["SADD".into(), key("t", random), value, small],
        11 => vec!["SPOP".into(), key("t", random)],
        12 => vec!["SREM".into(), key("t", random), small],
        13 => vec!["SUNIONSTORE".into(), key("t", random), key("t", random), key("t", random)],
        14 => vec!["ZADD".into(), key("z", random), format!("{small}.5"), value],
        15 => vec!["ZINCRBY".into(), key("z", random), "0.1".into(), small],
        16 => vec!["ZPOPMIN".into(), key("z", random)],
        17 => vec!["HSET".into(), key("h", random), small, value],
        18 => vec!["HINCRBY".into(), key("h", random), "count".into(), "3".into()],
        19 => vec!["HDEL".into(), key("h", random), small],
        20 => vec!["XADD".into(), key("x", random), "*".into(), small, value],
        21 => vec!["XTRIM".into(), key("x", random), "MAXLEN".into(), "20".into()],
        22 => {
            let name = format!("g{}", random.u32(..3));
            let from = ["0", "$"][random.usize(..2)].into();
            vec!["XGROUP".into(), "CREATE".into(), key("x", random), name, from, "MKSTREAM".into()]
        }
        23 => {
            let words = ["XREADGROUP", "GROUP", "g1", "me", "COUNT", "2", "STREAMS"];
            let mut words: Vec<String> = words.map(str::to_owned).to_vec();
            words.extend([key("x", random), ">".into()]);
            words
        }
        24 => vec!["PFADD".into(), key("p", random), small],
        25 => vec!["SETBIT".into(), key("b", random), small, "1".into()],
        26 => vec!["DEL".into(), key(["s", "l", "h", "z", "t"][random.usize(..5)], random)],
        27 => vec!["RENAME".into(), key("s", random), key("s", random)],
        28 => vec!["SELECT".into(), random.u32(..3).to_string()],
        29 => vec!["EXPIRE".into(), key("h", random), "5000".into()],
        30 => vec!["PEXPIRE".into(), key("s", random), "30".into()],
        31 => vec!["GEOADD".into(), key("e", random), small, "10".into(), value],
        32 if !is_old => {
            let field = small;
            let of = key("h", random);
            vec!["HPEXPIRE".into(), of, "9000000".into(), "FIELDS".into(), "1".into(), field]
        }
        33 if is_valkey => vec!["DELIFEQ".into(), key("s", random), "v".into()],
        _ => {
            let text = "redis.call('INCR', KEYS[1]) redis.call('SADD', KEYS[2], ARGV[1])";
            let (one, two) = (key("n", random), key("t", random));
            vec!["EVAL".into(), text.into(), "2".into(), one, two, small]
        }
    };
    words
}

/// Writes without end until it is told to stop, or `count` requests were sent.
fn load(port: u16, seed: u64, oracle: &Oracle, count: usize, stop: &AtomicBool) {
    let is_old = oracle.series() == (7, 0);
    let is_valkey = oracle.product == Product::Valkey;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut client = Client::connect(port).expect("the master answers");
    let mut sent = 0;
    while sent < count && !stop.load(Relaxed) {
        let (mut bytes, mut replies) = (Vec::new(), 0);
        while replies < PIPELINE {
            let mut batch = vec![write(&mut random, is_old, is_valkey)];
            if random.u32(..8) == 0 {
                let inner: Vec<_> = (0..3).map(|_| write(&mut random, is_old, is_valkey)).collect();
                batch =
                    [vec![vec!["MULTI".to_owned()]], inner, vec![vec!["EXEC".to_owned()]]].concat();
            }
            replies += batch.len();
            for words in batch {
                let words: Vec<Vec<u8>> = words.into_iter().map(String::into_bytes).collect();
                bytes.extend(resp::request(&words));
            }
        }
        client.send(&bytes).expect("the master takes it");
        for _ in 0..replies {
            client.reply().expect("the master answers");
        }
        sent += replies;
    }
}

/// Writers beside the test.
struct Writers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    fn start(port: u16, oracle: &Oracle) -> Writers {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..2).map(|seed| {
            let (stop, oracle) = (stop.clone(), oracle.clone());
            thread::spawn(move || load(port, seed, &oracle, usize::MAX, &stop))
        });
        Writers { threads: threads.collect(), stop }
    }

    fn stop(self) {
        self.stop.store(true, Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("it wrote to its end"));
    }
}

/// Waits until the replica has all that its master has, and compares both.
fn assert_equal(master: &mut Client, replica: &mut Client, oracle: &Oracle) {
    let (name, is_old) = (oracle.name, oracle.series() == (7, 0));
    // What expires soon has expired, and its DEL is on its way.
    thread::sleep(Duration::from_millis(200));
    wait("the replica's offset", || {
        let offset = number(master, "master_repl_offset");
        info(replica, "master_link_status").as_deref() == Some("up")
            && number(replica, "slave_repl_offset") == offset
            && number(master, "master_repl_offset") == offset
    });
    assert_eq!(number(replica, "master_failed_commands"), 0, "{name}");
    let (theirs, ours) = (contents(master, is_old), contents(replica, is_old));
    let keys = |contents: &Contents| contents.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&ours), keys(&theirs), "{name}");
    for (place, value) in &theirs {
        assert_eq!(&ours[place], value, "{place:?} of {name}");
    }
    assert!(theirs.len() > 100, "{name} has something to compare: {}", theirs.len());
}

/// What a server holds: databases and keys, and what is asked of each.
type Contents = BTreeMap<(u32, Vec<u8>), Vec<Value>>;

fn contents(client: &mut Client, is_old: bool) -> Contents {
    let mut all = Contents::new();
    for db in 0..3 {
        ok(client, &["SELECT", &db.to_string()]);
        let Ok(Value::Items(_, keys)) = client.call(&["KEYS", "*"]) else { panic!("keys") };
        for key in keys {
            let Value::Bulk(key) = key else { panic!("a key") };
            all.insert((db, key.clone()), value(client, &key, is_old));
        }
    }
    all
}

/// The type of a key, when it expires, and its value in an order that is the same everywhere.
fn value(client: &mut Client, key: &[u8], is_old: bool) -> Vec<Value> {
    let mut ask = |words: &[&[u8]]| client.call(words).expect("a reply");
    let kind = ask(&[b"TYPE", key]);
    let at = ask(&[b"PEXPIRETIME", key]);
    let Value::Simple(name) = &kind else { panic!("a type") };
    let mut more = match &name[..] {
        b"string" => vec![ask(&[b"GET", key])],
        b"list" => vec![ask(&[b"LRANGE", key, b"0", b"-1"])],
        b"set" => parts(ask(&[b"SMEMBERS", key]), 1),
        b"hash" => {
            let fields = parts(ask(&[b"HGETALL", key]), 2);
            let mut words: Vec<&[u8]> = vec![b"HPEXPIRETIME", key, b"FIELDS"];
            let count = (fields.len() / 2).to_string();
            words.push(count.as_bytes());
            words.extend(fields.iter().step_by(2).map(|field| match field {
                Value::Bulk(text) => &text[..],
                _ => panic!("a field"),
            }));
            let deadlines = if is_old { Value::Nil } else { ask(&words) };
            [fields, vec![deadlines]].concat()
        }
        b"zset" => {
            let reply = ask(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]);
            let Value::Items(_, items) = reply else { panic!("members and scores") };
            // Redis 7.0 writes scores with more digits.
            let plain = |(at, item)| match item {
                Value::Bulk(text) if at % 2 == 1 => {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    Value::Double(text.parse::<f64>().expect("a score").to_string())
                }
                item => item,
            };
            items.into_iter().enumerate().map(plain).collect()
        }
        b"stream" => {
            let Value::Items(_, groups) = ask(&[b"XINFO", b"GROUPS", key]) else { panic!() };
            let mut all = vec![ask(&[b"XRANGE", key, b"-", b"+"])];
            for group in groups {
                let Value::Items(_, fields) = group else { panic!("a group is a map") };
                let Value::Bulk(name) = &fields[1] else { panic!("a group has a name") };
                all.push(ask(&[b"XPENDING", key, name]));
                // Name, consumers, pending, and the last that was delivered.
                all.extend_from_slice(&fields[..8]);
            }
            all
        }
        name => panic!("{}", name.escape_ascii()),
    };
    more.extend([kind, at]);
    more
}

/// The parts of a reply, so many of them together, sorted.
fn parts(reply: Value, together: usize) -> Vec<Value> {
    let Value::Items(_, items) = reply else { panic!("a list, not {reply:?}") };
    let mut parts: Vec<Vec<Value>> = items.chunks(together).map(<[_]>::to_vec).collect();
    parts.sort_by_key(|part| format!("{part:?}"));
    parts.concat()
}

fn start(program: &Path, more: &[&str]) -> (Server, Client) {
    let args = ["--save", "", "--enable-debug-command", "local"];
    let server = Server::start(program, &[&args[..], more].concat()).expect("it starts");
    let client = Client::connect(server.port()).expect("it is ready");
    (server, client)
}

fn redstart(more: &[&str]) -> (Server, Client) {
    start(Path::new(env!("CARGO_BIN_EXE_redstart")), &[&["--threads", "2"], more].concat())
}

/// Every oracle that is here.
fn oracles() -> Vec<Oracle> {
    let found = KINDS.iter().map(|kind| kind.find());
    found.filter_map(|found| found.map_err(|why| eprintln!("{why}")).ok()).collect()
}

#[test]
fn it_follows_each_real_server_under_writes_and_through_broken_links() {
    for oracle in oracles() {
        let name = oracle.name;
        let (master, mut asking) = start(&oracle.program, &["--repl-backlog-size", "64mb"]);
        load(master.port(), 7, &oracle, 1500, &AtomicBool::new(false));
        let writers = Writers::start(master.port(), &oracle);
        let of = format!("127.0.0.1 {}", master.port());
        let (_replica, mut replica) = redstart(&["--replicaof", &of]);
        let up = |replica: &mut Client| {
            wait("a link", || info(replica, "master_link_status").as_deref() == Some("up"));
        };
        up(&mut replica);
        thread::sleep(Duration::from_millis(300));
        for _ in 0..3 {
            let before = number(&mut replica, "master_partial_syncs");
            let killed = asking.call(&["CLIENT", "KILL", "TYPE", "replica"]).expect("it answers");
            assert_eq!(killed, Value::Int(1), "{name}");
            wait("a partial resync", || number(&mut replica, "master_partial_syncs") > before);
            up(&mut replica);
        }
        writers.stop();
        assert_equal(&mut asking, &mut replica, &oracle);
        assert_eq!(number(&mut replica, "master_full_syncs"), 1, "{name}");
        assert_eq!(number(&mut asking, "sync_full"), 1, "{name}");
        assert!(number(&mut asking, "sync_partial_ok") >= 3, "{name}");
    }
}

#[test]
fn it_syncs_by_file_and_by_stream() {
    for oracle in oracles() {
        for diskless in ["yes", "no"] {
            let args = ["--repl-diskless-sync", diskless, "--repl-diskless-sync-delay", "0"];
            let (master, mut asking) = start(&oracle.program, &args);
            load(master.port(), 11, &oracle, 1000, &AtomicBool::new(false));
            let large = "x".repeat(3_000_000);
            ok(&mut asking, &["SET", "large", &large]);
            let (_replica, mut replica) = redstart(&["--appendonly", "yes"]);
            ok(&mut replica, &["SET", "old", "value"]);
            ok(&mut replica, &["REPLICAOF", "127.0.0.1", &master.port().to_string()]);
            ok(&mut asking, &["SET", "behind", "the file"]);
            assert_equal(&mut asking, &mut replica, &oracle);
            assert_eq!(replica.call(&["EXISTS", "old"]).expect("it answers"), Value::Int(0));
        }
    }
}

/// The first oracle that is here.
fn any_oracle() -> Option<Oracle> {
    oracles().pop()
}

fn attach(master: &Server, replica: &mut Client) {
    ok(replica, &["REPLICAOF", "127.0.0.1", &master.port().to_string()]);
    wait("a link", || info(replica, "master_link_status").as_deref() == Some("up"));
}

#[test]
fn a_replica_refuses_writes_and_becomes_a_master() {
    let Some(oracle) = any_oracle() else { return };
    let (master, mut asking) = start(&oracle.program, &[]);
    ok(&mut asking, &["SET", "key", "value"]);
    let (_replica, mut replica) = redstart(&[]);
    attach(&master, &mut replica);
    let read_only = "READONLY You can't write against a read only replica.";
    assert_eq!(error(&mut replica, &["SET", "key", "other"]), read_only);
    let script = ["EVAL", "return redis.call('SET', KEYS[1], 'x')", "1", "key"];
    assert!(error(&mut replica, &script).contains("READONLY"));
    ok(&mut replica, &["MULTI"]);
    assert_eq!(error(&mut replica, &["SET", "key", "other"]), read_only);
    assert!(error(&mut replica, &["EXEC"]).starts_with("EXECABORT"));
    assert_eq!(replica.call(&["GET", "key"]).expect("a value"), Value::Bulk(b"value".into()));
    let Ok(Value::Items(_, role)) = replica.call(&["ROLE"]) else { panic!("a role is a list") };
    let port = i64::from(master.port());
    let address =
        [Value::Bulk(b"slave".into()), Value::Bulk(b"127.0.0.1".into()), Value::Int(port)];
    assert_eq!(role[..3], address);
    assert_eq!(role[3], Value::Bulk(b"connected".into()));
    // A second name for the same master changes nothing.
    let again = replica.call(&["SLAVEOF", "127.0.0.1", &master.port().to_string()]);
    let text = b"OK Already connected to specified master".to_vec();
    assert_eq!(again.expect("it answers"), Value::Simple(text));
    ok(&mut replica, &["CONFIG", "SET", "replica-read-only", "no"]);
    ok(&mut replica, &["SET", "own", "write"]);
    // As Sentinel does.
    ok(&mut replica, &["MULTI"]);
    ok(&mut replica, &["SLAVEOF", "NO", "ONE"]);
    let Ok(Value::Items(_, replies)) = replica.call(&["EXEC"]) else { panic!("a list") };
    assert_eq!(replies, [Value::Simple(b"OK".into())]);
    assert_eq!(info(&mut replica, "role").as_deref(), Some("master"));
    ok(&mut replica, &["SET", "key", "mine"]);
    ok(&mut asking, &["SET", "later", "theirs"]);
    thread::sleep(Duration::from_millis(100));
    assert_eq!(replica.call(&["EXISTS", "later"]).expect("it answers"), Value::Int(0));
}

#[test]
fn keys_of_a_replica_go_when_the_master_says_so() {
    let Some(oracle) = any_oracle() else { return };
    let (master, mut asking) = start(&oracle.program, &[]);
    let (_replica, mut replica) = redstart(&[]);
    attach(&master, &mut replica);
    ok(&mut asking, &["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    ok(&mut asking, &["SET", "key", "value", "PX", "50"]);
    wait("the key", || replica.call(&["DBSIZE"]).is_ok_and(|size| size == Value::Int(1)));
    thread::sleep(Duration::from_millis(200));
    // It is not seen, and it is there.
    assert_eq!(replica.call(&["GET", "key"]).expect("it answers"), Value::Nil);
    assert_eq!(replica.call(&["DBSIZE"]).expect("it answers"), Value::Int(1));
    // The master comes upon it, and says DEL.
    assert_eq!(asking.call(&["GET", "key"]).expect("it answers"), Value::Nil);
    wait("its end", || replica.call(&["DBSIZE"]).is_ok_and(|size| size == Value::Int(0)));
}

#[test]
fn a_replica_without_a_master_says_that_it_never_had_one() {
    let port = support::server::free_port().to_string();
    let (_replica, mut replica) = redstart(&["--replica-serve-stale-data", "no"]);
    ok(&mut replica, &["SET", "key", "value"]);
    ok(&mut replica, &["REPLICAOF", "127.0.0.1", &port]);
    assert!(number(&mut replica, "master_link_down_since_seconds") > 1_000_000);
    assert_eq!(info(&mut replica, "master_link_status").as_deref(), Some("down"));
    let down = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
    assert_eq!(error(&mut replica, &["GET", "key"]), down);
    ok(&mut replica, &["CONFIG", "SET", "replica-serve-stale-data", "yes"]);
    assert_eq!(replica.call(&["GET", "key"]).expect("it answers"), Value::Bulk(b"value".into()));
}

#[test]
fn what_fails_here_is_not_acknowledged() {
    let Some(oracle) = any_oracle() else { return };
    let (master, mut asking) = start(&oracle.program, &[]);
    let (_replica, mut replica) = redstart(&["--replica-read-only", "no"]);
    attach(&master, &mut replica);
    ok(&mut asking, &["SET", "key", "value"]);
    assert_eq!(asking.call(&["WAIT", "1", "2000"]).expect("it answers"), Value::Int(1));
    // The replica's own write makes the master's fail.
    wait("the key", || replica.call(&["EXISTS", "key"]).is_ok_and(|is| is == Value::Int(1)));
    replica.call(&["DEL", "key"]).expect("it answers");
    replica.call(&["LPUSH", "key", "element"]).expect("it answers");
    asking.call(&["APPEND", "key", "more"]).expect("it answers");
    assert_eq!(asking.call(&["WAIT", "1", "1500"]).expect("it answers"), Value::Int(0));
    assert_eq!(number(&mut replica, "master_failed_commands"), 1);
    let behind = number(&mut replica, "slave_repl_offset");
    assert!(behind < number(&mut asking, "master_repl_offset"));
}

#[test]
fn the_master_is_kept_in_the_configuration_file() {
    let folder = std::env::temp_dir().join(format!("redstart-replicaof-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("redis.conf");
    std::fs::write(&file, "save \"\"\n").expect("a file");
    let program = Path::new(env!("CARGO_BIN_EXE_redstart"));
    let first = [file.to_str().expect("a plain path")];
    let server = Server::start_with(program, &first, &["--threads", "1"]).expect("it starts");
    let mut client = Client::connect(server.port()).expect("it is ready");
    let lines = |client: &mut Client| {
        ok(client, &["CONFIG", "REWRITE"]);
        std::fs::read_to_string(&file).expect("it is there")
    };
    ok(&mut client, &["REPLICAOF", "127.0.0.1", "1"]);
    assert!(lines(&mut client).lines().any(|line| line == "replicaof 127.0.0.1 1"));
    ok(&mut client, &["REPLICAOF", "NO", "ONE"]);
    assert!(!lines(&mut client).contains("replicaof"));
    std::fs::remove_dir_all(&folder).expect("it goes");
}
