//! Leases under random histories: clients compute, wait, give back late and die; others write,
//! delete, rename, flush and evict; time passes, and the server restarts. There are never two valid
//! tokens of a key, no value comes after a newer one, and nobody waits for a lease that is free.
//!
//! The values are versions of a database that the cache stands before. Whoever changes the database
//! deletes the key then, or sets it: from there on no client may get an older version, be it stale.
//! `REDSTART_LEASE_HISTORIES=1000000` runs the long form; a failure names its history.

mod waiting;

use fastrand::Rng;
use waiting::{World, histories};

const CLIENTS: usize = 6;
const KEYS: usize = 2;
const STEPS: usize = 30;

/// A lease that was granted, as the test knows it.
#[derive(Clone)]
struct Held {
    client: usize,
    key: usize,
    token: String,
    until_ms: u64,
    is_void: bool,
    /// What the client has read of the database, if it has yet.
    read: Option<u64>,
}

/// What a client asked for that waits.
#[derive(Clone, Copy)]
struct Asked {
    key: usize,
    lease_ms: u64,
    takes_stale: bool,
}

struct History<'a> {
    world: &'a mut World,
    random: Rng,
    /// The database's version.
    version: u64,
    /// The version at the last write or removal of each key.
    floor: [u64; KEYS],
    held: Vec<Held>,
    asked: [Option<Asked>; CLIENTS],
    stores: u64,
    voids: u64,
}

