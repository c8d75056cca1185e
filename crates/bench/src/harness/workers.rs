//! Two workers against one, with the load and the server wherever the scheduler puts them, and
//! whether replies stay in order.
//!
//! On two cores the load takes a part of what the second worker would use, so the throughput shows
//! only that sharing the keyspace does not cost more than it brings; the CPU per operation shows
//! what the sharing costs.
//!
//! Order: every connection sends ECHO of its own running number and INCR of its own counter in
//! turn, and every byte of every reply must be the expected one. A reply that another overtook, or
//! that went to another connection, is a wrong reply. Counters are spread over all shards.

use super::load::{self, LAP_UNIT, Laps, Stream};
use super::outcome::{Outcome, progress};
use super::plan::{Plan, REDSTART, ServerSpec};
use super::report::{Section, Table, met, ratio, short};
use super::server::{Cores, Pin, Server};
use super::strings;
use super::strip::{Strip, key, space};
use super::throughput::Figures;
use super::workload::{Action, Order, SET, SMALL, Strips};

const THREADS: [usize; 2] = [1, 2];
const PIPELINES: [usize; 2] = [16, 64];
/// Requests of each connection in the check of the order, in laps' units.
const ORDER_UNITS: usize = 200;
/// Throughput of two workers over one that still counts as no slower: the noise of the machine.
const NOISE: f64 = 0.97;

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut table = Table::new([
        "server",
        "workload",
        "workers",
        "kops/s",
        "CPU us/op",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "load busy",
        "2 over 1",
        "met",
    ]);
    let mut notes = String::new();
    let mut complete = true;
    let mut strips = Strips::default();
    for (at, spec) in plan.servers.iter().enumerate() {
        if !spec.takes_threads() {
            continue;
        }
        progress(format_args!("workers: {}", spec.name));
        match compare(plan, spec, cores, &mut strips, &mut table) {
            Ok(checked) => {
                let (name, connections) = (&spec.name, plan.connections);
                notes += &format!(
                    "\n{name}: {checked} replies of {connections} connections compared, with two \
                     workers: all in order.\n"
                );
            }
            Err(failure) => {
                progress(format_args!("  {failure}"));
                complete &= at > REDSTART;
                notes += &format!("\n{}: **{failure}**\n", spec.name);
            }
        }
    }
    let text = format!(
        "Neither server nor load is pinned. Bar: two workers are no slower than one (within \
         {:.0} %, the noise), and no reply is out of order.\n\n{}{notes}",
        (1.0 - NOISE) * 100.0,
        table.markdown()
    );
    Section { title: "Two workers".into(), text, complete }
}

/// Fills the table's rows of one server; returns how many replies were found in order.
fn compare(
    plan: &Plan,
    spec: &ServerSpec,
    cores: &Cores,
    strips: &mut Strips,
    table: &mut Table,
) -> Outcome<u64> {
    let lines: Vec<_> = PIPELINES
        .iter()
        .flat_map(|&pipeline| [(strings::Action::Get, pipeline), (strings::Action::Set, pipeline)])
        .collect();
    let mut rounds = vec![vec![Vec::new(); THREADS.len()]; lines.len()];
    for _ in 0..plan.rounds {
        for (column, &threads) in THREADS.iter().enumerate() {
            let server = Server::start(spec, cores, Pin::Free, threads)?;
            let fill = strips.strip(SET, SMALL, Order::Counted);
            let fill = Stream::new(&fill, plan.connections, 64, Laps::Once);
            load::run(server.port, &[fill], None, &server.cpu)?;
            for (line, &(action, pipeline)) in lines.iter().enumerate() {
                let strip = strips.strip(Action::String(action), SMALL, Order::Shuffled);
                let stream = Stream::new(&strip, plan.connections, pipeline, Laps::Endless);
                let timing = Some(plan.timing);
                let measured = load::run(server.port, &[stream], timing, &server.cpu)?;
                rounds[line][column].push(Figures::of(&measured));
            }
        }
    }
    for (&(action, pipeline), row) in lines.iter().zip(&rounds) {
        let name = format!("{action:?} p{pipeline}").to_uppercase().replace(" P", " p");
        let medians: Vec<_> = row.iter().filter_map(|rounds| Figures::medians(rounds)).collect();
        for (figures, threads) in medians.iter().zip(THREADS) {
            let mut cells = vec![
                spec.name.clone(),
                name.clone(),
                threads.to_string(),
                format!("{:.0}", figures.kops),
                short(figures.cpu_us),
                short(figures.p50_us),
                short(figures.p99_us),
                short(figures.p999_us),
                format!("{:.0} %", figures.load_busy * 100.0),
            ];
            if threads == 2 {
                let gain = ratio(figures.kops, medians[0].kops).unwrap_or(0.0);
                cells.extend([short(gain), met(gain >= NOISE)]);
            }
            table.row(cells);
        }
    }
    check_order(plan, spec, cores)
}

fn check_order(plan: &Plan, spec: &ServerSpec, cores: &Cores) -> Outcome<u64> {
    let server = Server::start(spec, cores, Pin::Free, 2)?;
    let strip = order_strip(plan.connections);
    let mut stream = Stream::new(&strip, plan.connections, 16, Laps::Once);
    stream.check_every = 1;
    let measured = load::run(server.port, &[stream], None, &server.cpu)?;
    Ok(measured.tallies[0].operations)
}

/// For each connection a lap of ECHO and INCR in turn, with the replies that it must get.
fn order_strip(connections: usize) -> Strip {
    let mut strip = Strip::with_replies();
    for connection in 0..connections {
        let counter = key(space::COUNTERS, connection);
        for number in 1..=ORDER_UNITS * LAP_UNIT / 2 {
            let said = format!("{connection}-{number}");
            let reply = format!("${}\r\n{said}\r\n", said.len());
            strip.push(&[b"ECHO", said.as_bytes()], reply.as_bytes());
            strip.push(&[b"INCR", &counter], format!(":{number}\r\n").as_bytes());
        }
    }
    strip
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laps_of_the_order_check_are_one_connections_own() {
        let strip = order_strip(5);
        let stream = Stream::new(&strip, 5, 16, Laps::Once);
        for connection in 0..5 {
            let first = stream.lap(connection).start;
            let text = String::from_utf8_lossy(strip.known_replies(first..first + 2));
            assert_eq!(text, format!("$3\r\n{connection}-1\r\n:1\r\n"));
        }
    }
}
