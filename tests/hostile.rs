//! Clients that mean no good, or whose network is bad: broken and endless requests, announced
//! lengths that never come, floods before authentication, one byte at a time, replies that nobody
//! reads. Each is answered clearly and closed or simply waited for; memory stays bounded, and
//! everyone else is served meanwhile.

mod memcached;
#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

#[path = "hostile/http.rs"]
mod http;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::Value;
use support::server::Server;

const MIB: usize = 1 << 20;

fn start(args: &[&str]) -> Server {
    let mut all = vec!["--save", "", "--threads", "1"];
    all.extend(args);
    Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &all).expect("redstart starts")
}

/// The server's resident bytes, as it tells them.
fn resident(client: &mut Client) -> usize {
    let info = client.call(&["INFO", "memory"]).expect("INFO answers");
    let Value::Bulk(text) = info else { panic!("INFO is a bulk string, not {info:?}") };
    let text = String::from_utf8(text).expect("INFO is text");
    let line = text.lines().find_map(|line| line.strip_prefix("used_memory_rss:"));
    line.expect("INFO tells used_memory_rss").trim().parse().expect("a number")
}

fn assert_served(client: &mut Client) {
    let pong = client.call(&["PING"]).expect("others are served");
    assert!(matches!(pong, Value::Simple(text) if text == b"PONG"));
}

/// Sends raw bytes and returns all that comes back until the server closes.
fn until_closed(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout is settable");
    // The server may close before it has all.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn every_breach_is_an_error_and_a_close() {
    let server = start(&[]);
    let breaches: [(&[u8], &str); 12] = [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n+GET\r\n", "expected '$', got '+'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$-9223372036854775808\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        (b"*1\r\n$\r\n", "invalid bulk length"),
        (b"GET \"unbalanced\r\n", "unbalanced quotes in request"),
        (&[b'*'; 70_000], "too big mbulk count string"),
        (&[b'a'; 70_000], "too big inline request"),
    ];
    for (bytes, text) in breaches {
        let answer = String::from_utf8_lossy(&until_closed(server.port(), bytes)).into_owned();
        let wanted = format!("-ERR Protocol error: {text}\r\n");
        assert_eq!(
            answer,
            wanted,
            "for {:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
        );
    }
    assert_served(&mut Client::connect(server.port()).expect("connects"));
}

#[test]
fn what_stands_before_a_breach_is_answered() {
    let server = start(&[]);
    let answer = until_closed(server.port(), b"PING\r\n*1\r\n$4\r\nPING\r\n*1\r\n!x\r\nPING\r\n");
    let wanted = b"+PONG\r\n+PONG\r\n-ERR Protocol error: expected '$', got '!'\r\n";
    assert_eq!(String::from_utf8_lossy(&answer), String::from_utf8_lossy(wanted));
}

#[test]
fn a_browser_is_dropped() {
    let server = start(&[]);
    let request = b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET stolen 1\r\n";
    assert_eq!(until_closed(server.port(), request), b"");
    let mut client = Client::connect(server.port()).expect("connects");
    assert!(matches!(client.call(&["EXISTS", "stolen"]).expect("answers"), Value::Int(0)));
}

#[test]
fn announced_lengths_reserve_nothing() {
    let server = start(&[]);
    let mut client = Client::connect(server.port()).expect("connects");
    let before = resident(&mut client);
    let mut waiting = Vec::new();
    for _ in 0..50 {
        for start in ["*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nx", "*1000000\r\n$3\r\nDEL\r\n"]
        {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("connects");
            stream.write_all(start.as_bytes()).expect("sends");
            waiting.push(stream);
        }
    }
    thread::sleep(Duration::from_millis(200));
    let grown = resident(&mut client).saturating_sub(before);
    assert!(grown < 16 * MIB, "100 announcements cost {grown} bytes");
    assert_served(&mut client);
}

#[test]
fn strangers_have_small_limits() {
    let server = start(&[]);
    let port = server.port();
    let mut client = Client::connect(port).expect("connects");
    client.call(&["CONFIG", "SET", "requirepass", "secret"]).expect("answers");
    let answer = until_closed(port, b"*11\r\n");
    assert_eq!(answer, b"-ERR Protocol error: unauthenticated multibulk length\r\n");
    let answer = until_closed(port, b"*2\r\n$16385\r\n");
    assert_eq!(answer, b"-ERR Protocol error: unauthenticated bulk length\r\n");
    let mut client = Client::connect(port).expect("connects");
    let refused = client.call(&["GET", "k"]).expect("answers");
    assert!(matches!(refused, Value::Error(text) if text == b"NOAUTH Authentication required."));
    client.call(&["AUTH", "secret"]).expect("answers");
    let before = resident(&mut client);
    let flood: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connects");
            let _ = stream.write_all(&b"*2\r\n$4\r\nAUTH\r\n$16000\r\n"[..]);
            let _ = stream.write_all(&[b'x'; 15_000]);
            stream
        })
        .collect();
    thread::sleep(Duration::from_millis(200));
    let grown = resident(&mut client).saturating_sub(before);
    assert!(grown < 32 * MIB, "200 strangers cost {grown} bytes");
    assert_served(&mut client);
    drop(flood);
}

