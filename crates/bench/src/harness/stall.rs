//! The longest wait of a client while the keyspace grows.
//!
//! A few connections insert new keys at pipeline 64 while a probing client reads one key at a time,
//! in a closed loop. Then the same requests are sent once more: now they overwrite, and nothing
//! grows. What the probe waits longer in the first part is what growth costs; what it waits in
//! the second is the queue of other requests, the scheduler and the machine.
//!
//! The probe is a connection of the load's own loop and not a second thread, because two busy
//! threads on one core would wait for each other, for milliseconds. The loaders are few, so that
//! the loop comes around quickly.

use super::cli::{Plan, REDSTART};
use super::client::Client;
use super::histogram::Histogram;
use super::load::{self, Laps, Stream};
use super::report::{Section, Table, met, short_ms, short_us};
use super::server::{Cores, Pin, Server, ServerSpec};
use super::workload::{Strip, VALUE_BYTES, bulk, fill_strip, key, space, value};
use super::{Failure, Outcome, progress};
use std::time::Duration;

/// Connections of the load beside a probe, and their pipeline.
pub const LOADERS: usize = 8;
pub const PIPELINE: usize = 64;
/// Keys that a probe reads.
pub const PROBED_KEYS: usize = 64;
/// The longest stall that the table may cause.
const STALL_MAX: Duration = Duration::from_millis(1);

/// The probe's times while inserting and while overwriting, and the inserts a second.
struct Probed {
    growing: Histogram,
    steady: Histogram,
    inserts_per_second: f64,
}

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut table = Table::new([
        "server", "load", "kops/s", "reads", "p50 us", "p99 us", "p99.9 us", "max ms", "bar", "met",
    ]);
    let mut complete = true;
    let inserts = fill_strip(plan.stall_keys, &[]);
    for (at, spec) in plan.servers.iter().enumerate() {
        progress(format_args!("stall: {}", spec.name));
        let name = spec.name.as_str();
        match probe(spec, cores, &inserts) {
            Ok(probed) => {
                let kops = format!("{:.0}", probed.inserts_per_second / 1e3);
                let mut row = vec![name.to_string(), "inserting".into(), kops];
                row.extend(times(&probed.growing));
                if at == REDSTART {
                    // What the machine itself does to the probe is not the table's doing.
                    let allowed = STALL_MAX.max(probed.steady.max());
                    row.push("< 1 ms from the table".into());
                    row.push(met(probed.growing.max() < allowed));
                }
                table.row(row);
                let row = ["", "overwriting", ""].map(String::from);
                table.row(row.into_iter().chain(times(&probed.steady)));
            }
            Err(failure) => {
                progress(format_args!("  {failure}"));
                complete &= at > REDSTART;
                table.row([name, "-"]);
            }
        }
    }
    let text = format!(
        "Reply times of a client that reads one key at a time, while {LOADERS} connections insert \
         {}M keys at pipeline {PIPELINE}; below it the same requests again, which overwrite and \
         make nothing grow: what the machine and the queue cost without growth. The bar is met \
         when the longest wait is below 1 ms, or below the longest wait without growth.\n\n{}",
        plan.stall_keys as f64 / 1e6,
        table.markdown()
    );
    Section { title: "Stalls while growing".into(), text, complete }
}

fn times(histogram: &Histogram) -> [String; 5] {
    let percentile = |percent| short_us(histogram.percentile(percent));
    let reads = histogram.total().to_string();
    [reads, percentile(50.0), percentile(99.0), percentile(99.9), short_ms(histogram.max())]
}

/// Reads of a few keys, which are made here.
pub fn reads(client: &mut Client) -> Outcome<Strip> {
    let mut reads = Strip::with_replies();
    let mut reply = Vec::new();
    for index in 0..PROBED_KEYS {
        let key = key(space::PROBED, index);
        let value = value(&key, VALUE_BYTES);
        client.ask(&[b"SET", &key, &value])?;
        reply.clear();
        bulk(&mut reply, &value);
        reads.push(&[b"GET", &key], &reply);
    }
    Ok(reads)
}

/// The client that reads one key at a time, for as long as others work.
pub fn prober(reads: &Strip) -> Stream<'_> {
    let mut prober = Stream::new(reads, 1, 1, Laps::Endless);
    prober.check_every = 1;
    prober
}

fn probe(spec: &ServerSpec, cores: &Cores, inserts: &Strip) -> Outcome<Probed> {
    let server = Server::start(spec, cores, Pin::Apart, 1)?;
    let mut client = Client::connect(server.port)?;
    let reads = reads(&mut client)?;
    let part = || {
        let loaders = Stream::new(inserts, LOADERS, PIPELINE, Laps::Once);
        let prober = prober(&reads);
        let mut measured = load::run(server.port, &[loaders, prober], None, &server.cpu)?;
        let seconds = measured.elapsed.as_secs_f64();
        let probe = measured.tallies.pop().ok_or_else(|| Failure("no probe".into()))?;
        Ok::<_, Failure>((probe.latency, inserts.len() as f64 / seconds))
    };
    let (growing, inserts_per_second) = part()?;
    let (steady, _) = part()?;
    if client.dbsize()? != inserts.len() + PROBED_KEYS {
        return Err(Failure("not all keys are there".into()));
    }
    Ok(Probed { growing, steady, inserts_per_second })
}
