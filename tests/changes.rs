//! What counts as a change (`rdb_changes_since_last_save`), and that save points follow the count.
//!
//! Whoever relies on `save SECONDS CHANGES` loses what is not counted, so every command that writes
//! is in a table here, with as many changes as Redis counts: keys, fields, elements. The tables run
//! on the oracles, too, as far as they know the commands.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::collections::BTreeSet;
use support::client::Client;
use support::oracles::{Asked, all};
use support::resp::Value;
use support::server::Server;
use support::talk::{call, connect, field, ok, reply, send, text, until, until_blocked};

/// Commands, in their order, and how many changes each is.
type Counted = &'static [(&'static str, u64)];

const STRINGS: Counted = &[
    ("SET a 1", 1),
    ("SET a 1", 1),
    ("SET a 2 EX 100", 1),
    ("SET a 3 NX", 0),
    ("SET absent 3 XX", 0),
    ("SET a 4 XX GET", 1),
    ("GET a", 0),
    ("SETNX a 1", 0),
    ("SETNX b 1", 1),
    ("SETEX c 100 x", 1),
    ("PSETEX c 100000 x", 1),
    ("GETSET a 5", 1),
    ("GETEX a", 0),
    ("GETEX a EX 100", 1),
    ("GETEX a PERSIST", 1),
    ("GETEX a PERSIST", 0),
    ("GETEX a PXAT 1", 1),
    ("GETDEL b", 1),
    ("GETDEL b", 0),
    ("APPEND a x", 1),
    ("APPEND a x", 1),
    ("SETRANGE a 1 yy", 1),
    ("SETRANGE d 1 yy", 1),
    ("SETRANGE d 1 ", 0),
    ("INCR n", 1),
    ("INCRBY n 5", 1),
    ("DECR n", 1),
    ("DECRBY n 2", 1),
    ("INCRBYFLOAT n 1.5", 1),
    ("INCR a", 0),
    ("MSET a 1 b 2 c 3", 3),
    ("MSETNX a 1 e 2", 0),
    ("MSETNX e 1 f 2", 2),
];

const BITS: Counted = &[
    ("SETBIT b 7 1", 1),
    ("SETBIT b 7 1", 0),
    ("SETBIT b 7 0", 1),
    ("SETBIT b 15 0", 1),
    ("BITFIELD b SET u8 0 1 INCRBY u8 8 2", 2),
    ("BITFIELD b SET u8 0 1", 0),
    ("BITFIELD b GET u8 0", 0),
    ("BITFIELD b OVERFLOW FAIL INCRBY u2 100 5", 0),
    ("BITFIELD b SET u8 200 0", 1),
    ("BITOP NOT c b", 1),
    ("BITOP AND c absent", 1),
    ("BITOP AND c absent", 0),
    ("PFADD p", 1),
    ("PFADD p a b c", 3),
    ("PFADD p a", 0),
    ("PFCOUNT p", 1),
    ("PFCOUNT p", 0),
    ("PFMERGE p", 1),
    ("PFMERGE q p", 1),
    ("PFDEBUG TODENSE p", 1),
    ("PFDEBUG TODENSE p", 0),
    ("PFADD p x y", 2),
    ("PFCOUNT p", 1),
];

