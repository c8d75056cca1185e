//! The keyspace as a whole: walks over it, its size, its end.
//!
//! KEYS and whatever changes all of it run at one moment, with all shards locked. SCAN, RANDOMKEY
//! and DBSIZE need no single moment and lock one shard at a time.

use super::database::{database, small_integer};
use crate::commands::scan::{Filter, parse_count, parse_cursor};
use crate::error::Error;
use crate::hasher::SHARDS;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::run::scan::Cursor;
use crate::spec::*;
use redstart_protocol::{Reply, Rest};

/// RANDOMKEY
pub static RANDOMKEY: DataCommand = declare("randomkey", Group::Generic, Exactly(1))
    .flags(READONLY | WALKS | NONDETERMINISTIC)
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Returns the name of some key.")
    .run(random_key);

fn random_key(call: &mut Call<'_>) -> Result<(), Error> {
    match call.space.random_key() {
        Some(key) => call.reply.bulk(&key),
        None => call.reply.null(),
    }
    Ok(())
}

/// KEYS pattern
pub static KEYS: DataCommand = declare("keys", Group::Generic, Exactly(2))
    .flags(READONLY | DANGEROUS | WHOLE_KEYSPACE | NONDETERMINISTIC)
    .since("1.0.0")
    .complexity("O(N) with N keys in the database, names and pattern being short.")
    .summary("Returns the names of all keys that match a pattern.")
    .syntax("pattern")
    .run(keys);

/// Names that were found, packed: entries cannot be borrowed beyond the walk.
#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many are replied.
    written: usize,
}

impl Names {
    fn push(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
    }

    fn reply(mut self, reply: &mut Reply) {
        reply.array(self.ends.len());
        if reply.takes_rest(self.bytes.len() + NAME_BYTES * self.ends.len()) {
            reply.put_rest(Box::new(self));
        } else {
            self.write(reply, usize::MAX);
        }
    }
}

/// What the reply has for a name beside its bytes.
const NAME_BYTES: usize = 6;

impl Rest for Names {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let Names { bytes: all, ends, written } = self;
        let from = reply.len();
        let mut start = written.checked_sub(1).map_or(0, |before| ends[before]);
        for &end in &ends[*written..] {
            if reply.len() - from >= bytes {
                return true;
            }
            reply.bulk(&all[start..end]);
            (start, *written) = (end, *written + 1);
        }
        false
    }

    fn own_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

fn keys(call: &mut Call<'_>) -> Result<(), Error> {
    let pattern = call.args.at(1);
    let mut names = Names::default();
    if pattern.iter().any(|byte| b"*?[\\".contains(byte)) {
        let filter = Filter::new(pattern);
        call.space.for_each(|entry| {
            if filter.passes(entry.key()) {
                names.push(entry.key());
            }
        });
        filter.check()?;
    } else {
        // Only one name can match.
        let key = call.space.key_of(pattern);
        if call.space.find(key).is_some() {
            names.push(pattern);
        }
    }
    names.reply(call.reply);
    Ok(())
}

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
pub static SCAN: DataCommand = declare("scan", Group::Generic, AtLeast(2))
    .flags(READONLY | WALKS | NONDETERMINISTIC)
    .since("2.8.0")
    .complexity("O(1) a call, O(N) for a whole scan over N keys.")
    .summary("Walks over the keys of the database, some of them in each call.")
    .syntax("cursor [MATCH pattern] [COUNT count] [TYPE type]")
    .run(scan);

