//! A command's declaration: all that is known of it without its handler, in one place.
//!
//! Dispatch, the arity check, COMMAND and its subcommands, `docs/commands.md`, the shard locks and
//! ACL categories and rights, and (later) cluster slots all read this one static.

pub mod categories;
pub mod flags;
pub mod keys;
pub mod syntax;

pub use Arity::{AtLeast, Exactly};
pub use categories::{CATEGORIES, categories, has_movable_keys};
pub use flags::*;
pub use keys::*;

use crate::error::Error;
use redstart_protocol::Args;

/// How many arguments a command takes, its name included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Exactly so many.
    Exactly(u16),
    /// So many or more.
    AtLeast(u16),
}

impl Arity {
    /// Whether `count` arguments are acceptable.
    #[inline]
    pub fn accepts(self, count: usize) -> bool {
        match self {
            Arity::Exactly(n) => count == n as usize,
            Arity::AtLeast(n) => count >= n as usize,
        }
    }

    /// The number in COMMAND INFO: negative for "or more".
    pub fn number(self) -> i64 {
        match self {
            Arity::Exactly(n) => n as i64,
            Arity::AtLeast(n) => -(n as i64),
        }
    }
}

/// The family of a command, as COMMAND DOCS groups it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Group {
    Bitmap,
    Cache,
    Cluster,
    Connection,
    Generic,
    Geo,
    Hash,
    HyperLogLog,
    List,
    PubSub,
    Scripting,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
}

impl Group {
    /// The name in COMMAND DOCS.
    pub fn name(self) -> &'static str {
        match self {
            Group::Bitmap => "bitmap",
            Group::Cache => "cache",
            Group::Cluster => "cluster",
            Group::Connection => "connection",
            Group::Generic => "generic",
            Group::Geo => "geo",
            Group::Hash => "hash",
            Group::HyperLogLog => "hyperloglog",
            Group::List => "list",
            Group::PubSub => "pubsub",
            Group::Scripting => "scripting",
            Group::Server => "server",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::String => "string",
            Group::Transactions => "transactions",
        }
    }
}

/// What a person reads about a command.
#[derive(Clone, Copy, Debug)]
pub struct Doc {
    /// The Redis version that brought it.
    pub since: &'static str,
    /// Its cost.
    pub complexity: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Its arguments, in the notation of Redis's command pages.
    pub syntax: &'static str,
}