const STREAMS: Counted = &[
    ("XADD s 1-1 a b", 1),
    ("XADD s 2-1 a b", 1),
    ("XADD s 3-1 a b", 1),
    ("XADD s 4-1 a b", 1),
    ("XADD s MAXLEN 4 5-1 a b", 1),
    ("XTRIM s MAXLEN 4", 0),
    ("XTRIM s MAXLEN 3", 1),
    ("XTRIM s MINID 4-1", 1),
    ("XSETID s 5-1", 1),
    ("XGROUP CREATE s g 0", 1),
    ("XGROUP CREATE s h 0", 1),
    ("XGROUP CREATECONSUMER s g c", 1),
    ("XGROUP CREATECONSUMER s g c", 0),
    ("XREADGROUP GROUP g c COUNT 1 STREAMS s >", 1),
    ("XREADGROUP GROUP g c COUNT 1 STREAMS s 0", 0),
    ("XREADGROUP GROUP g c COUNT 1 STREAMS s >", 1),
    ("XREADGROUP GROUP g c COUNT 1 STREAMS s >", 0),
    ("XACK s g 4-1", 1),
    ("XACK s g 4-1", 0),
    ("XADD s 6-1 a b", 1),
    ("XADD s 7-1 a b", 1),
    ("XADD s 8-1 a b", 1),
    ("XREADGROUP GROUP g c COUNT 3 STREAMS s >", 1),
    ("XGROUP CREATECONSUMER s g d", 1),
    ("XCLAIM s g d 0 6-1 7-1", 2),
    ("XCLAIM s g d 0 6-1 JUSTID", 1),
    ("XCLAIM s g d 0 9-1", 0),
    ("XCLAIM s g d 0 6-1 LASTID 8-8", 1),
    ("XCLAIM s g d 100000 6-1 LASTID 8-9", 1),
    ("XAUTOCLAIM s g c 0 0", 4),
    ("XAUTOCLAIM s g c 10000 0", 0),
    ("XDEL s 6-1", 1),
    ("XDEL s 6-1", 0),
    ("XAUTOCLAIM s g c 0 0", 4),
    ("XDELEX s IDS 1 7-1", 1),
    ("XDELEX s IDS 1 7-1", 0),
    ("XACKDEL s g IDS 1 8-1", 1),
    ("XACKDEL s g IDS 1 8-1", 0),
    ("XGROUP SETID s g 3", 1),
    ("XGROUP DELCONSUMER s g c", 1),
    ("XGROUP DELCONSUMER s g c", 0),
    ("XGROUP DESTROY s h", 1),
    ("XGROUP DESTROY s h", 0),
    ("XADD s IDMP p i * a b", 1),
    ("XADD s IDMP p i * a b", 1),
    ("XCFGSET s IDMP-MAXSIZE 7", 1),
    ("XCFGSET s IDMP-MAXSIZE 7", 0),
    ("XADD absent NOMKSTREAM * a b", 0),
    ("XIDMPRECORD s q i 5-1", 1),
];

const LISTS: Counted = &[
    ("LPUSH l a b c a b c", 6),
    ("RPUSH l x y", 2),
    ("LPUSH l a", 1),
    ("LPUSHX l p q", 2),
    ("RPUSHX l r", 1),
    ("LPUSHX absent r", 0),
    ("LRANGE l 0 -1", 0),
    ("LPOP l", 1),
    ("LPOP l 2", 2),
    ("RPOP l 0", 0),
    ("RPOP l 3", 3),
    ("LINSERT l BEFORE c z", 1),
    ("LINSERT l BEFORE absent z", 0),
    ("LSET l 0 y", 1),
    ("LREM l 0 absent", 0),
    ("LREM l 0 b", 2),
    ("LTRIM l 0 -1", 0),
    ("RPUSH l 1 2 3 4 5 6", 6),
    ("LTRIM l 1 -2", 2),
    ("LMOVE l m LEFT RIGHT", 1),
    ("LMOVE l m LEFT RIGHT", 1),
    ("LMOVE l l LEFT RIGHT", 1),
    ("RPOPLPUSH l m", 1),
    ("BLMOVE l m LEFT LEFT 1", 1),
    ("BRPOPLPUSH l m 1", 1),
    ("BLPOP m 1", 1),
    ("BRPOP m 1", 1),
    ("LMPOP 1 m LEFT COUNT 2", 2),
    ("BLMPOP 1 1 m LEFT COUNT 9", 1),
    // The last element takes its key with it.
    ("DEL l m", 1),
    ("RPUSH l a", 1),
    ("LPOP l", 1),
    ("RPUSH l a b", 2),
    ("RPOP l 5", 2),
    ("RPUSH l a a", 2),
    ("LREM l 0 a", 2),
    ("RPUSH l a b c", 3),
    ("LTRIM l 5 9", 3),
    ("RPUSH l a", 1),
    ("LMOVE l m LEFT LEFT", 1),
    ("SORT m STORE sorted", 0),
    ("RPUSH n 3 1 2", 3),
    ("SORT n STORE sorted", 3),
    ("SORT absent STORE sorted", 1),
    ("SORT absent STORE sorted", 0),
];

