//! How a measurement ends, and what the run says of itself meanwhile.

use std::fmt::{self, Display};

/// Why a measurement could not be made, for a human.
#[derive(Debug)]
pub struct Failure(pub String);

/// The result of everything that touches a server.
pub type Outcome<T> = Result<T, Failure>;

impl Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Self {
        Self(std::io::Error::from(error).to_string())
    }
}

/// Prints how far the run is, on standard error: standard output carries the report alone.
pub fn progress(what: impl Display) {
    eprintln!("{what}");
}
