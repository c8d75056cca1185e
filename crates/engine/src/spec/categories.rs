//! The ACL categories of a command: they follow from its declaration.

use crate::spec::*;

/// All ACL categories, with their `@`, in Redis's order.
pub const CATEGORIES: &[&str] = &[
    "@keyspace",
    "@read",
    "@write",
    "@set",
    "@sortedset",
    "@list",
    "@hash",
    "@string",
    "@bitmap",
    "@hyperloglog",
    "@geo",
    "@stream",
    "@pubsub",
    "@admin",
    "@fast",
    "@slow",
    "@blocking",
    "@dangerous",
    "@connection",
    "@transaction",
    "@scripting",
];

/// The ACL categories of a command, with their `@`, in Redis's order.
pub fn categories(command: &Command, container: Option<&Command>) -> Vec<&'static str> {
    // A container without flags is no command: it has no category but @slow.
    let has_flags = FLAG_NAMES.iter().any(|(flag, _)| command.is(*flag));
    let has_any = has_flags || has_movable_keys(command.keys);
    let is_mere_container = !has_any && !command.subcommands.is_empty();
    let own = if is_mere_container { None } else { group_category(command, container) };
    // Of channels, only what is flagged so is about them.
    let own = own.filter(|own| *own != "@pubsub");
    let scripting = own == Some("@scripting");
    let is = |category: &str| match category {
        "@read" => command.is(READONLY) && !scripting,
        "@write" => command.is(WRITE),
        "@pubsub" => command.is(PUBSUB),
        "@admin" => command.is(ADMIN | ADMIN_CATEGORY),
        "@fast" => command.is(FAST),
        "@slow" => !command.is(FAST),
        "@blocking" => command.is(BLOCKING),
        "@set" | "@sortedset" | "@list" => command.is(REACHES),
        "@dangerous" => command.is(ADMIN | DANGEROUS),
        _ => false,
    };
    CATEGORIES.iter().filter(|known| is(known) || own == Some(**known)).copied().collect()
}

/// Whether first key, last key and step do not suffice to find the keys.
pub fn has_movable_keys(keys: &[KeySpec]) -> bool {
    let is_simple =
        |spec: &KeySpec| matches!((spec.begin, spec.find), (Begin::Index(_), Find::Range { .. }));
    !keys.iter().all(is_simple)
}

/// The category that a command has by what it is about.
fn group_category(command: &Command, container: Option<&Command>) -> Option<&'static str> {
    let is_command = command.name == "command" || container.is_some_and(|c| c.name == "command");
    match command.group.name() {
        _ if is_command || command.is(WAITS) => Some("@connection"),
        "cluster" if command.is(FAST) => Some("@connection"),
        "server" if command.is(WHOLE_KEYSPACE | WALKS) => Some("@keyspace"),
        // SORT is about the types that it sorts.
        "generic" if command.is(REACHES) => None,
        "generic" => Some("@keyspace"),
        // Tags are of keys of all types; leases and locks are about strings.
        "cache" if command.is(WHOLE_KEYSPACE) => Some("@keyspace"),
        "cache" => Some("@string"),
        "sorted-set" => Some("@sortedset"),
        "transactions" => Some("@transaction"),
        name => CATEGORIES.iter().find(|category| &category[1..] == name).copied(),
    }
}
