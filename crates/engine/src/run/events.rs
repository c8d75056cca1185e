//! Keyspace events: what happened to which key, for clients that subscribe to
//! `__keyspace@<db>__:<key>` and `__keyevent@<db>__:<event>`.
//!
//! They are read off the effects, so that log and events cannot disagree; what an effect does not
//! show (that a key is new, that it is gone because it was emptied, that a look at it found
//! nothing) is noted where it happens. Collected under the locks, published after the unlock.

use crate::run::effect::Effect;
use crate::run::event_classes::{Classes, EVICTED, GENERIC, HASH, LIST, SET, SORTED_SET, STRING};
use crate::spec::{Command, EVICTS, Flags, OWN_EVENT, REPLACES, TIME_FIRST};
use bytes::Bytes;

/// Something that happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The database's index.
    pub db: usize,
    /// What happened.
    pub name: &'static str,
    /// The key.
    pub key: Bytes,
}

/// The events of the requests that run now.
#[derive(Default)]
pub struct Events {
    wanted: Classes,
    /// The name and the flags of the command that runs: its effect does not show them.
    command: &'static str,
    flags: Flags,
    keeps_ttl: bool,
    /// Keys that the command removed: their events follow its own.
    removed: Vec<(usize, Bytes)>,
    /// The key at which SORT is about to store a list.
    sorted: Option<(usize, Bytes)>,
    happened: Vec<Event>,
}

impl Events {
    /// Sets which classes are wanted from now on.
    #[inline]
    pub(crate) fn want(&mut self, wanted: Classes) {
        self.wanted = wanted;
    }

    /// Whether any are.
    #[inline]
    pub(crate) fn wanted(&self) -> bool {
        self.wanted != 0
    }

    /// Another command begins; `keeps_ttl` is that it leaves the key's deadline as it is.
    pub(crate) fn begin(&mut self, command: &Command, keeps_ttl: bool) {
        self.finish();
        (self.command, self.flags) = (command.name, command.flags);
        self.keeps_ttl = keeps_ttl;
    }

    /// The command leaves deadlines as they are.
    pub(crate) fn keep_ttl(&mut self) {
        self.keeps_ttl = true;
    }

    /// The command's own event has another name.
    pub(crate) fn name_event(&mut self, name: &'static str) {
        self.command = name;
    }

    /// The command has an event of its own, with this name.
    pub(crate) fn own(&mut self, name: &'static str) {
        self.command = name;
        self.flags |= OWN_EVENT;
    }

    fn is(&self, flag: Flags) -> bool {
        self.flags & flag != 0
    }

    /// The command has ended.
    pub(crate) fn finish(&mut self) {
        if let Some((db, key)) = self.sorted.take() {
            self.removed.clear();
            self.note(LIST, db, "sortstore", &key);
        }
        for (db, key) in std::mem::take(&mut self.removed) {
            self.note(GENERIC, db, "del", &key);
        }
    }

    /// Notes an event, if its class is wanted.
    pub(crate) fn note(&mut self, class: Classes, db: usize, name: &'static str, key: &[u8]) {
        if self.wanted & class != 0 {
            self.happened.push(Event { db, name, key: Bytes::copy_from_slice(key) });
        }
    }

    /// A key is gone; the event follows what the command did to the key.
    pub(crate) fn note_removed(&mut self, db: usize, key: &[u8]) {
        self.removed.push((db, Bytes::copy_from_slice(key)));
    }

