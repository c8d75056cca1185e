//! The table and a database's part held against std's maps, in random interleavings.
//!
//! Keys are searched for, with the real hash, so that the rare cases are frequent: keys whose home
//! is one of three buckets around the wrap (long displacement chains, counters that stick), and
//! pairs that share all the parts of the hash that the expiry index keeps.

use proptest::prelude::*;
use redstart_engine::hasher::{Hasher, home_of};
use redstart_engine::keyspace::db::{Db, Due};
use redstart_engine::storage::entry::{Entry, NewValue, Value};
use redstart_engine::storage::expires::fingerprint;
use redstart_engine::storage::table::{Position, Table};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

/// Slots of a table that stays when it is empty.
const SMALL_SLOTS: usize = 14;
const SEED: [u64; 2] = [0x5eed, 0xfeed];

fn name(n: u32) -> Vec<u8> {
    format!("key:{n}").into_bytes()
}

/// Keys of one kind, all different.
type Pool = Vec<u32>;

/// Keys like any.
fn plain() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| (0..20_000).collect())
}

/// Keys whose home is one of the last two buckets of a segment, or the first.
fn crowded() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| {
        let hasher = Hasher::new(SEED);
        let is = |n: &u32| [62, 63, 0].contains(&home_of(hasher.hash(&name(*n))));
        (0..).filter(is).take(8_000).collect()
    })
}

/// Pairs of keys that share prefix, tag and home, and as many that do not.
fn twins() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| {
        let hasher = Hasher::new(SEED);
        let mut prints: Vec<(u64, u32)> =
            (0..1_000_000).map(|n| (fingerprint(hasher.hash(&name(n))), n)).collect();
        prints.sort_unstable();
        let pairs = prints.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        let mut pool: Pool = pairs.flat_map(|pair| [pair[0].1, pair[1].1]).collect();
        assert!(pool.len() > 100, "a million keys have about a hundred such pairs");
        pool.extend(2_000_000..2_000_000 + pool.len() as u32);
        pool.sort_unstable();
        pool.dedup();
        pool
    })
}

/// A run of keys: `len` of a pool, from `start` on, `stride` apart.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: usize,
    len: usize,
    stride: usize,
}

impl Run {
    fn keys(self, pool: &Pool) -> impl Iterator<Item = u32> + '_ {
        (0..self.len).map(move |n| pool[(self.start + n * self.stride) % pool.len()])
    }
}

fn run(len_max: usize) -> impl Strategy<Value = Run> {
    (any::<u16>(), 0..len_max, prop::sample::select(vec![1usize, 3, 7, 977]))
        .prop_map(|(start, len, stride)| Run { start: start as usize, len, stride })
}

#[derive(Clone, Debug)]
enum TableOp {
    /// Insert what is missing, overwrite what is there.
    Put(Run),
    Remove(Run),
    Find(Run),
    Prefetch(Run),
    BeginScan,
    /// So many steps of each scan.
    Scan(usize),
    Clear,
}

fn table_op() -> impl Strategy<Value = TableOp> {
    prop_oneof![
        8 => run(900).prop_map(TableOp::Put),
        5 => run(700).prop_map(TableOp::Remove),
        2 => run(200).prop_map(TableOp::Find),
        2 => run(64).prop_map(TableOp::Prefetch),
        3 => Just(TableOp::BeginScan),
        6 => (1..200usize).prop_map(TableOp::Scan),
        1 => Just(TableOp::Clear),
    ]
}

/// A scan in progress.
struct Scan {
    /// None at the end.
    at: Option<Position>,
    /// What was there all along.
    there: HashSet<u32>,
    seen: HashSet<u32>,
}

struct TableModel {
    pool: &'static Pool,
    hasher: Hasher,
    table: Table,
    truth: HashMap<u32, i64>,
    scans: Vec<Scan>,
    version: i64,
    segments_max: usize,
    stuck_max: usize,
}

impl TableModel {
    fn new(pool: &'static Pool) -> Self {
        TableModel {
            pool,
            hasher: Hasher::new(SEED),
            table: Table::default(),
            truth: HashMap::new(),
            scans: Vec::new(),
            version: 0,
            segments_max: 0,
            stuck_max: 0,
        }
    }

