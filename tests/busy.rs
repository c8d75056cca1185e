//! A script that runs for too long: the other clients of every worker get -BUSY, and may end it
//! unless it has written.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::{self, Value};
use support::server::Server;
use support::talk::{call, connect, ok};

const BUSY: &str = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or \
                    SHUTDOWN NOSAVE.";
const BUSY_FUNCTION: &str = "BUSY Redis is busy running a script. You can only call FUNCTION KILL \
                             or SHUTDOWN NOSAVE.";
const ENDLESS: &str = "while true do end";
const PATIENCE: Duration = Duration::from_secs(60);

fn start(threads: &str) -> Server {
    let args = ["--save", "", "--threads", threads, "--busy-reply-threshold", "50"];
    Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &args).expect("redstart starts")
}

fn send(client: &mut Client, args: &[&str]) {
    let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_bytes().to_vec()).collect();
    client.send(&resp::request(&args)).expect("the request is sent");
}

fn error(text: &str) -> Value {
    Value::Error(text.into())
}

/// Waits until a command gets the wanted reply; each reply until then is one of `until`.
fn wait_for(client: &mut Client, line: &str, wanted: &Value, until: &[Value]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = call(client, line);
        if reply == *wanted {
            return;
        }
        assert!(until.contains(&reply), "{line}: {reply:?}");
        assert!(Instant::now() < deadline, "{line}: still {reply:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until PING gets this error. On the script's own worker it gets no reply at first.
fn wait_until_busy(client: &mut Client, text: &str) {
    wait_for(client, "PING", &error(text), &[Value::Simple(b"PONG".to_vec())]);
}

/// Starts a script and ends it, with `meanwhile` between, for one worker and for two, with and
/// without keys.
fn while_busy(meanwhile: impl Fn(&Server, &mut [Client])) {
    for threads in ["1", "2"] {
        let server = start(threads);
        let mut clients: Vec<_> = (0..4).map(|_| connect(&server)).collect();
        for keys in [&["0"][..], &["1", "k"][..]] {
            let mut caller = connect(&server);
            send(&mut caller, &[&["EVAL", ENDLESS], keys].concat());
            clients.iter_mut().for_each(|client| wait_until_busy(client, BUSY));
            meanwhile(&server, &mut clients);
            // A client that comes now can end it, too.
            assert_eq!(call(&mut connect(&server), "SCRIPT KILL"), ok());
            let ended = caller.reply().expect("the script ends");
            assert!(matches!(&ended, Value::Error(text) if text.starts_with(b"ERR")), "{ended:?}");
            for client in &mut clients {
                wait_for(client, "PING", &Value::Simple(b"PONG".to_vec()), &[error(BUSY)]);
            }
        }
    }
}

#[test]
fn clients_of_every_worker_get_the_error() {
    while_busy(|server, clients| {
        let mut newcomer = connect(server);
        for client in clients.iter_mut().chain([&mut newcomer]) {
            for line in ["GET k", "GET other", "SET k v", "KEYS *", "INFO", "CONFIG GET port"] {
                assert_eq!(call(client, line), error(BUSY), "{line}");
            }
            for line in ["EVAL return 0", "SHUTDOWN", "FUNCTION STATS", "FUNCTION KILL"] {
                assert_eq!(call(client, line), error(BUSY), "{line}");
            }
            assert_eq!(call(client, "RESET"), Value::Simple(b"RESET".to_vec()));
            assert!(matches!(call(client, "HELLO 3"), Value::Items(resp::Kind::Map, _)));
            assert!(matches!(call(client, "HELLO 2"), Value::Items(resp::Kind::Array, _)));
        }
        assert_eq!(call(&mut newcomer, "QUIT"), ok());
        assert!(newcomer.is_closed());
    });
}

#[test]
fn transactions_end_whole() {
    while_busy(|_, clients| {
        let client = &mut clients[0];
        assert_eq!(call(client, "MULTI"), ok());
        assert_eq!(call(client, "SET k v"), error(BUSY));
        let aborted = error(&format!("EXECABORT Transaction discarded because of: {BUSY}"));
        assert_eq!(call(client, "EXEC"), aborted);
        assert_eq!(call(client, "WATCH k other"), ok());
        assert_eq!(call(client, "UNWATCH"), ok());
        assert_eq!(call(client, "MULTI"), ok());
        assert_eq!(call(client, "DISCARD"), ok());
        assert_eq!(call(&mut clients[1], "WATCH k other"), ok());
    });
}

#[test]
fn pipelines_and_pieces_of_requests_are_kept_whole() {
    while_busy(|_, clients| {
        let client = &mut clients[0];
        // More than a batch takes.
        let pings: Vec<u8> = b"PING\r\n".repeat(2500);
        client.send(&pings).expect("it is sent");
        for _ in 0..2500 {
            assert_eq!(client.reply().expect("a reply"), error(BUSY));
        }
        let request = resp::request(&[b"ECHO".to_vec(), vec![b'x'; 50_000]]);
        let (first, second) = request.split_at(20_000);
        client.send(first).expect("it is sent");
        assert_eq!(call(&mut clients[1], "PING"), error(BUSY));
        clients[0].send(second).expect("it is sent");
        assert_eq!(clients[0].reply().expect("a reply"), error(BUSY));
    });
}

#[test]
fn a_request_that_is_split_by_the_end_of_the_script_is_whole() {
    let server = start("1");
    let (mut caller, mut client) = (connect(&server), connect(&server));
    send(&mut caller, &["EVAL", ENDLESS, "0"]);
    wait_until_busy(&mut client, BUSY);
    client.send(b"*2\r\n$4\r\nECHO\r\n$5\r\nhe").expect("it is sent");
    let mut other = connect(&server);
    assert_eq!(call(&mut other, "PING"), error(BUSY));
    assert_eq!(call(&mut other, "SCRIPT KILL"), ok());
    caller.reply().expect("the script ends");
    client.send(b"llo\r\nPING\r\n").expect("it is sent");
    assert_eq!(client.reply().expect("a reply"), Value::Bulk(b"hello".to_vec()));
    assert_eq!(client.reply().expect("a reply"), Value::Simple(b"PONG".to_vec()));
}

#[test]
fn a_request_that_waits_already_gets_the_error_when_the_script_is_too_long() {
    let server = start("2");
    let mut clients: Vec<_> = (0..4).map(|_| connect(&server)).collect();
    let mut caller = connect(&server);
    // The server is not busy yet for as long as this takes; if it is, that is as good.
    send(&mut caller, &["EVAL", ENDLESS, "0"]);
    for (client, line) in
        clients.iter_mut().zip(["GET k", "LPUSH l 1", "LRANGE l 0 -1", "EXISTS a b"])
    {
        send(client, &line.split(' ').collect::<Vec<_>>());
    }
    for client in &mut clients {
        let reply = client.reply().expect("a reply");
        // Requests that came before the script have got their usual replies.
        let early = [Value::Nil, Value::Int(0), Value::Int(1)].contains(&reply);
        assert!(early || reply == error(BUSY) || matches!(reply, Value::Items(..)), "{reply:?}");
    }
    assert_eq!(call(&mut clients[0], "SCRIPT KILL"), ok());
}

#[test]
fn what_has_written_cannot_be_killed() {
    let server = start("2");
    let (mut caller, mut other) = (connect(&server), connect(&server));
    // It ends by itself after a while, which no client can change.
    let script = "redis.call('SET', 'k', 1) local n = 0 \
                  while n < 30000000 do n = n + 1 end return n";
    send(&mut caller, &["EVAL", script, "1", "k"]);
    let unkillable = |reply: &Value| {
        let Value::Error(text) = reply else { return false };
        text.starts_with(b"UNKILLABLE Sorry the script")
    };
    let not_busy = error("NOTBUSY No scripts in execution right now.");
    let deadline = Instant::now() + PATIENCE;
    let mut refused = false;
    while !refused && Instant::now() < deadline {
        let reply = call(&mut other, "SCRIPT KILL");
        refused = unkillable(&reply);
        assert!(refused || reply == not_busy, "{reply:?}");
        // What would end a script is not said of one that nothing ends.
        let reply = call(&mut other, "FUNCTION KILL");
        assert!(unkillable(&reply) || !refused && reply == not_busy, "{reply:?}");
        if call(&mut other, "GET k") == Value::Bulk(b"1".to_vec()) {
            break;
        }
    }
    assert_eq!(caller.reply().expect("it ends by itself"), Value::Int(30_000_000));
    assert_eq!(call(&mut other, "GET k"), Value::Bulk(b"1".to_vec()));
}

#[test]
fn functions_have_a_kill_of_their_own() {
    let server = start("2");
    let (mut caller, mut other) = (connect(&server), connect(&server));
    let library = "#!lua name=l\nredis.register_function('f', function() while true do end end)";
    other.call(&["FUNCTION", "LOAD", library]).expect("it is loaded");
    send(&mut caller, &["FCALL", "f", "0"]);
    wait_until_busy(&mut other, BUSY_FUNCTION);
    assert_eq!(call(&mut other, "SCRIPT KILL"), error(BUSY_FUNCTION));
    let Value::Items(_, stats) = call(&mut other, "FUNCTION STATS") else { panic!("a map") };
    let Value::Items(_, running) = &stats[1] else { panic!("{stats:?}") };
    assert_eq!(running[1], Value::Bulk(b"f".to_vec()));
    assert_eq!(call(&mut other, "FUNCTION KILL"), ok());
    assert!(matches!(caller.reply().expect("it ends"), Value::Error(_)));
    wait_for(&mut other, "PING", &Value::Simple(b"PONG".to_vec()), &[error(BUSY_FUNCTION)]);
}

#[test]
fn a_pattern_that_matches_for_ever_can_be_killed() {
    let server = start("2");
    let mut other = connect(&server);
    for find in
        ["string.find(s, p)", "s:match(p)", "(s:gsub(p, ''))", "s:gmatch(p)()", "s:find(p, 2)"]
    {
        let mut caller = connect(&server);
        let script = format!("local s, p = ('a'):rep(80), ('a*'):rep(40) .. 'b' return {find}");
        send(&mut caller, &["EVAL", &script, "0"]);
        wait_until_busy(&mut other, BUSY);
        assert_eq!(call(&mut other, "SCRIPT KILL"), ok(), "{find}");
        assert!(matches!(caller.reply().expect("it ends"), Value::Error(_)), "{find}");
        wait_for(&mut other, "PING", &Value::Simple(b"PONG".to_vec()), &[error(BUSY)]);
    }
}

/// A script that is known to stay within its key, and runs for ever when its argument says so.
const LOOPING: &str = "redis.call('GET', KEYS[1]) while ARGV[1] == 'go' do end";

#[test]
fn a_walk_from_shard_to_shard_gets_the_error() {
    let server = start("2");
    let mut clients: Vec<_> = (0..12).map(|_| connect(&server)).collect();
    let mut control = connect(&server);
    call(&mut control, "SET other v");
    for line in ["DBSIZE", "RANDOMKEY", "SCAN 0 COUNT 5000", "INFO", "MEMORY DOCTOR", "KEYS *"] {
        let mut caller = connect(&server);
        caller.call(&["EVAL", LOOPING, "1", "k", ""]).expect("it is learnt");
        send(&mut caller, &["EVAL", LOOPING, "1", "k", "go"]);
        // Some come before the script, some while it is not too long yet, some later.
        let words: Vec<&str> = line.split(' ').collect();
        clients.iter_mut().for_each(|client| send(client, &words));
        for client in &mut clients {
            let reply = client.reply().expect("a reply");
            let failed = matches!(&reply, Value::Error(_));
            assert!(!failed || reply == error(BUSY), "{line}: {reply:?}");
        }
        wait_until_busy(&mut control, BUSY);
        assert_eq!(call(&mut control, "SCRIPT KILL"), ok());
        caller.reply().expect("the script ends");
        wait_for(&mut control, "PING", &Value::Simple(b"PONG".to_vec()), &[error(BUSY)]);
    }
}

#[test]
fn a_request_that_gives_way_to_a_waiting_script_gets_the_error() {
    // Writes, and then waits for the key of the script that runs for ever.
    const WAITING: &str = "redis.call('SET', KEYS[1], 1) return redis.call('EXISTS', ARGV[1])";
    for _ in 0..4 {
        let server = start("4");
        let mut control = connect(&server);
        control.call(&["EVAL", LOOPING, "1", "k", ""]).expect("it is learnt");
        control.call(&["EVAL", WAITING, "1", "w", "w"]).expect("it is learnt");
        let (mut caller, mut waiter) = (connect(&server), connect(&server));
        let mut clients: Vec<_> = (0..6).map(|_| connect(&server)).collect();
        send(&mut caller, &["EVAL", LOOPING, "1", "k", "go"]);
        send(&mut waiter, &["EVAL", WAITING, "1", "w", "k"]);
        for (client, line) in
            clients.iter_mut().zip(["KEYS *", "FLUSHALL", "EVAL return 0"].iter().cycle())
        {
            send(client, &line.split(' ').collect::<Vec<_>>());
        }
        for client in &mut clients {
            client.reply().expect("a reply while the script runs");
            wait_until_busy(client, BUSY);
        }
        wait_until_busy(&mut control, BUSY);
        assert_eq!(call(&mut control, "SCRIPT KILL"), ok());
        caller.reply().expect("the script ends");
        let reply = waiter.reply().expect("it waits no longer");
        assert!([Value::Int(0), error(BUSY)].contains(&reply), "{reply:?}");
    }
}

#[test]
fn the_server_can_be_stopped() {
    for threads in ["1", "2"] {
        let mut server = start(threads);
        let (mut caller, mut other) = (connect(&server), connect(&server));
        send(&mut caller, &["EVAL", ENDLESS, "0"]);
        wait_until_busy(&mut other, BUSY);
        send(&mut other, &["SHUTDOWN", "NOSAVE"]);
        let deadline = Instant::now() + PATIENCE;
        while server.is_running() {
            assert!(Instant::now() < deadline, "it still runs");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
