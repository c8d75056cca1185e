//! A snapshot under full write load, and how long a server takes to load it.
//!
//! A few connections overwrite keys at pipeline 64 while a probing client reads one key at a time,
//! first as it is, then from the moment of BGSAVE until INFO says that it is done. Server, its
//! threads and its child share one core: what saving takes from serving is part of the question.
//!
//! What the host takes of a virtual machine's cores shows as waiting, which is no server's. A round
//! in which it took much is made again, up to as often as there are rounds.
//!
//! Extra memory is what the server's resident memory grows by meanwhile, and what redis-server
//! says that its child has copied.

use super::client::Client;
use super::histogram::Histogram;
use super::load::{self, Laps, Stream};
use super::outcome::{Failure, Outcome, progress};
use super::plan::Timing;
use super::plan::{PEER, Plan, REDSTART, ServerSpec};
use super::precedence::Precedence;
use super::report::{Section, Table, median, met, ratio, short};
use super::server::{Cores, Pin, Server};
use super::stall::{LOADERS, PIPELINE, PROBED_KEYS, prober, reads};
use super::strip::{Strip, fill_strip};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How often it is asked whether the snapshot is done, and how long at most.
const POLL: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(120);
/// The probe's times over redis-server's, the extra memory over the data, the time over
/// redis-server's, and how much faster loading is.
const PROBE_MAX: f64 = 0.25;
const MEMORY_MAX: f64 = 0.10;
const TIME_MAX: f64 = 1.0;
const LOADING_MIN: f64 = 2.0;
/// A round counts if the host took no larger share of the cores' time.
const STOLEN_MAX: f64 = 0.01;

/// A line of which each server's figure comes from the same file.
const RDB_LINE: &str = "loading an RDB file, s";

/// What one round showed.
#[derive(Clone, Copy)]
struct Figures {
    usual_p999_ms: f64,
    usual_max_ms: f64,
    p999_ms: f64,
    max_ms: f64,
    kops: f64,
    /// The share of the cores' time that the host took meanwhile.
    stolen: f64,
    wall_s: f64,
    /// Extra memory over that of the data.
    extra: f64,
    load_s: f64,
    /// How long Redstart takes to load redis-server's file; only beside redis-server's figures.
    other_load_s: f64,
}

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut complete = true;
    let precedence = Precedence::take(cores);
    let strip = fill_strip(plan.snapshot_keys, &[]);
    let mut rounds = vec![Vec::new(); plan.servers.len()];
    let mut again = vec![plan.rounds; plan.servers.len()];
    for round in 1..=plan.rounds {
        for (at, spec) in plan.servers.iter().enumerate() {
            let other = (at == PEER).then(|| &plan.servers[REDSTART]);
            loop {
                progress(format_args!("snapshot {round}/{}: {}", plan.rounds, spec.name));
                match measure(plan, spec, other, cores, &strip) {
                    Ok(figures) if figures.stolen > STOLEN_MAX && again[at] > 0 => {
                        again[at] -= 1;
                        progress("  the host took much of it: once more");
                        continue;
                    }
                    Ok(figures) => rounds[at].push(figures),
                    Err(failure) => {
                        progress(format_args!("  {failure}"));
                        complete &= at > REDSTART;
                    }
                }
                break;
            }
        }
    }
    let repeated: Vec<_> = again.iter().map(|left| (plan.rounds - left).to_string()).collect();
    let text = format!(
        "{}M keys, overwritten by {LOADERS} connections at pipeline {PIPELINE} while a snapshot is \
         taken; server and snapshot share a core. The probe reads one key at a time. {} Loading is \
         from the start of the process to its first PONG, from the same file, on one core; the \
         last line is {}'s own file. Rounds that were made again because the host took \
         more than {} % of the cores meanwhile, a server each: {}.\n\n{}",
        plan.snapshot_keys as f64 / 1e6,
        precedence.note(),
        plan.peer(),
        STOLEN_MAX * 100.0,
        repeated.join(", "),
        table(plan, &rounds).markdown()
    );
    Section { title: "Snapshot".into(), text, complete }
}

