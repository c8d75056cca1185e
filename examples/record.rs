//! Fills in and refreshes the replies of transcripts from the oracle:
//!
//!     cargo run --example record -- tests/conformance/string/set.txt ...
//!
//! Write the commands, record, then read what Redis says. Comments and directives stay, and so does
//! every expected reply that the oracle's reply fits (an `! any` or `! between`, for example).
//! Sections marked `! newer` are not run: they are written by hand.

#[allow(dead_code, reason = "shared with the tests, which use other parts")]
#[path = "../tests/support/mod.rs"]
mod support;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../tests/conformance/mod.rs"]
mod transcript;

use std::ops::Range;
use std::path::Path;

use support::client::Failure;
use support::resp::Value;
use support::server::installed_redis;
use transcript::expect::{self, Expect, Saved};
use transcript::format::{Action, Call, Section, Transcript};
use transcript::runner::{Runner, filled};
use transcript::target::{Protocol, Target, Tcp};

/// Lines to put in the place of others.
type Edit = (Range<usize>, Vec<String>);

fn main() -> Result<(), String> {
    let (program, version) = installed_redis().ok_or("redis-server is not installed")?;
    let mut resp2 = Tcp::oracle(&program, &version, Protocol::Resp2);
    let mut resp3 = Tcp::oracle(&program, &version, Protocol::Resp3);
    for path in std::env::args().skip(1) {
        record(Path::new(&path), &mut resp2, &mut resp3)?;
    }
    Ok(())
}

fn record(path: &Path, resp2: &mut Tcp, resp3: &mut Tcp) -> Result<(), String> {
    let transcript = Transcript::read(path)?;
    let mut edits = Vec::new();
    for section in &transcript.sections {
        if !Runner::new(resp2).fits(section) {
            continue;
        }
        let replies2 = replies(section, resp2)?;
        let replies3 = replies(section, resp3)?;
        let calls = section.steps.iter().filter_map(|step| match &step.action {
            Action::Call(call) => Some(call),
            _ => None,
        });
        for (call, (reply2, reply3)) in calls.zip(replies2.iter().zip(&replies3)) {
            edit(call, &transcript.lines, reply2, reply3, &mut edits);
        }
    }
    let mut lines = transcript.lines.clone();
    for (range, replacement) in edits.into_iter().rev() {
        lines.splice(range, replacement);
    }
    if lines != transcript.lines {
        std::fs::write(path, lines.join("\n") + "\n").map_err(|error| error.to_string())?;
        println!("{}: recorded", path.display());
    }
    Ok(())
}

/// The replies to a section's commands; `None` where the connection was closed instead.
fn replies(section: &Section, target: &mut Tcp) -> Result<Vec<Option<Value>>, String> {
    target.begin()?;
    let mut saved = Saved::new();
    let mut connection = 1;
    let mut replies = Vec::new();
    for step in &section.steps {
        match &step.action {
            Action::Sleep(ms) => target.sleep(*ms),
            Action::Until(line) => target.wait_until(line)?,
            Action::Connection(number) => connection = *number,
            Action::Send(bytes) => {
                if let Err(Failure::Broken(error)) = target.send(connection, bytes) {
                    return Err(format!("line {}: {error}", step.line));
                }
            }
            Action::Closed => {
                if !target.is_closed(connection) {
                    return Err(format!("line {}: the connection is still open", step.line));
                }
            }
            Action::Call(call) => {
                let reply = match target.call(connection, &filled(&call.args, &saved)) {
                    Ok(reply) => Some(reply),
                    Err(Failure::Closed) => None,
                    Err(Failure::Broken(error)) => {
                        return Err(format!("line {}: {error}", step.line));
                    }
                };
                fits(call.reply.as_ref(), &reply, &mut saved);
                replies.push(reply);
            }
        }
    }
    Ok(replies)
}

fn edit(
    call: &Call,
    lines: &[String],
    reply2: &Option<Value>,
    reply3: &Option<Value>,
    edits: &mut Vec<Edit>,
) {
    let mut saved = Saved::new();
    let mut expected = call.reply.clone();
    if !fits(expected.as_ref(), reply2, &mut saved) {
        let old = &lines[call.reply_lines.clone()];
        let new = rendered(reply2, old);
        let texts: Vec<&str> = new.iter().map(String::as_str).collect();
        expected = expect::parse(&texts, 0).ok().map(|(expected, _)| expected);
        edits.push((call.reply_lines.clone(), new));
    }
    if fits(expected.as_ref(), reply3, &mut saved) {
        edits.push((call.reply3_lines.clone(), Vec::new()));
    } else if !fits(call.reply3.as_ref(), reply3, &mut saved) {
        let both = call.reply_lines.start..call.reply3_lines.end;
        let new = rendered(reply3, &lines[both]).into_iter().map(|line| format!("3| {line}"));
        edits.push((call.reply3_lines.clone(), new.collect()));
    }
}

fn fits(expected: Option<&Expect>, reply: &Option<Value>, saved: &mut Saved) -> bool {
    match (expected, reply) {
        (Some(Expect::Closed), None) => true,
        (Some(expected), Some(reply)) => expected.accepts(reply, saved),
        _ => false,
    }
}

/// The lines of a reply; an `! unordered` that stands before an old one is kept.
fn rendered(reply: &Option<Value>, old: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    if old.iter().any(|line| line.trim_start_matches("3| ") == "! unordered") {
        lines.push("! unordered".to_owned());
    }
    match reply {
        Some(reply) => expect::render(reply, 0, &mut lines),
        None => lines.push("! closed".to_owned()),
    }
    // Written before the reply was known, it stands for what happens after it.
    if reply.is_some() && old.iter().any(|line| line == "! closed") {
        lines.push("! closed".to_owned());
    }
    lines
}
