//! What is sent, rendered before it is measured.
//!
//! A `Strip` is a long row of requests in one block of memory, with the replies that they must get
//! in another. A batch of any pipeline depth is a run of neighbouring requests, so that the load
//! only ever hands out slices, and reading them in order is what the CPU's prefetcher does best.
//!
//! ```text
//! requests  | GET k7 | GET k2 | GET k9 | GET k4 | ...      ends: [36, 72, 108, 144, ...]
//!             '------ batch of 2 -----'
//! ```
//!
//! Keys are 16 hexadecimal digits, a bijection of a counter, so they are distinct, look random, and
//! can be named again. A value is its key repeated: every reply tells whether it is the right one.

use super::cli::Group;
use super::{hashes, lists, scripts};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

/// Bytes of every key.
pub const KEY_BYTES: usize = 16;
/// Bytes of a small value.
pub const VALUE_BYTES: usize = 32;
/// Keys of one MSET or MGET.
const KEYS_PER_MULTI: usize = 10;

/// Byte strings in a row.
#[derive(Default)]
pub struct Slices {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Slices {
    /// Closes the byte string that was appended to `bytes`.
    fn close(&mut self) {
        self.ends.push(u32::try_from(self.bytes.len()).expect("a strip stays below 4 GiB"));
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The strings of `range`, as one.
    pub fn span(&self, range: &Range<usize>) -> &[u8] {
        let start = if range.start == 0 { 0 } else { self.ends[range.start - 1] as usize };
        let end = if range.end == 0 { 0 } else { self.ends[range.end - 1] as usize };
        &self.bytes[start..end]
    }
}

/// What the requests of a strip must be answered with.
pub enum Replies {
    /// A reply for every request, to the byte.
    Exact(Slices),
    /// Whatever starts with this byte: it depends on what was there before.
    Kind(u8),
}

/// Requests, and the replies that they must get.
pub struct Strip {
    pub requests: Slices,
    pub replies: Replies,
}

impl Strip {
    /// An empty strip whose replies are known.
    pub fn with_replies() -> Self {
        Self { requests: Slices::default(), replies: Replies::Exact(Slices::default()) }
    }

    /// Appends a request and its reply, if replies are known.
    pub fn push(&mut self, request: &[&[u8]], reply: &[u8]) {
        render(&mut self.requests.bytes, request);
        self.requests.close();
        if let Replies::Exact(replies) = &mut self.replies {
            replies.bytes.extend_from_slice(reply);
            replies.close();
        }
    }

    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// The replies of `range`, as one; nothing where they are not known.
    #[cfg(test)]
    pub fn known_replies(&self, range: Range<usize>) -> &[u8] {
        match &self.replies {
            Replies::Exact(replies) => replies.span(&range),
            Replies::Kind(_) => b"",
        }
    }
}

/// Appends a request as an array of bulks.
pub fn render(out: &mut Vec<u8>, args: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        bulk(out, arg);
    }
}

/// Appends a bulk string.
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// The key of `index` in `space`. Different pairs are different keys: the mixing of `SplitMix64`
/// is a bijection (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
pub fn key(space: u8, index: usize) -> [u8; KEY_BYTES] {
    let mut mixed = (u64::from(space) << 48 | index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    std::array::from_fn(|digit| b"0123456789abcdef"[(mixed >> (60 - 4 * digit)) as usize & 15])
}

/// The key spaces in use: a workload does not meddle with another's keys.
pub mod space {
    pub const STRINGS: u8 = 0;
    pub const COUNTERS: u8 = 1;
    pub const LOCKS: u8 = 2;
    pub const PROBED: u8 = 3;
    pub const HASHES: u8 = 4;
    pub const FIELDS: u8 = 5;
    pub const LISTS: u8 = 6;
}

/// What one request of a workload does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    Get,
    Set,
    Incr,
    Mset,
    Mget,
    /// `SET key value NX PX 30000`, then `DEL key`; each counts as an operation.
    LockCycle,
    /// Something with hashes.
    Hash(hashes::Action),
    /// Something with lists.
    List(lists::Action),
    /// Something with scripts.
    Script(scripts::Action),
}

impl Action {
    /// What has to be done once, each time, before this is measured; it is then measured for as
    /// long as that lasts, because it uses up what was prepared.
    pub fn prepared_by(self) -> Option<Action> {
        match self {
            Self::List(lists::Action::Rpop) => Some(Self::List(lists::Action::Push)),
            Self::Script(scripts::Action::Release) => Some(Self::Script(scripts::Action::Take)),
            _ => None,
        }
    }

