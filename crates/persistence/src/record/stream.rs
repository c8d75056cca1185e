//! A stream: its blocks as they are, its counters, its groups, what producers have sent.

use super::builder::Builder;
use crate::codec::Blob;
use redstart_engine::options::StreamKeep;
use redstart_engine::storage::value::stream::Stream;
use redstart_engine::storage::value::stream::block::Block;
use redstart_engine::storage::value::stream::group::{Group, NOBODY, Pending};
use redstart_engine::storage::value::stream::id::Id;
use serde::ser::{SerializeSeq, SerializeTuple};
use serde::{Deserialize, Serialize, Serializer};

type Pair = (u64, u64);

fn pair(id: Id) -> Pair {
    (id.ms, id.seq)
}

fn id((ms, seq): Pair) -> Id {
    Id::new(ms, seq)
}

pub struct Out<'a>(pub &'a Stream);

impl Serialize for Out<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stream = self.0;
        let mut parts = serializer.serialize_tuple(6)?;
        parts.serialize_element(&Blocks(stream))?;
        parts.serialize_element(&pair(stream.last_id()))?;
        parts.serialize_element(&pair(stream.max_deleted_id()))?;
        parts.serialize_element(&stream.added())?;
        parts.serialize_element(&Groups(stream))?;
        parts.serialize_element(&stream.idempotence().map(|known| {
            let keep = known.keep();
            let sent = known.producers().iter().map(|producer| {
                let messages = producer.sent().map(|(name, id)| (Blob(name), pair(id)));
                (Blob(producer.name()), messages.collect())
            });
            (keep.duration_s, keep.most, known.added, known.again, sent.collect::<Vec<Sent<'_>>>())
        }))?;
        parts.end()
    }
}

/// A producer's name, and its messages with the ids of their entries.
type Sent<'a> = (Blob<'a>, Vec<(Blob<'a>, Pair)>);

struct Blocks<'a>(&'a Stream);

impl Serialize for Blocks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut blocks = serializer.serialize_seq(Some(self.0.blocks_count()))?;
        for block in self.0.blocks() {
            blocks.serialize_element(&(pair(block.first()), Blob(block.raw())))?;
        }
        blocks.end()
    }
}

struct Groups<'a>(&'a Stream);

impl Serialize for Groups<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut groups = serializer.serialize_seq(Some(self.0.groups().len()))?;
        for group in self.0.groups() {
            groups.serialize_element(&GroupOut(group))?;
        }
        groups.end()
    }
}

struct GroupOut<'a>(&'a Group);

impl Serialize for GroupOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let group = self.0;
        let mut parts = serializer.serialize_tuple(5)?;
        parts.serialize_element(&Blob(group.name()))?;
        parts.serialize_element(&pair(group.last))?;
        parts.serialize_element(&group.read)?;
        let consumers = group
            .consumers()
            .map(|consumer| (Blob(consumer.name()), consumer.seen_ms, consumer.active_ms));
        parts.serialize_element(&consumers.collect::<Vec<_>>())?;
        parts.serialize_element(&PendingOut(group))?;
        parts.end()
    }
}

/// What is pending, with the consumers by their places in the order of their names, counted from
/// one: zero is nobody.
struct PendingOut<'a>(&'a Group);

impl Serialize for PendingOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let group = self.0;
        let mut places = Vec::new();
        for (place, consumer) in group.consumers().enumerate() {
            let number = group.find_consumer(consumer.name()).unwrap_or_default() as usize;
            places.resize(places.len().max(number + 1), 0);
            places[number] = place as u32 + 1;
        }
        let mut pending = serializer.serialize_seq(Some(group.pending().len()))?;
        for Pending { id, given_ms, count, consumer } in group.pending().iter() {
            let place = places.get(*consumer as usize).copied().unwrap_or(0);
            pending.serialize_element(&(pair(*id), given_ms, count, place))?;
        }
        pending.end()
    }
}

#[derive(Deserialize)]
pub struct In<'a> {
    #[serde(borrow)]
    blocks: Vec<(Pair, Blob<'a>)>,
    last: Pair,
    max_deleted: Pair,
    added: u64,
    #[serde(borrow)]
    groups: Vec<GroupIn<'a>>,
    #[serde(borrow)]
    sent: Option<(u64, u64, u64, u64, Vec<Sent<'a>>)>,
}

#[derive(Deserialize)]
struct GroupIn<'a> {
    #[serde(borrow)]
    name: Blob<'a>,
    last: Pair,
    read: Option<u64>,
    #[serde(borrow)]
    consumers: Vec<(Blob<'a>, i64, Option<i64>)>,
    pending: Vec<(Pair, i64, u64, u32)>,
}

impl GroupIn<'_> {
    fn build(&self) -> Result<Group, String> {
        let mut group = Group::new(self.name.0, id(self.last), self.read);
        let mut numbers = Vec::new();
        for (name, seen_ms, active_ms) in &self.consumers {
            let number = group.add_consumer(name.0, *seen_ms).ok_or("a consumer occurs twice")?;
            group.set_times(number, *seen_ms, *active_ms);
            numbers.push(number);
        }
        let mut before = None;
        for (at, given_ms, count, place) in &self.pending {
            let consumer = match (*place as usize).checked_sub(1) {
                Some(place) => numbers.get(place),
                None => Some(&NOBODY),
            };
            let consumer = *consumer.ok_or("a pending entry of a consumer that is not there")?;
            if before.is_some_and(|before| before >= *at) {
                return Err("pending entries are not in order".into());
            }
            before = Some(*at);
            let (given_ms, count) = (*given_ms, *count);
            group.give_new(Pending { id: id(*at), given_ms, count, consumer });
        }
        Ok(group)
    }
}

impl In<'_> {
    pub fn build(&self, _builder: Builder<'_>) -> Result<Stream, String> {
        let mut stream = Stream::default();
        for (first, bytes) in &self.blocks {
            stream.add_block(Block::restore(id(*first), bytes.0)?)?;
        }
        if id(self.last) < stream.last_id() || self.added < stream.len() {
            return Err("a stream's counters are below what is in it".into());
        }
        stream.set_counters(id(self.last), self.added, id(self.max_deleted));
        for group in &self.groups {
            if !stream.add_group(group.build()?) {
                return Err("a group occurs twice".into());
            }
        }
        if let Some((duration_s, most, added, again, producers)) = &self.sent {
            let (duration_s, most) = (*duration_s, *most);
            let known = stream.idempotence_mut(StreamKeep { duration_s, most });
            (known.added, known.again) = (*added, *again);
            for (name, messages) in producers {
                for (message, at) in messages {
                    known.add(name.0, message.0, id(*at));
                }
            }
        }
        Ok(stream)
    }
}
