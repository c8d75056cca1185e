//! Streams: blocks of entries as listpacks, counters, groups of consumers, and since Redis 8.6 what
//! producers have sent.
//!
//! ```text
//! stream    count | (16 bytes | listpack) ... | length | last id | [first id | deleted | added]
//!           | count | group ... | [seconds | most | count | producer ... | added | again]
//! group     name | id | [read] | count | (16 bytes | time, 8 | times) ... | count | consumer ...
//!           | [count | 16 bytes ... of what nobody has pending]
//! consumer  name | seen, 8 | [active, 8] | count | 16 bytes ...
//! producer  name | count | (name | id) ...
//! id        ms | number                        each in brackets came with a later encoding
//!
//! listpack  live | removed | names | name ... | 0 | entry ...
//! entry     flags | ms | number | [names | name | value ... or value ...] | elements before this
//! ```

use super::dialect::Version;
use super::encoding::{Encoding, Loaded, encoding};
use super::input::Input;
use super::item::Item;
use super::listpack::{Growing, Listpack};
use super::output::Output;
use crate::fault::ReadError;
use crate::record::Builder;
use redstart_engine::options::StreamKeep;
use redstart_engine::storage::value::Object;
use redstart_engine::storage::value::stream::Stream;
use redstart_engine::storage::value::stream::block::Block;
use redstart_engine::storage::value::stream::group::{Consumer, Group, NOBODY, Pending};
use redstart_engine::storage::value::stream::id::Id;

/// Of Redis 5; of 7.0, with counts of entries; of 7.2, with when consumers were active; of 8.6,
/// with what producers have sent; of 8.8, with what was given back.
const FIRST: u8 = 15;
const READ_COUNTS: u8 = 19;
const ACTIVE_TIMES: u8 = 21;
const PRODUCERS: u8 = 26;
const GIVEN_BACK: u8 = 27;

pub static ENCODINGS: &[Encoding] = &[
    encoding(FIRST, |input, builder| read(input, builder, FIRST)),
    encoding(READ_COUNTS, |input, builder| read(input, builder, READ_COUNTS)),
    encoding(ACTIVE_TIMES, |input, builder| read(input, builder, ACTIVE_TIMES)),
];

/// Redis's own.
pub static OF_REDIS: &[Encoding] = &[
    encoding(PRODUCERS, |input, builder| read(input, builder, PRODUCERS)),
    encoding(GIVEN_BACK, |input, builder| read(input, builder, GIVEN_BACK)),
];

/// The bytes of an id that is not stored as two lengths.
const ID: usize = 16;

const DELETED: i64 = 1;
const SAME_NAMES: i64 = 2;

const BAD_BLOCK: &str = "a block of a stream is damaged";
const NOT_IN_ORDER: &str = "the entries of a stream are not in order";
const BAD_COUNTS: &str = "a stream's counts are not right";

fn raw_id(bytes: [u8; ID]) -> Id {
    let [ms, seq] = [0, 8].map(|at| {
        let word = bytes[at..at + 8].try_into().expect("it has eight bytes");
        u64::from_be_bytes(word)
    });
    Id::new(ms, seq)
}

fn raw_bytes(id: Id) -> [u8; ID] {
    let mut bytes = [0; ID];
    bytes[..8].copy_from_slice(&id.ms.to_be_bytes());
    bytes[8..].copy_from_slice(&id.seq.to_be_bytes());
    bytes
}

fn id(input: &mut Input<'_>) -> Result<Id, ReadError> {
    Ok(Id::new(input.length()?, input.length()?))
}

