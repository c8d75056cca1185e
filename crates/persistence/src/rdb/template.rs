//! Hashes of Redis 8.10 whose fields' names are a template's: many hashes have the same names, and
//! only their values are stored with each. Here they become hashes like all others.
//!
//! ```text
//! template          number | count | name ...          in a file, behind F2, before its hashes
//! packed            names | listpack of a number that means nothing and of the values
//! packed by number  listpack of the template's number and of the values
//! plain             names | value ...
//! plain by number   number | value ...
//! names             00 | listpack of the names, or 01 | count | name ...
//! ```
//!
//! Values stand in the order of the names. A payload has no templates, so nothing there goes by
//! number.

use super::encoding::Loaded;
use super::hash::Growth;
use super::input::Input;
use super::item::Item;
use super::listpack::Listpack;
use crate::fault::ReadError;
use crate::record::Builder;
use std::collections::HashMap;

/// How a hash is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The names, and a listpack of the values.
    Packed,
    /// A listpack of a template's number and the values.
    PackedByNumber,
    /// The names, and the values one by one.
    Plain,
    /// A template's number, and the values one by one.
    PlainByNumber,
}

/// The names of a hash's fields.
type Names = Vec<Vec<u8>>;

/// The templates of a file so far.
#[derive(Default)]
pub struct Templates(HashMap<u64, Names>);

impl Templates {
    /// Reads a template.
    ///
    /// # Errors
    /// When it is damaged, or its number is another one's.
    pub fn read(&mut self, input: &mut Input<'_>) -> Result<(), ReadError> {
        let offset = input.at();
        let number = input.length()?;
        let names = read_names(input)?;
        match self.0.insert(number, names) {
            None => Ok(()),
            Some(_) => Err(input.fault(offset, format!("the template {number} occurs twice"))),
        }
    }

    fn get(&self, number: i64) -> Result<&Names, String> {
        let names = u64::try_from(number).ok().and_then(|number| self.0.get(&number));
        names.ok_or_else(|| format!("there is no template {number}"))
    }
}

/// Names behind their count.
fn read_names(input: &mut Input<'_>) -> Result<Names, ReadError> {
    let offset = input.at();
    let count = input.count(1)?;
    if count == 0 {
        return Err(input.fault(offset, NO_NAMES));
    }
    (0..count).map(|_| input.string()).collect()
}

const NO_NAMES: &str = "a template without fields";

/// Names in either form.
fn read_own_names(input: &mut Input<'_>) -> Result<Names, ReadError> {
    let offset = input.at();
    match input.byte()? {
        0 => {
            let bytes = input.string()?;
            let unpacked = unpack(&bytes).and_then(|names: Names| match names.is_empty() {
                true => Err(NO_NAMES),
                false => Ok(names),
            });
            unpacked.map_err(|what| input.fault(offset, what))
        }
        1 => read_names(input),
        _ => Err(input.fault(offset, "names of fields of an unknown kind")),
    }
}

fn unpack(bytes: &[u8]) -> Result<Names, &'static str> {
    let (mut listpack, mut names) = (Listpack::open(bytes)?, Names::new());
    while let Some(name) = listpack.next()? {
        names.push(name.with(<[u8]>::to_vec));
    }
    Ok(names)
}

/// Reads a hash.
///
/// # Errors
/// When it is damaged, or its template is not there.
pub fn read(
    input: &mut Input<'_>,
    form: Form,
    templates: &Templates,
    builder: Builder<'_>,
) -> Result<Loaded, ReadError> {
    let offset = input.at();
    match form {
        Form::Packed => {
            let names = read_own_names(input)?;
            read_packed(input, builder, |_| Ok(&names))
        }
        Form::PackedByNumber => read_packed(input, builder, |number| templates.get(number)),
        Form::Plain => {
            let names = read_own_names(input)?;
            read_plain(input, builder, &names)
        }
        Form::PlainByNumber => {
            let number = input.length()?;
            let names = templates.get(i64::try_from(number).unwrap_or(-1));
            let names = names.map_err(|what| input.fault(offset, what))?;
            read_plain(input, builder, names)
        }
    }
}

/// Reads the values one by one.
fn read_plain(
    input: &mut Input<'_>,
    builder: Builder<'_>,
    names: &Names,
) -> Result<Loaded, ReadError> {
    let mut growth = Growth::new(builder);
    for name in names {
        let offset = input.at();
        let value = input.string()?;
        growth.add(name, &value).map_err(|what| input.fault(offset, what))?;
    }
    Ok(growth.finish())
}

/// Reads a listpack of a number and the values, whose names `names_of` has.
fn read_packed<'t>(
    input: &mut Input<'_>,
    builder: Builder<'_>,
    names_of: impl Fn(i64) -> Result<&'t Names, String>,
) -> Result<Loaded, ReadError> {
    let offset = input.at();
    let bytes = input.string()?;
    let mut growth = Growth::of_list(builder);
    let mut unpack = || -> Result<(), String> {
        let mut listpack = Listpack::open(&bytes)?;
        let Some(Item::Number(number)) = listpack.next()? else {
            return Err("a hash without the number of its template".to_owned());
        };
        for name in names_of(number)? {
            let value = listpack.next()?.ok_or("a field without a value")?;
            value.with(|value| growth.add(name, value))?;
        }
        if listpack.next()?.is_some() { Err("a value without a field".to_owned()) } else { Ok(()) }
    };
    unpack().map_err(|what| input.fault(offset, what))?;
    Ok(growth.finish())
}
