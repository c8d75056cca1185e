//! Real servers as replicas of Redstart: under writes of all types, of its own kind and of newer
//! servers', too, they end with the same keys; after a broken link they go on where they were.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use redstart_differential::oracle::{KINDS, Oracle};
use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::{self, Value};
use support::server::Server;

/// How long anything that has to happen may take.
const PATIENCE: Duration = Duration::from_secs(30);
const DATABASES: usize = 3;

/// What is written. In capitals between blanks: `S`, `H`, `L`, `T`, `Z`, `X` a key that is often
/// of that type, `V` a value, `A` a field or a member, `I` a number, `E` an entry's id, `P` a Unix
/// time to come in milliseconds, `D` a database; `a|b` is one of the two.
const TEMPLATES: &[&str] = &[
    "SET S V",
    "SET S V PXAT P",
    "SET S V NX|XX|GET|KEEPTTL",
    "SET S V PX 20",
    "SET S I IFEQ I",
    "INCRBY S I",
    "INCRBYFLOAT S 0.5",
    "INCREX S BYINT I UBOUND 50 SATURATE",
    "APPEND S V",
    "SETRANGE S 7 V",
    "SETBIT S 100 1",
    "BITOP AND|XOR|NOT S S",
    "BITOP DIFF|ONE S S S",
    "MSETEX 2 S V S V PX 900000",
    "GETDEL S",
    "GETEX S PXAT P",
    "DELEX S IFEQ I",
    "PFADD S V A",
    "LPUSH|RPUSH L V I A",
    "LPOP|RPOP L 2",
    "LMOVE L L LEFT|RIGHT LEFT|RIGHT",
    "LMOVEM L L LEFT|RIGHT LEFT|RIGHT COUNT 2 OBO|BULK",
    "LTRIM L 0 20",
    "SORT T ALPHA STORE L",
    "SADD T A A I",
    "SADDEX T PXAT P MEMBERS 2 A A",
    "SPEXPIRE T 20 MEMBERS 1 A",
    "SPOP T",
    "SREM T A",
    "SMOVE T T A",
    "SUNIONSTORE T T T",
    "ZADD Z I A I A",
    "ZADD Z GT I A",
    "ZINCRBY Z 0.1 A",
    "ZPOPMIN Z",
    "ZUNIONSTORE Z 2 Z Z",
    "GEOADD Z 13.5 38.1 A",
    "HSET H A V A V",
    "HINCRBYFLOAT H A 1.5",
    "HSETEX H PXAT P FIELDS 2 A V A V",
    "HSETEX H KEEPTTL FIELDS 1 A V",
    "HPEXPIRE H 20 FIELDS 1 A",
    "HPEXPIREAT H P FIELDS 2 A A",
    "HPERSIST H FIELDS 1 A",
    "HDEL H A",
    "XADD X * A V",
    "XADD X MAXLEN ~ 10 * A V",
    "XADD X IDMP A A * A V",
    "XGROUP CREATE X g 0 MKSTREAM",
    "XREADGROUP GROUP g me COUNT 3 STREAMS X >",
    "XACK X g E",
    "XTRIM X MAXLEN 5",
    "XDEL X E",
    "LOCK.ACQUIRE S me TTL 100000",
    "TAG.ADD S|H|L A",
    "TAG.DROP A",
    "EXPIRE H|L|T 10000",
    "PERSIST S|H",
    "RENAME S|H S",
    "COPY H H REPLACE",
    "MOVE S|L D",
    "DEL S|T|Z",
    "PUBLISH news V",
    "SELECT D",
];

fn word(word: &str, random: &mut fastrand::Rng, wall_ms: u128) -> Vec<u8> {
    let text = match word {
        "S" | "H" | "L" | "T" | "Z" | "X" => format!("{word}{}", random.u32(..6)),
        "V" if random.u32(..40) == 0 => "w".repeat(50_000),
        "V" => "v".repeat(random.usize(..200)),
        "A" => format!("a{}", random.u32(..8)),
        "I" => random.i32(-50..50).to_string(),
        "E" => format!("{}-0", wall_ms - random.u128(..50)),
        "P" => (wall_ms + 900_000 + random.u128(..1000)).to_string(),
        "D" => random.usize(..DATABASES).to_string(),
        _ if word.contains('|') => {
            let words: Vec<&str> = word.split('|').collect();
            return self::word(words[random.usize(..words.len())], random, wall_ms);
        }
        _ => word.to_owned(),
    };
    text.into_bytes()
}

