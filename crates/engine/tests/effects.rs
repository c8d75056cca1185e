//! The stream of effects repeats what was done: random commands run on one engine, and their
//! effects alone, replayed into another at a moment when nothing has expired yet, end in the same
//! keys, values and deadlines. So the log needs nothing but the stream.

use parking_lot::Mutex;
use redstart_engine::commands;
use redstart_engine::driver::Driver;
use redstart_engine::run::command::{Declared, Runner};
use redstart_engine::run::effect::{Effect, Listener, Sink};
use redstart_engine::spec::{BLOCKING, WRITE};
use redstart_engine::storage::entry::Entry;
use redstart_engine::storage::value::ObjectRef;
use redstart_engine::storage::value::stream::Stream;
use redstart_engine::storage::value::stream::id::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

const DATABASES: usize = 3;

/// What is drawn from. In capitals between blanks: `K` a key; `H`, `L`, `T` and `Z` one that is
/// often a hash, a list, a set or a sorted set; `A` a field or a member, `V` a value, `I` an
/// integer, `F` a float, `O` an offset, `D` a database, `X` a key that is often a stream, `E` an
/// entry's id, `G` a group, `C` a consumer, `S` and `M` a time in seconds and
/// milliseconds, `AT` and `PAT` the same as Unix times, `DIGEST` sixteen digits; `a|b` is one of
/// the two.
const TEMPLATES: &[&str] = &[
    "set K V",
    "set K V NX|XX",
    "set K V GET|KEEPTTL",
    "set K V EX S",
    "set K V PX M NX|XX|GET",
    "set K V EXAT AT",
    "set K V PXAT PAT GET",
    "set K V IFEQ|IFNE V KEEPTTL",
    "set K V IFDEQ|IFDNE DIGEST PX M",
    "lease.get K",
    "lease.put K 1|2|3 V PX M GRACE M",
    "lease.drop K 1|2|3",
    "lock.acquire K a|b TTL M",
    "lock.renew K a|b TTL M",
    "lock.release K a|b",
    "lock.fence K 7",
    "tag.add K|H|L a|b|c b|d",
    "tag.add K a|b|c",
    "tag.add T|Z b|c",
    "tag.drop a|b|c|d",
    "tag.drop a|b c",
    "memcached.note K 0|7 0|1|3",
    "setbit K O 0|1",
    "bitfield K SET u8|i16 O I INCRBY i5 O I",
    "bitfield K OVERFLOW SAT|FAIL INCRBY u4 O I",
    "bitop AND|OR|XOR|NOT|ONE K K",
    "bitop DIFF|DIFF1|ANDOR K K K",
    "pfadd K V V",
    "pfmerge K K",
    "pfdebug TODENSE K",
    "setnx K V",
    "setex K S V",
    "psetex K M V",
    "getset K V",
    "getdel K",
    "getex K",
    "getex K PERSIST",
    "getex K EX S",
    "getex K PX M",
    "getex K EXAT AT",
    "getex K PXAT PAT",
    "mset K V K V",
    "msetnx K V K V",
    "msetex 2 K V K V NX|XX",
    "msetex 2 K V K V PX M",
    "msetex 2 K V K V EXAT AT XX",
    "msetex 2 K V K V KEEPTTL",
    "append K V",
    "setrange K O V",
    "incr|decr K",
    "incrby|decrby K I",
    "incrbyfloat K F",
    "increx K",
    "increx K BYINT I LBOUND -50 UBOUND 50 PX M",
    "increx K BYINT I UBOUND 50 SATURATE",
    "increx K BYFLOAT F EX S ENX",
    "increx K BYINT 1 PERSIST",
    "delex K",
    "delex K IFEQ|IFNE V",
    "delex K IFDEQ|IFDNE DIGEST",
    "delifeq K V",
    "hset|hmset H A V A V",
    "hsetnx H A V",
    "hset|hsetnx H A I",
    "hincrby H A I",
    "hincrbyfloat H A F",
    "hdel H A A",
    "hexpire H S FIELDS 2 A A",
    "hexpire H S NX|XX|GT|LT FIELDS 1 A",
    "hpexpire H M FIELDS 2 A A",
    "hpexpire H M NX|XX|GT|LT FIELDS 2 A A",
    "hexpireat H AT FIELDS 1 A",
    "hpexpireat H PAT FIELDS 2 A A",
    "hpersist H FIELDS 2 A A",
    "hgetdel H FIELDS 2 A A",
    "hgetex H FIELDS 1 A",
    "hgetex H PERSIST FIELDS 2 A A",
    "hgetex H EX S FIELDS 1 A",
    "hgetex H PX M FIELDS 2 A A",
    "hgetex H PXAT PAT FIELDS 2 A A",
    "hsetex H FIELDS 2 A V A V",
    "hsetex H FNX|FXX FIELDS 2 A V A V",
    "hsetex H KEEPTTL FIELDS 1 A V",
    "hsetex H FNX|FXX PX M FIELDS 2 A V A V",
    "hsetex H EXAT AT FIELDS 1 A V",
    "hsetex H PXAT PAT FIELDS 2 A V A V",
    "del|unlink K|H K",
    "expire K S",
    "pexpire K M",
    "pexpire K M NX|XX|GT|LT",
    "expireat K AT",
    "pexpireat K PAT",
    "pexpireat K PAT NX|XX|GT|LT",
    "persist K",
    "rename K K",
    "rename K|H H",
    "renamenx K K",
    "copy H H REPLACE",
    "copy K K",
    "copy K K DB D REPLACE",
    "move K D",
    "lpush|rpush L V V V",
    "lpush|rpush L I I I",
    "rpush K V",
    "lpushx|rpushx L V V",
    "lpop|rpop L",
    "lpop|rpop L 2",
    "lmpop 2 K L LEFT|RIGHT",
    "lmpop 2 L L LEFT|RIGHT COUNT 3",
    "lset L I V",
    "linsert L BEFORE|AFTER V V",
    "lrem L I V",
    "ltrim L 0|1 -1|7",
    "lmove L L LEFT|RIGHT LEFT|RIGHT",
    "lmovem L L LEFT|RIGHT LEFT|RIGHT COUNT|EXACTLY 1|2|3 OBO|BULK",
    "rpoplpush L L|K",
    "sadd T A A I",
    "sadd T V I",
    "srem T A A I",
    "smove T T A|I",
    "spop T",
    "spop T 2",
    "sinterstore|sunionstore|sdiffstore T T T",
    "sexpire T S MEMBERS 2 A A",
    "sexpire T S NX|XX|GT|LT MEMBERS 1 A",
    "spexpire T M MEMBERS 2 A I",
    "spexpire T M NX|XX|GT|LT MEMBERS 2 A A",
    "sexpireat T AT MEMBERS 1 A",
    "spexpireat T PAT MEMBERS 2 A A",
    "spersist T MEMBERS 2 A A",
    "saddex T MEMBERS 2 A A",
    "saddex T MNX|MXX MEMBERS 2 A I",
    "saddex T KEEPTTL MEMBERS 1 A",
    "saddex T MNX|MXX PX M MEMBERS 2 A A",
    "saddex T EXAT AT MEMBERS 1 A",
    "saddex T PXAT PAT MEMBERS 2 A I",
    "copy T T REPLACE",
    "rename T T",
    "sort T ALPHA STORE L",
    "sort L STORE L",
    "sort L ALPHA STORE L",
    "sort L BY k* GET k* GET # ALPHA STORE L",
    "zadd Z I A I A I A",
    "zadd Z NX|XX|GT|LT I A F A",
    "zadd Z GT|LT CH F A F A",
    "zadd Z INCR F A",
    "zadd Z NX|XX|GT INCR I A",
    "zincrby Z F A",
    "zrem Z A A",
    "zpopmin|zpopmax Z",
    "zpopmin|zpopmax Z 2",
    "zmpop 2 Z Z MIN|MAX COUNT 2",
    "zremrangebyrank Z 0|-2 1|-2",
    "zremrangebyscore Z -inf|0 I",
    "zremrangebylex Z -|[a4 [a1|+",
    "zunionstore|zinterstore|zdiffstore Z 2 Z Z",
    "zunionstore|zinterstore Z 2 Z T WEIGHTS F I AGGREGATE SUM|MIN|MAX",
    "zrangestore Z Z 0|1 -1|2",
    "zrangestore Z Z -inf +inf BYSCORE LIMIT 1 2",
    "geoadd Z F F A 0.1 F A",
    "geoadd Z NX|XX CH F 7 A",
    "geosearchstore Z Z FROMLONLAT 0 0 BYRADIUS 900 km ASC COUNT 2 STOREDIST",
    "georadius Z 0 0 900 km STORE|STOREDIST Z",
    "georadiusbymember Z A 900 km STORE|STOREDIST Z",
    "copy Z Z REPLACE",
    "xadd X E A V A V",
    "xadd X E A V A V",
    "xadd X E A V",
    "xadd X NOMKSTREAM E A V",
    "xadd X MAXLEN =|~ 5 E A V A V",
    "xadd X MINID E E A V",
    "xadd X DELREF|ACKED MAXLEN 3 E A V",
    "xadd xi IDMP A A * A V",
    "xadd xi IDMPAUTO A * A I",
    "xidmprecord xi A A E",
    "xcfgset xi IDMP-MAXSIZE 3|4",
    "xtrim X MAXLEN 4",
    "xtrim X MINID E KEEPREF|DELREF|ACKED",
    "xdel X E E E",
    "xdelex X KEEPREF|DELREF|ACKED IDS 2 E E",
    "xackdel X G KEEPREF|DELREF|ACKED IDS 2 E E",
    "xnack X G SILENT|FAIL|FATAL IDS 2 E E",
    "xnack X G FAIL IDS 1 E RETRYCOUNT 3 FORCE",
    "xsetid X E",
    "xgroup create X G 0|E MKSTREAM",
    "xgroup create X G 0|E",
    "xgroup setid X G E",
    "xgroup createconsumer X G C",
    "xgroup delconsumer X G C",
    "xgroup destroy X G",
    "xack X G E E E",
    "xclaim X G C 0 E E FORCE",
    "xclaim X G C 0 E E JUSTID",
    "xclaim X G C 0 E LASTID E",
    "xautoclaim X G C 0 0 COUNT 3",
    "xreadgroup GROUP G C COUNT 3 STREAMS X >",
    "xreadgroup GROUP G C COUNT 3 STREAMS X X > >",
    "xreadgroup GROUP G C NOACK COUNT 2 STREAMS X >",
    "xreadgroup GROUP G C STREAMS X 0",
    "xreadgroup GROUP G C CLAIM 0 COUNT 3 STREAMS X >",
    "copy X X REPLACE",
    "rename X X",
    "swapdb D D",
    "flushdb",
    "flushall",
];

