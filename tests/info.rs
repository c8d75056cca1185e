//! INFO: dashboards and exporters read it, so every field of Redis's is told, in its section.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use support::client::Client;
use support::server::{Server, installed_redis};
use support::talk::{call, connect, text};

/// Sections, their fields, and the fields' values.
type Told = BTreeMap<String, BTreeMap<String, String>>;

/// Fields of Redis's that are not told here, and why. There is none now.
const ABSENT: [(&str, &str); 0] = [];

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
            assert!(fields.insert(name.into(), value.into()).is_none(), "{name} is told twice");
        } else {
            assert_eq!(line, "", "a line without a field");
        }
    }
    told
}

/// The same life for both: keys in two databases, errors of several kinds, a script.
fn live(client: &mut Client) {
    for line in [
        "SET string 1",
        "SET volatile 1 EX 1000",
        "LPUSH string x",
        "NOPE",
        "GET",
        "GET string",
        "EVALSHA 0000000000000000000000000000000000000000 0",
        "CONFIG GET maxmemory",
        "CONFIG SET maxmemory wrong",
        "SELECT 3",
        "RPUSH list a b c",
    ] {
        call(client, line);
    }
}

/// A value with its numbers taken out: what a parser sees of it, but for what 7.0 has not.
fn shape(value: &str) -> String {
    let mut shape = String::new();
    for letter in value.split(",subexpiry=").next().unwrap_or_default().chars() {
        match letter {
            '0'..='9' | '.' if shape.ends_with('#') => {}
            '0'..='9' => shape.push('#'),
            other => shape.push(other),
        }
    }
    shape
}

/// Sections whose fields are named after what has happened.
const COUNTED: [&str; 4] = ["Commandstats", "Errorstats", "Latencystats", "Keyspace"];

fn compare(args: &[&str]) {
    let Some((program, version)) = installed_redis() else { return };
    if !version.starts_with("7.0.") {
        return;
    }
    let redstart = Path::new(env!("CARGO_BIN_EXE_redstart"));
    let [here, there] = [redstart, &program].map(|program| {
        let server = Server::start(program, args).expect("the server starts");
        let mut client = connect(&server);
        live(&mut client);
        told(&mut client)
    });
    let sections: BTreeSet<_> = there.keys().collect();
    let own = here.keys().filter(|section| !["Threads", "Hotkeys"].contains(&section.as_str()));
    assert_eq!(own.collect::<BTreeSet<_>>(), sections);
    let mut missing = Vec::new();
    for (section, fields) in &there {
        for (field, value) in fields {
            let is_absent = ABSENT.contains(&(section.as_str(), field.as_str()));
            match here[section].get(field) {
                Some(_) if is_absent => missing.push(format!("{section}: {field} is told")),
                None if !is_absent => missing.push(format!("{section}: {field}")),
                Some(own) if COUNTED.contains(&section.as_str()) && shape(own) != shape(value) => {
                    missing.push(format!("{field}: {own} | {value}"));
                }
                _ => {}
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert_eq!(here["Errorstats"]["errorstat_NOSCRIPT"], there["Errorstats"]["errorstat_NOSCRIPT"]);
    assert_eq!(here["Keyspace"]["db3"], format!("{},subexpiry=0", there["Keyspace"]["db3"]));
    let calls = |told: &Told, field: &str| {
        let value = &told["Commandstats"][field];
        value.split(',').filter(|part| !part.starts_with("usec")).collect::<Vec<_>>().join(",")
    };
    // Until a server serves it is asked whether it does.
    for field in there["Commandstats"].keys().filter(|field| *field != "cmdstat_ping") {
        assert_eq!(calls(&here, field), calls(&there, field), "{field}");
    }
}

#[test]
fn every_field_is_told_in_its_section() {
    compare(&["--save", ""]);
}

#[test]
fn every_field_about_the_log_is_told_too() {
    compare(&["--save", "", "--appendonly", "yes"]);
}
