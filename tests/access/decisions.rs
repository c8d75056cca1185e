//! Random users and requests: both servers must say the same of each, by ACL DRYRUN and by running
//! it; and ACL GETUSER must show the same rules.

use crate::support::client::Client;
use crate::support::resp::{self, Kind, Value};
use crate::support::server::Server;
use crate::support::talk::{call, connect};
use fastrand::Rng;
use redstart_differential::oracle;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const DECISIONS: u64 = 20_000;
const SEED: u64 = 18;
/// Requests of one user.
const REQUESTS: usize = 40;

/// A command, as COMMAND INFO of the oracle has it.
struct Command {
    name: String,
    arity: i64,
    /// Whether it can be run without that the next request is another client's.
    runs: bool,
}

/// Flags of commands that wait, change the connection, or change what the server is.
const NOT_RUN: [&str; 5] = ["blocking", "noscript", "admin", "no_multi", "no_auth"];

type Request = Vec<Vec<u8>>;

fn environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn items(value: Value) -> Vec<Value> {
    let Value::Items(_, items) = value else { panic!("{value:?} is no array") };
    items
}

fn word(value: &Value) -> String {
    match value {
        Value::Bulk(text) | Value::Simple(text) => String::from_utf8_lossy(text).into_owned(),
        other => panic!("{other:?} is no word"),
    }
}

fn names(client: &mut Client) -> BTreeSet<String> {
    items(call(client, "COMMAND LIST")).iter().map(word).collect()
}

/// The commands that both servers have.
fn commands(oracle: &mut Client, subject: &mut Client) -> Vec<Command> {
    let both: Vec<String> = names(oracle).intersection(&names(subject)).cloned().collect();
    let infos = items(call(oracle, &format!("COMMAND INFO {}", both.join(" "))));
    let of = |(name, info): (&String, Value)| {
        let parts = items(info);
        let Value::Int(arity) = parts[1] else { panic!("{name} has no arity") };
        let flags: Vec<String> = items(parts[2].clone()).iter().map(word).collect();
        let runs = !flags.iter().any(|flag| NOT_RUN.contains(&&flag[..]));
        // What takes memory, or seconds, by such numbers as are drawn.
        let runs = runs && !["flushall", "flushdb", "swapdb", "wait"].contains(&&name[..]);
        Command { name: name.clone(), arity, runs }
    };
    // CLUSTER has no subcommands here.
    both.iter().zip(infos).map(of).filter(|command| command.name != "cluster").collect()
}

fn pick<'a>(random: &mut Rng, words: &[&'a str]) -> &'a str {
    words[random.usize(..words.len())]
}

const KEYS: [&str; 8] = ["a", "ab", "b1", "k:1", "k:22", "x", "", "a*"];
const WORDS: [&str; 22] = [
    "1",
    "2",
    "0",
    "-1",
    "3",
    "GET",
    "STORE",
    "BY",
    "KEYS",
    "STREAMS",
    "LIMIT",
    "COUNT",
    "set",
    "WEIGHTS",
    "AGGREGATE",
    "OVERFLOW",
    "u8",
    "ID",
    "IFEQ",
    "LEFT",
    "FROMMEMBER",
    "STOREDIST",
];
const PATTERNS: [&str; 12] =
    ["a", "a*", "*", "k:?", "k:[12]*", "b1", "\\a*", "x", "?", "[^a]*", "", "k:*2"];
const CATEGORIES: [&str; 23] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
    "all",
    "nosuch",
];

/// A rule that a selector may have.
fn rule(random: &mut Rng, commands: &[Command]) -> String {
    let name = |random: &mut Rng| commands[random.usize(..commands.len())].name.clone();
    let sign = if random.u8(..3) == 0 { '-' } else { '+' };
    match random.u8(..20) {
        0..=4 => format!("{sign}{}", name(random)),
        5 => format!("{sign}{}", name(random).to_uppercase()),
        6 => format!("{sign}{}|{}", name(random), pick(random, &["a", "get", "1", "nosuch"])),
        7..=10 => format!("{sign}@{}", pick(random, &CATEGORIES)),
        11..=13 => format!("~{}", pick(random, &PATTERNS)),
        14 | 15 => {
            let sign = pick(random, &["%R", "%W", "%RW", "%r", "%", "%X"]);
            format!("{sign}~{}", pick(random, &PATTERNS))
        }
        16 => format!("&{}", pick(random, &PATTERNS)),
        17 => pick(random, &["allkeys", "resetkeys", "allchannels", "resetchannels"]).into(),
        18 => pick(random, &["+@all", "-@all", "allcommands", "nocommands"]).into(),
        _ => format!("+select|{}", random.u8(..3)),
    }
}

