//! The locks of the shards under many schedules: no thread waits for ever, no two hold the same
//! shard at once, and of scripts that cross not all end.

mod explore;

use explore::explore;
use redstart_model::hasher::{SHARDS, hash_in};
use redstart_model::keyspace::{Keyspace, LockedShards};
use shuttle::thread::{self, JoinHandle};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// Which thread holds which shard, noted without a lock: that no two hold one is what is checked.
#[derive(Clone, Default)]
struct Inside(Arc<[AtomicUsize; SHARDS]>);

impl Inside {
    fn enter(&self, number: usize, shards: &[usize]) {
        for shard in shards {
            assert_eq!(self.0[*shard].swap(number, SeqCst), 0, "two are in shard {shard}");
        }
    }

    fn leave(&self, number: usize, shards: &[usize]) {
        for shard in shards {
            assert_eq!(self.0[*shard].swap(0, SeqCst), number, "another was in shard {shard}");
        }
    }
}

/// A keyspace, and the threads that hold its shards.
#[derive(Clone)]
struct World {
    keyspace: &'static Keyspace,
    inside: Inside,
}

impl World {
    fn new() -> World {
        let keyspace: &'static Keyspace = Box::leak(Box::new(Keyspace::new([1, 2])));
        World { keyspace, inside: Inside::default() }
    }

    fn lock(&self, shards: &[usize]) -> LockedShards {
        self.keyspace.lock(shards.iter().map(|shard| hash_in(*shard)))
    }

    /// A command, or a transaction.
    fn taker(&self, number: usize, shards: &'static [usize]) -> JoinHandle<()> {
        let world = self.clone();
        thread::spawn(move || {
            let view =
                if shards.len() == SHARDS { world.keyspace.lock_all() } else { world.lock(shards) };
            world.inside.enter(number, shards);
            thread::yield_now();
            world.inside.leave(number, shards);
            drop(view);
        })
    }

    /// A script that has written, and then reaches for shards one after another. Returns whether
    /// it went to its end.
    fn script(
        &self,
        number: usize,
        declared: &'static [usize],
        reaches: &'static [usize],
    ) -> JoinHandle<bool> {
        let world = self.clone();
        thread::spawn(move || {
            let mut view = world.lock(declared);
            let mut held = declared.to_vec();
            world.inside.enter(number, declared);
            let mut went_on = true;
            for shard in reaches {
                thread::yield_now();
                if view.escalate([*shard].into_iter()).is_err() {
                    went_on = false;
                    break;
                }
                if !held.contains(shard) {
                    held.push(*shard);
                    world.inside.enter(number, &[*shard]);
                }
            }
            thread::yield_now();
            world.inside.leave(number, &held);
            drop(view);
            went_on
        })
    }
}

fn join(threads: Vec<JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
}

#[test]
fn takers_in_order_never_wait_for_ever() {
    explore(|| {
        let world = World::new();
        let takers: [&[usize]; 5] = [&[0, 3], &[3, 1, 0], &[0, 1, 2, 3], &[2, 1], &[3]];
        join(takers.iter().zip(1..).map(|(shards, number)| world.taker(number, shards)).collect());
    });
}

#[test]
fn a_script_that_reaches_gets_its_shard() {
    explore(|| {
        let world = World::new();
        let script = world.script(1, &[3], &[1, 0, 2]);
        let takers: [&[usize]; 4] = [&[0, 3], &[0, 1, 2, 3], &[1, 2, 3], &[0]];
        let takers =
            takers.iter().zip(2..).map(|(shards, number)| world.taker(number, shards)).collect();
        assert!(script.join().expect("it ends"), "no other script could cross with it");
        join(takers);
    });
}

#[test]
fn of_two_scripts_that_cross_one_goes_on() {
    explore(|| {
        let world = World::new();
        let first = world.script(1, &[0], &[3, 1]);
        let second = world.script(2, &[3], &[0, 2]);
        let takers: [&[usize]; 2] = [&[0, 1, 2, 3], &[1, 3]];
        let takers =
            takers.iter().zip(3..).map(|(shards, number)| world.taker(number, shards)).collect();
        let went_on = [first, second].map(|script| script.join().expect("it ends"));
        assert!(went_on.contains(&true), "both ended");
        join(takers);
    });
}

#[test]
fn of_scripts_in_a_ring_one_goes_on() {
    explore(|| {
        let world = World::new();
        let scripts =
            [world.script(1, &[0], &[1]), world.script(2, &[1], &[2]), world.script(3, &[2], &[0])];
        let taker = world.taker(4, &[0, 1, 2, 3]);
        let went_on = scripts.map(|script| script.join().expect("it ends"));
        assert!(went_on.contains(&true), "all ended");
        join(vec![taker]);
    });
}

#[test]
fn scripts_that_do_not_cross_all_go_on() {
    explore(|| {
        let world = World::new();
        // The second waits for the first, which wants nothing of it.
        let scripts = [world.script(1, &[1], &[0]), world.script(2, &[2], &[1])];
        let taker = world.taker(3, &[0, 1, 2]);
        let went_on = scripts.map(|script| script.join().expect("it ends"));
        assert_eq!(went_on, [true, true]);
        join(vec![taker]);
    });
}

/// The checks can fail: locks that are taken against the order are found.
#[test]
#[should_panic(expected = "deadlock")]
fn locks_against_the_order_are_found() {
    explore(|| {
        let world = World::new();
        let against = |first: usize, second: usize| {
            let keyspace = world.keyspace;
            thread::spawn(move || {
                let held = keyspace.lock_shard(first);
                drop(keyspace.lock_shard(second));
                drop(held);
            })
        };
        join(vec![against(0, 3), against(3, 0)]);
    });
}
