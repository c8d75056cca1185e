//! Stream commands. Ids rise with what has been drawn, and what is asked for lies about there, so
//! that it is found. No reply depends on the clock: times are far from each other, or are now, and
//! only in one stream, whose ids are of a year that is far away, a server chooses an id.

use super::Generator;
use crate::source::{Choice, Source};
use crate::stream::Command;

const STREAMS: &[&str] = &["x1", "x1", TRIMMED, FUTURE];
/// Where entries are removed by their age alone, and nowhere else.
pub const TRIMMED: &str = "x2";
/// Where ids are of the future, so that the server's next one is the one behind the last.
pub const FUTURE: &str = "x3";
/// The first millisecond of its ids.
const FUTURE_MS: u64 = 8_000_000_000_000;
const GROUPS: &[&str] = &["g1", "g1", "g2", "g3"];
const CONSUMERS: &[&str] = &["c1", "c2", "c3", "c1"];

/// Milliseconds within which an idle time may be asked for: a stream takes less.
const BRIEF_MS: i64 = 400_000;
/// Between the idle times that [`claim`] gives.
const STEP_MS: u64 = 1_000_000;
/// A longer time than any stream takes, in seconds.
const DURATION_S: &[u8] = b"86400";

/// See [`super::FAMILIES`].
pub const TABLE: &[Generator] = &[
    Generator { name: "XADD", weight: 170, draw: add },
    Generator { name: "XLEN", weight: 10, draw: |s, c| c.args.push(key(s)) },
    Generator { name: "XRANGE", weight: 30, draw: range },
    Generator { name: "XREVRANGE", weight: 25, draw: range },
    Generator { name: "XREAD", weight: 30, draw: read },
    Generator { name: "XDEL", weight: 30, draw: ids },
    Generator { name: "XTRIM", weight: 15, draw: trim },
    Generator { name: "XSETID", weight: 12, draw: set_id },
    Generator { name: "XGROUP", weight: 60, draw: group_command },
    Generator { name: "XREADGROUP", weight: 90, draw: read_group },
    Generator { name: "XACK", weight: 35, draw: acknowledge },
    Generator { name: "XPENDING", weight: 35, draw: pending },
    Generator { name: "XCLAIM", weight: 45, draw: claim },
    Generator { name: "XAUTOCLAIM", weight: 25, draw: auto_claim },
    Generator { name: "XINFO", weight: 45, draw: info },
    Generator { name: "XDELEX", weight: 20, draw: delete },
    Generator { name: "XACKDEL", weight: 20, draw: acknowledge_and_delete },
    Generator { name: "XCFGSET", weight: 6, draw: configure },
    Generator { name: "XIDMPRECORD", weight: 6, draw: record },
    Generator { name: "COPY", weight: 8, draw: copy },
    Generator { name: "RENAME", weight: 3, draw: rename },
    Generator { name: "DUMP", weight: 2, draw: |s, c| c.args.push(key(s)) },
    Generator { name: "OBJECT", weight: 3, draw: encoding },
    Generator { name: "DEL", weight: 2, draw: |s, c| c.args.push(key(s)) },
];

fn key(source: &mut Source) -> Vec<u8> {
    if source.chance(94) { source.pick(STREAMS).into() } else { source.key() }
}

fn group(source: &mut Source) -> Vec<u8> {
    if source.chance(97) { source.pick(GROUPS).into() } else { source.key() }
}

fn consumer(source: &mut Source) -> Vec<u8> {
    if source.chance(97) { source.pick(CONSUMERS).into() } else { source.key() }
}

/// The key that a command was given first, if it is that of the future.
fn is_future(command: &Command) -> bool {
    command.args.iter().any(|arg| arg == FUTURE.as_bytes())
}

fn ms(source: &mut Source, is_future: bool, behind: usize, ahead: usize) -> u64 {
    let now = source.entries() / 4 + ahead as u64;
    let ms = now.saturating_sub(source.below(behind + ahead + 1) as u64);
    if is_future { FUTURE_MS + ms } else { ms }
}

