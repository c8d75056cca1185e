//! A selector: commands, keys and channels that go together. A user has one of its own (the root)
//! and any number of others, and may run what one of them allows.
//!
//! It is compiled while rules are applied to it: commands are bits by their ids in the registry,
//! patterns are [`Pattern`]s. The rules about commands are kept as text, too, in the order in which
//! they were given, because that is what ACL LIST shows and ACL files hold.

use crate::access::databases::{Databases, Where};
use crate::access::pattern::Pattern;
use redstart_engine::Registry;
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::*;
use redstart_protocol::Args;
use std::borrow::Cow;

/// What a pattern of keys allows: reading and writing them, joined with `|`.
pub const READ: u8 = 1;
/// See [`READ`].
pub const WRITE_KEYS: u8 = 2;

/// Why a rule is refused.
pub type Reason = &'static str;

pub const SYNTAX: Reason = "Syntax error";
pub const UNKNOWN: Reason = "Unknown command or category name in ACL";
const AFTER_ALL_KEYS: Reason = "Adding a pattern after the * pattern (or the 'allkeys' flag) is \
    not valid and does not have any effect. Try 'resetkeys' to start with an empty list of \
    patterns";
const AFTER_ALL_CHANNELS: Reason = "Adding a pattern after the * pattern (or the 'allchannels' \
    flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty \
    list of channels";
const OF_SUBCOMMAND: Reason = "Allowing first-arg of a subcommand is not supported";

/// What is refused of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// The database that this argument names; of the first, the one that is selected.
    Database(usize),
    /// The command.
    Command,
    /// The key at this argument.
    Key(usize),
    /// The channel at this argument.
    Channel(usize),
}

/// Keys, and what may be done with them.
#[derive(Clone, Debug)]
struct Keys {
    pattern: Pattern,
    allows: u8,
}

/// Commands, keys and channels that go together.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    all_commands: bool,
    all_keys: bool,
    all_channels: bool,
    /// Whether the rules about commands begin with all of them, those of later versions included.
    from_all: bool,
    /// Allowed commands, a bit for each id.
    commands: Vec<u64>,
    /// Commands that are allowed with certain first arguments only.
    first_args: Vec<(u16, Vec<Vec<u8>>)>,
    /// The rules about commands, with their signs.
    rules: Vec<String>,
    keys: Vec<Keys>,
    channels: Vec<Pattern>,
    /// None where all are allowed.
    databases: Option<Databases>,
}

impl Selector {
    /// One that allows nothing, unless channels are all allowed by default.
    pub fn new(all_channels: bool) -> Selector {
        Selector { all_channels, ..Selector::default() }
    }

    /// Whether it allows everything.
    pub fn is_unlimited(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels && self.databases.is_none()
    }

    /// Whether it allows all channels.
    pub fn has_all_channels(&self) -> bool {
        self.all_channels
    }

    /// The patterns of channels that it allows.
    pub fn channels(&self) -> &[Pattern] {
        &self.channels
    }

