//! The command table of a server held against the oracles': what clients, proxies and cluster
//! libraries read from COMMAND must be the same for every command that both have.

use std::collections::BTreeMap;

use super::expect;
use super::target::{Target, Tcp};
use crate::support::resp::{Kind, Value};

/// The fields of a command that are compared, by their place in COMMAND's reply.
const FIELDS: [(usize, &str); 8] = [
    (1, "arity"),
    (2, "flags"),
    (3, "first key"),
    (4, "last key"),
    (5, "step"),
    (6, "ACL categories"),
    (7, "tips"),
    (8, "key specifications"),
];
const SUBCOMMANDS: usize = 9;

/// A field of a command that is another one in the oracle.
pub struct Difference {
    /// `get: arity`
    pub place: String,
    /// What both say.
    pub values: String,
}

/// Every difference in a command that an oracle knows, too; the first that does counts.
pub fn differences(
    target: &mut dyn Target,
    oracles: &mut [Tcp],
) -> Result<Vec<Difference>, String> {
    let ours = commands(target)?;
    let theirs: Vec<BTreeMap<String, Vec<Value>>> =
        oracles.iter_mut().map(|oracle| commands(oracle)).collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    for (name, ours) in &ours {
        let Some(theirs) = theirs.iter().find_map(|theirs| theirs.get(name)) else { continue };
        for (index, field) in FIELDS {
            let (ours, theirs) = (shown(ours.get(index)), shown(theirs.get(index)));
            if ours != theirs {
                let values = format!("{ours}, the oracle says {theirs}");
                found.push(Difference { place: format!("{name}: {field}"), values });
            }
        }
    }
    Ok(found)
}

/// The commands that an oracle has and the target has not.
pub fn missing(target: &mut dyn Target, oracles: &mut [Tcp]) -> Result<Vec<String>, String> {
    let ours = commands(target)?;
    let mut missing = Vec::new();
    for oracle in oracles {
        missing.extend(commands(oracle)?.into_keys().filter(|name| !ours.contains_key(name)));
    }
    missing.sort();
    missing.dedup();
    Ok(missing)
}

/// Every command and subcommand by its full name.
fn commands(target: &mut dyn Target) -> Result<BTreeMap<String, Vec<Value>>, String> {
    target.begin()?;
    let reply = target.call(1, &[b"COMMAND".to_vec()]).map_err(|error| format!("{error:?}"))?;
    let mut found = BTreeMap::new();
    collect(reply, &mut found)?;
    Ok(found)
}

fn collect(list: Value, found: &mut BTreeMap<String, Vec<Value>>) -> Result<(), String> {
    let Value::Items(_, list) = list else { return Err("COMMAND is not a list".to_owned()) };
    for command in list {
        match command {
            Value::Items(_, mut fields) if fields.len() > SUBCOMMANDS => {
                let Value::Bulk(name) = &fields[0] else {
                    return Err("a command without a name".to_owned());
                };
                let name = String::from_utf8_lossy(name).into_owned();
                collect(fields.remove(SUBCOMMANDS), found)?;
                found.insert(name, fields);
            }
            other => return Err(format!("not a command: {other:?}")),
        }
    }
    Ok(())
}

/// A field in one line, with what has no order sorted and without remarks for readers.
fn shown(field: Option<&Value>) -> String {
    match field {
        Some(Value::Items(_, items)) => {
            let mut texts: Vec<String> = items.iter().map(|item| shown(Some(item))).collect();
            let is_word = |item: &Value| matches!(item, Value::Simple(_));
            let is_tip = |item: &Value| matches!(item, Value::Bulk(tip) if tip.contains(&b'_'));
            if items.iter().all(|item| is_word(item) || is_tip(item)) {
                texts.sort();
            }
            if texts.first().is_some_and(|text| text == "\"notes\"") {
                texts.drain(..2);
            }
            format!("[{}]", texts.join(" "))
        }
        Some(scalar) => {
            let mut lines = Vec::new();
            expect::render(scalar, 0, &mut lines);
            lines.concat()
        }
        None => "nothing".to_owned(),
    }
}

/// The names in a reply that is a list of names.
pub fn names(reply: &Value) -> Vec<String> {
    let Value::Items(Kind::Array | Kind::Set, items) = reply else { return Vec::new() };
    let name = |item: &Value| match item {
        Value::Bulk(name) | Value::Simple(name) => Some(String::from_utf8_lossy(name).into_owned()),
        _ => None,
    };
    items.iter().filter_map(name).collect()
}
