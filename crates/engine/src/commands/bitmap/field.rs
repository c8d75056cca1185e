//! BITFIELD: bits of a string as integers of any width.

use super::{bit_offset, make_text};
use crate::commands::arguments::integer;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::run::event_classes::STRING;
use crate::spec::*;
use crate::storage::bits::{self, WINDOW};
use crate::storage::entry::{NewValue, Value};
use crate::storage::table::Slot;
use redstart_protocol::{Args, parse_i64};

/// BITFIELD key [GET encoding offset | [OVERFLOW how] SET encoding offset value | ...]
pub static BITFIELD: DataCommand = declare("bitfield", Group::Bitmap, AtLeast(2))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(1, RW | ACCESS | UPDATE | VARIABLE)])
    .access_of(access_of_bitfield)
    .since("3.2.0")
    .complexity("O(1) for each operation.")
    .summary("Reads, sets and increments integers of any width in a string.")
    .syntax(
        "key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | \
         INCRBY encoding offset increment> [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] \
         <SET encoding offset value | INCRBY encoding offset increment> ...]]",
    )
    .run(|call| {
        let operations = parse(call)?;
        match operations.iter().any(|operation| operation.change.is_some()) {
            true => write(call, &operations),
            false => read(call, &operations),
        }
    });

/// Reads alone change nothing, nor does the word that says what an overflow means.
fn access_of_bitfield(args: Args<'_>) -> Access {
    let is = |at: usize, name: &str| args.at(at).eq_ignore_ascii_case(name.as_bytes());
    let mut at = 2;
    while at < args.len() {
        let left = args.len() - at - 1;
        at += match () {
            () if is(at, "get") && left >= 2 => 3,
            () if is(at, "overflow") && left >= 1 => 2,
            () => return RW | ACCESS | UPDATE,
        };
    }
    RO | ACCESS
}

/// BITFIELD_RO key [GET encoding offset ...]
pub static BITFIELD_RO: DataCommand = declare("bitfield_ro", Group::Bitmap, AtLeast(2))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("6.0.0")
    .complexity("O(1) for each operation.")
    .summary("Reads integers of any width in a string.")
    .syntax("key [GET encoding offset [GET encoding offset ...]]")
    .run(|call| {
        let operations = parse(call)?;
        match operations.iter().any(|operation| operation.change.is_some()) {
            true => Err(Error::BITFIELD_READ_ONLY),
            false => read(call, &operations),
        }
    });

/// An integer's type: `i16` has 16 bits and a sign.
#[derive(Clone, Copy)]
struct Encoding {
    is_signed: bool,
    width: u32,
}

/// What becomes of an integer that its bits cannot hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy)]
enum Change {
    Set(i64),
    Add(i64),
}

struct Operation {
    encoding: Encoding,
    /// The place of its first bit.
    at: usize,
    /// None of one that reads only.
    change: Option<Change>,
    overflow: Overflow,
}

impl Operation {
    /// How many bytes a string has that reaches to the last of its bits.
    fn reach(&self) -> usize {
        (self.at + self.encoding.width as usize).div_ceil(8)
    }
}

fn parse(call: &Call<'_>) -> Result<Vec<Operation>, Error> {
    let (mut operations, mut overflow) = (Vec::new(), Overflow::Wrap);
    let mut at = 2;
    while at < call.args.len() {
        let (word, more) = (call.args.at(at), call.args.len() - at - 1);
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        if is(b"OVERFLOW") && more >= 1 {
            overflow = parse_overflow(call.args.at(at + 1))?;
            at += 2;
            continue;
        }
        let change: Option<fn(i64) -> Change> = match () {
            () if is(b"GET") && more >= 2 => None,
            () if is(b"SET") && more >= 3 => Some(Change::Set),
            () if is(b"INCRBY") && more >= 3 => Some(Change::Add),
            () => return Err(Error::SYNTAX),
        };
        let encoding = parse_encoding(call.args.at(at + 1)).ok_or(Error::BITFIELD_TYPE)?;
        let place = bit_offset(call.args.at(at + 2), Some(encoding.width), call.options)?;
        let change = match change {
            Some(change) => Some(change(integer(call, at + 3)?)),
            None => None,
        };
        operations.push(Operation { encoding, at: place, change, overflow });
        at += 3 + usize::from(change.is_some());
    }
    Ok(operations)
}

fn parse_overflow(word: &[u8]) -> Result<Overflow, Error> {
    match word {
        _ if word.eq_ignore_ascii_case(b"WRAP") => Ok(Overflow::Wrap),
        _ if word.eq_ignore_ascii_case(b"SAT") => Ok(Overflow::Saturate),
        _ if word.eq_ignore_ascii_case(b"FAIL") => Ok(Overflow::Fail),
        _ => Err(Error::BITFIELD_OVERFLOW),
    }
}

