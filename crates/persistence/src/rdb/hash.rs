//! Hashes: field by field, as a zipmap, a ziplist or a listpack; and with the deadlines of fields,
//! field by field or as a listpack of three elements each.

use super::dialect::{Maker, Version};
use super::encoding::{Encoding, Loaded, encoding};
use super::input::Input;
use super::item::Item;
use super::listpack::{Growing, Listpack};
use super::output::Output;
use super::ziplist::Ziplist;
use super::zipmap::Zipmap;
use crate::fault::ReadError;
use crate::record::Builder;
use redstart_engine::Now;
use redstart_engine::storage::entry::NewValue;
use redstart_engine::storage::value::Object;
use redstart_engine::storage::value::hash::{Hash, Limits, Ttl};

const PLAIN: u8 = 4;
const LISTPACK: u8 = 16;
/// Field by field, each with its deadline above the earliest one, which comes first.
const TIMED: u8 = 24;
/// Field by field, each with its deadline behind the value.
const TIMED_VALKEY: u8 = 22;

pub static ENCODINGS: &[Encoding] = &[
    encoding(PLAIN, read_plain),
    encoding(9, read_zipmap),
    encoding(13, read_ziplist),
    encoding(LISTPACK, read_listpack),
];

/// Redis's own, with the deadlines of fields.
pub static TIMED_OF_REDIS: &[Encoding] = &[
    encoding(22, |input, builder| read_timed(input, builder, Base::None)),
    encoding(23, |input, builder| read_timed_listpack(input, builder, Base::None)),
    encoding(TIMED, |input, builder| read_timed(input, builder, Base::Earliest)),
    encoding(25, |input, builder| read_timed_listpack(input, builder, Base::Earliest)),
];

/// Valkey's own, with a deadline behind each value.
pub static TIMED_OF_VALKEY: &[Encoding] = &[encoding(TIMED_VALKEY, read_valkey)];

/// The most bytes of a hash that is written as a listpack: only settings far from the default make
/// a packed hash as large.
const LISTPACK_MAX: usize = 64 << 20;

/// What is earlier than the deadlines of fields.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    /// They are whole.
    None,
    /// The earliest one stands in front.
    Earliest,
}

/// A hash that is being read.
pub struct Growth<'b> {
    hash: Hash,
    limits: Limits<'b>,
    builder: Builder<'b>,
}

impl<'b> Growth<'b> {
    /// Of fields one by one.
    pub fn new(builder: Builder<'b>) -> Growth<'b> {
        Growth::with(builder, builder.options.hash_packed_bytes_max())
    }

    /// Of a ziplist or a listpack: one that is packed stays so, as in Redis, however long what is
    /// in it, unless there are too many fields.
    pub fn of_list(builder: Builder<'b>) -> Growth<'b> {
        Growth::with(builder, usize::MAX)
    }

    fn with(builder: Builder<'b>, bytes: usize) -> Growth<'b> {
        let fields = builder.options.hash_packed_fields_max();
        let limits = Limits { fields, bytes, hasher: builder.hasher };
        Growth { hash: Hash::default(), limits, builder }
    }

    /// Adds a field.
    ///
    /// # Errors
    /// When it is there.
    pub fn add(&mut self, field: &[u8], value: &[u8]) -> Result<(), &'static str> {
        match self.hash.set(field, NewValue::Str(value), Ttl::Clear, self.limits) {
            true => Ok(()),
            false => Err("a field occurs twice"),
        }
    }

    fn add_timed(&mut self, field: &[u8], value: &[u8], at_ms: i64) -> Result<(), &'static str> {
        self.add(field, value)?;
        let deadline_ms = self.builder.now.deadline(at_ms);
        self.hash.set_deadline(field, deadline_ms, self.builder.hasher);
        Ok(())
    }

    fn add_items(&mut self, field: Item<'_>, value: Item<'_>) -> Result<(), &'static str> {
        field.with(|field| value.with(|value| self.add(field, value)))
    }

    /// The whole hash.
    pub fn finish(self) -> Loaded {
        Loaded::Object(Box::new(Object::Hash(self.hash)))
    }
}

