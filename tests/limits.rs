//! Limits of memory: which keys go when it is short, and which clients when they do not read.

#[path = "limits/quotas.rs"]
mod quotas;
#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::{self, Value};
use support::server::Server;
use support::talk::{call, connect, field, ok, reply, send, text, until};

fn start(args: &[&str]) -> Server {
    let mut all = vec!["--save", "", "--threads", "2"];
    all.extend(args);
    Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &all).expect("redstart starts")
}

fn set(client: &mut Client, name: &str, value: &str) {
    let reply = client.call(&["CONFIG", "SET", name, value]).expect("CONFIG SET answers");
    assert_eq!(reply, Value::Simple("OK".into()), "{name} {value}");
}

fn number(client: &mut Client, name: &str) -> u64 {
    field(client, name).parse().expect("a number")
}

fn is_oom(reply: &Value) -> bool {
    matches!(reply, Value::Error(text) if text.starts_with(b"OOM "))
}

/// The sum of a field of CLIENT LIST.
fn clients_field(control: &mut Client, name: &str) -> usize {
    let told = text(call(control, "CLIENT LIST"));
    let of = |line: &str| {
        let mut words = line.split(' ').filter_map(|word| word.split_once('='));
        let (_, value) = words.find(|(found, _)| *found == name).expect("there is such a field");
        value.parse::<usize>().expect("a number")
    };
    told.lines().map(of).sum()
}

/// Sends many commands and waits for all replies.
fn pipeline(client: &mut Client, lines: impl Iterator<Item = String>) -> Vec<Value> {
    let mut sent = 0;
    lines.for_each(|line| {
        send(client, &line);
        sent += 1;
    });
    (0..sent).map(|_| reply(client)).collect()
}

/// Fills the server, uses some of the keys, lets it run short of memory, and tells which are left.
fn survivors(client: &mut Client, names: &[String], used: &[String]) -> Vec<String> {
    let value = "x".repeat(1000);
    for names in names.chunks(200) {
        pipeline(client, names.iter().map(|name| format!("SET {name} {value} EX 10000")));
    }
    for _ in 0..10 {
        pipeline(client, used.iter().map(|name| format!("GET {name}")));
    }
    let counted = number(client, "used_memory") - number(client, "mem_not_counted_for_evict");
    let limit = counted - 1_500_000;
    set(client, "maxmemory", &limit.to_string());
    until("enough was evicted", || {
        call(client, "SET new v");
        number(client, "evicted_keys") > 1000
    });
    set(client, "maxmemory", "0");
    let exist = pipeline(client, names.iter().map(|name| format!("EXISTS {name}")));
    let left = names.iter().zip(exist).filter(|(_, exists)| *exists == Value::Int(1));
    left.map(|(name, _)| name.clone()).collect()
}

#[test]
fn what_is_used_often_stays() {
    let args = ["--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0"];
    let server = start(&args);
    let mut client = connect(&server);
    set(&mut client, "maxmemory-samples", "16");
    let names: Vec<String> = (0..4000).map(|n| format!("key{n}")).collect();
    let left = survivors(&mut client, &names, &names[..40]);
    assert!(left.len() < 3000, "{} are left", left.len());
    assert_eq!(left[..40], names[..40]);
}

#[test]
fn a_read_is_no_use_where_the_policy_asks_for_changes() {
    let server = start(&["--maxmemory-policy", "allkeys-lrm"]);
    let mut client = connect(&server);
    call(&mut client, "SET read v");
    call(&mut client, "SET changed 1");
    std::thread::sleep(std::time::Duration::from_millis(2100));
    call(&mut client, "GET read");
    call(&mut client, "INCR changed");
    let Value::Int(idle_s) = call(&mut client, "OBJECT IDLETIME read") else { panic!("a number") };
    assert!(idle_s >= 1, "{idle_s}");
    assert_eq!(call(&mut client, "OBJECT IDLETIME changed"), Value::Int(0));
}

