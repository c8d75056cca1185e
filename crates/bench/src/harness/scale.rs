//! More workers on more cores: what each of them adds, and what sharing the keyspace costs.
//!
//! The server gets the first 1, 2, 4 ... cores and as many workers; as many threads of load get
//! cores of their own behind them, each with connections of its own. Where there are too few cores
//! for that, server and load share all of them, and the row says so. One hot key is the worst case:
//! all workers want the same shard.

use super::load::{self, Laps, Measured, Stream};
use super::outcome::{Failure, Outcome, progress};
use super::plan::{Plan, REDSTART, ServerSpec};
use super::report::{Section, Table, ratio, short};
use super::server::{Cores, Pin, Server};
use super::strip::{Replies, Strip, key, space};
use super::throughput::Figures;
use super::workload::{self, Action, Dataset, Order, SET, SMALL, Strips};
use super::{sorted_sets, strings};
use std::ops::Deref;

/// A script that does what GET does.
const SCRIPT: &[u8] = b"return redis.call('GET', KEYS[1])";
/// Requests of the strips that are rendered here.
const REQUESTS: usize = 200_000;
const PIPELINE: usize = 16;
/// Sorted sets of ten members.
const SORTED: Dataset = Dataset {
    keys: 100_000,
    value_bytes: 16,
    fill: Action::SortedSet(sorted_sets::Action::MakeSmall),
};

/// One line of the table.
struct Line {
    name: &'static str,
    strip: Strip,
    pipeline: usize,
}

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut table = Table::new([
        "workload",
        "workers",
        "kops/s",
        "over 1",
        "CPU us/op",
        "over 1",
        "p50 us",
        "p99 us",
        "load busy",
        "cores",
    ]);
    let spec = &plan.servers[REDSTART];
    let (mut notes, mut complete) = (String::new(), true);
    match measure_all(plan, spec, cores, &mut table) {
        Ok(bytes) => bytes.iter().for_each(|(workers, bytes)| {
            notes += &format!("\nBytes a key with {workers} workers: {bytes:.1}.\n");
        }),
        Err(failure) => {
            progress(format_args!("  {failure}"));
            complete = false;
            notes += &format!("\n**{failure}**\n");
        }
    }
    let text = format!(
        "{} cores. Workers and threads of load are equally many, with {} connections a thread; CPU \
         per operation is that of all workers. Keys are a million of 16 bytes with 32-byte values, \
         the sorted sets a hundred thousand of ten members.\n\n{}{notes}",
        cores.count(),
        plan.connections,
        table.markdown()
    );
    Section { title: "Scale".into(), text, complete }
}

/// Fills the table; returns the bytes a key for each number of workers.
fn measure_all(
    plan: &Plan,
    spec: &ServerSpec,
    cores: &Cores,
    table: &mut Table,
) -> Outcome<Vec<(usize, f64)>> {
    let lines = lines();
    let most = cores.count().max(2) / 2;
    let mut counts: Vec<usize> = std::iter::successors(Some(1), |workers| Some(workers * 2))
        .take_while(|&workers| workers <= most)
        .collect();
    if most == 1 {
        // Only sharing its two cores with the load can a second worker be tried at all.
        counts.push(2);
    }
    let (mut bytes, mut first) = (Vec::new(), Vec::new());
    for &workers in &counts {
        progress(format_args!("scale: {workers} workers"));
        let apart = workers * 2 <= cores.count();
        let pin = if apart { Pin::First(workers) } else { Pin::Free };
        let server = Server::start(spec, cores, pin, workers)?;
        let empty = server.resident_bytes()?;
        let mut strips = Strips::default();
        fill(plan, &server, &strips.strip(SET, SMALL, Order::Counted))?;
        bytes.push((workers, (server.resident_bytes()? - empty) as f64 / SMALL.keys as f64));
        fill(plan, &server, &strips.strip(SORTED.fill, SORTED, Order::Counted))?;
        for (at, line) in lines.iter().enumerate() {
            let figures = together(plan, &server, cores, line, (workers, apart))?;
            if first.len() == at {
                first.push(figures);
            }
            let over = |value, of: fn(&Figures) -> f64| {
                ratio(value, of(&first[at])).map(short).unwrap_or_default()
            };
            table.row([
                line.name.to_string(),
                workers.to_string(),
                format!("{:.0}", figures.kops),
                over(figures.kops, |first| first.kops),
                short(figures.cpu_us),
                over(figures.cpu_us, |first| first.cpu_us),
                short(figures.p50_us),
                short(figures.p99_us),
                format!("{:.0} %", figures.load_busy * 100.0),
                if apart { "their own" } else { "shared" }.into(),
            ]);
        }
    }
    Ok(bytes)
}

