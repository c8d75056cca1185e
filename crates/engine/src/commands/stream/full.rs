//! What XINFO STREAM FULL tells, in pieces: of entries, groups and what is pending there may be
//! millions.

use super::info::{id, number, optional};
use super::rest::Entries;
use crate::storage::value::stream::Stream;
use crate::storage::value::stream::group::{Group, Pending};
use crate::storage::value::stream::id::Id;
use crate::storage::value::{Object, ObjectRef};
use redstart_protocol::{Reply, Rest};

/// The bytes of a pending entry in a reply, about: once of its group, once of its consumer.
const PENDING_BYTES: usize = 120;

/// Where the walk is. Groups and consumers are known by their places.
#[derive(Clone, Copy)]
enum Step {
    Begin,
    Entries(Entries),
    Group(usize),
    Pending(usize, Left),
    Consumer(usize, usize),
    OfConsumer(usize, usize, Left),
    End,
}

/// Pending entries from an id on, and how many of them.
#[derive(Clone, Copy)]
struct Left {
    from: Id,
    count: usize,
}

/// Entries, groups and consumers, at most so many of what a list has.
pub struct Full {
    most: usize,
    step: Step,
}

impl Full {
    pub fn new(most: usize) -> Full {
        Full { most, step: Step::Begin }
    }

    /// The bytes of all, about.
    pub fn about(&self, stream: &Stream) -> usize {
        let len = stream.len().max(1) as usize;
        let of_entries = (stream.allocated() / len).saturating_mul(self.most.min(len));
        let pending = stream.groups().iter().map(|group| group.pending().len().min(self.most));
        of_entries + pending.sum::<usize>() * PENDING_BYTES
    }

    /// Writes about so many bytes. Returns whether more is left.
    pub fn write(&mut self, reply: &mut Reply, stream: &Stream, bytes: usize) -> bool {
        let end = reply.len().saturating_add(bytes);
        while reply.len() < end {
            self.step = match self.step {
                Step::Begin => {
                    reply.bulk(b"entries");
                    let left = self.most.min(stream.len() as usize);
                    reply.array(left);
                    Step::Entries(Entries { start: Id::MIN, end: Id::MAX, backward: false, left })
                }
                Step::Entries(mut entries) => {
                    if entries.write(reply, stream, end - reply.len()) {
                        Step::Entries(entries)
                    } else {
                        reply.bulk(b"groups");
                        reply.array(stream.groups().len());
                        Step::Group(0)
                    }
                }
                Step::Group(at) => match stream.groups().get(at) {
                    Some(group) => self.begin_group(reply, stream, group, at),
                    None => Step::End,
                },
                Step::Pending(at, left) => {
                    let group = &stream.groups()[at];
                    match write_pending(reply, group, left, end) {
                        Some(left) => Step::Pending(at, left),
                        None => {
                            reply.bulk(b"consumers");
                            reply.array(group.consumers().len());
                            Step::Consumer(at, 0)
                        }
                    }
                }
                Step::Consumer(at, place) => self.begin_consumer(reply, stream, at, place),
                Step::OfConsumer(at, place, left) => {
                    match write_of_consumer(reply, &stream.groups()[at], place, left, end) {
                        Some(left) => Step::OfConsumer(at, place, left),
                        None => Step::Consumer(at, place + 1),
                    }
                }
                Step::End => return false,
            };
        }
        !matches!(self.step, Step::End)
    }

    fn begin_group(&self, reply: &mut Reply, stream: &Stream, group: &Group, at: usize) -> Step {
        let given_back = group.given_back();
        reply.map(if given_back > 0 { 8 } else { 7 });
        reply.bulk(b"name");
        reply.bulk(group.name());
        id(reply, "last-delivered-id", group.last);
        optional(reply, "entries-read", group.read.map(|read| read as i64));
        optional(reply, "lag", stream.progress().lag(group));
        number(reply, "pel-count", group.pending().len() as i64);
        // Redis 8.8 has it in any case, 8.6 never.
        if given_back > 0 {
            number(reply, "nacked-count", given_back as i64);
        }
        reply.bulk(b"pending");
        let count = self.most.min(group.pending().len());
        reply.array(count);
        Step::Pending(at, Left { from: Id::MIN, count })
    }

    fn begin_consumer(&self, reply: &mut Reply, stream: &Stream, at: usize, place: usize) -> Step {
        let Some(consumer) = stream.groups()[at].consumer_at(place) else {
            return Step::Group(at + 1);
        };
        reply.map(5);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        number(reply, "seen-time", consumer.seen_ms);
        number(reply, "active-time", consumer.active_ms.unwrap_or(-1));
        number(reply, "pel-count", consumer.pending().len() as i64);
        reply.bulk(b"pending");
        let count = self.most.min(consumer.pending().len());
        reply.array(count);
        Step::OfConsumer(at, place, Left { from: Id::MIN, count })
    }
}

/// Writes what a group has pending up to an end of the reply. What is left is returned.
fn write_pending(reply: &mut Reply, group: &Group, left: Left, end: usize) -> Option<Left> {
    let mut count = left.count;
    for Pending { id, given_ms, count: times, consumer } in
        group.pending().from(left.from).take(count)
    {
        if reply.len() >= end {
            return Some(Left { from: *id, count });
        }
        reply.array(4);
        id.with_text(|text| reply.bulk(text));
        reply.bulk(group.name_of(*consumer));
        reply.integer(*given_ms);
        reply.integer(*times as i64);
        count -= 1;
    }
    None
}

/// The same of one of its consumers.
fn write_of_consumer(
    reply: &mut Reply,
    group: &Group,
    place: usize,
    left: Left,
    end: usize,
) -> Option<Left> {
    let mut count = left.count;
    for id in group.consumer_at(place)?.pending().from(left.from).take(count) {
        if reply.len() >= end {
            return Some(Left { from: *id, count });
        }
        let record = group.pending().get(*id);
        reply.array(3);
        id.with_text(|text| reply.bulk(text));
        reply.integer(record.map_or(0, |record| record.given_ms));
        reply.integer(record.map_or(0, |record| record.count as i64));
        count -= 1;
    }
    None
}

/// The rest of such a reply.
pub struct RestOfFull {
    pub stream: Object,
    pub full: Full,
}

impl Rest for RestOfFull {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let ObjectRef::Stream(stream) = self.stream.view() else { return false };
        self.full.write(reply, stream, bytes)
    }

    fn shed(&mut self) -> bool {
        self.stream.shed()
    }
}
