//! The workloads with scripts: a lock released as client libraries do it, by a script that
//! compares the holder's token before it deletes the key.
//!
//! Before each measurement every lock is taken; then each is released once, and each release must
//! be answered with 1.
//!
//! With two workers the locks lie in different shards, so that scripts run side by side. On a
//! machine where the load needs one of two cores, throughput cannot show it; CPU per operation
//! can: what two workers could do, each with a core of its own, is twice what one CPU second does.

use super::cli::{Group, Plan, REDSTART};
use super::client::Client;
use super::load::{self, Laps, Stream};
use super::report::{Section, Table, median, met, ratio, short};
use super::server::{Cores, Pin, Server, ServerSpec};
use super::throughput::Figures;
use super::workload::{self, Dataset, Order, Strip, Strips, Workload, key, space, value};
use super::{Failure, Outcome, progress};
use redis_protocol::resp2::types::OwnedFrame;
use sha1::{Digest, Sha1};

const RELEASE: &str = "local holder = redis.call('get', KEYS[1])
if not holder or holder ~= ARGV[1] then return 0 end
redis.call('del', KEYS[1])
return 1";

const TOKEN_BYTES: usize = 32;
const PIPELINE: usize = 16;
/// What two workers can do over what one can, at least.
const GAIN_MIN: f64 = 1.5;

/// What one request does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Takes a lock.
    Take,
    /// Releases it by the script.
    Release,
}

const LOCKS: Dataset = Dataset {
    keys: 500_000,
    value_bytes: TOKEN_BYTES,
    fill: workload::Action::Script(Action::Take),
};

const fn line(name: &'static str, pipeline: usize, cpu_max: f64, least: Option<f64>) -> Workload {
    Workload {
        name,
        group: Group::Scripts,
        dataset: LOCKS,
        action: workload::Action::Script(Action::Release),
        pipeline,
        cpu_ratio_max: cpu_max,
        throughput_ratio_min: least,
    }
}

/// The lines of the group.
pub const WORKLOADS: &[Workload] = &[
    line("release by EVALSHA p1", 1, 1.0, None),
    line("release by EVALSHA p16", PIPELINE, 0.67, Some(1.5)),
];

fn digest() -> String {
    Sha1::digest(RELEASE).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Lets the server know the script.
pub fn load(client: &mut Client) -> Outcome<()> {
    match client.ask(&[b"SCRIPT", b"LOAD", RELEASE.as_bytes()])? {
        OwnedFrame::BulkString(text) if text == digest().as_bytes() => Ok(()),
        other => Err(Failure(format!("SCRIPT LOAD was answered with {other:?}"))),
    }
}

/// Appends a request for each of `indices`.
pub fn render(action: Action, indices: &[usize], strip: &mut Strip) {
    let digest = digest();
    for &index in indices {
        let key = key(space::LOCKS, index);
        let token = value(&key, TOKEN_BYTES);
        match action {
            Action::Take => strip.push(&[b"SET", &key, &token, b"PX", b"3600000"], b"+OK\r\n"),
            Action::Release => {
                let args: [&[u8]; 5] = [b"EVALSHA", digest.as_bytes(), b"1", &key, &token];
                strip.push(&args, b":1\r\n");
            }
        }
    }
}

/// Two workers against one.
pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut table = Table::new([
        "server",
        "workers",
        "kops/s",
        "CPU us/op",
        "load busy",
        "what the workers could do",
        "met",
    ]);
    let mut complete = true;
    for (at, spec) in plan.servers.iter().enumerate().filter(|(_, spec)| spec.takes_threads()) {
        progress(format_args!("scripts of two workers: {}", spec.name));
        if let Err(failure) = compare(plan, spec, cores, &mut table) {
            progress(format_args!("  {failure}"));
            complete &= at > REDSTART;
            table.row([spec.name.as_str(), "-"]);
        }
    }
    let text = format!(
        "The release script on keys of its own each time, at pipeline {PIPELINE}; neither server \
         nor load is pinned. What the workers could do is their number over the CPU time of an \
         operation, against one worker. Bar: {GAIN_MIN} times one worker.\n\n{}",
        table.markdown()
    );
    Section { title: "Scripts of two workers".into(), text, complete }
}

fn compare(plan: &Plan, spec: &ServerSpec, cores: &Cores, table: &mut Table) -> Outcome<()> {
    let mut strips = Strips::default();
    let mut rounds = [Vec::new(), Vec::new()];
    for _ in 0..plan.rounds {
        for (rounds, threads) in rounds.iter_mut().zip(1..) {
            let server = Server::start(spec, cores, Pin::Free, threads)?;
            load(&mut Client::connect(server.port)?)?;
            let mut all = |action, order, pipeline| {
                let strip = strips.strip(workload::Action::Script(action), LOCKS, order);
                let stream = Stream::new(&strip, plan.connections, pipeline, Laps::Once);
                load::run(server.port, &[stream], None, &server.cpu)
            };
            all(Action::Take, Order::Counted, 64)?;
            rounds.push(Figures::of(&all(Action::Release, Order::Shuffled, PIPELINE)?));
        }
    }
    let cpu = |rounds: &[Figures]| median(rounds.iter().map(|figures| figures.cpu_us));
    let alone = cpu(&rounds[0]).unwrap_or(f64::NAN);
    for (rounds, threads) in rounds.iter().zip([1.0, 2.0]) {
        let Some(figures) = Figures::medians(rounds) else { continue };
        let mut cells = vec![
            spec.name.clone(),
            format!("{threads}"),
            format!("{:.0}", figures.kops),
            short(figures.cpu_us),
            format!("{:.0} %", figures.load_busy * 100.0),
        ];
        if threads > 1.0 {
            let gain = ratio(alone * threads, figures.cpu_us).unwrap_or(0.0);
            cells.extend([short(gain), met(gain >= GAIN_MIN)]);
        }
        table.row(cells);
    }
    Ok(())
}
