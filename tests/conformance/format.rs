//! A transcript file as data. Every part remembers its lines, so that a failure names its place
//! and the recorder can replace a reply and leave the rest of the file alone.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::expect::{self, Expect};
use super::quote;
use super::scope::{self, Scope};

/// One file.
pub struct Transcript {
    pub path: PathBuf,
    pub lines: Vec<String>,
    pub sections: Vec<Section>,
}

/// A paragraph of the file: it starts on an empty server, with new connections.
pub struct Section {
    pub line: usize,
    pub scope: Scope,
    pub steps: Vec<Step>,
}

/// One step, and the line it stands on (counted from 1).
pub struct Step {
    pub line: usize,
    pub action: Action,
}

pub enum Action {
    /// `> COMMAND`, with the reply that must follow; or `<`, which only waits for a reply.
    Call(Call),
    /// `! send "BYTES"`: raw bytes, as they are.
    Send(Vec<u8>),
    /// `! sleep MS`
    Sleep(u64),
    /// `! until FIELD:VALUE`: goes on when INFO tells so.
    Until(String),
    /// `! connection N`: the commands that follow go there.
    Connection(usize),
    /// `! closed`: the server has closed this connection after its last reply.
    Closed,
}

pub struct Call {
    /// Empty where nothing is sent.
    pub args: Vec<Vec<u8>>,
    /// The replies; none in a transcript that was not recorded yet. The plain one is the first.
    pub replies: Vec<Reply>,
    /// The lines of all of them, as indexes into `Transcript::lines`.
    pub lines: Range<usize>,
}

/// What a target must answer: the plain reply, or another one of some targets, or of RESP3.
pub struct Reply {
    /// The targets whose reply this is; empty where it is everybody's.
    pub targets: Vec<String>,
    /// Whether it is RESP3's only.
    pub is_resp3: bool,
    pub expect: Expect,
    /// Its lines, as indexes into `Transcript::lines`.
    pub lines: Range<usize>,
}

impl Call {
    /// The reply that a target must give in a dialect: its own, or else everybody's.
    pub fn reply(&self, target: &str, is_resp3: bool) -> Option<&Reply> {
        let own = |reply: &&Reply| reply.targets.iter().any(|name| name == target);
        let plain = |reply: &&Reply| reply.targets.is_empty();
        let found = |is_wanted: &dyn Fn(&&Reply) -> bool| {
            let among = || self.replies.iter().filter(|reply| is_wanted(reply));
            let resp3 = among().find(|reply| is_resp3 && reply.is_resp3);
            resp3.or_else(|| among().find(|reply| !reply.is_resp3))
        };
        found(&own).or_else(|| found(&plain))
    }
}

impl Transcript {
    /// Reads and parses a file; an error names its line.
    pub fn read(path: &Path) -> Result<Transcript, String> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let sections = parse(&lines)
            .map_err(|(line, error)| format!("{}:{}: {error}", path.display(), line + 1))?;
        Ok(Transcript { path: path.to_owned(), lines, sections })
    }

    /// All transcripts below `root`, in the order of their paths.
    pub fn find(root: &Path) -> Result<Vec<PathBuf>, String> {
        let mut found = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder).map_err(|error| error.to_string())?;
            for entry in entries {
                let path = entry.map_err(|error| error.to_string())?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "txt") {
                    found.push(path);
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

type Located = (usize, String);

fn parse(lines: &[String]) -> Result<Vec<Section>, Located> {
    let mut sections = Vec::new();
    let mut everywhere = Scope::default();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim().is_empty() {
            at += 1;
            continue;
        }
        let start = at;
        while at < lines.len() && !lines[at].trim().is_empty() {
            at += 1;
        }
        let section = parse_section(lines, start..at, &everywhere)?;
        if !section.steps.is_empty() {
            sections.push(section);
        } else if sections.is_empty() {
            everywhere = section.scope;
        }
    }
    Ok(sections)
}

fn parse_section(
    lines: &[String],
    range: Range<usize>,
    everywhere: &Scope,
) -> Result<Section, Located> {
    let mut section =
        Section { line: range.start + 1, scope: everywhere.clone(), steps: Vec::new() };
    let mut at = range.start;
    while at < range.end {
        let line = lines[at].as_str();
        if line.starts_with('#') {
            at += 1;
        } else if let Some(command) = line.strip_prefix("> ").or((line == "<").then_some("")) {
            let (call, next) = parse_call(lines, command, at + 1, range.end)?;
            section.steps.push(Step { line: at + 1, action: Action::Call(call) });
            at = next;
        } else if let Some(directive) = line.strip_prefix("! ") {
            let action = section.apply(directive).map_err(|error| (at, error))?;
            if let Some(action) = action {
                section.steps.push(Step { line: at + 1, action });
            }
            at += 1;
        } else {
            return Err((at, format!("unexpected {line:?}")));
        }
    }
    Ok(section)
}