    /// Applies a rule.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn apply(&mut self, rule: &[u8], registry: &Registry) -> Result<(), Reason> {
        let is = |word: &str| rule.eq_ignore_ascii_case(word.as_bytes());
        match rule {
            _ if is("allkeys") || is("~*") => self.set_keys(true),
            _ if is("resetkeys") => self.set_keys(false),
            _ if is("allchannels") || is("&*") => self.set_channels(true),
            _ if is("resetchannels") => self.set_channels(false),
            _ if is("allcommands") || is("+@all") => self.set_commands(true),
            _ if is("nocommands") || is("-@all") => self.set_commands(false),
            _ if is("alldbs") => self.databases = None,
            _ if is("resetdbs") => self.databases = Some(Databases::new(None, registry)?),
            [d, b, b'=', list @ ..] if [*d, *b].eq_ignore_ascii_case(b"db") => {
                self.databases = Some(Databases::new(Some(list), registry)?);
            }
            [b'~', pattern @ ..] => self.add_keys(READ | WRITE_KEYS, pattern)?,
            [b'%', rest @ ..] => {
                let (allows, pattern) = permissions(rest).ok_or(match self.all_keys {
                    true => AFTER_ALL_KEYS,
                    false => SYNTAX,
                })?;
                self.add_keys(allows, pattern)?;
            }
            [b'&', pattern @ ..] => self.add_channel(pattern)?,
            [b'+', b'@', ..] => self.apply_category(&rule[1..], true, registry)?,
            [b'-', b'@', ..] => self.apply_category(&rule[1..], false, registry)?,
            [b'+', name @ ..] => self.allow_command(name, registry)?,
            [b'-', name @ ..] => {
                let found = exactly(name, registry).ok_or(UNKNOWN)?;
                self.change(found, false, registry);
                self.note_rule(&found.full_name(), false);
            }
            _ => return Err(SYNTAX),
        }
        Ok(())
    }

    fn set_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.keys.clear();
    }

    fn set_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }

    fn set_commands(&mut self, all: bool) {
        (self.all_commands, self.from_all) = (all, all);
        self.commands.clear();
        self.first_args.clear();
        self.rules.clear();
    }

    fn add_keys(&mut self, allows: u8, pattern: &[u8]) -> Result<(), Reason> {
        if self.all_keys {
            return Err(AFTER_ALL_KEYS);
        }
        if has_blanks(pattern) {
            return Err(SYNTAX);
        }
        match self.keys.iter_mut().find(|keys| keys.pattern.text() == pattern) {
            Some(known) => known.allows |= allows,
            None => self.keys.push(Keys { pattern: Pattern::new(pattern), allows }),
        }
        Ok(())
    }

    fn add_channel(&mut self, pattern: &[u8]) -> Result<(), Reason> {
        if self.all_channels {
            return Err(AFTER_ALL_CHANNELS);
        }
        if has_blanks(pattern) {
            return Err(SYNTAX);
        }
        if !self.channels.iter().any(|known| known.text() == pattern) {
            self.channels.push(Pattern::new(pattern));
        }
        Ok(())
    }

    fn apply_category(
        &mut self,
        name: &[u8],
        allow: bool,
        registry: &Registry,
    ) -> Result<(), Reason> {
        let is_known = |known: &&&str| known.as_bytes().eq_ignore_ascii_case(name);
        let category = *CATEGORIES.iter().find(is_known).ok_or(UNKNOWN)?;
        self.note_rule(category, allow);
        for registered in registry.iter() {
            if categories(registered.command, registered.container).contains(&category) {
                self.change(registered, allow, registry);
            }
        }
        Ok(())
    }

    /// `+command`, `+container|subcommand` or `+command|first-argument`.
    fn allow_command(&mut self, name: &[u8], registry: &Registry) -> Result<(), Reason> {
        let Some(at) = name.iter().rposition(|byte| *byte == b'|') else {
            let found = exactly(name, registry).ok_or(UNKNOWN)?;
            self.change(found, true, registry);
            self.note_rule(&found.full_name(), true);
            return Ok(());
        };
        let (command, first) = (&name[..at], &name[at + 1..]);
        let found = exactly(command, registry).ok_or(UNKNOWN)?;
        if found.container.is_some() {
            return Err(OF_SUBCOMMAND);
        }
        if first.is_empty() {
            return Err(SYNTAX);
        }
        if found.command.subcommands.is_empty() {
            self.allow_first_arg(found.id, first);
        } else {
            self.change(exactly(name, registry).ok_or(UNKNOWN)?, true, registry);
        }
        self.note_rule(&String::from_utf8_lossy(name).to_ascii_lowercase(), true);
        Ok(())
    }

    fn allow_first_arg(&mut self, id: u16, first: &[u8]) {
        match self.first_args.iter_mut().find(|(known, _)| *known == id) {
            None => self.first_args.push((id, vec![first.to_vec()])),
            Some((_, args)) if args.iter().any(|arg| arg.eq_ignore_ascii_case(first)) => {}
            Some((_, args)) => args.push(first.to_vec()),
        }
    }

    /// Allows or forbids a command and its subcommands.
    fn change(&mut self, registered: &Registered, allow: bool, registry: &Registry) {
        self.first_args.retain(|(id, _)| *id != registered.id);
        self.set_bit(registered.id, allow, registry);
        if !registered.command.subcommands.is_empty() {
            let within = |sub: &&Registered| {
                sub.container.is_some_and(|own| std::ptr::eq(own, registered.command))
            };
            for sub in registry.iter().filter(within) {
                self.set_bit(sub.id, allow, registry);
            }
        }
    }

    fn set_bit(&mut self, id: u16, allow: bool, registry: &Registry) {
        if self.commands.is_empty() {
            let all = if self.from_all { u64::MAX } else { 0 };
            self.commands = vec![all; registry.len().div_ceil(64)];
        }
        let (word, bit) = (usize::from(id) / 64, 1 << (id % 64));
        if allow {
            self.commands[word] |= bit;
        } else {
            self.commands[word] &= !bit;
            self.all_commands = false;
        }
    }

    /// Notes a rule about commands in the place of those that it makes void.
    fn note_rule(&mut self, name: &str, allow: bool) {
        self.rules.retain(|rule| {
            let rest = rule[1..].strip_prefix(name);
            !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('|'))
        });
        self.rules.push(format!("{}{name}", if allow { '+' } else { '-' }));
    }

    /// The rules about commands, as ACL GETUSER shows them.
    pub fn command_rules(&self) -> String {
        let mut text = if self.from_all { "+@all" } else { "-@all" }.to_owned();
        for rule in &self.rules {
            text.push(' ');
            text.push_str(rule);
        }
        text
    }

    /// The patterns of keys, as ACL GETUSER shows them.
    pub fn key_rules(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let shown = |keys: &Keys| {
            let sign: &[u8] = match keys.allows {
                READ => b"%R~",
                WRITE_KEYS => b"%W~",
                _ => b"~",
            };
            [sign, keys.pattern.text()].concat()
        };
        self.keys.iter().map(shown).collect::<Vec<_>>().join(&b' ')
    }

    /// The patterns of channels, as ACL GETUSER shows them.
    pub fn channel_rules(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let shown = |channel: &Pattern| [b"&", channel.text()].concat();
        self.channels.iter().map(shown).collect::<Vec<_>>().join(&b' ')
    }

    /// The databases, as ACL GETUSER shows them.
    pub fn database_rules(&self) -> String {
        self.databases.as_ref().map_or("alldbs".to_owned(), Databases::list)
    }

    /// Whether not all databases are allowed.
    pub fn limits_databases(&self) -> bool {
        self.databases.is_some()
    }

    /// All rules in one line, by which an ACL file makes the same selector.
    pub fn describe(&self) -> Vec<u8> {
        let mut parts: Vec<Cow<'_, [u8]>> = Vec::new();
        parts.push(self.key_rules().into());
        if !self.all_channels {
            parts.push(b"resetchannels"[..].into());
        }
        parts.push(self.channel_rules().into());
        parts.extend(self.databases.iter().map(|all| all.rule().into_bytes().into()));
        parts.push(self.command_rules().into_bytes().into());
        parts.retain(|part| !part.is_empty());
        parts.join(&b' ')
    }

    /// Whether a request is allowed.
    ///
    /// # Errors
    /// What of it is not.
    #[inline]
    pub fn check(
        &self,
        registered: &Registered,
        args: Args<'_>,
        place: Where,
    ) -> Result<(), Denied> {
        let command = registered.command;
        if let Some(databases) = &self.databases {
            databases.check(registered, args, place)?;
        }
        if !self.all_commands && !command.is(NO_AUTH) && !self.allows(registered, args) {
            return Err(Denied::Command);
        }
        if !self.all_keys && !command.keys.is_empty() {
            self.check_keys(command, args)?;
        }
        if !self.all_channels && command.is(PUBLISHES | LISTENS | LISTENS_BY_PATTERN) {
            self.check_channels(command, args)?;
        }
        Ok(())
    }

    fn allows(&self, registered: &Registered, args: Args<'_>) -> bool {
        let id = usize::from(registered.id);
        let bit = self.commands.get(id / 64).map(|word| word & 1 << (id % 64) != 0);
        bit.unwrap_or(self.from_all) || {
            let of_this = self.first_args.iter().find(|(known, _)| *known == registered.id);
            of_this.zip(args.get(1)).is_some_and(|((_, allowed), first)| {
                allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(first))
            })
        }
    }

    /// Checks the keys that the declaration's iterator names. Where the arguments name none, its
    /// handler refuses them.
    fn check_keys(&self, command: &Command, args: Args<'_>) -> Result<(), Denied> {
        let mut denied = None;
        let named = command.each_key(args, |at, access| {
            if denied.is_none() && !self.allows_key(args.at(at), access) {
                denied = Some(at);
            }
        });
        match denied {
            Some(at) if named.is_ok() => Err(Denied::Key(at)),
            _ => Ok(()),
        }
    }

    fn allows_key(&self, key: &[u8], access: Access) -> bool {
        let wanted = wanted(access);
        self.keys.iter().any(|keys| keys.allows & wanted == wanted && keys.pattern.matches(key))
    }

    fn check_channels(&self, command: &Command, args: Args<'_>) -> Result<(), Denied> {
        let last = if command.is(PUBLISHES) { 2.min(args.len()) } else { args.len() };
        let kind = if command.is(LISTENS_BY_PATTERN) { Name::Pattern } else { Name::Channel };
        match (1..last).find(|at| !allows_channel(&self.channels, args.at(*at), kind)) {
            Some(at) => Err(Denied::Channel(at)),
            None => Ok(()),
        }
    }

    /// Whether it allows to read a key.
    pub fn reads(&self, key: &[u8]) -> bool {
        self.all_keys || self.allows_key(key, ACCESS)
    }

    /// Whether it allows to read every key.
    pub fn reads_all_keys(&self) -> bool {
        let reads = |keys: &Keys| keys.allows & READ != 0 && keys.pattern.is_any();
        self.all_keys || self.keys.iter().any(reads)
    }
}