    /// Gives every action a random order of its own.
    fn seed(self) -> u64 {
        let number = match self {
            Self::Get => 0,
            Self::Set => 1,
            Self::Incr => 2,
            Self::Mset => 3,
            Self::Mget => 4,
            Self::LockCycle => 5,
            Self::Hash(action) => 16 + action as u64,
            Self::List(action) => 32 + action as u64,
            Self::Script(action) => 48 + action as u64,
        };
        0x7265_6473_7461_7274 + number
    }
}

/// The order of a strip's keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Order {
    /// As they are counted: for fills.
    Counted,
    /// Random, and another for every action. A server lays keys out in memory as it gets them; one
    /// that were asked for them in that same order would be helped by the CPU's prefetcher.
    Shuffled,
}

/// The keyspace that a workload runs on, filled before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Dataset {
    pub keys: usize,
    pub value_bytes: usize,
    /// What fills it.
    pub fill: Action,
}

impl Dataset {
    /// `keys` strings.
    const fn strings(keys: usize, value_bytes: usize) -> Self {
        Self { keys, value_bytes, fill: Action::Set }
    }
}

/// A million keys with small values.
pub const SMALL: Dataset = Dataset::strings(1_000_000, VALUE_BYTES);
/// Values of 1 KiB.
pub const KIB_1: Dataset = Dataset::strings(100_000, 1 << 10);
/// Values of 16 KiB.
pub const KIB_16: Dataset = Dataset::strings(10_000, 16 << 10);
/// One line of the throughput tables.
pub struct Workload {
    pub name: &'static str,
    pub group: Group,
    pub dataset: Dataset,
    pub action: Action,
    pub pipeline: usize,
    /// CPU per operation over redis-server's: the most that is asked for.
    pub cpu_ratio_max: f64,
    /// Throughput over redis-server's, where the load is not the limit: the least.
    pub throughput_ratio_min: Option<f64>,
}

const fn strings(
    name: &'static str,
    action: Action,
    pipeline: usize,
    cpu_ratio_max: f64,
    throughput_ratio_min: Option<f64>,
) -> Workload {
    let (group, dataset) = (Group::Strings, SMALL);
    Workload { name, group, dataset, action, pipeline, cpu_ratio_max, throughput_ratio_min }
}

/// A line that is judged by CPU alone.
pub const fn by_cpu(
    group: Group,
    name: &'static str,
    dataset: Dataset,
    action: Action,
    pipeline: usize,
    cpu_ratio_max: f64,
) -> Workload {
    let throughput_ratio_min = None;
    Workload { name, group, dataset, action, pipeline, cpu_ratio_max, throughput_ratio_min }
}

const fn command(
    name: &'static str,
    action: Action,
    pipeline: usize,
    cpu_ratio_max: f64,
) -> Workload {
    by_cpu(Group::Commands, name, SMALL, action, pipeline, cpu_ratio_max)
}

const fn large(name: &'static str, dataset: Dataset, action: Action, pipeline: usize) -> Workload {
    let cpu_ratio_max = if pipeline == 1 { 1.0 } else { 0.75 };
    by_cpu(Group::Large, name, dataset, action, pipeline, cpu_ratio_max)
}

/// Every throughput workload, in the order of the tables.
pub fn workloads() -> impl Iterator<Item = &'static Workload> {
    WORKLOADS.iter().chain(hashes::WORKLOADS).chain(lists::WORKLOADS).chain(scripts::WORKLOADS)
}

