//! `redstart check --for-load FILE...`: what of Redis's files a server would not load, all of it,
//! where the server names the first and does not start.
//!
//! The files are loaded, as a server does: so this takes as much memory. What cannot be loaded is
//! noted and passed over. It needs no list of what exists: what reads files and runs commands says
//! what it does not know.

use super::check::check;
use super::file::{builder, place};
use crate::durability::{Directory, can_replay, read_manifest};
use crate::system::log::counted;
use crate::system::progress::Progress;
use redstart_engine::Engine;
use redstart_engine::driver::Driver;
use redstart_engine::storage::entry::Entry;
use redstart_persistence::ReadError;
use redstart_persistence::aof::{self, Next, Words};
use redstart_persistence::commands::COMMANDS;
use redstart_persistence::fault::{shown, twice};
use redstart_persistence::rdb::{self, Found, Input, envelope};
use redstart_persistence::record::Builder;
use redstart_persistence::snapshot::MAGIC;
use redstart_persistence::storage::Storage;
use redstart_persistence::storage::encrypted::Keys;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// What will not load, by kind.
#[derive(Default)]
pub struct Unloadable(BTreeMap<String, u64>);

impl Unloadable {
    /// Counts one.
    pub fn note(&mut self, kind: &str) {
        *self.0.entry(kind.to_owned()).or_default() += 1;
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn count(&self) -> u64 {
        self.0.values().sum()
    }
}

impl fmt::Display for Unloadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> =
            self.0.iter().map(|(kind, count)| format!("{kind}: {count}")).collect();
        f.write_str(&kinds.join(", "))
    }
}

/// Where a key is that is passed over, for people.
pub fn place_of(db: usize, key: &[u8], offset: u64) -> String {
    format!("the key {} (database {db}, at byte {offset})", shown(key))
}

/// A server's data, as far as it loads.
struct Loading<'a> {
    builder: Builder<'static>,
    driver: Driver,
    databases: usize,
    found: Unloadable,
    keys: u64,
    commands: u64,
    /// Takes a line about each of what will not load.
    tell: &'a mut dyn FnMut(&str),
}

/// Loads files; calls `tell` for each key and each command that a server of so many databases will
/// not load. Returns what there was, and whether all of it loads.
///
/// # Errors
/// What is damaged, and what nothing can be read behind.
pub fn list(
    file: &Path,
    keys: &Arc<Keys>,
    databases: usize,
    progress: &Progress,
    tell: &mut dyn FnMut(&str),
) -> Result<(String, bool), ReadError> {
    let (directory, name) = place(file, keys)?;
    let engine: &'static Engine = Box::leak(Box::new(Engine::new([0; 2])));
    let builder = builder(engine);
    let driver = Driver::of(engine, 0, builder.now.replaying(), COMMANDS);
    let found = Unloadable::default();
    let mut loading = Loading { builder, driver, databases, found, keys: 0, commands: 0, tell };
    if name.ends_with(".manifest") {
        let (source, len) = directory.open(&name)?;
        for part in read_manifest(&name, source, len)? {
            loading.load(&directory, &part, progress)?;
        }
    } else {
        let mut beginning = Vec::new();
        directory.open(&name)?.0.take(16).read_to_end(&mut beginning)?;
        // What Redstart wrote, it loads if it is whole.
        if beginning.starts_with(MAGIC) || name.ends_with(".log") {
            return check(file, keys, progress).map(|what| (what, true));
        }
        loading.load(&directory, &name, progress)?;
    }
    let Loading { found, keys, commands, .. } = loading;
    let (keys, commands) = (counted(keys, "key"), counted(commands, "command"));
    Ok(match found.is_empty() {
        true => (format!("all of {keys} and {commands} load"), true),
        false => {
            let of = format!("{} of {keys} and {commands}", found.count());
            (format!("{of} will not load: {found}"), false)
        }
    })
}

