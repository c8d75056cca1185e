//! Replicas that were pointed here by mistake: Redstart does not replicate, and real servers wait a
//! second between their tries instead of coming thousands of times.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use redstart_differential::oracle::KINDS;
use std::path::Path;
use std::thread;
use std::time::Duration;
use support::client::Client;
use support::resp::Value;
use support::server::Server;

/// How many connections a server has been asked for, this one included.
fn connections(client: &mut Client) -> u64 {
    let Ok(Value::Bulk(info)) = client.call(&["INFO", "stats"]) else { panic!("INFO is text") };
    let info = String::from_utf8_lossy(&info).into_owned();
    let line = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    line.and_then(|number| number.parse().ok()).expect("INFO counts connections")
}

fn replicate(client: &mut Client, from: &[&str]) {
    let reply = client.call(&[&["REPLICAOF"], from].concat());
    assert!(matches!(reply, Ok(Value::Simple(_))), "{reply:?}");
}

#[test]
fn a_stray_replica_waits_between_its_tries() {
    let own = Path::new(env!("CARGO_BIN_EXE_redstart"));
    for kind in KINDS {
        let oracle = match kind.find() {
            Ok(oracle) => oracle,
            Err(why) => {
                eprintln!("{why}");
                continue;
            }
        };
        let master = Server::start(own, &["--save", "", "--threads", "2"]).expect("it starts");
        let replica = Server::start(&oracle.program, &["--save", ""]).expect("it starts");
        let mut watching = Client::connect(master.port()).expect("it is ready");
        let mut replicating = Client::connect(replica.port()).expect("it is ready");
        let before = connections(&mut watching);
        replicate(&mut replicating, &["127.0.0.1", &master.port().to_string()]);
        thread::sleep(Duration::from_secs(3));
        let tries = connections(&mut watching) - before;
        assert!((1..=5).contains(&tries), "{} tried {tries} times in 3 s", oracle.name);
        // It is told why each time, and everything that it said of itself was accepted.
        let Ok(Value::Bulk(info)) = watching.call(&["INFO", "errorstats"]) else { panic!() };
        let info = String::from_utf8_lossy(&info).into_owned();
        // Our own PING may have come while the server started.
        let is_error = |line: &&str| line.contains("count=") && !line.contains("_LOADING:");
        let errors: Vec<_> = info.lines().filter(is_error).collect();
        assert!(
            matches!(&errors[..], [one] if one.starts_with("errorstat_NOMASTERLINK:")),
            "{}: {errors:?}",
            oracle.name
        );
        replicate(&mut replicating, &["NO", "ONE"]);
    }
}