fn parse_encoding(word: &[u8]) -> Option<Encoding> {
    let (sign, width) = word.split_first()?;
    let is_signed = match sign {
        b'i' => true,
        b'u' => false,
        _ => return None,
    };
    let width = u32::try_from(parse_i64(width)?).ok()?;
    let max = if is_signed { 64 } else { 63 };
    (1..=max).contains(&width).then_some(Encoding { is_signed, width })
}

impl Encoding {
    /// The bits as the integer that they are.
    fn read(self, bits: u64) -> i64 {
        let unused = 64 - self.width;
        if self.is_signed { ((bits << unused) as i64) >> unused } else { bits as i64 }
    }

    /// The integer that is stored in place of `wanted`, if one is.
    fn fit(self, wanted: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = match self.is_signed {
            true => (-1 << (self.width - 1), (1 << (self.width - 1)) - 1),
            false => (0, (1i128 << self.width) - 1),
        };
        match overflow {
            _ if (min..=max).contains(&wanted) => Some(wanted as i64),
            Overflow::Fail => None,
            Overflow::Saturate => Some(wanted.clamp(min, max) as i64),
            Overflow::Wrap => {
                let bits = wanted as u64 & (u64::MAX >> (64 - self.width));
                Some(self.read(bits))
            }
        }
    }
}

/// The bytes that an operation may touch, and zeros where the string has ended.
fn window(value: Option<Value<'_>>, at: usize) -> [u8; WINDOW] {
    let byte = |index| value.and_then(|value| value.at(at / 8 + index)).unwrap_or(0);
    std::array::from_fn(byte)
}

fn read(call: &mut Call<'_>, operations: &[Operation]) -> Result<(), Error> {
    let key = call.key(0);
    let value = call.space.read_string(key)?;
    call.reply.array(operations.len());
    for operation in operations {
        let window = window(value, operation.at);
        let bits = bits::get(&window, operation.at % 8, operation.encoding.width);
        call.reply.integer(operation.encoding.read(bits));
    }
    Ok(())
}

fn write(call: &mut Call<'_>, operations: &[Operation]) -> Result<(), Error> {
    let key = call.key(0);
    let changing = operations.iter().filter(|operation| operation.change.is_some());
    let reach = changing.map(Operation::reach).max().unwrap_or(0);
    let slot = call.space.find(key);
    let old_len = match slot {
        Some(slot) => call.space.entry(key, slot).string()?.len(),
        None => 0,
    };
    let slot = slot.unwrap_or_else(|| call.space.put(key, None, NewValue::Raw(b""), 0));
    // All bytes that are written are there before the first operation.
    let grows = reach > old_len;
    if grows {
        call.space.modify(key, slot, |entry| entry.write_at(reach - 1, &[0]));
    } else {
        make_text(call, key, slot);
    }
    call.reply.array(operations.len());
    let mut changes = 0;
    for operation in operations {
        let stored = run(call, slot, operation);
        changes += usize::from(stored.is_some_and(|changed| changed || grows));
    }
    if grows || changes > 0 {
        call.space.count_changes(changes);
        call.emit_as_is();
    } else {
        call.space.note_left(key, slot);
    }
    if changes > 0 {
        call.space.note_event(STRING, "setbit", key);
    }
    Ok(())
}

/// Runs an operation and replies. Returns whether it has changed what it stored, if it stored.
fn run(call: &mut Call<'_>, slot: Slot, operation: &Operation) -> Option<bool> {
    let (key, encoding, at) = (call.key(0), operation.encoding, operation.at);
    let mut window = window(call.space.entry(key, slot).string().ok(), at);
    let old = encoding.read(bits::get(&window, at % 8, encoding.width));
    let (wanted, replies_old) = match operation.change {
        None => {
            call.reply.integer(old);
            return None;
        }
        // An unsigned integer takes all bits of what it is set to.
        Some(Change::Set(new)) if !encoding.is_signed => (i128::from(new as u64), true),
        Some(Change::Set(new)) => (i128::from(new), true),
        Some(Change::Add(by)) => (i128::from(old) + i128::from(by), false),
    };
    let Some(new) = encoding.fit(wanted, operation.overflow) else {
        call.reply.null();
        return None;
    };
    call.reply.integer(if replies_old { old } else { new });
    if new != old {
        bits::set(&mut window, at % 8, encoding.width, new as u64);
        let (first, behind) = (at / 8, operation.reach());
        let bytes = &window[..behind - first];
        call.space.modify(key, slot, |entry| entry.write_at(first, bytes));
    }
    Some(new != old)
}
