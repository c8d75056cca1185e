//! The memcached port beside memcached itself, which has one worker thread and one core like
//! Redstart: CPU time of get and set, and resident bytes of an item.

use super::load::{self, Laps, Stream};
use super::outcome::{Outcome, progress};
use super::plan::{Plan, REDSTART, ServerSpec, Talk};
use super::report::{Section, Table, median, met, ratio, short};
use super::server::{Cores, Pin, Server};
use super::strip::{Strip, VALUE_BYTES, key, space, value};
use super::throughput::Figures;

/// Where `make setup` puts it.
const MEMCACHED: &str = "target/oracles/bin/memcached";
const KEYS: usize = 1_000_000;
const FILL_PIPELINE: usize = 64;
/// Keys of one request.
const MANY: usize = 16;
/// Resident bytes of an item over memcached's at most.
const BYTES_MAX: f64 = 0.9;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Get,
    Set,
    GetMany,
}

/// A name, what is asked, at which pipeline, and CPU time over memcached's at most.
const LINES: [(&str, Action, usize, f64); 5] = [
    ("get p1", Action::Get, 1, 0.95),
    ("set p1", Action::Set, 1, 0.95),
    ("get p16", Action::Get, 16, 0.60),
    ("set p16", Action::Set, 16, 0.60),
    ("get of 16 keys p1", Action::GetMany, 1, 0.60),
];

/// The places of the two.
const THEIRS: usize = 0;
const OURS: usize = 1;

#[derive(Default)]
struct Rounds {
    figures: [[Vec<Figures>; 2]; LINES.len()],
    item_bytes: [Vec<f64>; 2],
}

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let title = "The memcached port".to_string();
    let mut rounds = Rounds::default();
    if let Err(failure) = measure(plan, cores, &mut rounds) {
        progress(format_args!("  {failure}"));
        return Section { title, text: format!("**{failure}**\n"), complete: false };
    }
    let mut table = Table::new(["", "memcached", "redstart", "ratio", "bar", "met"]);
    let cpu = |rounds: &Vec<Figures>| Figures::medians(rounds).map(|figures| figures.cpu_us);
    for (&(name, .., most), row) in LINES.iter().zip(&rounds.figures) {
        table.row(cells(&format!("{name}, CPU us"), row.each_ref().map(cpu), most));
    }
    let bytes = rounds.item_bytes.map(median);
    table.row(cells("resident bytes of an item of 16 + 32 with a TTL", bytes, BYTES_MAX));
    let text = format!(
        "memcached with one worker thread; both on one core. Resident bytes are those of the whole \
         process, filled, less those of the empty one.\n\n{}",
        table.markdown()
    );
    Section { title, text, complete: true }
}

fn cells(what: &str, [theirs, ours]: [Option<f64>; 2], most: f64) -> Vec<String> {
    let over = ours.zip(theirs).and_then(|(ours, theirs)| ratio(ours, theirs));
    let shown = |figure: Option<f64>| figure.map(short).unwrap_or_default();
    let verdict = over.map(|over| met(over <= most)).unwrap_or_default();
    vec![what.into(), shown(theirs), shown(ours), shown(over), format!("<= {most}"), verdict]
}

fn measure(plan: &Plan, cores: &Cores, rounds: &mut Rounds) -> Outcome<()> {
    let words = |text: &str| text.split(' ').map(str::to_string).collect::<Vec<_>>();
    let mut theirs = words("-p {port} -U 0 -t 1 -m 2048 -c 4096 -u root");
    theirs.insert(0, MEMCACHED.into());
    let theirs = ServerSpec::new("memcached", theirs).talking(Talk::Memcached);
    let mut ours = plan.servers[REDSTART].clone().talking(Talk::Memcached);
    for word in ours.command.iter_mut().filter(|word| *word == "{port}") {
        *word = "0".into();
    }
    let ours = ours.with(&["--memcached-port", "{port}"]);
    let (fill, mut strips) = (strip(Action::Set, None), Vec::new());
    for (nth, &(_, action, ..)) in LINES.iter().enumerate() {
        strips.push(strip(action, Some(nth as u64)));
    }
    for round in 1..=plan.rounds {
        for (at, spec) in [(THEIRS, &theirs), (OURS, &ours)] {
            progress(format_args!("memcached {round}/{}: {}", plan.rounds, spec.name));
            let server = Server::start(spec, cores, Pin::Apart, 1)?;
            let empty = server.resident_bytes()?;
            let stream = Stream::new(&fill, plan.connections, FILL_PIPELINE, Laps::Once);
            load::run(server.port, &[stream], None, &server.cpu)?;
            let grown = server.resident_bytes()? as f64 - empty as f64;
            rounds.item_bytes[at].push(grown / KEYS as f64);
            for (line, &(_, _, pipeline, _)) in LINES.iter().enumerate() {
                let stream = Stream::new(&strips[line], plan.connections, pipeline, Laps::Endless);
                let measured = load::run(server.port, &[stream], Some(plan.timing), &server.cpu)?;
                rounds.figures[line][at].push(Figures::of(&measured));
            }
        }
    }
    Ok(())
}

/// Each key once, in its order or in a random one.
fn strip(action: Action, seed: Option<u64>) -> Strip {
    let mut indices: Vec<usize> = (0..KEYS).collect();
    if let Some(seed) = seed {
        fastrand::Rng::with_seed(seed).shuffle(&mut indices);
    }
    let keys_each = if action == Action::GetMany { MANY } else { 1 };
    let mut strip = Strip::with_replies();
    let (mut request, mut reply) = (Vec::new(), Vec::new());
    for some in indices.chunks_exact(keys_each) {
        request.clear();
        reply.clear();
        request.extend_from_slice(if action == Action::Set { b"set" } else { b"get" });
        for &index in some {
            let key = key(space::STRINGS, index);
            request.push(b' ');
            request.extend_from_slice(&key);
            let value = value(&key, VALUE_BYTES);
            if action == Action::Set {
                request.extend_from_slice(format!(" 0 86400 {VALUE_BYTES}\r\n").as_bytes());
                request.extend_from_slice(&value);
            } else {
                reply.extend_from_slice(b"VALUE ");
                reply.extend_from_slice(&key);
                reply.extend_from_slice(format!(" 0 {VALUE_BYTES}\r\n").as_bytes());
                reply.extend_from_slice(&value);
                reply.extend_from_slice(b"\r\n");
            }
        }
        request.extend_from_slice(b"\r\n");
        let end: &[u8] = if action == Action::Set { b"STORED\r\n" } else { b"END\r\n" };
        reply.extend_from_slice(end);
        strip.push_bytes(&request, &reply);
    }
    strip
}
