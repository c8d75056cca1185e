//! INFO: dashboards and exporters read it, so every field of Redis's is told, in its section, and
//! says after the same work what it says there. What is told differently stands in
//! `info/differences.rs`, with its reason.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

#[path = "info/differences.rs"]
mod differences;
#[path = "info/work.rs"]
mod work;

use differences::{ABSENT, DIFFERENT, How};
use std::collections::{BTreeMap, BTreeSet};
use support::client::Client;
use support::oracles::{Asked, oracle, redstart};
use support::talk::{call, connect, text};
use work::{Guests, work};

/// Sections, their fields, and the fields' values.
type Told = BTreeMap<String, BTreeMap<String, String>>;

const REDSTART: &str = env!("CARGO_BIN_EXE_redstart");

fn told(client: &mut Client) -> Told {
    let all = text(call(client, "INFO everything"));
    let mut told = Told::new();
    let mut section = String::new();
    for line in all.split("\r\n") {
        if let Some(title) = line.strip_prefix("# ") {
            section = title.to_owned();
            told.entry(section.clone()).or_default();
        } else if let Some((name, value)) = line.split_once(':') {
            let fields = told.entry(section.clone()).or_default();
            let twice = fields.insert(name.into(), value.into()).is_some();
            assert!(!twice || name == "module", "{name} is told twice");
        } else {
            assert_eq!(line, "", "a line without a field");
        }
    }
    told
}

/// A value with its numbers taken out: what a parser sees of it.
fn shape(value: &str) -> String {
    let mut shape = String::new();
    for letter in value.chars() {
        match letter {
            '0'..='9' | '.' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            other => shape.push(other),
        }
    }
    shape
}

/// Sections whose values are lists of counts and times.
const COUNTED: [&str; 3] = ["Commandstats", "Latencystats", "Keyspace"];

/// The number that a value begins with.
fn number(value: &str) -> Option<f64> {
    let end = value.find(|letter: char| !matches!(letter, '0'..='9' | '.' | '-'));
    value[..end.unwrap_or(value.len())].parse().ok()
}

/// Whether both servers say the same, as far as they can.
fn agree(how: Option<How>, own: &str, other: &str) -> bool {
    match (how, number(own), number(other)) {
        (None, ..) => own == other,
        (Some(How::Otherwise(_)), ..) => true,
        (Some(How::Near), Some(own), Some(other)) => {
            own.max(other) <= 2.0 * own.min(other) || (own - other).abs() <= 2.0
        }
        (Some(How::Positive), Some(own), Some(other)) => own > 0.0 && other > 0.0,
        (Some(How::Shape), ..) => shape(own) == shape(other),
        (Some(_), ..) => false,
    }
}

fn how(field: &str) -> Option<How> {
    DIFFERENT.iter().find(|(name, _)| *name == field).map(|(_, how)| *how)
}

/// Whether a field of both servers says the same.
fn is_same(section: &str, field: &str, own: &str, other: &str) -> bool {
    match how(field) {
        None if COUNTED.contains(&section) => untimed(own, other) == untimed(other, own),
        how => agree(how, own, other),
    }
}

/// What two servers say of the same work, and what they say otherwise.
fn compare(here: &Told, there: &Told) -> Vec<String> {
    let mut wrong = Vec::new();
    for (section, fields) in there {
        if ABSENT.iter().any(|(absent, _)| absent == section) {
            continue;
        }
        let Some(own_fields) = here.get(section) else {
            wrong.push(format!("no section {section}"));
            continue;
        };
        for (field, value) in fields {
            let is_absent = ABSENT.iter().any(|(absent, _)| absent == field);
            match own_fields.get(field) {
                Some(_) if is_absent => wrong.push(format!("{field} is told")),
                None if !is_absent => wrong.push(format!("{field} is not told")),
                Some(own) if !is_same(section, field, own, value) => {
                    wrong.push(format!("{field}: {own}, there {value}"));
                }
                _ => {}
            }
        }
    }
    wrong
}

