//! The throughput groups: every workload on every server, in interleaved rounds.
//!
//! In a round each server is started once per dataset, filled, and taken through that dataset's
//! workloads. The order is server by server within a round, so that a slow minute of the machine
//! falls on all of them. A workload that a server cannot do is a gap in its row; for redis-server
//! and Redstart it also fails the run.

use super::chart;
use super::client::Client;
use super::lines::WORKLOADS;
use super::load::{self, Laps, Measured, Stream};
use super::outcome::{Failure, Outcome, progress};
use super::plan::{PEER, Plan, REDSTART};
use super::report::{Section, Table, median, met, ratio, short, short_us};
use super::server::{Cores, Pin, Server};
use super::workload::{Action, Dataset, Order, SMALL, Strips, Workload};
use super::{release, strings};
use std::time::Duration;

const INCR: Action = Action::String(strings::Action::Incr);

/// Pipeline of fills.
const FILL_PIPELINE: usize = 64;

/// In a closed loop one side always works; when neither is busier than this, others had its core.
const UNDISTURBED_BUSY: f64 = 0.85;

/// What one measurement showed, or the medians of several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Thousand operations a second.
    pub kops: f64,
    /// Server CPU per operation, in microseconds.
    pub cpu_us: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    /// Cores used by the server and by the load.
    pub server_busy: f64,
    pub load_busy: f64,
}

impl Figures {
    /// Of the first stream.
    pub fn of(measured: &Measured) -> Self {
        let tally = &measured.tallies[0];
        let seconds = measured.elapsed.as_secs_f64();
        let operations = tally.operations as f64;
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        let percentile = |percent| us(tally.latency.percentile(percent));
        Self {
            kops: operations / seconds / 1e3,
            cpu_us: us(measured.server_cpu) / operations.max(1.0),
            p50_us: percentile(50.0),
            p99_us: percentile(99.0),
            p999_us: percentile(99.9),
            server_busy: measured.server_cpu.as_secs_f64() / seconds,
            load_busy: measured.load_cpu.as_secs_f64() / seconds,
        }
    }

    /// Field by field.
    pub fn medians(rounds: &[Self]) -> Option<Self> {
        let of = |field: fn(&Self) -> f64| median(rounds.iter().map(field));
        Some(Self {
            kops: of(|figures| figures.kops)?,
            cpu_us: of(|figures| figures.cpu_us)?,
            p50_us: of(|figures| figures.p50_us)?,
            p99_us: of(|figures| figures.p99_us)?,
            p999_us: of(|figures| figures.p999_us)?,
            server_busy: of(|figures| figures.server_busy)?,
            load_busy: of(|figures| figures.load_busy)?,
        })
    }

    fn is_disturbed(&self) -> bool {
        self.server_busy.max(self.load_busy) < UNDISTURBED_BUSY
    }
}

/// The rounds of one workload on one server, and whether one of them failed.
#[derive(Clone, Default)]
struct Rounds {
    figures: Vec<Figures>,
    failed: bool,
}

impl Rounds {
    fn medians(&self) -> Option<Figures> {
        if self.failed { None } else { Figures::medians(&self.figures) }
    }
}

/// Measures the chosen throughput groups; a section for the chart, for the summary, for the
/// details.
pub fn run(plan: &Plan, cores: &Cores) -> Outcome<Vec<Section>> {
    let chosen: Vec<&Workload> =
        WORKLOADS.iter().filter(|workload| plan.groups.contains(&workload.group)).collect();
    let mut strips = Strips::default();
    let mut results = vec![vec![Rounds::default(); plan.servers.len()]; chosen.len()];
    for round in 1..=plan.rounds {
        for (at, spec) in plan.servers.iter().enumerate() {
            for dataset in datasets(&chosen) {
                let lines = chosen.iter().enumerate().filter(|line| line.1.dataset == dataset);
                let lines: Vec<_> = lines.map(|(line, workload)| (line, *workload)).collect();
                progress(format_args!(
                    "round {round}/{}: {}, {} times {:?} of {} bytes",
                    plan.rounds, spec.name, dataset.keys, dataset.fill, dataset.value_bytes
                ));
                let server = Server::start(spec, cores, Pin::Apart, 1)?;
                let mut session =
                    Session { plan, server: &server, strips: &mut strips, counters: false };
                if let Err(failure) = session.fill(dataset) {
                    progress(format_args!("  fill: {failure}"));
                }
                for (line, workload) in lines {
                    let rounds = &mut results[line][at];
                    match session.measure(workload) {
                        Ok(figures) => rounds.figures.push(figures),
                        Err(failure) => {
                            progress(format_args!("  {}: {failure}", workload.name));
                            rounds.failed = true;
                        }
                    }
                }
            }
        }
    }
    let complete = results.iter().flat_map(|row| &row[..=REDSTART]).all(|rounds| !rounds.failed);
    let medians: Vec<Vec<Option<Figures>>> =
        results.iter().map(|row| row.iter().map(Rounds::medians).collect()).collect();
    let lines = chosen.iter().zip(&medians).map(|(workload, row)| {
        let kops = |at: usize| row[at].as_ref().map(|figures| figures.kops);
        (workload.name, kops(PEER), kops(REDSTART))
    });
    Ok(vec![
        Section { title: chart::TITLE.into(), text: chart::chart(plan.peer(), lines), complete },
        Section { title: "Summary".into(), text: summary(plan, &chosen, &medians), complete },
        Section { title: "Throughput".into(), text: details(plan, &chosen, &medians), complete },
    ])
}

