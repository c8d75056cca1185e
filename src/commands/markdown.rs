//! `docs/commands.md`, made of the declarations, and of the list of what is missing, which a test
//! holds against the oracles (`tests/conformance/table-missing`). The test below holds the file
//! that is committed against them, and writes it anew on request.

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

#[test]
fn commands_md_is_what_the_declarations_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md");
    let made = page(&super::registry());
    if std::env::var_os("REDSTART_WRITE_DOCS").is_some() {
        std::fs::write(path, made).expect("docs/commands.md can be written");
        return;
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == made, "docs/commands.md is out of date: `make docs` writes it anew");
}