/// Reads a string and what is packed in it.
fn read_packed(
    input: &mut Input<'_>,
    mut growth: Growth<'_>,
    f: impl FnOnce(&[u8], &mut Growth<'_>) -> Result<(), &'static str>,
) -> Result<Loaded, ReadError> {
    let offset = input.at();
    let bytes = input.string()?;
    f(&bytes, &mut growth).map_err(|what| input.fault(offset, what))?;
    Ok(growth.finish())
}

fn read_plain(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    let mut growth = Growth::new(builder);
    for _ in 0..input.count(2)? {
        let offset = input.at();
        let (field, value) = (input.string()?, input.string()?);
        growth.add(&field, &value).map_err(|what| input.fault(offset, what))?;
    }
    Ok(growth.finish())
}

fn read_zipmap(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    read_packed(input, Growth::new(builder), |bytes, growth| {
        let mut zipmap = Zipmap::open(bytes)?;
        while let Some((field, value)) = zipmap.next()? {
            growth.add(field, value)?;
        }
        Ok(())
    })
}

const HALF: &str = "a field without a value";

fn read_ziplist(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    read_packed(input, Growth::of_list(builder), |bytes, growth| {
        let mut ziplist = Ziplist::open(bytes)?;
        while let Some(field) = ziplist.next()? {
            growth.add_items(field, ziplist.next()?.ok_or(HALF)?)?;
        }
        Ok(())
    })
}

fn read_listpack(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    read_packed(input, Growth::of_list(builder), |bytes, growth| {
        let mut listpack = Listpack::open(bytes)?;
        while let Some(field) = listpack.next()? {
            growth.add_items(field, listpack.next()?.ok_or(HALF)?)?;
        }
        Ok(())
    })
}

fn read_timed(
    input: &mut Input<'_>,
    builder: Builder<'_>,
    base: Base,
) -> Result<Loaded, ReadError> {
    let earliest_ms = match base {
        Base::None => 1,
        Base::Earliest => input.time_ms()?,
    };
    let mut growth = Growth::new(builder);
    for _ in 0..input.count(3)? {
        let offset = input.at();
        let time = input.length()?;
        let (field, value) = (input.string()?, input.string()?);
        let added = match time {
            0 => growth.add(&field, &value),
            // One more than what is above the earliest, so that zero is none.
            _ => match earliest_ms.checked_add_unsigned(time - 1) {
                Some(at_ms) if at_ms > 0 => growth.add_timed(&field, &value, at_ms),
                _ => Err(NO_TIME),
            },
        };
        added.map_err(|what| input.fault(offset, what))?;
    }
    Ok(growth.finish())
}

const NO_TIME: &str = "the time of a field is none";

fn read_timed_listpack(
    input: &mut Input<'_>,
    builder: Builder<'_>,
    base: Base,
) -> Result<Loaded, ReadError> {
    if base == Base::Earliest {
        // It stands in the listpack, too.
        input.time_ms()?;
    }
    read_packed(input, Growth::of_list(builder), |bytes, growth| {
        let mut listpack = Listpack::open(bytes)?;
        while let Some(field) = listpack.next()? {
            let value = listpack.next()?.ok_or(HALF)?;
            match listpack.next()?.ok_or("a field without a time")? {
                Item::Number(0) => growth.add_items(field, value)?,
                Item::Number(at_ms @ 1..) => {
                    field.with(|field| value.with(|value| growth.add_timed(field, value, at_ms)))?
                }
                _ => return Err(NO_TIME),
            }
        }
        Ok(())
    })
}

/// What Valkey writes where a field has no deadline.
const NO_TIME_VALKEY: i64 = -1;

fn read_valkey(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    let mut growth = Growth::new(builder);
    for _ in 0..input.count(10)? {
        let offset = input.at();
        let (field, value) = (input.string()?, input.string()?);
        let added = match input.time_ms()? {
            NO_TIME_VALKEY => growth.add(&field, &value),
            at_ms @ 0.. => growth.add_timed(&field, &value, at_ms),
            _ => Err(NO_TIME),
        };
        added.map_err(|what| input.fault(offset, what))?;
    }
    Ok(growth.finish())
}

/// Whether a field has a deadline.
fn is_timed(hash: &Hash) -> bool {
    hash.next_deadline_ms() != 0
}

/// The lowest version that can hold a hash.
pub fn version_needed(hash: &Hash) -> Version {
    if is_timed(hash) { Version::TIMED } else { Version::COMMON }
}

/// What a hash is written as. A version that cannot hold the deadlines of fields gets none.
pub fn written(hash: &Hash, version: Version) -> u8 {
    if is_timed(hash) && version >= Version::TIMED {
        match version.maker() {
            Maker::Redis => TIMED,
            Maker::Valkey => TIMED_VALKEY,
        }
    } else if hash.encoding() == "hashtable" || hash.allocated() > LISTPACK_MAX {
        PLAIN
    } else {
        LISTPACK
    }
}

/// Writes a hash's value.
pub fn write(hash: &Hash, now: Now, version: Version, out: &mut Output) {
    match written(hash, version) {
        LISTPACK => {
            let mut listpack = Growing::default();
            hash.for_each(|field, value| {
                listpack.push(field);
                value.with(|value| listpack.push(value));
            });
            out.string(&listpack.finish());
        }
        PLAIN => {
            out.length(hash.len() as u64);
            hash.for_each(|field, value| {
                out.string(field);
                value.with(|value| out.string(value));
            });
        }
        TIMED_VALKEY => write_valkey(hash, now, out),
        _ => write_timed(hash, now, out),
    }
}

/// The wall time of a field's deadline, which formats hold only above zero.
fn wall_ms(now: Now, deadline_ms: u64) -> i64 {
    now.wall(deadline_ms).max(1)
}

fn write_timed(hash: &Hash, now: Now, out: &mut Output) {
    // The index may be early, never late; but what is written has to be exact.
    let deadlines = hash.iter_timed().map(|(_, _, deadline_ms)| deadline_ms);
    let earliest = deadlines.filter(|&deadline_ms| deadline_ms != 0).min();
    let earliest_ms = earliest.map_or(1, |deadline_ms| wall_ms(now, deadline_ms));
    out.raw(&earliest_ms.to_le_bytes());
    out.length(hash.len() as u64);
    for (field, value, deadline_ms) in hash.iter_timed() {
        let above = match deadline_ms {
            0 => 0,
            _ => wall_ms(now, deadline_ms).abs_diff(earliest_ms) + 1,
        };
        out.length(above);
        out.string(field);
        value.with(|value| out.string(value));
    }
}

fn write_valkey(hash: &Hash, now: Now, out: &mut Output) {
    out.length(hash.len() as u64);
    for (field, value, deadline_ms) in hash.iter_timed() {
        out.string(field);
        value.with(|value| out.string(value));
        let at_ms = if deadline_ms == 0 { NO_TIME_VALKEY } else { wall_ms(now, deadline_ms) };
        out.raw(&at_ms.to_le_bytes());
    }
}
