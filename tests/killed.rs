//! Who ends another client may count on it: when the answer is there, so is the end of the other
//! one's connection. A pool of connections sees by that which of them to open again.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use support::resp::Value;
use support::server::Server;
use support::talk::{call, connect};

/// On one worker and on two, where chance tells which serves whom.
#[test]
fn a_killed_client_sees_its_end_before_who_killed_it_is_answered() {
    for threads in ["1", "2"] {
        let args = ["--save", "", "--threads", threads];
        let binary = Path::new(env!("CARGO_BIN_EXE_redstart"));
        let server = Server::start(binary, &args).expect("redstart starts");
        let mut killer = connect(&server);
        for round in 0..200 {
            let mut victim = TcpStream::connect(("127.0.0.1", server.port())).expect("it serves");
            victim.write_all(b"CLIENT ID\r\n").expect("it is sent");
            let mut answer = [0; 64];
            let count = victim.read(&mut answer).expect("it answers");
            let id = String::from_utf8_lossy(&answer[1..count]).trim().to_owned();
            victim.set_nonblocking(true).expect("it is a socket");
            assert_eq!(call(&mut killer, &format!("CLIENT KILL ID {id}")), Value::Int(1));
            match victim.read(&mut answer) {
                Ok(0) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
                other => panic!("round {round} of {threads} workers: {other:?}"),
            }
        }
    }
}
