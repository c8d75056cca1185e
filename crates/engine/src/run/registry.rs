//! The command table: finds a command by its name, in any case, in a few nanoseconds.
//!
//! Open addressing over a table at most a quarter full, hashed by length and four of the letters
//! in lower case; one comparison confirms. Subcommands are found in their container.

use crate::run::command::{Declared, Runner};
use crate::spec::{Begin, Command, FAST, Find, KeySpec, NOT_KEY, WALKS, WHOLE_KEYSPACE};
use redstart_protocol::Args;

/// How the hot path finds the keys of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyShape {
    /// There are none.
    None,
    /// The first argument behind the name, alone.
    First,
    /// As the specs say.
    Specs,
}

/// A command in the table.
#[derive(Clone, Copy)]
pub struct Registered {
    /// The declaration.
    pub command: &'static Command,
    /// The container, for a subcommand.
    pub container: Option<&'static Command>,
    /// Counts from zero over commands and subcommands.
    pub id: u16,
    /// How its keys are found.
    pub keys: KeyShape,
    /// What runs it: copied here, so that a request follows one pointer less.
    pub runner: Runner,
}

impl Registered {
    /// The name as Redis writes it: `container|subcommand` for a subcommand.
    pub fn full_name(&self) -> String {
        match self.container {
            Some(container) => format!("{}|{}", container.name, self.command.name),
            None => self.command.name.to_string(),
        }
    }

    /// Whether a transaction or a script that runs the command has to hold all shards: it is about
    /// the keyspace as a whole, or it is a slow command of the server, which may look around there.
    pub fn needs_all_shards(&self) -> bool {
        let is_sessions = matches!(self.runner, Runner::Session);
        let looks_around =
            is_sessions && self.command.subcommands.is_empty() && !self.command.is(FAST);
        self.command.is(WHOLE_KEYSPACE | WALKS) || looks_around
    }
}

/// The command table.
pub struct Registry {
    commands: Vec<Registered>,
    /// Ids, by the hash of the name.
    buckets: Box<[u16]>,
}

const EMPTY: u16 = u16::MAX;

impl Registry {
    /// A table of the given commands: also the subcommands, which their containers name.
    ///
    /// # Panics
    /// When two have the same name, or a container names a subcommand that is not given.
    pub fn new(commands: impl IntoIterator<Item = Declared>) -> Registry {
        let all: Vec<Declared> = commands.into_iter().collect();
        let declared = |command: &'static Command| {
            let found = all.iter().find(|declared| std::ptr::eq(declared.command, command));
            *found.expect("a container's subcommands are given beside it")
        };
        let containers = all.iter().map(|declared| declared.command);
        let subcommands: Vec<&Command> =
            containers.flat_map(|of| of.subcommands).copied().collect();
        let is_top = |declared: &&Declared| {
            !subcommands.iter().any(|command| std::ptr::eq(*command, declared.command))
        };
        let mut registry = Registry { commands: Vec::new(), buckets: Box::new([]) };
        for declared in all.iter().filter(is_top) {
            registry.add(*declared, None);
        }
        for Declared { command: container, .. } in all.iter().filter(is_top) {
            for command in container.subcommands {
                registry.add(declared(command), Some(container));
            }
        }
        let size = (registry.commands.len() * 4).next_power_of_two();
        registry.buckets = vec![EMPTY; size].into();
        for id in 0..registry.commands.len() {
            registry.index(id);
        }
        registry
    }

    fn add(&mut self, declared: Declared, container: Option<&'static Command>) {
        let Declared { command, runner } = declared;
        let (id, keys) = (self.commands.len() as u16, key_shape(command.keys));
        self.commands.push(Registered { command, container, id, keys, runner });
    }

    fn index(&mut self, id: usize) {
        let Registered { command, container, .. } = self.commands[id];
        let mut at = self.start(container, command.name.as_bytes());
        while self.buckets[at] != EMPTY {
            let other = &self.commands[self.buckets[at] as usize];
            let same = other.command.name == command.name
                && other.container.map(|c| c.name) == container.map(|c| c.name);
            assert!(!same, "two commands are called {}", command.name);
            at = (at + 1) & (self.buckets.len() - 1);
        }
        self.buckets[at] = id as u16;
    }

    #[inline]
    fn start(&self, container: Option<&'static Command>, name: &[u8]) -> usize {
        let salt = container.map_or(0, |c| c.name.len() as u64 * 31 + c.name.as_bytes()[0] as u64);
        let mixed = (fold(name) ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as usize & (self.buckets.len() - 1)
    }

    #[inline]
    fn lookup(&self, container: Option<&'static Command>, name: &[u8]) -> Option<&Registered> {
        let mut at = self.start(container, name);
        while self.buckets[at] != EMPTY {
            let found = &self.commands[self.buckets[at] as usize];
            if found.command.name.as_bytes().eq_ignore_ascii_case(name)
                && found.container.map(|c| c.name) == container.map(|c| c.name)
            {
                return Some(found);
            }
            at = (at + 1) & (self.buckets.len() - 1);
        }
        None
    }

    /// The command of a name, in any case; a container is returned as such.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<&Registered> {
        self.lookup(None, name)
    }

    /// The command that a request means: where its name is a container's and there is a second
    /// argument, the subcommand. `Err` holds the container whose subcommand does not exist.
    #[inline]
    pub fn resolve(&self, args: Args<'_>) -> Result<Option<&Registered>, &'static Command> {
        let Some(found) = args.get(0).and_then(|name| self.get(name)) else { return Ok(None) };
        match args.get(1) {
            Some(name) if !found.command.subcommands.is_empty() => {
                self.lookup(Some(found.command), name).map(Some).ok_or(found.command)
            }
            _ => Ok(Some(found)),
        }
    }

    /// Looks up `container|subcommand` or a plain name, as COMMAND INFO takes them.
    pub fn get_full(&self, name: &[u8]) -> Option<&Registered> {
        match name.iter().position(|&b| b == b'|') {
            None => self.get(name),
            Some(at) => {
                let container = self.get(&name[..at])?.command;
                self.lookup(Some(container), &name[at + 1..])
            }
        }
    }

    /// The command of an id.
    #[inline]
    pub fn at(&self, id: u16) -> &Registered {
        &self.commands[id as usize]
    }

    /// All commands, then all subcommands.
    pub fn iter(&self) -> impl Iterator<Item = &Registered> {
        self.commands.iter()
    }

    /// The number of commands and subcommands.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
}

fn key_shape(keys: &'static [KeySpec]) -> KeyShape {
    match keys {
        keys if keys.iter().all(|spec| spec.access & NOT_KEY != 0) => KeyShape::None,
        [KeySpec { begin: Begin::Index(1), find: Find::Range { last: 0, .. }, .. }] => {
            KeyShape::First
        }
        _ => KeyShape::Specs,
    }
}

/// The length and four bytes, in lower case: they differ between nearly all names.
#[inline]
fn fold(name: &[u8]) -> u64 {
    let Some(&last) = name.last() else { return 0 };
    let byte = |at: usize| (name[at] | 0x20) as u64;
    let len = name.len();
    byte(0)
        | byte(len / 3) << 8
        | byte(len / 2) << 16
        | ((last | 0x20) as u64) << 24
        | (len as u64) << 32
}