/// An id of an entry that may be there.
fn id(source: &mut Source, is_future: bool) -> Vec<u8> {
    const ODD: &[&str] = &[
        "0",
        "0-0",
        "0-1",
        "-",
        "+",
        "$",
        ">",
        "*",
        "1-*",
        "-1",
        "1-1-1",
        "1-",
        "-1-1",
        "01-01",
        "1-18446744073709551615",
        "18446744073709551615-18446744073709551615",
        "18446744073709551615",
        "18446744073709551616-1",
        "x",
        "",
    ];
    let is_future = is_future != source.chance(4);
    match source.below(100) {
        0..80 => {
            let (ms, seq) = (ms(source, is_future, 20, 1), source.below(4));
            format!("{ms}-{seq}").into_bytes()
        }
        80..92 => ms(source, is_future, 20, 2).to_string().into_bytes(),
        92..96 => source.pick(&["0", "0-0", "0-1"]).into(),
        96..98 => source.integer(),
        _ => source.pick(ODD).into(),
    }
}

/// Such an id, in the stream that a command is about.
fn id_of(command: &Command) -> fn(&mut Source) -> Vec<u8> {
    if is_future(command) { |source| id(source, true) } else { |source| id(source, false) }
}

fn count(source: &mut Source) -> Vec<u8> {
    match source.below(10) {
        0..8 => (1 + source.below(8)).to_string().into_bytes(),
        8 => source.pick(&["0", "-1", "100", "1000"]).into(),
        _ => source.integer(),
    }
}

/// A key of a stream from which entries may be removed by their ids.
fn key_but_trimmed(source: &mut Source) -> Vec<u8> {
    let key = key(source);
    if key == TRIMMED.as_bytes() { b"x1".to_vec() } else { key }
}

fn some_ids(source: &mut Source, command: &mut Command) -> usize {
    let (is_future, count) = (is_future(command), 1 + source.below(5));
    for _ in 0..count {
        command.args.push(id(source, is_future));
    }
    count
}

/// The id of a new entry, which is mostly behind the others.
fn new_id(source: &mut Source, is_future: bool) -> Vec<u8> {
    source.count_entry();
    let ms = ms(source, is_future, 1, 2);
    match source.below(100) {
        0..60 => format!("{ms}-*").into_bytes(),
        60..85 => format!("{ms}-{}", source.below(4)).into_bytes(),
        85..93 => ms.to_string().into_bytes(),
        _ => id(source, is_future),
    }
}

fn bounds(source: &mut Source, command: &mut Command) {
    let is_trimmed = command.args.get(1).is_some_and(|key| key == TRIMMED.as_bytes());
    let is_length = source.chance(if is_trimmed { 30 } else { 98 });
    command.args.push(source.cased(if is_length { "MAXLEN" } else { "MINID" }));
    let sign = source.below(4);
    if sign > 0 {
        command.args.push([b"=".to_vec(), b"~".to_vec(), b"~".to_vec()][sign - 1].clone());
    }
    let bound = match is_length {
        true if source.chance(85) => source.below(24).to_string().into_bytes(),
        true => source.integer(),
        false => id(source, is_future(command)),
    };
    command.args.push(bound);
    if source.chance(if sign > 1 { 40 } else { 4 }) {
        command.args.extend([source.cased("LIMIT"), count(source)]);
    }
}

fn references(source: &mut Source, command: &mut Command, percent: u32) {
    if source.chance(percent) {
        let word = source.pick(&["KEEPREF", "DELREF", "ACKED", "ACKED"]);
        command.args.push(source.cased(word));
    }
}

fn producer(source: &mut Source) -> Vec<u8> {
    if source.chance(98) { source.pick(&["p1", "p2", "p1"]).into() } else { Vec::new() }
}

fn message(source: &mut Source) -> Vec<u8> {
    if source.chance(97) { format!("i{}", source.below(6)).into_bytes() } else { source.value() }
}

/// Fields, often the same ones as before, and values.
fn fields(source: &mut Source, command: &mut Command) {
    let (alike, pairs) = (source.chance(60), 1 + source.below(3));
    for n in 0..pairs {
        let field = match alike {
            true => format!("f{n}").into_bytes(),
            false => source.value(),
        };
        command.args.extend([field, source.value()]);
    }
}

fn add(source: &mut Source, command: &mut Command) {
    let chooses = source.chance(12);
    command.args.push(if chooses { FUTURE.into() } else { key(source) });
    let is_future = is_future(command);
    let mut parts = [0, 1, 2, 3];
    source.shuffle(&mut parts);
    for part in parts {
        match part {
            0 if source.chance(if chooses { 100 } else { 8 }) => {
                command.args.push(source.cased("NOMKSTREAM"));
            }
            1 if source.chance(20) => bounds(source, command),
            2 => references(source, command, 8),
            3 if source.chance(if chooses { 65 } else { 2 }) => {
                if source.chance(70) {
                    let words = [source.cased("IDMP"), producer(source), message(source)];
                    command.args.extend(words);
                } else {
                    command.args.extend([source.cased("IDMPAUTO"), producer(source)]);
                }
            }
            _ => {}
        }
    }
    let id = if chooses { b"*".to_vec() } else { new_id(source, is_future) };
    command.args.push(id);
    fields(source, command);
}

