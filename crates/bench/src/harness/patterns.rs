//! What matching costs in scripts: find, match, gmatch and gsub over texts of several lengths.
//!
//! Both servers run the same script on the same text, in turns, and must find as much. A script
//! repeats its work until it takes so long that the call around it does not count.

use super::client::Client;
use super::outcome::{Failure, Outcome, progress};
use super::plan::{PEER, Plan, REDSTART};
use super::report::{Section, Table, met, ratio, short};
use super::server::{Cores, Pin, Server};
use redis_protocol::resp2::types::OwnedFrame;
use std::time::Duration;

/// What texts are made of.
const UNIT: &str = "abc=d1, (defgh)=2x2,";
/// Lengths of texts, in bytes.
const LENGTHS: [usize; 3] = [1000, 40_000, 1_000_000];
/// What a script takes at least in redis-server.
const WORK: Duration = Duration::from_millis(15);
const REPEATS_MAX: u32 = 3000;
/// How often each script runs; the shortest time counts.
const RUNS: usize = 5;
const RUNS_QUICK: usize = 3;
/// What matching costs over redis-server at most.
const RATIO_MAX: f64 = 1.5;

/// Kinds of patterns, each with how many captures it has.
const PATTERNS: [(&str, &str, usize); 16] = [
    ("a class", "%a+", 0),
    ("a set", "[^,]+", 0),
    ("a byte", ",", 0),
    ("a text", ", %(def", 0),
    ("what may be there", ",%s?%(?", 0),
    ("one capture", "([^,]+),", 1),
    ("two captures", "(%w+)=(%w+)", 2),
    ("four captures", "(%w)(%w+)=(%w)(%w)", 4),
    ("a capture and a place", "([^,]+),()", 2),
    ("as few as will do", "(%w+)=(.-),", 2),
    ("frontier", "%f[%w]%w+", 0),
    ("balanced", "(%b())", 1),
    ("a capture again", "(%w)%1", 1),
    ("anchored, captures", "^(%w+)=(%w+)", 2),
    ("anchored, the rest", "^(%w+)=(.*)$", 2),
    ("not there", "zzz%d", 0),
];

/// Functions, with the lines that go through the text `s` and count matches in `n`.
const FUNCTIONS: [&str; 6] = ["find", "match", "gmatch", "gsub", "gsub %0", "gsub f"];

/// The lines for a pattern.
fn lines(function: &str, pattern: &str, captures: usize) -> String {
    let once = pattern.starts_with('^');
    match function {
        "find" if once => format!("if string.find(s, '{pattern}') then n = n + 1 end"),
        "match" if once => format!("if string.match(s, '{pattern}') then n = n + 1 end"),
        "find" => format!(
            "local at = 1 while true do local from, to = string.find(s, '{pattern}', at) \
             if not from then break end at = to + 1 n = n + 1 end"
        ),
        "match" => {
            let all: Vec<_> = (0..=captures).map(|nth| format!("c{nth}")).collect();
            let (all, next) = (all.join(", "), format!("c{captures}"));
            format!(
                "local at = 1 while true do local {all} = string.match(s, '{pattern}()', at) \
                 if not c0 then break end at = {next} n = n + 1 end"
            )
        }
        "gmatch" => format!("for one, two in string.gmatch(s, '{pattern}') do n = n + 1 end"),
        _ => {
            let by = match function {
                "gsub" => "'-'",
                "gsub %0" => "'<%0>'",
                _ => "function(one) return one end",
            };
            format!("local made, times = string.gsub(s, '{pattern}', {by}) n = times")
        }
    }
}

/// A server that runs scripts.
struct Runner {
    server: Server,
    client: Client,
}

impl Runner {
    fn start(plan: &Plan, cores: &Cores, at: usize) -> Outcome<Runner> {
        let server = Server::start(&plan.servers[at], cores, Pin::Apart, 1)?;
        let client = Client::connect(server.port)?;
        Ok(Runner { server, client })
    }

    /// Runs lines on a text so often. Returns the CPU time and what was found.
    fn run(&mut self, lines: &str, repeats: u32, text: &str) -> Outcome<(Duration, i64)> {
        let script = format!(
            "local s, n = ARGV[1], 0 for time = 1, {repeats} do n = 0 {lines} end return n"
        );
        let before = self.server.cpu.used()?;
        let reply = self.client.ask(&[b"EVAL", script.as_bytes(), b"0", text.as_bytes()])?;
        let used = self.server.cpu.used_since(before)?;
        match reply {
            OwnedFrame::Integer(found) => Ok((used, found)),
            other => Err(Failure(format!("{lines}: {other:?}"))),
        }
    }
}

/// The ratio of Redstart to redis-server for lines on a text.
fn compare(runners: &mut [Runner; 2], lines: &str, text: &str, runs: usize) -> Outcome<f64> {
    let [theirs, ours] = runners;
    let (once, _) = theirs.run(lines, 1, text)?;
    let repeats = WORK.as_nanos() / once.as_nanos().max(1) + 2;
    let repeats = u32::try_from(repeats).unwrap_or(REPEATS_MAX).min(REPEATS_MAX);
    let mut least = [Duration::MAX; 2];
    for _ in 0..runs {
        let (by_them, found) = theirs.run(lines, repeats, text)?;
        let (by_us, found_too) = ours.run(lines, repeats, text)?;
        if found != found_too {
            return Err(Failure(format!("{lines}: {found_too} matches, not {found}")));
        }
        least = [least[0].min(by_them), least[1].min(by_us)];
    }
    ratio(least[1].as_secs_f64(), least[0].as_secs_f64())
        .ok_or_else(|| Failure(format!("{lines}: took no time")))
}

/// Every function with every kind of pattern and length.
pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let heading = ["pattern", "", "bytes"].into_iter().chain(FUNCTIONS).chain(["met"]);
    let mut table = Table::new(heading);
    let filled = fill(plan, cores, &mut table);
    if let Err(failure) = &filled {
        progress(format_args!("  {failure}"));
    }
    let text = format!(
        "CPU time of a script that matches, over {}'s. `gsub` puts in a text, the match \
         between two letters, and what a function returns. Bar: {RATIO_MAX}.\n\n{}",
        plan.peer(),
        table.markdown()
    );
    Section { title: "Patterns in scripts".into(), text, complete: filled.is_ok() }
}

fn fill(plan: &Plan, cores: &Cores, table: &mut Table) -> Outcome<()> {
    let mut runners = [Runner::start(plan, cores, PEER)?, Runner::start(plan, cores, REDSTART)?];
    let runs = if plan.quick { RUNS_QUICK } else { RUNS };
    for (name, pattern, captures) in PATTERNS {
        progress(format_args!("patterns: {name}"));
        for length in LENGTHS {
            let text = UNIT.repeat(length / UNIT.len());
            let mut ratios = Vec::new();
            for function in FUNCTIONS {
                let lines = lines(function, pattern, captures);
                ratios.push(compare(&mut runners, &lines, &text, runs)?);
            }
            let is_met = ratios.iter().all(|ratio| *ratio <= RATIO_MAX);
            let mut row = vec![name.to_string(), format!("`{pattern}`"), length.to_string()];
            row.extend(ratios.into_iter().map(short));
            row.push(met(is_met));
            table.row(row);
        }
    }
    Ok(())
}