fn scan(call: &mut Call<'_>) -> Result<(), Error> {
    let cursor = parse_cursor(call.args.at(1)).ok_or(Error::INVALID_CURSOR)?;
    let (mut count, mut filter, mut kind) = (10, Filter::default(), None);
    for at in (2..call.args.len()).step_by(2) {
        let word = call.args.at(at);
        if word.eq_ignore_ascii_case(b"NOVALUES") {
            return Err(Error::NOVALUES);
        }
        let value = call.args.get(at + 1).ok_or(Error::SYNTAX)?;
        if word.eq_ignore_ascii_case(b"COUNT") {
            count = parse_count(value)?;
        } else if word.eq_ignore_ascii_case(b"MATCH") {
            filter = Filter::new(value);
        } else if word.eq_ignore_ascii_case(b"TYPE") {
            kind = Some(value);
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let mut names = Names::default();
    let next = call.space.scan(Cursor::from_number(cursor), count, |entry| {
        let of_kind =
            kind.is_none_or(|kind| entry.kind().name().as_bytes().eq_ignore_ascii_case(kind));
        if of_kind && filter.passes(entry.key()) {
            names.push(entry.key());
        }
    });
    filter.check()?;
    call.reply.array(2);
    call.reply.bulk(next.number().to_string().as_bytes());
    names.reply(call.reply);
    Ok(())
}

/// DBSIZE
pub static DBSIZE: DataCommand = declare("dbsize", Group::Server, Exactly(1))
    .flags(READONLY | FAST | WALKS)
    .since("1.0.0")
    .complexity("O(1)")
    .summary("Tells how many keys the database has.")
    .run(db_size);

fn db_size(call: &mut Call<'_>) -> Result<(), Error> {
    let size = call.space.db_size();
    call.reply.integer(size as i64);
    Ok(())
}

/// FLUSHDB [ASYNC | SYNC]
pub static FLUSHDB: DataCommand = declare("flushdb", Group::Server, AtLeast(1))
    .flags(WRITE | DANGEROUS | WHOLE_KEYSPACE)
    .since("1.0.0")
    .complexity("O(N) with N keys in the database, which are freed after the reply is made.")
    .summary("Removes all keys of the database.")
    .syntax("[ASYNC | SYNC]")
    .run(|call| flush(call, Extent::Selected));

/// FLUSHALL [ASYNC | SYNC]
pub static FLUSHALL: DataCommand = declare("flushall", Group::Server, AtLeast(1))
    .databases(Databases::All)
    .flags(WRITE | DANGEROUS | WHOLE_KEYSPACE)
    .since("1.0.0")
    .complexity("O(N) with N keys in all, which are freed after the reply is made.")
    .summary("Removes all keys of all databases.")
    .syntax("[ASYNC | SYNC]")
    .run(|call| flush(call, Extent::All));

/// Which databases are emptied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Selected,
    All,
}

/// Empties databases. SYNC and ASYNC are the same: nothing is freed before the unlock.
fn flush(call: &mut Call<'_>, extent: Extent) -> Result<(), Error> {
    let is = |word: &[u8]| {
        ["ASYNC", "SYNC"].iter().any(|mode| word.eq_ignore_ascii_case(mode.as_bytes()))
    };
    if call.args.len() > 2 || call.args.get(1).is_some_and(|word| !is(word)) {
        return Err(Error::SYNTAX);
    }
    let selected = call.space.db;
    let mut removed = 0;
    for index in 0..SHARDS {
        let dbs = match extent {
            Extent::Selected => selected..selected + 1,
            Extent::All => 0..call.space.view().shard_at(index).db_limit(),
        };
        for db in dbs {
            if let Some(part) = call.space.view().shard_at(index).take_db(db) {
                removed += part.table().len();
                call.space.discard_db(part);
            }
        }
        call.space.view().publish(index);
    }
    call.space.note_flushed((extent == Extent::Selected).then_some(selected));
    if removed > 0 {
        call.emit_as_is();
    }
    call.reply.ok();
    Ok(())
}

/// SWAPDB index1 index2
pub static SWAPDB: DataCommand = declare("swapdb", Group::Server, Exactly(3))
    .databases(Databases::At(&[1, 2]))
    .flags(WRITE | FAST | DANGEROUS | WHOLE_KEYSPACE)
    .since("4.0.0")
    .complexity("O(N) with N clients that watch or wait for keys of the two databases.")
    .summary("Exchanges the keys of two databases.")
    .syntax("index1 index2")
    .run(swap_db);

fn swap_db(call: &mut Call<'_>) -> Result<(), Error> {
    let first = small_integer(call, 1).map_err(|_| Error::INVALID_FIRST_DB)?;
    let second = small_integer(call, 2).map_err(|_| Error::INVALID_SECOND_DB)?;
    let (first, second) = (database(call, first)?, database(call, second)?);
    if first != second {
        let now_ms = call.now().mono_ms;
        // A shard's earliest deadline is that of all its databases: it stays what it is.
        for index in 0..SHARDS {
            call.space.view().shard_at(index).swap(first, second, now_ms);
        }
        call.space.note_exchanged(first, second);
        call.emit_as_is();
    }
    call.space.count_changes(1);
    call.reply.ok();
    Ok(())
}
