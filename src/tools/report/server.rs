//! Keys from a server: SCAN, and of each key its type, what it has left, its encoding and what it
//! takes, many in flight at once. It asks Redis and Valkey as it asks Redstart, and changes
//! nothing: to ask these is no use of a key.
//!
//! SCAN may tell a key twice, or one that is gone: the first is counted twice, the second not at
//! all.

use super::Subject;
use super::tally::{Key, Large, Left, Tally};
use crate::system::progress::Progress;
use crate::tools::facts::{Info, Slow, array, bytes, pairs};
use crate::tools::link::{Link, NO_SERVER};
use redis_protocol::resp2::types::OwnedFrame;
use redstart_config::{Config, Setting};
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Instant;

/// How many keys SCAN is asked for at a time.
const PAGE: &str = "500";
/// Entries of the slow log that are shown.
const SLOW_MAX: &[u8] = b"50";

/// A parameter that is not what it is by default.
pub struct Changed {
    /// Its name.
    pub name: String,
    /// Its value; a secret's is not told.
    pub value: String,
    /// Its default.
    pub default: String,
    /// What it means.
    pub meaning: String,
}

/// What a server tells besides its keys.
#[derive(Default)]
pub struct Facts {
    /// INFO.
    pub info: Info,
    /// The slow log.
    pub slow: Vec<Slow>,
    /// What of its configuration was changed.
    pub changed: Vec<Changed>,
    /// The largest keys, with the elements that they have.
    pub largest: Vec<Large>,
}

/// Counts the keys of a server, and asks how it does.
///
/// # Errors
/// What the connection says; what the server refuses is noted in the subject.
pub fn read(
    link: &mut Link,
    gentle: bool,
    tally: &mut Tally,
    progress: &Progress,
) -> io::Result<(Subject, Facts)> {
    // A server that does not know them is asked all the same.
    link.call(&[b"CLIENT", b"SETNAME", b"redstart-report"])?;
    let untouched = link.call(&[b"CLIENT", b"NO-TOUCH", b"ON"])?;
    let mut subject = Subject { title: link.place().to_owned(), ..Subject::default() };
    let info = match link.call(&[b"INFO", b"all"])? {
        OwnedFrame::Error(text) => {
            subject.note(format!("The server does not tell how it does (INFO): {text}"));
            Info::default()
        }
        reply => Info::read(&bytes(reply)),
    };
    subject.about = info.product();
    let mut dbs: Vec<usize> = info.dbs().iter().map(|db| db.number).collect();
    if info.text("redis_version").is_none() {
        dbs = vec![0];
    }
    let total = info.dbs().iter().map(|db| db.keys).sum();
    progress.total_keys.store(total, Relaxed);
    let mut walk = Walk { link, gentle, tally, progress, subject: &mut subject };
    for db in dbs {
        walk.database(db)?;
    }
    let mut facts = Facts { info, ..Facts::default() };
    facts.largest = tally.largest();
    // What has elements cannot be asked for them on old servers without counting as a use.
    if !matches!(untouched, OwnedFrame::Error(_)) {
        count_elements(link, &mut facts.largest)?;
    }
    match link.call(&[b"SLOWLOG", b"GET", SLOW_MAX])? {
        OwnedFrame::Error(text) => subject.note(format!("The slow log is not told: {text}")),
        reply => facts.slow = Slow::read_all(reply),
    }
    match link.call(&[b"CONFIG", b"GET", b"*"])? {
        OwnedFrame::Error(text) => subject.note(format!("The settings are not told: {text}")),
        reply => facts.changed = changed(reply),
    }
    Ok((subject, facts))
}

/// A walk over the keys of a server.
struct Walk<'a> {
    link: &'a mut Link,
    /// Whether the server has a rest as long as it has worked.
    gentle: bool,
    tally: &'a mut Tally,
    progress: &'a Progress,
    subject: &'a mut Subject,
}

