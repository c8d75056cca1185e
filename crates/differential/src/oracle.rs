//! The servers that Redstart is held against. `tests/oracles` fetches them and pins their versions;
//! one that is not there is skipped in so many words, never in silence.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Whose server it is: the two count their versions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
}

impl Product {
    /// Its name in transcripts: `redis` of `redis-8.4`.
    pub fn from_name(name: &str) -> Option<Product> {
        match name {
            "redis" => Some(Product::Redis),
            "valkey" => Some(Product::Valkey),
            _ => None,
        }
    }
}

/// A kind of oracle, whether or not it is on this machine.
#[derive(Debug)]
pub struct Kind {
    /// Its name in transcripts and on command lines.
    pub name: &'static str,
    /// Whose it is.
    pub product: Product,
    /// The version that the transcripts know.
    known: &'static str,
    /// A program of the path, or of target/oracles/bin.
    program: &'static str,
}

/// The newest Redis first: where others say something else, Redstart answers as it does.
pub const KINDS: [Kind; 3] = [
    Kind { name: "redis-8", product: Product::Redis, known: "8.6.3", program: "redis-server-8" },
    Kind { name: "valkey-9", product: Product::Valkey, known: "9.1.2", program: "valkey-server-9" },
    Kind { name: "redis-7", product: Product::Redis, known: "7.0.15", program: "redis-server" },
];

/// An oracle that can be run here.
#[derive(Clone, Debug)]
pub struct Oracle {
    /// Its name: that of its kind, or its product's.
    pub name: &'static str,
    /// Whose it is.
    pub product: Product,
    /// Its version: 8.6.3.
    pub version: String,
    /// The program that it is.
    pub program: PathBuf,
    /// Whether the transcripts know this very version. What differs in another one is shown, and
    /// is no failure.
    pub is_known: bool,
}

impl Kind {
    /// The oracle; or, in a line for people, why there is none.
    pub fn find(&self) -> Result<Oracle, String> {
        let Kind { name, product, known, program } = self;
        let program = fetched(program).unwrap_or_else(|| PathBuf::from(program));
        let Some((_, version)) = said(&program) else {
            return Err(format!("SKIPPED: {name} is not here (tests/setup fetches it)"));
        };
        let series = |version: &str| version.rsplit_once('.').map(|(series, _)| series.to_owned());
        if series(&version) != series(known) {
            return Err(format!("SKIPPED: {name} is {version} here, and {known} is wanted"));
        }
        let is_known = version == *known;
        if !is_known {
            println!("{name} is {version}, not {known}: what differs in it does not count");
        }
        Ok(Oracle { name, product: *product, version, program, is_known })
    }
}

impl Oracle {
    /// A server that is no kind of oracle, by its program.
    pub fn at(program: &Path) -> Result<Oracle, String> {
        let (product, version) =
            said(program).ok_or_else(|| format!("{} tells no version", program.display()))?;
        let name = match product {
            Product::Redis => "redis",
            Product::Valkey => "valkey",
        };
        Ok(Oracle { name, product, version, program: program.to_owned(), is_known: false })
    }

    /// The first two numbers of its version.
    pub fn series(&self) -> (u32, u32) {
        let mut numbers = self.version.split('.').map(|part| part.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }
}

/// The oracle of this name.
pub fn find(name: &str) -> Result<Oracle, String> {
    let names = || KINDS.map(|kind| kind.name).join(", ");
    let kind = KINDS.iter().find(|kind| kind.name == name);
    kind.ok_or_else(|| format!("no oracle is called {name}; there are {}", names()))?.find()
}

/// A program below the `oracles/bin` of the folder that this one was built in.
fn fetched(program: &str) -> Option<PathBuf> {
    let ourselves = std::env::current_exe().ok()?;
    let place = |folder: &Path| folder.join("oracles/bin").join(program);
    ourselves.ancestors().map(place).find(|path| path.is_file())
}

/// What a server says of itself: `Redis server v=7.0.15 ...`.
fn said(program: &Path) -> Option<(Product, String)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().find_map(|word| word.strip_prefix("v="))?;
    let product = if text.starts_with("Valkey") { Product::Valkey } else { Product::Redis };
    Some((product, version.to_owned()))
}
