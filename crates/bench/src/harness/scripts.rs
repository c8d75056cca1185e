//! The release of locks by script ([`release`](super::release)) with two workers.
//!
//! The locks lie in different shards, so that scripts run side by side. On a machine where the load
//! needs one of two cores, throughput cannot show it; CPU per operation can: what two workers could
//! do, each with a core of its own, is twice what one CPU second does.

use super::client::Client;
use super::lines::LOCKS;
use super::load::{self, Laps, Stream};
use super::outcome::{Outcome, progress};
use super::plan::{Plan, REDSTART, ServerSpec};
use super::release::{self, Action};
use super::report::{Section, Table, median, met, ratio, short};
use super::server::{Cores, Pin, Server};
use super::throughput::Figures;
use super::workload::{self, Order, Strips};

const PIPELINE: usize = 16;
/// What two workers can do over what one can, at least.
const GAIN_MIN: f64 = 1.5;

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
            release::load(&mut Client::connect(server.port)?)?;
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