impl Loading<'_> {
    fn note(&mut self, place: &str, kind: &str) {
        (self.tell)(&format!("{place} will not load: {kind}"));
        self.found.note(kind);
    }

    /// Loads an RDB file and the commands behind it, or commands alone.
    fn load(
        &mut self,
        directory: &Directory,
        name: &str,
        progress: &Progress,
    ) -> Result<(), ReadError> {
        let mut input = envelope::open(directory, name)?;
        // The files of a manifest count one behind the other.
        let before = progress.total_bytes.fetch_add(input.len(), Relaxed);
        if matches!(input.peek()?, Some(b'R' | b'V')) {
            input = self.keys(input, progress, before)?;
        }
        self.driver.db = 0;
        loop {
            let next = aof::next(&mut input)?;
            progress.bytes.store(before + input.at(), Relaxed);
            match next {
                Next::End => return Ok(()),
                Next::Torn(offset) => {
                    return Err(input.fault(offset, "it ends in the middle of a command"));
                }
                Next::Unit(unit) => {
                    for words in &unit.commands {
                        self.command(words, unit.offset);
                    }
                }
            }
        }
    }

    fn keys<'a>(
        &mut self,
        input: Input<'a>,
        progress: &Progress,
        before: u64,
    ) -> Result<Input<'a>, ReadError> {
        let mut reader = rdb::Reader::new(input)?.passes_over_foreign(true);
        while let Some(found) = reader.next(self.builder)? {
            let offset = reader.found_at();
            match found {
                Found::Library(_) => {}
                Found::Entry(db, entry) => self.entry(db, entry, offset),
                Found::Foreign(db, key, what) => {
                    self.keys += 1;
                    self.note(&place_of(db, &key, offset), &what);
                }
            }
            progress.bytes.store(before + reader.at(), Relaxed);
            progress.keys.store(self.keys, Relaxed);
        }
        Ok(reader.into_input())
    }

    fn entry(&mut self, db: usize, entry: Entry, offset: u64) {
        self.keys += 1;
        if db >= self.databases {
            let place = place_of(db, entry.key(), offset);
            return self.note(&place, "a key of a database that is not there (`databases`)");
        }
        let restored = self.driver.engine.keyspace.restore(&mut vec![(db, entry)]);
        if let Err(found) = restored {
            let what = twice(found.db, &found.key);
            self.note(&format!("{what}, at byte {offset}: it"), "a key that occurs twice");
        }
    }

    /// Runs a command. Scripts are not run: what they did is not known then.
    fn command(&mut self, words: &Words, offset: u64) {
        self.commands += 1;
        let name = words[0].escape_ascii().to_string().to_uppercase();
        let place = format!("{name}, at byte {offset},");
        if words[0].eq_ignore_ascii_case(b"select") {
            let db = words.get(1).and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
            match db.filter(|&db| db < self.databases) {
                Some(db) => self.driver.db = db,
                None => self.note(&place, "a database that is not there (`databases`)"),
            }
        } else if !can_replay(&self.driver, &words[0]) {
            self.note(&place, &format!("the command {name}"));
        } else if self.driver.knows(&words[0]) {
            let words: Vec<&[u8]> = words.iter().map(|word| &word[..]).collect();
            let reply = self.driver.call(&words);
            if reply.first() == Some(&b'-') {
                let error = String::from_utf8_lossy(&reply[1..]).trim_end().to_owned();
                self.note(&place, &format!("{name} that fails ({error})"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_will_not_load_is_told() {
        let path = std::env::temp_dir().join(format!("redstart-for-load-{}", std::process::id()));
        let commands: [&[&str]; 7] = [
            &["SELECT", "3"],
            &["SET", "k", "v"],
            &["NOSUCH", "a"],
            &["LPUSH", "k", "v"],
            &["nosuch", "b"],
            &["SELECT", "16"],
            &["EVAL", "return 1", "0"],
        ];
        let mut bytes = Vec::new();
        for words in commands {
            bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
            for word in words {
                bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
            }
        }
        std::fs::write(&path, bytes).expect("it can be written");
        let mut lines = Vec::new();
        let mut tell = |line: &str| lines.push(line.to_owned());
        let listed = list(&path, &Arc::default(), 16, &Progress::default(), &mut tell);
        let (report, loads) = listed.map_err(|error| error.to_string()).expect("it is whole");
        std::fs::remove_file(&path).expect("it is ours");
        assert!(!loads);
        let wrong = "WRONGTYPE Operation against a key holding the wrong kind of value";
        assert_eq!(
            report,
            format!(
                "4 of 0 keys and 7 commands will not load: LPUSH that fails ({wrong}): 1, a \
                 database that is not there (`databases`): 1, the command NOSUCH: 2"
            )
        );
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], "NOSUCH, at byte 50, will not load: the command NOSUCH");
    }
}