const HASHES: Counted = &[
    ("HSET h a 1 b 2 c 3", 3),
    ("HSET h a 1", 1),
    ("HMSET h a 1 d 4", 2),
    ("HSETNX h a 1", 0),
    ("HSETNX h e 1", 1),
    ("HINCRBY h n 1", 1),
    ("HINCRBYFLOAT h n 1.5", 1),
    ("HGETALL h", 0),
    ("HDEL h absent", 0),
    ("HDEL h a b absent", 2),
    ("HDEL h c d e n", 4),
    ("EXISTS h", 0),
];

const SETS: Counted = &[
    ("SADD s a b c a", 3),
    ("SADD s a", 0),
    ("SADD s a d", 1),
    ("SREM s absent", 0),
    ("SREM s a b absent", 2),
    ("SADD s x y z", 3),
    ("SMOVE s t x", 2),
    ("SMOVE s t absent", 0),
    ("SMOVE s s y", 0),
    ("SADD s x", 1),
    ("SMOVE s t x", 1),
    ("SPOP s", 1),
    ("SPOP s 0", 0),
    ("SPOP s 2", 2),
    ("SMEMBERS s", 0),
    ("SADD u 1 2 3", 3),
    ("SINTERSTORE d u u", 1),
    ("SUNIONSTORE d u s", 1),
    ("SDIFFSTORE d u absent", 1),
    ("SDIFFSTORE d absent", 1),
    ("SDIFFSTORE d absent", 0),
    // The last member takes its key with it.
    ("SPOP s 9", 1),
    ("SREM u 1 2 3", 3),
    ("SPOP t", 1),
    ("EXISTS s t u", 0),
    ("SADD s a", 1),
    ("SMOVE s t a", 2),
];

const SORTED_SETS: Counted = &[
    ("ZADD z 1 a 2 b 3 c 1 a", 3),
    ("ZADD z 1 a", 0),
    ("ZADD z 2 a 2 b 4 d", 2),
    ("ZADD z NX 5 a", 0),
    ("ZADD z XX 5 a 5 x", 1),
    ("ZADD z GT 4 a", 0),
    ("ZADD z INCR 1 a", 1),
    ("ZADD z INCR 0 a", 0),
    ("ZADD z NX INCR 0 a", 0),
    ("ZINCRBY z 1 a", 1),
    ("ZINCRBY z 0 a", 0),
    ("ZINCRBY z 0 e", 1),
    ("ZREM z absent", 0),
    ("ZREM z a b absent", 2),
    ("ZADD z 1 f 2 g 3 h 4 i 5 j 6 k 7 l 8 m", 8),
    ("ZPOPMIN z", 1),
    ("ZPOPMAX z 2", 2),
    ("ZPOPMAX z 0", 0),
    ("ZMPOP 2 y z MIN", 1),
    ("ZMPOP 1 z MAX COUNT 2", 2),
    ("BZPOPMIN z 1", 1),
    ("BZPOPMAX z 1", 1),
    ("ZREMRANGEBYRANK z 9 10", 0),
    ("ZADD z 1 f 2 g 3 h 4 i 5 j 6 k 7 l 8 m", 7),
    ("ZREMRANGEBYRANK z 0 0", 1),
    ("ZREMRANGEBYSCORE z 2 3", 3),
    ("ZREMRANGEBYSCORE z 20 30", 0),
    ("ZRANGE z 0 -1", 0),
    ("ZREMRANGEBYLEX z - +", 6),
    ("EXISTS z", 0),
    ("ZADD z 0 a 0 b", 2),
    ("ZREMRANGEBYLEX z [a [a", 1),
    ("BZMPOP 1 1 z MIN COUNT 5", 1),
    ("ZADD z 0 a 0 b", 2),
    ("ZPOPMIN z 5", 2),
    ("ZADD z 0 a", 1),
    ("ZREM z a", 1),
];

