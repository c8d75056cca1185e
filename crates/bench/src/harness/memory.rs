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
use super::{hashes, lists, sets, sorted_sets};
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
    /// Whether the requests fill one value.
    is_one: bool,
}

const FILLS: [Fill; 9] = [
    Fill {
        what: "without TTL",
        strip: |keys| fill_strip(keys, &[]),
        own_bytes: KEY_BYTES + VALUE_BYTES,
        above_max: 28.0,
        share: 1,
        is_one: false,
    },
    Fill {
        what: "with TTL",
        strip: |keys| fill_strip(keys, &[b"EX", TTL_SECONDS]),
        own_bytes: KEY_BYTES + VALUE_BYTES,
        above_max: 44.0,
        share: 1,
        is_one: false,
    },
    Fill {
        what: "hashes of 10 fields, a quarter of the keys",
        strip: hashes::fill_strip,
        own_bytes: 0,
        above_max: 270.0,
        share: 4,
        is_one: false,
    },
    Fill {
        what: "lists of 10 elements, a quarter of the keys",
        strip: lists::fill_strip,
        own_bytes: 0,
        above_max: 215.0,
        share: 4,
        is_one: false,
    },
    Fill {
        what: "sets of 10 members, a quarter of the keys",
        strip: sets::fill_strip,
        own_bytes: 0,
        above_max: 225.0,
        share: 4,
        is_one: false,
    },
    Fill {
        what: "the members of one set",
        strip: sets::big_strip,
        own_bytes: 0,
        above_max: 38.0,
        share: 1,
        is_one: true,
    },
    Fill {
        what: "the integers of one set",
        strip: sets::integers_strip,
        own_bytes: 0,
        above_max: 20.0,
        share: 1,
        is_one: true,
    },
    Fill {
        what: "sorted sets of 10 members, a quarter of the keys",
        strip: sorted_sets::fill_strip,
        own_bytes: 0,
        above_max: 285.0,
        share: 4,
        is_one: false,
    },
    Fill {
        what: "the members of one sorted set",
        strip: sorted_sets::big_strip,
        own_bytes: 0,
        above_max: 46.0,
        share: 1,
        is_one: true,
    },
];

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut heading = vec!["keys".to_string(), "server".into()];
    heading.extend(plan.fills.iter().map(|keys| format!("{}M", *keys as f64 / 1e6)));
    heading.extend(["mean", "above key and value", "bar", "met"].map(String::from));
    let mut table = Table::new(heading);
    let mut complete = true;
    let most = plan.fills.iter().copied().max().unwrap_or(0);
    for Fill { what, strip, own_bytes, above_max, share, is_one } in FILLS {
        let strip = strip(most / share);
        for (at, spec) in plan.servers.iter().enumerate() {
            progress(format_args!("memory {what}: {}", spec.name));
            let mut row = vec![what.to_string(), spec.name.clone()];
            match per_key(plan, spec, cores, (&strip, is_one), share) {
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
         size. Of hashes, lists, sets and sorted sets, whose fields, elements and members have \
         16 bytes, all bytes are judged.\n\n{}",
        table.markdown()
    );
    Section { title: "Memory".into(), text, complete }
}

/// Bytes per key of each fill.
fn per_key(
    plan: &Plan,
    spec: &ServerSpec,
    cores: &Cores,
    strip: (&Strip, bool),
    share: usize,
) -> Outcome<Vec<f64>> {
    plan.fills.iter().map(|&keys| fill(spec, cores, strip, keys / share)).collect()
}

fn fill(
    spec: &ServerSpec,
    cores: &Cores,
    (strip, is_one): (&Strip, bool),
    keys: usize,
) -> Outcome<f64> {
    let server = Server::start(spec, cores, Pin::Apart, 1)?;
    let mut client = Client::connect(server.port)?;
    let empty = server.resident_bytes()?;
    let mut stream = Stream::new(strip, CONNECTIONS, PIPELINE, Laps::Once);
    stream.requests = 0..keys;
    load::run(server.port, &[stream], None, &server.cpu)?;
    std::thread::sleep(SETTLE);
    let filled = server.resident_bytes()?;
    let counted = client.dbsize()?;
    if counted != if is_one { 1 } else { keys } {
        return Err(Failure(format!("{counted} keys after a fill of {keys}")));
    }
    Ok(filled.saturating_sub(empty) as f64 / keys as f64)
}
