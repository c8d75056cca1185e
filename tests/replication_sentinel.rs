//! The real Sentinel, three of them, over a real master and two replicas that are Redstart: what
//! WAIT has acknowledged is there after the master was killed, one replica is the master then, and
//! the other one is told to follow it.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use redstart_differential::oracle::find;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use support::client::Client;
use support::resp::Value;
use support::server::Server;

/// How long a failover may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that goes with this.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server with a file of settings.
struct Member {
    server: Server,
    client: Client,
    file: PathBuf,
}

impl Member {
    fn start(program: &Path, file: PathBuf, lines: &str, more: &[&str]) -> Member {
        std::fs::write(&file, lines).expect("a file");
        let first: Vec<&str> = [&[file.to_str().expect("a plain path")], more].concat();
        let server = Server::start_with(program, &first, &[]).expect("it starts");
        let client = Client::connect(server.port()).expect("it is ready");
        Member { server, client, file }
    }

    /// Asks over a connection of its own: Sentinel ends those that a replica has when its role
    /// changes.
    fn ask(&self, words: &[&str]) -> Option<Value> {
        Client::connect(self.server.port()).ok()?.call(words).ok()
    }

    fn role(&self) -> Vec<u8> {
        let Some(Value::Items(_, role)) = self.ask(&["ROLE"]) else { return Vec::new() };
        let Value::Bulk(name) = &role[0] else { panic!("a name") };
        name.clone()
    }

    fn settings(&self) -> String {
        std::fs::read_to_string(&self.file).expect("it is there")
    }
}

fn until(what: &str, mut f: impl FnMut() -> bool) {
    let began = Instant::now();
    while !f() {
        assert!(began.elapsed() < PATIENCE, "{what} takes too long");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The port of the master that a sentinel knows.
fn master_port(sentinel: &mut Client) -> u16 {
    let reply = sentinel.call(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "it"]);
    let Ok(Value::Items(_, place)) = reply else { panic!("{reply:?}") };
    let Value::Bulk(port) = &place[1] else { panic!("a port") };
    String::from_utf8_lossy(port).parse().expect("a number")
}

#[test]
fn a_replica_becomes_the_master_when_that_is_killed() {
    let oracle = match find("redis-7") {
        Ok(oracle) => oracle,
        Err(why) => return eprintln!("{why}"),
    };
    let folder = std::env::temp_dir().join(format!("redstart-sentinel-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let folder = Folder(folder);
    let at = |name: &str| folder.0.join(name);
    let plain = "save \"\"\nrepl-diskless-sync-delay 0\n";
    let mut master = Member::start(&oracle.program, at("master.conf"), plain, &[]);
    let port = master.server.port();
    let follows = format!("save \"\"\nthreads 2\nreplicaof 127.0.0.1 {port}\n");
    let program = Path::new(env!("CARGO_BIN_EXE_redstart"));
    let replica = |name: &str| Member::start(program, at(name), &follows, &[]);
    let replicas = [replica("one.conf"), replica("two.conf")];
    master.client.call(&["SET", "count", "0"]).expect("a reply");
    let all = || Value::Int(2);
    until("a sync", || master.client.call(&["WAIT", "2", "100"]).is_ok_and(|n| n == all()));
    let watch = format!(
        "sentinel monitor it 127.0.0.1 {port} 2\nsentinel down-after-milliseconds it 500\n\
         sentinel failover-timeout it 3000\n"
    );
    let sentinel = |name: &str| Member::start(&oracle.program, at(name), &watch, &["--sentinel"]);
    let mut sentinels = ["a.conf", "b.conf", "c.conf"].map(sentinel);
    for sentinel in &mut sentinels {
        let knows = |client: &mut Client, what: &str, wanted: usize| {
            let reply = client.call(&["SENTINEL", what, "it"]);
            matches!(reply, Ok(Value::Items(_, list)) if list.len() == wanted)
        };
        let client = &mut sentinel.client;
        until("to know the replicas", || knows(client, "REPLICAS", 2));
        until("to know the others", || knows(client, "SENTINELS", 2));
    }
    for _ in 0..100 {
        master.client.call(&["INCR", "count"]).expect("a reply");
    }
    assert_eq!(master.client.call(&["WAIT", "2", "5000"]).expect("a reply"), all());
    drop(master);
    let asked = &mut sentinels[0].client;
    until("a failover", || master_port(asked) != port);
    let chosen = master_port(asked);
    let place = replicas.iter().position(|replica| replica.server.port() == chosen);
    let (new, other) = match place.expect("one of both") {
        0 => (0, 1),
        _ => (1, 0),
    };
    until("the new role", || replicas[new].role() == b"master");
    assert_eq!(replicas[new].ask(&["GET", "count"]), Some(Value::Bulk(b"100".into())));
    let line = format!("replicaof 127.0.0.1 {chosen}");
    until("the other one's settings", || replicas[other].settings().contains(&line));
    until("the other one's role", || replicas[other].role() == b"slave");
    until("the new one's settings", || !replicas[new].settings().contains("replicaof"));
}