const ALGEBRA: Counted = &[
    ("ZADD a 1 x 2 y 3 z", 3),
    ("ZADD b 4 y 5 w", 2),
    ("ZUNION 2 a b", 0),
    ("ZUNIONSTORE d 2 a b", 1),
    ("ZUNIONSTORE d 2 a b", 1),
    ("ZINTERSTORE d 2 a b", 1),
    ("ZDIFFSTORE d 2 a b", 1),
    ("ZINTERSTORE d 2 a absent", 1),
    ("ZINTERSTORE d 2 a absent", 0),
    ("ZRANGESTORE d a 0 1", 1),
    ("ZRANGESTORE d a 5 6", 1),
    ("ZRANGESTORE d a 5 6", 0),
    ("GEOADD g 1 1 x 2 2 y 3 3 z", 3),
    ("GEOADD g 1 1 x 2 3 y 4 4 w", 2),
    ("GEOADD g NX 2 2 x", 0),
    ("GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1000 km", 0),
    ("GEOSEARCHSTORE d g FROMLONLAT 1 1 BYRADIUS 1000 km", 4),
    ("GEOSEARCHSTORE d g FROMLONLAT 1 1 BYRADIUS 1000 km COUNT 2", 2),
    ("GEOSEARCHSTORE d g FROMLONLAT 50 50 BYRADIUS 1 km", 1),
    ("GEORADIUS g 1 1 1000 km STORE d", 4),
    ("GEORADIUS g 1 1 1000 km", 0),
    ("GEORADIUSBYMEMBER g x 1 km STOREDIST d", 1),
    ("GEORADIUS g 50 50 1 km STORE d", 1),
];

const KEYS: Counted = &[
    ("MSET a 1 b 2 c 3 d 4", 4),
    ("DEL a absent", 1),
    ("UNLINK b c", 2),
    ("EXPIRE d 100", 1),
    ("EXPIRE d 100 NX", 0),
    ("PEXPIRE d 100000", 1),
    ("EXPIREAT d 99999999999", 1),
    ("PEXPIREAT d 99999999999999", 1),
    ("EXPIRE absent 100", 0),
    ("PERSIST d", 1),
    ("PERSIST d", 0),
    ("EXPIRE d -1", 1),
    ("MSET a 1 b 2", 2),
    ("RENAME a a", 0),
    ("RENAME a b", 1),
    ("RENAMENX b b", 0),
    ("RENAMENX b c", 1),
    ("COPY c d", 1),
    ("COPY c d", 0),
    ("COPY c d REPLACE", 1),
    ("MOVE d 1", 1),
    ("MOVE d 1", 0),
    ("COPY c d DB 1 REPLACE", 1),
    ("TOUCH c", 0),
    ("SWAPDB 0 1", 1),
    ("SWAPDB 2 2", 1),
    ("DBSIZE", 0),
    ("FLUSHDB", 1),
    ("FLUSHDB", 0),
    ("SWAPDB 0 1", 1),
    ("MSET a 1 b 2", 2),
    ("FLUSHALL", 3),
    ("FUNCTION FLUSH", 1),
    ("EVAL redis.call('SET','a',1)redis.call('RPUSH','l',1,2) 0", 3),
    ("FCALL absent 0", 0),
    ("PUBLISH channel message", 0),
    ("SPUBLISH channel message", 0),
];