/// What a name of channels is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// One channel.
    Channel,
    /// A pattern: it must be allowed to the letter.
    Pattern,
}

/// Whether one of the allowed patterns of channels covers a name.
pub fn allows_channel<'a>(
    allowed: impl IntoIterator<Item = &'a Pattern>,
    name: &[u8],
    kind: Name,
) -> bool {
    allowed.into_iter().any(|pattern| match kind {
        Name::Pattern => pattern.text() == name,
        Name::Channel => pattern.matches(name),
    })
}

/// What has to be allowed for an access.
fn wanted(access: Access) -> u8 {
    let read = if access & ACCESS != 0 { READ } else { 0 };
    let write = if access & (INSERT | UPDATE | DELETE) != 0 { WRITE_KEYS } else { 0 };
    read | write
}

/// What stands between `%` and `~`, and the pattern behind that.
fn permissions(rest: &[u8]) -> Option<(u8, &[u8])> {
    let mut allows = 0;
    for (at, byte) in rest.iter().enumerate() {
        let one = match byte.to_ascii_uppercase() {
            b'R' => READ,
            b'W' => WRITE_KEYS,
            b'~' if allows != 0 => return Some((allows, &rest[at + 1..])),
            _ => return None,
        };
        if allows & one != 0 {
            return None;
        }
        allows |= one;
    }
    // Without a tilde the pattern is empty.
    (allows != 0).then_some((allows, b""))
}

/// The command of a name that is nothing more: `get`, `config`, `config|get`.
fn exactly<'a>(name: &[u8], registry: &'a Registry) -> Option<&'a Registered> {
    registry.get_full(name)
}

/// Whether a name has blanks or zero bytes in it, which no line of an ACL file could hold.
pub fn has_blanks(name: &[u8]) -> bool {
    name.iter().any(|byte| byte.is_ascii_whitespace() || matches!(byte, 0 | 0x0b))
}
