//! An entry as bytes: database, key, deadline as wall time, value; behind it its tags, if a bit of
//! the database says so (since version 64 of snapshots). One file beside this one knows
//! one type of value; a new type adds a file and a line in each of the two enums.
//!
//! What is written and what is read are mirror images: one borrows the keyspace's structures, the
//! other the file's bytes. The tests compare them.

mod builder;
mod hash;
mod list;
mod set;
mod sorted_set;
mod stream;

pub use builder::Builder;
pub use set::limits as set_limits;

use crate::codec::{self, Blob};
use redstart_engine::Now;
use redstart_engine::aging::{Kept, Rule};
use redstart_engine::storage::entry::note::with;
use redstart_engine::storage::entry::{Entry, NewValue, Note, Value};
use redstart_engine::storage::tags::{Tag, TagList};
use redstart_engine::storage::value::{Object, ObjectRef};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;

/// This bit of the database says that tags follow: to each its generation.
const HAS_TAGS: u32 = 1 << 31;

/// How the times of entries are written.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Ties deadlines to wall time.
    pub now: Now,
    /// What ages mean, if they are kept.
    pub ages: Option<Rule>,
}

impl From<Now> for Times {
    /// Without ages.
    fn from(now: Now) -> Times {
        Times { now, ages: None }
    }
}

/// An entry's deadline as wall time, if it has one, and its age, if that is kept. The first two are
/// byte by byte the optional deadline that stood here before version 16.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Dates {
    Neither,
    Deadline(i64),
    Idle(u32),
    IdleUntil(u32, i64),
    Frequency(u8),
    FrequencyUntil(u8, i64),
}

impl Dates {
    fn of(entry: &Entry, times: Times) -> Dates {
        let deadline_ms = entry.deadline_ms();
        let at_ms = (deadline_ms != 0).then(|| times.now.wall(deadline_ms));
        match (times.ages.map(|rule| rule.kept(entry.age(), times.now)), at_ms) {
            (None, None) => Dates::Neither,
            (None, Some(at_ms)) => Dates::Deadline(at_ms),
            (Some(Kept::Idle(idle_s)), None) => Dates::Idle(idle_s),
            (Some(Kept::Idle(idle_s)), Some(at_ms)) => Dates::IdleUntil(idle_s, at_ms),
            (Some(Kept::Frequency(often)), None) => Dates::Frequency(often),
            (Some(Kept::Frequency(often)), Some(at_ms)) => Dates::FrequencyUntil(often, at_ms),
        }
    }

    fn at_ms(self) -> Option<i64> {
        match self {
            Dates::Neither | Dates::Idle(_) | Dates::Frequency(_) => None,
            Dates::Deadline(at_ms)
            | Dates::IdleUntil(_, at_ms)
            | Dates::FrequencyUntil(_, at_ms) => Some(at_ms),
        }
    }

    fn idle_s(self) -> Option<u32> {
        match self {
            Dates::Idle(idle_s) | Dates::IdleUntil(idle_s, _) => Some(idle_s),
            _ => None,
        }
    }

