//! SET with an append-only log, synced every second and before every reply.
//!
//! Both servers write to a directory of their own on the same disk, and neither rewrites its log
//! meanwhile. How often each syncs is counted by strace in a run of its own, because tracing slows
//! a server down; without strace that column stays empty.

use super::load::{self, Laps, Stream};
use super::outcome::{Failure, Outcome, progress};
use super::plan::Timing;
use super::plan::{PEER, Plan, REDSTART, ServerSpec};
use super::report::{Section, Table, met, ratio, short};
use super::server::{Cores, Pin, Server};
use super::strip::Strip;
use super::throughput::Figures;
use super::workload::{Order, SET, SMALL, Strips};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A policy, how deep the pipeline is, and how many writes a second there have to be over
/// redis-server's.
const LINES: [(&str, usize, f64); 2] = [("everysec", 16, 1.5), ("always", 1, 1.0)];
/// How long the syncs are counted.
const COUNTED: Duration = Duration::from_secs(2);

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut table = Table::new([
        "policy",
        "server",
        "kops/s",
        "ratio",
        "bar",
        "met",
        "CPU us/op",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "server busy",
        "writes a sync",
    ]);
    let mut complete = true;
    let mut strips = Strips::default();
    for (policy, pipeline, bar) in LINES {
        let mut rounds = vec![Vec::new(); plan.servers.len()];
        for _ in 0..plan.rounds {
            for (at, spec) in plan.servers.iter().enumerate() {
                progress(format_args!("log {policy} p{pipeline}: {}", spec.name));
                match measure(plan, &logging(spec, policy), cores, pipeline, &mut strips) {
                    Ok(figures) => rounds[at].push(figures),
                    Err(failure) => {
                        progress(format_args!("  {failure}"));
                        complete &= at > REDSTART;
                    }
                }
            }
        }
        let medians: Vec<_> = rounds.iter().map(|rounds| Figures::medians(rounds)).collect();
        for (at, spec) in plan.servers.iter().enumerate() {
            let mut cells = vec![format!("{policy} p{pipeline}"), spec.name.clone()];
            if let Some(figures) = medians[at] {
                let gain = medians[PEER].and_then(|theirs| ratio(figures.kops, theirs.kops));
                cells.extend([short(figures.kops), gain.map(short).unwrap_or_default()]);
                let judged = at == REDSTART;
                let verdict = gain.map(|gain| met(gain >= bar)).unwrap_or_default();
                cells.push(if judged { format!(">= {bar}") } else { String::new() });
                cells.push(if judged { verdict } else { String::new() });
                let times = [figures.cpu_us, figures.p50_us, figures.p99_us, figures.p999_us];
                cells.extend(times.map(short));
                cells.push(format!("{:.0} %", figures.server_busy * 100.0));
                let strip = strips.strip(SET, SMALL, Order::Shuffled);
                match count_syncs(plan, &logging(spec, policy), cores, pipeline, &strip) {
                    Ok(writes) => cells.push(short(writes)),
                    Err(failure) => progress(format_args!("  counting syncs: {failure}")),
                }
            }
            table.row(cells);
        }
    }
    let text = format!(
        "SET of small values with `appendonly yes`, {} connections; both servers without \
         rewriting. *Writes a sync*: how many SETs one fsync or fdatasync served, counted by \
         strace in a run of its own.\n\n{}",
        plan.connections,
        table.markdown()
    );
    Section { title: "Log".into(), text, complete }
}

pub fn logging(spec: &ServerSpec, policy: &str) -> ServerSpec {
    let rewriting = ["--auto-aof-rewrite-percentage", "0"];
    let log = ["--appendonly", "yes", "--appendfsync", policy];
    spec.with(&[log.as_slice(), &rewriting].concat())
}

pub fn measure(
    plan: &Plan,
    spec: &ServerSpec,
    cores: &Cores,
    pipeline: usize,
    strips: &mut Strips,
) -> Outcome<Figures> {
    let server = Server::start(spec, cores, Pin::Apart, 1)?;
    let fill = strips.strip(SET, SMALL, Order::Counted);
    let fill = Stream::new(&fill, plan.connections, 64, Laps::Once);
    load::run(server.port, &[fill], None, &server.cpu)?;
    let strip = strips.strip(SET, SMALL, Order::Shuffled);
    let stream = Stream::new(&strip, plan.connections, pipeline, Laps::Endless);
    let measured = load::run(server.port, &[stream], Some(plan.timing), &server.cpu)?;
    Ok(Figures::of(&measured))
}

/// How many writes a sync serves.
fn count_syncs(
    plan: &Plan,
    spec: &ServerSpec,
    cores: &Cores,
    pipeline: usize,
    strip: &Strip,
) -> Outcome<f64> {
    let server = Server::start(spec, cores, Pin::Apart, 1)?;
    let tracer = Command::new("strace")
        .args(["-f", "-c", "-e", "trace=fsync,fdatasync", "-p", &server.cpu.pid().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure(format!("strace: {error}")))?;
    // Until it has taken hold of all threads.
    std::thread::sleep(Duration::from_millis(500));
    let stream = Stream::new(strip, plan.connections, pipeline, Laps::Endless);
    let timing = Timing { warm_up: Duration::ZERO, measured: COUNTED };
    let measured = load::run(server.port, &[stream], Some(timing), &server.cpu);
    // The tracer ends with what it traces, and then prints what it counted.
    drop(server);
    let output = tracer.wait_with_output()?;
    let printed = String::from_utf8_lossy(&output.stderr);
    let syncs = syncs(&printed).ok_or_else(|| Failure(format!("no syncs were seen: {printed}")))?;
    Ok(measured?.tallies[0].operations as f64 / syncs)
}

/// The sum of the column `calls` in strace's table.
fn syncs(printed: &str) -> Option<f64> {
    let lines =
        printed.lines().filter(|line| line.ends_with("fsync") || line.ends_with("fdatasync"));
    let calls = lines.filter_map(|line| line.split_whitespace().nth(3)?.parse::<f64>().ok());
    Some(calls.sum()).filter(|&sum| sum > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncs_are_read_from_the_table_of_strace() {
        let printed = "% time seconds usecs/call calls errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            90.00    0.010000         100       100           fdatasync\n\
            10.00    0.001000         100        10           fsync\n\
            100.00    0.011000         100       110           total\n";
        assert_eq!(syncs(printed), Some(110.0));
        assert_eq!(syncs("strace: attach: Operation not permitted\n"), None);
    }
}
