//! What the names of keys and channels are matched with, compiled once from their patterns.

use redstart_engine::glob::{self, Case};

/// A pattern of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<[u8]>,
    form: Form,
}

/// What a pattern comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `*`: any name but the empty one, as with [`glob::matches`].
    Any,
    /// No wildcard: the name itself.
    Name,
    /// So many bytes, and then one star.
    Prefix(usize),
    /// Anything else.
    Glob,
}

impl Pattern {
    /// Compiles a pattern.
    pub fn new(text: &[u8]) -> Pattern {
        let wild = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
        let form = match text.iter().position(wild) {
            None => Form::Name,
            Some(0) if text == b"*" => Form::Any,
            Some(at) if &text[at..] == b"*" => Form::Prefix(at),
            Some(_) => Form::Glob,
        };
        Pattern { text: text.into(), form }
    }

    /// The pattern as it was given.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether it matches a name.
    #[inline]
    pub fn matches(&self, name: &[u8]) -> bool {
        match self.form {
            Form::Any => !name.is_empty(),
            Form::Name => *name == *self.text,
            Form::Prefix(len) => name.starts_with(&self.text[..len]),
            Form::Glob => glob::matches(&self.text, name, Case::Sensitive),
        }
    }

    /// Whether it is the pattern of all names.
    pub fn is_any(&self) -> bool {
        self.form == Form::Any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiled_pattern_matches_what_the_glob_does() {
        let patterns = ["", "*", "a", "a*", "a**", "*a", "a?", "a[bc]*", "a\\*", "ab*c", "\\a*"];
        let names = ["", "a", "ab", "abc", "b", "a*", "ac", "abbc", "\\a"];
        for pattern in patterns {
            let compiled = Pattern::new(pattern.as_bytes());
            for name in names {
                let expected = glob::matches(pattern.as_bytes(), name.as_bytes(), Case::Sensitive);
                assert_eq!(compiled.matches(name.as_bytes()), expected, "{pattern} {name}");
            }
        }
    }
}
