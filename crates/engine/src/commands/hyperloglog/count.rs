//! PFCOUNT.

use super::form_of;
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::sketch::{self, Registers};

/// PFCOUNT key [key ...]
pub static PFCOUNT: DataCommand = declare("pfcount", Group::HyperLogLog, AtLeast(2))
    // The estimate that it keeps is a change.
    .flags(READONLY | MAY_REPLICATE)
    .keys(&[KeySpec::from(1, 1, RW | ACCESS)])
    .since("2.8.9")
    .complexity(
        "O(1) of one key, whose estimate is kept until it changes; O(N) of N keys, with a much \
         higher constant time.",
    )
    .summary("Returns how many different elements HyperLogLogs have seen, about.")
    .syntax("key [key ...]")
    .run(count);

fn count(call: &mut Call<'_>) -> Result<(), Error> {
    if call.args.len() == 2 {
        return count_one(call);
    }
    let mut registers = Registers::default();
    for key in call.keys() {
        let Some(value) = call.space.read_string(key)? else { continue };
        form_of(value)?;
        value.with(|bytes| sketch::merge(bytes, &mut registers))?;
    }
    call.reply.integer(sketch::estimate_of(&registers) as i64);
    Ok(())
}

/// One key's estimate is kept in it, as Redis does.
fn count_one(call: &mut Call<'_>) -> Result<(), Error> {
    let key = call.key(0);
    let Some(value) = call.space.read_string(key)? else {
        call.reply.integer(0);
        return Ok(());
    };
    form_of(value)?;
    let estimate = match value.with(sketch::kept_estimate) {
        Some(estimate) => estimate,
        None => {
            let estimate = value.with(sketch::estimate)?;
            let (at, bytes) = sketch::estimate_bytes(estimate);
            if let Some(slot) = call.space.find(key) {
                call.space.modify(key, slot, |entry| entry.write_at(at, &bytes));
                call.emit_as_is();
            }
            estimate
        }
    };
    call.reply.integer(estimate as i64);
    Ok(())
}