#[test]
fn without_an_expiry_nothing_goes_by_a_volatile_policy() {
    let server = start(&["--maxmemory-policy", "volatile-lfu"]);
    let mut client = connect(&server);
    pipeline(&mut client, (0..500).map(|n| format!("SET stays{n} v")));
    let names: Vec<String> = (0..4000).map(|n| format!("key{n}")).collect();
    let left = survivors(&mut client, &names, &[]);
    assert!(left.len() < 3000, "{} are left", left.len());
    let stays = pipeline(&mut client, (0..500).map(|n| format!("EXISTS stays{n}")));
    assert!(stays.iter().all(|exists| *exists == Value::Int(1)));
}

#[test]
fn the_key_that_goes_is_chosen_well() {
    let server = start(&["--maxmemory-policy", "allkeys-lfu"]);
    let mut client = connect(&server);
    let names: Vec<String> = (0..4000).map(|n| format!("key{n}")).collect();
    let used: Vec<String> = names.iter().step_by(2).cloned().collect();
    let left = survivors(&mut client, &names, &used);
    let used_left = left.iter().filter(|name| used.contains(name)).count();
    let (gone, used_gone) = (names.len() - left.len(), used.len() - used_left);
    assert!(used_gone * 8 < gone, "{used_gone} of the {gone} that are gone were in use");
}

/// Keys that are used once come to the fourfold of what there is room for, and go again; a key that
/// is used more than those that are least used comes to stay.
#[test]
fn a_scan_displaces_nothing_by_tinylfu() {
    for threads in ["1", "2"] {
        let policy = ["--maxmemory-policy", "allkeys-tinylfu"];
        let binary = Path::new(env!("CARGO_BIN_EXE_redstart"));
        let args = [&["--maxmemory", "12mb", "--save", "", "--threads", threads], &policy[..]];
        let server = Server::start(binary, &args.concat()).expect("redstart starts");
        let mut client = connect(&server);
        let value = "v".repeat(900);
        let hot = |n: usize| format!("hot{n}");
        pipeline(&mut client, (0..4000).map(|n| format!("SET {} {value}", hot(n))));
        for _ in 0..4 {
            pipeline(&mut client, (0..4000).map(|n| format!("GET {}", hot(n))));
        }
        let Value::Int(uses) = call(&mut client, "OBJECT FREQ hot1") else { panic!("a number") };
        assert!((2..=5).contains(&uses), "{uses} uses");
        pipeline(&mut client, (0..40_000).map(|n| format!("SET once{n} {value}")));
        assert!(number(&mut client, "evicted_keys") > 20_000);
        let exist = pipeline(&mut client, (0..4000).map(|n| format!("EXISTS {}", hot(n))));
        let left = exist.iter().filter(|exists| **exists == Value::Int(1)).count();
        assert!(left > 3900, "{left} of 4000 are left, {threads} workers");
        // A newcomer that is asked for again and again stays, too.
        let mut misses = 0;
        for n in 0..30 {
            pipeline(&mut client, (0..500).map(|k| format!("SET next{n}-{k} {value}")));
            if call(&mut client, "GET late") == Value::Nil {
                call(&mut client, &format!("SET late {value}"));
                misses += 1;
            }
        }
        assert!(misses < 10, "missed {misses} times of 30, {threads} workers");
    }
}

#[test]
fn what_grows_beyond_its_arguments_is_within_the_limit() {
    let server = start(&["--maxmemory", "1mb"]);
    let mut client = connect(&server);
    let refused = (0..2000).any(|n| {
        send(&mut client, &format!("SETRANGE key{n} 20000 x"));
        matches!(reply(&mut client), Value::Error(_))
    });
    assert!(refused, "{} bytes are used", number(&mut client, "used_memory"));
}

const LIMIT: &str = "client-output-buffer-limit";

