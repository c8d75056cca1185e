//! What a throughput workload is: an action on a dataset, with a bar; and its requests, rendered
//! once.

use super::plan::Group;
use super::strip::{Strip, VALUE_BYTES};
use super::{bitmaps, hashes, lists, release, sets, sorted_sets, streams, strings};
use std::collections::HashMap;
use std::rc::Rc;

/// What one request of a workload does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Something with strings.
    String(strings::Action),
    /// Something with hashes.
    Hash(hashes::Action),
    /// Something with lists.
    List(lists::Action),
    /// Something with sets.
    Set(sets::Action),
    /// Something with sorted sets.
    SortedSet(sorted_sets::Action),
    /// Something with streams.
    Stream(streams::Action),
    /// Something with bitmaps or HyperLogLogs.
    Bitmap(bitmaps::Action),
    /// Something with scripts.
    Script(release::Action),
}

impl Action {
    /// What has to be done once, each time, before this is measured; it is then measured for as
    /// long as that lasts, because it uses up what was prepared.
    pub fn prepared_by(self) -> Option<Action> {
        match self {
            Self::List(lists::Action::Rpop) => Some(Self::List(lists::Action::Push)),
            Self::Set(action) => action.prepared_by().map(Self::Set),
            Self::SortedSet(action) => action.prepared_by().map(Self::SortedSet),
            Self::Stream(action) => action.prepared_by().map(Self::Stream),
            Self::Script(release::Action::Release) => Some(Self::Script(release::Action::Take)),
            _ => None,
        }
    }

    /// Gives every action a random order of its own.
    fn seed(self) -> u64 {
        let number = match self {
            Self::String(action) => action as u64,
            Self::Hash(action) => 16 + action as u64,
            Self::List(action) => 32 + action as u64,
            Self::Script(action) => 48 + action as u64,
            Self::SortedSet(action) => 64 + action as u64,
            Self::Set(action) => 96 + action as u64,
            Self::Stream(action) => 112 + action as u64,
            Self::Bitmap(action) => 128 + action as u64,
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
    pub const fn strings(keys: usize, value_bytes: usize) -> Self {
        Self { keys, value_bytes, fill: SET }
    }
}

/// Overwrites, or makes, a string.
pub const SET: Action = Action::String(strings::Action::Set);

/// A million keys with small values.
pub const SMALL: Dataset = Dataset::strings(1_000_000, VALUE_BYTES);

/// One line of the throughput tables.
pub struct Workload {
    pub name: &'static str,
    pub group: Group,
    pub dataset: Dataset,
    pub action: Action,
    pub pipeline: usize,
    /// CPU per operation over the peer's: the most that is asked for.
    pub cpu_ratio_max: f64,
}

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
pub fn strip(action: Action, dataset: Dataset, order: Order) -> Strip {
    let mut indices: Vec<usize> = (0..dataset.keys).collect();
    if order == Order::Shuffled {
        fastrand::Rng::with_seed(action.seed()).shuffle(&mut indices);
    }
    let mut strip = Strip::with_replies();
    match action {
        Action::String(action) => {
            strings::render(action, dataset.value_bytes, &indices, &mut strip);
        }
        Action::Hash(action) => hashes::render(action, &indices, &mut strip),
        Action::List(action) => lists::render(action, &indices, &mut strip),
        Action::Set(action) => sets::render(action, &indices, &mut strip),
        Action::SortedSet(action) => sorted_sets::render(action, &indices, &mut strip),
        Action::Stream(action) => streams::render(action, &indices, &mut strip),
        Action::Bitmap(action) => bitmaps::render(action, &indices, &mut strip),
        Action::Script(action) => release::render(action, &indices, &mut strip),
    }
    strip
}

#[cfg(test)]
mod tests {
    use super::super::strip::Replies;
    use super::*;

    #[test]
    fn every_action_renders_requests_with_their_replies() {
        let dataset = Dataset::strings(100, 32);
        let get = Action::String(strings::Action::Get);
        for (action, requests) in [
            (get, 100),
            (Action::String(strings::Action::Set), 100),
            (Action::String(strings::Action::Incr), 100),
            (Action::String(strings::Action::Mset), 10),
            (Action::String(strings::Action::Mget), 10),
            (Action::String(strings::Action::LockCycle), 200),
            (Action::Hash(hashes::Action::GetAll), 100),
            (Action::List(lists::Action::Range), 100),
            (Action::Set(sets::Action::Union), 100),
            (Action::SortedSet(sorted_sets::Action::RangeByLex), 100),
            (Action::Stream(streams::Action::Range), 100),
            (Action::Bitmap(bitmaps::Action::Get), 100),
            (Action::Script(release::Action::Release), 100),
        ] {
            let strip = strip(action, dataset, Order::Shuffled);
            assert_eq!(strip.len(), requests, "{action:?}");
            if let Replies::Exact(replies) = &strip.replies {
                assert_eq!(replies.len(), requests, "{action:?}");
            }
        }
        let rendered = strip(get, dataset, Order::Counted);
        let reply = rendered.known_replies(0..1);
        assert!(reply.starts_with(b"$32\r\n") && reply.len() == 5 + 32 + 2);
    }
}
