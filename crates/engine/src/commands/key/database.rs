//! Databases among a command's arguments.

use crate::error::Error;
use crate::run::call::Call;
use redstart_protocol::parse_i64;

/// Argument `at` as a number of 32 bits, as Redis takes database indices.
pub fn small_integer(call: &Call<'_>, at: usize) -> Result<i32, Error> {
    let number = parse_i64(call.args.at(at)).ok_or(Error::NOT_INTEGER)?;
    i32::try_from(number).map_err(|_| Error::NOT_32_BITS)
}

/// A number as the index of a database.
pub fn database(call: &Call<'_>, number: i32) -> Result<usize, Error> {
    let index = usize::try_from(number).ok().filter(|index| *index < call.options.databases());
    index.ok_or(Error::DB_OUT_OF_RANGE)
}