    fn frequency(self) -> Option<u8> {
        match self {
            Dates::Frequency(often) | Dates::FrequencyUntil(often, _) => Some(often),
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct Out<'a> {
    db: u32,
    key: Blob<'a>,
    dates: Dates,
    value: ValueOut<'a>,
}

#[derive(Serialize)]
enum ValueOut<'a> {
    Text(Blob<'a>),
    Integer(i64),
    List(list::Out<'a>),
    Hash(hash::Out<'a>),
    SortedSet(sorted_set::Out<'a>),
    Set(set::Out<'a>),
    Stream(stream::Out<'a>),
    /// A text with what clients of the memcached port know of it.
    Noted(u32, u8, Blob<'a>),
}

#[derive(Deserialize)]
struct In<'a> {
    db: u32,
    #[serde(borrow)]
    key: Blob<'a>,
    dates: Dates,
    value: ValueIn<'a>,
}

#[derive(Deserialize)]
enum ValueIn<'a> {
    #[serde(borrow)]
    Text(Blob<'a>),
    Integer(i64),
    #[serde(borrow)]
    List(list::In<'a>),
    #[serde(borrow)]
    Hash(hash::In<'a>),
    #[serde(borrow)]
    SortedSet(sorted_set::In<'a>),
    #[serde(borrow)]
    Set(set::In<'a>),
    #[serde(borrow)]
    Stream(stream::In<'a>),
    Noted(u32, u8, #[serde(borrow)] Blob<'a>),
}

/// Appends an entry to `to`.
pub fn encode(db: usize, entry: &Entry, times: Times, to: &mut Vec<u8>) {
    with_out(db, entry, times, |out| codec::encode(out, to));
    if entry.is_tagged() {
        codec::encode(&tags_of(entry), to);
    }
}

fn tags_of(entry: &Entry) -> Vec<(Blob<'_>, u64)> {
    entry.tags().iter().map(|tag| (Blob(tag.name()), tag.generation())).collect()
}

/// As [`encode`]; the bytes are passed to `to`, some at a time.
///
/// # Errors
/// When `to` fails; it is not called any more then.
pub fn encode_through(
    db: usize,
    entry: &Entry,
    times: Times,
    to: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    with_out(db, entry, times, |out| codec::encode_through(out, to))?;
    if entry.is_tagged() { codec::encode_through(&tags_of(entry), to) } else { Ok(()) }
}

fn with_out<R>(db: usize, entry: &Entry, times: Times, f: impl FnOnce(&Out<'_>) -> R) -> R {
    let now = times.now;
    let joined;
    let value = match entry.object() {
        Some(ObjectRef::List(list)) => ValueOut::List(list::Out(list)),
        Some(ObjectRef::Hash(hash)) => ValueOut::Hash(hash::Out { hash, now }),
        Some(ObjectRef::SortedSet(set)) => ValueOut::SortedSet(sorted_set::Out(set)),
        Some(ObjectRef::Set(set)) => ValueOut::Set(set::Out { set, now }),
        Some(ObjectRef::Stream(stream)) => ValueOut::Stream(stream::Out(stream)),
        None => match entry.value() {
            Value::Int(n) => ValueOut::Integer(n),
            Value::Inline(bytes) => text(entry, bytes),
            Value::Large(long) => {
                joined = long.joined();
                text(entry, &joined)
            }
        },
    };
    let tagged = if entry.is_tagged() { HAS_TAGS } else { 0 };
    let db = db as u32 | tagged;
    f(&Out { db, key: Blob(entry.key()), dates: Dates::of(entry, times), value })
}

/// A string that is no number, with its note if it has one.
fn text<'a>(entry: &Entry, bytes: &'a [u8]) -> ValueOut<'a> {
    let note = entry.note();
    match note.is_empty() {
        true => ValueOut::Text(Blob(bytes)),
        false => ValueOut::Noted(note.flags, note.marks(), Blob(bytes)),
    }
}

/// Reads an entry from the beginning of `from`: its database, itself, and the bytes it took.
///
/// # Errors
/// What is wrong with it.
pub fn decode(from: &[u8], builder: Builder<'_>) -> Result<(usize, Entry, usize), String> {
    let (record, mut used): (In<'_>, usize) = codec::decode(from)?;
    let object = |object| NewValue::Object(Box::new(object));
    let value = match record.value {
        ValueIn::Text(Blob(bytes)) => NewValue::Str(bytes),
        ValueIn::Integer(n) => NewValue::Int(n),
        ValueIn::List(list) => object(Object::List(list.build(builder)?)),
        ValueIn::Hash(hash) => object(Object::Hash(hash.build(builder)?)),
        ValueIn::SortedSet(set) => object(Object::SortedSet(set.build(builder)?)),
        ValueIn::Set(set) => object(Object::Set(set.build(builder)?)),
        ValueIn::Stream(stream) => object(Object::Stream(stream.build(builder)?)),
        ValueIn::Noted(flags, marks, Blob(bytes)) => with(Note::new(flags, marks), bytes),
    };
    let dates = record.dates;
    let deadline_ms = dates.at_ms().map_or(0, |at_ms| builder.now.deadline(at_ms));
    let mut entry = Entry::new(record.key.0, value, deadline_ms);
    let aging = builder.options.aging();
    entry.touch(aging.known(dates.idle_s(), dates.frequency(), builder.now));
    if record.db & HAS_TAGS != 0 {
        let (tags, more): (Vec<(Blob<'_>, u64)>, usize) = codec::decode(&from[used..])?;
        used += more;
        // Whoever puts the entry in finds those that other keys have.
        let tag = |(name, generation): (Blob<'_>, u64)| Arc::new(Tag::new(name.0, 0, generation));
        entry.set_tags(tags.into_iter().map(tag).collect::<TagList>());
    }
    Ok(((record.db & !HAS_TAGS) as usize, entry, used))
}