/// Publishes until nobody listens any more.
fn publish_all(publisher: &mut Client) {
    let message = "m".repeat(100_000);
    until("the listener is closed", || {
        call(publisher, &format!("PUBLISH channel {message}")) == Value::Int(0)
    });
}

#[test]
fn a_listener_that_does_not_read_is_closed() {
    let server = start(&[]);
    let (mut control, mut deaf) = (connect(&server), connect(&server));
    set(&mut control, LIMIT, "pubsub 1mb 0 0");
    assert!(matches!(call(&mut deaf, "SUBSCRIBE channel"), Value::Items(..)));
    publish_all(&mut control);
    assert_eq!(number(&mut control, "client_output_buffer_limit_disconnections"), 1);
    until("it is gone", || text(call(&mut control, "CLIENT LIST TYPE pubsub")).is_empty());
    // Others are subject to other limits.
    call(&mut control, "CONFIG RESETSTAT");
    assert_eq!(number(&mut control, "client_output_buffer_limit_disconnections"), 0);
}

#[test]
fn beyond_the_soft_limit_there_is_some_time() {
    let server = start(&[]);
    let (mut control, mut deaf) = (connect(&server), connect(&server));
    set(&mut control, LIMIT, "pubsub 0 100kb 1");
    assert!(matches!(call(&mut deaf, "SUBSCRIBE channel"), Value::Items(..)));
    // One that reads, if late, stays.
    let mut late = connect(&server);
    assert!(matches!(call(&mut late, "SUBSCRIBE other"), Value::Items(..)));
    let message = "m".repeat(100_000);
    let waits = |line: &str| {
        let omem = line.split(' ').find_map(|word| word.strip_prefix("omem=")).expect("omem");
        omem.parse::<u64>().expect("a number") > 200_000
    };
    until("something waits", || {
        call(&mut control, &format!("PUBLISH channel {message}"));
        text(call(&mut control, "CLIENT LIST TYPE pubsub")).lines().any(waits)
    });
    until("it is closed", || {
        // The system may yet take what waits.
        call(&mut control, &format!("PUBLISH channel {message}"));
        number(&mut control, "client_output_buffer_limit_disconnections") == 1
    });
    assert_eq!(call(&mut control, "PUBLISH other m"), Value::Int(1));
    assert!(matches!(reply(&mut late), Value::Items(..)));
}

#[test]
fn a_client_that_asks_for_too_much_is_closed() {
    let server = start(&[]);
    let (mut control, mut greedy) = (connect(&server), connect(&server));
    call(&mut control, &format!("SET big {}", "x".repeat(400_000)));
    // Without a limit a long reply is no offence.
    assert!(matches!(call(&mut greedy, "MGET big big big"), Value::Items(..)));
    set(&mut control, LIMIT, "normal 1mb 0 0");
    assert!(matches!(call(&mut greedy, "GET big"), Value::Bulk(_)));
    send(&mut greedy, "MGET big big big");
    assert!(greedy.is_closed());
    assert_eq!(number(&mut control, "client_output_buffer_limit_disconnections"), 1);
    assert_eq!(call(&mut control, "PING"), Value::Simple("PONG".into()));
}

#[test]
fn when_clients_take_too_much_the_largest_go() {
    let server = start(&[]);
    let mut control = connect(&server);
    let mut greedy: Vec<Client> = (0..4).map(|_| connect(&server)).collect();
    assert_eq!(call(&mut greedy[0], "CLIENT NO-EVICT ON"), Value::Simple("OK".into()));
    // The beginnings of long requests: of 3 MB, of 1 MB ...
    for (n, client) in greedy.iter_mut().enumerate() {
        let bytes = if n < 2 { 3 << 20 } else { 1 << 20 };
        let head = "*2\r\n$4\r\nECHO\r\n$10000000\r\n";
        client.send(&[head.as_bytes(), &vec![b'x'; bytes]].concat()).expect("it is sent");
    }
    let held = |told: String| {
        let qbuf = |line: &str| {
            let bytes = line.split(' ').find_map(|word| word.strip_prefix("qbuf=")).expect("qbuf");
            bytes.parse::<usize>().expect("a number")
        };
        told.lines().map(qbuf).sum::<usize>()
    };
    until("all has arrived", || held(text(call(&mut control, "CLIENT LIST"))) >= 8 << 20);
    assert_eq!(number(&mut control, "evicted_clients"), 0);
    set(&mut control, "maxmemory-clients", "4mb");
    until("one is evicted", || number(&mut control, "evicted_clients") == 1);
    assert!(greedy[1].is_closed());
    // The rest is within the limit, since one that is to be kept does not count.
    set(&mut control, "maxmemory-clients", "0");
    assert_eq!(text(call(&mut control, "CLIENT LIST")).lines().count(), 4);
}

