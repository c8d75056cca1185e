//! The workloads with hashes: a million small ones, one of a million fields, and hashes of ten
//! fields that are read whole.

use super::cli::Group;
use super::workload::{self, Dataset, Replies, Strip, Workload, bulk, key, space, value};

/// Fields of the hashes that are read whole.
pub const FIELDS: usize = 10;
/// Fields of a small hash.
const SMALL_FIELDS: usize = 4;
const VALUE_BYTES: usize = 16;

/// What one request does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Makes a small hash.
    MakeSmall,
    /// Overwrites a field of a small hash.
    Set,
    Get,
    /// Counts in a field of its own of a small hash.
    Incr,
    /// Makes a hash of ten fields.
    MakeTen,
    /// Reads it whole.
    GetAll,
    /// Overwrites, or makes, a field of the one big hash.
    SetBig,
    GetBig,
}

const SMALL: Dataset = of(1_000_000, Action::MakeSmall);
const TEN: Dataset = of(200_000, Action::MakeTen);
const BIG: Dataset = of(1_000_000, Action::SetBig);

const fn of(keys: usize, fill: Action) -> Dataset {
    Dataset { keys, value_bytes: VALUE_BYTES, fill: workload::Action::Hash(fill) }
}

const fn line(
    name: &'static str,
    dataset: Dataset,
    action: Action,
    pipeline: usize,
    cpu_ratio_max: f64,
) -> Workload {
    let action = workload::Action::Hash(action);
    workload::by_cpu(Group::Hashes, name, dataset, action, pipeline, cpu_ratio_max)
}

/// The lines of the group.
pub const WORKLOADS: &[Workload] = &[
    line("HSET small p1", SMALL, Action::Set, 1, 1.0),
    line("HSET small p16", SMALL, Action::Set, 16, 0.65),
    line("HGET small p1", SMALL, Action::Get, 1, 1.0),
    line("HGET small p16", SMALL, Action::Get, 16, 0.75),
    line("HINCRBY small p1", SMALL, Action::Incr, 1, 1.0),
    line("HINCRBY small p16", SMALL, Action::Incr, 16, 0.75),
    line("HGETALL of 10 p1", TEN, Action::GetAll, 1, 1.0),
    line("HGETALL of 10 p16", TEN, Action::GetAll, 16, 0.70),
    line("HSET big p1", BIG, Action::SetBig, 1, 1.0),
    line("HSET big p16", BIG, Action::SetBig, 16, 0.65),
    line("HGET big p16", BIG, Action::GetBig, 16, 0.75),
];

/// Appends a request for each of `indices`.
pub fn render(action: Action, indices: &[usize], strip: &mut Strip) {
    if action == Action::SetBig || action == Action::Incr {
        // Whether the field is new, or how often it was counted, is not known.
        strip.replies = Replies::Kind(b':');
    }
    let big = key(space::HASHES, usize::MAX >> 16);
    let mut reply = Vec::new();
    for &index in indices {
        let key = key(space::HASHES, index);
        let text = value(&key, VALUE_BYTES);
        match action {
            Action::MakeSmall => make(strip, SMALL_FIELDS, &key),
            Action::MakeTen => make(strip, FIELDS, &key),
            Action::Set => {
                let field = format!("f{}", index % SMALL_FIELDS);
                strip.push(&[b"HSET", &key, field.as_bytes(), &text], b":0\r\n");
            }
            Action::Get => {
                reply.clear();
                bulk(&mut reply, &text);
                let field = format!("f{}", index % SMALL_FIELDS);
                strip.push(&[b"HGET", &key, field.as_bytes()], &reply);
            }
            Action::Incr => strip.push(&[b"HINCRBY", &key, b"count", b"1"], b""),
            Action::GetAll => {
                reply.clear();
                reply.extend_from_slice(format!("*{}\r\n", 2 * FIELDS).as_bytes());
                for field in 0..FIELDS {
                    bulk(&mut reply, format!("f{field}").as_bytes());
                    bulk(&mut reply, &text);
                }
                strip.push(&[b"HGETALL", &key], &reply);
            }
            Action::SetBig => strip.push(&[b"HSET", &big, &field(index), &text], b""),
            Action::GetBig => {
                reply.clear();
                bulk(&mut reply, &text);
                strip.push(&[b"HGET", &big, &field(index)], &reply);
            }
        }
    }
}

fn field(index: usize) -> [u8; 16] {
    key(space::FIELDS, index)
}

/// A new hash whose `fields` fields all have the same value.
fn make(strip: &mut Strip, fields: usize, key: &[u8; 16]) {
    let text = value(key, VALUE_BYTES);
    let names: Vec<String> = (0..fields).map(|field| format!("f{field}")).collect();
    let mut args: Vec<&[u8]> = vec![b"HSET", key];
    names.iter().for_each(|name| args.extend([name.as_bytes(), &text]));
    strip.push(&args, format!(":{fields}\r\n").as_bytes());
}

/// `count` hashes of ten fields with values of 16 bytes: for the memory that they take.
pub fn fill_strip(count: usize) -> Strip {
    let mut strip = Strip::with_replies();
    (0..count).for_each(|index| make(&mut strip, FIELDS, &key(space::HASHES, index)));
    strip
}