impl Walk<'_> {
    fn database(&mut self, db: usize) -> io::Result<()> {
        let number = db.to_string();
        if let OwnedFrame::Error(text) = self.link.call(&[b"SELECT", number.as_bytes()])? {
            self.subject.note(format!("Database {db} cannot be looked at: {text}"));
            return Ok(());
        }
        let mut cursor = b"0".to_vec();
        let mut names: Vec<Vec<u8>> = vec![];
        let mut is_last = false;
        while !(is_last && names.is_empty()) {
            let began = Instant::now();
            // The next page is asked for before this one's keys are.
            if !is_last {
                self.link.ask(&[b"SCAN", &cursor, b"COUNT", PAGE.as_bytes()]);
            }
            for name in &names {
                self.link.ask(&[b"TYPE", name]);
                self.link.ask(&[b"PTTL", name]);
                self.link.ask(&[b"OBJECT", b"ENCODING", name]);
                self.link.ask(&[b"MEMORY", b"USAGE", name]);
            }
            self.link.flush()?;
            let mut next = vec![];
            if !is_last {
                let reply = self.link.reply()?;
                if let OwnedFrame::Error(text) = &reply {
                    self.subject.note(format!("Keys cannot be listed (SCAN): {text}"));
                    return Ok(());
                }
                let mut parts = array(reply).into_iter();
                let (Some(first), Some(second)) = (parts.next(), parts.next()) else {
                    return Err(io::Error::other(NO_SERVER));
                };
                cursor = bytes(first);
                next = array(second).into_iter().map(bytes).collect();
                is_last = cursor == b"0";
            }
            for name in std::mem::replace(&mut names, next) {
                self.key(db, &name)?;
            }
            if self.gentle {
                thread::sleep(began.elapsed());
            }
        }
        Ok(())
    }

    /// Takes the replies about a key.
    fn key(&mut self, db: usize, name: &[u8]) -> io::Result<()> {
        let [kind, left, encoding, size] =
            [self.link.reply()?, self.link.reply()?, self.link.reply()?, self.link.reply()?];
        self.progress.keys.fetch_add(1, Relaxed);
        let kind = String::from_utf8_lossy(&self.told("TYPE", kind)).into_owned();
        let left = match left {
            OwnedFrame::Integer(-1) => Left::Forever,
            OwnedFrame::Integer(ms) => Left::Ms(u64::try_from(ms).unwrap_or(0)),
            other => {
                self.told("PTTL", other);
                Left::Forever
            }
        };
        let size = match size {
            OwnedFrame::Integer(size) => u64::try_from(size).unwrap_or(0),
            // It went meanwhile.
            OwnedFrame::Null => return Ok(()),
            other => {
                self.told("MEMORY USAGE", other);
                0
            }
        };
        if kind == "none" {
            return Ok(());
        }
        let encoding = match encoding {
            OwnedFrame::Null => vec![],
            other => self.told("OBJECT ENCODING", other),
        };
        let encoding = String::from_utf8_lossy(&encoding);
        let key =
            Key { db, name, kind: &kind, encoding: &encoding, bytes: size, left, elements: None };
        self.tally.add(&key);
        Ok(())
    }

    /// The text of a reply; an error is noted, and is none.
    fn told(&mut self, command: &str, reply: OwnedFrame) -> Vec<u8> {
        match reply {
            OwnedFrame::Error(text) => {
                self.subject.note(format!("{command} is not told: {text}"));
                vec![]
            }
            reply => bytes(reply),
        }
    }
}

/// Asks for the elements of keys: bytes of strings, elements of what is more.
fn count_elements(link: &mut Link, keys: &mut [Large]) -> io::Result<()> {
    let asked = |kind: &str| -> Option<&'static [u8]> {
        Some(match kind {
            "string" => b"STRLEN",
            "list" => b"LLEN",
            "hash" => b"HLEN",
            "set" => b"SCARD",
            "zset" => b"ZCARD",
            "stream" => b"XLEN",
            _ => return None,
        })
    };
    for key in keys {
        let Some(command) = asked(&key.kind) else { continue };
        link.ask(&[b"SELECT", key.db.to_string().as_bytes()]);
        link.ask(&[command, &key.name]);
        link.flush()?;
        link.reply()?;
        if let OwnedFrame::Integer(count) = link.reply()? {
            key.elements = u64::try_from(count).ok();
        }
    }
    Ok(())
}

/// Parameters whose values are not the defaults that this program knows: those of Redstart, which
/// are Redis 8.6's where Redis has the parameter.
fn changed(reply: OwnedFrame) -> Vec<Changed> {
    let defaults = Config::new();
    let changed = pairs(reply).into_iter().filter_map(|(name, value)| {
        let (setting, known) = Setting::find(name.as_bytes())?;
        let (value, param) = (bytes(value), setting.param());
        let default = defaults.format(setting);
        if known != param.name || value == default {
            return None;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(Changed {
            value: if param.sensitive { "(set, and not shown)".to_owned() } else { text(&value) },
            default: text(&default),
            meaning: redstart_config::meaning::of(setting),
            name,
        })
    });
    changed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> [OwnedFrame; 2] {
        [name, value].map(|text| OwnedFrame::BulkString(text.as_bytes().to_vec()))
    }

    #[test]
    fn what_was_changed_is_told_without_secrets() {
        let reply = [
            pair("maxmemory", "1000"),
            pair("port", "6379"),
            pair("requirepass", "hunter2"),
            pair("hash-max-ziplist-entries", "7"),
            pair("unheard-of", "1"),
        ];
        let told = changed(OwnedFrame::Array(reply.into_iter().flatten().collect()));
        let names: Vec<&str> = told.iter().map(|one| &one.name[..]).collect();
        assert_eq!(names, ["maxmemory", "requirepass"]);
        assert_eq!((&told[0].value[..], &told[0].default[..]), ("1000", "0"));
        assert!(!told[1].value.contains("hunter2"));
    }
}
