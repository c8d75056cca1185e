//! The patterns of BY and GET: a star stands for the element, and behind `->` stands a field.
//!
//! ```text
//! weight_*_kg->total     the field "total" of the hash "weight_7_kg", for the element "7"
//! ```
//!
//! Like Redis, which looks at patterns as C strings, the star and the arrow are looked for only up
//! to the first zero byte.

use crate::run::key_access::KeyAccess;
use crate::storage::entry::Value;
use crate::storage::value::ObjectRef;

/// A pattern that names keys.
pub struct Pattern<'a> {
    before: &'a [u8],
    behind: &'a [u8],
    field: Option<&'a [u8]>,
}

impl<'a> Pattern<'a> {
    /// The pattern that a text is; none without a star in it.
    pub fn parse(text: &'a [u8]) -> Option<Pattern<'a>> {
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        let star = text[..end].iter().position(|byte| *byte == b'*')?;
        let (before, rest) = (&text[..star], &text[star + 1..]);
        let arrow = text[star + 1..end].windows(2).position(|two| two == b"->");
        // An arrow with nothing behind it is a part of the name.
        let arrow = arrow.filter(|at| star + 1 + at + 2 < end);
        Some(match arrow {
            Some(at) => Pattern { before, behind: &rest[..at], field: Some(&rest[at + 2..]) },
            None => Pattern { before, behind: rest, field: None },
        })
    }

    /// Calls `f` with the string or the field that the pattern leads to from an element; none
    /// where there is no such thing.
    pub fn with_value<R>(
        &self,
        space: &mut KeyAccess<'_>,
        element: &[u8],
        f: impl FnOnce(Value<'_>) -> R,
    ) -> Option<R> {
        let name = [self.before, element, self.behind].concat();
        let key = space.key_of(&name);
        let hasher = space.hasher();
        let entry = space.read(key)?;
        match (self.field, entry.object()) {
            (None, None) => Some(f(entry.value())),
            (Some(field), Some(ObjectRef::Hash(hash))) => hash.get(field, hasher).map(f),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_star_and_an_arrow_behind_it_count() {
        let parts = |text: &'static [u8]| {
            Pattern::parse(text).map(|pattern| (pattern.before, pattern.behind, pattern.field))
        };
        assert!(parts(b"plain").is_none());
        assert!(parts(b"a\0*").is_none());
        assert_eq!(parts(b"*"), Some((&b""[..], &b""[..], None)));
        assert_eq!(parts(b"a*b"), Some((&b"a"[..], &b"b"[..], None)));
        assert_eq!(parts(b"a->*b->f"), Some((&b"a->"[..], &b"b"[..], Some(&b"f"[..]))));
        assert_eq!(parts(b"*->"), Some((&b""[..], &b"->"[..], None)));
        assert_eq!(parts(b"**->f->g"), Some((&b""[..], &b"*"[..], Some(&b"f->g"[..]))));
    }
}
