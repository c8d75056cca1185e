//! Rights that are taken away: from then on nothing of them is left, whatever the client is doing.

use crate::REDSTART;
use crate::support::client::{Client, Failure};
use crate::support::resp::Value;
use crate::support::server::Server;
use crate::support::talk::{call, connect, field, ok, reply, send, text, until};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

fn start() -> Server {
    let args = ["--save", "", "--threads", "2"];
    Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &args).expect("redstart starts")
}

/// A connection as a user whose password is anything.
fn connect_as(server: &Server, user: &str) -> Client {
    let mut client = connect(server);
    assert_eq!(call(&mut client, &format!("AUTH {user} x")), ok());
    client
}

fn set_user(admin: &mut Client, rules: &str) {
    assert_eq!(call(admin, &format!("ACL SETUSER {rules}")), ok());
}

fn is_closed(client: &mut Client) -> bool {
    matches!(client.call(&["PING"]), Err(Failure::Closed))
}

const NO_KEY: &str = "NOPERM No permissions to access a key";

#[test]
fn a_client_that_waits_is_refused_and_takes_nothing() {
    let server = start();
    let mut admin = connect(&server);
    set_user(&mut admin, "u on nopass +@all ~*");
    let mut waits = connect_as(&server, "u");
    send(&mut waits, "BLPOP list 0");
    until("the client waits", || field(&mut admin, "blocked_clients") == "1");
    // What leaves its rights does not end its wait.
    set_user(&mut admin, "u resetkeys ~list");
    assert_eq!(field(&mut admin, "blocked_clients"), "1");
    set_user(&mut admin, "u resetkeys ~other");
    assert_eq!(call(&mut admin, "RPUSH list a"), Value::Int(1));
    assert_eq!(text(reply(&mut waits)), NO_KEY);
    assert_eq!(call(&mut admin, "LLEN list"), Value::Int(1));
    assert_eq!(field(&mut admin, "acl_access_denied_key"), "1");
    assert_eq!(call(&mut waits, "PING"), Value::Simple("PONG".into()));
}

#[test]
fn a_wait_that_begins_while_rights_are_taken_away_ends() {
    let server = start();
    let mut admin = connect(&server);
    for _ in 0..300 {
        set_user(&mut admin, "u reset on nopass +@all ~*");
        let mut waits = connect_as(&server, "u");
        send(&mut waits, "BLPOP list 0");
        set_user(&mut admin, "u resetkeys");
        assert_eq!(text(reply(&mut waits)), NO_KEY);
    }
}

#[test]
fn a_removed_users_connections_are_closed() {
    let server = start();
    let mut admin = connect(&server);
    set_user(&mut admin, "u on nopass +@all ~*");
    let (mut idle, mut waits, mut queues) =
        (connect_as(&server, "u"), connect_as(&server, "u"), connect_as(&server, "u"));
    send(&mut waits, "BLPOP list 0");
    assert_eq!(call(&mut queues, "MULTI"), ok());
    until("the client waits", || field(&mut admin, "blocked_clients") == "1");
    assert_eq!(call(&mut admin, "ACL DELUSER u nobody"), Value::Int(1));
    for client in [&mut idle, &mut waits, &mut queues] {
        assert!(is_closed(client));
    }
    // One of the same name, made later, is another one; and who removes itself gets the answer.
    set_user(&mut admin, "u on nopass +@all");
    let mut own = connect_as(&server, "u");
    assert_eq!(call(&mut own, "ACL DELUSER u"), Value::Int(1));
    assert!(is_closed(&mut own));
}

#[test]
fn a_listener_that_loses_a_channel_is_closed() {
    let server = start();
    let mut admin = connect(&server);
    for (command, name, rules, stays) in [
        ("SUBSCRIBE", "news:1", "&news:*", true),
        ("SUBSCRIBE", "news:1", "&news:1", true),
        ("SUBSCRIBE", "news:1", "&other", false),
        ("SUBSCRIBE", "news:1", "", false),
        ("SSUBSCRIBE", "news:1", "&news:2", false),
        ("PSUBSCRIBE", "news:*", "&news:*", true),
        ("PSUBSCRIBE", "news:*", "&*", true),
        ("PSUBSCRIBE", "news:*", "&news:1", false),
        ("PSUBSCRIBE", "news:*", "&news*", false),
        ("PSUBSCRIBE", "news:*", "(&news:*)", true),
    ] {
        set_user(&mut admin, "u reset on nopass +@all &*");
        let mut listens = connect_as(&server, "u");
        call(&mut listens, &format!("{command} {name}"));
        set_user(&mut admin, format!("u resetchannels {rules}").trim());
        assert_eq!(is_closed(&mut listens), !stays, "{command} {name} {rules}");
    }
}

