//! Sorted sets: member by member with its score as text or as eight bytes, as a ziplist or as a
//! listpack.

use super::encoding::{Encoding, Loaded, encoding};
use super::input::Input;
use super::item::Item;
use super::listpack::{Growing, Listpack};
use super::output::Output;
use super::ziplist::Ziplist;
use crate::fault::ReadError;
use crate::record::Builder;
use redstart_engine::storage::value::Object;
use redstart_engine::storage::value::sorted_set::{Limits, SortedSet};
use redstart_protocol::{DOUBLE_TEXT_MAX, format_shortest, parse_f64};

const PLAIN: u8 = 5;
const LISTPACK: u8 = 17;

pub static ENCODINGS: &[Encoding] = &[
    encoding(3, read_texts),
    encoding(PLAIN, read_plain),
    encoding(12, read_ziplist),
    encoding(LISTPACK, read_listpack),
];

/// The most bytes of a set that is written as a listpack: only settings far from the default make
/// a packed set as large.
const LISTPACK_MAX: usize = 64 << 20;

const NO_NUMBER: &str = "a score is not a number";
const HALF: &str = "a member without a score";

/// A sorted set that is being read.
struct Growth<'b> {
    set: SortedSet,
    limits: Limits<'b>,
}

impl<'b> Growth<'b> {
    /// Of members one by one.
    fn new(builder: Builder<'b>) -> Growth<'b> {
        Growth::with(builder, builder.options.sorted_set_packed_bytes_max())
    }

    /// Of a ziplist or a listpack: one that is packed stays so, as in Redis, however long what is
    /// in it, unless there are too many members.
    fn of_list(builder: Builder<'b>) -> Growth<'b> {
        Growth::with(builder, usize::MAX)
    }

    fn with(builder: Builder<'b>, bytes: usize) -> Growth<'b> {
        let members = builder.options.sorted_set_packed_members_max();
        let limits = Limits { members, bytes, hasher: builder.hasher };
        Growth { set: SortedSet::default(), limits }
    }

    fn add(&mut self, member: &[u8], score: f64) -> Result<(), &'static str> {
        if score.is_nan() {
            return Err(NO_NUMBER);
        }
        match self.set.set(member, score, self.limits) {
            None => Ok(()),
            Some(_) => Err("a member occurs twice"),
        }
    }

    fn add_items(&mut self, member: Item<'_>, score: Item<'_>) -> Result<(), &'static str> {
        let score = match score {
            Item::Number(n) => n as f64,
            Item::Bytes(text) => parse_f64(text).ok_or(NO_NUMBER)?,
        };
        member.with(|member| self.add(member, score))
    }

    fn finish(self) -> Loaded {
        Loaded::Object(Box::new(Object::SortedSet(self.set)))
    }
}

/// A score as text: its length and so many bytes, or one of three lengths that stand for what has
/// no digits.
fn score_text(input: &mut Input<'_>) -> Result<f64, ReadError> {
    let offset = input.at();
    match input.byte()? {
        253 => Err(input.fault(offset, NO_NUMBER)),
        254 => Ok(f64::INFINITY),
        255 => Ok(f64::NEG_INFINITY),
        len => {
            let text = input.bytes(u64::from(len))?;
            parse_f64(&text).ok_or_else(|| input.fault(offset, NO_NUMBER))
        }
    }
}

fn read_each(
    input: &mut Input<'_>,
    builder: Builder<'_>,
    bytes_min: u64,
    score: impl Fn(&mut Input<'_>) -> Result<f64, ReadError>,
) -> Result<Loaded, ReadError> {
    let mut growth = Growth::new(builder);
    for _ in 0..input.count(bytes_min)? {
        let offset = input.at();
        let member = input.string()?;
        let score = score(input)?;
        growth.add(&member, score).map_err(|what| input.fault(offset, what))?;
    }
    Ok(growth.finish())
}

fn read_texts(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    read_each(input, builder, 2, score_text)
}

fn read_plain(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    read_each(input, builder, 9, |input| input.array().map(f64::from_le_bytes))
}

fn read_ziplist(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    let offset = input.at();
    let bytes = input.string()?;
    let mut growth = Growth::of_list(builder);
    let mut read = || {
        let mut ziplist = Ziplist::open(&bytes)?;
        while let Some(member) = ziplist.next()? {
            growth.add_items(member, ziplist.next()?.ok_or(HALF)?)?;
        }
        Ok(())
    };
    read().map_err(|what: &'static str| input.fault(offset, what))?;
    Ok(growth.finish())
}

fn read_listpack(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    let offset = input.at();
    let bytes = input.string()?;
    let mut growth = Growth::of_list(builder);
    let mut read = || {
        let mut listpack = Listpack::open(&bytes)?;
        while let Some(member) = listpack.next()? {
            growth.add_items(member, listpack.next()?.ok_or(HALF)?)?;
        }
        Ok(())
    };
    read().map_err(|what: &'static str| input.fault(offset, what))?;
    Ok(growth.finish())
}

/// What a sorted set is written as.
pub fn written(set: &SortedSet) -> u8 {
    if set.encoding() == "skiplist" || set.allocated() > LISTPACK_MAX { PLAIN } else { LISTPACK }
}

/// Writes a sorted set's value.
pub fn write(set: &SortedSet, out: &mut Output) {
    if written(set) == PLAIN {
        out.length(set.len() as u64);
        for (member, score) in set.iter(0) {
            out.string(member);
            out.raw(&score.to_le_bytes());
        }
        return;
    }
    let mut listpack = Growing::default();
    let mut text = [0; DOUBLE_TEXT_MAX];
    for (member, score) in set.iter(0) {
        listpack.push(member);
        listpack.push(format_shortest(score, &mut text).as_bytes());
    }
    out.string(&listpack.finish());
}
