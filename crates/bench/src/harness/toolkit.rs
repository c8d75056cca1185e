//! What the cache toolkit costs over a plain GET: a lease that hits, a key with tags, statistics by
//! prefix. And how long it takes to drop a tag of a million keys, for the client and for others,
//! and until the memory is back. Redstart alone.

use super::client::Client;
use super::load::{self, Laps, Stream};
use super::outcome::{Failure, Outcome, progress};
use super::plan::{Plan, REDSTART};
use super::report::{Section, Table, median, met, ratio, short};
use super::server::{Cores, Pin, Server};
use super::strip::{Strip, bulk, fill_strip, key, space, value};
use super::throughput::Figures;
use std::time::{Duration, Instant};

const PIPELINE: usize = 16;
const FILL_PIPELINE: usize = 64;
const KEYS: usize = 1_000_000;
const VALUE_BYTES: usize = super::strip::VALUE_BYTES;
/// Tags that keys are shared out to.
const TAGS: usize = 1000;
/// The tag of all keys.
const TAG: &[u8] = b"all";

/// What is measured: its name, CPU time over that of a plain GET at most, and what is set before.
const LINES: [(&str, f64, Option<&str>); 4] = [
    ("GET", f64::INFINITY, None),
    ("LEASE.GET that hits", 1.10, None),
    ("GET of a key with a tag", 1.05, None),
    ("GET with `stats-prefixes`", 1.03, Some("4")),
];
const LEASED: usize = 1;
const TAGGED: usize = 2;

/// A drop of a tag takes so long at most, and its memory is back after so long.
const DROP_MAX: Duration = Duration::from_millis(1);
const BACK_MAX: Duration = Duration::from_secs(10);
/// What may be left of the memory that the keys took.
const LEFT_MAX: f64 = 0.05;

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut complete = true;
    let mut said = |failure: Failure| {
        progress(format_args!("  {failure}"));
        complete = false;
    };
    let mut table = Table::new(["what", "CPU us/op", "over GET", "bar", "met"]);
    match costs(plan, cores) {
        Ok(rounds) => rows(&rounds, &mut table),
        Err(failure) => said(failure),
    }
    let mut drops = Vec::new();
    for _ in 0..plan.rounds {
        progress("toolkit: a tag of a million keys");
        match drop_tag(plan, cores) {
            Ok(drop) => drops.push(drop),
            Err(failure) => said(failure),
        }
    }
    let mut dropped = Table::new(["TAG.DROP of a tag of 1M keys", "", "bar", "met"]);
    let ms = |of: fn(&Dropped) -> Duration| {
        median(drops.iter().map(|drop| of(drop).as_secs_f64() * 1e3))
    };
    for (what, figure, most) in [
        ("until the reply, ms", ms(|drop| drop.took), DROP_MAX),
        ("a GET of another client, at most, ms", ms(|drop| drop.others), DROP_MAX * 5),
        ("until its memory is back, ms", ms(|drop| drop.back), BACK_MAX),
    ] {
        let (most, figure) = (most.as_secs_f64() * 1e3, figure.unwrap_or(f64::NAN));
        dropped.row([what.into(), short(figure), format!("<= {most}"), met(figure <= most)]);
    }
    let text = format!(
        "Redstart alone, p{PIPELINE}, a million keys.\n\n{}\n{}",
        table.markdown(),
        dropped.markdown()
    );
    Section { title: "Leases, tags and statistics by prefix".into(), text, complete }
}

fn rows(rounds: &[Vec<Figures>; LINES.len()], table: &mut Table) {
    let medians = rounds.each_ref().map(|rounds| Figures::medians(rounds));
    let plain = medians[0].map_or(f64::NAN, |figures| figures.cpu_us);
    for (&(name, most, _), figures) in LINES.iter().zip(medians) {
        let Some(figures) = figures else { continue };
        let over = ratio(figures.cpu_us, plain);
        let mut row = vec![name.to_string(), short(figures.cpu_us)];
        if most.is_finite() {
            let verdict = over.map(|over| met(over <= most)).unwrap_or_default();
            row.extend([over.map(short).unwrap_or_default(), format!("<= {most}"), verdict]);
        }
        table.row(row);
    }
}

