//! The longest wait of a client while the keyspace grows.
//!
//! A few connections insert new keys at pipeline 64 while a probing client reads one key at a time,
//! in a closed loop. Then the same requests are sent once more: now they overwrite, and nothing
//! grows. What the probe waits in the second part is the queue of other requests, the scheduler and
//! the machine. In a third part all keys are inserted into the emptied server, which has kept its
//! memory: what that adds to the second is the table's. In the first part the server waits for the
//! system, too, which has to find the memory that is touched for the first time.
//!
//! The probe is a connection of the load's own loop and not a second thread, because two busy
//! threads on one core would wait for each other, for milliseconds. The loaders are few, so that
//! the loop comes around quickly.

use super::client::Client;
use super::histogram::Histogram;
use super::load::{self, Laps, Stream};
use super::outcome::{Failure, Outcome, progress};
use super::plan::{Plan, REDSTART, ServerSpec};
use super::precedence::Precedence;
use super::report::{Section, Table, met, short_ms, short_us};
use super::server::{Cores, Pin, Server};
use super::strip::{Strip, VALUE_BYTES, bulk, fill_strip, key, space, value};
use std::time::{Duration, Instant};

/// Connections of the load beside a probe, and their pipeline.
pub const LOADERS: usize = 8;
pub const PIPELINE: usize = 64;
/// Keys that a probe reads.
pub const PROBED_KEYS: usize = 64;
/// The longest stall that the table may cause.
const STALL_MAX: Duration = Duration::from_millis(1);
/// How long a server may take to drop everything.
const DROP_PATIENCE: Duration = Duration::from_secs(30);
/// A server that uses less than this of its core in [`REST`] is done.
const IDLE: Duration = Duration::from_millis(10);
const REST: Duration = Duration::from_millis(250);

/// The probe's times while inserting, while overwriting, and while inserting once more into
/// memory that the server has; and the inserts a second.
struct Probed {
    growing: Histogram,
    steady: Histogram,
    again: Histogram,
    inserts_per_second: f64,
}

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut table = Table::new([
        "server", "load", "kops/s", "reads", "p50 us", "p99 us", "p99.9 us", "max ms", "bar", "met",
    ]);
    let mut complete = true;
    let precedence = Precedence::take(cores);
    let inserts = fill_strip(plan.stall_keys, &[]);
    for (at, spec) in plan.servers.iter().enumerate() {
        progress(format_args!("stall: {}", spec.name));
        let name = spec.name.as_str();
        match probe(spec, cores, &inserts) {
            Ok(probed) => {
                let kops = format!("{:.0}", probed.inserts_per_second / 1e3);
                let mut row = vec![name.to_string(), "inserting".into(), kops];
                row.extend(times(&probed.growing));
                table.row(row);
                let row = ["", "overwriting", ""].map(String::from);
                table.row(row.into_iter().chain(times(&probed.steady)));
                let mut row = ["", "inserting again", ""].map(String::from).to_vec();
                row.extend(times(&probed.again));
                if at == REDSTART {
                    row.push("< 1 ms from the table".into());
                    row.push(met(probed.again.max() < probed.steady.max() + STALL_MAX));
                }
                table.row(row);
            }
            Err(failure) => {
                progress(format_args!("  {failure}"));
                complete &= at > REDSTART;
                table.row([name, "-"]);
            }
        }
    }
    let text = format!(
        "Reply times of a client that reads one key at a time, while {LOADERS} connections \
         insert {}M keys at pipeline {PIPELINE}. {} First into a new process, which must get its \
         memory from the system. Then the same requests again, which overwrite and make nothing \
         grow: what the machine and the queue cost without growth. Then, after FLUSHALL, the \
         same once more: the table grows from nothing again, into memory that the server still \
         has, so this is what the table itself costs. The bar is met when the longest wait of \
         the third part is less than 1 ms above that of the second. What the first adds to the \
         third is the system's: a kernel that clears a huge page at its first touch, and in a \
         virtual machine a host that has yet to find the memory.\n\n{}",
        plan.stall_keys as f64 / 1e6,
        precedence.note(),
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
    let server = Server::start(&spec.keeping_memory(), cores, Pin::Apart, 1)?;
    let mut client = Client::connect(server.port)?;
    let strip = reads(&mut client)?;
    let part = || {
        let loaders = Stream::new(inserts, LOADERS, PIPELINE, Laps::Once);
        let prober = prober(&strip);
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
    client.ask(&[b"FLUSHALL"])?;
    wait_until_idle(&server)?;
    // The same keys with the same values, so the strip's replies hold.
    reads(&mut client)?;
    let (again, _) = part()?;
    Ok(Probed { growing, steady, again, inserts_per_second })
}

/// Waits until what was dropped is dropped, on whatever thread.
fn wait_until_idle(server: &Server) -> Outcome<()> {
    let started = Instant::now();
    while started.elapsed() < DROP_PATIENCE {
        let before = server.cpu.used()?;
        std::thread::sleep(REST);
        if server.cpu.used_since(before)? < IDLE {
            return Ok(());
        }
    }
    Err(Failure("busy for too long after FLUSHALL".into()))
}
