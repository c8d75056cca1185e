//! kill -9 under load, whatever the server is doing: serving, loading, saving or rewriting its log.
//!
//! What it was doing shows in what it leaves: an unfinished snapshot, an unfinished base, no line
//! in the log that says it has loaded. The long form checks that each occurred often.

use crate::process::{Process, scratch};
use crate::support::client::Client;
use crate::support::resp::{Value, request};
use crate::writer::Writer;
use crate::{is_long, random, rounds};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const WRITERS: usize = 16;

/// Keys that are not written again, which make loading and saving take some time.
const BALLAST: usize = 20_000;
/// How many of them are checked each time.
const LOOKS: usize = 50;

/// What the server was doing when it was killed.
#[derive(Debug, Default)]
struct Hits {
    kills: usize,
    loading: usize,
    saving: usize,
    rewriting: usize,
}

/// The unfinished files of a directory: names and numbers, which a new file does not share.
fn unfinished(directory: &Path) -> BTreeSet<(String, u64, i64)> {
    let folders = [directory.to_owned(), directory.join("appendonlydir")];
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let named = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let (name, about) = (entry.file_name().into_string().ok()?, entry.metadata().ok()?);
        name.starts_with("temp-").then_some((name, about.ino(), about.mtime_nsec()))
    });
    named.collect()
}

fn value(number: usize) -> String {
    format!("{number}:{}", "ballast ".repeat(number % 20))
}

fn load_ballast(client: &mut Client) {
    for first in (0..BALLAST).step_by(500) {
        let pairs = (first..first + 500).flat_map(|number| [format!("b:{number}"), value(number)]);
        let words: Vec<Vec<u8>> =
            std::iter::once("MSET".to_owned()).chain(pairs).map(String::into_bytes).collect();
        client.send(&request(&words)).expect("the server lives");
        assert_eq!(client.reply().ok(), Some(Value::Simple(b"OK".to_vec())));
    }
}

/// Checks all that there is: no more keys than there should be, and each as it was.
fn look(client: &mut Client, writers: &[Writer], random: &mut fastrand::Rng) -> Result<(), String> {
    let keys = BALLAST + writers.iter().map(Writer::keys).sum::<usize>();
    let size = client.call(&["DBSIZE"]);
    if !matches!(size, Ok(Value::Int(size)) if size == keys as i64) {
        return Err(format!("{keys} keys should be there: {size:?}"));
    }
    for _ in 0..LOOKS {
        let number = random.usize(..BALLAST);
        let found = client.call(&["GET", &format!("b:{number}")]);
        if !matches!(&found, Ok(Value::Bulk(text)) if *text == value(number).into_bytes()) {
            return Err(format!("b:{number}: {found:?}"));
        }
    }
    Ok(())
}

/// What the server was doing, by unfinished files that were not there before.
fn count(hits: &mut Hits, before: &BTreeSet<(String, u64, i64)>, directory: &Path) {
    let after = unfinished(directory);
    let mut new = after.difference(before);
    hits.kills += 1;
    if let Some((name, ..)) = new.next() {
        let saves = name.ends_with("-dump.redstart");
        *(if saves { &mut hits.saving } else { &mut hits.rewriting }) += 1;
    }
}

/// Starts a server and kills it before it has loaded; the last loads took `usual`.
fn kill_while_loading(server: &mut Process, usual: Duration, random: &mut fastrand::Rng) -> bool {
    let said = server.output().len();
    thread::sleep(usual.mul_f64(random.f64()));
    server.kill();
    !server.output().get(said..).is_some_and(|text| text.contains("DB loaded from disk"))
}

/// Has the writers write until the server is killed, and perhaps a background job run.
fn live(server: &mut Process, writers: &mut [Writer], random: &mut fastrand::Rng) {
    let mut client = server.client();
    let (port, life_ms, jobs) = (server.port(), random.u64(10..120), random.u32(..3));
    thread::scope(|scope| {
        for writer in writers {
            let seed = random.u64(..);
            scope.spawn(move || writer.write_until_closed(port, seed));
        }
        for job in 0..jobs {
            thread::sleep(Duration::from_millis(life_ms / 2));
            // The second waits for the first, or is refused.
            let name = ["BGREWRITEAOF", "BGSAVE"][random.usize(..2)];
            client.call(&[name]).expect("the server lives");
            if job == 0 && random.bool() {
                break;
            }
        }
        let rest_ms = if jobs > 0 { random.u64(..60) } else { life_ms };
        thread::sleep(Duration::from_millis(rest_ms));
        server.kill();
    });
}

/// Kills the server `rounds` times, and checks each time what it still has.
fn kill_under_load(policy: &str, rounds: usize, test: u64) {
    let directory = scratch(policy);
    let args = ["--appendonly", "yes", "--appendfsync", policy, "--save", ""];
    let mut random = random(test);
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    let (mut hits, mut acknowledged) = (Hits::default(), 0);
    let mut usual = Duration::ZERO;
    for round in 0..rounds {
        if round > 0 && random.u32(..3) == 0 {
            let mut server = Process::start(&directory, &args);
            hits.loading += usize::from(kill_while_loading(&mut server, usual, &mut random));
            hits.kills += 1;
        }
        let began = Instant::now();
        let mut server = Process::start(&directory, &args);
        server.wait_until_ready();
        usual = began.elapsed();
        let mut client = server.client();
        if round == 0 {
            load_ballast(&mut client);
        }
        let fail = |error| -> () { panic!("round {round}: {error}") };
        for writer in &mut writers {
            writer.verify(&mut client).unwrap_or_else(fail);
        }
        look(&mut client, &writers, &mut random).unwrap_or_else(fail);
        let before = unfinished(&directory);
        live(&mut server, &mut writers, &mut random);
        count(&mut hits, &before, &directory);
        acknowledged += writers.iter().map(Writer::acknowledged_now).sum::<u64>();
    }
    println!("{policy}: {rounds} rounds, {hits:?}, {acknowledged} times ten writes acknowledged");
    assert!(acknowledged > 0, "nothing was ever acknowledged");
    if is_long() && rounds >= 100 {
        let least = hits.loading.min(hits.saving).min(hits.rewriting);
        assert!(least >= rounds / 50, "something was hardly ever met: {hits:?}");
    }
    std::fs::remove_dir_all(&directory).expect("the directory is ours");
}

#[test]
fn killed_with_appendfsync_always() {
    kill_under_load("always", rounds(6), 1);
}

#[test]
fn killed_with_appendfsync_everysec() {
    kill_under_load("everysec", rounds(6), 2);
}

#[test]
fn killed_with_appendfsync_no() {
    kill_under_load("no", rounds(6), 3);
}