impl History<'_> {
    fn is_valid(&self, held: &Held) -> bool {
        !held.is_void && held.until_ms > self.world.now.mono_ms
    }

    fn void(&mut self, key: usize) {
        for held in self.held.iter_mut().filter(|held| held.key == key && !held.is_void) {
            held.is_void = true;
            self.voids += 1;
        }
    }

    fn step(&mut self) {
        let client = self.random.usize(..CLIENTS);
        match self.random.u8(..100) {
            0..36 if !self.world.waits(client) => self.get(client),
            0..36 => {}
            36..56 => self.put(),
            56..60 => self.give_up(),
            60..66 => self.read(),
            66..82 => self.write(),
            82..86 => self.die(client),
            86..99 => {
                let ms = self.random.u64(1..60);
                self.world.advance(ms);
            }
            _ => self.restart(),
        }
        self.collect();
        self.check_waits();
    }

    fn get(&mut self, client: usize) {
        let key = self.random.usize(..KEYS);
        let lease_ms = self.random.u64(1..120);
        let takes_stale = self.random.bool();
        let mut line = format!("LEASE.GET k{key} LEASE {lease_ms}");
        if takes_stale {
            line += " STALE";
        }
        if self.random.bool() {
            line += &format!(" EARLY {}", self.random.u64(..80));
        }
        if self.random.bool() {
            line += &format!(" WAIT {}", self.random.u64(..200));
        }
        let asked = Asked { key, lease_ms, takes_stale };
        match self.world.start(client, &line) {
            Some(reply) => self.got(client, asked, &reply),
            None => self.asked[client] = Some(asked),
        }
    }

    /// A client has a reply.
    fn got(&mut self, client: usize, asked: Asked, reply: &str) {
        let Asked { key, lease_ms, takes_stale } = asked;
        let words: Vec<&str> = reply.split(' ').collect();
        let state = words[2];
        let (value, rest) = match words[3] {
            "$-1" => (None, 4),
            _ => (words[4].parse::<u64>().ok(), 5),
        };
        if let Some(value) = value {
            assert!(value >= self.floor[key], "{value} after {}: {reply}", self.floor[key]);
        }
        assert!(state != "stale" || takes_stale, "{reply}");
        assert_eq!(value.is_some(), matches!(state, "hit" | "refresh" | "stale"), "{reply}");
        let is_granted = matches!(state, "miss" | "refresh");
        assert_eq!(words[rest] != "$-1", is_granted, "{reply}");
        if is_granted {
            let others = self.held.iter().filter(|held| held.key == key);
            assert!(!others.into_iter().any(|held| self.is_valid(held)), "two tokens of k{key}");
            let until_ms = self.world.now.mono_ms + lease_ms;
            let token = words[rest + 1].to_owned();
            let held = Held { client, key, token, until_ms, is_void: false, read: None };
            self.held.push(held);
        }
    }

    /// A client reads the database.
    fn read(&mut self) {
        if let Some(held) = self.random.choice(&mut self.held) {
            held.read.get_or_insert(self.version);
        }
    }

    /// A client stores what it has computed, be its token valid or not.
    fn put(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let at = self.random.usize(..self.held.len());
        let held = self.held[at].clone();
        let value = held.read.unwrap_or(self.version);
        let mut line = format!("LEASE.PUT k{} {} {value}", held.key, held.token);
        if self.random.u8(..4) > 0 {
            line += &format!(" PX {}", self.random.u64(1..100));
        }
        if self.random.bool() {
            line += &format!(" GRACE {}", self.random.u64(..100));
        }
        let is_valid = self.is_valid(&held);
        let reply = self.world.run_apart(&line);
        assert_eq!(reply, format!(":{}", u8::from(is_valid)), "{line}");
        if is_valid {
            assert!(value >= self.floor[held.key], "{value} is stored");
            self.stores += 1;
            self.void(held.key);
            self.held.remove(at);
        }
    }

    fn give_up(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let held = self.held.remove(self.random.usize(..self.held.len()));
        let reply = self.world.run_apart(&format!("LEASE.DROP k{} {}", held.key, held.token));
        assert_eq!(reply, format!(":{}", u8::from(self.is_valid(&held))));
    }

    /// The database changes, and then what the cache has of it; or the cache alone does.
    fn write(&mut self) {
        let key = self.random.usize(..KEYS);
        let other = (key + 1) % KEYS;
        self.version += 1;
        let (k, o, version) = (format!("k{key}"), format!("k{other}"), self.version);
        let line = match self.random.u8(..12) {
            0..3 => format!("DEL {k}"),
            3 => format!("UNLINK {k}"),
            4 => format!("GETDEL {k}"),
            5 => format!("PEXPIRE {k} 0"),
            6 => format!("SET {k} {version}"),
            7 => format!("SET {k} {version} PX 40"),
            8 => "FLUSHALL".to_owned(),
            9 => {
                self.world.evict(&k);
                self.void(key);
                return;
            }
            10 => return self.touch(key),
            _ => {
                // What the other key has comes here, and what was here goes.
                if self.world.run_apart(&format!("RENAME {o} {k}")) == "+OK" {
                    self.floor[key] = self.floor[other];
                    self.void(key);
                    self.void(other);
                }
                return;
            }
        };
        self.world.run_apart(&line);
        let all = line == "FLUSHALL";
        for key in (0..KEYS).filter(|n| all || *n == key) {
            self.void(key);
            self.floor[key] = version;
        }
    }

    /// The value's time changes, if there is a value.
    fn touch(&mut self, key: usize) {
        if self.world.run_apart(&format!("PEXPIRE k{key} 50")) == ":1" {
            self.void(key);
        }
    }

    fn die(&mut self, client: usize) {
        self.world.die(client);
        self.world.tick();
        self.asked[client] = None;
        for held in self.held.iter_mut().filter(|held| held.client == client) {
            held.is_void = true;
        }
    }

    fn restart(&mut self) {
        let engine = self.world.engine;
        self.world.restart(engine);
        self.asked = [None; CLIENTS];
        self.held.iter_mut().for_each(|held| held.is_void = true);
    }

    /// Clients whose wait has ended go on.
    fn collect(&mut self) {
        for client in 0..CLIENTS {
            if let Some(reply) = self.world.answer(client) {
                let asked = self.asked[client].take().expect("it has asked");
                self.got(client, asked, &reply);
            }
        }
    }

    /// Whoever waits does so for a lease that somebody holds.
    fn check_waits(&self) {
        // A lease that has just ended by its time is looked at by the next tick.
        for asked in self.asked.iter().flatten() {
            let of_key = self.held.iter().filter(|held| held.key == asked.key);
            assert!(of_key.into_iter().any(|held| self.is_valid(held)), "nobody computes");
        }
    }
}

#[test]
fn no_value_comes_after_a_newer_one() {
    let mut world = World::new(CLIENTS + 1, 1);
    let (mut stores, mut voids) = (0, 0);
    let wanted = histories("REDSTART_LEASE_HISTORIES", 3_000);
    for seed in 0..wanted {
        world.clear();
        let random = Rng::with_seed(seed);
        let mut history = History {
            world: &mut world,
            random,
            version: 1,
            floor: [0; KEYS],
            held: Vec::new(),
            asked: [None; CLIENTS],
            stores: 0,
            voids: 0,
        };
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..STEPS).for_each(|_| history.step());
        }));
        (stores, voids) = (stores + history.stores, voids + history.voids);
        assert!(ran.is_ok(), "history {seed} fails");
    }
    println!("{wanted} histories: {stores} values stored, {voids} tokens void");
    assert!(stores > wanted / 2 && voids > wanted / 2, "they do something");
}
