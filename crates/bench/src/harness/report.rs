//! The report: medians, ratios, Markdown tables, and the page around them.

use super::chart;
use super::client::Client;
use super::outcome::Outcome;
use super::plan::{Group, Plan, REDSTART};
use super::server::{Cores, Pin, Server};
use std::fmt::Write;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// One part of the page.
pub struct Section {
    pub title: String,
    /// Markdown.
    pub text: String,
    /// False when redis-server or Redstart could not be measured.
    pub complete: bool,
}

/// Rows of cells under a heading, as Markdown.
pub struct Table {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<T: Into<String>>(heading: impl IntoIterator<Item = T>) -> Self {
        Self { heading: heading.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Appends a row; missing cells stay empty.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        cells.resize(self.heading.len(), String::new());
        self.rows.push(cells);
    }

    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let mut line = |cells: &[String]| {
            let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        };
        line(&self.heading);
        line(&vec!["---".to_string(); self.heading.len()]);
        self.rows.iter().for_each(|row| line(row));
        out
    }
}

/// The middle of `values`; of an even number, the mean of the two in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// `ours` over `theirs`, unless that means nothing.
pub fn ratio(ours: f64, theirs: f64) -> Option<f64> {
    (theirs > 0.0 && ours.is_finite() && theirs.is_finite()).then(|| ours / theirs)
}

/// Three significant digits, more or less: enough to compare, not more than is known.
pub fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

pub fn short_us(time: Duration) -> String {
    short(time.as_secs_f64() * 1e6)
}

pub fn short_ms(time: Duration) -> String {
    short(time.as_secs_f64() * 1e3)
}

/// "yes" or "**no**".
pub fn met(is_met: bool) -> String {
    if is_met { "yes".into() } else { "**no**".into() }
}

/// What the reader must know about where the figures come from, as a Markdown list. Starts each
/// server once, to ask its version; so a missing binary is found at once.
pub fn facts(plan: &Plan, cores: &Cores) -> Outcome<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |line: &str| line.split_once(':').map(|(_, value)| value.trim().to_string());
    let model = cpuinfo.lines().find(|line| line.starts_with("model name")).and_then(field);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let mut out = format!(
        "- commit: {}\n- machine: {}, {cpus} cores{}; Linux {}\n",
        commit(),
        model.unwrap_or_else(|| "unknown processor".into()),
        if cores.shared() { " (server and load share the only one)" } else { "" },
        kernel.trim()
    );
    for (at, spec) in plan.servers.iter().enumerate() {
        let server = match Server::start(spec, cores, Pin::Apart, 1) {
            Ok(server) => server,
            Err(failure) if at <= REDSTART => return Err(failure),
            Err(failure) => {
                let _ = writeln!(out, "- {}: {failure}", spec.name);
                continue;
            }
        };
        let mut client = Client::connect(server.port)?;
        let own = client.info("redstart_version").map(|version| format!(", redstart {version}"));
        // Valkey tells the version of Redis that it is compatible with, too.
        let version = client.info("valkey_version").or_else(|| client.info("redis_version"));
        let redis = version.unwrap_or_else(|| "unknown".into());
        let allocator = client.info("mem_allocator").unwrap_or_default();
        let _ = writeln!(
            out,
            "- {}: version {redis}{}{}{allocator}",
            spec.name,
            own.unwrap_or_default(),
            if allocator.is_empty() { "" } else { ", " },
        );
    }
    Ok(out)
}

/// The commit that is measured; one with changes says so.
fn commit() -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
        output.status.success().then_some(text)
    };
    let Some(head) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".into() };
    let changes = git(&["status", "--porcelain", "--untracked-files=no"]).unwrap_or_default();
    if changes.is_empty() { head } else { format!("{head}, with changes") }
}

/// The whole page.
pub fn page(plan: &Plan, facts: &str, sections: &[Section]) -> String {
    let rounds = match plan.rounds {
        1 => "One round".to_string(),
        rounds => format!("Medians of {rounds} interleaved rounds"),
    };
    let (opening, sections) = chart::opening(sections);
    let mut out = format!(
        "# Benchmarks\n\n\
         Written by `make {}` (`crates/bench`), all of it by one run; edits do not survive the \
         next one.{}\n\n\
         {opening}{facts}\n\
         ## Method\n\n\
         Every server runs in turn, alone, with one worker and without persistence, on a core of \
         its own; the load, one thread with epoll and requests rendered beforehand, runs on \
         another. Loopback, {} connections, each a closed loop: it writes a batch of as many \
         requests as the pipeline is deep (p1, p16, p64), waits for all replies and writes the \
         next. A million 16-byte keys with 32-byte values, a hundred thousand of 1 KiB, ten \
         thousand of 16 KiB; inserted in one order, asked for in random others. Every reply is \
         counted, and all bytes of a sample are compared. Both commands of a lock cycle count as \
         operations. {rounds}; each measurement takes {} s after a warm-up.\n\n\
         CPU is the server's user and system time, from the kernel's account of its threads, over \
         the operations that were answered in the same span: the steadiest figure, and the one \
         that does not depend on which side was the limit. Latency is a batch's, from before its \
         write to after its last reply. *Busy* is the share of its core that a side used: where \
         the load is busier than the server, the throughput is the load's limit and not the \
         server's. Ratios compare with {} in the same run: for throughput more is better, for CPU \
         less; so do the bars.\n",
        match plan.groups[..] {
            [Group::Scale] => "scale",
            [Group::Hits] => "hits",
            _ => "bench",
        },
        if plan.quick { " **A quick run: a first impression, not a record.**" } else { "" },
        plan.connections,
        short(plan.timing.measured.as_secs_f64()),
        plan.peer(),
    );
    for section in sections {
        let _ = write!(out, "\n## {}\n\n{}", section.title, section.text);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median([4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn ratios_are_of_what_is_known() {
        assert_eq!(ratio(1.0, 4.0), Some(0.25));
        assert_eq!(ratio(1.0, 0.0), None);
        assert_eq!(ratio(f64::NAN, 1.0), None);
    }

    #[test]
    fn figures_are_short() {
        let cases = [(0.1394, "0.139"), (1.0, "1.00"), (12.34, "12.3"), (6678.4, "6678")];
        cases.iter().for_each(|&(value, text)| assert_eq!(short(value), text));
    }

    #[test]
    fn tables_are_markdown() {
        let mut table = Table::new(["a", "b"]);
        table.row(["1"]);
        table.row(["x|y", "2"]);
        assert_eq!(table.markdown(), "| a | b |\n| --- | --- |\n| 1 |  |\n| x\\|y | 2 |\n");
    }
}