/// The parts of a value that have no time in them, and their names if they have: `calls=2`. What
/// the other value has not is left out.
fn untimed<'a>(value: &'a str, other: &str) -> Vec<&'a str> {
    fn name(part: &str) -> &str {
        part.split_once('=').map_or(part, |(name, _)| name)
    }
    let is_shared = |part: &&str| other.split(',').any(|its| its.starts_with(name(part)));
    let is_timed = |name: &str| name.starts_with("usec") || name.starts_with('p');
    value
        .split(',')
        .filter(is_shared)
        .map(|part| match name(part) {
            name if is_timed(name) || name == "avg_ttl" => name,
            _ => part,
        })
        .collect()
}

/// The numbers of one server fit each other.
fn check_sums(told: &Told) {
    let memory = &told["Memory"];
    let bytes = |name: &str| number(&memory[name]).expect("a number");
    let used = bytes("used_memory");
    assert!(bytes("used_memory_peak") >= used);
    assert!(bytes("used_memory_startup") >= 500_000.0, "a process needs memory");
    assert_eq!(bytes("used_memory_overhead") + bytes("used_memory_dataset"), used);
    assert!(bytes("used_memory_dataset") >= work::DATA_BYTES as f64);
    assert!(bytes("mem_not_counted_for_evict") < used - work::DATA_BYTES as f64);
    assert!(bytes("used_memory_rss") > bytes("allocator_resident"));
    let ratio = bytes("used_memory_rss") / used;
    assert!((bytes("mem_fragmentation_ratio") - ratio).abs() < 0.02);
    assert_eq!(bytes("mem_fragmentation_bytes"), bytes("used_memory_rss") - used);
    let sections = told.values().flatten();
    for (field, reads) in sections.filter(|(field, _)| field.starts_with("io_thread_")) {
        assert!(shape(reads) == "clients=#,reads=#,writes=#", "{field}: {reads}");
    }
}

fn ask(asked: &Asked, args: &[&str], fields_expire: bool) -> Told {
    let mut client = connect(&asked.server);
    let guests: Guests = work(&asked.server, &mut client, fields_expire);
    let told = told(&mut client);
    drop(guests);
    assert!(!told.is_empty(), "{args:?}");
    told
}

fn compare_with(name: &'static str, args: &[&str]) {
    let Some(there) = oracle(name, args) else { return };
    let fields_expire = !there.is_old;
    let own = redstart(REDSTART, args);
    let [here, there] = [own, there].map(|asked| ask(&asked, args, fields_expire));
    check_sums(&here);
    let wrong = compare(&here, &there);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_field_says_what_it_says_in_redis_8() {
    compare_with("redis-8", &["--save", ""]);
}

#[test]
fn every_field_about_the_log_does_too() {
    compare_with("redis-8", &["--save", "", "--appendonly", "yes"]);
}

#[test]
fn every_field_says_what_it_says_in_redis_7() {
    compare_with("redis-7", &["--save", "", "--appendonly", "yes"]);
}

/// Fields that only Valkey has are its own; those that it shares with Redis mean the same.
#[test]
fn what_valkey_shares_with_redis_means_the_same() {
    let args = ["--save", ""];
    let Some(there) = oracle("valkey-9", &args) else { return };
    let [here, mut there] =
        [redstart(REDSTART, &args), there].map(|asked| ask(&asked, &args, true));
    for (section, fields) in &mut there {
        let own = here.get(section);
        fields.retain(|field, _| own.is_some_and(|own| own.contains_key(field)));
    }
    there.retain(|_, fields| !fields.is_empty());
    let wrong = compare(&here, &there);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_idle_server_has_memory_in_use() {
    let server = redstart(REDSTART, &["--save", ""]).server;
    let told = told(&mut connect(&server));
    let number = |field: &str| number(&told["Memory"][field]).expect("a number");
    assert!(number("used_memory") >= number("used_memory_startup"));
    // Redis 8.6.3 says 21.
    assert!(number("mem_fragmentation_ratio") < 100.0);
}

#[test]
fn no_reason_is_about_what_is_not_told() {
    let names: BTreeSet<&str> = DIFFERENT.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), DIFFERENT.len(), "a field is listed twice");
    let server = redstart(REDSTART, &["--save", "", "--appendonly", "yes"]).server;
    let told = told(&mut connect(&server));
    let is_told = |name: &&&str| told.values().any(|fields| fields.contains_key(**name));
    let unknown: Vec<_> = names.iter().filter(|name| !is_told(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