fn range(source: &mut Source, command: &mut Command) {
    command.args.push(key(source));
    let is_future = is_future(command);
    let mut ends: Vec<Vec<u8>> = (0..2)
        .map(|n| match source.below(10) {
            0..3 => [b"-".to_vec(), b"+".to_vec()][n].clone(),
            3..5 => [&b"("[..], &id(source, is_future)].concat(),
            _ => id(source, is_future),
        })
        .collect();
    if command.is("XREVRANGE") {
        ends.reverse();
    }
    command.args.extend(ends);
    source.options(command, &[(50, Choice::With("COUNT", count))]);
}

fn block(source: &mut Source) -> Vec<u8> {
    if source.chance(90) { b"1".to_vec() } else { source.integer() }
}

/// Keys behind STREAMS, and an id for each; now and then one too many.
fn streams(source: &mut Source, command: &mut Command, words: &[&str]) {
    command.args.push(source.cased("STREAMS"));
    let keys: Vec<Vec<u8>> = (0..1 + source.below(2)).map(|_| key(source)).collect();
    command.args.extend(keys.iter().cloned());
    for key in keys {
        let id = match source.below(10) {
            0..6 => source.pick(words).into(),
            _ => id(source, key == FUTURE.as_bytes()),
        };
        command.args.push(id);
    }
    if source.chance(2) {
        command.args.push(id(source, false));
    }
}

fn read(source: &mut Source, command: &mut Command) {
    source
        .options(command, &[(50, Choice::With("COUNT", count)), (6, Choice::With("BLOCK", block))]);
    source.options(command, &[(2, Choice::Word("NOACK")), (2, Choice::With("CLAIM", idle))]);
    streams(source, command, &["0", "$", "+", "0-0", "0"]);
}

fn ids(source: &mut Source, command: &mut Command) {
    command.args.push(key_but_trimmed(source));
    some_ids(source, command);
}

fn trim(source: &mut Source, command: &mut Command) {
    command.args.push(key(source));
    if source.chance(4) {
        references(source, command, 50);
    }
    bounds(source, command);
    references(source, command, 25);
}

fn set_id(source: &mut Source, command: &mut Command) {
    command.args.push(key(source));
    let id = id_of(command);
    let ms = ms(source, is_future(command), 0, 2);
    let last = format!("{ms}-1").into_bytes();
    command.args.push(if source.chance(70) { last } else { id(source) });
    let added = |s: &mut Source| match s.chance(80) {
        true => s.below(400).to_string().into_bytes(),
        false => s.integer(),
    };
    source.options(
        command,
        &[(30, Choice::With("ENTRIESADDED", added)), (30, Choice::With("MAXDELETEDID", id))],
    );
}

fn group_command(source: &mut Source, command: &mut Command) {
    let word = match source.below(100) {
        0..45 => "CREATE",
        45..65 => "SETID",
        65..80 => "CREATECONSUMER",
        80..90 => "DELCONSUMER",
        90..98 => "DESTROY",
        _ => "NOSUCH",
    };
    command.args.extend([source.cased(word), key(source), group(source)]);
    match word {
        "CREATE" | "SETID" => {
            let is_future = is_future(command);
            let from = match source.below(10) {
                0..4 => b"0".to_vec(),
                4..6 => b"$".to_vec(),
                _ => id(source, is_future),
            };
            command.args.push(from);
            let read = |s: &mut Source| match s.chance(85) {
                true => s.pick(&["-1", "0", "1", "5", "20", "300"]).into(),
                false => s.integer(),
            };
            let makes = if word == "CREATE" { 25 } else { 1 };
            source.options(
                command,
                &[(makes, Choice::Word("MKSTREAM")), (25, Choice::With("ENTRIESREAD", read))],
            );
        }
        "CREATECONSUMER" | "DELCONSUMER" => command.args.push(consumer(source)),
        _ => {}
    }
}

/// How long something has to be idle: no time at all, or between those that [`claim`] gives.
fn idle(source: &mut Source) -> Vec<u8> {
    match source.below(10) {
        0..5 => b"0".to_vec(),
        5..9 => {
            let steps = source.below(66_000) as u64;
            (steps * STEP_MS + STEP_MS / 2).to_string().into_bytes()
        }
        _ => source.integer(),
    }
}

