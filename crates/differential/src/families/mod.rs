//! What a stream is drawn from: a table of generators, one a command, one file a family.
//!
//! A generator draws a command that is mostly right; [`Plan::draw`] then breaks some of them
//! (an argument dropped, added or replaced, the name's case), so that generators need not
//! care about wrong arity. A new family is a file with a table, and a line in [`FAMILIES`].

mod algebra;
mod bitmap;
mod blocking;
mod condition;
mod connection;
mod field;
mod function;
mod geo;
mod hash;
mod key;
mod list;
pub use list::LISTED;
mod payload;
mod pubsub;
pub mod scripting;
mod set;
pub use set::SETS;
mod sorted_set;
mod stream;
pub use stream::{FUTURE, TRIMMED};
mod string;
mod transaction;

use crate::source::Source;
use crate::stream::Command;
use crate::{deadline, wait};

/// How one command is drawn.
#[derive(Debug)]
pub struct Generator {
    /// The command's name, in upper case.
    pub name: &'static str,
    /// How often it is drawn, relative to the others.
    pub weight: u32,
    /// Draws the arguments after the name.
    pub draw: fn(&mut Source, &mut Command),
}

/// Every family: its name and its table.
pub const FAMILIES: &[(&str, &[Generator])] = &[
    ("string", string::TABLE),
    ("condition", condition::TABLE),
    ("bitmap", bitmap::BITMAP),
    ("hyperloglog", bitmap::HYPERLOGLOG),
    ("hash", hash::TABLE),
    ("field", field::TABLE),
    ("list", list::TABLE),
    ("set", set::TABLE),
    ("sorted_set", sorted_set::TABLE),
    ("algebra", algebra::TABLE),
    ("geo", geo::TABLE),
    ("stream", stream::TABLE),
    ("key", key::TABLE),
    ("payload", payload::TABLE),
    ("connection", connection::TABLE),
    ("transaction", transaction::TABLE),
    ("blocking", blocking::TABLE),
    ("pubsub", pubsub::TABLE),
    ("scripting", scripting::TABLE),
    ("function", function::TABLE),
];

/// The generators that a run draws from.
#[derive(Debug, Clone)]
pub struct Plan {
    generators: Vec<&'static Generator>,
    weight: u32,
}

impl Plan {
    /// The generators of `families` (all, if there are none), without those in `skip`, and
    /// only those in `only`, if there are any. Names are in any case.
    pub fn new(families: &[String], only: &[String], skip: &[String]) -> Result<Self, String> {
        for family in families {
            if !FAMILIES.iter().any(|(name, _)| name == family) {
                let known: Vec<_> = FAMILIES.iter().map(|(name, _)| *name).collect();
                return Err(format!("no family {family:?}; there are {}", known.join(", ")));
            }
        }
        let has = |names: &[String], name: &str| names.iter().any(|n| n.eq_ignore_ascii_case(name));
        let generators: Vec<_> = FAMILIES
            .iter()
            .filter(|(family, _)| families.is_empty() || has(families, family))
            .flat_map(|(_, table)| table.iter())
            .filter(|g| (only.is_empty() || has(only, g.name)) && !has(skip, g.name))
            .collect();
        let weight = generators.iter().map(|g| g.weight).sum();
        if generators.is_empty() {
            Err("no command is left".into())
        } else {
            Ok(Self { generators, weight })
        }
    }

