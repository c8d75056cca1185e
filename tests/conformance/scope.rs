//! Where a section can run: the directives at its head, and which targets they leave out.

use redstart_differential::oracle::{KINDS, Oracle, Product};

use super::target::Target;

/// The name of Redstart among the targets, over TCP as in process.
pub const REDSTART: &str = "redstart";

/// The numbers of a version: 8.4 is `[8, 4]`.
type Version = Vec<u32>;

/// Where a section can run.
#[derive(Clone, Default)]
pub struct Scope {
    /// `! since redis-8.4 valkey-9.1`: from which version of each product on. A product that is not
    /// named has nothing of the kind. Empty where all have it.
    since: Vec<(Product, Version)>,
    /// `! documented redis-8.10`: newer than every oracle; its source is the documentation.
    documented: Option<String>,
    /// `! only redis-7 redstart`: on these targets alone. Empty for all.
    only: Vec<String>,
    /// `! wanted REASON`: what `redstart| ` says here, Redstart goes on saying.
    pub wanted: Option<String>,
    /// `! needs TYPE`: not where this type's commands are unknown.
    pub needs: Vec<String>,
    /// `! tcp-only`: it is about sessions, which only a server process has.
    pub tcp_only: bool,
}

impl Scope {
    /// Takes in a directive at the head of a section.
    pub fn apply(&mut self, word: &str, rest: &str) -> Result<(), String> {
        match word {
            "since" => self.since = rest.split(' ').map(parse_version).collect::<Result<_, _>>()?,
            "documented" => {
                parse_version(rest)?;
                self.documented = Some(rest.to_owned());
            }
            "only" => {
                self.only = rest.split(' ').map(str::to_owned).collect();
                self.only.iter().try_for_each(|name| check_target(name))?;
            }
            "wanted" if !rest.is_empty() => self.wanted = Some(rest.to_owned()),
            "needs" => self.needs.push(rest.to_owned()),
            "tcp-only" => self.tcp_only = true,
            _ => return Err(format!("unknown directive {:?}", format!("{word} {rest}"))),
        }
        Ok(())
    }

    /// Whether what the section is about can be had of this target.
    pub fn admits(&self, target: &dyn Target) -> bool {
        let is_named = self.only.is_empty() || self.only.iter().any(|name| name == target.name());
        is_named
            && (!self.tcp_only || target.has_sessions())
            && target.oracle().is_none_or(|oracle| self.is_known_to(oracle))
    }

    fn is_known_to(&self, oracle: &Oracle) -> bool {
        let version = numbers(&oracle.version);
        let has = |since: &(Product, Version)| {
            since.0 == oracle.product && version.as_ref().is_some_and(|version| since.1 <= *version)
        };
        self.documented.is_none() && (self.since.is_empty() || self.since.iter().any(has))
    }
}

/// Refuses what is no target's name.
pub fn check_target(name: &str) -> Result<(), String> {
    let is_target = name == REDSTART || KINDS.iter().any(|kind| kind.name == name);
    if is_target { Ok(()) } else { Err(format!("{name:?} is no target")) }
}

/// `redis-8.4` or `valkey-9.0.1`.
fn parse_version(text: &str) -> Result<(Product, Version), String> {
    let parts = text
        .split_once('-')
        .and_then(|(product, version)| Some((Product::from_name(product)?, numbers(version)?)));
    parts.ok_or_else(|| format!("{text:?} is no version"))
}

fn numbers(text: &str) -> Option<Version> {
    text.split('.').map(|part| part.parse().ok()).collect()
}
