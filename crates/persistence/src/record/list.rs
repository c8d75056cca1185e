//! A list: its elements from head to tail.

use super::builder::Builder;
use crate::codec::Blob;
use redstart_engine::storage::value::list::{Element, End, Limit, List, ListRef};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serialize, Serializer};
use std::ops::ControlFlow;

pub struct Out<'a>(pub ListRef<'a>);

impl Serialize for Out<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut elements = serializer.serialize_seq(Some(self.0.len()))?;
        let walked = self.0.walk(0, End::Head, |element: Element<'_>| {
            match elements.serialize_element(&Blob(element.as_bytes())) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => ControlFlow::Break(error),
            }
        });
        match walked {
            ControlFlow::Continue(()) => elements.end(),
            ControlFlow::Break(error) => Err(error),
        }
    }
}

#[derive(Deserialize)]
pub struct In<'a>(#[serde(borrow)] Vec<Blob<'a>>);

impl In<'_> {
    pub fn build(&self, builder: Builder<'_>) -> Result<List, String> {
        if self.0.is_empty() {
            return Err("a list without elements".into());
        }
        let limit = Limit::from_setting(builder.options.list_packed_max());
        let bytes = self.0.iter().map(|element| element.0.len() + 4).sum();
        let mut list = List::with_capacity(bytes);
        list.extend(End::Tail, self.0.iter().map(|element| element.0), limit);
        Ok(list)
    }
}