fn read_group(source: &mut Source, command: &mut Command) {
    command.args.extend([source.cased("GROUP"), group(source), consumer(source)]);
    source.options(
        command,
        &[
            (60, Choice::With("COUNT", count)),
            (3, Choice::With("BLOCK", block)),
            (12, Choice::Word("NOACK")),
            (15, Choice::With("CLAIM", idle)),
        ],
    );
    streams(source, command, &[">", ">", ">", "0"]);
}

fn acknowledge(source: &mut Source, command: &mut Command) {
    command.args.extend([key(source), group(source)]);
    some_ids(source, command);
}

fn pending(source: &mut Source, command: &mut Command) {
    command.args.extend([key(source), group(source)]);
    if source.chance(25) {
        return;
    }
    if source.chance(40) {
        command.args.extend([source.cased("IDLE"), idle(source)]);
    }
    let is_future = is_future(command);
    for end in ["-", "+"] {
        let open = if source.chance(10) { "(" } else { "" };
        let bound = match source.below(10) {
            0..6 => end.into(),
            _ => [open.as_bytes(), &id(source, is_future)].concat(),
        };
        command.args.push(bound);
    }
    command.args.push(count(source));
    if source.chance(40) {
        command.args.push(consumer(source));
    }
}

fn claim(source: &mut Source, command: &mut Command) {
    command.args.extend([key(source), group(source), consumer(source), idle(source)]);
    some_ids(source, command);
    // Each another one, so that it is clear what has waited for longest.
    let idle = |s: &mut Source| match s.chance(85) {
        true => ((s.unique() + 1) * STEP_MS).to_string().into_bytes(),
        false => s.pick(&["0", "-1", "x", "9223372036854775807"]).into(),
    };
    let time = |s: &mut Source| match s.chance(85) {
        true => format!("10000{}0000000", s.below(10)).into_bytes(),
        false => s.pick(&["0", "1", "-1", "x", "9223372036854775807"]).into(),
    };
    let last = id_of(command);
    source.options(
        command,
        &[
            (20, Choice::With("IDLE", idle)),
            (15, Choice::With("TIME", time)),
            (15, Choice::With("RETRYCOUNT", count)),
            (35, Choice::Word("FORCE")),
            (25, Choice::Word("JUSTID")),
            (8, Choice::With("LASTID", last)),
        ],
    );
}

fn auto_claim(source: &mut Source, command: &mut Command) {
    command.args.extend([key(source), group(source), consumer(source), idle(source)]);
    let is_future = is_future(command);
    let start = match source.below(10) {
        0..5 => source.pick(&["0", "-", "0-0"]).into(),
        5 => [&b"("[..], &id(source, is_future)].concat(),
        _ => id(source, is_future),
    };
    command.args.push(start);
    source.options(command, &[(60, Choice::With("COUNT", count)), (25, Choice::Word("JUSTID"))]);
}

fn info(source: &mut Source, command: &mut Command) {
    match source.below(10) {
        0..5 => {
            command.args.extend([source.cased("STREAM"), key(source)]);
            if source.chance(60) {
                command.args.push(source.cased("FULL"));
                source.options(command, &[(60, Choice::With("COUNT", count))]);
            }
        }
        5..7 => command.args.extend([source.cased("GROUPS"), key(source)]),
        7..9 => command.args.extend([source.cased("CONSUMERS"), key(source), group(source)]),
        _ => command.args.extend([source.cased("NOSUCH"), key(source)]),
    }
}

/// `IDS count id ...`, and before or behind it what becomes of references.
fn deleted(source: &mut Source, command: &mut Command) {
    references(source, command, 50);
    let at = command.args.len();
    let count = some_ids(source, command);
    let told = if source.chance(96) { count } else { source.below(6) };
    let words = [source.cased("IDS"), told.to_string().into_bytes()];
    command.args.splice(at..at, words);
    references(source, command, 15);
}

fn delete(source: &mut Source, command: &mut Command) {
    command.args.push(key_but_trimmed(source));
    deleted(source, command);
}

fn acknowledge_and_delete(source: &mut Source, command: &mut Command) {
    command.args.extend([key_but_trimmed(source), group(source)]);
    deleted(source, command);
}

