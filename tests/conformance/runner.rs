//! Runs transcripts on a target and says where they part.
//!
//! Times run in transcripts, and a machine that is held up between two commands lets them run out.
//! So what fails proves nothing if it took longer than it may: it is run again, a few times. What
//! fails in time has failed, and so has a server that does not answer.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::expect::{self, Expect, Saved};
use super::format::{Action, Call, Reply, Section, Transcript};
use super::quote::escape;
use super::scope::REDSTART;
use super::target::{Protocol, Target};
use crate::support::client::Failure;
use crate::support::resp::Value;

/// What a section may take beside its sleeps: the shortest time that runs in one is longer.
const IN_TIME: Duration = Duration::from_millis(20);
/// So long nobody is held up who is not waiting for a reply that does not come.
const SILENCE: Duration = Duration::from_secs(10);
/// How often a section may be late.
const LATE_MAX: usize = 5;

/// What a run found.
#[derive(Default)]
pub struct Report {
    /// One text a failure, beginning with `file:line`.
    pub failures: Vec<String>,
    pub sections_run: usize,
    pub sections_left_out: usize,
    pub calls: usize,
    /// Replies in which Redstart is known to differ: `redstart| `, and not wanted.
    pub known_differences: usize,
    /// Failures that came too late to count.
    pub late: usize,
    /// Files of which no section fitted the target.
    pub files_left_out: Vec<PathBuf>,
}

/// Runs transcripts on one target, and remembers which types it knows.
pub struct Runner<'a> {
    target: &'a mut dyn Target,
    knows: HashMap<String, bool>,
    report: Report,
    /// How long the section has slept so far.
    slept: Duration,
}

