//! Valkey's rules about databases: what it decides, Redstart decides.

use crate::REDSTART;
use crate::support::client::Client;
use crate::support::oracles::{Asked, oracle, redstart};
use crate::support::resp::Value;
use crate::support::talk::connect;

/// Rules, alone and one behind the other.
const RULES: [&str; 30] = [
    "db=0",
    "db=0,1",
    "db=1,0,1",
    "alldbs",
    "resetdbs",
    "db=",
    "db=a",
    "db=-1",
    "db=99",
    "db=0,",
    "db=,0",
    "db=0,,1",
    "DB=2",
    "ALLDBS",
    "db=0 db=1",
    "db=0 alldbs",
    "alldbs db=0",
    "resetdbs db=3",
    "db=0-3",
    "db=01",
    "(db=1 +get ~*)",
    "(alldbs +get ~a)",
    "db=2147483647",
    "db=2147483648",
    "db=99999999999999999999",
    "db=1;2",
    "db=1 reset",
    "db=1 resetkeys",
    "dbs=1",
    "db==1",
];

/// Selectors, of which a user has one or two.
const SELECTORS: [&str; 5] = [
    "+ping ~* &* alldbs",
    "+@all ~b &* alldbs",
    "+@all ~* &* db=1",
    "+@all ~b &* db=1",
    "+ping ~* db=1",
];

/// What a user of two databases asks, for real and for trial.
const ASKED: [&str; 44] = [
    "select 1",
    "select 2",
    "select 99",
    "select x",
    "select -1",
    "select 0",
    "set a 1",
    "move a 1",
    "move a 2",
    "move a x",
    "copy a b db 1",
    "copy a b",
    "copy a b replace",
    "copy a b db 2 replace",
    "copy a b replace db 1",
    "copy a b db 2 db 1",
    "copy a b db",
    "copy a b db x",
    "copy a b DB 1",
    "swapdb 0 1",
    "swapdb 0 2",
    "swapdb 1 x",
    "swapdb x 1",
    "flushall",
    "flushdb",
    "flushall async",
    "scan 0",
    "dbsize",
    "randomkey",
    "keys *",
    "sort a store b",
    "function flush",
    "function list",
    "object help",
    "object encoding a",
    "publish a b",
    "ping",
    "echo a",
    "wait 0 0",
    "unwatch",
    "acl whoami",
    "eval return(redis.call('select','1')) 0",
    "eval return(redis.call('move',KEYS[1],'1')) 1 a",
    "eval return(1) 0",
];

fn say(client: &mut Client, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let reply = client.call(&words).unwrap_or_else(|error| panic!("{line}: {error:?}"));
    match reply {
        Value::Simple(text) | Value::Error(text) | Value::Bulk(text) => {
            let text = String::from_utf8_lossy(&text).into_owned();
            // What a script's error says behind what it is differs.
            text.split(" script: ").next().unwrap_or_default().to_owned()
        }
        Value::Items(..) => "items".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The rules of a user as ACL LIST shows them, without what only Redis says.
fn shown(client: &mut Client, user: &str) -> Vec<String> {
    let Ok(Value::Items(_, lines)) = client.call(&["ACL", "LIST"]) else { panic!("a list") };
    let text = lines.into_iter().map(|line| match line {
        Value::Bulk(text) => String::from_utf8_lossy(&text).replace(" sanitize-payload", ""),
        other => format!("{other:?}"),
    });
    text.filter(|line| line.starts_with(&format!("user {user} "))).collect()
}

/// All that is asked, and the replies.
fn decisions(asked: &Asked) -> Vec<(String, String)> {
    let mut admin = connect(&asked.server);
    let mut all = Vec::new();
    for rule in RULES {
        say(&mut admin, "ACL DELUSER u");
        let set = say(&mut admin, &format!("ACL SETUSER u on nopass ~* &* +@all {rule}"));
        all.push((rule.to_owned(), format!("{set} {:?}", shown(&mut admin, "u"))));
    }
    for first in SELECTORS {
        for second in std::iter::once(None).chain(SELECTORS.map(Some)) {
            let more = second.map_or(String::new(), |rules| format!(" ({rules})"));
            say(&mut admin, &format!("ACL SETUSER u reset on nopass {first}{more}"));
            all.push((format!("{first}{more}"), say(&mut admin, "ACL DRYRUN u get a")));
        }
    }
    say(&mut admin, "ACL SETUSER u reset on nopass ~* &* +@all db=0,2");
    let mut user = connect(&asked.server);
    say(&mut user, "AUTH u x");
    for line in ASKED {
        all.push((line.to_owned(), say(&mut admin, &format!("ACL DRYRUN u {line}"))));
        all.push((format!("really {line}"), say(&mut user, line)));
        say(&mut user, "SELECT 0");
    }
    // What was selected before counts as long as it is allowed.
    say(&mut user, "SELECT 2");
    for rule in ["db=0", "db=2", "resetdbs", "alldbs"] {
        say(&mut admin, &format!("ACL SETUSER u {rule}"));
        for line in ["get a", "dbsize", "flushall", "ping", "select 0", "select 2"] {
            all.push((format!("{rule}, {line}"), say(&mut user, line)));
        }
    }
    let Ok(Value::Items(_, log)) = admin.call(&["ACL", "LOG", "3"]) else { panic!("a list") };
    let about = |entry: Value| match entry {
        Value::Items(_, fields) => format!("{:?}", &fields[3..8]),
        other => format!("{other:?}"),
    };
    all.extend(log.into_iter().map(|entry| ("log".to_owned(), about(entry))));
    all
}

#[test]
fn decisions_about_databases_are_those_of_valkey() {
    let here = decisions(&redstart(REDSTART, &["--save", ""]));
    let Some(valkey) = oracle("valkey-9", &["--save", ""]) else { return };
    let there = decisions(&valkey);
    let pairs = here.iter().zip(&there).filter(|(here, there)| here != there);
    let different: Vec<_> = pairs.collect();
    assert!(different.is_empty() && here.len() == there.len(), "{different:#?}");
}