    fn put(&mut self, n: u32) {
        let key = name(n);
        let hash = self.hasher.hash(&key);
        self.version += 1;
        let value = NewValue::Int(self.version);
        let old = self.truth.insert(n, self.version);
        match self.table.find(hash, &key) {
            Some(slot) => {
                assert!(old.is_some(), "{n} is found and was not put in");
                self.table.at_mut(slot).replace(value, 0);
            }
            None => {
                assert_eq!(old, None, "{n} is lost");
                let slot = self.table.insert(hash, Entry::new(&key, value, 0), &self.hasher);
                assert_eq!(self.table.at(slot).key(), key, "the slot of an insertion");
            }
        }
    }

    fn remove(&mut self, n: u32) {
        let key = name(n);
        let hash = self.hasher.hash(&key);
        let slot = self.table.find(hash, &key);
        assert_eq!(slot.is_some(), self.truth.remove(&n).is_some(), "{n} before its removal");
        if let Some(slot) = slot {
            assert_eq!(self.table.take(hash, slot).key(), key);
            assert_eq!(self.table.find(hash, &key), None, "{n} after its removal");
        }
        for scan in &mut self.scans {
            scan.there.remove(&n);
        }
    }

    fn find(&self, n: u32) {
        let key = name(n);
        let slot = self.table.find(self.hasher.hash(&key), &key);
        let found = slot.map(|slot| number(self.table.at(slot)));
        assert_eq!(found, self.truth.get(&n).copied(), "{n}");
    }

    fn prefetch(&self, n: u32) {
        let hash = self.hasher.hash(&name(n));
        self.table.prefetch_bucket(hash);
        self.table.prefetch_entry(hash);
    }

    fn begin_scan(&mut self) {
        let there = self.truth.keys().copied().collect();
        self.scans.push(Scan { at: Some(Position::default()), there, seen: HashSet::new() });
    }

    fn scan(&mut self, steps: usize) {
        for scan in &mut self.scans {
            for _ in 0..steps {
                let Some(at) = scan.at else { break };
                scan.at = self.table.visit(at, &self.hasher, |entry| {
                    let n = number_of(entry.key());
                    assert!(self.truth.contains_key(&n), "the scan saw {n}, which is not there");
                    assert!(scan.seen.insert(n), "the scan saw {n} twice");
                });
            }
            if scan.at.is_none() {
                let missed = scan.there.difference(&scan.seen).count();
                assert_eq!(missed, 0, "keys that were there all along and were not seen");
            }
        }
        self.scans.retain(|scan| scan.at.is_some());
    }

    fn apply(&mut self, op: &TableOp) {
        let pool = self.pool;
        match *op {
            TableOp::Put(run) => run.keys(pool).for_each(|n| self.put(n)),
            TableOp::Remove(run) => run.keys(pool).for_each(|n| self.remove(n)),
            TableOp::Find(run) => run.keys(pool).for_each(|n| self.find(n)),
            TableOp::Prefetch(run) => run.keys(pool).for_each(|n| self.prefetch(n)),
            TableOp::BeginScan => self.begin_scan(),
            TableOp::Scan(steps) => self.scan(steps),
            TableOp::Clear => {
                let all: Vec<u32> = self.truth.keys().copied().collect();
                all.into_iter().for_each(|n| self.remove(n));
                assert!(self.table.capacity().1 <= SMALL_SLOTS, "a large table is given back");
            }
        }
        assert_eq!(self.table.len(), self.truth.len());
        self.table.check(&self.hasher);
        self.segments_max = self.segments_max.max(self.table.capacity().0);
        self.stuck_max = self.stuck_max.max(self.table.stuck_buckets());
    }

    fn finish(&mut self) {
        self.scan(usize::MAX);
        self.pool.iter().for_each(|&n| self.find(n));
        let held: HashMap<u32, i64> =
            self.table.iter().map(|entry| (number_of(entry.key()), number(entry))).collect();
        assert_eq!(held, self.truth);
    }
}

