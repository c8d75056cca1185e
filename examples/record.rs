//! Fills in and refreshes the replies of transcripts from the oracles:
//!
//!     cargo run --example record -- tests/conformance/string/set.txt ...
//!     cargo run --example record -- --oracle valkey-9 tests/conformance/string/set.txt
//!     cargo run --example record -- --redstart target/debug/redstart tests/conformance/...
//!
//! Write the commands, record, then read what the servers say. All oracles at hand are asked, or
//! those that are named. The newest Redis that has a section's commands gives the plain reply;
//! where another one says something else, its reply follows under its name. With `--redstart`, what
//! that program says is marked likewise: a list of what is to be mended, not a permission.
//!
//! Comments and directives stay, and so does every expected reply that the new reply fits (an
//! `! any` or `! between`, for example). Commands that a server does not know are warned of.
//! Sections marked `! documented` are written by hand.

#[allow(dead_code, reason = "shared with the tests, which use other parts")]
#[path = "../tests/support/mod.rs"]
mod support;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../tests/conformance/mod.rs"]
mod transcript;

use std::ops::Range;
use std::path::{Path, PathBuf};

use redstart_differential::oracle::{self, KINDS};
use support::client::Failure;
use support::resp::Value;
use transcript::expect::{self, Expect, Saved};
use transcript::format::{Action, Call, Section, Transcript};
use transcript::runner::{Runner, filled};
use transcript::target::{Protocol, Target, Tcp};

/// How often a section is played until two plays say the same.
const PLAYS_MAX: usize = 5;

/// A server that is asked, in both dialects.
struct Asked {
    resp2: Tcp,
    resp3: Tcp,
}

impl Asked {
    fn restart(&mut self) {
        self.resp2.discard();
        self.resp3.discard();
    }
}

/// What a server said to a command, in both dialects; `None` where it closed the connection.
struct Said {
    name: &'static str,
    resp2: Option<Value>,
    resp3: Option<Value>,
}

/// Lines to put in the place of others.
type Edit = (Range<usize>, Vec<String>);

fn main() -> Result<(), String> {
    let (mut names, mut redstart, mut paths) = (Vec::new(), None, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--oracle" => names.push(args.next().ok_or("--oracle wants a name")?),
            "--redstart" => redstart = Some(args.next().ok_or("--redstart wants a program")?),
            _ => paths.push(PathBuf::from(arg)),
        }
    }
    let mut asked: Vec<Asked> = Vec::new();
    for kind in &KINDS {
        match kind.find() {
            Ok(oracle) => asked.push(Asked {
                resp2: Tcp::oracle(&oracle, Protocol::Resp2),
                resp3: Tcp::oracle(&oracle, Protocol::Resp3),
            }),
            Err(why) => println!("{why}"),
        }
    }
    for name in &names {
        oracle::find(name)?;
    }
    if let Some(program) = redstart {
        let program = std::fs::canonicalize(program).map_err(|error| error.to_string())?;
        names.extend(asked.iter().map(|asked| asked.resp2.name().to_owned()));
        names.push("redstart".to_owned());
        asked.push(Asked {
            resp2: Tcp::redstart(&program, Protocol::Resp2),
            resp3: Tcp::redstart(&program, Protocol::Resp3),
        });
    }
    for path in &paths {
        record(path, &mut asked, &names)?;
    }
    Ok(())
}