#[test]
fn strangers_that_never_read_are_closed() {
    let server = start(&[]);
    let mut client = Client::connect(server.port()).expect("connects");
    client.call(&["CONFIG", "SET", "requirepass", "secret"]).expect("answers");
    let before = resident(&mut client);
    let connect = || {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).expect("connects");
        stream.set_nonblocking(true).expect("is settable");
        stream
    };
    let mut strangers: Vec<TcpStream> = (0..200).map(|_| connect()).collect();
    for _ in 0..40 {
        for stranger in &mut strangers {
            // Nothing is sent to those that are closed, or while nothing is taken.
            let _ = stranger.write(&b"PING\r\n".repeat(2000));
        }
    }
    let closed = |client: &mut Client| {
        let info = client.call(&["INFO", "stats"]).expect("INFO answers");
        let Value::Bulk(text) = info else { panic!("INFO is a bulk string, not {info:?}") };
        let name = "client_output_buffer_limit_disconnections:";
        let text = String::from_utf8(text).expect("INFO is text");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
        line.unwrap_or(0)
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while closed(&mut client) < strangers.len() {
        assert!(Instant::now() < deadline, "{} are closed", closed(&mut client));
        thread::sleep(Duration::from_millis(5));
    }
    let grown = resident(&mut client).saturating_sub(before);
    assert!(grown < 10 * MIB, "200 strangers cost {grown} bytes");
    // One that has authenticated has other limits, from the next request on.
    let requests = [&b"AUTH secret\r\n"[..], &b"PING\r\n".repeat(20_000)].concat();
    let mut friend = TcpStream::connect(("127.0.0.1", server.port())).expect("connects");
    friend.write_all(&requests).expect("sends");
    let mut answer = vec![0; 5 + 7 * 20_000];
    friend.read_exact(&mut answer).expect("all is answered");
    assert!(answer.ends_with(b"+PONG\r\n"));
}

#[test]
fn a_byte_at_a_time_is_understood_and_holds_nobody_up() {
    let server = start(&[]);
    let mut slow = TcpStream::connect(("127.0.0.1", server.port())).expect("connects");
    slow.set_nodelay(true).expect("is settable");
    let mut client = Client::connect(server.port()).expect("connects");
    for byte in b"*3\r\n$3\r\nSET\r\n$4\r\nslow\r\n$5\r\nvalue\r\n" {
        slow.write_all(&[*byte]).expect("sends");
        assert_served(&mut client);
    }
    let mut answer = [0; 5];
    slow.read_exact(&mut answer).expect("the reply comes");
    assert_eq!(&answer, b"+OK\r\n");
    let value = client.call(&["GET", "slow"]).expect("answers");
    assert!(matches!(value, Value::Bulk(text) if text == b"value"));
}

#[test]
fn many_arguments_in_many_reads_are_parsed_once() {
    let server = start(&[]);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("connects");
    stream.set_nodelay(true).expect("is settable");
    const PAIRS: usize = 200_000;
    let mut request = format!("*{}\r\n$4\r\nMSET\r\n", 2 * PAIRS + 1).into_bytes();
    for n in 0..PAIRS {
        request.extend_from_slice(format!("$8\r\nk{n:07}\r\n$1\r\nv\r\n").as_bytes());
    }
    let start = Instant::now();
    for piece in request.chunks(1400) {
        stream.write_all(piece).expect("sends");
    }
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).expect("the reply comes");
    assert_eq!(&answer, b"+OK\r\n");
    // Quadratic parsing would take minutes; this bound is no measurement.
    assert!(start.elapsed() < Duration::from_secs(120));
    let mut client = Client::connect(server.port()).expect("connects");
    assert!(
        matches!(client.call(&["DBSIZE"]).expect("answers"), Value::Int(n) if n == PAIRS as i64)
    );
}

#[test]
fn large_values_pass_whole() {
    let server = start(&[]);
    let mut client = Client::connect(server.port()).expect("connects");
    for size in [16 * 1024 - 1, 16 * 1024, 100_000, 5 * MIB, 64 * MIB] {
        let value: Vec<u8> = (0..size).map(|n| (n * 31 % 251) as u8).collect();
        let stored = client.call(&[b"SET".as_slice(), b"large", &value]).expect("answers");
        assert!(matches!(stored, Value::Simple(_)), "{size}");
        let Value::Bulk(back) = client.call(&["GET", "large"]).expect("answers") else {
            panic!("no bulk string of {size} bytes")
        };
        assert!(back == value, "{size} bytes came back otherwise");
    }
}

#[test]
fn replies_that_nobody_reads_stay_bounded() {
    let server = start(&[]);
    let mut client = Client::connect(server.port()).expect("connects");
    client.call(&[b"SET".as_slice(), b"k", &[b'v'; 15_000]]).expect("answers");
    let before = resident(&mut client);
    let mut deaf = TcpStream::connect(("127.0.0.1", server.port())).expect("connects");
    deaf.set_write_timeout(Some(Duration::from_millis(300))).expect("is settable");
    let requests = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(10_000);
    // 150 MB of replies each time, none of which is read: at some point nothing more is taken.
    // The kernel's buffers take some megabytes of requests before that.
    let taken = (0..200).take_while(|_| deaf.write_all(&requests).is_ok()).count();
    assert!(taken < 200, "the server went on reading");
    let grown = resident(&mut client).saturating_sub(before);
    assert!(grown < 64 * MIB, "unread replies cost {grown} bytes");
    assert_served(&mut client);
}
