//! A transcript file as data. Every part remembers its lines, so that a failure names its place
//! and the recorder can replace a reply and leave the rest of the file alone.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::expect::{self, Expect};
use super::quote;

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

/// Where a section can run.
#[derive(Clone, Default)]
pub struct Scope {
    /// `! newer VERSION`: not on an oracle older than that.
    pub newer: Option<String>,
    /// `! needs TYPE`: not where this type's commands are unknown.
    pub needs: Vec<String>,
    /// `! tcp-only`: it is about sessions, which only a server process has.
    pub tcp_only: bool,
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
    /// What RESP2 answers; `None` in a transcript that was not recorded yet.
    pub reply: Option<Expect>,
    /// What RESP3 answers, where that is something else.
    pub reply3: Option<Expect>,
    /// The lines of `reply` and of `reply3`, as indexes into `Transcript::lines`.
    pub reply_lines: Range<usize>,
    pub reply3_lines: Range<usize>,
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
            "newer" => self.scope.newer = Some(rest.to_owned()),
            "needs" => self.scope.needs.push(rest.to_owned()),
            "tcp-only" => self.scope.tcp_only = true,
            _ => return Err(format!("unknown directive {directive:?}")),
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
    let located = |error| (start, error);
    let until = |from: usize, belongs: &dyn Fn(&str) -> bool| {
        (from..end).find(|index| !belongs(&lines[*index])).unwrap_or(end)
    };
    let is_resp3 = |line: &str| line.starts_with("3| ");
    let reply_end = until(start, &|line| expect::is_reply_line(line) && !is_resp3(line));
    let texts: Vec<&str> = lines[start..reply_end].iter().map(String::as_str).collect();
    let (reply, used) = match texts.as_slice() {
        [] => (None, 0),
        // Not recorded yet.
        ["! unordered"] => (None, 1),
        texts => {
            let (reply, used) = expect::parse(texts, 0).map_err(located)?;
            (Some(reply), used)
        }
    };
    let middle = start + used;
    let reply3_end = until(middle, &is_resp3);
    let texts3: Vec<&str> = lines[middle..reply3_end].iter().map(|line| &line[3..]).collect();
    let reply3 = match texts3.is_empty() {
        true => None,
        false => match expect::parse(&texts3, 0).map_err(located)? {
            (reply, used) if used == texts3.len() => Some(reply),
            _ => return Err((middle, "more than one RESP3 reply".to_owned())),
        },
    };
    let call =
        Call { args, reply, reply3, reply_lines: start..middle, reply3_lines: middle..reply3_end };
    Ok((call, reply3_end))
}