fn number_of(key: &[u8]) -> u32 {
    let text = std::str::from_utf8(&key[4..]).expect("a key of ours");
    text.parse().expect("a key of ours")
}

fn number(entry: &Entry) -> i64 {
    match entry.value() {
        Value::Int(n) => n,
        other => panic!("a value that was never stored: {other:?}"),
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(40))]

    #[test]
    fn table_of_plain_keys(ops in prop::collection::vec(table_op(), 1..80)) {
        let mut model = TableModel::new(plain());
        ops.iter().for_each(|op| model.apply(op));
        model.finish();
    }

    #[test]
    fn table_of_crowded_keys(ops in prop::collection::vec(table_op(), 1..40)) {
        let mut model = TableModel::new(crowded());
        ops.iter().for_each(|op| model.apply(op));
        model.finish();
    }

    #[test]
    fn deadlines(ops in prop::collection::vec(db_op(), 1..300)) {
        let mut model = DbModel::new(twins());
        ops.iter().for_each(|op| model.apply(op));
        model.finish();
    }
}

/// The pools do what they are for: many splits, counters that stick and chains that wrap.
#[test]
fn the_models_reach_the_rare_cases() {
    let mut model = TableModel::new(plain());
    model.begin_scan();
    for start in (0..20_000).step_by(500) {
        model.apply(&TableOp::Put(Run { start, len: 500, stride: 1 }));
        model.apply(&TableOp::Scan(7));
    }
    model.finish();
    assert!(model.segments_max >= 47, "{} segments", model.segments_max);

    let mut model = TableModel::new(crowded());
    for start in (0..8_000).step_by(400) {
        model.apply(&TableOp::Put(Run { start, len: 400, stride: 1 }));
        model.begin_scan();
        model.apply(&TableOp::Remove(Run { start: start / 2, len: 150, stride: 3 }));
        model.apply(&TableOp::Scan(11));
    }
    model.finish();
    assert!(model.stuck_max >= 2, "{} stuck counters", model.stuck_max);
    model.apply(&TableOp::Clear);
}

/// Deadlines that come and go leave stale items behind; rebuilds keep those few.
#[test]
fn stale_items_are_bounded() {
    let mut model = DbModel::new(plain());
    for round in 0..200u64 {
        for n in 0..100 {
            model.put(n, 10_000 - round * 10 - n as u64);
            model.change(n, if n < 50 { 0 } else { 9_000 - round * 10 });
        }
        model.check();
    }
    let items = model.db.expires().allocated() / 8;
    assert!(items < 300, "{items} items for 50 volatile keys");
    model.finish();
}

#[derive(Clone, Debug)]
enum DbOp {
    /// Put a run in, or over what is there, with deadlines so far ahead; zero for none.
    Put(Run, u64),
    /// Give a run other deadlines; zero for none.
    Change(Run, u64),
    Remove(Run),
    /// Let time pass, and pop all that is due at the end of it.
    Pass(u64),
    /// The same, millisecond by millisecond where anything is due.
    PassInOrder(u64),
}

fn ahead_ms() -> impl Strategy<Value = u64> {
    const DAY: u64 = 86_400_000;
    prop_oneof![
        2 => Just(0),
        8 => 1..500u64,
        2 => 500..100_000u64,
        1 => prop::sample::select(vec![24 * DAY, 25 * DAY, 49 * DAY, 50 * DAY, 400 * DAY, 1 << 62]),
    ]
}

fn db_op() -> impl Strategy<Value = DbOp> {
    const DAY: u64 = 86_400_000;
    prop_oneof![
        6 => (run(120), ahead_ms()).prop_map(|(run, ms)| DbOp::Put(run, ms)),
        6 => (run(120), ahead_ms()).prop_map(|(run, ms)| DbOp::Change(run, ms)),
        3 => run(100).prop_map(DbOp::Remove),
        4 => (0..300u64).prop_map(DbOp::Pass),
        4 => (0..300u64).prop_map(DbOp::PassInOrder),
        1 => (0..60 * DAY).prop_map(DbOp::Pass),
        1 => (0..60 * DAY).prop_map(DbOp::PassInOrder),
    ]
}

