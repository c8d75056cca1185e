//! `redstart migrate`: the data of a real server moves while a client writes to it, what would not
//! carry over is told before anything changes, and no write that was acknowledged is lost.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use redstart_differential::oracle::{KINDS, Oracle};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;
use support::client::Client;
use support::resp::Value;
use support::server::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_redstart");

fn oracles() -> Vec<Oracle> {
    let found = KINDS.iter().map(|kind| kind.find());
    found.filter_map(|found| found.map_err(|why| eprintln!("{why}")).ok()).collect()
}

fn start(program: &Path) -> (Server, Client) {
    let server = Server::start(program, &["--save", ""]).expect("it starts");
    let client = Client::connect(server.port()).expect("it is ready");
    (server, client)
}

fn migrate(from: &Server, to: &Server, more: &[&str]) -> (Output, String) {
    let place = |server: &Server| format!("127.0.0.1:{}", server.port());
    let output = Command::new(PROGRAM)
        .args(["migrate", "--from", &place(from), "--to", &place(to)])
        .args(more)
        .output()
        .expect("it runs");
    let text = [&output.stdout[..], &output.stderr].concat();
    (output, String::from_utf8_lossy(&text).into_owned())
}

fn number(client: &mut Client, key: &str) -> i64 {
    match client.call(&["GET", key]) {
        Ok(Value::Bulk(text)) => String::from_utf8_lossy(&text).parse().expect("a number"),
        reply => panic!("{key}: {reply:?}"),
    }
}

#[test]
fn it_moves_in_under_writes_and_loses_none() {
    for oracle in oracles() {
        let (old, mut client) = start(&oracle.program);
        for at in 0..500 {
            client.call(&["HSET", &format!("hash:{at}"), "field", "value"]).expect("a reply");
            client.call(&["ZADD", &format!("scores:{at}"), "1.5", "member"]).expect("a reply");
        }
        let (new, mut here) = start(Path::new(PROGRAM));
        let port = old.port();
        // It ends when its write waits for the pause, and the server with it.
        let writer = thread::spawn(move || {
            let mut client = Client::connect(port).expect("it answers");
            let mut acknowledged = 0;
            while let Ok(Value::Int(count)) = client.call(&["INCR", "counter"]) {
                acknowledged = count;
            }
            acknowledged
        });
        thread::sleep(Duration::from_millis(100));
        let (output, text) = migrate(&old, &new, &["--promote", "--samples", "200"]);
        assert!(output.status.success(), "{}: {text}", oracle.name);
        assert!(!text.contains("will not carry over"), "{text}");
        assert!(text.contains("all equal"), "{text}");
        assert!(text.contains("is the master, after"), "{text}");
        drop(old);
        let acknowledged = writer.join().expect("it wrote to its end");
        assert_eq!(number(&mut here, "counter"), acknowledged, "{}", oracle.name);
        assert!(acknowledged > 0);
        let Ok(Value::Simple(_)) = here.call(&["SET", "key", "value"]) else { panic!("a master") };
    }
}

#[test]
fn what_would_not_carry_over_stops_it_before_anything_changes() {
    let Some(oracle) = oracles().pop() else { return };
    let (old, mut client) = start(&oracle.program);
    client.call(&["SELECT", "9"]).expect("a reply");
    client.call(&["SET", "far", "away"]).expect("a reply");
    let few = ["--save", "", "--databases", "4"];
    let new = Server::start(Path::new(PROGRAM), &few).expect("it starts");
    let mut here = Client::connect(new.port()).expect("it is ready");
    let (output, text) = migrate(&old, &new, &[]);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("will not carry over: database 9"), "{text}");
    // Nothing was changed.
    let Ok(Value::Items(_, role)) = here.call(&["ROLE"]) else { panic!("a role is a list") };
    assert_eq!(role[0], Value::Bulk(b"master".into()));
    here.call(&["SET", "own", "value"]).expect("a reply");
    let (output, text) = migrate(&old, &new, &["--force"]);
    assert!(!output.status.success() && text.contains("--replace"), "{text}");
}
