//! HyperLogLogs: how many different elements there are, about, in 12 KB at most.

mod add;
mod count;
mod debug;

use crate::error::Error;
use crate::run::command::DataCommand;
use crate::storage::entry::{INLINE_MAX, NewValue, Value};
use crate::storage::sketch::{Damaged, Form, form};

/// The commands of the family.
pub static COMMANDS: &[&DataCommand] =
    &[&add::PFADD, &add::PFMERGE, &count::PFCOUNT, &debug::PFDEBUG, &debug::PFSELFTEST];

impl From<Damaged> for Error {
    fn from(_: Damaged) -> Error {
        Error::DAMAGED_HYPERLOGLOG
    }
}

/// How the registers of a string are kept, if it is a HyperLogLog.
fn form_of(value: Value<'_>) -> Result<Form, Error> {
    value.with(form).ok_or(Error::NO_HYPERLOGLOG)
}

/// A HyperLogLog as a value to be stored.
fn stored(sketch: &mut Vec<u8>) -> NewValue<'_> {
    match sketch.len() {
        0..=INLINE_MAX => NewValue::Raw(sketch),
        _ => NewValue::Shared(std::mem::take(sketch).into()),
    }
}
