//! What a HyperLogLog has seen: PFADD, PFMERGE.

use super::{form_of, stored};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::sketch::{self, Form, HEADER_BYTES, Registers, STALE_AT, dense};
use crate::storage::table::Slot;

/// PFADD key [element ...]
pub static PFADD: DataCommand = declare("pfadd", Group::HyperLogLog, AtLeast(2))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, RW | INSERT)])
    .since("2.8.9")
    .complexity("O(1) for each element.")
    .summary("Adds elements to a HyperLogLog; a missing key is created.")
    .syntax("key [element [element ...]]")
    .run(add);

fn add(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let slot = call.space.find(key);
    let form = match slot {
        Some(slot) => form_of(call.space.entry(key, slot).string()?)?,
        None => Form::Sparse,
    };
    let changes = match (slot, form) {
        (Some(slot), Form::Dense) => add_dense(call, slot),
        _ => add_sparse(call, slot)?,
    };
    if changes > 0 {
        call.space.count_changes(changes);
        call.emit_as_is();
    } else if let Some(slot) = slot {
        call.space.note_left(key, slot);
    }
    call.reply.integer(i64::from(changes > 0));
    Ok(())
}

/// Raises registers where they lie. Returns how many have changed.
fn add_dense(call: &mut Call<'_>, slot: Slot) -> usize {
    let key = call.key(0);
    let mut changes = 0;
    for element in call.args.iter().skip(2) {
        let (register, rank) = sketch::place_of(element);
        let (at, bit) = dense::place(register);
        let at = at + HEADER_BYTES;
        let entry = call.space.entry(key, slot);
        let value = entry.value();
        let (low, high) = (value.at(at).unwrap_or(0), value.at(at + 1));
        if dense::read(low, high.unwrap_or(0), bit) >= rank {
            continue;
        }
        let bytes = dense::write(low, high.unwrap_or(0), bit, rank);
        // The last register ends with its first byte.
        let bytes = &bytes[..1 + usize::from(high.is_some())];
        let stale = [sketch::stale(value.at(STALE_AT).unwrap_or(0))];
        call.space.modify(key, slot, |entry| {
            entry.write_at(at, bytes);
            entry.write_at(STALE_AT, &stale)
        });
        changes += 1;
    }
    changes
}

/// Adds to a sketch that is small, or not there yet. Returns how many changes that was.
fn add_sparse(call: &mut Call<'_>, slot: Option<Slot>) -> Result<usize, Error> {
    let (key, sparse_max) = (call.key(0), call.options.sketch_sparse_bytes_max());
    let (mut bytes, deadline_ms, mut changes) = match slot {
        Some(slot) => {
            let entry = call.space.entry(key, slot);
            (entry.value().to_vec(), entry.deadline_ms(), 0)
        }
        None => (sketch::empty(), 0, 1),
    };
    for element in call.args.iter().skip(2) {
        let (register, rank) = sketch::place_of(element);
        changes += usize::from(sketch::raise(&mut bytes, register, rank, sparse_max)?);
    }
    if changes > 0 {
        sketch::invalidate(&mut bytes);
        call.space.put(key, slot, stored(&mut bytes), deadline_ms);
    }
    Ok(changes)
}

/// PFMERGE destkey [sourcekey ...]
pub static PFMERGE: DataCommand = declare("pfmerge", Group::HyperLogLog, AtLeast(2))
    .flags(WRITE | DENYOOM)
    .keys(&[KeySpec::at(1, RW | ACCESS | INSERT), KeySpec::from(2, 1, RO | ACCESS)])
    .since("2.8.9")
    .complexity("O(N) where N is the number of keys.")
    .summary("Adds to a HyperLogLog what others have seen.")
    .syntax("destkey [sourcekey [sourcekey ...]]")
    .run(merge);

fn merge(call: &mut Call<'_>) -> Result<(), Error> {
    let (target, sparse_max) = (call.key(0), call.options.sketch_sparse_bytes_max());
    let mut registers = Registers::default();
    let mut is_dense = false;
    for key in call.keys() {
        let Some(value) = call.space.read_string(key)? else { continue };
        is_dense |= form_of(value)? == Form::Dense;
        value.with(|bytes| sketch::merge(bytes, &mut registers))?;
    }
    let slot = call.space.find(target);
    let (mut bytes, deadline_ms) = match slot {
        Some(slot) => {
            let entry = call.space.entry(target, slot);
            (entry.value().to_vec(), entry.deadline_ms())
        }
        None => (sketch::empty(), 0),
    };
    if is_dense {
        bytes.truncate(HEADER_BYTES);
        bytes[4] = 0;
        dense::append(&registers, &mut bytes);
    } else {
        let seen = registers.iter().enumerate().filter(|(_, rank)| *rank > 0);
        for (register, rank) in seen {
            sketch::raise(&mut bytes, register, rank, sparse_max)?;
        }
    }
    sketch::invalidate(&mut bytes);
    call.space.put(target, slot, stored(&mut bytes), deadline_ms);
    call.space.count_changes(1);
    call.emit_as_is();
    call.reply.ok();
    Ok(())
}