fn read(input: &mut Input<'_>, _builder: Builder<'_>, kind: u8) -> Result<Loaded, ReadError> {
    let mut stream = Stream::default();
    for _ in 0..input.count(ID as u64)? {
        let offset = input.at();
        let key = input.string()?;
        let listpack = input.string()?;
        let key = <[u8; ID]>::try_from(&key[..]).map_err(|_| BAD_BLOCK);
        let block = key.and_then(|key| read_block(raw_id(key), &listpack));
        let added = block.and_then(|block| stream.add_block(block));
        added.map_err(|what| input.fault(offset, what))?;
    }
    let offset = input.at();
    let (len, last) = (input.length()?, id(input)?);
    let (mut max_deleted, mut added) = (Id::MIN, len);
    if kind >= READ_COUNTS {
        // The id of the first entry is seen from the entries.
        id(input)?;
        (max_deleted, added) = (id(input)?, input.length()?);
    }
    if len != stream.len() || last < stream.last_id() || added < len {
        return Err(input.fault(offset, BAD_COUNTS));
    }
    stream.set_counters(last, added, max_deleted);
    for _ in 0..input.count(1)? {
        let offset = input.at();
        let group = read_group(input, &stream, kind)?;
        if !stream.add_group(group) {
            return Err(input.fault(offset, "a group of a stream occurs twice"));
        }
    }
    if kind >= PRODUCERS {
        read_producers(input, &mut stream)?;
    }
    Ok(Loaded::Object(Box::new(Object::Stream(stream))))
}

/// The elements of a block's listpack.
struct Elements<'a>(Listpack<'a>);

impl<'a> Elements<'a> {
    fn item(&mut self) -> Result<Item<'a>, &'static str> {
        self.0.next()?.ok_or(BAD_BLOCK)
    }

    fn number(&mut self) -> Result<i64, &'static str> {
        match self.item()? {
            Item::Number(n) => Ok(n),
            Item::Bytes(_) => Err(BAD_BLOCK),
        }
    }

    fn text(&mut self) -> Result<Vec<u8>, &'static str> {
        Ok(self.item()?.with(<[u8]>::to_vec))
    }
}

fn read_block(first: Id, bytes: &[u8]) -> Result<Block, &'static str> {
    let mut elements = Elements(Listpack::open(bytes)?);
    let (live, deleted) = (elements.number()?, elements.number()?);
    let names = elements.number()?;
    let names = (0..names).map(|_| elements.text()).collect::<Result<Vec<_>, _>>()?;
    if elements.number()? != 0 || live < 1 || deleted < 0 {
        return Err(BAD_BLOCK);
    }
    let (mut block, mut last): (Option<Block>, Option<Id>) = (None, None);
    let mut seen = (0, 0);
    for _ in 0..live.checked_add(deleted).ok_or(BAD_BLOCK)? {
        let (flags, ms, seq) = (elements.number()?, elements.number()?, elements.number()?);
        let id = Id::new(first.ms.wrapping_add(ms as u64), first.seq.wrapping_add(seq as u64));
        if id < first || last.is_some_and(|last| id <= last) || flags & !(DELETED | SAME_NAMES) != 0
        {
            return Err(NOT_IN_ORDER);
        }
        last = Some(id);
        let mut pairs = Vec::new();
        let count = if flags & SAME_NAMES != 0 {
            for name in &names {
                pairs.extend([name.clone(), elements.text()?]);
            }
            names.len() + 3
        } else {
            let count = elements.number()?;
            for _ in 0..count {
                pairs.extend([elements.text()?, elements.text()?]);
            }
            pairs.len() + 4
        };
        if elements.number()? != count as i64 || pairs.is_empty() {
            return Err(BAD_BLOCK);
        }
        if flags & DELETED != 0 {
            seen.1 += 1;
            continue;
        }
        seen.0 += 1;
        let texts = pairs.iter().map(|text| &text[..]);
        match &mut block {
            Some(block) => block.add(id, texts),
            None => block = Some(Block::new(id, texts)),
        }
    }
    if elements.0.next()?.is_some() || seen != (live, deleted) {
        return Err(BAD_BLOCK);
    }
    let mut block = block.ok_or(BAD_BLOCK)?;
    block.close();
    Ok(block)
}