impl Section {
    /// Takes in a directive that stands outside a reply; the action that it asks for, if any.
    fn apply(&mut self, directive: &str) -> Result<Option<Action>, String> {
        let (word, rest) = directive.split_once(' ').unwrap_or((directive, ""));
        let number = || rest.parse::<u64>().map_err(|_| format!("bad number in {directive:?}"));
        match word {
            "sleep" => return Ok(Some(Action::Sleep(number()?))),
            "connection" => {
                let number = usize::try_from(number()?).map_err(|error| error.to_string())?;
                return Ok(Some(Action::Connection(number)));
            }
            "closed" => return Ok(Some(Action::Closed)),
            "until" => return Ok(Some(Action::Until(rest.to_owned()))),
            "send" => return Ok(Some(Action::Send(quote::split(rest)?.concat()))),
            _ if !self.steps.is_empty() => {
                return Err(format!("{word:?} must stand before the section's first command"));
            }
            _ => self.scope.apply(word, rest)?,
        }
        Ok(None)
    }
}

/// Reads the replies of a command; also the line after them.
fn parse_call(
    lines: &[String],
    command: &str,
    start: usize,
    end: usize,
) -> Result<(Call, usize), Located> {
    let args = quote::split(command).map_err(|error| (start - 1, error))?;
    let mut replies: Vec<Reply> = Vec::new();
    let mut at = start;
    while at < end && expect::is_reply_line(&lines[at]) {
        let (prefix, _) = split_prefix(&lines[at]);
        // After the plain reply and its like, what has no prefix is no reply: `! closed`.
        if prefix.is_empty() != replies.is_empty() {
            match replies.is_empty() {
                true => return Err((at, "the plain reply comes first".to_owned())),
                false => break,
            }
        }
        let texts: Vec<&str> = lines[at..end]
            .iter()
            .map(|line| split_prefix(line))
            .take_while(|(other, text)| {
                *other == prefix && (!prefix.is_empty() || expect::is_reply_line(text))
            })
            .map(|(_, text)| text)
            .collect();
        // Not recorded yet.
        if texts == ["! unordered"] {
            at += 1;
            break;
        }
        let (expect, used) = expect::parse(&texts, 0).map_err(|error| (at, error))?;
        if !prefix.is_empty() && used < texts.len() {
            return Err((at + used, format!("more than one reply of {prefix:?}")));
        }
        let (targets, is_resp3) = parse_prefix(prefix).map_err(|error| (at, error))?;
        replies.push(Reply { targets, is_resp3, expect, lines: at..at + used });
        at += used;
    }
    Ok((Call { args, replies, lines: start..at }, at))
}

/// A reply's line and what stands before it: `3`, `redis-7` or `redis-7,valkey-9 3`, and a bar.
fn split_prefix(line: &str) -> (&str, &str) {
    let is_of_prefix = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-, ".contains(c);
    match line.split_once("| ") {
        // Errors begin with a dash.
        Some((prefix, text))
            if prefix.starts_with(|c: char| c.is_ascii_alphanumeric())
                && prefix.chars().all(is_of_prefix) =>
        {
            (prefix, text)
        }
        _ => ("", line),
    }
}

/// The targets that a prefix names, and whether it is RESP3's.
fn parse_prefix(prefix: &str) -> Result<(Vec<String>, bool), String> {
    let (names, is_resp3) = match prefix.strip_suffix('3').map(|rest| rest.strip_suffix(' ')) {
        _ if prefix == "3" => ("", true),
        Some(Some(names)) => (names, true),
        _ => (prefix, false),
    };
    let names: Vec<String> =
        names.split(',').filter(|n| !n.is_empty()).map(str::to_owned).collect();
    names.iter().try_for_each(|name| scope::check_target(name))?;
    Ok((names, is_resp3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::resp::Value;

    fn call(text: &str) -> Call {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut sections = parse(&lines).expect("a transcript");
        match sections.remove(0).steps.remove(0).action {
            Action::Call(call) => call,
            _ => panic!("no call"),
        }
    }

    #[test]
    fn a_target_has_its_own_reply_or_everybodys() {
        let call = call("> X\n:1\n3| :2\nredis-7,valkey-9| :3\nvalkey-9 3| :4\nredis-8 3| #t\n");
        let said = |target, is_resp3| match call.reply(target, is_resp3).map(|reply| &reply.expect)
        {
            Some(Expect::Is(Value::Int(number))) => *number,
            Some(Expect::Is(Value::Bool(true))) => 5,
            other => panic!("{other:?}"),
        };
        assert_eq!(["redstart", "redis-7", "redis-8"].map(|name| said(name, false)), [1, 3, 1]);
        assert_eq!(["redstart", "redis-7", "redis-8"].map(|name| said(name, true)), [2, 3, 5]);
        assert_eq!((said("valkey-9", false), said("valkey-9", true)), (3, 4));
    }

    #[test]
    fn what_stands_behind_the_replies_is_none() {
        let call = call("> X\n-err| or\nredis-7| *1\nredis-7|   nil\n! closed\n");
        assert_eq!((call.replies.len(), call.lines), (2, 1..4));
    }

    #[test]
    fn wrong_prefixes_are_refused() {
        let refused = |text: &str| {
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            parse(&lines).is_err()
        };
        assert!(refused("> X\n:1\nredis-9| :2\n"));
        assert!(refused("> X\nredis-7| :2\n:1\n"));
        assert!(refused("> X\n:1\nredis-7| :2\nredis-7| :3\n"));
        assert!(refused("! since 8.0\n> X\n:1\n"));
    }
}