/// Commands that are newer than Redis 7.0.
const NEWER: Counted = &[
    ("SET a 1", 1),
    ("DELIFEQ a 2", 0),
    ("DELIFEQ a 1", 1),
    ("SET a 1", 1),
    ("DELEX a IFEQ 2", 0),
    ("DELEX a", 1),
    ("MSETEX 2 a 1 b 2 EX 100", 2),
    ("MSETEX 2 a 1 c 2 NX", 0),
    ("HSETEX h EX 100 FIELDS 3 a 1 b 2 c 3", 3),
    ("HSETEX h FNX FIELDS 1 a 1", 0),
    ("HSETEX h PXAT 1 FIELDS 2 a 1 absent 1", 2),
    ("HSET h a 1 d 4", 2),
    ("HEXPIRE h 100 FIELDS 3 a b absent", 2),
    ("HPEXPIRE h 100000 NX FIELDS 2 a d", 1),
    ("HEXPIREAT h 9999999999 FIELDS 1 a", 1),
    ("HPEXPIREAT h 9999999999999 FIELDS 1 a", 1),
    ("HPERSIST h FIELDS 3 a b absent", 2),
    ("HPERSIST h FIELDS 1 a", 0),
    ("HGETEX h FIELDS 1 a", 0),
    ("HGETEX h EX 100 FIELDS 2 a absent", 1),
    ("HGETEX h PERSIST FIELDS 2 a b", 1),
    ("HEXPIRE h 0 FIELDS 1 a", 1),
    ("HGETDEL h FIELDS 2 b absent", 1),
    ("HGETDEL h FIELDS 2 c d", 2),
    ("SADDEX s EX 100 MEMBERS 3 a b c", 3),
    ("SEXPIRE s 200 MEMBERS 3 a b absent", 2),
    ("SPEXPIRE s 100000 MEMBERS 1 c", 1),
    ("SEXPIREAT s 9999999999 MEMBERS 1 a", 1),
    ("SPEXPIREAT s 9999999999999 MEMBERS 1 a", 1),
    ("SPERSIST s MEMBERS 3 a b absent", 2),
    ("SPERSIST s MEMBERS 1 a", 0),
    ("SEXPIRE s 0 MEMBERS 1 a", 1),
    ("RPUSH l 1 2 3 4 5", 5),
    ("LMOVEM l m LEFT RIGHT", 1),
    ("LMOVEM l m LEFT RIGHT COUNT 2 OBO", 2),
    ("LMOVEM l m LEFT RIGHT EXACTLY 9 OBO", 0),
    ("BLMOVEM l m LEFT RIGHT 0 COUNT 9 BULK", 2),
    ("LMOVEM l m LEFT RIGHT", 0),
    ("INCREX i", 1),
    ("INCREX i UBOUND 1", 0),
    ("INCREX i PXAT 1", 1),
    ("XADD n 1-1 a b", 1),
    ("XGROUP CREATE n g 0", 1),
    ("XNACK n g FAIL IDS 1 1-1", 0),
    ("XNACK n g FAIL IDS 1 1-1 FORCE", 1),
    ("LEASE.PUT lease 0123456789abcdef v", 0),
    ("LOCK.ACQUIRE lock me TTL 100000", 1),
    ("LOCK.ACQUIRE lock you TTL 100000", 0),
    ("LOCK.RENEW lock me TTL 100000", 1),
    ("LOCK.RENEW lock you TTL 100000", 0),
    ("LOCK.FENCE lock 1", 1),
    ("LOCK.RELEASE lock you", 0),
    ("LOCK.RELEASE lock me", 1),
    ("MSET t1 v t2 v", 2),
    ("TAG.ADD t1 a b a", 2),
    ("TAG.ADD t2 a", 1),
    ("TAG.ADD t3 a", 0),
    ("TAG.DROP a c", 2),
    ("TAG.DROP a", 0),
    ("SET noted v", 1),
    ("MEMCACHED.NOTE noted 5 0", 1),
    ("MEMCACHED.NOTE none 5 0", 0),
];

/// Writing commands that have a test of their own here, or none because they are refused.
const APART: [&str; 2] = ["migrate", "restore"];

/// What some oracle counts otherwise.
const OTHERWISE: &[(&str, &str, u64)] = &[
    // Redis 8.6 counts a command, where it counts fields in all others.
    ("redis-8", "HPERSIST h FIELDS 3 a b absent", 1),
    // Valkey does not count a field that was not there, and would be gone at once.
    ("valkey-9", "HSETEX h PXAT 1 FIELDS 2 a 1 absent 1", 1),
    // Before Redis 8 what a consumer was given again counted.
    ("valkey-9", "XREADGROUP GROUP g c COUNT 1 STREAMS s 0", 1),
    ("redis-7", "XREADGROUP GROUP g c COUNT 1 STREAMS s 0", 1),
    // They do not know the option.
    ("valkey-9", "XADD s IDMP p i * a b", 0),
    ("redis-7", "XADD s IDMP p i * a b", 0),
];

