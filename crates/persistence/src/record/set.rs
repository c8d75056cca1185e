//! A set: its integers, its other members, and those that expire with the wall time of their end.

use super::builder::Builder;
use crate::codec::Blob;
use redstart_engine::Now;
use redstart_engine::storage::value::set::{Limits, Member, Set, SetRef};
use serde::ser::{SerializeSeq, SerializeTuple};
use serde::{Deserialize, Serialize, Serializer};
use std::ops::ControlFlow;

pub struct Out<'a> {
    pub set: SetRef<'a>,
    pub now: Now,
}

/// Which members a part of the record holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Text,
    Timed,
}

impl Kind {
    fn of(member: Member<'_>, deadline_ms: u64) -> Kind {
        match (member, deadline_ms) {
            (_, 1..) => Kind::Timed,
            (Member::Integer(_), 0) => Kind::Integer,
            (Member::Text(_), 0) => Kind::Text,
        }
    }
}

/// A part of the record: the members of one kind.
struct Part<'a> {
    out: &'a Out<'a>,
    kind: Kind,
    count: usize,
}

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_seq(Some(self.count))?;
        let walked = self.out.set.walk_timed(|member, deadline_ms| {
            if Kind::of(member, deadline_ms) != self.kind {
                return ControlFlow::Continue(());
            }
            let done = match (member, self.kind) {
                (_, Kind::Timed) => {
                    let at_ms = self.out.now.wall(deadline_ms);
                    member.with(|text| members.serialize_element(&(Blob(text), at_ms)))
                }
                (Member::Integer(n), _) => members.serialize_element(&n),
                (Member::Text(text), _) => members.serialize_element(&Blob(text)),
            };
            match done {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        });
        match walked {
            ControlFlow::Continue(()) => members.end(),
            ControlFlow::Break(error) => Err(error),
        }
    }
}

impl Serialize for Out<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut counts = [0; 3];
        let _ = self.set.walk_timed(|member, deadline_ms| {
            counts[Kind::of(member, deadline_ms) as usize] += 1;
            ControlFlow::<()>::Continue(())
        });
        let mut parts = serializer.serialize_tuple(3)?;
        for kind in [Kind::Integer, Kind::Text, Kind::Timed] {
            parts.serialize_element(&Part { out: self, kind, count: counts[kind as usize] })?;
        }
        parts.end()
    }
}

#[derive(Deserialize)]
pub struct In<'a>(Vec<i64>, #[serde(borrow)] Vec<Blob<'a>>, #[serde(borrow)] Vec<(Blob<'a>, i64)>);

/// Up to what a set that is read is not large.
pub fn limits(builder: Builder<'_>) -> Limits<'_> {
    Limits {
        integers: builder.options.set_integers_max(),
        members: builder.options.set_packed_members_max(),
        bytes: builder.options.set_packed_bytes_max(),
        hasher: builder.hasher,
    }
}

impl In<'_> {
    pub fn build(&self, builder: Builder<'_>) -> Result<Set, String> {
        let In(integers, texts, timed) = self;
        let (count, limits) = (integers.len() + texts.len() + timed.len(), limits(builder));
        if count == 0 {
            return Err("a set without members".into());
        }
        // Integers alone take their own form; others are packed even if they are integers, too.
        let are_integers = integers.len() == count && count <= limits.integers;
        let mut set = if are_integers { Set::default() } else { Set::packed() };
        set.fit(count, limits);
        let twice = || "a member occurs twice".to_owned();
        for n in integers {
            set.add_member(Member::Integer(*n), limits).then_some(()).ok_or_else(twice)?;
        }
        for text in texts {
            set.add(text.0, limits).then_some(()).ok_or_else(twice)?;
        }
        for (text, at_ms) in timed {
            set.add(text.0, limits).then_some(()).ok_or_else(twice)?;
            set.set_deadline(text.0, builder.now.deadline(*at_ms), limits);
        }
        Ok(set)
    }
}