/// Records a file from those of `asked` that `names` has; from all, if it has none.
fn record(path: &Path, asked: &mut [Asked], names: &[String]) -> Result<(), String> {
    let transcript = Transcript::read(path)?;
    let mut edits = Vec::new();
    for section in &transcript.sections {
        let place = format!("{}:{}", path.display(), section.line);
        let mut last: Option<Vec<Edit>> = None;
        for play in 1.. {
            if play > 1 {
                // A play may leave behind what FLUSHALL does not take away.
                asked.iter_mut().for_each(Asked::restart);
            }
            let warns = (play == 1).then_some(path);
            let next = match play_section(section, &transcript.lines, asked, names, warns) {
                Ok(edits) => edits,
                Err(error) => {
                    println!("{place}: {error}");
                    break;
                }
            };
            if next.is_empty() || last.as_ref() == Some(&next) {
                edits.extend(next);
                break;
            }
            if play == PLAYS_MAX {
                println!("{place}: no two plays say the same");
                edits.extend(next);
                break;
            }
            last = Some(next);
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

/// Warns of commands that a server does not know: the section is not meant for it, or misspelt.
fn warn_of_unknown(path: &Path, name: &str, line: usize, reply: Option<&Value>) {
    let Some(Value::Error(text)) = reply else { return };
    if text.starts_with(b"ERR unknown command") || text.starts_with(b"ERR unknown subcommand") {
        let text = String::from_utf8_lossy(text);
        println!("{}:{line}: warning: {name} says: {text}", path.display());
    }
}

/// Plays a section on every server that it fits, and compares; what is to change in its lines.
/// `warns` is the file, if unknown commands are to be told.
fn play_section(
    section: &Section,
    lines: &[String],
    asked: &mut [Asked],
    names: &[String],
    warns: Option<&Path>,
) -> Result<Vec<Edit>, String> {
    let calls = section.steps.iter().filter_map(|step| match &step.action {
        Action::Call(call) => Some(call),
        _ => None,
    });
    let mut said: Vec<Vec<Said>> = calls.clone().map(|_| Vec::new()).collect();
    let mut reference = None;
    for Asked { resp2, resp3 } in asked {
        if !Runner::new(resp2).fits(section) {
            continue;
        }
        let name = resp2.name();
        reference = reference.or(Some(name));
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let located = |error: String| format!("{name}: {error}");
        let replies2 = replies(section, resp2).map_err(located)?;
        let replies3 = replies(section, resp3).map_err(located)?;
        for (call, reply) in calls.clone().zip(&replies2) {
            if let Some(path) = warns {
                // The command stands in the line above its reply.
                warn_of_unknown(path, name, call.lines.start, reply.as_ref());
            }
        }
        for (said, (resp2, resp3)) in said.iter_mut().zip(replies2.into_iter().zip(replies3)) {
            said.push(Said { name, resp2, resp3 });
        }
    }
    let reference = reference.unwrap_or("redstart");
    let new = calls.zip(&said).map(|(call, said)| (call, recorded(call, lines, reference, said)));
    let changed = new.filter(|(call, new)| lines[call.lines.clone()] != *new);
    Ok(changed.map(|(call, new)| (call.lines.clone(), new)).collect())
}

/// The replies to a section's commands; `None` where the connection was closed instead.
fn replies(section: &Section, target: &mut Tcp) -> Result<Vec<Option<Value>>, String> {
    target.begin()?;
    let result = try_replies(section, target);
    if result.is_err() {
        target.discard();
    }
    result
}

fn try_replies(section: &Section, target: &mut Tcp) -> Result<Vec<Option<Value>>, String> {
    let is_resp3 = target.protocol() == Protocol::Resp3;
    let mut saved = Saved::new();
    let mut connection = 1;
    let mut replies = Vec::new();
    for step in &section.steps {
        let located = |error: String| format!("line {}: {error}", step.line);
        match &step.action {
            Action::Sleep(ms) => target.sleep(*ms),
            Action::Until(line) => target.wait_until(line).map_err(located)?,
            Action::Connection(number) => connection = *number,
            Action::Send(bytes) => {
                if let Err(Failure::Broken(error)) = target.send(connection, bytes) {
                    return Err(located(error));
                }
            }
            Action::Closed => {
                if !target.is_closed(connection) {
                    return Err(located("the connection is still open".to_owned()));
                }
            }
            Action::Call(call) => {
                let reply = match target.call(connection, &filled(&call.args, &saved)) {
                    Ok(reply) => Some(reply),
                    Err(Failure::Closed) => None,
                    Err(Failure::Broken(error)) => return Err(located(error)),
                };
                let expected = call.reply(target.name(), is_resp3);
                let expected = expected.map(|reply| reply.expect.said_by(target.name()));
                fits(expected.as_deref(), &reply, &mut saved);
                replies.push(reply);
            }
        }
    }
    Ok(replies)
}

/// The lines of one reply, and what it accepts.
#[derive(Clone)]
struct Written {
    lines: Vec<String>,
    expect: Option<Expect>,
}

impl Written {
    /// A reply that the transcript has already, without its prefix.
    fn old(
        call: &Call,
        lines: &[String],
        targets: Option<&str>,
        is_resp3: bool,
    ) -> Option<Written> {
        let found = call.replies.iter().find(|reply| {
            reply.is_resp3 == is_resp3
                && match targets {
                    Some(name) => reply.targets.iter().any(|target| target == name),
                    None => reply.targets.is_empty(),
                }
        })?;
        let has_prefix = targets.is_some() || is_resp3;
        let bare = |line: &String| match line.split_once("| ") {
            Some((_, bare)) if has_prefix => bare.to_owned(),
            _ => line.clone(),
        };
        let lines = lines[found.lines.clone()].iter().map(bare).collect();
        Some(Written { lines, expect: Some(found.expect.clone()) })
    }

    /// What a server has said; what `like` accepts of it stands there as in `like`.
    fn new(said: &Option<Value>, like: Option<&Written>, is_unordered: bool) -> Written {
        let mut lines = Vec::new();
        if is_unordered && matches!(said, Some(Value::Items(..))) {
            lines.push("! unordered".to_owned());
        }
        match (said, like.and_then(|like| like.expect.as_ref())) {
            (Some(said), Some(like)) => expect::render_like(like, said, 0, &mut lines),
            (Some(said), None) => expect::render(said, 0, &mut lines),
            (None, _) => lines.push("! closed".to_owned()),
        }
        let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
        let expect = expect::parse(&texts, 0).ok().map(|(expect, _)| expect);
        Written { lines, expect }
    }

    fn fits(&self, said: &Option<Value>, name: &str) -> bool {
        let expect = self.expect.as_ref().map(|expect| expect.said_by(name));
        fits(expect.as_deref(), said, &mut Saved::new())
    }
}

/// The lines of a call's replies, as they are to be.
fn recorded(call: &Call, lines: &[String], reference: &str, said: &[Said]) -> Vec<String> {
    let is_unordered = lines[call.lines.clone()]
        .iter()
        .any(|line| line.rsplit("| ").next().is_some_and(|bare| bare == "! unordered"));
    let mut plain = Written::old(call, lines, None, false);
    let mut plain3 = Written::old(call, lines, None, true);
    let has_own = call.replies.iter().any(|reply| reply.targets.iter().any(|n| n == reference));
    if let Some(said) = said.iter().find(|said| said.name == reference && !has_own) {
        if !plain.as_ref().is_some_and(|plain| plain.fits(&said.resp2, reference)) {
            plain = Some(Written::new(&said.resp2, plain.as_ref(), is_unordered));
        }
        plain3 = own([plain.as_ref(), None], plain3, &said.resp3, reference, is_unordered);
    }
    let mut out = plain.as_ref().map_or(Vec::new(), |plain| plain.lines.clone());
    out.extend(prefixed("3", plain3.as_ref()));
    // Those that say the same stand in one line.
    let mut groups: Vec<(Vec<&str>, [Option<Written>; 2])> = Vec::new();
    let targets = KINDS.iter().map(|kind| kind.name).chain(["redstart"]);
    for name in targets.filter(|name| *name != reference || has_own) {
        let mut resp2 = Written::old(call, lines, Some(name), false);
        let mut resp3 = Written::old(call, lines, Some(name), true);
        if let Some(said) = said.iter().find(|said| said.name == name) {
            resp2 = own([plain.as_ref(), None], resp2, &said.resp2, name, is_unordered);
            let base = if resp2.is_some() { resp2.as_ref() } else { plain.as_ref() };
            let base3 = if resp2.is_some() { None } else { plain3.as_ref() };
            resp3 = own([base, base3], resp3, &said.resp3, name, is_unordered);
        }
        let written = [resp2, resp3];
        let is_same = |(_, other): &&mut (Vec<&str>, [Option<Written>; 2])| {
            let bare = |written: &[Option<Written>; 2]| {
                written.each_ref().map(|written| written.as_ref().map(|w| w.lines.clone()))
            };
            bare(other) == bare(&written)
        };
        if written.iter().all(Option::is_none) {
            continue;
        }
        match groups.iter_mut().find(is_same) {
            Some((names, _)) => names.push(name),
            None => groups.push((vec![name], written)),
        }
    }
    for (names, [resp2, resp3]) in groups {
        let names = names.join(",");
        out.extend(prefixed(&names, resp2.as_ref()));
        out.extend(prefixed(&format!("{names} 3"), resp3.as_ref()));
    }
    out
}

/// The reply to write where none of `bases`, of which the last is looked at first, fits what was
/// said.
fn own(
    bases: [Option<&Written>; 2],
    old: Option<Written>,
    said: &Option<Value>,
    name: &str,
    is_unordered: bool,
) -> Option<Written> {
    let base = bases.into_iter().flatten().last();
    let is_by_hand = |written: &Written| written.lines.iter().any(|line| line.starts_with("! "));
    match old {
        // It allows for more than happened this time.
        Some(old) if is_by_hand(&old) && old.fits(said, name) => Some(old),
        _ if base.is_some_and(|base| base.fits(said, name)) => None,
        Some(old) if old.fits(said, name) => Some(old),
        old => Some(Written::new(said, old.as_ref().or(base), is_unordered)),
    }
}

fn prefixed(prefix: &str, written: Option<&Written>) -> Vec<String> {
    let lines = written.map_or(&[][..], |written| &written.lines);
    lines.iter().map(|line| format!("{prefix}| {line}")).collect()
}

fn fits(expected: Option<&Expect>, reply: &Option<Value>, saved: &mut Saved) -> bool {
    match (expected, reply) {
        (Some(Expect::Closed), None) => true,
        (Some(expected), Some(reply)) => expected.accepts(reply, saved),
        _ => false,
    }
}