    /// The commands' names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.generators.iter().map(|g| g.name)
    }

    /// The next command of a stream; its deadlines are settled.
    pub fn draw(&self, source: &mut Source) -> Command {
        if source.ends_transaction() {
            return transaction::end(source);
        }
        let mut command = self.draw_right(source);
        if command.is("COMMAND") {
            command.args.extend(self.draw_inner(source).args);
        }
        if command.args.last().is_some_and(|last| last == scripting::INNER) {
            command.args.pop();
            let mut inner = self.draw_inner(source);
            damage(&mut inner, source);
            settle(&mut inner, source);
            command.args.extend(inner.args);
            return command;
        }
        damage(&mut command, source);
        settle(&mut command, source);
        command
    }

    /// A command that is a part of another one.
    fn draw_inner(&self, source: &mut Source) -> Command {
        loop {
            let command = self.draw_right(source);
            let opens = command.is("MULTI");
            if opens {
                source.leave_transaction();
            }
            if !opens && !scripting::is_eval(&command) && !command.is("COMMAND") {
                return command;
            }
        }
    }

    fn draw_right(&self, source: &mut Source) -> Command {
        let mut at = source.below(self.weight as usize) as u32;
        let drawn = self.generators.iter().find(|g| {
            let here = at < g.weight;
            at = at.wrapping_sub(g.weight);
            here
        });
        let generator = drawn.unwrap_or(&self.generators[0]);
        let mut command = Command::new([generator.name]);
        if source.chance(15) {
            command.args[0] = source.cased(generator.name);
        }
        (generator.draw)(source, &mut command);
        command
    }
}

fn settle(command: &mut Command, source: &mut Source) {
    deadline::settle(command, source);
    wait::settle(command);
    keep_small(command);
    sorted_set::keep_equal(command);
    pop_all(command);
    algebra::settle(command);
    stream::settle(command);
}

/// Breaks a few commands: drops, adds, replaces or swaps an argument.
fn damage(command: &mut Command, source: &mut Source) {
    if !source.chance(6) {
        return;
    }
    let count = command.args.len();
    let victim = 1 + source.below(count.max(2) - 1);
    match source.below(10) {
        0..4 if count > 1 => drop(command.args.remove(victim)),
        4..6 => command.args.insert(1 + source.below(count), source.junk()),
        6..8 if count > 1 => command.args[victim] = source.junk(),
        8 if count > 2 => command.args.swap(victim, count - 1),
        _ => command.args.truncate(1),
    }
}

/// SPOP takes all members or none: of some, each server would take others.
fn pop_all(command: &mut Command) {
    if !command.is("SPOP") || command.args.len() < 2 {
        return;
    }
    let count = command.args.get(2).map(|count| std::str::from_utf8(count).ok()?.parse().ok());
    match count {
        None => command.args.push(b"0".to_vec()),
        Some(Some(1..1_000_000i64)) => command.args[2] = b"1000000".to_vec(),
        Some(_) => {}
    }
}

/// A count far below zero asks HRANDFIELD and its kin for as many: more than memory holds.
fn keep_small(command: &mut Command) {
    let count = command.args.get(2).and_then(|count| std::str::from_utf8(count).ok()?.parse().ok());
    let draws = ["HRANDFIELD", "SRANDMEMBER", "ZRANDMEMBER"].iter().any(|name| command.is(name));
    if draws && count.is_some_and(|count: i64| (-i64::MAX..-1000).contains(&count)) {
        command.args[2] = b"-40".to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_obeys_its_filters() {
        let only = Plan::new(&["string".into()], &["get".into(), "del".into()], &[]).unwrap();
        assert_eq!(only.names().collect::<Vec<_>>(), ["GET"]);
        assert!(Plan::new(&["strings".into()], &[], &[]).is_err());
        assert!(!Plan::new(&[], &[], &["GET".into()]).unwrap().names().any(|n| n == "GET"));
    }

    #[test]
    fn every_command_is_drawn_and_settled() {
        let plan = Plan::new(&[], &[], &[]).unwrap();
        let mut source = Source::new(5);
        let drawn: Vec<_> = (0..100_000).map(|_| plan.draw(&mut source)).collect();
        for name in plan.names() {
            assert!(drawn.iter().any(|c| c.is(name)), "{name}");
        }
        assert!(drawn.iter().all(deadline::is_settled));
        assert!(drawn.iter().all(wait::is_settled));
    }
}
