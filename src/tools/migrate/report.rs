//! What would not carry over from one server to another, before anything changes.

use super::Arguments;
use super::talk::{Info, Talk};
use crate::durability::Directory;
use crate::replication::link::fetch;
use crate::system::progress::{Audience, Progress};
use crate::tools::for_load;
use redis_protocol::resp2::types::OwnedFrame;
use redstart_persistence::storage::Storage;
use std::io::{Error, Result};
use std::sync::Arc;

/// The settings that change what clients see.
const SETTINGS: [&str; 6] = [
    "maxmemory",
    "maxmemory-policy",
    "notify-keyspace-events",
    "appendonly",
    "timeout",
    "proto-max-bulk-len",
];

/// What is said of the two servers.
pub struct Report {
    /// For people.
    pub lines: Vec<String>,
    /// Whether all that is known by now carries over.
    pub carries_over: bool,
}

impl Report {
    /// Asks both servers.
    ///
    /// # Errors
    /// When one of both does not answer.
    pub fn of(from: &mut Talk, to: &mut Talk) -> Result<Report> {
        let mut report = Report { lines: Vec::new(), carries_over: true };
        let (server, keyspace) = (from.info("server")?, from.info("keyspace")?);
        let keys: u64 = keyspace.databases().iter().map(|(_, keys)| keys).sum();
        report.lines.push(format!("{} is {}, with {keys} keys", from.place, version(&server)));
        report.modules(from)?;
        report.databases(from, to)?;
        report.commands(from, to)?;
        report.settings(from, to)?;
        report.users(from)?;
        Ok(report)
    }

    fn lacks(&mut self, what: String) {
        self.carries_over = false;
        self.lines.push(format!("will not carry over: {what}"));
    }

    fn modules(&mut self, from: &mut Talk) -> Result<()> {
        // A user may not be allowed to ask.
        let OwnedFrame::Array(modules) = from.ask_plainly(&["MODULE", "LIST"])? else {
            return Ok(());
        };
        for module in &modules {
            let OwnedFrame::Array(parts) = module else { continue };
            let texts: Vec<String> = parts.iter().filter_map(text).collect();
            let name = texts.get(1).map_or("unnamed", |name| name);
            self.lines.push(format!("note: the module {name} is not here, nor are its commands"));
        }
        Ok(())
    }

    fn databases(&mut self, from: &mut Talk, to: &mut Talk) -> Result<()> {
        let highest = from.info("keyspace")?.databases().iter().map(|(db, _)| *db).max();
        let here: usize =
            setting(to, "databases")?.and_then(|text| text.parse().ok()).unwrap_or(16);
        if let Some(highest) = highest.filter(|highest| *highest >= here) {
            let place = &to.place;
            self.lacks(format!("database {highest}: {place} has {here} (`databases`)"));
        }
        Ok(())
    }

    /// The commands that clients of the one use and the other does not know.
    fn commands(&mut self, from: &mut Talk, to: &mut Talk) -> Result<()> {
        let used = from.text(&["INFO", "commandstats"])?;
        let names: Vec<String> = used
            .lines()
            .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(':'))
            .map(|(name, _)| name.to_owned())
            .collect();
        let words: Vec<String> = ["COMMAND".to_owned(), "INFO".to_owned()]
            .into_iter()
            .chain(names.iter().cloned())
            .collect();
        let OwnedFrame::Array(known) = to.ask(&words)? else { return Ok(()) };
        let unknown =
            names.iter().zip(&known).filter(|(_, about)| !matches!(about, OwnedFrame::Array(_)));
        let unknown: Vec<&str> = unknown.map(|(name, _)| &name[..]).collect();
        if !unknown.is_empty() && !names.is_empty() {
            let text = unknown.join(", ");
            self.lacks(format!("clients use commands that are not known here: {text}"));
        }
        Ok(())
    }

    fn settings(&mut self, from: &mut Talk, to: &mut Talk) -> Result<()> {
        for name in SETTINGS {
            let (theirs, ours) = (setting(from, name)?, setting(to, name)?);
            if let (Some(theirs), Some(ours)) = (theirs, ours)
                && theirs != ours
            {
                self.lines.push(format!("note: {name} is '{theirs}' there and '{ours}' here"));
            }
        }
        Ok(())
    }

    fn users(&mut self, from: &mut Talk) -> Result<()> {
        if let OwnedFrame::Array(users) = from.ask_plainly(&["ACL", "USERS"])?
            && users.len() > 1
        {
            let count = users.len();
            self.lines.push(format!("note: {count} users are not copied (ACL LIST, ACL SETUSER)"));
        }
        Ok(())
    }
}

fn version(server: &Info) -> String {
    let named = |name: &str, field: &str| Some(format!("{name} {}", server.get(field)?));
    named("Redstart", "redstart_version")
        .or_else(|| named("Valkey", "valkey_version"))
        .or_else(|| named("Redis", "redis_version"))
        .unwrap_or_else(|| "a server that says no version".to_owned())
}

/// A parameter, if the server says it.
fn setting(talk: &mut Talk, name: &str) -> Result<Option<String>> {
    Ok(match talk.ask_plainly(&["CONFIG", "GET", name])? {
        OwnedFrame::Array(pair) => pair.get(1).and_then(text),
        _ => None,
    })
}

/// Fetches the data as a replica would, and lists what of it will not load. Returns whether all
/// will.
///
/// # Errors
/// When it cannot be fetched, or what comes is damaged.
pub fn fetch_and_check(arguments: &Arguments, from: &Talk, to: &mut Talk) -> Result<bool> {
    let databases = setting(to, "databases")?.and_then(|text| text.parse().ok()).unwrap_or(16);
    let folder = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    let name = format!("redstart-migrate-{}.rdb", std::process::id());
    let directory = Directory::new(&folder);
    let mut file = directory.create_stream(&name)?;
    let (user, password) = (&arguments.from_user, &arguments.from_password);
    let bytes = |text: &Option<String>| text.clone().unwrap_or_default().into_bytes();
    let fetched = fetch(&from.host, from.port, bytes(user), bytes(password), &mut *file);
    drop(file);
    let progress = Progress::default();
    let checked = fetched.and_then(|()| {
        progress.watch("Checking", Audience::Terminal, || {
            let mut tell = |line: &str| println!("will not carry over: {line}");
            let keys = Arc::default();
            let listed =
                for_load::list(&folder.join(&name), &keys, databases, &progress, &mut tell);
            listed.map_err(|error| Error::other(error.to_string()))
        })
    });
    directory.remove(&name)?;
    let (report, loads) = checked?;
    println!("of the data that is there now, {report}");
    Ok(loads)
}

/// The text of a reply, if it is one.
fn text(frame: &OwnedFrame) -> Option<String> {
    match frame {
        OwnedFrame::BulkString(text) | OwnedFrame::SimpleString(text) => {
            Some(String::from_utf8_lossy(text).into_owned())
        }
        _ => None,
    }
}