struct DbModel {
    pool: &'static Pool,
    hasher: Hasher,
    db: Db,
    now_ms: u64,
    /// Deadlines of all keys; zero for none.
    truth: BTreeMap<u32, u64>,
    /// The volatile ones in order.
    queue: BTreeMap<u64, HashSet<u32>>,
}

impl DbModel {
    fn new(pool: &'static Pool) -> Self {
        DbModel {
            pool,
            hasher: Hasher::new(SEED),
            db: Db::default(),
            now_ms: 1,
            truth: BTreeMap::new(),
            queue: BTreeMap::new(),
        }
    }

    /// Notes a key's deadline in the model, None for its absence.
    fn note(&mut self, n: u32, deadline_ms: Option<u64>) {
        let old = match deadline_ms {
            Some(deadline_ms) => self.truth.insert(n, deadline_ms),
            None => self.truth.remove(&n),
        };
        if let Some(old) = old.filter(|old| *old != 0) {
            let same = self.queue.get_mut(&old).expect("a volatile key is queued");
            assert!(same.remove(&n));
            if same.is_empty() {
                self.queue.remove(&old);
            }
        }
        if let Some(new) = deadline_ms.filter(|new| *new != 0) {
            self.queue.entry(new).or_default().insert(n);
        }
    }

    fn deadline(&self, ahead_ms: u64, n: u32) -> u64 {
        // Neighbours differ, so that there is an order to keep.
        if ahead_ms == 0 { 0 } else { self.now_ms + ahead_ms + n as u64 % 5 }
    }

    fn put(&mut self, n: u32, ahead_ms: u64) {
        let (key, deadline_ms) = (name(n), self.deadline(ahead_ms, n));
        let hash = self.hasher.hash(&key);
        // Values of many sizes, so that the bytes that are counted change.
        let text = vec![b'v'; (n as usize + ahead_ms as usize) % 90];
        let value = if n.is_multiple_of(2) { NewValue::Str(&text) } else { NewValue::Int(7) };
        match self.db.table().find(hash, &key) {
            Some(slot) => {
                self.db.replace(hash, slot, value, deadline_ms, &self.hasher);
            }
            None => {
                self.db.insert(hash, Entry::new(&key, value, deadline_ms), &self.hasher);
            }
        }
        self.note(n, Some(deadline_ms));
    }

    fn change(&mut self, n: u32, ahead_ms: u64) {
        let (key, deadline_ms) = (name(n), self.deadline(ahead_ms, n));
        let hash = self.hasher.hash(&key);
        if let Some(slot) = self.db.table().find(hash, &key) {
            self.db.set_deadline(hash, slot, deadline_ms, &self.hasher);
            self.note(n, Some(deadline_ms));
        }
    }

    fn remove(&mut self, n: u32) {
        let key = name(n);
        let hash = self.hasher.hash(&key);
        if let Some(slot) = self.db.table().find(hash, &key) {
            self.db.take(hash, slot, &self.hasher);
            self.note(n, None);
        }
    }

    /// Pops all that is due and holds it against the model.
    fn pop(&mut self) {
        let mut popped = HashSet::new();
        while let Some(due) = self.db.expire_one(self.now_ms, &self.hasher, usize::MAX) {
            let Due::Entry(entry) = due else { panic!("no hash is here") };
            let n = number_of(entry.key());
            assert_eq!(self.truth.get(&n), Some(&entry.deadline_ms()));
            assert!(popped.insert(n), "{n} expired twice");
            self.note(n, None);
            assert!(entry.deadline_ms() <= self.now_ms, "{n} expired early");
        }
        let due = self.queue.range(..=self.now_ms).next();
        assert_eq!(due, None, "due and still there at {}", self.now_ms);
    }

    fn pass(&mut self, ms: u64, in_order: bool) {
        let end_ms = self.now_ms + ms;
        while in_order
            && let Some(next) = self.queue.keys().next().copied().filter(|n| *n <= end_ms)
        {
            // A millisecond before the first deadline nothing happens.
            self.now_ms = self.now_ms.max(next - 1);
            self.pop();
            self.now_ms = next;
            let due = self.queue.get(&next).map_or(0, HashSet::len);
            let before = self.db.table().len();
            self.pop();
            assert_eq!(before - self.db.table().len(), due, "due at {next}");
        }
        self.now_ms = end_ms;
        self.pop();
    }

