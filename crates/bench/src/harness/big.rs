//! The longest wait of a client while others make, read and delete a big value.
//!
//! A hash, a list, a set, a sorted set and a stream of ten million elements and a string of 512 MB,
//! each made piece by piece, read in ranges and deleted, a half of some removed before; the string
//! once more in one request and one reply. Meanwhile a probing
//! client reads one small key at a time, in the load's own loop. After the DEL it goes on for as
//! long as the memory may take to come back.

use super::client::Client;
use super::load::{self, Laps, Measured, Stream};
use super::outcome::{Failure, Outcome, progress};
use super::plan::{Plan, REDSTART, ServerSpec};
use super::report::{Section, Table, met, short, short_ms, short_us};
use super::server::{Cores, Pin, Server};
use super::stall::{prober, reads};
use super::strip::{Replies, Strip, key, space};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

/// The longest wait that a big value may cause.
const STALL_MAX: Duration = Duration::from_millis(5);
/// The same of a set, a sorted set and a stream, of which no part is large.
const PARTS_STALL_MAX: Duration = Duration::from_millis(1);
/// How long the probe watches after a DEL.
const AFTERMATH: Duration = Duration::from_secs(1);
/// Entries of a stream whose requests are rendered, and sent time and again.
const ADDED_AT_ONCE: usize = 100_000;
/// Elements of one request.
const PER_REQUEST: usize = 100;
/// Bytes of the string, of a piece of it, and of a range that is read.
const STRING_BYTES: usize = 512 << 20;
const PIECE_BYTES: usize = 1 << 20;
const RANGE_BYTES: usize = 64 << 10;
/// Ranges that are read.
const RANGES: usize = 10_000;

const KEY: &[u8] = b"big";

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut table =
        Table::new(["value", "server", "while", "s", "reads", "p99.9 us", "max ms", "bar", "met"]);
    let mut complete = true;
    let elements = plan.big_elements;
    let string_bytes = if plan.quick { STRING_BYTES / 8 } else { STRING_BYTES };
    for value in values(elements, string_bytes) {
        for (at, spec) in plan.servers.iter().enumerate() {
            progress(format_args!("big {}: {}", value.name, spec.name));
            let judged = at == REDSTART;
            if let Err(failure) = measure(spec, cores, &value, judged, &mut table) {
                progress(format_args!("  {failure}"));
                complete &= at > REDSTART;
                table.row([&value.name, &spec.name, "-"]);
            }
        }
    }
    let text = format!(
        "Reply times of a client that reads one key at a time while a big value is made, read and \
         deleted; after the DEL, for a second more. Bar: no wait above {} ms, of a set, a sorted \
         set or a stream above {} ms.\n\n{}",
        STALL_MAX.as_millis(),
        PARTS_STALL_MAX.as_millis(),
        table.markdown()
    );
    Section { title: "Big values".into(), text, complete }
}

/// A big value by the requests that make and read it.
struct Value {
    name: String,
    /// Sent as often as `times` says.
    make: Strip,
    times: usize,
    /// Requests that are sent at once to make it.
    pipeline: usize,
    read: Strip,
    /// Removes a half.
    trim: Option<Strip>,
    stall_max: Duration,
}

impl Value {
    fn new(name: String, make: Strip, times: usize, read: Strip) -> Value {
        Value { name, make, times, pipeline: 1, read, trim: None, stall_max: STALL_MAX }
    }
}

fn values(elements: usize, string_bytes: usize) -> impl Iterator<Item = Value> {
    let millions = elements as f64 / 1e6;
    let megabytes = string_bytes >> 20;
    let makers: [Box<dyn Fn() -> Value>; 7] = [
        Box::new(move || hash(elements, format!("hash of {millions}M"))),
        Box::new(move || list(elements, format!("list of {millions}M"))),
        Box::new(move || set(elements, format!("set of {millions}M"))),
        Box::new(move || sorted_set(elements, format!("sorted set of {millions}M"))),
        Box::new(move || stream(elements, format!("stream of {millions}M"))),
        Box::new(move || string(string_bytes, format!("string of {megabytes} MB"))),
        Box::new(move || whole(string_bytes, format!("string of {megabytes} MB at once"))),
    ];
    makers.into_iter().map(|make| make())
}