#[test]
fn exec_leaves_out_what_is_no_longer_allowed() {
    let server = start();
    let mut admin = connect(&server);
    set_user(&mut admin, "u on nopass +@all ~*");
    let mut queues = connect_as(&server, "u");
    for line in ["MULTI", "SET a 1", "SET b 1", "INCR a"] {
        call(&mut queues, line);
    }
    set_user(&mut admin, "u resetkeys ~a -incr");
    let Value::Items(_, replies) = call(&mut queues, "EXEC") else { panic!("no replies") };
    assert_eq!(replies[0], ok());
    assert!(text(replies[1].clone()).ends_with("no permission to touch the specified keys"));
    assert!(text(replies[2].clone()).ends_with("execute the command or subcommand"));
    assert_eq!(call(&mut admin, "MGET a b"), call(&mut admin, "MGET a nosuch"));
}

#[test]
fn once_setuser_has_answered_no_request_is_allowed() {
    let server = start();
    let mut admin = connect(&server);
    set_user(&mut admin, "u on nopass +@all ~*");
    let (ended, port) = (Arc::new(AtomicBool::new(false)), server.port());
    let busy: Vec<_> = (0..3)
        .map(|_| {
            let ended = ended.clone();
            thread::spawn(move || {
                let mut client = Client::connect(port).expect("it connects");
                client.call(&["AUTH", "u", "x"]).expect("it is the user");
                loop {
                    let over = ended.load(Relaxed);
                    let said =
                        client.call(&["EVAL", "return redis.call('get', KEYS[1])", "1", "k"]);
                    let refused = matches!(said.expect("there is a reply"), Value::Error(_));
                    if over {
                        return refused;
                    }
                }
            })
        })
        .collect();
    thread::sleep(std::time::Duration::from_millis(50));
    set_user(&mut admin, "u resetkeys");
    ended.store(true, Relaxed);
    assert!(busy.into_iter().all(|thread| thread.join().expect("it ended")));
}

#[test]
fn passwords_are_shown_to_nobody() {
    let log = std::env::temp_dir().join(format!("redstart-shown-{}.log", std::process::id()));
    let place = log.to_string_lossy().into_owned();
    let args = ["--save", "", "--loglevel", "debug", "--logfile", &place];
    let server = Server::start(Path::new(REDSTART), &args).expect("redstart starts");
    let (mut admin, mut watches) = (connect(&server), connect(&server));
    call(&mut admin, "CONFIG SET slowlog-log-slower-than 0");
    assert_eq!(call(&mut watches, "MONITOR"), ok());
    set_user(&mut admin, "u on >secret1 +@all");
    call(&mut admin, "AUTH u secret1");
    call(&mut admin, "AUTH u secret2");
    call(&mut admin, "HELLO 2 AUTH u secret1");
    call(&mut admin, "MULTI");
    call(&mut admin, "ACL SETUSER u >secret3");
    call(&mut admin, "EXEC");
    call(&mut admin, "CONFIG SET requirepass secret4");
    call(&mut admin, "CONFIG SET timeout 0 tls-key-file-pass secret5");
    call(&mut admin, "AUTH secret4");
    call(&mut admin, "HELLO 2 AUTH default secret6");
    call(&mut admin, "ACL SETUSER u >secret7 )secret8");
    call(&mut admin, "CONFIG SET requirepass secret9 no-such-parameter 1");
    call(&mut admin, "ECHO end");
    let mut seen = String::new();
    while !seen.contains("end") {
        seen += &text(reply(&mut watches));
    }
    let shown = [
        seen,
        format!("{:?}", call(&mut admin, "SLOWLOG GET 100")),
        format!("{:?}", call(&mut admin, "ACL LOG")),
        format!("{:?}", call(&mut admin, "CLIENT LIST")),
        std::fs::read_to_string(&log).expect("it was written"),
    ];
    std::fs::remove_file(&log).expect("it is ours");
    assert!(shown.iter().all(|text| !text.contains("secret")), "{shown:?}");
}