    fn apply(&mut self, op: &DbOp) {
        let pool = self.pool;
        match *op {
            DbOp::Put(run, ms) => run.keys(pool).for_each(|n| self.put(n, ms)),
            DbOp::Change(run, ms) => run.keys(pool).for_each(|n| self.change(n, ms)),
            DbOp::Remove(run) => run.keys(pool).for_each(|n| self.remove(n)),
            DbOp::Pass(ms) => self.pass(ms, false),
            DbOp::PassInOrder(ms) => self.pass(ms, true),
        }
        self.check();
    }

    fn check(&self) {
        let volatile: usize = self.queue.values().map(HashSet::len).sum();
        let sum: u128 = self.truth.values().map(|deadline| *deadline as u128).sum();
        let expires = self.db.expires();
        assert_eq!((expires.volatile(), expires.deadline_sum()), (volatile, sum));
        assert_eq!(self.db.table().len(), self.truth.len());
        if let Some((&first, _)) = self.queue.first_key_value() {
            let noted = expires.next_ms().expect("there is a volatile key");
            assert!(noted <= first, "noted for {noted}, but due at {first}");
        }
        let bytes: usize = self.db.table().iter().map(Entry::allocated).sum();
        assert_eq!(self.db.allocated() - self.db.overhead(), bytes);
        self.db.table().check(&self.hasher);
    }

    fn finish(&mut self) {
        self.pass(1 << 40, false);
        let rest: Vec<u32> = self.truth.keys().copied().collect();
        rest.into_iter().for_each(|n| self.remove(n));
        assert!(self.db.allocated() < 1024, "an empty part keeps no more than a small table");
    }
}

/// A copy of a table that is changed meanwhile: it stays as it was, and a change takes a copy of
/// one segment and not of all.
#[test]
fn a_shared_copy_stays_as_it_was() {
    let hasher = Hasher::new(SEED);
    let value = |n: u32| NewValue::Int(i64::from(n));
    let mut table = Table::default();
    for n in 0..20_000 {
        let key = name(n);
        table.insert(hasher.hash(&key), Entry::new(&key, value(n), 0), &hasher);
    }
    let content = |table: &Table| -> BTreeMap<Vec<u8>, Vec<u8>> {
        table.iter().map(|entry| (entry.key().to_vec(), entry.value().to_vec())).collect()
    };
    let before = content(&table);
    let mut copy = table.share();
    let (segments, shared) = table.segments();
    assert!(segments > 40 && shared == segments, "{shared} of {segments}");
    let find = |table: &Table, n: u32| {
        let hash = hasher.hash(&name(n));
        (hash, table.find(hash, &name(n)))
    };
    // Replaced in its place, taken, put in: each touches a segment, the last may split it.
    let (_, slot) = find(&table, 1);
    table.at_mut(slot.expect("it is there")).replace(value(7), 0);
    let (hash, slot) = find(&table, 2);
    drop(table.take(hash, slot.expect("it is there")));
    let (hash, _) = find(&table, 30_000);
    table.insert(hash, Entry::new(&name(30_000), value(7), 0), &hasher);
    let shared = table.segments().1;
    assert!((segments - 3..segments).contains(&shared), "{shared} of {segments}");
    assert!(content(&copy) == before);
    table.check(&hasher);
    copy.check(&hasher);
    // The copy takes over what it is left alone with, and either can be changed to the end.
    let after = content(&table);
    for n in 0..20_000 {
        let (hash, slot) = find(&copy, n);
        drop(copy.take(hash, slot.expect("it is there")));
    }
    assert!(copy.is_empty() && content(&table) == after);
    table.check(&hasher);
    // And it goes in pieces.
    let mut pieces = 0;
    while table.shed(&mut Vec::new()) {
        pieces += 1;
    }
    assert_eq!((pieces >= segments, table.len()), (true, 0));
}
