//! Decides whether a history is linearizable: whether its operations can be put in one order in
//! which each ran in an instant between its call and its return, and got the reply that it got.
//!
//! The search is Wing and Gong's, with Lowe's cache of what was seen before ("Testing from
//! 'Linearizability: a correctness condition'", 2017): calls and returns lie in a list by time;
//! operations whose call is ahead of the first return may come next; one that fits is lifted out of
//! the list, and put back when what follows does not work out. A set of operations together with
//! the state they lead to is tried once only.

use std::collections::HashSet;
use std::hash::Hash;

/// What histories are checked against.
pub trait Model: Clone + Eq + Hash {
    /// What clients ask for.
    type Operation;
    /// What they are answered.
    type Reply;

    /// The state after an operation, if it may answer so.
    fn step(&self, operation: &Self::Operation, reply: &Self::Reply) -> Option<Self>;
}

/// An operation with its reply, and when it began and ended, by a clock that never gives the same
/// time twice.
#[derive(Clone, Debug)]
pub struct Call<O, R> {
    /// The client that made it.
    #[expect(dead_code, reason = "read where a history is printed")]
    pub client: usize,
    /// When it was about to be sent.
    pub called: u64,
    /// When its reply had come.
    pub returned: u64,
    /// What was asked for.
    pub operation: O,
    /// The answer.
    pub reply: R,
}

/// A call or a return in the list of both.
#[derive(Clone, Copy)]
struct Event {
    call: usize,
    is_return: bool,
    before: usize,
    after: usize,
}

/// The list's two ends lie in front of the events.
const HEAD: usize = 0;
const TAIL: usize = 1;

/// Calls and returns by time.
struct Timeline {
    events: Vec<Event>,
    /// The return of each call.
    returns: Vec<usize>,
}

impl Timeline {
    fn new<O, R>(history: &[Call<O, R>]) -> Timeline {
        let mut times: Vec<(u64, usize, bool)> = Vec::new();
        for (n, call) in history.iter().enumerate() {
            times.extend([(call.called, n, false), (call.returned, n, true)]);
        }
        times.sort_unstable();
        let end = Event { call: usize::MAX, is_return: true, before: HEAD, after: TAIL };
        let mut timeline = Timeline { events: vec![end; 2], returns: vec![0; history.len()] };
        for (_, call, is_return) in times {
            let (at, before) = (timeline.events.len(), timeline.events[TAIL].before);
            timeline.events.push(Event { call, is_return, before, after: TAIL });
            timeline.events[before].after = at;
            timeline.events[TAIL].before = at;
            if is_return {
                timeline.returns[call] = at;
            }
        }
        timeline
    }

    fn first(&self) -> usize {
        self.events[HEAD].after
    }

    fn take(&mut self, at: usize) {
        let Event { before, after, .. } = self.events[at];
        self.events[before].after = after;
        self.events[after].before = before;
    }

    fn put_back(&mut self, at: usize) {
        let Event { before, after, .. } = self.events[at];
        self.events[before].after = at;
        self.events[after].before = at;
    }

    /// Takes a call and its return out.
    fn lift(&mut self, at: usize) {
        self.take(at);
        self.take(self.returns[self.events[at].call]);
    }

    /// Puts them back, the last taken first.
    fn unlift(&mut self, at: usize) {
        self.put_back(self.returns[self.events[at].call]);
        self.put_back(at);
    }
}

/// Whether a history that begins in a state is linearizable.
pub fn is_linearizable<M: Model>(initial: &M, history: &[Call<M::Operation, M::Reply>]) -> bool {
    let mut timeline = Timeline::new(history);
    let mut state = initial.clone();
    let mut done = vec![0_u64; history.len().div_ceil(64)];
    let mut seen: HashSet<(Vec<u64>, M)> = HashSet::new();
    let mut lifted: Vec<(usize, M)> = Vec::new();
    let mut at = timeline.first();
    while timeline.first() != TAIL {
        let event = timeline.events[at];
        if !event.is_return {
            let call = &history[event.call];
            let bit = 1 << (event.call % 64);
            if let Some(next) = state.step(&call.operation, &call.reply) {
                done[event.call / 64] |= bit;
                if seen.insert((done.clone(), next.clone())) {
                    lifted.push((at, std::mem::replace(&mut state, next)));
                    timeline.lift(at);
                    at = timeline.first();
                    continue;
                }
                done[event.call / 64] &= !bit;
            }
            at = event.after;
            continue;
        }
        // Whoever returned first has to come before all that is left: the last choice was wrong.
        let Some((wrong, before)) = lifted.pop() else { return false };
        state = before;
        let call = timeline.events[wrong].call;
        done[call / 64] &= !(1 << (call % 64));
        timeline.unlift(wrong);
        at = timeline.events[wrong].after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register that is written (`Ok`), or read and found to hold the reply.
    #[derive(Clone, Hash, PartialEq, Eq)]
    struct Register(u32);

    impl Model for Register {
        type Operation = Option<u32>;
        type Reply = u32;

        fn step(&self, write: &Option<u32>, reply: &u32) -> Option<Register> {
            match write {
                Some(value) => Some(Register(*value)),
                None => (self.0 == *reply).then(|| self.clone()),
            }
        }
    }

    fn check(history: &[(u64, u64, Option<u32>, u32)]) -> bool {
        let calls = history.iter().enumerate().map(|(client, call)| {
            let (called, returned, operation, reply) = *call;
            Call { client, called, returned, operation, reply }
        });
        is_linearizable(&Register(0), &calls.collect::<Vec<_>>())
    }

    #[test]
    fn overlapping_calls_may_come_in_either_order() {
        assert!(check(&[(0, 10, Some(1), 0), (1, 2, None, 0), (3, 4, None, 1)]));
        assert!(check(&[(0, 10, Some(1), 0), (1, 9, Some(2), 0), (11, 12, None, 1)]));
        assert!(check(&[(0, 10, Some(1), 0), (1, 9, Some(2), 0), (11, 12, None, 2)]));
    }

    #[test]
    fn a_stale_read_is_none() {
        assert!(!check(&[(0, 1, Some(1), 0), (2, 3, None, 0)]));
        assert!(!check(&[(0, 10, Some(1), 0), (1, 2, None, 1), (3, 4, None, 0)]));
        assert!(!check(&[(0, 10, Some(1), 0), (1, 9, Some(2), 0), (11, 12, None, 3)]));
    }
}