/// What makes a user: most rules are right, so that most users are.
fn rules(random: &mut Rng, commands: &[Command]) -> Request {
    let mut words: Vec<String> =
        ["ACL", "SETUSER", "u", "reset", "on", "nopass"].map(str::to_owned).to_vec();
    if random.u8(..2) == 0 {
        words.push("+@all".into());
    }
    for _ in 0..random.u8(1..10) {
        words.push(match random.u8(..16) {
            0 => {
                let inner: Vec<String> =
                    (0..random.u8(..5)).map(|_| rule(random, commands)).collect();
                format!("({})", inner.join(" "))
            }
            1 => pick(random, &["clearselectors", ">p", "<p", "nopass", "resetpass"]).into(),
            2 => pick(random, &["off", "on", "(+get ~a)", "sanitize-payload", "(", "#12"]).into(),
            _ => rule(random, commands),
        });
    }
    words.into_iter().map(String::into_bytes).collect()
}

/// A command with arguments, some of which are keys.
fn request(random: &mut Rng, commands: &[Command]) -> (bool, Request) {
    let Command { name, arity, runs } = &commands[random.usize(..commands.len())];
    let mut words: Request = name.split('|').map(|word| word.as_bytes().to_vec()).collect();
    let least = arity.unsigned_abs() as usize;
    let more = if *arity < 0 { random.usize(..6) } else { 0 };
    let wanted = (least + more + usize::from(random.u8(..40) == 0)).max(words.len());
    while words.len() < wanted {
        let word = match random.u8(..5) {
            0 | 1 => pick(random, &WORDS),
            _ => pick(random, &KEYS),
        };
        words.push(word.as_bytes().to_vec());
    }
    // Keys are looked for behind the options: where those are wrong, Redis names other keys, and
    // here the command is refused for them.
    let options: &[&str] = match &name[..] {
        "xread" => &["STREAMS"],
        "xreadgroup" => &["GROUP", "g", "c", "STREAMS"],
        _ => &[],
    };
    words.splice(1..1, options.iter().map(|word| word.as_bytes().to_vec()));
    (*runs, words)
}

/// Sends all at once, and waits for all replies.
fn play(client: &mut Client, requests: &[Request]) -> Vec<Value> {
    let bytes: Vec<u8> = requests.iter().flat_map(|request| resp::request(request)).collect();
    client.send(&bytes).expect("the requests are sent");
    requests.iter().map(|_| client.reply().expect("there is a reply")).collect()
}

/// What a reply says about rights: nothing, if the command ran or failed otherwise.
fn refusal(value: &Value) -> Option<String> {
    let Value::Error(text) = value else { return None };
    let text = String::from_utf8_lossy(text).into_owned();
    let is_refusal = ["NOPERM", "NOAUTH", "ERR BY option of SORT denied", "ERR GET option of SORT"];
    is_refusal.iter().any(|beginning| text.starts_with(beginning)).then_some(text)
}

/// Of these Redstart asks about every key that the declaration names, which may be more: what only
/// Redstart refuses is counted, and is no difference.
const STRICTER: [&str; 1] = ["pfmerge"];

/// What both servers say differently of, by the command.
#[derive(Default)]
struct Differences {
    seen: BTreeMap<String, Vec<String>>,
    /// How often only Redstart refused one of [`STRICTER`].
    stricter: u64,
}

/// Whether a reply, of ACL DRYRUN or of the command itself, refuses a request for its user.
fn refuses(value: &Value) -> bool {
    matches!(value, Value::Bulk(text) if text.starts_with(b"User ")) || refusal(value).is_some()
}

impl Differences {
    /// A request of which the servers say different things.
    fn add(&mut self, of: &Request, (right, said): (&Value, &Value), what: String) {
        let at = match of.get(1) {
            Some(word) if word == b"DRYRUN" => 3,
            Some(word) if word == b"SETUSER" || word == b"GETUSER" => 1,
            _ => 0,
        };
        let name = String::from_utf8_lossy(&of[at]).into_owned();
        if STRICTER.contains(&&name[..]) && refuses(said) && !refuses(right) {
            self.stricter += 1;
            return;
        }
        self.seen.entry(name).or_default().push(what);
    }
}

