//! A HyperLogLog from inside: PFDEBUG, PFSELFTEST.

use super::{form_of, stored};
use crate::error::Error;
use crate::run::call::Call;
use crate::run::command::DataCommand;
use crate::spec::*;
use crate::storage::sketch::{self, Form, HEADER_BYTES, REGISTERS, Registers, sparse};
use crate::storage::table::Slot;

/// PFDEBUG subcommand key
pub static PFDEBUG: DataCommand = declare("pfdebug", Group::HyperLogLog, Exactly(3))
    .flags(WRITE | DENYOOM | ADMIN)
    .keys(&[KeySpec::at(2, RW | ACCESS)])
    .since("2.8.9")
    .complexity("N/A")
    .summary("Shows how a HyperLogLog is kept.")
    .syntax("subcommand key")
    .run(debug);

fn debug(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, word) = (call.key(0), call.args.at(1));
    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
    if is(b"SIMD") {
        // Which instructions are used is decided where they are compiled.
        let switch = call.args.at(2);
        let state = match () {
            () if switch.eq_ignore_ascii_case(b"ON") => "enabled",
            () if switch.eq_ignore_ascii_case(b"OFF") => "disabled",
            () => return Err(Error::NO_SWITCH),
        };
        call.reply.simple(state);
        return Ok(());
    }
    let slot = call.space.find(key).ok_or(Error::NO_SPECIFIED_KEY)?;
    let form = form_of(call.space.entry(key, slot).string()?)?;
    match () {
        () if is(b"GETREG") => {
            make_dense(call, slot, form)?;
            let mut registers = Registers::default();
            let value = call.space.entry(key, slot).string()?;
            value.with(|bytes| sketch::merge(bytes, &mut registers))?;
            call.reply.array(REGISTERS);
            registers.iter().for_each(|rank| call.reply.integer(i64::from(rank)));
        }
        () if is(b"DECODE") => {
            if form != Form::Sparse {
                return Err(Error::NOT_SPARSE);
            }
            let text = call.space.entry(key, slot).string()?.with(decoded)?;
            call.reply.bulk(text.as_bytes());
        }
        () if is(b"ENCODING") => {
            call.reply.simple(if form == Form::Dense { "dense" } else { "sparse" });
        }
        () if is(b"TODENSE") => {
            let converted = make_dense(call, slot, form)?;
            call.reply.integer(i64::from(converted));
        }
        () => return Err(Error::quoting("ERR Unknown PFDEBUG subcommand '", word, "'")),
    }
    Ok(())
}

/// Makes a sparse sketch dense where it is. Returns whether it was sparse.
fn make_dense(call: &mut Call<'_>, slot: Slot, form: Form) -> Result<bool, Error> {
    let key = call.key(0);
    if form == Form::Dense {
        return Ok(false);
    }
    let entry = call.space.entry(key, slot);
    let (mut bytes, deadline_ms) = (entry.string()?.to_vec(), entry.deadline_ms());
    sketch::make_dense(&mut bytes)?;
    call.space.put(key, Some(slot), stored(&mut bytes), deadline_ms);
    call.emit_as_is();
    Ok(true)
}

/// The runs as text: `z` and `Z` are zeros, said in one byte and in two.
fn decoded(bytes: &[u8]) -> Result<String, Error> {
    let mut words = Vec::new();
    for run in sparse::runs(&bytes[HEADER_BYTES..]) {
        let (range, rank) = run?;
        words.push(match (rank, range.len()) {
            (0, len @ ..=64) => format!("z:{len}"),
            (0, len) => format!("Z:{len}"),
            (rank, len) => format!("v:{rank},{len}"),
        });
    }
    Ok(words.join(" "))
}

/// PFSELFTEST
pub static PFSELFTEST: DataCommand = declare("pfselftest", Group::HyperLogLog, Exactly(1))
    .flags(ADMIN)
    .since("2.8.9")
    .complexity("N/A")
    .summary("Checks that estimates of sets whose size is known are near it.")
    .syntax("")
    .run(|call| {
        let mut bytes = sketch::empty();
        for n in 1..=100_000u32 {
            let (register, rank) = sketch::place_of(&n.to_le_bytes());
            sketch::raise(&mut bytes, register, rank, call.options.sketch_sparse_bytes_max())?;
            if ![10, 100, 1000, 10_000, 100_000].contains(&n) {
                continue;
            }
            let off = sketch::estimate(&bytes)?.abs_diff(u64::from(n));
            // Four times the standard error of 0.81 %.
            if off as f64 > f64::from(n) * 0.0325 + 1.0 {
                let text = format!("TESTFAILED {n} elements are estimated as {off} off");
                return Err(Error::text(text));
            }
        }
        call.reply.ok();
        Ok(())
    });
