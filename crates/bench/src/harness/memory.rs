//! Resident bytes per key.
//!
//! A server is started for each fill; what its resident memory grows by, from empty to filled, is
//! divided by the number of keys. Tables grow in steps, so one number of keys may flatter or hurt:
//! the mean over fills of 1, 1.25, 1.5 and 1.75 million keys is the figure. The fill uses few
//! connections, so that their buffers do not count, and the keys are counted before it is believed.

use super::client::Client;
use super::load::{self, Laps, Stream};
use super::outcome::{Failure, Outcome, progress};
use super::plan::{Plan, REDSTART, ServerSpec};
use super::report::{Section, Table, met, short};
use super::server::{Cores, Pin, Server};
use super::strip::{KEY_BYTES, Strip, VALUE_BYTES, fill_strip};
use super::{hashes, lists, sets, sorted_sets, streams};
use std::time::Duration;

const CONNECTIONS: usize = 4;
const PIPELINE: usize = 64;
/// A server may tidy up after a fill; then the memory is read.
const SETTLE: Duration = Duration::from_millis(300);
/// A TTL that no run lives to see the end of.
const TTL_SECONDS: &[u8] = b"1000000";

/// A fill, and what it may take.
struct Fill {
    what: &'static str,
    strip: fn(usize) -> Strip,
    /// Of what `above` is judged: the bytes of key and value, or none, where the whole is.
    own_bytes: usize,
    above_max: f64,
    /// The part of the plan's keys that is filled.
    share: usize,
    filled: Filled,
}

/// What the requests of a fill make, whose bytes are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// A key each.
    Keys,
    /// A part of one value each.
    One,
    /// One of [`ENTRIES_OF_TURNS`] entries of a key each, each key in turn.
    Turns,
}

/// Entries of each stream of those that are filled in turn.
pub const ENTRIES_OF_TURNS: usize = 100;