/// Which arguments of a request are passwords.
pub type Secrets = fn(Args<'_>) -> Vec<usize>;

/// What is done with the key of a request, where that depends on the arguments.
pub type AccessOf = fn(Args<'_>) -> Access;

/// What is declared of a command. It begins with [`declare`], and each of its methods adds a part.
#[derive(Clone, Copy)]
pub struct Command {
    /// The name in lower case; a subcommand's own name only.
    pub name: &'static str,
    /// The family.
    pub group: Group,
    /// How many arguments it takes.
    pub arity: Arity,
    /// What it may do.
    pub flags: Flags,
    /// Where its keys are.
    pub keys: &'static [KeySpec],
    /// What is done with a [`VARIABLE`] key.
    pub access_of: Option<AccessOf>,
    /// Which databases it is about beside the one that is selected.
    pub databases: Databases,
    /// What a person reads about it.
    pub doc: Doc,
    /// Which of its arguments are shown to nobody: passwords, mostly.
    pub secrets: Option<Secrets>,
    /// The subcommands, if it is a container.
    pub subcommands: &'static [&'static Command],
}

/// Which databases a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Databases {
    /// The one that is selected, if any.
    Selected,
    /// Also those whose numbers are these arguments.
    At(&'static [usize]),
    /// Also the one whose number stands behind this word, from this argument on.
    Behind(&'static str, usize),
    /// All.
    All,
}

/// What is shown in the place of an argument that is a secret.
pub const REDACTED: &[u8] = b"(redacted)";

/// A command without flags, without keys, and of which nothing is known yet.
pub const fn declare(name: &'static str, group: Group, arity: Arity) -> Command {
    let doc = Doc { since: "", complexity: "", summary: "", syntax: "" };
    Command {
        name,
        group,
        arity,
        flags: 0,
        keys: &[],
        access_of: None,
        databases: Databases::Selected,
        doc,
        secrets: None,
        subcommands: &[],
    }
}

impl Command {
    /// Adds flags.
    pub const fn flags(self, flags: Flags) -> Command {
        Command { flags: self.flags | flags, ..self }
    }

    /// Says where the keys are.
    pub const fn keys(self, keys: &'static [KeySpec]) -> Command {
        Command { keys, ..self }
    }

    /// Says what is done with a [`VARIABLE`] key.
    pub const fn access_of(self, access_of: AccessOf) -> Command {
        Command { access_of: Some(access_of), ..self }
    }

    /// Says which databases it is about beside the one that is selected.
    pub const fn databases(self, databases: Databases) -> Command {
        Command { databases, ..self }
    }

    /// Says which Redis version brought it.
    pub const fn since(self, since: &'static str) -> Command {
        Command { doc: Doc { since, ..self.doc }, ..self }
    }

    /// Says what it costs.
    pub const fn complexity(self, complexity: &'static str) -> Command {
        Command { doc: Doc { complexity, ..self.doc }, ..self }
    }

    /// Says in one sentence what it does.
    pub const fn summary(self, summary: &'static str) -> Command {
        Command { doc: Doc { summary, ..self.doc }, ..self }
    }

    /// Says what its arguments are, in the notation of Redis's command pages.
    pub const fn syntax(self, syntax: &'static str) -> Command {
        Command { doc: Doc { syntax, ..self.doc }, ..self }
    }

    /// Says which arguments are passwords.
    pub const fn secrets(self, secrets: Secrets) -> Command {
        Command { secrets: Some(secrets), ..self }
    }

    /// The arguments of a request that name databases.
    pub fn databases_named(&self, args: Args<'_>) -> impl Iterator<Item = usize> {
        let databases = self.databases;
        (1..args.len()).filter(move |at| match databases {
            Databases::At(places) => places.contains(at),
            Databases::Behind(word, from) => {
                *at > from && args.at(at - 1).eq_ignore_ascii_case(word.as_bytes())
            }
            Databases::Selected | Databases::All => false,
        })
    }

    /// Whether it has arguments that are keys.
    pub fn has_keys(&self) -> bool {
        self.keys.iter().any(|spec| spec.access & NOT_KEY == 0)
    }

    /// Makes it a container.
    pub const fn subcommands(self, subcommands: &'static [&'static Command]) -> Command {
        Command { subcommands, ..self }
    }

    /// Puts what runs the command beside its declaration.
    pub const fn run<H>(self, run: H) -> Runnable<H> {
        Runnable { spec: self, run }
    }

    /// The places of the arguments that are shown to nobody.
    pub fn secrets_in(&self, args: Args<'_>) -> Vec<usize> {
        self.secrets.map_or_else(Vec::new, |secrets| secrets(args))
    }

    /// Calls `f` with the argument index of every key, and what is done with it in this request.
    ///
    /// # Errors
    /// As [`each_key`].
    pub fn each_key(&self, args: Args<'_>, mut f: impl FnMut(usize, Access)) -> Result<(), Error> {
        keys::each_key(self.keys, args, |at, access| match self.access_of {
            Some(access_of) if access & VARIABLE != 0 => f(at, access_of(args)),
            _ => f(at, access),
        })
    }

    /// Whether the command has one of the given flags.
    #[inline]
    pub fn is(&self, flags: Flags) -> bool {
        self.flags & flags != 0
    }

    /// Whether a request with this many arguments takes so little time that it need not be measured
    /// by itself.
    #[inline]
    pub fn is_short(&self, args: usize) -> bool {
        args <= SHORT_ARGS_MAX && self.is(FAST | SHORT)
    }
}

/// A command's declaration and, beside it, what runs it. The type of a handler is known only to the
/// room that has handlers.
pub struct Runnable<H: 'static> {
    /// The declaration.
    pub spec: Command,
    /// What runs it.
    pub run: H,
}