fn unknown(kind: u8) -> Strip {
    let mut strip = Strip::with_replies();
    strip.replies = Replies::Kind(kind);
    strip
}

fn hash(elements: usize, name: String) -> Value {
    let (mut make, mut read) = (unknown(b':'), unknown(b'*'));
    for first in (0..elements).step_by(PER_REQUEST) {
        let fields: Vec<_> =
            (first..first + PER_REQUEST).map(|index| key(space::FIELDS, index)).collect();
        let mut args: Vec<&[u8]> = vec![b"HSET", KEY];
        fields.iter().for_each(|field| args.extend([&field[..8], &field[8..]]));
        make.push(&args, b"");
    }
    for index in 0..RANGES {
        let cursor = (index * 7919).to_string();
        read.push(&[b"HSCAN", KEY, cursor.as_bytes(), b"COUNT", b"100"], b"");
    }
    Value::new(name, make, 1, read)
}

fn list(elements: usize, name: String) -> Value {
    let (mut make, mut read) = (unknown(b':'), unknown(b'*'));
    let pushed: Vec<_> = (0..PER_REQUEST).map(|index| key(space::FIELDS, index)).collect();
    let mut args: Vec<&[u8]> = vec![b"RPUSH", KEY];
    args.extend(pushed.iter().map(|element| &element[..]));
    for _ in 0..elements / PER_REQUEST {
        make.push(&args, b"");
    }
    for index in 0..RANGES {
        let first = index * (elements / RANGES);
        let (first, last) = (first.to_string(), (first + 99).to_string());
        read.push(&[b"LRANGE", KEY, first.as_bytes(), last.as_bytes()], b"");
    }
    Value::new(name, make, 1, read)
}

fn set(elements: usize, name: String) -> Value {
    let (mut make, mut read) = (unknown(b':'), unknown(b'*'));
    for first in (0..elements).step_by(PER_REQUEST) {
        let members = (first..first + PER_REQUEST).map(|index| key(space::FIELDS, index));
        let members: Vec<_> = members.collect();
        let mut args: Vec<&[u8]> = vec![b"SADD", KEY];
        args.extend(members.iter().map(|member| &member[..]));
        make.push(&args, b"");
    }
    for index in 0..RANGES {
        let cursor = (index * 7919).to_string();
        read.push(&[b"SSCAN", KEY, cursor.as_bytes(), b"COUNT", b"100"], b"");
    }
    Value { stall_max: PARTS_STALL_MAX, ..Value::new(name, make, 1, read) }
}

fn sorted_set(elements: usize, name: String) -> Value {
    let (mut make, mut read, mut trim) = (unknown(b':'), unknown(b'*'), unknown(b':'));
    for first in (0..elements).step_by(PER_REQUEST) {
        // Scores in no order: members come in between others everywhere.
        let pairs = (first..first + PER_REQUEST).map(|index| {
            let score = index.wrapping_mul(0x9e37_79b9) % (1 << 32);
            (score.to_string(), key(space::FIELDS, index))
        });
        let pairs: Vec<_> = pairs.collect();
        let mut args: Vec<&[u8]> = vec![b"ZADD", KEY];
        args.extend(pairs.iter().flat_map(|(score, member)| [score.as_bytes(), &member[..]]));
        make.push(&args, b"");
    }
    for index in 0..RANGES {
        let first = index * (elements / RANGES);
        let (first, last) = (first.to_string(), (first + 99).to_string());
        read.push(&[b"ZRANGE", KEY, first.as_bytes(), last.as_bytes()], b"");
    }
    let last = (elements / 2 - 1).to_string();
    trim.push(&[b"ZREMRANGEBYRANK", KEY, b"0", last.as_bytes()], b"");
    let value = Value::new(name, make, 1, read);
    Value { trim: Some(trim), stall_max: PARTS_STALL_MAX, ..value }
}