/// Those with strings.
const WORKLOADS: &[Workload] = &[
    strings("GET p1", Action::Get, 1, 0.90, None),
    strings("SET p1", Action::Set, 1, 0.90, None),
    strings("GET p16", Action::Get, 16, 0.45, Some(2.2)),
    strings("SET p16", Action::Set, 16, 0.45, Some(2.2)),
    strings("GET p64", Action::Get, 64, 0.28, Some(3.5)),
    strings("SET p64", Action::Set, 64, 0.28, Some(3.5)),
    command("INCR p1", Action::Incr, 1, 1.0),
    command("INCR p16", Action::Incr, 16, 0.75),
    command("MSET of 10 p1", Action::Mset, 1, 1.0),
    command("MSET of 10 p16", Action::Mset, 16, 0.35),
    command("MGET of 10 p1", Action::Mget, 1, 1.0),
    command("MGET of 10 p16", Action::Mget, 16, 0.35),
    command("lock cycle p1", Action::LockCycle, 1, 1.0),
    command("lock cycle p16", Action::LockCycle, 16, 0.75),
    large("GET 1 KiB p1", KIB_1, Action::Get, 1),
    large("SET 1 KiB p1", KIB_1, Action::Set, 1),
    large("GET 1 KiB p16", KIB_1, Action::Get, 16),
    large("SET 1 KiB p16", KIB_1, Action::Set, 16),
    large("GET 16 KiB p1", KIB_16, Action::Get, 1),
    large("SET 16 KiB p1", KIB_16, Action::Set, 1),
    large("GET 16 KiB p16", KIB_16, Action::Get, 16),
    large("SET 16 KiB p16", KIB_16, Action::Set, 16),
];

/// Strips that were rendered, kept for the next server and the next round.
#[derive(Default)]
pub struct Strips {
    rendered: HashMap<(Action, Dataset, Order), Rc<Strip>>,
}

impl Strips {
    pub fn strip(&mut self, action: Action, dataset: Dataset, order: Order) -> Rc<Strip> {
        let rendered = self.rendered.entry((action, dataset, order));
        Rc::clone(rendered.or_insert_with(|| Rc::new(strip(action, dataset, order))))
    }
}

/// Each key of `dataset` once.
fn strip(action: Action, dataset: Dataset, order: Order) -> Strip {
    let mut indices: Vec<usize> = (0..dataset.keys).collect();
    if order == Order::Shuffled {
        fastrand::Rng::with_seed(action.seed()).shuffle(&mut indices);
    }
    let strings = indices.iter().map(|&index| key(space::STRINGS, index));
    let mut strip = Strip::with_replies();
    let mut reply = Vec::new();
    match action {
        Action::Get => strings.for_each(|key| {
            reply.clear();
            bulk(&mut reply, &value(&key, dataset.value_bytes));
            strip.push(&[b"GET", &key], &reply);
        }),
        Action::Set => strings.for_each(|key| {
            strip.push(&[b"SET", &key, &value(&key, dataset.value_bytes)], b"+OK\r\n");
        }),
        Action::Incr => {
            strip.replies = Replies::Kind(b':');
            indices.iter().map(|&index| key(space::COUNTERS, index)).for_each(|key| {
                strip.push(&[b"INCR", &key], b"");
            });
        }
        Action::Mset | Action::Mget => multi(action, dataset, &indices, &mut strip),
        Action::LockCycle => indices.iter().for_each(|&index| {
            let key = key(space::LOCKS, index);
            strip.push(&[b"SET", &key, &value(&key, 32), b"NX", b"PX", b"30000"], b"+OK\r\n");
            strip.push(&[b"DEL", &key], b":1\r\n");
        }),
        Action::Hash(action) => hashes::render(action, &indices, &mut strip),
        Action::List(action) => lists::render(action, &indices, &mut strip),
        Action::Script(action) => scripts::render(action, &indices, &mut strip),
    }
    strip
}

