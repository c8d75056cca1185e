//! COMMAND DOCS: a command as people read it, and as redis-cli hints its arguments.

use super::info::{full_name, words};
use redstart_engine::Command;
use redstart_engine::spec::syntax::{Argument, Kind, arguments};
use redstart_protocol::Reply;

/// Writes a command's name and its description, subcommands included.
pub fn write(out: &mut Reply, command: &Command, container: Option<&Command>) {
    out.bulk(full_name(command, container).as_bytes());
    let first = 1 + usize::from(container.is_some());
    let (list, deprecated) = (arguments(command, first), super::tips::replacement(command.name));
    let subcommands = command.subcommands;
    let optional = [!list.is_empty(), !subcommands.is_empty()];
    let count = optional.iter().filter(|there| **there).count();
    out.map(4 + count + if deprecated.is_some() { 3 } else { 0 });
    let doc = &command.doc;
    pair(out, "summary", doc.summary);
    pair(out, "since", doc.since);
    pair(out, "group", command.group.name());
    pair(out, "complexity", doc.complexity);
    if let Some((since, by)) = deprecated {
        out.bulk(b"doc_flags");
        words(out, &["deprecated"]);
        pair(out, "deprecated_since", since);
        pair(out, "replaced_by", by);
    }
    if !list.is_empty() {
        write_arguments(out, &list);
    }
    if !subcommands.is_empty() {
        out.bulk(b"subcommands");
        out.map(subcommands.len());
        subcommands.iter().for_each(|subcommand| write(out, subcommand, Some(command)));
    }
}

fn pair(out: &mut Reply, name: &str, text: &str) {
    out.bulk(name.as_bytes());
    out.bulk(text.as_bytes());
}

fn write_arguments(out: &mut Reply, list: &[Argument]) {
    out.bulk(b"arguments");
    out.array(list.len());
    list.iter().for_each(|argument| write_argument(out, argument));
}

fn write_argument(out: &mut Reply, argument: &Argument) {
    let marks = [
        (argument.optional, "optional"),
        (argument.multiple, "multiple"),
        (argument.multiple_token, "multiple_token"),
    ];
    let marks: Vec<&str> = marks.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    let (key, inner) = match &argument.kind {
        Kind::Key(spec) => (Some(*spec), None),
        Kind::OneOf(inner) | Kind::Block(inner) => (None, Some(inner)),
        Kind::Plain(_) | Kind::PureToken => (None, None),
    };
    let optional = [key.is_some(), argument.token.is_some(), !marks.is_empty()];
    // What has arguments in it has no text of its own to show: one more, either way.
    out.map(3 + optional.iter().filter(|there| **there).count());
    pair(out, "name", &argument.name);
    pair(out, "type", argument.kind.name());
    if inner.is_none() {
        pair(out, "display_text", &argument.name);
    }
    if let Some(spec) = key {
        out.bulk(b"key_spec_index");
        out.integer(spec as i64);
    }
    if let Some(token) = &argument.token {
        pair(out, "token", token);
    }
    if !marks.is_empty() {
        out.bulk(b"flags");
        words(out, &marks);
    }
    if let Some(inner) = inner {
        write_arguments(out, inner);
    }
}