#[test]
fn what_a_transaction_queues_is_within_the_limit() {
    let server = start(&["--maxmemory", "8mb", "--maxmemory-policy", "noeviction"]);
    let (mut control, mut client) = (connect(&server), connect(&server));
    let value = "x".repeat(100_000);
    assert_eq!(call(&mut client, "MULTI"), ok());
    let sets = (0..150).map(|n| format!("SET key{n} {value}"));
    let refused = pipeline(&mut client, sets).iter().filter(|reply| is_oom(reply)).count();
    assert!((60..140).contains(&refused), "{refused} of 150 are refused");
    let queued = clients_field(&mut control, "multi-mem");
    assert!((1 << 20..9 << 20).contains(&queued), "{queued} bytes are queued");
    // Others feel it, too.
    assert!(is_oom(&call(&mut control, &format!("SET other {value}"))));
    let aborted = text(call(&mut client, "EXEC"));
    assert!(aborted.starts_with("EXECABORT"), "{aborted}");
    assert_eq!(call(&mut control, "DBSIZE"), Value::Int(0));
    until("there is room again", || call(&mut control, &format!("SET other {value}")) == ok());
}

#[test]
fn a_transaction_that_fits_is_run_and_counts_once() {
    let server = start(&["--maxmemory", "8mb", "--maxmemory-policy", "noeviction"]);
    let mut client = connect(&server);
    let value = "x".repeat(30_000);
    assert_eq!(call(&mut client, "MULTI"), ok());
    // More than half of the limit: what is queued and what becomes of it are not both in memory.
    let queued = pipeline(&mut client, (0..180).map(|n| format!("SET key{n} {value}")));
    assert!(queued.iter().all(|reply| *reply == Value::Simple("QUEUED".into())));
    let Value::Items(_, replies) = call(&mut client, "EXEC") else { panic!("EXEC runs") };
    assert_eq!(replies.len(), 180);
    assert!(replies.iter().all(|reply| *reply == ok()));
    assert_eq!(clients_field(&mut client, "multi-mem"), 0);
}

#[test]
fn limits_of_clients_see_what_they_queue() {
    let server = start(&["--client-query-buffer-limit", "1mb"]);
    let (mut control, mut client) = (connect(&server), connect(&server));
    let value = "x".repeat(100_000);
    let queue = |client: &mut Client, count: usize| {
        (0..count).any(|n| {
            let line = format!("SET key{n} {value}");
            let words: Vec<&str> = line.split(' ').collect();
            client.call(&words).is_err()
        })
    };
    call(&mut client, "MULTI");
    assert!(queue(&mut client, 20), "the client is closed");
    assert_eq!(number(&mut control, "client_query_buffer_limit_disconnections"), 1);
    set(&mut control, "client-query-buffer-limit", "100mb");
    set(&mut control, "maxmemory-clients", "2mb");
    let mut client = connect(&server);
    call(&mut client, "MULTI");
    assert!(queue(&mut client, 40), "the client is closed");
    assert_eq!(number(&mut control, "evicted_clients"), 1);
    assert_eq!(call(&mut control, "DBSIZE"), Value::Int(0));
}

