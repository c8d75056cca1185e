//! Which databases a selector allows: Valkey's rules `db=`, `alldbs` and `resetdbs`. Redis has
//! none, and no selector is limited without such a rule.
//!
//! The database that is selected counts for what looks at keys, and those that arguments name
//! (SELECT, MOVE, COPY, SWAPDB) count always. What is about all databases needs all of them.

use crate::access::selector::{Denied, Reason, SYNTAX};
use redstart_engine::Registry;
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::{Databases as Named, categories};
use redstart_protocol::{Args, parse_i64};
use std::sync::Arc;

const OUT_OF_RANGE: Reason = "The provided database ID is out of range";

/// Where a request is about to run.
#[derive(Clone, Copy, Debug)]
pub struct Where {
    /// The database that is selected.
    pub db: usize,
    /// How many there are.
    pub count: usize,
}

/// Databases that are allowed, where not all are.
#[derive(Clone, Debug)]
pub struct Databases {
    /// Ascending.
    allowed: Vec<u32>,
    /// The commands that look at keys of the selected one, a bit for each id.
    looking: Arc<[u64]>,
}

impl Databases {
    /// The databases of a list with commas (`db=`), or none at all.
    ///
    /// # Errors
    /// Why the rule is refused.
    pub fn new(list: Option<&[u8]>, registry: &Registry) -> Result<Databases, Reason> {
        let numbers = list.into_iter().flat_map(|list| list.split(|byte| *byte == b','));
        let mut allowed = numbers.map(number).collect::<Result<Vec<u32>, Reason>>()?;
        allowed.sort_unstable();
        allowed.dedup();
        let mut looking = vec![0; registry.len().div_ceil(64)];
        for registered in registry.iter().filter(|registered| looks(registered)) {
            looking[usize::from(registered.id) / 64] |= 1 << (registered.id % 64);
        }
        Ok(Databases { allowed, looking: looking.into() })
    }

    /// Whether a request keeps to them.
    ///
    /// # Errors
    /// Which argument names another one; the command's name stands for the one that is selected.
    pub fn check(
        &self,
        registered: &Registered,
        args: Args<'_>,
        place: Where,
    ) -> Result<(), Denied> {
        let (word, bit) = (usize::from(registered.id) / 64, registered.id % 64);
        let looks = self.looking[word] & 1 << bit != 0;
        if looks && !self.allows(place.db) || registered.command.databases == Named::All {
            return Err(Denied::Database(0));
        }
        let mut denied = None;
        for at in registered.command.databases_named(args) {
            let named = parse_i64(args.at(at)).and_then(|number| usize::try_from(number).ok());
            // What names no database is refused by the command as a whole.
            let Some(db) = named.filter(|db| *db < place.count) else { return Ok(()) };
            if denied.is_none() && !self.allows(db) {
                denied = Some(Denied::Database(at));
            }
        }
        denied.map_or(Ok(()), Err)
    }

    fn allows(&self, db: usize) -> bool {
        self.allowed.iter().any(|allowed| *allowed as usize == db)
    }

    /// The rule, as ACL LIST shows it.
    pub fn rule(&self) -> String {
        match self.allowed.is_empty() {
            true => "resetdbs".to_owned(),
            false => self.list(),
        }
    }

    /// The databases, as ACL GETUSER shows them.
    pub fn list(&self) -> String {
        let numbers: Vec<String> = self.allowed.iter().map(u32::to_string).collect();
        if numbers.is_empty() { String::new() } else { format!("db={}", numbers.join(",")) }
    }
}

fn number(text: &[u8]) -> Result<u32, Reason> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(SYNTAX);
    }
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i32>().ok());
    number.and_then(|number| u32::try_from(number).ok()).ok_or(OUT_OF_RANGE)
}

/// Whether a command looks at keys of the database that is selected.
fn looks(registered: &Registered) -> bool {
    let categories = categories(registered.command, registered.container);
    let is_about_keys = |name: &&str| matches!(*name, "@keyspace" | "@read" | "@write");
    categories.iter().any(is_about_keys) || registered.command.has_keys()
}
