//! The names of fields that a client has given once, to send only values afterwards (HIMPORT).

use crate::error::Error;

const DUPLICATE: &str = "ERR duplicate field name in fieldset";

/// Names of fields, which hashes are made of in turn.
pub struct Fieldset {
    /// The shorter first, as Redis orders them, each with the place of its value.
    fields: Box<[(Box<[u8]>, usize)]>,
}

impl Fieldset {
    /// The fields in the order of their values.
    ///
    /// # Errors
    /// When one is named twice.
    pub fn new<'a>(names: impl Iterator<Item = &'a [u8]>) -> Result<Fieldset, Error> {
        let named = names.enumerate().map(|(place, name)| (Box::from(name), place));
        let mut fields: Box<[(Box<[u8]>, usize)]> = named.collect();
        fields.sort_unstable_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        match fields.windows(2).any(|two| two[0].0 == two[1].0) {
            true => Err(Error::text(DUPLICATE)),
            false => Ok(Fieldset { fields }),
        }
    }

    /// The fields, the shorter first, each with the place of its value.
    pub fn fields(&self) -> &[(Box<[u8]>, usize)] {
        &self.fields
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        let names: usize = self.fields.iter().map(|(name, _)| name.len()).sum();
        size_of_val(&self.fields[..]) + names
    }
}
