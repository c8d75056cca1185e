//! Passwords that are guessed: the burst is free, then there are ten replies a second.

use crate::support::client::Failure;
use crate::support::resp::Value;
use crate::support::server::Server;
use crate::support::talk::{call, connect, field, ok, text};
use std::path::Path;
use std::time::{Duration, Instant};

fn start(burst: &str) -> Server {
    let args = ["--save", "", "--auth-failure-burst", burst];
    let program = Path::new(env!("CARGO_BIN_EXE_redstart"));
    let server = Server::start(program, &args).expect("redstart starts");
    assert_eq!(call(&mut connect(&server), "ACL SETUSER u on >right +@all"), ok());
    server
}

#[test]
fn guesses_are_slowed_and_others_are_not() {
    let server = start("5");
    let (mut guesser, mut other) = (connect(&server), connect(&server));
    let guess = |client: &mut _| {
        let began = Instant::now();
        let wrong = "WRONGPASS invalid username-password pair or user is disabled.";
        assert_eq!(text(call(client, "AUTH u wrong")), wrong);
        began.elapsed()
    };
    for _ in 0..5 {
        guess(&mut guesser);
    }
    let slowed: Duration = (0..8).map(|_| guess(&mut guesser)).sum();
    assert!(slowed >= Duration::from_millis(500), "{slowed:?}");
    // From the same address: a guess waits, what is right does not.
    let began = Instant::now();
    assert_eq!(call(&mut other, "AUTH u right"), ok());
    assert_eq!(call(&mut other, "PING"), Value::Simple("PONG".into()));
    let counted: u32 = field(&mut other, "auth_failures_slowed").parse().expect("it is a number");
    assert!((1..=8).contains(&counted), "{counted}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(field(&mut other, "acl_access_denied_auth"), "13");
    assert_eq!(call(&mut guesser, "AUTH u right"), ok());
    assert_eq!(call(&mut other, "CONFIG SET auth-failure-burst 0"), ok());
    for _ in 0..300 {
        guess(&mut guesser);
    }
}

/// Guesses in one piece are not looked at all at once: the connection ends.
#[test]
fn many_guesses_at_once_end_the_connection() {
    let server = start("5");
    let mut guesser = connect(&server);
    guesser.send(&b"AUTH u wrong\r\n".repeat(2000)).expect("they are sent");
    let mut replies = 0;
    let failure = loop {
        match guesser.reply() {
            Ok(_) => replies += 1,
            Err(failure) => break failure,
        }
    };
    assert!(matches!(failure, Failure::Closed), "{failure:?}");
    assert!((5..=110).contains(&replies), "{replies}");
}