/// The figures of each line, a round each.
fn costs(plan: &Plan, cores: &Cores) -> Outcome<[Vec<Figures>; LINES.len()]> {
    let mut rounds: [Vec<Figures>; LINES.len()] = Default::default();
    let sets = fill_strip(KEYS, &[]);
    let tags = tag_strip(|index| format!("tag:{}", index % TAGS).into_bytes());
    let (gets, leases) = (get_strip(false), get_strip(true));
    for round in 1..=plan.rounds {
        for (line, &(name, _, prefixes)) in LINES.iter().enumerate() {
            progress(format_args!("toolkit {round}/{}: {name}", plan.rounds));
            let mut spec = plan.servers[REDSTART].clone();
            if let Some(prefixes) = prefixes {
                spec = spec.with(&["--stats-prefixes", prefixes]);
            }
            let server = Server::start(&spec, cores, Pin::Apart, 1)?;
            let fills = [Some(&sets), (line == TAGGED).then_some(&tags)];
            for fill in fills.into_iter().flatten() {
                let fill = Stream::new(fill, plan.connections, FILL_PIPELINE, Laps::Once);
                load::run(server.port, &[fill], None, &server.cpu)?;
            }
            let strip = if line == LEASED { &leases } else { &gets };
            let stream = Stream::new(strip, plan.connections, PIPELINE, Laps::Endless);
            let measured = load::run(server.port, &[stream], Some(plan.timing), &server.cpu)?;
            rounds[line].push(Figures::of(&measured));
        }
    }
    Ok(rounds)
}

/// The keys in an order of their own, each asked for by GET or LEASE.GET.
fn get_strip(leased: bool) -> Strip {
    let mut strip = Strip::with_replies();
    let mut indices: Vec<usize> = (0..KEYS).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut indices);
    let mut reply = Vec::new();
    for index in indices {
        let key = key(space::STRINGS, index);
        reply.clear();
        if leased {
            reply.extend_from_slice(b"*4\r\n");
            bulk(&mut reply, b"hit");
        }
        bulk(&mut reply, &value(&key, VALUE_BYTES));
        if leased {
            reply.extend_from_slice(b"$-1\r\n:-1\r\n");
        }
        strip.push(&[if leased { b"LEASE.GET" } else { b"GET" }, &key], &reply);
    }
    strip
}

/// Each key gets a tag.
fn tag_strip(tag: impl Fn(usize) -> Vec<u8>) -> Strip {
    let mut strip = Strip::with_replies();
    for index in 0..KEYS {
        strip.push(&[b"TAG.ADD", &key(space::STRINGS, index), &tag(index)], b":1\r\n");
    }
    strip
}

/// How a tag of a million keys went.
struct Dropped {
    /// Until the reply.
    took: Duration,
    /// The longest wait of another client from then until the memory is back.
    others: Duration,
    back: Duration,
}

fn drop_tag(plan: &Plan, cores: &Cores) -> Outcome<Dropped> {
    let server = Server::start(&plan.servers[REDSTART], cores, Pin::Apart, 1)?;
    let mut client = Client::connect(server.port)?;
    let empty = client.info_number("used_memory")?;
    for fill in [fill_strip(KEYS, &[]), tag_strip(|_| TAG.to_vec())] {
        let fill = Stream::new(&fill, plan.connections, FILL_PIPELINE, Laps::Once);
        load::run(server.port, &[fill], None, &server.cpu)?;
    }
    client.ask(&[b"SET", b"other", b"value"])?;
    let full = client.info_number("used_memory")?;
    let began = Instant::now();
    client.ask(&[b"TAG.DROP", TAG])?;
    let (took, mut others) = (began.elapsed(), Duration::ZERO);
    loop {
        for _ in 0..20 {
            let asked = Instant::now();
            client.ask(&[b"GET", b"other"])?;
            others = others.max(asked.elapsed());
        }
        let left = (client.info_number("used_memory")? - empty) / (full - empty);
        if left <= LEFT_MAX {
            return Ok(Dropped { took, others, back: began.elapsed() });
        }
        if began.elapsed() > BACK_MAX * 2 {
            return Err(Failure(format!("{:.0} % of the memory is not back", left * 100.0)));
        }
    }
}