fn shown(request: &Request) -> String {
    request
        .iter()
        .map(|word| format!("{:?}", String::from_utf8_lossy(word)))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A server with two connections: one that makes users, and one that is such a user.
struct Side {
    admin: Client,
    user: Client,
}

impl Side {
    fn new(server: &Server) -> Side {
        Side { admin: connect(server), user: connect(server) }
    }
}

#[test]
fn decisions_are_those_of_redis_8() {
    let oracle = match oracle::find("redis-8") {
        Ok(oracle) => oracle,
        Err(why) => return println!("{why}"),
    };
    let args = ["--save", "", "--acllog-max-len", "0"];
    let theirs = Server::start(&oracle.program, &args).expect("the oracle starts");
    // Users that are off are tried, too.
    let args = [&args[..], &["--auth-failure-burst", "0"]].concat();
    let ours = Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &args);
    let ours = ours.expect("redstart starts");
    let (mut theirs, mut ours) = (Side::new(&theirs), Side::new(&ours));
    let commands = commands(&mut theirs.admin, &mut ours.admin);
    let (wanted, seed) = (environment("ACL_DECISIONS", DECISIONS), environment("ACL_SEED", SEED));
    println!("ACL_SEED={seed}, {} commands", commands.len());
    let mut random = Rng::with_seed(seed);
    let (mut decided, mut refused, mut differences) = (0, 0, Differences::default());
    while decided < wanted {
        let rules = rules(&mut random, &commands);
        let drawn: Vec<_> = (0..REQUESTS).map(|_| request(&mut random, &commands)).collect();
        let mut asked = vec![rules.clone(), ["ACL", "GETUSER", "u"].map(Vec::from).to_vec()];
        asked.extend(drawn.iter().map(|(_, request)| {
            let dry: Request = ["ACL", "DRYRUN", "u"].map(Vec::from).to_vec();
            [dry, request.clone()].concat()
        }));
        let (right, said) = (play(&mut theirs.admin, &asked), play(&mut ours.admin, &asked));
        for ((request, right), said) in asked.iter().zip(&right).zip(&said) {
            if right != said {
                let rules = shown(&rules);
                differences.add(
                    request,
                    (right, said),
                    format!(
                        "{rules}\n  {}\n    redis {right:?}\n    redstart {said:?}",
                        shown(request)
                    ),
                );
            }
        }
        let mut run = vec![["AUTH", "u", "p"].map(Vec::from).to_vec()];
        run.extend(drawn.into_iter().filter(|(runs, _)| *runs).map(|(_, request)| request));
        let (right, said) = (play(&mut theirs.user, &run), play(&mut ours.user, &run));
        for ((request, right), said) in run.iter().zip(&right).zip(&said) {
            refused += u64::from(refusal(right).is_some());
            if refusal(right) != refusal(said) {
                let rules = shown(&rules);
                differences.add(
                    request,
                    (right, said),
                    format!(
                        "{rules}\n  run: {}\n    redis {right:?}\n    redstart {said:?}",
                        shown(request)
                    ),
                );
            }
        }
        decided += (asked.len() - 2 + run.len()) as u64;
    }
    println!("{decided} decisions, {refused} of those that ran were refused");
    for (name, list) in &differences.seen {
        println!("{name}: {} times, such as\n  {}", list.len(), list[0]);
    }
    println!("only Redstart refused {}", differences.stricter);
    assert!(differences.stricter * 1000 < decided, "Redstart refuses what Redis does not");
    assert!(refused * 20 > decided, "too few were refused to say anything");
    assert!(differences.seen.is_empty() || !oracle.is_known, "differences, printed above");
}

#[test]
fn the_categories_hold_the_same_commands() {
    let oracle = match oracle::find("redis-8") {
        Ok(oracle) => oracle,
        Err(why) => return println!("{why}"),
    };
    let theirs = Server::start(&oracle.program, &["--save", ""]).expect("the oracle starts");
    let ours = Server::start(Path::new(env!("CARGO_BIN_EXE_redstart")), &["--save", ""]);
    let ours = ours.expect("redstart starts");
    let (mut theirs, mut ours) = (connect(&theirs), connect(&ours));
    let both: BTreeSet<String> =
        names(&mut theirs).intersection(&names(&mut ours)).cloned().collect();
    let categories = call(&mut theirs, "ACL CAT");
    assert_eq!(call(&mut ours, "ACL CAT"), categories);
    let Value::Items(Kind::Array, categories) = categories else { panic!("no array") };
    for category in categories.iter().map(word) {
        let of = |client: &mut Client| -> BTreeSet<String> {
            let all = items(call(client, &format!("ACL CAT {category}")));
            all.iter().map(word).filter(|name| both.contains(name)).collect()
        };
        let (right, said) = (of(&mut theirs), of(&mut ours));
        assert!(right == said || !oracle.is_known, "@{category}: {right:?} {said:?}");
    }
}