/// The datasets of `chosen`, in order, each once.
fn datasets(chosen: &[&Workload]) -> Vec<Dataset> {
    let mut datasets = Vec::new();
    for workload in chosen {
        if !datasets.contains(&workload.dataset) {
            datasets.push(workload.dataset);
        }
    }
    datasets
}

/// One server with one dataset.
struct Session<'a> {
    plan: &'a Plan,
    server: &'a Server,
    strips: &'a mut Strips,
    /// Whether every counter exists.
    counters: bool,
}

impl Session<'_> {
    fn fill(&mut self, dataset: Dataset) -> Outcome<()> {
        self.once(dataset.fill, dataset)
    }

    /// Every key of `action` once, as they are counted.
    fn once(&mut self, action: Action, dataset: Dataset) -> Outcome<()> {
        let strip = self.strips.strip(action, dataset, Order::Counted);
        let stream = Stream::new(&strip, self.plan.connections, FILL_PIPELINE, Laps::Once);
        load::run(self.server.port, &[stream], None, &self.server.cpu).map(drop)
    }

    fn measure(&mut self, workload: &Workload) -> Outcome<Figures> {
        if workload.action == INCR && !self.counters {
            // The first INCR of a key creates it, which is another, dearer thing.
            self.once(INCR, SMALL)?;
            self.counters = true;
        }
        let (mut laps, mut timing) = (Laps::Endless, Some(self.plan.timing));
        if let Action::Script(_) = workload.action {
            release::load(&mut Client::connect(self.server.port)?)?;
        }
        if let Some(action) = workload.action.prepared_by() {
            self.once(action, workload.dataset)?;
            (laps, timing) = (Laps::Once, None);
        }
        let strip = self.strips.strip(workload.action, workload.dataset, Order::Shuffled);
        let connections = self.plan.connections;
        let stream = Stream::new(&strip, connections, workload.pipeline, laps);
        let measured = load::run(self.server.port, &[stream], timing, &self.server.cpu)?;
        if measured.tallies[0].operations == 0 {
            return Err(Failure("no reply in the measured time".into()));
        }
        Ok(Figures::of(&measured))
    }
}

/// A row a server, a column a workload: CPU per operation and throughput.
fn summary(plan: &Plan, chosen: &[&Workload], medians: &[Vec<Option<Figures>>]) -> String {
    let mut out = String::new();
    for dataset in datasets(chosen) {
        let lines: Vec<usize> =
            (0..chosen.len()).filter(|&line| chosen[line].dataset == dataset).collect();
        // Tables of at most eight columns stay readable.
        for lines in lines.chunks(8) {
            let names = lines.iter().map(|&line| chosen[line].name);
            let title = "CPU us per operation (thousand operations a second)";
            let mut table = Table::new(std::iter::once(title).chain(names));
            for (at, spec) in plan.servers.iter().enumerate() {
                let cell = |&line: &usize| match &medians[line][at] {
                    Some(figures) => format!("{} ({:.0})", short(figures.cpu_us), figures.kops),
                    None => "-".into(),
                };
                table.row(std::iter::once(spec.name.clone()).chain(lines.iter().map(cell)));
            }
            let cell = |&line: &usize| {
                let (ours, theirs) = (medians[line][REDSTART]?, medians[line][PEER]?);
                let cpu = ratio(ours.cpu_us, theirs.cpu_us)?;
                Some(format!("{} ({})", short(cpu), short(ratio(ours.kops, theirs.kops)?)))
            };
            let cells = lines.iter().map(|line| cell(line).unwrap_or_else(|| "-".into()));
            table.row(std::iter::once(format!("redstart / {}", plan.peer())).chain(cells));
            out += &table.markdown();
            out.push('\n');
        }
    }
    out
}