fn read_group(input: &mut Input<'_>, stream: &Stream, kind: u8) -> Result<Group, ReadError> {
    let name = input.string()?;
    let last = id(input)?;
    let read = if kind >= READ_COUNTS {
        // A count that is not known is written as minus one.
        Some(input.length()?).filter(|read| *read != u64::MAX)
    } else {
        stream.progress().count_to(last)
    };
    let mut group = Group::new(&name, last, read);
    let mut pending: Vec<(Id, i64, u64, bool)> = Vec::new();
    for _ in 0..input.count(ID as u64 + 9)? {
        let offset = input.at();
        let id = raw_id(input.array()?);
        let (given_ms, count) = (input.time_ms()?, input.length()?);
        if pending.last().is_some_and(|(before, ..)| *before >= id) {
            return Err(input.fault(offset, "a group's pending entries are not in order"));
        }
        pending.push((id, given_ms, count, false));
    }
    let mut left = pending.len();
    let mut take =
        |input: &mut Input<'_>, group: &mut Group, consumer: u32| -> Result<(), ReadError> {
            let offset = input.at();
            let id = raw_id(input.array()?);
            let found = pending.binary_search_by_key(&id, |(id, ..)| *id).ok();
            let record = found.and_then(|at| pending.get_mut(at)).filter(|record| !record.3);
            let Some((id, given_ms, count, is_taken)) = record else {
                return Err(input.fault(offset, "a consumer's entry is not pending"));
            };
            *is_taken = true;
            left -= 1;
            let (id, given_ms, count) = (*id, *given_ms, *count);
            group.give_new(Pending { id, given_ms, count, consumer });
            Ok(())
        };
    for _ in 0..input.count(1)? {
        let offset = input.at();
        let name = input.string()?;
        let seen_ms = input.time_ms()?;
        let active_ms = if kind >= ACTIVE_TIMES { input.time_ms()? } else { seen_ms };
        let number = group.add_consumer(&name, seen_ms);
        let number = number.ok_or_else(|| input.fault(offset, "a consumer occurs twice"))?;
        group.set_times(number, seen_ms, Some(active_ms).filter(|time| *time >= 0));
        for _ in 0..input.count(ID as u64)? {
            take(input, &mut group, number)?;
        }
    }
    if kind >= GIVEN_BACK {
        for _ in 0..input.count(ID as u64)? {
            take(input, &mut group, NOBODY)?;
        }
    }
    if left > 0 {
        return Err(input.fault(input.at(), "a pending entry is no consumer's"));
    }
    Ok(group)
}

fn read_producers(input: &mut Input<'_>, stream: &mut Stream) -> Result<(), ReadError> {
    let keep = StreamKeep { duration_s: input.length()?, most: input.length()? };
    let known = stream.idempotence_mut(keep);
    for _ in 0..input.count(1)? {
        let producer = input.string()?;
        for _ in 0..input.count(1)? {
            let message = input.string()?;
            known.add(&producer, &message, id(input)?);
        }
    }
    (known.added, known.again) = (input.length()?, input.length()?);
    Ok(())
}

/// What a stream is written as.
pub fn written(stream: &Stream, version: Version) -> u8 {
    if version <= Version::COMMON {
        READ_COUNTS
    } else if stream.idempotence().is_some() && version.has_producers() {
        PRODUCERS
    } else {
        ACTIVE_TIMES
    }
}

fn write_id(id: Id, out: &mut Output) {
    out.length(id.ms);
    out.length(id.seq);
}

