//! Where Redstart and an oracle are known to differ: the table of it, each entry with the versions
//! that it is about and its reason. What an entry covers does not stop a run; it is counted, and
//! the counts are shown at the end, so that nothing is passed over in silence.
//!
//! This is about answers that are really different. What chance decides, and what one server says
//! in another order than the other, is in [`crate::normalise`].

mod table;

use std::collections::BTreeMap;
use std::ops::Range;

use crate::families::scripting;
use crate::oracle::{Oracle, Product};
use crate::stream::{Command, Step};

/// Versions of a product, by their first two numbers; the end is not among them.
type Versions = (Product, Range<(u32, u32)>);

/// What becomes of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It stays: the compatibility table names it too.
    Stays,
    /// Redstart is to answer as this oracle does.
    ToMend,
}

/// How a difference shows.
#[derive(Debug, Clone, Copy)]
pub enum Sign {
    /// In a reply: to this command, which says the first frame here and the second there.
    Reply(fn(&Command, &[u8], &[u8]) -> bool),
    /// In a message about an event, which is left out on both sides. The steps are the stream's.
    Event(fn(&[Step], &[u8]) -> bool),
    /// In what comes after a command, in a transaction (or a script) or not: it is not sent at all.
    NotSent(fn(&Command, bool) -> bool),
}

/// A difference that is known.
#[derive(Debug)]
pub struct Known {
    /// The oracles that have it.
    pub versions: &'static [Versions],
    /// What becomes of it.
    pub ending: Ending,
    /// What it is, in one line.
    pub reason: &'static str,
    /// How it shows.
    pub sign: Sign,
}

/// The entries for one oracle, and how often each was met.
#[derive(Debug)]
pub struct Differences {
    entries: Vec<&'static Known>,
    met: BTreeMap<&'static str, u64>,
}

impl Differences {
    /// What is known about an oracle.
    pub fn of(oracle: &Oracle) -> Self {
        let series = oracle.series();
        let is_about = |known: &&Known| {
            known
                .versions
                .iter()
                .any(|(product, versions)| *product == oracle.product && versions.contains(&series))
        };
        Self { entries: table::TABLE.iter().filter(is_about).collect(), met: BTreeMap::new() }
    }

    /// Of an oracle of which nothing is known.
    pub fn none() -> Self {
        Self { entries: Vec::new(), met: BTreeMap::new() }
    }

    /// Whether two replies to a command differ as is known. Counts it.
    pub fn covers(&mut self, command: &Command, oracle: &[u8], subject: &[u8]) -> bool {
        let inner = scripting::inner(command);
        let found = self.entries.iter().find(|known| match known.sign {
            Sign::Reply(is_it) => {
                is_it(command, oracle, subject)
                    || inner.as_ref().is_some_and(|inner| is_it(inner, oracle, subject))
            }
            Sign::Event(_) | Sign::NotSent(_) => false,
        });
        if let Some(known) = found {
            *self.met.entry(known.reason).or_default() += 1;
        }
        found.is_some()
    }

    /// Whether a command is not to be sent, in a transaction or not.
    pub fn keeps_back(&self, command: &Command, is_queueing: bool) -> bool {
        let inner = scripting::inner(command);
        self.entries.iter().any(|known| match known.sign {
            Sign::NotSent(is_it) => {
                is_it(command, is_queueing)
                    || inner.as_ref().is_some_and(|inner| is_it(inner, true))
            }
            Sign::Reply(_) | Sign::Event(_) => false,
        })
    }

    /// The messages that both servers must have sent, without those that are known to differ.
    pub fn without_known(&mut self, steps: &[Step], heard: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut rest = heard.to_vec();
        for known in &self.entries {
            let Sign::Event(is_it) = known.sign else { continue };
            let before = rest.len();
            rest.retain(|message| !is_it(steps, message));
            if rest.len() < before {
                *self.met.entry(known.reason).or_default() += (before - rest.len()) as u64;
            }
        }
        rest
    }

    /// What was met, in lines for people: how often, what becomes of it, what it is.
    pub fn lines(&self) -> Vec<String> {
        let line = |known: &&Known| {
            let not_sent = matches!(known.sign, Sign::NotSent(_));
            let count = match self.met.get(known.reason) {
                Some(count) => format!("{count} times"),
                None if not_sent => "not sent".to_owned(),
                None => return None,
            };
            let ending = match known.ending {
                Ending::Stays => "stays",
                Ending::ToMend => "to mend",
            };
            Some(format!("known difference ({ending}), {count}: {}", known.reason))
        };
        self.entries.iter().filter_map(line).collect()
    }
}
