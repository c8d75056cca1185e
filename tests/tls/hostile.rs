//! What comes to the port that is no handshake, a broken one, or one that does not go on: it has a
//! clear end, takes little, and others are served.

use crate::client::{TlsClient, showing};
use crate::{Served, call, simple};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A handshake that is not over by then is not waited for, and some time to see it.
const DEADLINE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(40);

fn raw(served: &Served) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", served.port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
    stream
}

/// How long it takes until the server ends the connection, and what it says before.
fn end_of(mut stream: TcpStream) -> (Duration, Vec<u8>) {
    let began = Instant::now();
    let mut said = Vec::new();
    // A reset is an end, too.
    let ended = stream.read_to_end(&mut said);
    let timed_out = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!timed_out, "it does not end");
    (began.elapsed(), said)
}

#[test]
fn what_is_no_handshake_ends_at_once() {
    let served = Served::new("plain", &["--tls-auth-clients", "no"]);
    let mut other = served.connect(None);
    for bytes in [
        &b"PING\r\n"[..],
        &b"*1\r\n$4\r\nPING\r\n".repeat(1000),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",
        b"\x17\x03\x03\x00\x10aaaaaaaaaaaaaaaa",
        &[&b"\x16\x03\x01\xff\xff"[..], &[b'a'; 70_000]].concat(),
    ] {
        let mut stream = raw(&served);
        // It may have ended before all of that is sent.
        let _ = stream.write_all(bytes);
        let (time, said) = end_of(stream);
        assert!(time < DEADLINE, "{time:?}");
        // Nothing, or to what may be TLS a fatal alert.
        assert!(said.is_empty() || bytes[1] == 3 && said[0] == 0x15, "{said:?}");
        assert_eq!(other.call("PING").expect("it answers"), simple("PONG"));
    }
    served.wait_for_log("TLS handshake with 127.0.0.1:");
}

/// The most memory that a handshake may take that does not go on: a record, and what it is told in.
const HALF_BYTES: u64 = 64 << 10;

fn used_memory(served: &Served) -> u64 {
    let told = call(&mut served.plain(), "INFO memory");
    let used = told.lines().find_map(|line| line.strip_prefix("used_memory:"));
    used.and_then(|used| used.trim().parse().ok()).expect("it is told")
}

/// `REDSTART_HALF_OPEN=5000` (`make handshakes`) opens more.
#[test]
fn handshakes_that_do_not_go_on_end_and_others_are_served() {
    let count = std::env::var("REDSTART_HALF_OPEN").ok().and_then(|count| count.parse().ok());
    let count = count.unwrap_or(300);
    let served = Served::new("half", &["--tls-auth-clients", "no"]);
    let mut other = served.connect(None);
    let mut half = Vec::new();
    let before = used_memory(&served);
    for number in 0..count {
        let mut stream = raw(&served);
        match number % 3 {
            0 => {}
            1 => stream.write_all(b"\x16").expect("it is sent"),
            // A message that is announced to be long, the first record of it.
            _ => {
                let head = b"\x16\x03\x01\x40\x00\x01\x00\xff\xff";
                stream.write_all(&[&head[..], &[b'a'; 16_380]].concat()).expect("it is sent");
            }
        }
        half.push(stream);
        if number % 20 == 0 {
            assert_eq!(other.call("PING").expect("it answers"), simple("PONG"));
            let mut new = served.connect(None);
            assert_eq!(new.call("PING").expect("it answers"), simple("PONG"));
        }
    }
    let grown = used_memory(&served).saturating_sub(before);
    println!("{count} handshakes that do not go on take {grown} bytes");
    assert!(grown < count * HALF_BYTES, "{grown} bytes");
    for stream in half {
        let (time, said) = end_of(stream);
        assert!(time < DEADLINE + PATIENCE && said.is_empty(), "{time:?} {said:?}");
    }
    assert_eq!(other.call("PING").expect("it stays"), simple("PONG"));
    let clients = call(&mut served.plain(), "INFO clients");
    assert!(clients.contains("connected_clients:2\r\n"), "{clients}");
}

#[test]
fn records_may_be_small_and_come_slowly() {
    let served = Served::new("small", &["--tls-auth-clients", "no"]);
    let mut client = TlsClient::connect(served.port, showing(&served.authority, None));
    let requests = b"*1\r\n$4\r\nPING\r\n".repeat(100);
    for byte in requests.chunks(1) {
        // Each write is a record.
        client.stream.write_all(byte).expect("it is sent");
    }
    for _ in 0..100 {
        assert_eq!(client.reply().expect("it answers"), simple("PONG"));
    }
    let mut records = Vec::new();
    client.stream.conn.writer().write_all(&requests).expect("there is room");
    client.stream.conn.write_tls(&mut records).expect("there is room");
    for byte in records.chunks(1) {
        client.stream.sock.write_all(byte).expect("it is sent");
    }
    for _ in 0..100 {
        assert_eq!(client.reply().expect("it answers"), simple("PONG"));
    }
}

#[test]
fn a_broken_record_ends_the_connection() {
    let served = Served::new("broken", &["--tls-auth-clients", "no"]);
    for damage in 0..3 {
        let mut client = TlsClient::connect(served.port, showing(&served.authority, None));
        assert_eq!(client.call("SET a 1").expect("it answers"), simple("OK"));
        let mut records = Vec::new();
        client.stream.conn.writer().write_all(b"SET a 2\r\n").expect("there is room");
        client.stream.conn.write_tls(&mut records).expect("there is room");
        match damage {
            0 => *records.last_mut().expect("there are some") ^= 1,
            1 => records.splice(..5, *b"\x17\x03\x03\xff\xff").for_each(drop),
            _ => records.splice(..5, *b"\x14\x03\x03\x00\x01").for_each(drop),
        }
        client.stream.sock.write_all(&records).expect("it is sent");
        if damage == 1 {
            let _ = client.stream.sock.write_all(&[0; 70_000]);
        }
        assert!(client.reply().is_err());
    }
    assert_eq!(call(&mut served.plain(), "GET a"), "1");
}
