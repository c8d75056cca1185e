//! COMMAND INFO: a command as programs read it.

use super::tips;
use redstart_engine::Command;
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::*;
use redstart_protocol::Reply;

/// Writes a command and its subcommands.
pub fn write(out: &mut Reply, registered: &Registered) {
    describe(out, registered.command, registered.container);
}

fn describe(out: &mut Reply, command: &Command, container: Option<&Command>) {
    let name = full_name(command, container);
    let (first, last, step) = range(command.keys);
    out.array(10);
    out.bulk(name.as_bytes());
    out.integer(command.arity.number());
    words(out, &flags(command));
    out.integer(first);
    out.integer(last);
    out.integer(step);
    words(out, &categories(command, container));
    let tips = tips::of(&name);
    out.set(tips.len());
    tips.iter().for_each(|tip| out.bulk(tip.as_bytes()));
    out.set(command.keys.len());
    for (index, spec) in command.keys.iter().enumerate() {
        key_spec(out, spec, tips::note(&name, index));
    }
    match command.subcommands {
        [] => out.set(0),
        list => {
            out.array(list.len());
            list.iter().for_each(|subcommand| describe(out, subcommand, Some(command)));
        }
    }
}

/// `container|subcommand`, or the plain name.
pub fn full_name(command: &Command, container: Option<&Command>) -> String {
    match container {
        Some(container) => format!("{}|{}", container.name, command.name),
        None => command.name.into(),
    }
}

/// A set of simple strings.
pub fn words(out: &mut Reply, words: &[&str]) {
    out.set(words.len());
    words.iter().for_each(|word| out.simple(word));
}

fn flags(command: &Command) -> Vec<&'static str> {
    let told = FLAG_NAMES.iter().filter(|(flag, _)| command.is(*flag)).map(|(_, name)| *name);
    told.chain(has_movable_keys(command.keys).then_some("movablekeys")).collect()
}

/// First key, last key and step, as far as those can express it.
fn range(keys: &[KeySpec]) -> (i64, i64, i64) {
    let simple = keys.iter().filter_map(|spec| match (spec.begin, spec.find) {
        (Begin::Index(first) | Begin::IndexIf(first, _), Find::Range { last, step }) => {
            let first = i64::from(first);
            let last = i64::from(last);
            Some((first, if last < 0 { last } else { first + last }, i64::from(step)))
        }
        _ => None,
    });
    let joined = simple.reduce(|one, other| {
        let last = if other.1 < 0 || one.1 < 0 { one.1.min(other.1) } else { one.1.max(other.1) };
        (one.0.min(other.0), last, one.2)
    });
    joined.unwrap_or((0, 0, 0))
}

/// The words for what is done with a key.
pub fn access_words(access: Access) -> Vec<&'static str> {
    ACCESS_NAMES.iter().filter(|(flag, _)| access & flag != 0).map(|(_, name)| *name).collect()
}

fn key_spec(out: &mut Reply, spec: &KeySpec, note: Option<&str>) {
    out.map(3 + usize::from(note.is_some()));
    if let Some(note) = note {
        out.bulk(b"notes");
        out.bulk(note.as_bytes());
    }
    out.bulk(b"flags");
    words(out, &access_words(spec.access));
    out.bulk(b"begin_search");
    match spec.begin {
        Begin::Index(index) | Begin::IndexIf(index, _) => {
            part(out, "index", &[("index", Field::Number(index.into()))])
        }
        Begin::Keyword(keyword, from) | Begin::Option(keyword, from, _) => part(
            out,
            "keyword",
            &[("keyword", Field::Word(keyword)), ("startfrom", Field::Number(from.into()))],
        ),
        Begin::Search(_) => part(out, "unknown", &[]),
    }
    out.bulk(b"find_keys");
    match spec.find {
        _ if matches!(spec.begin, Begin::Search(_)) => part(out, "unknown", &[]),
        Find::Anywhere => part(out, "unknown", &[]),
        Find::Range { last, step } => part(
            out,
            "range",
            &[
                ("lastkey", Field::Number(last.into())),
                ("keystep", Field::Number(step.into())),
                ("limit", Field::Number(0)),
            ],
        ),
        Find::Half => part(
            out,
            "range",
            &[
                ("lastkey", Field::Number(-1)),
                ("keystep", Field::Number(1)),
                ("limit", Field::Number(2)),
            ],
        ),
        Find::KeyNum { first, step } => part(
            out,
            "keynum",
            &[
                ("keynumidx", Field::Number(0)),
                ("firstkey", Field::Number(first.into())),
                ("keystep", Field::Number(step.into())),
            ],
        ),
    }
}

enum Field {
    Number(i64),
    Word(&'static str),
}

fn part(out: &mut Reply, kind: &str, fields: &[(&str, Field)]) {
    out.map(2);
    out.bulk(b"type");
    out.bulk(kind.as_bytes());
    out.bulk(b"spec");
    out.map(fields.len());
    for (name, field) in fields {
        out.bulk(name.as_bytes());
        match field {
            Field::Number(number) => out.integer(*number),
            Field::Word(word) => out.bulk(word.as_bytes()),
        }
    }
}