/// Redstart, and every oracle that is here.
fn servers() -> Vec<Asked> {
    all(REDSTART, NO_SAVE)
}

const REDSTART: &str = env!("CARGO_BIN_EXE_redstart");
const NO_SAVE: &[&str] = &["--save", "", "--appendonly", "no"];

fn redstart() -> Server {
    support::oracles::redstart(REDSTART, NO_SAVE).server
}

fn changes(client: &mut Client) -> u64 {
    field(client, "rdb_changes_since_last_save").parse().expect("a number")
}

/// How many changes something is.
fn counted(client: &mut Client, f: impl FnOnce(&mut Client)) -> u64 {
    let before = changes(client);
    f(client);
    changes(client) - before
}

fn check(asked: &Asked, table: Counted) {
    let mut client = connect(&asked.server);
    let mut differing = Vec::new();
    for (line, right) in table {
        let mut reply = None;
        let told = counted(&mut client, |client| reply = Some(call(client, line)));
        let is_unknown = |text: &[u8]| text.starts_with(b"ERR unknown command");
        if asked.name != "redstart"
            && matches!(&reply, Some(Value::Error(text)) if is_unknown(text))
        {
            continue;
        }
        let otherwise = OTHERWISE.iter().find(|(name, its, _)| *name == asked.name && its == line);
        if told != otherwise.map_or(*right, |(.., count)| *count) {
            differing.push(format!("{line}: {told}, and {right} is expected: {reply:?}"));
        }
    }
    assert!(differing.is_empty(), "{}: {differing:#?}", asked.name);
}

#[test]
fn every_command_counts_its_changes() {
    for asked in servers() {
        for table in [STRINGS, BITS, LISTS, HASHES, SETS, SORTED_SETS, ALGEBRA, STREAMS, KEYS] {
            check(&asked, table);
            call(&mut connect(&asked.server), "FLUSHALL");
        }
    }
}

#[test]
fn newer_commands_count_their_changes() {
    for asked in servers().iter().filter(|asked| !asked.is_old) {
        check(asked, NEWER);
    }
}

