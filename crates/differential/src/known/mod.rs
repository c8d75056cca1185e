//! Where Redstart and an oracle are known to differ: the table of it, each entry with the versions
//! that it is about and its reason. What an entry covers does not stop a run; it is counted, and
//! the counts are shown at the end, so that nothing is passed over in silence.
//!
//! This is about answers that are really different. What chance decides, and what one server says
//! in another order than the other, is in [`crate::normalise`].

mod bits;
mod places;
mod sorts;
mod streams;
mod table;

pub(crate) use table::{is_event, says};

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::audit::{looks_up_in_any_order, same_misses};
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
    /// In a message about an event, which one of them sends alone, or at another place. The steps
    /// are the stream's.
    Event(fn(&[Step], &[u8]) -> bool),
    /// In such a message, where in the same stream the entry with this reason was met before.
    EventBeside(&'static str, fn(&[u8]) -> bool),
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
    /// What was met in the stream that runs now.
    met_now: BTreeSet<&'static str>,
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
        let all = table::TABLE
            .iter()
            .chain(places::TABLE)
            .chain(bits::TABLE)
            .chain(sorts::TABLE)
            .chain(streams::TABLE);
        Self { entries: all.filter(is_about).collect(), ..Self::none() }
    }

    /// Of an oracle of which nothing is known.
    pub fn none() -> Self {
        Self { entries: Vec::new(), met: BTreeMap::new(), met_now: BTreeSet::new() }
    }

    /// Another stream begins.
    pub fn begin_stream(&mut self) {
        self.met_now.clear();
    }

    fn count(&mut self, known: &Known) {
        *self.met.entry(known.reason).or_default() += 1;
        self.met_now.insert(known.reason);
    }

    /// Whether two replies to a command differ as is known. Counts it.
    pub fn covers(&mut self, command: &Command, oracle: &[u8], subject: &[u8]) -> bool {
        let inner = scripting::inner(command);
        let found = self.entries.iter().copied().find(|known| match known.sign {
            Sign::Reply(is_it) => {
                is_it(command, oracle, subject)
                    || inner.as_ref().is_some_and(|inner| is_it(inner, oracle, subject))
            }
            Sign::Event(_) | Sign::EventBeside(..) | Sign::NotSent(_) => false,
        });
        if let Some(known) = found {
            self.count(known);
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
            Sign::Reply(_) | Sign::Event(_) | Sign::EventBeside(..) => false,
        })
    }

    /// Compares what both servers' listeners heard while these steps ran. Where they part, a
    /// message that is known to differ is passed over, the oracle's first. Where nothing is known,
    /// the places in both.
    pub fn part(
        &mut self,
        steps: &[Step],
        oracle: &[Vec<u8>],
        subject: &[Vec<u8>],
    ) -> Option<(usize, usize)> {
        let (mut here, mut there) = (0, 0);
        let in_any_order = looks_up_in_any_order(steps);
        while here < oracle.len() || there < subject.len() {
            let (message, other) = (oracle.get(here), subject.get(there));
            if message == other {
                (here, there) = (here + 1, there + 1);
            } else if let Some(count) =
                same_misses(&oracle[here..], &subject[there..]).filter(|_| in_any_order)
            {
                (here, there) = (here + count, there + count);
            } else if message.is_some_and(|message| self.is_known_event(steps, message)) {
                here += 1;
            } else if other.is_some_and(|message| self.is_known_event(steps, message)) {
                there += 1;
            } else {
                return Some((here, there));
            }
        }
        None
    }

    fn is_known_event(&mut self, steps: &[Step], message: &[u8]) -> bool {
        let found = self.entries.iter().copied().find(|known| match known.sign {
            Sign::Event(is_it) => is_it(steps, message),
            Sign::EventBeside(reason, is_it) => self.met_now.contains(reason) && is_it(message),
            Sign::Reply(_) | Sign::NotSent(_) => false,
        });
        if let Some(known) = found {
            self.count(known);
        }
        found.is_some()
    }

    /// What was met, in lines for people: how often, what becomes of it, what it is.
    pub fn lines(&self) -> Vec<String> {
        let line = |known: &&Known| {
            let not_sent = matches!(known.sign, Sign::NotSent(_));
            let count = match self.met.get(known.reason) {
                Some(count) => format!("{count} times"),
                None if not_sent => "not sent".to_owned(),
                None if known.ending == Ending::ToMend => "never met".to_owned(),
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn of(product: Product, version: &str) -> Differences {
        Differences::of(&Oracle {
            name: "oracle",
            product,
            version: version.to_owned(),
            program: PathBuf::new(),
            is_known: true,
        })
    }

    #[test]
    fn a_difference_is_one_of_its_versions_only() {
        let object = Command::new(["OBJECT", "ENCODING", "k"]);
        let (quick, packed) = (b"$9\r\nquicklist\r\n", b"$8\r\nlistpack\r\n");
        assert!(of(Product::Redis, "7.0.15").covers(&object, quick, packed));
        assert!(!of(Product::Redis, "7.2.4").covers(&object, quick, packed));
        assert!(!of(Product::Redis, "7.0.15").covers(&object, packed, quick));
        assert!(!Differences::none().covers(&object, quick, packed));
    }

    #[test]
    fn an_entry_is_found_in_a_script_and_counted() {
        let mut valkey = of(Product::Valkey, "9.1.2");
        let words = ["EVAL", "return redis.call(unpack(ARGV))", "0", "GETEX", "k", "EX", "x"];
        let refused = b"-ERR value is not an integer or out of range\r\n";
        assert!(valkey.covers(&Command::new(words), refused, b"$-1\r\n"));
        assert_eq!(valkey.lines().iter().filter(|line| line.contains("1 times")).count(), 1);
    }

    #[test]
    fn what_would_part_the_states_is_kept_back() {
        let valkey = of(Product::Valkey, "9.1.2");
        assert!(valkey.keeps_back(&Command::new(["WATCH", "k"]), true));
        assert!(!valkey.keeps_back(&Command::new(["WATCH", "k"]), false));
    }

    #[test]
    fn messages_that_are_known_are_passed_over_where_they_part() {
        let mut valkey = of(Product::Valkey, "9.1.2");
        let message = |name: &str| format!("*1\r\n${}\r\n{name}\r\n", name.len()).into_bytes();
        let heard = |names: &[&str]| names.iter().map(|name| message(name)).collect::<Vec<_>>();
        let oracle = heard(&["set", "lpush", "new"]);
        assert_eq!(valkey.part(&[], &oracle, &heard(&["set", "del", "lpush", "new"])), None);
        assert_eq!(valkey.part(&[], &oracle, &heard(&["set", "lpush"])), Some((2, 2)));
        assert_eq!(valkey.part(&[], &oracle, &heard(&["del", "rpush"])), Some((0, 1)));
    }
}
