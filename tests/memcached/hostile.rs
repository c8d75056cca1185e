//! Clients of the memcached port that mean no good, and much at once.

use super::{Talk, serve};
use crate::support::talk::{call, connect};
use crate::until_closed;

#[test]
fn endless_lines_and_other_protocols_end_the_connection() {
    let served = serve(&[]);
    assert_eq!(until_closed(served.port, &[b'x'; 4096]), b"");
    let mut keys = b"get ".to_vec();
    keys.resize(2 << 20, b'k');
    assert_eq!(until_closed(served.port, &keys), b"");
    assert_eq!(until_closed(served.port, b"POST / HTTP/1.1\r\nset k 0 0 1\r\n1\r\n"), b"");
    let mut binary = vec![0x80, 0x0b];
    binary.resize(24, 0);
    let answer = until_closed(served.port, &binary);
    assert_eq!((answer[0], answer[1], answer[7]), (0x81, 0x0b, 0x83));
    assert!(String::from_utf8_lossy(&answer).contains("text protocol"));
    assert_eq!(Talk::to(served.port).ask("get k"), "END\r\n");
}

#[test]
fn a_password_is_asked_for_and_little_is_taken_before() {
    let served = serve(&[]);
    let mut client = connect(&served.server);
    call(&mut client, "CONFIG SET requirepass secret");
    let mut talk = Talk::to(served.port);
    talk.send(b"get k\r\n");
    assert_eq!(talk.until(b"\r\n"), "CLIENT_ERROR unauthenticated");
    talk.send(b"set auth 0 0 13\r\ndefault wrong\r\n");
    assert_eq!(talk.until(b"\r\n"), "CLIENT_ERROR authentication failure");
    talk.send(b"set auth 0 0 14\r\ndefault secret\r\n");
    assert_eq!(talk.until(b"\r\n"), "STORED");
    assert_eq!(talk.ask("set k 0 0 1\r\nx"), "STORED\r\n");
    assert_eq!(until_closed(served.port, &[b's'; 4096]), b"");
    let mut large = b"set auth 0 0 1000000\r\n".to_vec();
    large.resize(1_000_000, b'x');
    large.extend_from_slice(b"\r\n\r\nquit\r\n");
    let answer = until_closed(served.port, &large);
    assert!(answer.starts_with(b"CLIENT_ERROR unauthenticated\r\n"));
    // Users have their rights here, too.
    call(&mut client, "AUTH default secret");
    call(&mut client, "ACL SETUSER reader on >pw ~a* +get +mget");
    let mut talk = Talk::to(served.port);
    talk.send(b"set auth 0 0 9\r\nreader pw\r\n");
    assert_eq!(talk.until(b"\r\n"), "STORED");
    assert_eq!(talk.ask("get a"), "END\r\n");
    assert!(talk.ask("get a b").starts_with("CLIENT_ERROR NOPERM"));
    assert!(talk.ask("set a 0 0 1\r\nx").starts_with("CLIENT_ERROR NOPERM"));
    assert!(talk.ask("flush_all").starts_with("CLIENT_ERROR NOPERM"));
}

#[test]
fn much_at_once_is_answered_whole_and_in_order() {
    let served = serve(&[]);
    let mut talk = Talk::to(served.port);
    let value = "v".repeat(10_000);
    for n in 0..200 {
        talk.send(format!("set k{n} {n} 0 10000 noreply\r\n{value}\r\n").as_bytes());
    }
    let keys: Vec<String> = (0..200).map(|n| format!("k{n}")).collect();
    let line = format!("get {}", keys.join(" "));
    let expected: String =
        (0..200).map(|n| format!("VALUE k{n} {n} 10000\r\n{value}\r\n")).collect();
    let gat = format!("gat 0 {}", keys.join(" "));
    talk.send(format!("{line}\r\n{gat}\r\nget none\r\n{line}\r\nmn\r\n").as_bytes());
    let got = talk.until(b"MN\r\n");
    assert!(got == format!("{expected}END\r\n{expected}END\r\nEND\r\n{expected}END\r\n"));
}

#[test]
fn a_block_that_is_refused_is_passed_over_and_not_kept() {
    let served = serve(&[]);
    let mut client = connect(&served.server);
    let mut talk = Talk::to(served.port);
    talk.ask("set k 0 0 1\r\nx");
    talk.send(b"set k 0 0 100000000\r\n");
    for _ in 0..100 {
        talk.send(&[b'x'; 1_000_000]);
    }
    talk.send(b"\r\nmn\r\n");
    assert_eq!(talk.until(b"MN\r\n"), "SERVER_ERROR object too large for cache\r\n");
    // The value that was there is not the newest any more.
    assert_eq!(talk.ask("get k"), "END\r\n");
    call(&mut client, "CONFIG SET maxmemory 1");
    let reply = talk.ask("set k 0 0 1\r\nx");
    assert_eq!(reply, "SERVER_ERROR out of memory storing object\r\n");
    assert_eq!(talk.ask("get k"), "END\r\n");
}
