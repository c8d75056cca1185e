//! Locks with fences under random histories: clients take, wait, renew, give back late and die;
//! others use SET NX, delete and flush; time passes, the wall clock jumps, and the server restarts
//! from its log. A lock never has two owners, its fence only grows, and the queue is kept.
//!
//! `REDSTART_LOCK_HISTORIES=1000000` runs the long form; a failure names its history.

mod waiting;

use fastrand::Rng;
use std::collections::VecDeque;
use waiting::{World, histories};

const CLIENTS: usize = 6;
const LOCKS: usize = 2;
const STEPS: usize = 30;

/// Who holds a lock, as the test knows it.
#[derive(Clone)]
struct Held {
    owner: String,
    until_ms: u64,
    /// The same by the wall clock, which is what the log has.
    until_wall_ms: i64,
}

/// A client that waits.
#[derive(Clone)]
struct Asked {
    client: usize,
    owner: String,
    ttl_ms: u64,
    until_ms: u64,
}

#[derive(Default)]
struct Lock {
    held: Option<Held>,
    fence: u64,
    queue: VecDeque<Asked>,
}

struct History<'a> {
    world: &'a mut World,
    random: Rng,
    locks: [Lock; LOCKS],
    owners: u64,
    given: u64,
}

impl History<'_> {
    fn now_ms(&self) -> u64 {
        self.world.now.mono_ms
    }

    fn holder(&self, lock: usize) -> Option<&Held> {
        self.locks[lock].held.as_ref().filter(|held| held.until_ms > self.now_ms())
    }

    fn step(&mut self) {
        let (client, lock) = (self.random.usize(..CLIENTS), self.random.usize(..LOCKS));
        match self.random.u8(..100) {
            0..40 if !self.world.waits(client) => self.acquire(client, lock),
            0..40 => {}
            40..62 => self.release(lock),
            62..70 => self.renew(lock),
            70..76 => self.set_nx(lock),
            76..80 => self.remove(lock),
            80..84 => self.die(client),
            84..97 => self.pass(),
            97 => {
                let ms = self.random.i64(-100_000..100_000);
                self.world.jump(ms);
            }
            _ => self.restart(),
        }
    }

    /// An owner, from now on.
    fn held(&self, owner: String, ttl_ms: u64) -> Held {
        let until_wall_ms = self.world.now.wall_ms + ttl_ms as i64;
        Held { owner, until_ms: self.now_ms() + ttl_ms, until_wall_ms }
    }

    fn new_owner(&mut self) -> String {
        self.owners += 1;
        format!("o{}", self.owners)
    }

    fn acquire(&mut self, client: usize, lock: usize) {
        let (owner, ttl_ms) = (self.new_owner(), self.random.u64(1..100));
        let wait_ms = if self.random.bool() { self.random.u64(1..200) } else { 0 };
        let line = format!("LOCK.ACQUIRE l{lock} {owner} TTL {ttl_ms} WAIT {wait_ms}");
        let is_free = self.holder(lock).is_none();
        assert!(!is_free || self.locks[lock].queue.is_empty(), "somebody should have it");
        match self.world.start(client, &line) {
            Some(reply) if reply == "$-1" => assert!(!is_free && wait_ms == 0, "{line}"),
            Some(reply) => {
                assert!(is_free, "{line}: two owners");
                self.gets(lock, owner, ttl_ms, &reply);
            }
            None => {
                assert!(!is_free && wait_ms > 0, "{line}");
                let until_ms = self.now_ms() + wait_ms;
                self.locks[lock].queue.push_back(Asked { client, owner, ttl_ms, until_ms });
            }
        }
    }

    fn gets(&mut self, lock: usize, owner: String, ttl_ms: u64, reply: &str) {
        let fence = reply.strip_prefix(':').and_then(|text| text.parse().ok()).expect("a fence");
        assert!(fence > self.locks[lock].fence, "{fence} after {}", self.locks[lock].fence);
        self.locks[lock].fence = fence;
        self.locks[lock].held = Some(self.held(owner, ttl_ms));
        self.given += 1;
    }

    /// The lock is free: the first that waits has it now, and no other.
    fn is_free(&mut self, lock: usize) {
        self.locks[lock].held = None;
        if let Some(next) = self.locks[lock].queue.pop_front() {
            let reply = self.world.answer(next.client).expect("the first that waits has it");
            self.gets(lock, next.owner, next.ttl_ms, &reply);
        }
        // Whose time is over at this moment waits no more.
        let now_ms = self.now_ms();
        for next in self.locks[lock].queue.iter().filter(|next| next.until_ms > now_ms) {
            assert!(self.world.is_waiting(next.client), "another has it, too");
        }
    }

    /// Somebody gives the lock back: its owner, or one that was it.
    fn release(&mut self, lock: usize) {
        let is_owners = self.random.u8(..4) > 0;
        let owner = match self.holder(lock) {
            Some(held) if is_owners => held.owner.clone(),
            _ => format!("o{}", self.random.u64(..=self.owners)),
        };
        let holds = self.holder(lock).is_some_and(|held| held.owner == owner);
        let name = ["LOCK.RELEASE", "DELIFEQ"][self.random.usize(..2)];
        let reply = self.world.run_apart(&format!("{name} l{lock} {owner}"));
        assert_eq!(reply, format!(":{}", u8::from(holds)));
        if holds {
            self.is_free(lock);
        }
    }

    fn renew(&mut self, lock: usize) {
        let ttl_ms = self.random.u64(1..150);
        let Some(held) = self.holder(lock).cloned() else { return };
        let reply =
            self.world.run_apart(&format!("LOCK.RENEW l{lock} {} TTL {ttl_ms}", held.owner));
        assert_eq!(reply, ":1");
        self.locks[lock].held = Some(self.held(held.owner, ttl_ms));
    }

    /// A client of the older kind takes the lock, if it is free.
    fn set_nx(&mut self, lock: usize) {
        let (owner, ttl_ms) = (self.new_owner(), self.random.u64(1..100));
        let is_free = self.holder(lock).is_none();
        let reply = self.world.run_apart(&format!("SET l{lock} {owner} NX PX {ttl_ms}"));
        assert_eq!(reply == "+OK", is_free);
        if is_free {
            self.locks[lock].held = Some(self.held(owner, ttl_ms));
        }
    }

    fn remove(&mut self, lock: usize) {
        match self.random.u8(..4) {
            0 => {
                self.world.run_apart("FLUSHALL");
                return (0..LOCKS).for_each(|lock| self.is_free(lock));
            }
            1 => self.world.evict(&format!("l{lock}")),
            2 => drop(self.world.run_apart(&format!("PEXPIRE l{lock} 0"))),
            _ => drop(self.world.run_apart(&format!("DEL l{lock}"))),
        }
        self.is_free(lock);
    }

    fn die(&mut self, client: usize) {
        self.world.die(client);
        self.locks.iter_mut().for_each(|lock| lock.queue.retain(|asked| asked.client != client));
    }

    /// Time passes, a millisecond at a time: so it is known what ends before what.
    fn pass(&mut self) {
        for _ in 0..self.random.u64(1..40) {
            self.world.advance(1);
            let now_ms = self.now_ms();
            for lock in 0..LOCKS {
                let is_over =
                    self.locks[lock].held.as_ref().is_some_and(|held| held.until_ms <= now_ms);
                if is_over {
                    self.is_free(lock);
                }
                let late: Vec<Asked> = self.locks[lock].queue.iter().cloned().collect();
                for asked in late.into_iter().filter(|asked| asked.until_ms <= now_ms) {
                    assert_eq!(self.world.answer(asked.client).as_deref(), Some("$-1"));
                    self.locks[lock].queue.retain(|other| other.client != asked.client);
                }
            }
        }
    }

    /// What the log has of a lock's time is wall time: by a jump of the clock before it the lock
    /// lasts shorter or longer than its owner knows, which is what the fence is for.
    fn restart(&mut self) {
        let (engine, now) = (self.world.engine, self.world.now);
        for lock in &mut self.locks {
            lock.queue.clear();
            let left_ms = |held: &Held| u64::try_from(held.until_wall_ms - now.wall_ms).ok();
            lock.held = lock.held.take().filter(|held| held.until_ms > now.mono_ms);
            lock.held = lock.held.take().and_then(|held| {
                let until_ms = now.mono_ms + left_ms(&held).filter(|left_ms| *left_ms > 0)?;
                Some(Held { until_ms, ..held })
            });
        }
        self.world.restart(engine);
        for at in 0..LOCKS {
            let owner = self.holder(at).map(|held| format!("${} {}", held.owner.len(), held.owner));
            let reply = self.world.run_apart(&format!("GET l{at}"));
            assert_eq!(reply, owner.unwrap_or_else(|| "$-1".to_owned()));
        }
    }
}

#[test]
fn a_lock_has_one_owner_and_a_growing_fence() {
    let mut world = World::new(CLIENTS + 1, 1);
    let wanted = histories("REDSTART_LOCK_HISTORIES", 3_000);
    let mut given = 0;
    for seed in 0..wanted {
        world.clear();
        let random = Rng::with_seed(seed);
        let locks = Default::default();
        let mut history = History { world: &mut world, random, locks, owners: 0, given: 0 };
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..STEPS).for_each(|_| history.step());
        }));
        given += history.given;
        assert!(ran.is_ok(), "history {seed} fails");
    }
    println!("{wanted} histories: locks were given {given} times");
    assert!(given > wanted, "they do something");
}
