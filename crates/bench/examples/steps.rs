//! How long one command takes at most while a value grows to ten million elements, is read, halved
//! and deleted: what the structure itself makes others wait for, without sockets and without what
//! the machine does meanwhile.
//!
//! The same commands run several times on the same seed, and of each the shortest time counts: what
//! the structure does happens in every run, what the machine does in one. `make steps` runs it; the
//! first argument is the number of elements, the second the number of runs.

use redstart_engine::driver::Driver;
use std::time::{Duration, Instant};

/// Elements that one command adds.
const PER_COMMAND: usize = 100;

/// A value, and the commands that make it.
struct Value {
    name: &'static str,
    /// The command that adds elements, without these.
    adds: &'static [&'static str],
    /// Writes the arguments of one element.
    element: fn(usize, &mut Vec<String>),
    /// How many elements a command adds.
    per_command: usize,
    /// The command that removes a half; `HALF` stands for how many that is.
    halves: Option<&'static [&'static str]>,
}

const VALUES: [Value; 6] = [
    Value {
        name: "hash",
        adds: &["HSET", "big"],
        element: |index, args| args.extend([member(index), "value".into()]),
        per_command: PER_COMMAND,
        halves: None,
    },
    Value {
        name: "list",
        adds: &["RPUSH", "big"],
        element: |index, args| args.push(member(index)),
        per_command: PER_COMMAND,
        halves: Some(&["LTRIM", "big", "HALF", "-1"]),
    },
    Value {
        name: "set",
        adds: &["SADD", "big"],
        element: |index, args| args.push(member(index)),
        per_command: PER_COMMAND,
        halves: None,
    },
    Value {
        name: "sorted set",
        adds: &["ZADD", "big"],
        element: |index, args| {
            // Scores in no order: members come in between others everywhere.
            let score = index.wrapping_mul(0x9e37_79b9) % (1 << 32);
            args.extend([score.to_string(), member(index)]);
        },
        per_command: PER_COMMAND,
        halves: Some(&["ZREMRANGEBYRANK", "big", "0", "HALF"]),
    },
    Value {
        name: "stream",
        adds: &["XADD", "big", "1-*"],
        element: |index, args| {
            let value = member(index);
            args.extend(["first-field".into(), value[..8].into(), "other-field".into(), value]);
        },
        per_command: 1,
        halves: Some(&["XTRIM", "big", "MAXLEN", "HALF"]),
    },
    Value {
        name: "keys",
        adds: &["MSET"],
        element: |index, args| args.extend([member(index), "value".into()]),
        per_command: 10,
        halves: None,
    },
];

fn member(index: usize) -> String {
    format!("member:{index:010}")
}

fn main() {
    let mut given = std::env::args().skip(1);
    let mut number = |usual| given.next().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (elements, runs): (usize, usize) = (number(10_000_000), number(3));
    println!("{elements} elements, {runs} runs: the longest of each command's shortest time");
    for value in &VALUES {
        measure(value, elements, runs);
    }
}

fn measure(value: &Value, elements: usize, runs: usize) {
    let commands = elements / value.per_command;
    let mut adding = vec![u32::MAX; commands];
    let mut halving = u32::MAX;
    let mut deleting = u32::MAX;
    for _ in 0..runs {
        let mut driver = Driver::new(1);
        for (number, shortest) in adding.iter_mut().enumerate() {
            let mut args: Vec<String> = value.adds.iter().map(ToString::to_string).collect();
            let first = number * value.per_command;
            (first..first + value.per_command).for_each(|index| (value.element)(index, &mut args));
            *shortest = (*shortest).min(time(&mut driver, &args));
        }
        if let Some(command) = value.halves {
            let half = (elements / 2).to_string();
            let args = command.iter().map(|&arg| if arg == "HALF" { &half } else { arg }.into());
            halving = halving.min(time(&mut driver, &args.collect::<Vec<String>>()));
        }
        deleting = deleting.min(time(&mut driver, &["DEL".into(), "big".into()]));
        driver.call(&[b"FLUSHALL"]);
    }
    let worst = (0..commands).max_by_key(|&number| adding[number]).unwrap_or(0);
    let micros = |ns: u32| f64::from(ns) / 1000.0;
    print!(
        "{}: adding {:.0} us (command {worst} of {commands})",
        value.name,
        micros(adding[worst])
    );
    if value.halves.is_some() {
        print!(", halving {:.0} us", micros(halving));
    }
    println!(", deleting {:.0} us", micros(deleting));
}

/// Nanoseconds of one command. What it leaves to be dropped later is not counted: a server has a
/// thread for that.
fn time(driver: &mut Driver, args: &[String]) -> u32 {
    let args: Vec<&[u8]> = args.iter().map(String::as_bytes).collect();
    let mut took = Duration::ZERO;
    let start = Instant::now();
    driver.call_before_drop(&args, || took = start.elapsed());
    u32::try_from(took.as_nanos()).unwrap_or(u32::MAX)
}