fn configure(source: &mut Source, command: &mut Command) {
    command.args.push(if source.chance(70) { FUTURE.into() } else { key(source) });
    let duration = |s: &mut Source| s.pick(&["86400", "5000", "86401", "0", "-1", "x"]).into();
    let most = |s: &mut Source| s.pick(&["1", "2", "3", "100", "10000", "10001", "0", "x"]).into();
    source.options(
        command,
        &[(50, Choice::With("IDMP-DURATION", duration)), (70, Choice::With("IDMP-MAXSIZE", most))],
    );
}

fn record(source: &mut Source, command: &mut Command) {
    command.args.push(if source.chance(90) { FUTURE.into() } else { key(source) });
    command.args.extend([producer(source), message(source), id(source, true)]);
}

fn copy(source: &mut Source, command: &mut Command) {
    command.args.extend([key(source), key_but_trimmed(source)]);
    source.options(command, &[(70, Choice::Word("REPLACE"))]);
}

fn rename(source: &mut Source, command: &mut Command) {
    command.args.extend([key(source), key_but_trimmed(source)]);
}

fn encoding(source: &mut Source, command: &mut Command) {
    command.args.extend([source.cased("ENCODING"), key(source)]);
}

/// Takes out what would depend on the clock.
pub(super) fn settle(command: &mut Command) {
    let has = |command: &Command, word: &str| place(command, word).is_some();
    if command.is("XADD") {
        let is_sure = command.args.get(1).is_some_and(|key| key == FUTURE.as_bytes())
            && has(command, "NOMKSTREAM");
        let chosen = command.args.iter_mut().skip(2).filter(|arg| *arg == b"*");
        chosen.filter(|_| !is_sure).for_each(|arg| *arg = b"7-*".to_vec());
    } else if command.is("XCLAIM") || command.is("XAUTOCLAIM") || command.is("XPENDING") {
        let at = command.args.get_mut(4).filter(|text| is_brief(text));
        at.into_iter().for_each(|text| *text = b"0".to_vec());
    } else if command.is("XREADGROUP")
        && let Some(at) = place(command, "CLAIM").map(|at| at + 1)
        && let Some(text) = command.args.get(at)
    {
        // Of those that were given at once, each server might choose others.
        if is_brief(text) && has(command, "COUNT") || text == b"0" && has(command, "COUNT") {
            command.args[at] = (STEP_MS / 2).to_string().into_bytes();
        } else if is_brief(text) {
            command.args[at] = b"0".to_vec();
        }
    } else if command.is("XCFGSET")
        && let Some(at) = place(command, "IDMP-DURATION").map(|at| at + 1)
        && let Some(text) = command.args.get_mut(at)
        && is_brief(text)
    {
        *text = DURATION_S.to_vec();
    }
}

/// Whether a text is a number of milliseconds in which a stream may end.
fn is_brief(text: &[u8]) -> bool {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    number.is_some_and(|number| (1..=BRIEF_MS).contains(&number))
}

/// Where a word is among the arguments.
fn place(command: &Command, word: &str) -> Option<usize> {
    let is_word = |arg: &Vec<u8>| arg.eq_ignore_ascii_case(word.as_bytes());
    command.args.iter().skip(1).position(is_word).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(line: &str) -> String {
        let mut command = Command::new(line.split(' '));
        settle(&mut command);
        String::from_utf8(command.args.join(&b' ')).unwrap()
    }

    #[test]
    fn only_a_stream_of_the_future_chooses_ids() {
        assert_eq!(settled("XADD x1 NOMKSTREAM * a b"), "XADD x1 NOMKSTREAM 7-* a b");
        assert_eq!(settled("XADD x3 * a b"), "XADD x3 7-* a b");
        assert_eq!(settled("XADD x3 nomkstream * a b"), "XADD x3 nomkstream * a b");
    }

    #[test]
    fn idle_times_are_far_apart() {
        assert_eq!(settled("XCLAIM x1 g c 120 1-1"), "XCLAIM x1 g c 0 1-1");
        assert_eq!(settled("XPENDING x1 g IDLE 99 - + 9"), "XPENDING x1 g IDLE 0 - + 9");
        assert_eq!(settled("XPENDING x1 g IDLE 500000 - + 9"), "XPENDING x1 g IDLE 500000 - + 9");
        let read = |claim: &str| settled(&format!("XREADGROUP GROUP g c {claim} STREAMS x1 >"));
        assert!(read("CLAIM 0 COUNT 2").contains("CLAIM 500000 COUNT 2"));
        assert!(read("CLAIM 77").contains("CLAIM 0 "));
        assert_eq!(settled("XCFGSET x1 IDMP-DURATION 1"), "XCFGSET x1 IDMP-DURATION 86400");
    }
}
