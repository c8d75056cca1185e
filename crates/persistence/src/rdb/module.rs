//! What modules write. There are no modules here; but since Redis 4 what they write says of itself
//! how long it is, so that it can be passed over where no key's value depends on it.
//!
//! ```text
//! value     = (1 or 2, a length | 3, four bytes | 4, eight bytes | 5, a string) ... 0
//! aux       = the module's number | 2, when | value                       behind F7
//! metadata  = count | (class u32, low byte first | value) ...             behind F3, of a key
//! class     = four letters of six bits | version, five bits | flags, three bits
//! ```

use super::input::Input;
use crate::fault::ReadError;

/// The marks inside of what a module wrote.
mod mark {
    pub const END: u64 = 0;
    pub const SIGNED: u64 = 1;
    pub const UNSIGNED: u64 = 2;
    pub const FLOAT: u64 = 3;
    pub const DOUBLE: u64 = 4;
    pub const STRING: u64 = 5;
}

/// The flag of a class of metadata that may be passed over.
const MAY_BE_IGNORED: u32 = 1;

/// The letters of `id`, six bits each, above `below` bits of something else.
fn letters(id: u64, count: u32, below: u32) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letter = |at| char::from(LETTERS[(id >> (below + 6 * at)) as usize & 63]);
    (0..count).rev().map(letter).collect()
}

/// The name in a module type's number: nine letters above ten bits of a version.
fn name_of(id: u64) -> String {
    letters(id, 9, 10)
}

/// What a value of a module's type is: its name comes first, if it is there. Redis 8 has its sets
/// of vectors as a module's type.
pub fn type_name(input: &mut Input<'_>) -> String {
    match input.length().map(name_of).as_deref() {
        Ok("vectorset") => "a vector set".to_owned(),
        Ok(name) => format!("a module's type ({name})"),
        Err(_) => "a module's type".to_owned(),
    }
}

/// Passes over a module's data beside the keys; returns its name.
///
/// # Errors
/// When it is damaged.
pub fn pass_over_aux(input: &mut Input<'_>) -> Result<String, ReadError> {
    let name = name_of(input.length()?);
    let offset = input.at();
    if input.length()? != mark::UNSIGNED {
        return Err(input.fault(offset, format!("data of the module {name} is damaged")));
    }
    input.length()?;
    pass_over_value(input)?;
    Ok(name)
}

/// Passes over what modules note of a key; returns the names of its classes.
///
/// # Errors
/// When it is damaged, or a class must not be passed over.
pub fn pass_over_metadata(input: &mut Input<'_>) -> Result<Vec<String>, ReadError> {
    let count = input.count(5)?;
    (0..count)
        .map(|_| {
            let offset = input.at();
            let class = u32::from_le_bytes(input.array()?);
            let name = letters(class.into(), 4, 8);
            if class & MAY_BE_IGNORED == 0 {
                let what = format!("metadata {name} of a module, which does not exist here");
                return Err(input.fault(offset, what));
            }
            pass_over_value(input)?;
            Ok(name)
        })
        .collect()
}

/// Passes over what a module wrote, up to its end.
///
/// # Errors
/// When it is damaged.
pub fn pass_over_value(input: &mut Input<'_>) -> Result<(), ReadError> {
    loop {
        let offset = input.at();
        match input.length()? {
            mark::END => return Ok(()),
            mark::SIGNED | mark::UNSIGNED => drop(input.length()?),
            mark::FLOAT => drop(input.array::<4>()?),
            mark::DOUBLE => drop(input.array::<8>()?),
            mark::STRING => drop(input.string()?),
            _ => return Err(input.fault(offset, "what a module wrote is damaged")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named() {
        assert_eq!(name_of(0x44_9d_a5_2b_62_c0_00_00), "RJ2lK2LAA");
        assert_eq!(letters(0x24_c4_f5_00 | 3, 4, 8), "JMT1");
    }
}
