//! Bits of a range: BITCOUNT, BITPOS.

use crate::commands::arguments::integer;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::bits::{first, ones};
use crate::storage::entry::Value;
use std::ops::{ControlFlow, Range};

/// BITCOUNT key [start [end [BYTE | BIT]]]
pub static BITCOUNT: DataCommand = declare("bitcount", Group::Bitmap, AtLeast(2))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.6.0")
    .complexity(
        "O(N); of a string of more than 1 MB only the parts count that were changed since the \
         last time.",
    )
    .summary("Counts the bits that are set in a string, or in a part of it.")
    .syntax("key [start [end [BYTE | BIT]]]")
    .run(count);

fn count(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let bounds = Bounds::parse(call, 2, false)?;
    let Some(value) = call.space.read_string(key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    // Ends that are both counted from behind and the wrong way round have nothing between them.
    let is_backwards =
        bounds.start < 0 && bounds.end.is_some_and(|end| bounds.start > end && end < 0);
    let bits = bounds.resolve(value.len()).filter(|_| !is_backwards);
    let Some(bits) = bits else {
        call.reply.integer(0);
        return Ok(());
    };
    // Whole bytes are counted, and then less what is not in the range of their first and last.
    let bytes = bits.start / 8..bits.end.div_ceil(8);
    let byte = |at: usize| value.at(at).unwrap_or(0);
    let before = byte(bytes.start) & !(0xff >> (bits.start % 8));
    let behind = match bits.end % 8 {
        0 => 0,
        end => byte(bytes.end - 1) & (0xff >> end),
    };
    let edges = u64::from(before.count_ones() + behind.count_ones());
    let sum = match value {
        // It keeps what was counted of its parts.
        Value::Large(long) if long.is_cut() => {
            let slot = call.space.find(key).expect("the string was read just now");
            call.space.reshape(key, slot, |entry| entry.count_ones(bytes))
        }
        _ => value.with(|text| ones(&text[bytes])),
    };
    call.reply.integer((sum - edges) as i64);
    Ok(())
}

/// BITPOS key bit [start [end [BYTE | BIT]]]
pub static BITPOS: DataCommand = declare("bitpos", Group::Bitmap, AtLeast(3))
    .flags(READONLY)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("2.8.7")
    .complexity("O(N)")
    .summary("Finds the first bit of a string that is set, or the first that is not.")
    .syntax("key bit [start [end [BYTE | BIT]]]")
    .run(position);

fn position(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let wanted = match integer(call, 2)? {
        0 => false,
        1 => true,
        _ => return Err(Error::BIT_ARGUMENT),
    };
    let bounds = Bounds::parse(call, 3, true)?;
    let place = match call.space.read_string(key)? {
        None => (!wanted).then_some(0),
        Some(value) => bounds.resolve(value.len()).and_then(|bits| {
            let open = !wanted && bounds.end.is_none();
            // Behind a string without an end there are zeros.
            first_between(value, bits.clone(), wanted).or_else(|| open.then_some(bits.end))
        }),
    };
    call.reply.integer(place.map_or(-1, |place| place as i64));
    Ok(())
}

/// The first bit of a range of bits that is `wanted`.
fn first_between(value: Value<'_>, bits: Range<usize>, wanted: bool) -> Option<usize> {
    let mut begin = bits.start / 8;
    let found = value.walk(begin..bits.end.div_ceil(8), |piece| {
        let mut from = 0;
        // Bits before the range, in its first byte, do not count.
        if begin * 8 < bits.start {
            let mask = 0xffu8 >> (bits.start % 8);
            let byte = [if wanted { piece[0] & mask } else { piece[0] | !mask }];
            if let Some(at) = first(&byte, wanted) {
                return ControlFlow::Break(begin * 8 + at);
            }
            from = 1;
        }
        if let Some(at) = first(&piece[from..], wanted) {
            return ControlFlow::Break((begin + from) * 8 + at);
        }
        begin += piece.len();
        ControlFlow::Continue(())
    });
    found.filter(|place| *place < bits.end)
}

/// The part of a string that is looked at, as it was asked for.
struct Bounds {
    start: i64,
    end: Option<i64>,
    in_bits: bool,
}

impl Bounds {
    /// `[start [end [BYTE | BIT]]]` from argument `at` on. Of two mistakes BITPOS tells of the unit
    /// first, as Redis does.
    fn parse(call: &Call<'_>, at: usize, unit_first: bool) -> Result<Bounds, Error> {
        let given = call.args.len() - at;
        if given > 3 {
            return Err(Error::SYNTAX);
        }
        let start = if given > 0 { integer(call, at)? } else { 0 };
        let end = || if given > 1 { integer(call, at + 1).map(Some) } else { Ok(None) };
        let in_bits = || match given {
            3 if call.args.at(at + 2).eq_ignore_ascii_case(b"BIT") => Ok(true),
            3 if !call.args.at(at + 2).eq_ignore_ascii_case(b"BYTE") => Err(Error::SYNTAX),
            _ => Ok(false),
        };
        if unit_first {
            in_bits()?;
        }
        Ok(Bounds { start, end: end()?, in_bits: in_bits()? })
    }

    /// The bits of a string of `len` bytes that are meant; none if there are none.
    fn resolve(&self, len: usize) -> Option<Range<usize>> {
        let scale = if self.in_bits { 1 } else { 8 };
        let total = (len * 8 / scale) as i64;
        let index = |n: i64| if n < 0 { n.saturating_add(total).max(0) } else { n };
        let end = self.end.unwrap_or(-1);
        let (first, last) = (index(self.start), index(end).min(total - 1));
        (first <= last).then(|| {
            let range = first as usize..last as usize + 1;
            range.start * scale..range.end * scale
        })
    }
}
