//! `docs/commands.md` and a table of `docs/compatibility.md`, made of the declarations; the former
//! also of the list of what is missing, which a test holds against the oracles
//! (`tests/conformance/table-missing`). The tests below hold the files that are committed against
//! them, and write them anew on request.

use redstart_engine::{Command, Registry};
use std::collections::BTreeMap;
use std::fmt::Write;

const HEAD: &str = "\
# Commands

Made of the commands' declarations by
`make docs`; do not edit.
The version is the Redis version that a command came with; for the group `cache`, which no Redis
has, Redstart's.
";

/// The page: a table for each group.
fn page(registry: &Registry) -> String {
    let mut groups: BTreeMap<&str, BTreeMap<String, &Command>> = BTreeMap::new();
    for registered in registry.iter() {
        let command = registered.command;
        let name = registered.full_name().to_uppercase().replace('|', " ");
        groups.entry(command.group.name()).or_default().insert(name, command);
    }
    let mut text = HEAD.to_string();
    for (group, commands) in groups {
        let _ = write!(text, "\n## {group}\n\n{TABLE}");
        for (name, command) in commands {
            let doc = &command.doc;
            let syntax = format!("{name} {}", doc.syntax).trim_end().replace('|', "\\|");
            let _ = writeln!(
                text,
                "| `{syntax}` | {} | {} | {} | {} |",
                command.arity.number(),
                doc.since,
                doc.summary.replace('|', "\\|"),
                doc.complexity.replace('|', "\\|"),
            );
        }
    }
    text += MISSING;
    let lines = include_str!("../../tests/conformance/table-missing").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    for (name, reason) in lines.filter_map(|line| line.split_once(": ")) {
        let name = name.to_uppercase().replace('|', " ");
        let _ = writeln!(text, "| `{name}` | {} |", reason.replace('|', "\\|"));
    }
    text
}

const MISSING: &str = "
## What is not there

What COMMAND of Redis 8.6.3 has, or of Valkey 9.1.2, and Redstart has not; a star stands for any
ending.

| Command | Why |
| --- | --- |
";

const TABLE: &str = "\
| Command | Arity | Since | What it does | Cost |
| --- | --- | --- | --- | --- |
";

/// The names of all commands, a group a line; those of a container are counted.
fn names(registry: &Registry) -> String {
    let mut groups: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    for registered in registry.iter() {
        let full = registered.full_name().to_uppercase();
        let (name, is_within) = match full.split_once('|') {
            Some((container, _)) => (container.to_owned(), 1),
            None => (full, 0),
        };
        *groups.entry(registered.command.group.name()).or_default().entry(name).or_default() +=
            is_within;
    }
    let mut text = String::from("| group | commands |\n| --- | --- |\n");
    for (group, commands) in groups {
        let shown = commands.iter().map(|(name, within)| match within {
            0 => name.clone(),
            _ => format!("{name} ({within} subcommands)"),
        });
        let shown: Vec<String> = shown.collect();
        let _ = writeln!(text, "| [{group}](commands.md#{group}) | {} |", shown.join(", "));
    }
    text
}

/// Holds a file of `docs/` against what it should be, made of what it is; writes it on request.
#[track_caller]
fn hold(name: &str, made: impl FnOnce(&str) -> String) {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let made = made(&kept);
    if std::env::var_os("REDSTART_WRITE_DOCS").is_some() {
        std::fs::write(path, made).expect("it can be written");
        return;
    }
    assert!(kept == made, "docs/{name} is out of date: `make docs` writes it anew");
}

#[test]
fn commands_md_is_what_the_declarations_say() {
    hold("commands.md", |_| page(&super::registry()));
}

#[test]
fn commands_md_is_summed_up_in_compatibility_md() {
    const MARKS: [&str; 2] = ["<!-- `make docs` writes this table -->\n", "<!-- to here -->\n"];
    hold("compatibility.md", |kept| {
        let (before, rest) = kept.split_once(MARKS[0]).expect("the table has a beginning");
        let (_, after) = rest.split_once(MARKS[1]).expect("the table has an end");
        [before, MARKS[0], &names(&super::registry()), MARKS[1], after].concat()
    });
}