/// One of the figures.
type Field = fn(&Figures) -> f64;
/// A bar's text, and whether a figure and its ratio to redis-server's meet it.
type Bar = (String, fn(f64, f64) -> bool);

/// A row a figure, a column a server, then the bar.
fn table(plan: &Plan, rounds: &[Vec<Figures>]) -> Table {
    let mut heading = vec!["what".to_string()];
    heading.extend(plan.servers.iter().map(|spec| spec.name.clone()));
    heading.extend(["ratio", "bar", "met"].map(String::from));
    let mut table = Table::new(heading);
    let lines: [(&str, Field, Option<Bar>); 10] = [
        ("probe p99.9 before, ms", |figures| figures.usual_p999_ms, None),
        ("probe maximum before, ms", |figures| figures.usual_max_ms, None),
        (
            "probe p99.9 meanwhile, ms",
            |figures| figures.p999_ms,
            Some((format!("<= {PROBE_MAX} of {}'s", plan.peer()), |_, ratio| ratio <= PROBE_MAX)),
        ),
        (
            "probe maximum meanwhile, ms",
            |figures| figures.max_ms,
            Some((format!("<= {PROBE_MAX} of {}'s", plan.peer()), |_, ratio| ratio <= PROBE_MAX)),
        ),
        ("thousand SETs a second meanwhile", |figures| figures.kops, None),
        ("taken by the host meanwhile, %", |figures| figures.stolen * 100.0, None),
        (
            "snapshot, s",
            |figures| figures.wall_s,
            Some((format!("<= {TIME_MAX} of {}'s", plan.peer()), |_, ratio| ratio <= TIME_MAX)),
        ),
        (
            "extra memory, % of the data",
            |figures| figures.extra * 100.0,
            Some((format!("<= {} %", MEMORY_MAX * 100.0), |own, _| own <= MEMORY_MAX * 100.0)),
        ),
        (
            "loading, s",
            |figures| figures.load_s,
            Some((format!("{LOADING_MIN} times as fast"), |_, ratio| ratio <= 1.0 / LOADING_MIN)),
        ),
        (RDB_LINE, |figures| figures.load_s, None),
    ];
    for (what, field, bar) in lines {
        let of = |at: usize| match what == RDB_LINE && at == REDSTART {
            true => median(rounds[PEER].iter().map(|figures| figures.other_load_s)),
            false => median(rounds[at].iter().map(field)),
        };
        let mut cells = vec![what.to_string()];
        cells.extend((0..plan.servers.len()).map(|at| of(at).map_or("-".into(), short)));
        let compared = of(REDSTART)
            .zip(of(PEER))
            .and_then(|(ours, theirs)| Some((ours, ratio(ours, theirs)?)));
        if let Some((ours, ratio)) = compared {
            cells.push(short(ratio));
            cells.extend(
                bar.map(|(text, holds)| [text, met(holds(ours, ratio))]).into_iter().flatten(),
            );
        }
        table.row(cells);
    }
    table
}