/// These come up rarely, or there would seldom be a key.
const RARE: &[&str] = &["flushdb", "flushall", "swapdb D D"];

#[derive(Default)]
struct Log(Mutex<Vec<Effect>>);

impl Sink for Log {
    fn append(&self, unit: &[Effect]) {
        self.0.lock().extend_from_slice(unit);
    }
}

fn value(random: &mut fastrand::Rng) -> Vec<u8> {
    match random.u8(..10) {
        0..3 => random.i64(-20..20).to_string().into_bytes(),
        3 => b"3.5".to_vec(),
        4 => Vec::new(),
        5 => vec![b'x'; random.usize(..6000)],
        6 => vec![b'y'; random.usize(40..50)],
        7 => b"\x00\xff\r\n".to_vec(),
        _ => vec![random.u8(b'a'..b'd')],
    }
}

/// The id of an entry, which is seldom too high.
fn id(random: &mut fastrand::Rng) -> Vec<u8> {
    let ms = random.u32(1..60).min(random.u32(1..60));
    format!("{ms}-{}", random.u32(0..2)).into_bytes()
}

/// One word of a template, filled in.
fn word(word: &str, random: &mut fastrand::Rng, wall_ms: i64) -> Vec<u8> {
    let millis = random.i64(1..400);
    let number = match word {
        "K" => return vec![b'k', random.u8(b'0'..b'8')],
        "H" => return vec![b'h', random.u8(b'0'..b'4')],
        "L" => return vec![b'l', random.u8(b'0'..b'4')],
        "T" => return vec![b't', random.u8(b'0'..b'4')],
        "Z" => return vec![b'z', random.u8(b'0'..b'4')],
        "A" => return vec![b'a', random.u8(b'0'..b'8')],
        "X" => return vec![b'x', random.u8(b'0'..b'3')],
        "G" => return vec![b'g', random.u8(b'0'..b'2')],
        "C" => return vec![b'c', random.u8(b'0'..b'3')],
        "E" => return id(random),
        "V" => return value(random),
        "F" => return random.choice(["0.1", "-2.5", "1e3", "7"]).unwrap_or("0").into(),
        "DIGEST" => return random.choice(["0", "f"]).unwrap_or("0").repeat(16).into(),
        "I" => random.i64(-100..100),
        "O" => random.i64(0..5000),
        "D" => random.i64(0..DATABASES as i64),
        "S" => random.i64(1..3),
        "M" => millis,
        "AT" => wall_ms / 1000 + random.i64(-2..3),
        "PAT" => wall_ms + random.i64(-100..400),
        _ => {
            let words: Vec<&str> = word.split('|').collect();
            match words[random.usize(..words.len())] {
                "K" => return vec![b'k', random.u8(b'0'..b'8')],
                "H" => return vec![b'h', random.u8(b'0'..b'4')],
                "L" => return vec![b'l', random.u8(b'0'..b'4')],
                "T" => return vec![b't', random.u8(b'0'..b'4')],
                "Z" => return vec![b'z', random.u8(b'0'..b'4')],
                "A" => return vec![b'a', random.u8(b'0'..b'8')],
                "E" => return id(random),
                "I" => return random.i64(-100..100).to_string().into_bytes(),
                word => return word.into(),
            }
        }
    };
    number.to_string().into_bytes()
}