impl<'a> Runner<'a> {
    /// A runner for this target.
    pub fn new(target: &'a mut dyn Target) -> Runner<'a> {
        Runner { target, knows: HashMap::new(), report: Report::default(), slept: Duration::ZERO }
    }

    /// Runs every transcript below `root` whose path contains `filter`.
    pub fn run_all(mut self, root: &Path, filter: &str) -> Report {
        match Transcript::find(root) {
            Ok(paths) => {
                let wanted = |path: &&PathBuf| path.to_string_lossy().contains(filter);
                for path in paths.iter().filter(wanted) {
                    self.run_file(path);
                }
            }
            Err(error) => self.report.failures.push(error),
        }
        self.report
    }

    fn run_file(&mut self, path: &Path) {
        let transcript = match Transcript::read(path) {
            Ok(transcript) => transcript,
            Err(error) => return self.report.failures.push(error),
        };
        let run_before = self.report.sections_run;
        for section in &transcript.sections {
            if !self.fits(section) {
                self.report.sections_left_out += 1;
                continue;
            }
            self.report.sections_run += 1;
            if let Err((line, problem)) = self.run_in_time(section, &transcript.lines) {
                let place = format!("{}:{line}", path.display());
                self.report.failures.push(format!("{place}: {problem}"));
                self.target.discard();
            }
        }
        if self.report.sections_run == run_before {
            self.report.files_left_out.push(path.to_owned());
        }
    }

    /// Whether a section can run here.
    pub fn fits(&mut self, section: &Section) -> bool {
        let scope = &section.scope;
        scope.admits(self.target)
            && scope.needs.iter().all(|name| self.knows(name))
            && section.steps.iter().all(|step| match &step.action {
                Action::Call(call) => self.target.runs(&call.args),
                Action::Send(_) | Action::Until(_) => self.target.has_sessions(),
                _ => true,
            })
    }

    /// Whether the target has the commands of a value type.
    fn knows(&mut self, type_name: &str) -> bool {
        if let Some(known) = self.knows.get(type_name) {
            return *known;
        }
        let command = match type_name {
            "hash" => "hset",
            "list" => "rpush",
            "set" => "sadd",
            "zset" => "zadd",
            "stream" => "xadd",
            other => other,
        };
        let known = self.target.knows(command);
        self.knows.insert(type_name.to_owned(), known);
        known
    }

    /// Runs a section, and again if it fails and was late.
    fn run_in_time(&mut self, section: &Section, lines: &[String]) -> Result<(), (usize, String)> {
        let mut began;
        for _ in 0..LATE_MAX {
            self.target.begin().map_err(|error| (section.line, error))?;
            (self.slept, began) = (Duration::ZERO, Instant::now());
            let result = self.run_section(section, lines);
            let took = began.elapsed().saturating_sub(self.slept);
            if result.is_ok() || !(IN_TIME..SILENCE).contains(&took) {
                return result;
            }
            self.report.late += 1;
            self.target.discard();
        }
        self.target.begin().map_err(|error| (section.line, error))?;
        self.run_section(section, lines)
    }

    fn run_section(&mut self, section: &Section, lines: &[String]) -> Result<(), (usize, String)> {
        let mut saved = Saved::new();
        let mut connection = 1;
        for step in &section.steps {
            let located = |problem: String| (step.line, problem);
            match &step.action {
                Action::Sleep(ms) => {
                    self.slept += Duration::from_millis(*ms);
                    self.target.sleep(*ms);
                }
                Action::Until(line) => self.target.wait_until(line).map_err(located)?,
                Action::Connection(number) => connection = *number,
                // A server may refuse the start of it and be gone before the end.
                Action::Send(bytes) => match self.target.send(connection, bytes) {
                    Ok(()) | Err(Failure::Closed) => {}
                    Err(Failure::Broken(error)) => return Err(located(error)),
                },
                Action::Closed => {
                    if !self.target.is_closed(connection) {
                        return Err(located("the connection is still open".to_owned()));
                    }
                }
                Action::Call(call) => {
                    self.report.calls += 1;
                    let reply = self.target.call(connection, &filled(&call.args, &saved));
                    let is_resp3 = self.target.protocol() == Protocol::Resp3;
                    let name = self.target.name();
                    let expected = call.reply(name, is_resp3);
                    let is_own = expected.is_some_and(|reply| !reply.targets.is_empty());
                    if name == REDSTART && is_own && section.scope.wanted.is_none() {
                        self.report.known_differences += 1;
                    }
                    check(call, expected, name, lines, reply, &mut saved).map_err(located)?;
                }
            }
        }
        Ok(())
    }
}

/// Compares a reply with what the transcript says.
fn check(
    call: &Call,
    expected: Option<&Reply>,
    target: &str,
    lines: &[String],
    reply: Result<Value, Failure>,
    saved: &mut Saved,
) -> Result<(), String> {
    let Some(expected) = expected else {
        return Err("the transcript has no reply here: record it".to_owned());
    };
    match (expected.expect.said_by(target).as_ref(), &reply) {
        (Expect::Closed, Err(Failure::Closed)) => return Ok(()),
        (expect, Ok(value)) if expect.accepts(value, saved) => return Ok(()),
        _ => {}
    }
    let mut got = Vec::new();
    match reply {
        Ok(value) => expect::render(&value, 0, &mut got),
        Err(Failure::Closed) => got.push("! closed".to_owned()),
        Err(Failure::Broken(error)) => got.push(error),
    }
    let words: Vec<String> = call.args.iter().map(|arg| shown(arg)).collect();
    let expected = indented(&lines[expected.lines.clone()]);
    Err(format!("> {}\n  expected\n{expected}\n  got\n{}", words.join(" "), indented(&got)))
}

/// The lines of a reply as part of a report, which is no place for thousands of them.
fn indented(lines: &[String]) -> String {
    const MOST: usize = 40;
    let mut shown: Vec<String> =
        lines.iter().take(MOST).map(|line| format!("    {}", shorten(line))).collect();
    if lines.len() > MOST {
        shown.push(format!("    ... {} lines", lines.len()));
    }
    shown.join("\n")
}

fn shorten(line: &str) -> &str {
    const LONGEST: usize = 300;
    line.char_indices().nth(LONGEST).map_or(line, |(end, _)| &line[..end])
}

/// An argument, cut to what a reader wants to see of it.
fn shown(arg: &[u8]) -> String {
    const LONGEST: usize = 60;
    let text = escape(&arg[..arg.len().min(LONGEST)]);
    if arg.len() > LONGEST { format!("{text}...({} bytes)", arg.len()) } else { text }
}

/// The arguments with `${NAME}` replaced by what was saved.
pub fn filled(args: &[Vec<u8>], saved: &Saved) -> Vec<Vec<u8>> {
    let fill = |arg: &Vec<u8>| {
        let name = arg.strip_prefix(b"${").and_then(|rest| rest.strip_suffix(b"}"));
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        name.and_then(|name| saved.get(name)).unwrap_or(arg).clone()
    };
    args.iter().map(fill).collect()
}
