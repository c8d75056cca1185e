//! Names that clients use in place of the declared ones (`rename-command`), or none at all. What a
//! command is called in the log, in users' rules and where one command is told about stays its
//! declared name.

use crate::run::registry::{Registered, Registry};
use redstart_protocol::Args;

/// Names given in place of others.
#[derive(Default)]
pub struct Renames {
    /// In lower case, each with its command's id.
    names: Vec<(Box<[u8]>, u16)>,
    /// The commands whose declared names mean nothing any more.
    gone: Vec<u16>,
}

impl Renames {
    /// Whether every command is called as it is declared.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty()
    }

    /// The names that were given.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u16)> {
        self.names.iter().map(|(name, id)| (&name[..], *id))
    }

    /// Whether a command's declared name means nothing any more.
    pub fn hides(&self, id: u16) -> bool {
        self.gone.contains(&id)
    }

    fn find(&self, name: &[u8]) -> Option<u16> {
        self.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, id)| id)
    }
}

impl Registry {
    /// Calls a command otherwise, or nothing at all where `to` is empty. Renaming goes by the names
    /// that there are by then.
    ///
    /// # Errors
    /// Redis's words for a command that is not there, or a name that is.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        let id = self.visible(from).ok_or("No such command in rename-command")?.id;
        let is_same = to.eq_ignore_ascii_case(from);
        if !is_same && !to.is_empty() && self.visible(to).is_some() {
            return Err("Target command name already exists");
        }
        let renames = self.renames_mut();
        renames.names.retain(|(_, renamed)| *renamed != id);
        if !renames.hides(id) {
            renames.gone.push(id);
        }
        if !to.is_empty() {
            renames.names.push((to.to_ascii_lowercase().into(), id));
        }
        self.index_names();
        Ok(())
    }

    /// The command that a client calls so.
    #[inline]
    pub fn visible(&self, name: &[u8]) -> Option<&Registered> {
        if self.renames().is_empty() { self.get(name) } else { self.renamed(name) }
    }

    #[cold]
    fn renamed(&self, name: &[u8]) -> Option<&Registered> {
        match self.renames().find(name) {
            Some(id) => Some(self.at(id)),
            None => self.get(name).filter(|found| !self.renames().hides(found.id)),
        }
    }

    /// As [`Registry::get_full`], by the names that clients use.
    pub fn visible_full(&self, name: &[u8]) -> Option<&Registered> {
        let len = name.iter().position(|&byte| byte == b'|').unwrap_or(name.len());
        let found = self.visible(&name[..len])?;
        match name.get(len + 1..) {
            None => Some(found),
            Some(subcommand) => self.subcommand(found.command, subcommand),
        }
    }

    /// The commands and subcommands that clients can call.
    pub fn visible_all(&self) -> impl Iterator<Item = &Registered> {
        let renames = self.renames();
        let is_visible =
            move |id: u16| !renames.hides(id) || renames.iter().any(|(_, renamed)| renamed == id);
        self.iter().filter(move |registered| {
            let container = registered.container.and_then(|it| self.get(it.name.as_bytes()));
            is_visible(container.map_or(registered.id, |container| container.id))
        })
    }

    /// As [`Registry::resolve`], by the declared names: for what stands in the log.
    pub fn resolve_declared(&self, args: Args<'_>) -> Option<&Registered> {
        let found = self.get(args.get(0)?)?;
        match args.get(1) {
            Some(name) if !found.command.subcommands.is_empty() => {
                self.subcommand(found.command, name)
            }
            _ => Some(found),
        }
    }
}
