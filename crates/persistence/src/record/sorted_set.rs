//! A sorted set: its members with their scores, in order.

use super::builder::Builder;
use crate::codec::Blob;
use redstart_engine::storage::value::sorted_set::{Limits, SortedSet, order};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
use std::cmp::Ordering;

pub struct Out<'a>(pub &'a SortedSet);

impl Serialize for Out<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_seq(Some(self.0.len()))?;
        for (member, score) in self.0.iter(0) {
            members.serialize_element(&(Blob(member), score))?;
        }
        members.end()
    }
}

#[derive(Deserialize)]
pub struct In<'a>(#[serde(borrow)] Vec<(Blob<'a>, f64)>);

impl In<'_> {
    pub fn build(&self, builder: Builder<'_>) -> Result<SortedSet, String> {
        let members = &self.0;
        if members.is_empty() {
            return Err("a sorted set without members".into());
        }
        let in_order = members.windows(2).all(|pair| {
            order((pair[0].1, pair[0].0.0), (pair[1].1, pair[1].0.0)) == Ordering::Less
        });
        if !in_order || members.iter().any(|(_, score)| score.is_nan()) {
            return Err("a sorted set is not in order".into());
        }
        let limits = Limits {
            members: builder.options.sorted_set_packed_members_max(),
            bytes: builder.options.sorted_set_packed_bytes_max(),
            hasher: builder.hasher,
        };
        let mut set = SortedSet::default();
        set.fit(members.len(), 0, limits);
        for (member, score) in members {
            if set.set(member.0, *score, limits).is_some() {
                return Err("a member occurs twice".into());
            }
        }
        Ok(set)
    }
}