fn wall_ms() -> u128 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("it is after 1970").as_millis()
}

/// Writes so many random requests; errors are replies, too.
fn write(client: &mut Client, random: &mut fastrand::Rng, count: usize) {
    for _ in 0..count.div_ceil(50) {
        let (mut bytes, mut replies) = (Vec::new(), 0);
        for _ in 0..50 {
            let template = TEMPLATES[random.usize(..TEMPLATES.len())];
            let now_ms = wall_ms();
            let words = template.split(' ').map(|part| word(part, random, now_ms));
            let words: Vec<Vec<u8>> = words.collect();
            // A transaction is one unit.
            let in_transaction = random.u32(..10) == 0 && !template.starts_with("SELECT");
            if in_transaction {
                bytes.extend(resp::request(&[b"MULTI".to_vec()]));
                bytes.extend(resp::request(&words));
            }
            bytes.extend(resp::request(&words));
            replies += 1;
            if in_transaction {
                bytes.extend(resp::request(&[b"EXEC".to_vec()]));
                replies += 3;
            }
        }
        client.send(&bytes).expect("the server takes it");
        (0..replies).for_each(|_| drop(client.reply().expect("there is a reply")));
    }
}

/// Waits until `f` is true.
fn wait(what: &str, mut f: impl FnMut() -> bool) {
    let began = Instant::now();
    while !f() {
        assert!(began.elapsed() < PATIENCE, "{what} takes too long");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A field of INFO.
fn info(client: &mut Client, name: &str) -> String {
    let Ok(Value::Bulk(text)) = client.call(&["INFO", "everything"]) else { panic!("no INFO") };
    let text = String::from_utf8_lossy(&text).into_owned();
    let field = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    field.unwrap_or_default().to_owned()
}

fn call(client: &mut Client, args: &[&[u8]]) -> Value {
    client.call(args).expect("there is a reply")
}

/// Whether so many replicas have all that was written.
fn have_all(master: &mut Client, replicas: i64) -> bool {
    call(master, &[b"WAIT", replicas.to_string().as_bytes(), b"100"]) == Value::Int(replicas)
}

/// The elements of an array, `size` at a time, sorted.
fn sorted(value: Value, size: usize) -> String {
    let Value::Items(_, elements) = value else { return format!("{value:?}") };
    let mut groups: Vec<String> = elements.chunks(size).map(|it| format!("{it:?}")).collect();
    groups.sort();
    groups.concat()
}

/// Members and scores; Redis 7.0 writes a score with more digits.
fn scores(value: Value) -> String {
    let Value::Items(_, elements) = value else { return format!("{value:?}") };
    let score = |value: &Value| match value {
        Value::Bulk(text) => String::from_utf8_lossy(text).parse::<f64>().ok(),
        _ => None,
    };
    let pairs = elements.chunks(2).map(|pair| format!("{:?} {:?} ", pair[0], score(&pair[1])));
    pairs.collect()
}

/// All keys with type, value and deadline.
fn state(client: &mut Client) -> BTreeMap<(usize, Vec<u8>), String> {
    let mut state = BTreeMap::new();
    for db in 0..DATABASES {
        call(client, &[b"SELECT", db.to_string().as_bytes()]);
        let Value::Items(_, keys) = call(client, &[b"KEYS", b"*"]) else { panic!("no keys") };
        for key in keys {
            let Value::Bulk(key) = key else { panic!("a key is a string") };
            let Value::Simple(kind) = call(client, &[b"TYPE", &key]) else { panic!("no type") };
            let value = match &kind[..] {
                b"string" => format!("{:?}", call(client, &[b"GET", &key])),
                b"list" => format!("{:?}", call(client, &[b"LRANGE", &key, b"0", b"-1"])),
                b"hash" => sorted(call(client, &[b"HGETALL", &key]), 2),
                b"set" => sorted(call(client, &[b"SMEMBERS", &key]), 1),
                b"zset" => scores(call(client, &[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"])),
                b"stream" => {
                    let pending = call(client, &[b"XPENDING", &key, b"g"]);
                    format!("{:?} {pending:?}", call(client, &[b"XRANGE", &key, b"-", b"+"]))
                }
                // It expired meanwhile.
                b"none" => continue,
                other => panic!("{}", String::from_utf8_lossy(other)),
            };
            let deadline = call(client, &[b"PEXPIRETIME", &key]);
            let kind = String::from_utf8_lossy(&kind).into_owned();
            state.insert((db, key), format!("{kind} {value} {deadline:?}"));
        }
    }
    state
}

fn assert_same(master: &mut Client, replica: &mut Client, name: &str) {
    let (ours, theirs) = (state(master), state(replica));
    for key in ours.keys().chain(theirs.keys()) {
        let [one, other] = [&ours, &theirs].map(|state| state.get(key).map(|text| &text[..]));
        assert!(one == other, "{name}: {key:?} is {one:?} here and {other:?} there");
    }
}

fn master(args: &[&str]) -> Server {
    let fixed = ["--save", "", "--threads", "2", "--repl-diskless-sync-delay", "0"];
    let program = Path::new(env!("CARGO_BIN_EXE_redstart"));
    Server::start(program, &[&fixed[..], args].concat()).expect("it starts")
}

/// The oracles that are here.
fn oracles() -> Vec<Oracle> {
    KINDS.iter().filter_map(|kind| kind.find().map_err(|why| eprintln!("{why}")).ok()).collect()
}

fn follow(oracle: &Oracle, master: &Server) -> Server {
    let of = format!("127.0.0.1 {}", master.port());
    Server::start(&oracle.program, &["--save", "", "--replicaof", &of]).expect("it starts")
}

#[test]
fn real_servers_follow_and_hold_the_same_keys() {
    let oracles = oracles();
    let server = master(&[]);
    let mut client = Client::connect(server.port()).expect("it is ready");
    let mut random = fastrand::Rng::with_seed(11);
    write(&mut client, &mut random, 1500);
    let replicas: Vec<Server> = oracles.iter().map(|oracle| follow(oracle, &server)).collect();
    let count = replicas.len() as i64;
    let began = Instant::now();
    while !have_all(&mut client, count) {
        write(&mut client, &mut random, 200);
        assert!(began.elapsed() < PATIENCE, "the full syncs take too long");
    }
    write(&mut client, &mut random, 1500);
    // Whatever lives for milliseconds is gone then.
    thread::sleep(Duration::from_millis(100));
    wait("the rest of the stream", || have_all(&mut client, count));
    for (oracle, replica) in oracles.iter().zip(&replicas) {
        let mut theirs = Client::connect(replica.port()).expect("it is ready");
        assert_same(&mut client, &mut theirs, oracle.name);
    }
    assert_eq!(info(&mut client, "connected_slaves"), count.to_string());
    assert_eq!(info(&mut client, "sync_full"), count.to_string());
}

#[test]
fn after_a_broken_link_they_go_on_where_they_were() {
    let server = master(&["--repl-backlog-size", "64mb"]);
    let mut client = Client::connect(server.port()).expect("it is ready");
    let mut random = fastrand::Rng::with_seed(12);
    for oracle in oracles() {
        let replica = follow(&oracle, &server);
        wait("the full sync", || have_all(&mut client, 1));
        let full = info(&mut client, "sync_full");
        for _ in 0..3 {
            let killed = call(&mut client, &[b"CLIENT", b"KILL", b"TYPE", b"replica"]);
            assert_eq!(killed, Value::Int(1), "{}", oracle.name);
            write(&mut client, &mut random, 300);
            wait("the partial resync", || have_all(&mut client, 1));
        }
        assert_eq!(info(&mut client, "sync_full"), full, "{}", oracle.name);
        thread::sleep(Duration::from_millis(100));
        wait("the rest of the stream", || have_all(&mut client, 1));
        let mut theirs = Client::connect(replica.port()).expect("it is ready");
        assert_same(&mut client, &mut theirs, oracle.name);
        drop(replica);
        wait("the end of the replica", || info(&mut client, "connected_slaves") == "0");
    }
}

#[test]
fn writes_are_refused_while_there_are_too_few_replicas() {
    let Some(oracle) = oracles().pop() else { return };
    let server = master(&["--min-replicas-to-write", "1"]);
    let mut client = Client::connect(server.port()).expect("it is ready");
    let set = |client: &mut Client| call(client, &[b"SET", b"k", b"v"]);
    assert!(matches!(set(&mut client), Value::Error(text) if text.starts_with(b"NOREPLICAS ")));
    assert_eq!(call(&mut client, &[b"GET", b"k"]), Value::Nil);
    let replica = follow(&oracle, &server);
    wait("the replica", || set(&mut client) == Value::Simple(b"OK".to_vec()));
    assert_eq!(info(&mut client, "min_slaves_good_slaves"), "1");
    drop(replica);
    wait("the end of the replica", || matches!(set(&mut client), Value::Error(_)));
}

#[test]
fn a_full_sync_through_a_file_is_the_same() {
    let server = master(&["--repl-diskless-sync", "no"]);
    let mut client = Client::connect(server.port()).expect("it is ready");
    let mut random = fastrand::Rng::with_seed(13);
    write(&mut client, &mut random, 500);
    for oracle in oracles() {
        let replica = follow(&oracle, &server);
        wait("the full sync", || have_all(&mut client, 1));
        thread::sleep(Duration::from_millis(100));
        wait("the rest of the stream", || have_all(&mut client, 1));
        let mut theirs = Client::connect(replica.port()).expect("it is ready");
        assert_same(&mut client, &mut theirs, oracle.name);
    }
}

/// What only Redstart holds of the keys: tags, owners of locks with their fences, deadlines of
/// members.
fn own_state(client: &mut Client) -> String {
    let mut text = String::new();
    for db in 0..DATABASES {
        call(client, &[b"SELECT", db.to_string().as_bytes()]);
        for n in 0..6 {
            for kind in ["S", "H", "L"] {
                let key = format!("{kind}{n}").into_bytes();
                text += &format!(
                    "{db} {kind}{n} tags {}\n",
                    sorted(call(client, &[b"TAG.OF", &key]), 1)
                );
            }
            let (lock, set) = (format!("S{n}"), format!("T{n}"));
            if let Value::Items(_, info) = call(client, &[b"LOCK.INFO", lock.as_bytes()]) {
                // The time that is left goes on.
                text += &format!("{db} {lock} lock {:?}\n", &info[..4.min(info.len())]);
            }
            for member in 0..8 {
                let member = format!("a{member}");
                let words: [&[u8]; 5] =
                    [b"SPEXPIRETIME", set.as_bytes(), b"MEMBERS", b"1", member.as_bytes()];
                text += &format!("{db} {set} {member} {:?}\n", call(client, &words));
            }
        }
    }
    text
}

fn follow_by_redstart(master: u16) -> Server {
    let of = format!("127.0.0.1 {master}");
    let args = ["--save", "", "--threads", "2", "--repl-diskless-sync-delay", "0"];
    let program = Path::new(env!("CARGO_BIN_EXE_redstart"));
    Server::start(program, &[&args[..], &["--replicaof", &of]].concat()).expect("it starts")
}

#[test]
fn a_chain_holds_the_same_and_goes_on_when_its_middle_becomes_the_master() {
    let Some(oracle) = oracles().pop() else { return };
    let first = master(&[]);
    let mut client = Client::connect(first.port()).expect("it is ready");
    let mut random = fastrand::Rng::with_seed(14);
    write(&mut client, &mut random, 1000);
    let middle = follow_by_redstart(first.port());
    let mut second = Client::connect(middle.port()).expect("it is ready");
    wait("the first sync", || have_all(&mut client, 1));
    let last = follow(&oracle, &middle);
    let mut third = Client::connect(last.port()).expect("it is ready");
    wait("the second sync", || info(&mut third, "master_link_status") == "up");
    write(&mut client, &mut random, 1000);
    thread::sleep(Duration::from_millis(100));
    let offset = |client: &mut Client| info(client, "master_repl_offset");
    wait("the rest of the stream", || {
        have_all(&mut client, 1) && offset(&mut client) == offset(&mut third)
    });
    assert_same(&mut client, &mut second, "redstart");
    assert_same(&mut client, &mut third, oracle.name);
    assert_eq!(own_state(&mut client), own_state(&mut second));

    let full = info(&mut second, "sync_full");
    assert_eq!(call(&mut second, &[b"REPLICAOF", b"NO", b"ONE"]), Value::Simple(b"OK".to_vec()));
    call(&mut second, &[b"SELECT", b"0"]);
    write(&mut second, &mut random, 300);
    thread::sleep(Duration::from_millis(100));
    wait("the last replica", || have_all(&mut second, 1));
    assert_same(&mut second, &mut third, oracle.name);
    assert_eq!(info(&mut second, "sync_full"), full, "it went on where it was");
    assert_eq!(info(&mut second, "master_replid2"), info(&mut client, "master_replid"));
}