    /// Everything that happened so far.
    pub(crate) fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.happened)
    }

    /// Whether anything has happened.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.happened.is_empty()
    }

    /// Reads an effect.
    pub(crate) fn read(&mut self, effect: &Effect) {
        let (db, args) = (effect.db, &effect.args);
        let Some(name) = args.first() else { return };
        let name = name.to_ascii_lowercase();
        let key = args.get(1).cloned().unwrap_or_default();
        match &name[..] {
            b"del" | b"unlink" => {
                self.removed.clear();
                let (class, event) =
                    if self.is(EVICTS) { (EVICTED, "evicted") } else { (GENERIC, "del") };
                // The key is removed before another value is stored there.
                if !self.is(REPLACES) {
                    args.iter().skip(1).for_each(|key| self.note(class, db, event, key));
                }
            }
            b"set" | b"setnx" | b"getset" | b"setex" | b"psetex" => self.read_set(effect, &name),
            b"rename" | b"renamenx" => {
                self.removed.clear();
                self.note(GENERIC, db, "rename_from", &key);
                self.note(GENERIC, db, "rename_to", &args[2]);
            }
            b"restore" => {
                self.removed.clear();
                self.note(GENERIC, db, "restore", &key);
            }
            b"copy" => {
                self.removed.clear();
                let to = args.get(4).map_or(db, |index| index_of(index).unwrap_or(db));
                self.note(GENERIC, to, "copy_to", &args[2]);
            }
            b"move" => {
                self.removed.clear();
                let to = index_of(&args[2]).unwrap_or(db);
                self.note(GENERIC, db, "move_from", &key);
                self.note(GENERIC, to, "move_to", &key);
            }
            b"lmove" | b"lmovem" => {
                let is_left = |at: usize| args[at].eq_ignore_ascii_case(b"left");
                let (pop, push) = (is_left(3), is_left(4));
                self.note(LIST, db, if push { "lpush" } else { "rpush" }, &args[2]);
                self.note(LIST, db, if pop { "lpop" } else { "rpop" }, &key);
            }
            b"rpoplpush" => {
                self.note(LIST, db, "lpush", &args[2]);
                self.note(LIST, db, "rpop", &key);
            }
            b"rpush" if self.is(REPLACES) => {
                self.sorted = Some((db, key));
                return;
            }
            b"hset" | b"hsetex" if self.is(OWN_EVENT) => self.note(HASH, db, self.command, &key),
            b"srem" if self.is(OWN_EVENT) => self.note(SET, db, self.command, &key),
            // Whether members are new is noted where they are added.
            b"saddex" => {
                if args.get(2).is_some_and(|word| &word[..] == b"PXAT") {
                    self.note(SET, db, "sexpire", &key);
                }
            }
            b"hsetex" => {
                self.note(HASH, db, "hset", &key);
                if args.get(2).is_some_and(|word| &word[..] == b"PXAT") {
                    self.note(HASH, db, "hexpire", &key);
                }
            }
            b"georadius" | b"georadiusbymember" => self.read_radius(effect),
            name => self.read_plain(db, name, &key),
        }
        self.finish();
    }

    /// SET, and what has the same event; with a time there is an event of that, too.
    fn read_set(&mut self, effect: &Effect, name: &[u8]) {
        let (db, key) = (effect.db, &effect.args[1]);
        if self.is(OWN_EVENT) {
            return self.note(STRING, db, self.command, key);
        }
        let timed = matches!(name, b"setex" | b"psetex") || effect.args.len() > 3;
        let (timed, time_first) = (timed && !self.keeps_ttl, self.is(TIME_FIRST));
        if timed && time_first {
            self.note(GENERIC, db, "expire", key);
        }
        self.note(STRING, db, "set", key);
        if timed && !time_first {
            self.note(GENERIC, db, "expire", key);
        }
    }

    /// An older search of places: the key that it stores at stands last.
    fn read_radius(&mut self, effect: &Effect) {
        if let Some(target) = effect.args.last() {
            self.note(SORTED_SET, effect.db, "georadiusstore", target);
        }
    }

    /// Commands that are one event of one key.
    fn read_plain(&mut self, db: usize, name: &[u8], key: &[u8]) {
        let plain = PLAIN.iter().find(|(command, ..)| command.as_bytes() == name);
        if let Some((_, class, event)) = plain {
            self.note(*class, db, event, key);
        }
    }
}

/// Commands, and the event that each is.
const PLAIN: &[(&str, Classes, &str)] = &[
    ("append", STRING, "append"),
    ("decr", STRING, "incrby"),
    ("decrby", STRING, "incrby"),
    ("geoadd", SORTED_SET, "zadd"),
    ("geosearchstore", SORTED_SET, "geosearchstore"),
    ("hdel", HASH, "hdel"),
    ("hincrby", HASH, "hincrby"),
    ("hmset", HASH, "hset"),
    ("hpersist", HASH, "hpersist"),
    ("hpexpireat", HASH, "hexpire"),
    ("hset", HASH, "hset"),
    ("hsetnx", HASH, "hset"),
    ("incr", STRING, "incrby"),
    ("incrby", STRING, "incrby"),
    ("linsert", LIST, "linsert"),
    ("lpop", LIST, "lpop"),
    ("lpush", LIST, "lpush"),
    ("lpushx", LIST, "lpush"),
    ("lrem", LIST, "lrem"),
    ("lset", LIST, "lset"),
    ("ltrim", LIST, "ltrim"),
    ("persist", GENERIC, "persist"),
    ("pexpireat", GENERIC, "expire"),
    ("pfadd", STRING, "pfadd"),
    ("pfmerge", STRING, "pfadd"),
    ("rpop", LIST, "rpop"),
    ("rpush", LIST, "rpush"),
    ("rpushx", LIST, "rpush"),
    ("sadd", SET, "sadd"),
    ("sdiffstore", SET, "sdiffstore"),
    ("setbit", STRING, "setbit"),
    ("setrange", STRING, "setrange"),
    ("sinterstore", SET, "sinterstore"),
    ("spersist", SET, "spersist"),
    ("spexpireat", SET, "sexpire"),
    ("srem", SET, "srem"),
    ("sunionstore", SET, "sunionstore"),
    ("zadd", SORTED_SET, "zadd"),
    ("zdiffstore", SORTED_SET, "zdiffstore"),
    ("zincrby", SORTED_SET, "zincr"),
    ("zinterstore", SORTED_SET, "zinterstore"),
    ("zpopmax", SORTED_SET, "zpopmax"),
    ("zpopmin", SORTED_SET, "zpopmin"),
    ("zrangestore", SORTED_SET, "zrangestore"),
    ("zrem", SORTED_SET, "zrem"),
    ("zremrangebylex", SORTED_SET, "zremrangebylex"),
    ("zremrangebyrank", SORTED_SET, "zremrangebyrank"),
    ("zremrangebyscore", SORTED_SET, "zremrangebyscore"),
    ("zunionstore", SORTED_SET, "zunionstore"),
];

fn index_of(text: &[u8]) -> Option<usize> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