fn measure(
    plan: &Plan,
    spec: &ServerSpec,
    other: Option<&ServerSpec>,
    cores: &Cores,
    strip: &Strip,
) -> Outcome<Figures> {
    let server = Server::start(spec, cores, Pin::Apart, 1)?;
    let mut client = Client::connect(server.port)?;
    let empty = server.resident_bytes()?;
    let reads = reads(&mut client)?;
    let fill = Stream::new(strip, LOADERS, PIPELINE, Laps::Once);
    load::run(server.port, &[fill], None, &server.cpu)?;
    let streams = [Stream::new(strip, LOADERS, PIPELINE, Laps::Endless), prober(&reads)];
    let timing = Timing { warm_up: plan.timing.warm_up, measured: plan.timing.measured };
    let usual = load::run(server.port, &streams, Some(timing), &server.cpu)?;
    let before = server.resident_bytes()?;
    server.forget_peak()?;
    let enough = AtomicBool::new(false);
    let taken = stolen(cores)?;
    let (measured, wall) = std::thread::scope(|scope| {
        let saver = scope.spawn(|| {
            let took = save(&mut client);
            enough.store(true, Relaxed);
            took
        });
        let measured = load::run_until(server.port, &streams, &enough, &server.cpu);
        (measured, saver.join())
    });
    let wall = wall.map_err(|_| Failure("the thread that saves panicked".into()))??;
    let measured = measured?;
    let taken = stolen(cores)?.saturating_sub(taken);
    let grown = server.resident_peak_bytes()?.saturating_sub(before);
    let copied = client.info("rdb_last_cow_size").and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
    let data = before.saturating_sub(empty).max(1);
    let (server, loading) = server.restart(spec, cores)?;
    let counted = |server: &Server| match Client::connect(server.port)?.dbsize()? {
        keys if keys == strip.len() + PROBED_KEYS => Ok(()),
        keys => Err(Failure(format!("{keys} keys were loaded of {}", strip.len()))),
    };
    counted(&server)?;
    let mut other_load_s = 0.0;
    if let Some(other) = other {
        let (server, took) = server.restart(other, cores)?;
        counted(&server)?;
        other_load_s = took.as_secs_f64();
    }
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let times: &Histogram = &measured.tallies[1].latency;
    Ok(Figures {
        usual_p999_ms: ms(usual.tallies[1].latency.percentile(99.9)),
        usual_max_ms: ms(usual.tallies[1].latency.max()),
        p999_ms: ms(times.percentile(99.9)),
        max_ms: ms(times.max()),
        stolen: taken.as_secs_f64() / measured.elapsed.as_secs_f64() / 2.0,
        kops: measured.tallies[0].operations as f64 / measured.elapsed.as_secs_f64() / 1e3,
        wall_s: wall.as_secs_f64(),
        extra: (grown + copied) as f64 / data as f64,
        load_s: loading.as_secs_f64(),
        other_load_s,
    })
}

/// How long the host has kept the server's and the load's cores from running what was to run.
fn stolen(cores: &Cores) -> Outcome<Duration> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let ticks = cores.used().map(|core| stolen_ticks(&stat, core));
    let [Some(server), Some(load)] = ticks else {
        return Err(Failure("a core's steal is not in /proc/stat".into()));
    };
    let rate = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64((server + load) as f64 / rate as f64))
}

/// The eighth figure of a core's line: user, nice, system, idle, iowait, irq, softirq, steal.
fn stolen_ticks(stat: &str, core: usize) -> Option<u64> {
    let name = format!("cpu{core} ");
    let figures = stat.lines().find_map(|line| line.strip_prefix(&name))?;
    figures.split_whitespace().nth(7)?.parse().ok()
}

/// Has a snapshot made, and waits for its end.
fn save(client: &mut Client) -> Outcome<Duration> {
    let started = Instant::now();
    client.ask(&[b"BGSAVE"])?;
    loop {
        std::thread::sleep(POLL);
        let running = client.info("rdb_bgsave_in_progress");
        if running.as_deref() == Some("0") {
            break;
        }
        if started.elapsed() > PATIENCE {
            return Err(Failure("the snapshot takes too long".into()));
        }
    }
    let took = started.elapsed();
    match client.info("rdb_last_bgsave_status").as_deref() {
        Some("ok") => Ok(took),
        status => Err(Failure(format!("the snapshot's status is {status:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_took_is_read() -> Outcome<()> {
        let stat =
            "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 4 5 6 7 88 0 0\ncpu11 1 2 3 4 5 6 7 99 0\n";
        assert_eq!(stolen_ticks(stat, 0), Some(88));
        assert_eq!(stolen_ticks(stat, 11), Some(99));
        assert_eq!(stolen_ticks(stat, 1), None);
        stolen(&Cores::find()?).map(drop)
    }
}
