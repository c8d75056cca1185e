//! Traces: the keys that an application asks its cache for, one after the other. Each is made from
//! a seed alone.

/// How many different keys the popular part of a trace has.
const KEYS: u32 = 100_000;
/// Keys that are used once begin here, and those of loops and sessions at once and twice as much.
const ONCE: u32 = 100_000_000;
/// Requests between two scans, and those of a scan.
const SCAN_EVERY: usize = 20_000;
const SCAN: usize = 10_000;
/// Keys of a loop that is half as long again as the cache.
const LOOP: u32 = 15_000;
/// Sessions that are open at a time, and how often one is used before it ends, about.
const SESSIONS: usize = 800;
const SESSION_USES: u32 = 6;
/// Times that what is popular changes altogether.
const SHIFTS: usize = 8;

/// A trace.
pub struct Trace {
    pub name: &'static str,
    pub keys: Vec<u32>,
}

/// All traces, of `count` requests each: those that every server's `lru` and `lfu` are held
/// against first, then the others.
pub fn all(count: usize) -> Vec<Trace> {
    let trace = |name, keys: Vec<u32>| Trace { name, keys };
    vec![
        trace("Zipf 0.8", zipf(0.8, 1).take(count).collect()),
        trace("Zipf 1.0", zipf(1.0, 2).take(count).collect()),
        trace("Zipf 0.9, a third in scans", scans(zipf(0.9, 3)).take(count).collect()),
        trace("loop of 1.5 caches", (0..LOOP).cycle().take(count).collect()),
        trace("Zipf 0.9", zipf(0.9, 4).take(count).collect()),
        trace("Zipf 1.1", zipf(1.1, 5).take(count).collect()),
        trace("half Zipf 1.0, half a loop", with_loop(zipf(1.0, 6)).take(count).collect()),
        trace("half Zipf 0.9, half used once", with_once(zipf(0.9, 7)).take(count).collect()),
        trace("half Zipf 0.9, half sessions", with_sessions(zipf(0.9, 8)).take(count).collect()),
        trace("Zipf 1.0, shifting", shifting(count)),
    ]
}

/// Keys whose popularity falls with the power `s` of their rank.
fn zipf(s: f64, seed: u64) -> impl Iterator<Item = u32> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut sum = 0.0;
    let weights = (1..=KEYS).map(|rank| {
        sum += f64::from(rank).powf(-s);
        sum
    });
    let sums: Vec<f64> = weights.collect();
    let mut keys: Vec<u32> = (0..KEYS).collect();
    random.shuffle(&mut keys);
    std::iter::repeat_with(move || {
        let drawn = random.f64() * sum;
        let rank = sums.partition_point(|sum| *sum <= drawn).min(keys.len() - 1);
        keys[rank]
    })
}

fn scans(mut popular: impl Iterator<Item = u32>) -> impl Iterator<Item = u32> {
    let (mut at, mut next) = (0, ONCE);
    std::iter::from_fn(move || {
        at += 1;
        if at % (SCAN_EVERY + SCAN) < SCAN_EVERY {
            return popular.next();
        }
        next += 1;
        Some(next)
    })
}

fn with_loop(popular: impl Iterator<Item = u32>) -> impl Iterator<Item = u32> {
    popular.zip((2 * ONCE..2 * ONCE + LOOP * 4 / 5).cycle()).flat_map(|(one, other)| [one, other])
}

fn with_once(popular: impl Iterator<Item = u32>) -> impl Iterator<Item = u32> {
    popular.zip(ONCE..).flat_map(|(one, other)| [one, other])
}

fn with_sessions(popular: impl Iterator<Item = u32>) -> impl Iterator<Item = u32> {
    let (mut random, mut next) = (fastrand::Rng::with_seed(9), 3 * ONCE);
    let mut open: Vec<u32> = (next..).take(SESSIONS).collect();
    next += SESSIONS as u32;
    popular.flat_map(move |key| {
        let at = random.usize(..SESSIONS);
        if random.u32(..SESSION_USES) == 0 {
            open[at] = next;
            next += 1;
        }
        [key, open[at]]
    })
}

fn shifting(count: usize) -> Vec<u32> {
    let parts = (0..SHIFTS).map(|part| zipf(1.0, 100 + part as u64).take(count / SHIFTS));
    parts.flatten().collect()
}
