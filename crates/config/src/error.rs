//! The errors of setting a parameter: for a client, Redis's words to the letter; at start, Redis's
//! block of lines with the place where the wrong line stands.

use std::fmt;
use std::path::PathBuf;

/// Why a value is not one of its parameter.
pub type Reason = std::borrow::Cow<'static, str>;

/// Why CONFIG SET changed nothing. Its text is without the `ERR` that goes before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetError {
    /// There is no such parameter.
    Unknown(String),
    /// The parameter, as Redis spells it here, and why it was not set.
    Failed(String, Reason),
    /// One of the parameters stays as it is until all data is loaded.
    Loading,
}

impl SetError {
    /// For a value that is right, but that the running server could not take on; `name` is the
    /// parameter's.
    pub fn not_applied(name: &'static str, reason: impl Into<Reason>) -> Self {
        Self::Failed(name.to_owned(), reason.into())
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => {
                write!(out, "Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            Self::Failed(name, reason) => {
                write!(out, "CONFIG SET failed (possibly related to argument '{name}') - {reason}")
            }
            Self::Loading => out.write_str("CONFIG SET failed - data is being loaded"),
        }
    }
}

/// Where directives come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Input,
    /// The arguments of the program.
    Arguments,
}

/// Why the server does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The line at fault.
    pub place: Option<Place>,
    /// What is wrong.
    pub reason: Reason,
}

/// A line of what is read at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where the line comes from.
    pub source: Source,
    /// Its number, from one.
    pub line: usize,
    /// Its text.
    pub text: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = env!("CARGO_PKG_VERSION");
        writeln!(out, "\n*** FATAL CONFIG FILE ERROR (Redstart {version}) ***")?;
        if let Some(Place { source, line, text }) = &self.place {
            match source {
                Source::File(path) => {
                    let path = path.display();
                    writeln!(out, "Reading the configuration file {path}, at line {line}")?;
                }
                Source::Input => writeln!(out, "Reading standard input, at line {line}")?,
                Source::Arguments => writeln!(out, "Reading the arguments, at directive {line}")?,
            }
            writeln!(out, ">>> '{text}'")?;
        }
        write!(out, "{}", self.reason)
    }
}

impl std::error::Error for LoadError {}

/// The system's text for an error, without Rust's addition of its number.
pub fn system_text(error: &std::io::Error) -> Reason {
    let text = error.to_string();
    match text.rsplit_once(" (os error") {
        Some((text, _)) => text.to_owned().into(),
        None => text.into(),
    }
}