#[test]
fn a_key_makes_room_for_one_that_is_larger_than_many() {
    let server = start(&["--maxmemory", "8mb", "--maxmemory-policy", "allkeys-random"]);
    let mut client = connect(&server);
    pipeline(&mut client, (0..40_000).map(|n| format!("SET key{n} {n:0100}")));
    let value = "x".repeat(1_000_000);
    for n in 0..20 {
        assert_eq!(call(&mut client, &format!("SET large{n} {value}")), ok());
        let used = number(&mut client, "used_memory");
        assert!(used < 10_500_000, "{used} bytes are used");
    }
    assert!(number(&mut client, "evicted_keys") > 10_000);
}

/// Clients that ask for much and read nothing.
fn deaf_clients(server: &Server, count: usize, request: &str, times: usize) -> Vec<TcpStream> {
    let words: Vec<Vec<u8>> = request.split(' ').map(|word| word.into()).collect();
    let requests = resp::request(&words).repeat(times);
    let deaf = (0..count).map(|_| {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("connects");
        stream.write_all(&requests).expect("the requests are sent");
        stream
    });
    deaf.collect()
}

/// A list whose LRANGE takes a bit more than a megabyte.
fn fill_list(client: &mut Client) {
    let line = format!("RPUSH list{}", format!(" {}", "z".repeat(100)).repeat(100));
    pipeline(client, (0..100).map(|_| line.clone()));
}

#[test]
fn a_batch_of_large_replies_stops_when_nobody_reads() {
    let server = start(&[]);
    let mut control = connect(&server);
    fill_list(&mut control);
    let deaf = deaf_clients(&server, 20, "LRANGE list 0 -1", 64);
    until("all wait", || {
        let told = text(call(&mut control, "CLIENT LIST"));
        told.lines().filter(|line| !line.contains(" omem=0 ")).count() == deaf.len()
    });
    // Of each reply a piece is made at a time.
    let held = clients_field(&mut control, "omem");
    assert!(held < deaf.len() * 600_000, "{held} bytes wait");
    // Others are served meanwhile. The machine has more to do than this: one round has to be quick.
    let rounds = (0..10).map(|_| {
        let _more = deaf_clients(&server, 20, "LRANGE list 0 -1", 64);
        let waits = (0..50).map(|_| {
            let began = Instant::now();
            call(&mut control, "PING");
            began.elapsed()
        });
        waits.max().unwrap_or_default()
    });
    let quickest = rounds.min().unwrap_or_default();
    assert!(quickest < Duration::from_millis(50), "others waited {quickest:?}");
}

#[test]
fn the_output_of_all_clients_has_a_limit() {
    let server = start(&["--client-output-total-limit", "4mb"]);
    let mut control = connect(&server);
    fill_list(&mut control);
    let _deaf = deaf_clients(&server, 20, "EVAL return{redis.call('lrange','list',0,-1)} 0", 64);
    until("some are closed", || {
        number(&mut control, "client_output_buffer_limit_disconnections") > 10
    });
    let held = clients_field(&mut control, "omem");
    assert!(held <= 4_000_000, "{held} bytes wait");
    // A client that reads is none of the worst.
    assert_eq!(call(&mut control, "LLEN list"), Value::Int(10_000));
    set(&mut control, "client-output-total-limit", "0");
}