/// Writes a stream's value.
pub fn write(stream: &Stream, version: Version, out: &mut Output) {
    let kind = written(stream, version);
    out.length(stream.blocks_count() as u64);
    for block in stream.blocks() {
        out.string(&raw_bytes(block.first()));
        out.string(&listpack_of(block));
    }
    out.length(stream.len());
    write_id(stream.last_id(), out);
    write_id(stream.first_id(), out);
    write_id(stream.max_deleted_id(), out);
    out.length(stream.added());
    out.length(stream.groups().len() as u64);
    for group in stream.groups() {
        write_group(group, kind, out);
    }
    if let Some(known) = stream.idempotence().filter(|_| kind >= PRODUCERS) {
        out.length(known.keep().duration_s);
        out.length(known.keep().most);
        out.length(known.producers().len() as u64);
        for producer in known.producers() {
            out.string(producer.name());
            out.length(producer.sent().len() as u64);
            for (message, id) in producer.sent() {
                out.string(message);
                write_id(id, out);
            }
        }
        out.length(known.added);
        out.length(known.again);
    }
}

/// A block in Redis's form. Of entries that were removed nothing is left.
fn listpack_of(block: &Block) -> Vec<u8> {
    let mut listpack = Growing::default();
    listpack.push_number(block.live() as i64);
    listpack.push_number(0);
    listpack.push_number(block.names().len() as i64);
    block.names().for_each(|name| listpack.push(name));
    listpack.push_number(0);
    let first = block.first();
    for item in block.items().filter(|item| !item.is_deleted) {
        let same = item.fields.has_head_names();
        let fields = item.fields.len() as i64;
        listpack.push_number(if same { SAME_NAMES } else { 0 });
        listpack.push_number(item.id.ms.wrapping_sub(first.ms) as i64);
        listpack.push_number(item.id.seq.wrapping_sub(first.seq) as i64);
        if !same {
            listpack.push_number(fields);
        }
        for (name, value) in item.fields.iter() {
            if !same {
                listpack.push(name);
            }
            listpack.push(value);
        }
        listpack.push_number(if same { fields + 3 } else { 2 * fields + 4 });
    }
    listpack.finish()
}

fn write_group(group: &Group, kind: u8, out: &mut Output) {
    out.string(group.name());
    write_id(group.last, out);
    out.length(group.read.unwrap_or(u64::MAX));
    out.length(group.pending().len() as u64);
    for pending in group.pending().iter() {
        out.raw(&raw_bytes(pending.id));
        out.raw(&pending.given_ms.to_le_bytes());
        out.length(pending.count);
    }
    // What is nobody's has to be somebody's where Redis 8.8 is not: of a consumer without a name.
    let of_nobody = group.pending().iter().filter(|pending| pending.consumer == NOBODY);
    let mut of_nobody: Vec<Id> = of_nobody.map(|pending| pending.id).collect();
    let nameless = group.find_consumer(b"").map(|number| group.consumer(number));
    let adds_one = !of_nobody.is_empty() && nameless.is_none();
    out.length((group.consumers().len() + usize::from(adds_one)) as u64);
    if let Some(consumer) = nameless {
        of_nobody.extend(consumer.pending().iter());
        of_nobody.sort_unstable();
    }
    if adds_one {
        write_consumer(&Consumer::default(), &mut of_nobody.iter(), kind, out);
    }
    for consumer in group.consumers() {
        match consumer.name() {
            b"" => write_consumer(consumer, &mut of_nobody.iter(), kind, out),
            _ => write_consumer(consumer, &mut consumer.pending().iter(), kind, out),
        }
    }
}

fn write_consumer(
    consumer: &Consumer,
    pending: &mut dyn Iterator<Item = &Id>,
    kind: u8,
    out: &mut Output,
) {
    let pending: Vec<&Id> = pending.collect();
    out.string(consumer.name());
    out.raw(&consumer.seen_ms.to_le_bytes());
    if kind >= ACTIVE_TIMES {
        out.raw(&consumer.active_ms.unwrap_or(-1).to_le_bytes());
    }
    out.length(pending.len() as u64);
    pending.iter().for_each(|id| out.raw(&raw_bytes(**id)));
}
