//! A hash: its fields with their values and, where there is one, the wall time of their end.

use super::builder::Builder;
use crate::codec::Blob;
use redstart_engine::Now;
use redstart_engine::storage::entry::NewValue;
use redstart_engine::storage::value::hash::{Hash, Limits, Ttl};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};

pub struct Out<'a> {
    pub hash: &'a Hash,
    pub now: Now,
}

impl Serialize for Out<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_seq(Some(self.hash.len()))?;
        for (field, value, deadline_ms) in self.hash.iter_timed() {
            let at_ms = (deadline_ms != 0).then(|| self.now.wall(deadline_ms));
            value.with(|value| fields.serialize_element(&(Blob(field), Blob(value), at_ms)))?;
        }
        fields.end()
    }
}

#[derive(Deserialize)]
pub struct In<'a>(#[serde(borrow)] Vec<(Blob<'a>, Blob<'a>, Option<i64>)>);

impl In<'_> {
    pub fn build(&self, builder: Builder<'_>) -> Result<Hash, String> {
        if self.0.is_empty() {
            return Err("a hash without fields".into());
        }
        let limits = Limits {
            fields: builder.options.hash_packed_fields_max(),
            bytes: builder.options.hash_packed_bytes_max(),
            hasher: builder.hasher,
        };
        let mut hash = Hash::default();
        if self.0.len() <= limits.fields {
            hash.reserve(
                self.0.iter().map(|(field, value, _)| field.0.len() + value.0.len()).sum(),
            );
        }
        for (field, value, at_ms) in &self.0 {
            if !hash.set(field.0, NewValue::Str(value.0), Ttl::Clear, limits) {
                return Err("a field occurs twice".into());
            }
            if let Some(at_ms) = at_ms {
                hash.set_deadline(field.0, builder.now.deadline(*at_ms), builder.hasher);
            }
        }
        Ok(hash)
    }
}
