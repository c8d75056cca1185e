//! Sets: member by member, as integers in order, as a listpack; and with the deadlines of members.
//!
//! ```text
//! integers    width u32 | count u32 | integer ...      little endian, ascending, 2, 4 or 8 bytes
//! each
//! ```

use super::dialect::Version;
use super::encoding::{Encoding, Loaded, encoding};
use super::input::{Input, Text};
use super::item::Item;
use super::listpack::{Growing, Listpack};
use super::output::Output;
use crate::fault::ReadError;
use crate::record::{Builder, set_limits};
use redstart_engine::storage::value::Object;
use redstart_engine::storage::value::set::{Limits, Member, Set, SetRef};

const PLAIN: u8 = 2;
const INTEGERS: u8 = 11;
const LISTPACK: u8 = 20;

pub static ENCODINGS: &[Encoding] = &[
    encoding(PLAIN, read_plain),
    encoding(INTEGERS, read_integers),
    encoding(LISTPACK, read_listpack),
];

/// The most bytes of a set that is written as a listpack: only settings far from the default make a
/// packed set as large.
const LISTPACK_MAX: usize = 64 << 20;

const TWICE: &str = "a member occurs twice";

/// A set that is being read.
struct Growth<'b> {
    set: Set,
    limits: Limits<'b>,
}

impl<'b> Growth<'b> {
    /// Of members one by one, `count` of them: integers as long as all are.
    fn new(count: u64, builder: Builder<'b>) -> Growth<'b> {
        let limits = set_limits(builder);
        let mut set = Set::default();
        if count > limits.integers.max(limits.members) as u64 {
            set.enlarge(limits.hasher);
        }
        Growth { set, limits }
    }

    fn add(&mut self, member: Member<'_>) -> Result<(), &'static str> {
        match self.set.add_member(member, self.limits) {
            true => Ok(()),
            false => Err(TWICE),
        }
    }

    fn finish(self) -> Loaded {
        Loaded::Object(Box::new(Object::Set(self.set)))
    }
}

fn read_plain(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    let count = input.count(1)?;
    let mut growth = Growth::new(count, builder);
    for _ in 0..count {
        let offset = input.at();
        let added = match input.text()? {
            Text::Number(n) => growth.add(Member::Integer(n)),
            Text::Bytes(text) => growth.add(Member::Text(&text)),
        };
        added.map_err(|what| input.fault(offset, what))?;
    }
    Ok(growth.finish())
}

fn read_integers(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    let offset = input.at();
    let bytes = input.string()?;
    let set = integers(&bytes, set_limits(builder)).map_err(|what| input.fault(offset, what))?;
    Ok(Loaded::Object(Box::new(Object::Set(set))))
}

/// The set that integers are.
fn integers(bytes: &[u8], limits: Limits<'_>) -> Result<Set, &'static str> {
    let (head, rest) = bytes.split_first_chunk::<8>().ok_or("integers are too short")?;
    let [width, count] = [&head[..4], &head[4..]]
        .map(|word| u32::from_le_bytes(word.try_into().expect("a half of eight bytes")) as usize);
    if !matches!(width, 2 | 4 | 8) {
        return Err("integers are of an unknown width");
    }
    if width.checked_mul(count) != Some(rest.len()) {
        return Err("the count of integers is not right");
    }
    let mut set = Set::default();
    set.fit(count, limits);
    let mut last = None;
    for bytes in rest.chunks_exact(width) {
        let n = super::item::signed(bytes);
        if last.is_some_and(|last| last >= n) {
            return Err("integers are not in order");
        }
        last = Some(n);
        set.add_member(Member::Integer(n), limits);
    }
    Ok(set)
}

fn read_listpack(input: &mut Input<'_>, builder: Builder<'_>) -> Result<Loaded, ReadError> {
    let offset = input.at();
    let bytes = input.string()?;
    // What is packed stays so, as in Redis, however long what is in it, unless there is too much.
    let limits = Limits { bytes: usize::MAX, ..set_limits(builder) };
    let set = packed(&bytes, limits).map_err(|what| input.fault(offset, what))?;
    Ok(Loaded::Object(Box::new(Object::Set(set))))
}

fn packed(bytes: &[u8], limits: Limits<'_>) -> Result<Set, &'static str> {
    let mut growth = Growth { set: Set::packed(), limits };
    let mut listpack = Listpack::open(bytes)?;
    while let Some(item) = listpack.next()? {
        match item {
            Item::Number(n) => growth.add(Member::Integer(n))?,
            Item::Bytes(text) => growth.add(Member::Text(text))?,
        }
    }
    Ok(growth.set)
}

/// What a set is written as.
pub fn written(set: SetRef<'_>, version: Version) -> u8 {
    match set {
        SetRef::Integers(_) => INTEGERS,
        SetRef::Packed(_) | SetRef::Timed(_)
            if version >= Version::PACKED_SETS && set.allocated() <= LISTPACK_MAX =>
        {
            LISTPACK
        }
        _ => PLAIN,
    }
}

/// Writes a set's value.
pub fn write(set: SetRef<'_>, version: Version, out: &mut Output) {
    match (written(set, version), set) {
        (INTEGERS, SetRef::Integers(integers)) => {
            let mut bytes = (integers.width() as u32).to_le_bytes().to_vec();
            bytes.extend_from_slice(&(integers.len() as u32).to_le_bytes());
            bytes.extend_from_slice(integers.bytes());
            out.string(&bytes);
        }
        (LISTPACK, _) => {
            let mut listpack = Growing::default();
            set.for_each(|member| member.with(|text| listpack.push(text)));
            out.string(&listpack.finish());
        }
        _ => {
            out.length(set.len() as u64);
            set.for_each(|member| match member {
                Member::Text(text) => out.string(text),
                Member::Integer(n) => out.number(n),
            });
        }
    }
}
