//! The command table: finds a command by its name, in any case, in a few nanoseconds.
//!
//! Open addressing over a table at most a quarter full. A name is folded into two words, which are
//! hashed and compared: up to sixteen bytes they are the whole name. Subcommands are found in their
//! container.

use crate::run::command::{Declared, Runner};
use crate::run::renames::Renames;
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
    folded: Folded,
}

impl Registered {
    /// The name as Redis writes it: `container|subcommand` for a subcommand.
    pub fn full_name(&self) -> String {
        match self.container {
            Some(container) => format!("{}|{}", container.name, self.command.name),
            None => self.command.name.to_string(),
        }
    }

    /// Whether it is a subcommand of this container; of none, whether it is no subcommand.
    #[inline]
    fn is_in(&self, container: Option<&Command>) -> bool {
        match (self.container, container) {
            (None, None) => true,
            (Some(own), Some(other)) => std::ptr::eq(own, other),
            _ => false,
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
    /// The commands with short names that have no subcommands, by the hash of the name.
    short: Box<[Short]>,
    /// The names that clients use in place of the declared ones.
    renames: Renames,
}

/// A command's name of up to eight bytes, in lower case and filled up with zeros; and its id. All
/// zero where there is none.
#[derive(Clone, Copy, Default)]
struct Short {
    name: u64,
    id: u16,
}

/// Where a short name belongs in a table of `len` places, which is a power of two.
#[inline(always)]
fn short_start(name: u64, len: usize) -> usize {
    (name.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (len - 1)
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
        let mut registry = Registry {
            commands: vec![],
            buckets: [].into(),
            short: [].into(),
            renames: <_>::default(),
        };
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
        (0..registry.commands.len()).for_each(|id| registry.index(id));
        registry.index_names();
        registry
    }

    /// Makes the table of short names anew, of those that clients use.
    pub(super) fn index_names(&mut self) {
        self.short = vec![Short::default(); self.buckets.len()].into();
        for id in 0..self.commands.len() as u16 {
            if !self.renames.hides(id) {
                self.index_short(id, self.commands[id as usize].command.name.as_bytes());
            }
        }
        let renamed: Vec<_> = self.renames.iter().map(|(name, id)| (name.to_vec(), id)).collect();
        renamed.iter().for_each(|(name, id)| self.index_short(*id, name));
    }

    fn index_short(&mut self, id: u16, name: &[u8]) {
        let Registered { command, container, .. } = self.commands[id as usize];
        if name.len() > 8 || container.is_some() || !command.subcommands.is_empty() {
            return;
        }
        let mut bytes = [0; 8];
        bytes[..name.len()].copy_from_slice(name);
        let name = lower(u64::from_le_bytes(bytes));
        let mut at = short_start(name, self.short.len());
        while self.short[at].name != 0 {
            at = (at + 1) & (self.short.len() - 1);
        }
        self.short[at] = Short { name, id };
    }

    /// The command without subcommands whose name, in any case, is that of a word: up to eight
    /// bytes, filled up with zeros. None also where the name is another command's.
    #[inline(always)]
    pub fn get_short(&self, name: u64) -> Option<&Registered> {
        let name = lower(name);
        let mut at = short_start(name, self.short.len());
        loop {
            let found = self.short[at];
            if found.name == name && name != 0 {
                return Some(&self.commands[found.id as usize]);
            }
            if found.name == 0 {
                return None;
            }
            at = (at + 1) & (self.short.len() - 1);
        }
    }

    fn add(&mut self, declared: Declared, container: Option<&'static Command>) {
        let Declared { command, runner } = declared;
        let (id, keys) = (self.commands.len() as u16, key_shape(command.keys));
        let folded = Folded::of(command.name.as_bytes());
        self.commands.push(Registered { command, container, id, keys, runner, folded });
    }

    fn index(&mut self, id: usize) {
        let Registered { command, container, folded, .. } = self.commands[id];
        let same = self.lookup(container, command.name.as_bytes());
        assert!(same.is_none(), "two commands are called {}", command.name);
        let mut at = self.start(container, folded);
        while self.buckets[at] != EMPTY {
            at = (at + 1) & (self.buckets.len() - 1);
        }
        self.buckets[at] = id as u16;
    }

    #[inline]
    fn start(&self, container: Option<&'static Command>, name: Folded) -> usize {
        let salt = container.map_or(0, |c| c.name.len() as u64 * 31 + c.name.as_bytes()[0] as u64);
        (name.hash() ^ salt) as usize & (self.buckets.len() - 1)
    }

    #[inline]
    fn lookup(&self, container: Option<&'static Command>, name: &[u8]) -> Option<&Registered> {
        let folded = Folded::of(name);
        let mut at = self.start(container, folded);
        loop {
            // Ids beyond the commands are free buckets.
            let found = self.commands.get(self.buckets[at] as usize)?;
            if found.folded == folded
                && found.is_in(container)
                && (folded.is_whole() || found.command.name.as_bytes().eq_ignore_ascii_case(name))
            {
                return Some(found);
            }
            at = (at + 1) & (self.buckets.len() - 1);
        }
    }

    /// The command of a name, in any case; a container is returned as such.
    #[inline]
    pub fn get(&self, name: &[u8]) -> Option<&Registered> {
        self.lookup(None, name)
    }

    /// The command that a request means: where its name is a container's and there is a second
    /// argument, the subcommand. `Err` holds the container whose subcommand does not exist.
    #[inline(never)]
    pub fn resolve(&self, args: Args<'_>) -> Result<Option<&Registered>, &'static Command> {
        let Some(found) = args.get(0).and_then(|name| self.visible(name)) else { return Ok(None) };
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

    /// The subcommand of a container.
    pub fn subcommand(&self, container: &'static Command, name: &[u8]) -> Option<&Registered> {
        self.lookup(Some(container), name)
    }

    /// The names that clients use in place of the declared ones.
    #[inline]
    pub fn renames(&self) -> &Renames {
        &self.renames
    }

    pub(super) fn renames_mut(&mut self) -> &mut Renames {
        &mut self.renames
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

/// A name in lower case, as the table compares it: its first and its last eight bytes (or four, or
/// all where it has less than that), and its length.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Folded {
    head: u64,
    tail: u64,
    len: usize,
}

impl Folded {
    #[inline]
    fn of(name: &[u8]) -> Folded {
        let len = name.len();
        let (head, tail) = if let (Some(head), Some(tail)) = (name.first_chunk(), name.last_chunk())
        {
            (u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
        } else if let (Some(head), Some(tail)) = (name.first_chunk(), name.last_chunk()) {
            (u32::from_le_bytes(*head).into(), u32::from_le_bytes(*tail).into())
        } else {
            let byte = |at: usize| name.get(at).map_or(0, |&byte| u64::from(byte));
            (byte(0) | byte(1) << 8 | byte(2) << 16, 0)
        };
        Folded { head: lower(head), tail: lower(tail), len }
    }

    /// Whether the words hold all of the name.
    #[inline]
    fn is_whole(self) -> bool {
        self.len <= 16
    }

    #[inline]
    fn hash(self) -> u64 {
        let mixed = self.head ^ self.tail.rotate_left(23) ^ self.len as u64;
        mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40
    }
}

/// Eight bytes, the ASCII letters among them in lower case.
#[inline(always)]
fn lower(bytes: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let low = bytes & (EACH * 0x7f);
    // The top bit of each byte: from `A` on, and beyond `Z`. No sum reaches the next byte.
    let from_a = low + EACH * (0x80 - b'A' as u64);
    let beyond_z = low + EACH * (0x7f - b'Z' as u64);
    let is_upper = (from_a & !beyond_z) & !bytes & (EACH * 0x80);
    bytes | is_upper >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_is_that_of_ascii() {
        for byte in 0..=255u8 {
            for at in 0..8 {
                let mut bytes = *b"aZ@[`{\xff0";
                bytes[at] = byte;
                let folded = lower(u64::from_le_bytes(bytes)).to_le_bytes();
                assert_eq!(folded, bytes.map(|byte| byte.to_ascii_lowercase()));
            }
        }
    }

    #[test]
    fn names_up_to_sixteen_bytes_are_told_apart_by_their_words() {
        let words: Vec<Vec<u8>> = (0..=16)
            .flat_map(|len: usize| {
                (0..len.max(1)).map(move |at| {
                    let mut name = vec![b'x'; len];
                    if let Some(byte) = name.get_mut(at) {
                        *byte = b'y';
                    }
                    name
                })
            })
            .collect();
        for (i, a) in words.iter().enumerate() {
            for b in &words[i + 1..] {
                assert!(Folded::of(a) != Folded::of(b), "{a:?} {b:?}");
            }
        }
    }
}