#[test]
fn no_writing_command_is_left_out() {
    let server = redstart();
    let Value::Items(_, commands) = call(&mut connect(&server), "COMMAND") else {
        panic!("COMMAND gives a list")
    };
    let tables = [STRINGS, BITS, LISTS, HASHES, SETS, SORTED_SETS, ALGEBRA, STREAMS, KEYS, NEWER];
    let words = tables.into_iter().flatten().filter_map(|(line, _)| line.split(' ').next());
    let mut known: BTreeSet<String> = words.map(str::to_ascii_lowercase).collect();
    known.extend(APART.map(str::to_owned));
    let mut missing = Vec::new();
    for command in commands {
        let Value::Items(_, fields) = command else { panic!("a command is a list of fields") };
        let [name, _, Value::Items(_, flags), ..] = &fields[..] else { panic!("it has flags") };
        let writes = flags.iter().any(|flag| text(flag.clone()) == "write");
        let name = text(name.clone());
        if writes && !known.contains(&name) {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "they are in no table: {missing:?}");
}

#[test]
fn what_is_in_no_line_counts_too() {
    for Asked { name, server, .. } in servers() {
        println!("{name}");
        let mut client = connect(&server);
        let mut count = |args: &[&[u8]]| {
            counted(&mut client, |client| {
                client.call(args).expect("there is a reply");
            })
        };
        let library = b"#!lua name=l\nredis.register_function('f', \
                        function() return redis.call('RPUSH', 'l', 1, 2) end)";
        assert_eq!(count(&[b"FUNCTION", b"LOAD", library]), 1);
        assert_eq!(count(&[b"FUNCTION", b"LOAD", library]), 0);
        assert_eq!(count(&[b"FUNCTION", b"LOAD", b"REPLACE", library]), 1);
        assert_eq!(count(&[b"FCALL", b"f", b"0"]), 2);
        assert_eq!(count(&[b"FUNCTION", b"DELETE", b"l"]), 1);
        let Value::Bulk(dump) = call(&mut connect(&server), "DUMP l") else { panic!("no dump") };
        assert_eq!(count(&[b"RESTORE", b"m", b"0", &dump]), 1);
        assert_eq!(count(&[b"RESTORE", b"m", b"0", &dump]), 0);
        assert_eq!(count(&[b"RESTORE", b"m", b"0", &dump, b"REPLACE"]), 1);
        assert_eq!(count(&[b"RESTORE", b"m", b"1", &dump, b"REPLACE", b"ABSTTL"]), 1);
    }
}

#[test]
fn a_transaction_counts_what_its_commands_do() {
    for Asked { name, server, .. } in servers() {
        println!("{name}");
        let counted = counted(&mut connect(&server), |client| {
            for line in ["MULTI", "SET a 1", "RPUSH l 1 2 3", "GET a", "EXEC"] {
                call(client, line);
            }
        });
        assert_eq!(counted, 4);
    }
}

/// As Redis from 7.2 on; before, what some were served was not counted.
#[test]
fn what_a_waiting_client_is_served_counts() {
    let server = redstart();
    let (mut client, mut waiting) = (connect(&server), connect(&server));
    for (wait, push, changes) in [
        ("BLPOP w 0", "RPUSH w 1", 2),
        ("BRPOP w 0", "RPUSH w 1 2 3", 4),
        ("BLMPOP 0 1 w LEFT COUNT 9", "RPUSH w 4 5", 4),
        ("BLMOVE w moved LEFT LEFT 0", "RPUSH w 1 2", 3),
        ("BLMOVEM w moved LEFT LEFT 0 EXACTLY 2 BULK", "RPUSH w 1 2", 4),
    ] {
        let served = counted(&mut client, |client| {
            send(&mut waiting, wait);
            until_blocked(client, 1);
            call(client, push);
            reply(&mut waiting);
        });
        assert_eq!(served, changes, "{wait}, then {push}");
        call(&mut client, "DEL w moved");
    }
}

#[test]
fn what_expires_and_what_is_evicted_is_no_change() {
    for Asked { name, server, .. } in servers() {
        println!("{name}");
        let mut client = connect(&server);
        let expired = counted(&mut client, |client| {
            call(client, "SET a 1 PX 1");
            until("the key has expired", || field(client, "expired_keys") == "1");
        });
        assert_eq!(expired, 1);
        let value = "x".repeat(100_000);
        for n in 0..20 {
            call(&mut client, &format!("SET key:{n} {value}"));
        }
        let evicted = counted(&mut client, |client| {
            assert_eq!(call(client, "CONFIG SET maxmemory-policy allkeys-random"), ok());
            assert_eq!(call(client, "CONFIG SET maxmemory 1"), ok());
            until("all keys are evicted", || call(client, "DBSIZE") == Value::Int(0));
        });
        assert_eq!(evicted, 0);
    }
}

#[test]
fn a_save_point_follows_sets_alone() {
    let server = redstart();
    let mut client = connect(&server);
    let saves = field(&mut client, "rdb_saves");
    let before = call(&mut client, "LASTSAVE");
    for n in 0..5 {
        assert_eq!(call(&mut client, &format!("SET key:{n} value")), ok());
    }
    assert_eq!(changes(&mut client), 5);
    let set = client.call(&["CONFIG", "SET", "save", "1 5"]);
    assert_eq!(set.expect("there is a reply"), ok());
    until("a snapshot is saved", || field(&mut client, "rdb_saves") != saves);
    until("LASTSAVE tells it", || call(&mut client, "LASTSAVE") != before);
    assert_eq!(changes(&mut client), 0);
}
