//! Fences of locks after `kill -9`: whatever was granted before, what comes later is greater, and a
//! lock that is held has the fence that its owner was told.
//!
//! The counter is checked far above what the clock gives, so that it is the files that tell it.
//! `REDSTART_FENCE_KILLS=500` runs the long form.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use support::client::Client;
use support::resp::Value;
use support::server::Server;
use support::talk::{call, connect, text};

const CLIENTS: usize = 4;
const LOCKS: usize = 3;
/// More than the clock gives in this millennium.
const FAR: i64 = 1 << 58;

/// A directory that outlives the servers in it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("redstart-fences-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("there is a place for files");
        Folder(path)
    }

    fn start(&self, args: &[&str]) -> Server {
        let directory = self.0.to_string_lossy().into_owned();
        let all = [&["--dir", &directory, "--threads", "2"], args].concat();
        let server = Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &all);
        server.expect("redstart starts")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Takes locks and gives most back, until the server is gone.
fn work(port: u16, number: usize, round: u64, greatest: &[Mutex<i64>; LOCKS]) {
    let Ok(mut client) = Client::connect(port) else { return };
    for n in 0.. {
        let lock = (number + n) % LOCKS;
        let (name, owner) = (format!("lock:{lock}"), format!("{round}-{number}-{n}"));
        let reply = client.call(&["LOCK.ACQUIRE", &name, &owner, "TTL", "60000", "WAIT", "20"]);
        let Ok(reply) = reply else { return };
        let Value::Int(fence) = reply else { continue };
        let mut greatest = greatest[lock].lock().expect("no client has failed");
        assert!(fence > *greatest, "{name}: {fence} after {}", *greatest);
        *greatest = fence;
        drop(greatest);
        // From here on another client may have it.
        let given_back = match n % 7 {
            6 => client.call(&["DEL", &name]),
            _ => client.call(&["LOCK.RELEASE", &name, &owner]),
        };
        if given_back.is_err() {
            return;
        }
    }
}

#[test]
fn fences_grow_over_kills() {
    let kills = std::env::var("REDSTART_FENCE_KILLS").ok();
    let kills: u64 = kills.and_then(|text| text.parse().ok()).unwrap_or(6);
    let folder = Folder::new("log");
    let greatest: [Mutex<i64>; LOCKS] = Default::default();
    let args = ["--appendonly", "yes", "--save", ""];
    let mut random = fastrand::Rng::with_seed(1);
    let mut held: Option<(String, Value)> = None;
    for round in 0..kills {
        let server = folder.start(&args);
        let mut control = connect(&server);
        if round == 0 {
            assert_eq!(call(&mut control, &format!("LOCK.FENCE none {FAR}")), support::talk::ok());
        }
        if let Some((owner, fence)) = held.take() {
            assert_eq!(text(call(&mut control, "GET held")), owner);
            let again = call(&mut control, &format!("LOCK.ACQUIRE held {owner} TTL 600000"));
            assert_eq!(again, fence, "the fence of a lock that is held");
            call(&mut control, &format!("LOCK.RELEASE held {owner}"));
        }
        (0..LOCKS).for_each(|lock| drop(call(&mut control, &format!("DEL lock:{lock}"))));
        let pause = Duration::from_millis(random.u64(20..200));
        thread::scope(|scope| {
            for number in 0..CLIENTS {
                let (greatest, port) = (&greatest, server.port());
                scope.spawn(move || work(port, number, round, greatest));
            }
            if round % 3 == 1 {
                call(&mut control, "BGREWRITEAOF");
            }
            thread::sleep(pause);
            let owner = format!("owner-{round}");
            let fence = call(&mut control, &format!("LOCK.ACQUIRE held {owner} TTL 600000"));
            assert!(matches!(fence, Value::Int(fence) if fence > FAR));
            held = Some((owner, fence));
            // Killed.
            drop(server);
        });
    }
    let fences = greatest.map(|fence| fence.into_inner().expect("no client has failed"));
    println!("{kills} kills; the last fences: {:?}", fences.map(|fence| fence - FAR));
    assert!(fences.iter().all(|fence| *fence > FAR));
}

#[test]
fn a_snapshot_has_the_fences() {
    let folder = Folder::new("snapshot");
    let args = ["--appendonly", "no", "--save", "", "--enable-debug-command", "yes"];
    let server = folder.start(&args);
    let mut client = connect(&server);
    call(&mut client, &format!("LOCK.FENCE none {FAR}"));
    let held = call(&mut client, "LOCK.ACQUIRE held me TTL 600000");
    assert_eq!(held, Value::Int(FAR + 1));
    call(&mut client, "LOCK.ACQUIRE gone me TTL 600000");
    call(&mut client, "DEL gone");
    assert_eq!(call(&mut client, "SAVE"), support::talk::ok());
    drop(server);
    let server = folder.start(&args);
    let mut client = connect(&server);
    assert_eq!(call(&mut client, "LOCK.ACQUIRE held me TTL 600000"), held);
    assert_eq!(call(&mut client, "LOCK.ACQUIRE gone me TTL 600000"), Value::Int(FAR + 3));
    assert_eq!(call(&mut client, "DEBUG RELOAD"), support::talk::ok());
    assert_eq!(call(&mut client, "LOCK.ACQUIRE held me TTL 600000"), held);
    assert_eq!(call(&mut client, "LOCK.ACQUIRE gone me TTL 600000"), Value::Int(FAR + 3));
}