fn multi(action: Action, dataset: Dataset, indices: &[usize], strip: &mut Strip) {
    let mut reply = Vec::new();
    for chosen in indices.chunks_exact(KEYS_PER_MULTI) {
        let keys: Vec<_> = chosen.iter().map(|&index| key(space::STRINGS, index)).collect();
        let values: Vec<_> = keys.iter().map(|key| value(key, dataset.value_bytes)).collect();
        let mut args: Vec<&[u8]> = Vec::with_capacity(1 + 2 * KEYS_PER_MULTI);
        reply.clear();
        if action == Action::Mset {
            args.push(b"MSET");
            keys.iter().zip(&values).for_each(|(key, value)| args.extend([&key[..], value]));
            reply.extend_from_slice(b"+OK\r\n");
        } else {
            args.push(b"MGET");
            args.extend(keys.iter().map(|key| &key[..]));
            reply.extend_from_slice(format!("*{KEYS_PER_MULTI}\r\n").as_bytes());
            values.iter().for_each(|value| bulk(&mut reply, value));
        }
        strip.push(&args, &reply);
    }
}

/// SETs of the first `count` keys in order of their number, each followed by `options`. Keys look
/// random, so their order needs no shuffling.
pub fn fill_strip(count: usize, options: &[&[u8]]) -> Strip {
    let mut strip = Strip::with_replies();
    for index in 0..count {
        let key = key(space::STRINGS, index);
        let value = value(&key, VALUE_BYTES);
        let mut args: Vec<&[u8]> = vec![b"SET", &key, &value];
        args.extend_from_slice(options);
        strip.push(&args, b"+OK\r\n");
    }
    strip
}

/// The key, repeated to `bytes` bytes.
pub fn value(key: &[u8; KEY_BYTES], bytes: usize) -> Vec<u8> {
    key.iter().copied().cycle().take(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_runs_of_requests() {
        let mut strip = Strip::with_replies();
        strip.push(&[b"GET", b"a"], b"$1\r\nx\r\n");
        strip.push(&[b"DEL", b"bc"], b":1\r\n");
        assert_eq!(strip.requests.span(&(0..1)), b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
        assert_eq!(strip.requests.span(&(1..2)), b"*2\r\n$3\r\nDEL\r\n$2\r\nbc\r\n");
        assert_eq!(strip.requests.span(&(0..2)).len(), 20 + 21);
        assert_eq!(strip.requests.span(&(0..0)), b"");
        assert_eq!(strip.known_replies(0..2), b"$1\r\nx\r\n:1\r\n");
    }

    #[test]
    fn keys_are_distinct_and_hexadecimal() {
        let mut keys: Vec<_> = (0..3)
            .flat_map(|space| (0..10_000).map(move |index| key(space, index)))
            .inspect(|key| assert!(key.iter().all(u8::is_ascii_hexdigit)))
            .collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 30_000);
    }

    #[test]
    fn every_action_renders_requests_with_their_replies() {
        let dataset = Dataset::strings(100, 32);
        for (action, requests) in [
            (Action::Get, 100),
            (Action::Set, 100),
            (Action::Incr, 100),
            (Action::Mset, 10),
            (Action::Mget, 10),
            (Action::LockCycle, 200),
            (Action::Hash(hashes::Action::GetAll), 100),
            (Action::List(lists::Action::Range), 100),
            (Action::Script(scripts::Action::Release), 100),
        ] {
            let strip = strip(action, dataset, Order::Shuffled);
            assert_eq!(strip.len(), requests, "{action:?}");
            if let Replies::Exact(replies) = &strip.replies {
                assert_eq!(replies.len(), requests, "{action:?}");
            }
        }
        let get = strip(Action::Get, dataset, Order::Counted);
        let reply = get.known_replies(0..1);
        assert!(reply.starts_with(b"$32\r\n") && reply.len() == 5 + 32 + 2);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = workloads().map(|workload| workload.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), workloads().count());
    }
}