#[test]
fn a_large_reply_is_made_in_pieces_and_is_as_it_was_at_its_moment() {
    let server = start(&[]);
    let (mut control, mut client) = (connect(&server), connect(&server));
    let element = |n: usize| format!("{n:0100}").into_bytes();
    let names = |from: usize| (from..from + 500).map(|n| format!(" {n:0100}")).collect::<String>();
    let pairs =
        |from: usize| (from..from + 500).map(|n| format!(" {n} {n:0100}")).collect::<String>();
    let groups: Vec<usize> = (0..60).map(|n| n * 500).collect();
    pipeline(&mut control, groups.iter().map(|n| format!("RPUSH list{}", names(*n))));
    pipeline(&mut control, groups.iter().map(|n| format!("HSET hash{}", pairs(*n))));
    pipeline(&mut control, groups.iter().map(|n| format!("SADD set{}", names(*n))));
    let list: Vec<Value> = (0..30_000).map(|n| Value::Bulk(element(n))).collect();
    // All is asked for at once; nothing is read before all has changed.
    ["LRANGE list 0 -1", "PING", "SMEMBERS set"].iter().for_each(|line| send(&mut client, line));
    until("something waits", || clients_field(&mut control, "omem") > 0);
    let values = ["DEL list", "RPUSH list new", "LPUSH list newer", "SADD set more"];
    values.iter().for_each(|line| drop(call(&mut control, line)));
    let Value::Items(_, found) = reply(&mut client) else { panic!("a list") };
    assert!(found == list, "the list is as it was");
    assert_eq!(reply(&mut client), Value::Simple("PONG".into()));
    let Value::Items(_, mut members) = reply(&mut client) else { panic!("a set") };
    members.sort_by_key(|member| format!("{member:?}"));
    members.retain(|member| *member != Value::Bulk("more".into()));
    assert!(members == list, "all members are there");
    let Value::Items(_, fields) = call(&mut client, "HGETALL hash") else { panic!("a hash") };
    let in_place = |pair: &[Value]| match pair {
        [Value::Bulk(field), Value::Bulk(value)] => {
            String::from_utf8_lossy(field).parse().is_ok_and(|n| element(n) == *value)
        }
        _ => false,
    };
    assert!(fields.len() == 60_000 && fields.chunks(2).all(in_place), "all fields are there");
    // Neither a transaction nor a silenced client has anything in the midst of a reply.
    call(&mut control, "MULTI");
    pipeline(&mut control, ["SMEMBERS set", "LLEN list"].map(String::from).into_iter());
    let Value::Items(_, replies) = call(&mut control, "EXEC") else { panic!("EXEC runs") };
    assert_eq!(replies[1], Value::Int(2));
    assert!(matches!(&replies[0], Value::Items(_, members) if members.len() == 30_001));
    send(&mut control, "CLIENT REPLY SKIP");
    send(&mut control, "SMEMBERS set");
    assert_eq!(call(&mut control, "PING"), Value::Simple("PONG".into()));
}

#[test]
fn names_and_draws_come_in_pieces() {
    let server = start(&[]);
    let mut client = connect(&server);
    let lines = (0..20).map(|n| {
        let keys = n * 1000..(n + 1) * 1000;
        format!("MSET{}", keys.map(|key| format!(" {key:040} v")).collect::<String>())
    });
    pipeline(&mut client, lines);
    let Value::Items(_, mut keys) = call(&mut client, "KEYS *") else { panic!("names") };
    keys.sort_by_key(|key| format!("{key:?}"));
    assert!(keys.iter().cloned().eq((0..20_000).map(|n| Value::Bulk(format!("{n:040}").into()))));
    let Value::Items(_, scanned) = call(&mut client, "SCAN 0 COUNT 100000") else { panic!("SCAN") };
    assert!(matches!(&scanned[1], Value::Items(_, names) if names.len() == 20_000));
    call(&mut client, "HSET hash a 1 b 2 c 3");
    call(&mut client, "SADD set a b c");
    for line in ["HRANDFIELD hash -100000", "SRANDMEMBER set -100000"] {
        let Value::Items(_, drawn) = call(&mut client, line) else { panic!("{line}") };
        assert_eq!(drawn.len(), 100_000, "{line}");
        let count =
            |wanted: &str| drawn.iter().filter(|it| **it == Value::Bulk(wanted.into())).count();
        assert_eq!(["a", "b", "c"].map(count).iter().sum::<usize>(), 100_000);
        assert!(["a", "b", "c"].map(count).iter().all(|count| *count > 30_000), "{line}");
    }
    // No data stands behind a count.
    for line in ["HRANDFIELD hash -9000000000", "SRANDMEMBER set -9000000000"] {
        assert_eq!(text(call(&mut client, line)), "ERR value is out of range", "{line}");
    }
}