fn lines() -> Vec<Line> {
    let of = |name, action, dataset, pipeline| {
        let strip = workload::strip(action, dataset, Order::Shuffled);
        Line { name, strip, pipeline }
    };
    let string = Action::String;
    let mut lines = vec![
        of("GET p1", string(strings::Action::Get), SMALL, 1),
        of("GET p16", string(strings::Action::Get), SMALL, PIPELINE),
        of("SET p16", SET, SMALL, PIPELINE),
        of("MSET of 10 p16", string(strings::Action::Mset), SMALL, PIPELINE),
        of("ZADD p16", Action::SortedSet(sorted_sets::Action::AddSmall), SORTED, PIPELINE),
    ];
    let mut script = Strip::with_replies();
    let mut hot = Strip::with_replies();
    (script.replies, hot.replies) = (Replies::Kind(b'$'), Replies::Kind(b':'));
    for index in 0..REQUESTS {
        // A step that visits all of the keys.
        let key = key(space::STRINGS, index * 7919 % SMALL.keys);
        script.push(&[b"EVAL", SCRIPT, b"1", &key], b"");
        hot.push(&[b"INCR", b"hot"], b"");
    }
    lines.push(Line { name: "a script that GETs p16", strip: script, pipeline: PIPELINE });
    lines.push(Line { name: "INCR of one key p16", strip: hot, pipeline: PIPELINE });
    lines
}

fn fill(plan: &Plan, server: &Server, strip: &impl Deref<Target = Strip>) -> Outcome<()> {
    let stream = Stream::new(strip, plan.connections, 64, Laps::Once);
    load::run(server.port, &[stream], None, &server.cpu).map(drop)
}

/// The same load from as many threads as there are workers, as one.
fn together(
    plan: &Plan,
    server: &Server,
    cores: &Cores,
    line: &Line,
    (threads, apart): (usize, bool),
) -> Outcome<Figures> {
    let all = line.strip.len();
    let one = |thread: usize| -> Outcome<Measured> {
        if apart {
            cores.move_to(threads + thread)?;
        }
        let mut stream = Stream::new(&line.strip, 1, line.pipeline, Laps::Endless);
        stream.requests = all * thread / threads..all * (thread + 1) / threads;
        stream.connections = plan.connections;
        load::run(server.port, &[stream], Some(plan.timing), &server.cpu)
    };
    let measured: Vec<Figures> = std::thread::scope(|scope| {
        let loads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || one(thread))).collect();
        let ended = loads.into_iter().map(|load| {
            let measured = load.join().map_err(|_| Failure("a thread of load panicked".into()))?;
            Ok(Figures::of(&measured?))
        });
        ended.collect::<Outcome<Vec<_>>>()
    })?;
    let sum = |of: fn(&Figures) -> f64| measured.iter().map(of).sum::<f64>();
    let worst = |of: fn(&Figures) -> f64| measured.iter().map(of).fold(0.0, f64::max);
    let kops = sum(|figures| figures.kops);
    let server_busy = sum(|figures| figures.server_busy) / threads as f64;
    Ok(Figures {
        kops,
        cpu_us: server_busy * 1e3 / kops,
        p50_us: worst(|figures| figures.p50_us),
        p99_us: worst(|figures| figures.p99_us),
        p999_us: worst(|figures| figures.p999_us),
        server_busy,
        load_busy: sum(|figures| figures.load_busy) / threads as f64,
    })
}
