//! Lists: element by element, as one ziplist, as ziplists, as listpacks and single elements.

use super::encoding::{Encoding, Loaded, encoding};
use super::input::Input;
use super::item::Item;
use super::listpack::{Growing, Listpack, element_len_max};
use super::output::Output;
use super::ziplist::Ziplist;
use crate::fault::ReadError;
use crate::record::Builder;
use redstart_engine::storage::value::Object;
use redstart_engine::storage::value::list::{End, Limit, List, ListRef};
use std::ops::ControlFlow;

/// What is written: listpacks and single elements.
pub const WRITTEN: u8 = 18;

pub static ENCODINGS: &[Encoding] = &[
    encoding(1, read_plain),
    encoding(10, read_ziplist),
    encoding(14, read_ziplists),
    encoding(WRITTEN, read_nodes),
];

/// A node that is one element as it is.
const PLAIN: u64 = 1;
/// A node that is a listpack.
const PACKED: u64 = 2;
/// A listpack is written once it has so many bytes: what Redis has by default.
const NODE: usize = 8192;

/// A list that is being read.
struct Growth {
    list: List,
    limit: Limit,
    /// Where parts begin, besides the head, as long as the list is small.
    cuts: Vec<usize>,
    /// Whether Redis takes it for a large one, however short it is.
    is_large: bool,
}

impl Growth {
    fn new(builder: Builder<'_>) -> Growth {
        let limit = Limit::from_setting(builder.options.list_packed_max());
        Growth { list: List::default(), limit, cuts: Vec::new(), is_large: false }
    }

    /// What follows is another part.
    fn begin_part(&mut self) {
        let len = self.list.len();
        if len > 0 && self.list.is_packed() && self.cuts.last() != Some(&len) {
            self.cuts.push(len);
        }
    }

    fn push(&mut self, element: &[u8]) {
        self.list.push(End::Tail, element, self.limit);
    }

    fn push_all<'a>(
        &mut self,
        mut next: impl FnMut() -> Result<Option<Item<'a>>, &'static str>,
    ) -> Result<(), &'static str> {
        while let Some(item) = next()? {
            item.with(|element| self.push(element));
        }
        Ok(())
    }

    fn push_ziplist(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let mut ziplist = Ziplist::open(bytes)?;
        self.push_all(|| ziplist.next())
    }

    fn push_listpack(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        let mut listpack = Listpack::open(bytes)?;
        self.push_all(|| listpack.next())
    }

    /// The list. One of several parts is a `quicklist` to Redis until there is one left; so is one
    /// that was a ziplist or an element as it is.
    fn finish(mut self) -> Loaded {
        let len = self.list.len();
        self.cuts.retain(|at| *at < len);
        if self.list.is_packed() && (self.is_large || !self.cuts.is_empty()) {
            self.list.cut(&self.cuts);
        }
        Loaded::Object(Box::new(Object::List(self.list)))
    }
}

fn read_plain(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    let mut growth = Growth::new(builder);
    for _ in 0..input.count(1)? {
        growth.push(&input.string()?);
    }
    Ok(growth.finish())
}

fn read_ziplist(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    let mut growth = Growth::new(builder);
    let offset = input.at();
    let bytes = input.string()?;
    growth.push_ziplist(&bytes).map_err(|what| input.fault(offset, what))?;
    growth.is_large = true;
    Ok(growth.finish())
}

fn read_ziplists(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    let mut growth = Growth::new(builder);
    for _ in 0..input.count(1)? {
        let offset = input.at();
        let bytes = input.string()?;
        growth.begin_part();
        growth.push_ziplist(&bytes).map_err(|what| input.fault(offset, what))?;
    }
    Ok(growth.finish())
}

fn read_nodes(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    let mut growth = Growth::new(builder);
    for _ in 0..input.count(2)? {
        let offset = input.at();
        let container = input.length()?;
        let bytes = input.string()?;
        growth.begin_part();
        match container {
            PLAIN if bytes.is_empty() => {
                return Err(input.fault(offset, "an empty element as a part of a list"));
            }
            PLAIN => {
                growth.push(&bytes);
                growth.is_large = true;
            }
            PACKED => growth.push_listpack(&bytes).map_err(|what| input.fault(offset, what))?,
            _ => return Err(input.fault(offset, "a part of a list is of an unknown kind")),
        }
    }
    Ok(growth.finish())
}

pub fn write(list: ListRef<'_>, out: &mut Output) {
    // How many nodes there are stands before them.
    let mut nodes = Vec::new();
    let mut node = Growing::default();
    let ControlFlow::Continue(()) = list.walk(0, End::Head, |element| {
        let element = element.as_bytes();
        if !node.is_empty() && node.len() + element_len_max(element.len()) > NODE {
            nodes.push(std::mem::take(&mut node).finish());
        }
        node.push(element);
        ControlFlow::<std::convert::Infallible>::Continue(())
    });
    nodes.push(node.finish());
    out.length(nodes.len() as u64);
    for node in nodes {
        out.length(PACKED);
        out.string(&node);
    }
}