/// A stream with all that is in it but for times, which a replay at an earlier moment may not set.
fn stream_contents(stream: &Stream) -> String {
    let counters = (stream.last_id(), stream.max_deleted_id(), stream.added());
    let mut text = format!("{counters:?}");
    for item in stream.from(Id::MIN) {
        text += &format!("{:?}", (item.id, item.fields.iter().collect::<Vec<_>>()));
    }
    for group in stream.groups() {
        text += &format!("{:?}", (group.name(), group.last, group.read));
        group.consumers().for_each(|consumer| text += &format!("{:?}", consumer.name()));
        for pending in group.pending().iter() {
            let owner = group.name_of(pending.consumer);
            text += &format!("{:?}", (pending.id, pending.count, owner));
        }
    }
    for producer in stream.idempotence().into_iter().flat_map(|known| known.producers()) {
        text += &format!("{:?}", (producer.name(), producer.sent().collect::<Vec<_>>()));
    }
    text
}

/// A value with all that is in it.
fn contents(entry: &Entry) -> Vec<u8> {
    match entry.object() {
        None => entry.value().to_vec(),
        Some(ObjectRef::Hash(hash)) => {
            let fields: BTreeMap<_, _> = hash
                .iter_timed()
                .map(|(field, value, deadline_ms)| (field, (value.to_vec(), deadline_ms)))
                .collect();
            format!("{fields:?}").into_bytes()
        }
        Some(ObjectRef::SortedSet(set)) => {
            let members: Vec<_> =
                set.iter(0).map(|(member, score)| (member.to_vec(), score)).collect();
            format!("{members:?}").into_bytes()
        }
        Some(ObjectRef::Stream(stream)) => stream_contents(stream).into_bytes(),
        Some(ObjectRef::Set(set)) => {
            let mut members = BTreeMap::new();
            let _ = set.walk_timed(|member, deadline_ms| {
                members.insert(member.to_vec(), deadline_ms);
                ControlFlow::<()>::Continue(())
            });
            format!("{members:?}").into_bytes()
        }
        Some(ObjectRef::List(list)) => {
            let elements: Vec<_> =
                (0..list.len()).map(|at| list.get(at).map(|e| e.as_bytes().to_vec())).collect();
            format!("{elements:?}").into_bytes()
        }
    }
}