/// A reply that is worked at before anything of it can be written holds nobody up, and what comes
/// behind it waits for it.
#[test]
fn what_takes_long_is_done_in_pieces() {
    let server = start(&[]);
    let (mut control, mut client) = (connect(&server), connect(&server));
    let numbers = |from: usize| (from..from + 500).map(|n| format!(" {n:040}")).collect::<String>();
    let groups: Vec<usize> = (0..100).rev().map(|n| n * 500).collect();
    pipeline(&mut control, groups.iter().map(|n| format!("RPUSH list{}", numbers(*n))));
    pipeline(&mut control, groups.iter().map(|n| format!("SADD set{}", numbers(*n))));
    let all: Vec<Value> = (0..50_000).map(|n| Value::Bulk(format!("{n:040}").into())).collect();
    let lines = ["SORT list", "PING", "SINTERCARD 2 set set", "SINTER set set", "SORT list DESC"];
    lines.iter().for_each(|line| send(&mut client, line));
    assert_eq!(call(&mut control, "LLEN list"), Value::Int(50_000));
    let Value::Items(_, found) = reply(&mut client) else { panic!("a list") };
    assert!(found == all, "the list is sorted");
    assert_eq!(reply(&mut client), Value::Simple("PONG".into()));
    assert_eq!(reply(&mut client), Value::Int(50_000));
    let Value::Items(_, mut found) = reply(&mut client) else { panic!("a set") };
    found.sort_by_key(|member| format!("{member:?}"));
    assert!(found == all, "all members are there");
    let Value::Items(_, found) = reply(&mut client) else { panic!("a list") };
    assert!(found.iter().eq(all.iter().rev()), "the list is sorted");
    // A client that is killed meanwhile, or goes away, leaves nothing behind.
    lines.iter().for_each(|line| send(&mut client, line));
    drop(client);
    let mut killed = connect(&server);
    let id = text(call(&mut killed, "CLIENT INFO"));
    let id = id.split(' ').next().and_then(|id| id.strip_prefix("id=")).expect("an id");
    lines.iter().for_each(|line| send(&mut killed, line));
    call(&mut control, &format!("CLIENT KILL ID {id}"));
    until("they are gone", || text(call(&mut control, "CLIENT LIST")).lines().count() == 1);
    // In a transaction all is done at once.
    call(&mut control, "MULTI");
    pipeline(&mut control, ["SORT list", "SINTER set set"].map(String::from).into_iter());
    let Value::Items(_, replies) = call(&mut control, "EXEC") else { panic!("EXEC runs") };
    assert!(matches!(&replies[0], Value::Items(_, found) if *found == all));
    assert!(matches!(&replies[1], Value::Items(_, found) if found.len() == 50_000));
}

#[test]
fn a_pattern_that_takes_too_long_is_refused() {
    let server = start(&[]);
    let mut client = connect(&server);
    let long = "a".repeat(100_000);
    call(&mut client, &format!("SET {long} v"));
    call(&mut client, &format!("HSET hash {long} v"));
    call(&mut client, &format!("SADD set {long}"));
    let pattern = format!("*{}b", "a".repeat(50_000));
    for line in ["KEYS", "SCAN 0 COUNT 1000 MATCH", "HSCAN hash 0 MATCH", "SSCAN set 0 MATCH"] {
        let refused = text(call(&mut client, &format!("{line} {pattern}")));
        assert!(refused.starts_with("ERR The pattern takes too long"), "{line}: {refused}");
    }
    assert!(matches!(call(&mut client, "KEYS *a*"), Value::Items(_, names) if names.len() == 2));
}