/// A row for every workload on every server.
fn details(plan: &Plan, chosen: &[&Workload], medians: &[Vec<Option<Figures>>]) -> String {
    let mut table = Table::new([
        "workload",
        "server",
        "kops/s",
        "ratio",
        "CPU us/op",
        "ratio",
        "bar",
        "met",
        "p50 us",
        "p99 us",
        "p99.9 us",
        "server busy",
        "load busy",
    ]);
    for (workload, row) in chosen.iter().zip(medians) {
        for (at, spec) in plan.servers.iter().enumerate() {
            let name = [workload.name.to_string(), spec.name.clone()];
            match &row[at] {
                None => table.row(name.into_iter().chain(std::iter::once("-".to_string()))),
                Some(figures) => {
                    let theirs = row[PEER].as_ref();
                    table.row(name.into_iter().chain(cells(workload, at, figures, theirs)));
                }
            }
        }
    }
    let measured = || medians.iter().flatten().flatten();
    let disturbed = measured().filter(|figures| figures.is_disturbed()).count();
    let mut out = table.markdown();
    if disturbed > 0 {
        out += &format!(
            "\n**In {disturbed} of {} rows neither side was busy: something else ran on this \
             machine. Their throughput and latency mean little, and their CPU time is inflated by \
             lost caches.**\n",
            measured().count()
        );
    }
    out
}

fn cells(
    workload: &Workload,
    server: usize,
    ours: &Figures,
    theirs: Option<&Figures>,
) -> Vec<String> {
    let kops_ratio = theirs.and_then(|theirs| ratio(ours.kops, theirs.kops));
    let cpu_ratio = theirs.and_then(|theirs| ratio(ours.cpu_us, theirs.cpu_us));
    let mut bar = [String::new(), String::new()];
    if server == REDSTART {
        let verdict = cpu_ratio.map(|ratio| met(ratio <= workload.cpu_ratio_max));
        bar = [format!("<= {:.2}", workload.cpu_ratio_max), verdict.unwrap_or_default()];
    }
    let [bar, verdict] = bar;
    let optional = |ratio: Option<f64>| ratio.map(short).unwrap_or_default();
    let us = |us: f64| short_us(Duration::from_secs_f64(us / 1e6));
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    vec![
        format!("{:.0}", ours.kops),
        optional(kops_ratio),
        short(ours.cpu_us),
        optional(cpu_ratio),
        bar,
        verdict,
        us(ours.p50_us),
        us(ours.p99_us),
        us(ours.p999_us),
        percent(ours.server_busy),
        percent(ours.load_busy),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURES: Figures = Figures {
        kops: 1000.0,
        cpu_us: 1.0,
        p50_us: 10.0,
        p99_us: 20.0,
        p999_us: 30.0,
        server_busy: 1.0,
        load_busy: 0.5,
    };

    #[test]
    fn medians_are_field_by_field() {
        let other = Figures { kops: 3000.0, cpu_us: 0.5, ..FIGURES };
        let third = Figures { kops: 2000.0, cpu_us: 2.0, ..FIGURES };
        let medians = Figures::medians(&[FIGURES, other, third]);
        assert_eq!(medians, Some(Figures { kops: 2000.0, cpu_us: 1.0, ..FIGURES }));
        assert_eq!(Figures::medians(&[]), None);
    }

    #[test]
    fn bars_are_of_redstart_and_judge_its_cpu() {
        let get_p64 = WORKLOADS.iter().find(|workload| workload.name == "GET p64").expect("named");
        let verdict = |server: usize, cpu_us: f64| {
            let ours = Figures { cpu_us, ..FIGURES };
            cells(get_p64, server, &ours, Some(&FIGURES))[5].clone()
        };
        assert_eq!(verdict(REDSTART, 0.37), "yes");
        assert_eq!(verdict(REDSTART, 0.39), "**no**");
        assert_eq!(verdict(PEER, 0.37), "");
        assert_eq!(cells(get_p64, REDSTART, &FIGURES, None)[5], "");
    }
}