fn stream(elements: usize, name: String) -> Value {
    let (mut make, mut read, mut trim) = (unknown(b'$'), unknown(b'*'), unknown(b':'));
    for index in 0..ADDED_AT_ONCE {
        let value = key(space::FIELDS, index);
        make.push(
            &[b"XADD", KEY, b"1-*", b"first-field", &value[..8], b"other-field", &value],
            b"",
        );
    }
    for index in 0..RANGES {
        let first = format!("1-{}", index * (elements / RANGES));
        read.push(&[b"XRANGE", KEY, first.as_bytes(), b"+", b"COUNT", b"100"], b"");
    }
    trim.push(&[b"XTRIM", KEY, b"MAXLEN", (elements / 2).to_string().as_bytes()], b"");
    let times = elements / ADDED_AT_ONCE;
    let value = Value::new(name, make, times, read);
    Value { pipeline: PER_REQUEST, trim: Some(trim), stall_max: PARTS_STALL_MAX, ..value }
}

fn string(bytes: usize, name: String) -> Value {
    let (mut make, mut read) = (unknown(b':'), unknown(b'$'));
    make.push(&[b"APPEND", KEY, &vec![b'x'; PIECE_BYTES]], b"");
    for index in 0..RANGES {
        let first = index * (bytes / RANGES);
        let (first, last) = (first.to_string(), (first + RANGE_BYTES - 1).to_string());
        read.push(&[b"GETRANGE", KEY, first.as_bytes(), last.as_bytes()], b"");
    }
    Value::new(name, make, bytes / PIECE_BYTES, read)
}

fn whole(bytes: usize, name: String) -> Value {
    let (mut make, mut read) = (unknown(b'+'), unknown(b'$'));
    make.push(&[b"SET", KEY, &vec![b'x'; bytes]], b"");
    read.push(&[b"GET", KEY], b"");
    Value::new(name, make, 1, read)
}

fn measure(
    spec: &ServerSpec,
    cores: &Cores,
    value: &Value,
    judged: bool,
    table: &mut Table,
) -> Outcome<()> {
    let server = Server::start(spec, cores, Pin::Apart, 1)?;
    let mut client = Client::connect(server.port)?;
    let reads = reads(&mut client)?;
    let mut row = |what: &str, parts: &[Measured]| {
        let probes = || parts.iter().filter_map(|part| part.tallies.last());
        let max = probes().map(|probe| probe.latency.max()).max().unwrap_or_default();
        let worst = probes().map(|probe| probe.latency.percentile(99.9)).max().unwrap_or_default();
        let seconds: f64 = parts.iter().map(|part| part.elapsed.as_secs_f64()).sum();
        let count: u64 = probes().map(|probe| probe.latency.total()).sum();
        let mut cells = vec![value.name.clone(), spec.name.clone(), what.into(), short(seconds)];
        cells.extend([count.to_string(), short_us(worst), short_ms(max)]);
        if judged {
            let stall_max = value.stall_max;
            cells.extend([format!("<= {} ms", stall_max.as_millis()), met(max <= stall_max)]);
        }
        table.row(cells);
    };
    let beside = |strip: &Strip, pipeline| {
        let stream = Stream::new(strip, 1, pipeline, Laps::Once);
        load::run(server.port, &[stream, prober(&reads)], None, &server.cpu)
    };
    let made = (0..value.times).map(|_| beside(&value.make, value.pipeline));
    row("made", &made.collect::<Outcome<Vec<_>>>()?);
    row("read", &[beside(&value.read, 1)?]);
    if let Some(trim) = &value.trim {
        row("half removed", &[beside(trim, 1)?]);
    }
    let enough = AtomicBool::new(false);
    let (measured, deleted) = std::thread::scope(|scope| {
        let deleter = scope.spawn(|| {
            std::thread::sleep(AFTERMATH / 4);
            let deleted = client.ask(&[b"DEL", KEY]);
            std::thread::sleep(AFTERMATH);
            enough.store(true, Relaxed);
            deleted
        });
        let measured = load::run_until(server.port, &[prober(&reads)], &enough, &server.cpu);
        (measured, deleter.join())
    });
    deleted.map_err(|_| Failure("the thread that deletes panicked".into()))??;
    row("deleted", &[measured?]);
    Ok(())
}