const FILLS: [Fill; 11] = [
    Fill {
        what: "without TTL",
        strip: |keys| fill_strip(keys, &[]),
        own_bytes: KEY_BYTES + VALUE_BYTES,
        above_max: 28.0,
        share: 1,
        filled: Filled::Keys,
    },
    Fill {
        what: "with TTL",
        strip: |keys| fill_strip(keys, &[b"EX", TTL_SECONDS]),
        own_bytes: KEY_BYTES + VALUE_BYTES,
        above_max: 44.0,
        share: 1,
        filled: Filled::Keys,
    },
    Fill {
        what: "hashes of 10 fields, a quarter of the keys",
        strip: hashes::fill_strip,
        own_bytes: 0,
        above_max: 270.0,
        share: 4,
        filled: Filled::Keys,
    },
    Fill {
        what: "lists of 10 elements, a quarter of the keys",
        strip: lists::fill_strip,
        own_bytes: 0,
        above_max: 215.0,
        share: 4,
        filled: Filled::Keys,
    },
    Fill {
        what: "sets of 10 members, a quarter of the keys",
        strip: sets::fill_strip,
        own_bytes: 0,
        above_max: 225.0,
        share: 4,
        filled: Filled::Keys,
    },
    Fill {
        what: "the members of one set",
        strip: sets::big_strip,
        own_bytes: 0,
        above_max: 38.0,
        share: 1,
        filled: Filled::One,
    },
    Fill {
        what: "the integers of one set",
        strip: sets::integers_strip,
        own_bytes: 0,
        above_max: 20.0,
        share: 1,
        filled: Filled::One,
    },
    Fill {
        what: "sorted sets of 10 members, a quarter of the keys",
        strip: sorted_sets::fill_strip,
        own_bytes: 0,
        above_max: 285.0,
        share: 4,
        filled: Filled::Keys,
    },
    Fill {
        what: "the members of one sorted set",
        strip: sorted_sets::big_strip,
        own_bytes: 0,
        above_max: 46.0,
        share: 1,
        filled: Filled::One,
    },
    Fill {
        what: "the entries of one stream",
        strip: streams::big_strip,
        own_bytes: 0,
        above_max: 40.0,
        share: 1,
        filled: Filled::One,
    },
    Fill {
        what: "streams of 100 entries in turn, a hundredth of the keys",
        strip: streams::turns_strip,
        own_bytes: 0,
        above_max: 4500.0,
        share: 1,
        filled: Filled::Turns,
    },
];

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut heading = vec!["keys".to_string(), "server".into()];
    heading.extend(plan.fills.iter().map(|keys| format!("{}M", *keys as f64 / 1e6)));
    heading.extend(["mean", "above key and value", "bar", "met"].map(String::from));
    let mut table = Table::new(heading);
    let mut complete = true;
    let most = plan.fills.iter().copied().max().unwrap_or(0);
    for Fill { what, strip: render, own_bytes, above_max, share, filled } in FILLS {
        let strip = render(most / share);
        for (at, spec) in plan.servers.iter().enumerate() {
            progress(format_args!("memory {what}: {}", spec.name));
            let mut row = vec![what.to_string(), spec.name.clone()];
            match per_key(plan, spec, cores, &strip, (render, share, filled)) {
                Ok(bytes) => {
                    row.extend(bytes.iter().map(|&bytes| short(bytes)));
                    let mean = bytes.iter().sum::<f64>() / bytes.len() as f64;
                    let above = mean - own_bytes as f64;
                    row.extend([short(mean), short(above)]);
                    if at == REDSTART {
                        row.extend([format!("<= {above_max}"), met(above <= above_max)]);
                    }
                }
                Err(failure) => {
                    progress(format_args!("  {failure}"));
                    complete &= at > REDSTART;
                    row.push("-".into());
                }
            }
            table.row(row);
        }
    }
    let text = format!(
        "Resident bytes per key, {KEY_BYTES}-byte keys and {VALUE_BYTES}-byte values: growth of \
         VmRSS from the empty to the filled server, over the keys, for fills of different \
         size. Of hashes, lists, sets, sorted sets and streams, whose fields, elements, members, \
         names and values have 16 bytes, all bytes are judged; of streams those of an entry, or of \
         a stream.\n\n{}",
        table.markdown()
    );
    Section { title: "Memory".into(), text, complete }
}

/// Bytes per key of each fill.
fn per_key(
    plan: &Plan,
    spec: &ServerSpec,
    cores: &Cores,
    most: &Strip,
    (render, share, filled): (fn(usize) -> Strip, usize, Filled),
) -> Outcome<Vec<f64>> {
    let each = plan.fills.iter().map(|&keys| {
        // Fewer streams in turn are other requests, and not the first of those of more.
        let own = (filled == Filled::Turns).then(|| render(keys / share));
        fill(spec, cores, own.as_ref().unwrap_or(most), keys / share, filled)
    });
    each.collect()
}

fn fill(
    spec: &ServerSpec,
    cores: &Cores,
    strip: &Strip,
    requests: usize,
    filled: Filled,
) -> Outcome<f64> {
    let server = Server::start(spec, cores, Pin::Apart, 1)?;
    let mut client = Client::connect(server.port)?;
    let empty = server.resident_bytes()?;
    let mut stream = Stream::new(strip, CONNECTIONS, PIPELINE, Laps::Once);
    stream.requests = 0..requests;
    load::run(server.port, &[stream], None, &server.cpu)?;
    std::thread::sleep(SETTLE);
    let resident = server.resident_bytes()?;
    let counted = client.dbsize()?;
    let (keys, parts) = match filled {
        Filled::Keys => (requests, requests),
        Filled::One => (1, requests),
        Filled::Turns => (requests / ENTRIES_OF_TURNS, requests / ENTRIES_OF_TURNS),
    };
    if counted != keys {
        return Err(Failure(format!("{counted} keys after a fill of {keys}")));
    }
    Ok(resident.saturating_sub(empty) as f64 / parts as f64)
}