type State = BTreeMap<(usize, Vec<u8>), (Vec<u8>, u64)>;

/// All keys with value, tags and deadline.
fn state(driver: &Driver) -> State {
    let mut state = State::new();
    let mut view = driver.engine.keyspace.lock_all();
    for index in 0..redstart_engine::hasher::SHARDS {
        for (db, part) in view.shard_at(index).dbs() {
            for entry in part.table().iter().filter(|entry| !entry.is_dropped()) {
                let key = (db, entry.key().to_vec());
                let mut value = contents(entry);
                entry.tags().iter().for_each(|tag| value.extend([b" #", tag.name()].concat()));
                state.insert(key, (value, entry.deadline_ms()));
            }
        }
    }
    state
}

fn show(effect: &Effect) -> String {
    effect.args.iter().map(|arg| arg.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
}

/// Runs `count` random commands; returns the engine and its effects.
fn run(seed: u64, count: usize) -> (Driver, Vec<Effect>) {
    let (mut driver, mut random) = (Driver::new(seed), fastrand::Rng::with_seed(seed));
    let log = Arc::new(Log::default());
    driver.engine.listen(Listener::Log, log.clone());
    for _ in 0..count {
        let template = TEMPLATES[random.usize(..TEMPLATES.len())];
        if RARE.contains(&template) && random.u8(..20) > 0 {
            continue;
        }
        match random.u8(..20) {
            // With the expiry tick and without: then it is the access that finds a key expired.
            0 => driver.advance(random.u64(..150)),
            1 => {
                let ms = random.u64(..150);
                driver.now.mono_ms += ms;
                driver.now.wall_ms += ms as i64;
            }
            2 => driver.db = random.usize(..DATABASES),
            _ => {}
        }
        let wall_ms = driver.now.wall_ms;
        let args: Vec<_> =
            template.split(' ').map(|part| word(part, &mut random, wall_ms)).collect();
        if driver.knows(&args[0]) {
            driver.call(&args.iter().map(Vec::as_slice).collect::<Vec<_>>());
        }
    }
    driver.advance(0);
    let effects = std::mem::take(&mut *log.0.lock());
    (driver, effects)
}

fn replayed(effects: &[Effect]) -> Driver {
    let mut driver = Driver::new(99);
    for effect in effects {
        driver.db = effect.db;
        let args: Vec<&[u8]> = effect.args.iter().map(|arg| &arg[..]).collect();
        let reply = driver.call(&args);
        assert_ne!(reply[0], b'-', "{}: {}", show(effect), reply.escape_ascii());
    }
    driver
}

#[test]
fn a_replay_ends_in_the_same_keys_values_and_deadlines() {
    for seed in 0..150 {
        let (driver, effects) = run(seed, 400);
        assert!(effects.len() > 100, "hardly anything happened");
        let (done, again) = (state(&driver), state(&replayed(&effects)));
        if done == again {
            continue;
        }
        let other = |key: &(usize, Vec<u8>)| done.get(key) != again.get(key);
        let keys: Vec<_> = done.keys().chain(again.keys()).filter(|key| other(key)).collect();
        let (db, key) = keys[0];
        let about: Vec<_> =
            effects.iter().filter(|e| e.args.iter().any(|a| a[..] == key[..])).map(show).collect();
        let (done, again) = (done.get(keys[0]), again.get(keys[0]));
        panic!("seed {seed}, db {db}: {done:?}, again {again:?}, after\n{}", about.join("\n"));
    }
}

#[test]
fn every_write_command_is_drawn() {
    // A subcommand is the second word.
    let names = TEMPLATES.iter().flat_map(|template| template.split(' ').take(2));
    let drawn: BTreeSet<&str> = names.flat_map(|names| names.split('|')).collect();
    for Declared { command, runner } in commands::all() {
        // What may wait is drawn in its form that does not; see the transcripts of both.
        let waits = command.is(BLOCKING);
        let writes = command.is(WRITE) && !waits && matches!(runner, Runner::Data(..));
        assert!(!writes || drawn.contains(command.name), "{} has no template", command.name);
    }
}

/// Runs the lines, and returns the effects of the last one.
fn effects_of(lines: &[&str]) -> Vec<String> {
    let mut driver = Driver::new(3);
    let log = Arc::new(Log::default());
    let (last, before) = lines.split_last().expect("there is a command");
    for line in before {
        driver.line(line);
    }
    driver.engine.listen(Listener::Log, log.clone());
    driver.line(last);
    let effects = log.0.lock();
    effects.iter().map(show).collect()
}

/// Commands, and the effects of the last one.
static CASES: &[(&[&str], &[&str])] = &[
    (&["ZADD z 1 a 2 b"], &["ZADD z 1 a 2 b"]),
    (&["ZADD z 1 a", "ZADD z NX 2 a"], &[]),
    (&["ZADD z 1 a", "ZADD z INCR 2 a"], &["ZINCRBY z 2 a"]),
    (&["ZADD z 1 a", "ZINCRBY z 0 a"], &[]),
    (&["ZADD z 1 a 2 b", "ZMPOP 2 y z MAX COUNT 5"], &["ZPOPMAX z 2"]),
    (&["ZADD z 1 a 2 b", "BZPOPMIN y z 0"], &["ZPOPMIN z"]),
    (&["ZADD z 1 a 2 b", "BZMPOP 0 2 y z MIN"], &["ZPOPMIN z 1"]),
    (&["SET k v"], &["SET k v"]),
    (&["SET k v EX 10"], &["SET k v PXAT 1700000010000"]),
    (&["SET k v PX 100", "SET k w KEEPTTL GET"], &["SET k w PXAT 1700000000100"]),
    (&["SET k v", "SET k w NX"], &[]),
    (&["SET k v XX"], &[]),
    (&["SET k v", "SET k w IFEQ x"], &[]),
    (&["SET k v", "SET k w IFEQ v"], &["SET k w"]),
    (&["SETNX k v"], &["SET k v"]),
    (&["SET k v", "SETNX k w"], &[]),
    (&["SETEX k 10 v"], &["SET k v PXAT 1700000010000"]),
    (&["PSETEX k 10 v"], &["SET k v PXAT 1700000000010"]),
    (&["SET k v EX 1", "GETSET k w"], &["SET k w"]),
    (&["SET k v", "GETDEL k"], &["DEL k"]),
    (&["GETDEL k"], &[]),
    (&["SET k v", "GETEX k"], &[]),
    (&["SET k v", "GETEX k PERSIST"], &[]),
    (&["SET k v EX 1", "GETEX k PERSIST"], &["PERSIST k"]),
    (&["SET k v", "GETEX k EX 1"], &["PEXPIREAT k 1700000001000"]),
    (&["SET k v", "GETEX k EXAT 1"], &["DEL k"]),
    (&["MSET a 1 b 2"], &["MSET a 1 b 2"]),
    (&["MSETNX a 1 b 2"], &["MSET a 1 b 2"]),
    (&["SET b 1", "MSETNX a 1 b 2"], &[]),
    (&["MSETEX 2 a 1 b 2 EX 1"], &["SET a 1 PXAT 1700000001000", "SET b 2 PXAT 1700000001000"]),
    (&["MSETEX 2 a 1 b 2 XX"], &[]),
    (&["APPEND k v"], &["APPEND k v"]),
    (&["SETRANGE k 1 v"], &["SETRANGE k 1 v"]),
    (&["SETRANGE k 1 "], &[]),
    (&["INCR k"], &["INCR k"]),
    (&["SET k v", "INCR k"], &[]),
    (&["SET k 1 PX 10", "INCRBYFLOAT k 0.5"], &["SET k 1.5 PXAT 1700000000010"]),
    (&["SET k v", "DELEX k IFEQ v"], &["DEL k"]),
    (&["RPUSH l a b"], &["RPUSH l a b"]),
    (&["LPUSHX l a b"], &[]),
    (&["RPUSH l a b", "LPOP l 0"], &[]),
    (&["RPUSH l a b", "LMPOP 2 x l RIGHT COUNT 9"], &["RPOP l 2"]),
    (&["RPUSH l a b", "LREM l 0 c"], &[]),
    (&["RPUSH l a b", "LMOVE l m LEFT RIGHT"], &["LMOVE l m LEFT RIGHT"]),
    (&["RPUSH l a b", "BLMOVE l m LEFT RIGHT 0"], &["LMOVE l m LEFT RIGHT"]),
    (&["RPUSH l a b", "BRPOPLPUSH l m 0"], &["LMOVE l m RIGHT LEFT"]),
    (&["RPUSH l a b", "BLPOP k l 0"], &["LPOP l"]),
    (&["RPUSH l a b", "BRPOP l 0"], &["RPOP l"]),
    (&["RPUSH l a b", "BLMPOP 0 1 l RIGHT COUNT 2"], &["RPOP l 2"]),
    (&["RPUSH l 2 1", "SORT l STORE l"], &["DEL l", "RPUSH l 1 2"]),
    (&["RPUSH l 2 1", "TAG.ADD l a", "SORT l STORE l"], &["DEL l", "RPUSH l 1 2", "TAG.ADD l a"]),
    (&["SET k v", "TAG.ADD k a b", "TAG.DROP c b"], &["TAG.DROP b"]),
    (&["SET k v", "TAG.ADD k a", "TAG.ADD k a"], &[]),
    (&["RPUSH l 2 1", "SORT l BY w_* STORE m"], &["RPUSH m 1 2"]),
    (&["SET m v", "SORT l STORE m"], &["DEL m"]),
    (&["SET k v", "DELIFEQ k w"], &[]),
    (&["HSET h a 1", "HSETNX h a 2"], &[]),
    (&["HINCRBYFLOAT h a 0.5"], &["HSET h a 0.5"]),
    (&["HSETEX h PX 9 FIELDS 1 a 1", "HINCRBYFLOAT h a 0.5"], &["HSETEX h KEEPTTL FIELDS 1 a 1.5"]),
    (&["HSET h a 1", "HDEL h x"], &[]),
    (&["HSET h a 1", "HDEL h x a"], &["HDEL h x a"]),
    (
        &["HSET h a 1 b 2", "HPEXPIRE h 100 FIELDS 3 a x b"],
        &["HPEXPIREAT h 1700000000100 FIELDS 2 a b"],
    ),
    (&["HSET h a 1", "HEXPIRE h 0 FIELDS 1 a"], &["HDEL h a"]),
    (&["HSET h a 1", "HEXPIRE h 9 XX FIELDS 1 a"], &[]),
    (&["HSET h a 1", "HPERSIST h FIELDS 1 a"], &[]),
    (&["HSETEX h EX 1 FIELDS 1 a 1", "HPERSIST h FIELDS 1 a"], &["HPERSIST h FIELDS 1 a"]),
    (&["HSETEX h FNX EX 1 FIELDS 1 a 1"], &["HSETEX h PXAT 1700000001000 FIELDS 1 a 1"]),
    (&["HSETEX h FXX EX 1 FIELDS 1 a 1"], &[]),
    (&["HSET h a 1", "HSETEX h PXAT 1 FIELDS 1 a 2"], &["HDEL h a"]),
    (&["HSET h a 1", "HGETDEL h FIELDS 2 a b"], &["HDEL h a"]),
    (&["HSET h a 1", "HGETEX h FIELDS 1 a"], &[]),
    (&["HSET h a 1", "HGETEX h PX 5 FIELDS 1 a"], &["HPEXPIREAT h 1700000000005 FIELDS 1 a"]),
];

#[test]
fn effects_name_absolute_times_and_whole_results() {
    for (lines, effects) in CASES {
        assert_eq!(effects_of(lines), *effects, "{lines:?}");
    }
}

#[test]
fn a_key_found_expired_is_deleted_before_what_comes_next() {
    let mut driver = Driver::new(3);
    let log = Arc::new(Log::default());
    driver.line("SET k 5 PX 10");
    driver.engine.listen(Listener::Log, log.clone());
    driver.now.mono_ms += 10;
    driver.line("INCR k");
    assert_eq!(log.0.lock().iter().map(show).collect::<Vec<_>>(), ["DEL k", "INCR k"]);
}
