//! Power cuts: what `always` acknowledged is there, `everysec` keeps a beginning without holes, and
//! snapshots alone keep exactly the last one.

use crate::disk::{Disk, Plug, text};
use crate::process::Process;
use crate::support::resp::Value;
use crate::writer::Writer;
use crate::{is_long, random, rounds};
use std::thread;
use std::time::{Duration, Instant};

const WRITERS: usize = 4;

/// What may be lost under `everysec`.
const LOSS: Duration = Duration::from_secs(1);

/// Checks what is left, and syncs it: the next cut counts from there.
fn look(server: &mut Process, writers: &mut [Writer], when: &str) {
    let mut client = server.client();
    for writer in writers {
        writer.verify(&mut client).unwrap_or_else(|error| panic!("{when}: {error}"));
    }
    let safe = client.call(&["WAITAOF", "1", "0", "0"]);
    assert!(matches!(&safe, Ok(Value::Items(..))), "{when}: {safe:?}");
}

/// The most that cuts took.
#[derive(Debug, Default)]
struct Worst {
    rounds: usize,
    /// Rounds in which anything acknowledged was lost.
    lossy: usize,
    /// From the first lost acknowledgement to the cut.
    age: Duration,
    /// From the first lost acknowledgement to the last one.
    span: Duration,
}

impl Worst {
    fn note(&mut self, writers: &[Writer], cut: Instant) {
        let losses: Vec<_> = writers.iter().filter_map(Writer::loss).collect();
        self.rounds += 1;
        let from = losses.iter().map(|loss| loss.from).min();
        let to = losses.iter().map(|loss| loss.to).max();
        if let Some((from, to)) = from.zip(to) {
            self.lossy += 1;
            self.age = self.age.max(cut - from);
            self.span = self.span.max(to - from);
        }
    }
}

/// Cuts the power under load, and checks each time what is left.
fn cut_under_load(policy: &str, test: u64) {
    let Some(disk) = Disk::new(&format!("power-{policy}"), 400) else { return };
    let path = text(&disk.path());
    let args = ["--appendonly", "yes", "--appendfsync", policy, "--save", "", "--dir", &path];
    let mut random = random(test);
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    // The server may notice that the disk is gone before it is killed, and refuse writes.
    writers.iter_mut().for_each(|writer| writer.may_be_refused = true);
    let mut worst = Worst::default();
    let mut server = Process::start(&disk.path().join(".."), &args);
    for round in 0..rounds(2).min(200) {
        server.wait_until_ready();
        look(&mut server, &mut writers, &format!("round {round}"));
        let Some(plug) = disk.plug() else { return };
        let (port, life_ms) = (server.port(), random.u64(50..1500));
        let cut = thread::scope(|scope| {
            for writer in &mut writers {
                let seed = random.u64(..);
                scope.spawn(move || writer.write_until_closed(port, seed));
            }
            thread::sleep(Duration::from_millis(life_ms));
            if round % 3 == 2 {
                let _ = server.client().call(&["BGREWRITEAOF"]);
                thread::sleep(Duration::from_millis(random.u64(..20)));
            }
            let cut = plug.pull();
            server.kill();
            cut
        });
        let Some((before, after)) = cut else { return };
        disk.remount();
        // The server lives on for a moment, as it would not without power: replies from then on
        // do not count, since a sync that the cut meets may look as if it had worked.
        writers.iter_mut().for_each(|writer| writer.admit_loss(before, policy != "always"));
        server = Process::start(&disk.path().join(".."), &args);
        server.wait_until_ready();
        look(&mut server, &mut writers, &format!("round {round}, after the cut"));
        worst.note(&writers, after);
        // How late a sync may be depends on the machine: only the long form checks it.
        assert!(!is_long() || worst.span <= LOSS, "round {round}: {worst:?}");
    }
    let late = server.output().matches("A sync of the log takes too long").count();
    println!("{policy}: {worst:?}, {late} times replies waited for a slow disk");
    server.kill();
}

#[test]
fn power_cuts_lose_nothing_under_always() {
    cut_under_load("always", 11);
}

#[test]
fn power_cuts_leave_a_beginning_under_everysec() {
    cut_under_load("everysec", 12);
}

#[test]
fn power_cuts_leave_the_last_snapshot() {
    let Some(disk) = Disk::new("power-snapshot", 64) else { return };
    let path = text(&disk.path());
    let args = ["--save", "", "--dir", &path];
    let mut random = random(13);
    let (mut saved, mut tried) = (0, 0);
    for round in 0..=rounds(2).min(200) {
        let mut server = Process::start(&disk.path().join(".."), &args);
        server.wait_until_ready();
        let mut client = server.client();
        let found = match client.call(&["GET", "n"]).expect("it lives") {
            Value::Bulk(text) => String::from_utf8_lossy(&text).parse().expect("a number"),
            _ => 0,
        };
        assert!(found == saved || found == tried, "round {round}: {found}, saved was {saved}");
        (saved, tried) = (found, found);
        for n in found + 1..found + random.i32(2..40) {
            client.call(&["SET", "n", &n.to_string()]).expect("it lives");
            if random.u32(..6) == 0 {
                assert_eq!(client.call(&["SAVE"]).ok(), Some(Value::Simple(b"OK".to_vec())));
                (saved, tried) = (n, n);
            } else if random.u32(..12) == 0 {
                // It may get its name before the cut, or not.
                tried = n;
                let _ = client.call(&["BGSAVE"]);
                break;
            }
        }
        let done = disk.plug().and_then(Plug::pull).is_some();
        server.kill();
        if !done {
            return;
        }
        disk.remount();
    }
}
