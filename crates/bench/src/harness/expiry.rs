//! How long after its deadline a key is removed.
//!
//! Keys are set with absolute deadlines (`PXAT`), evenly spread over a span that starts after the
//! fill has ended. From then on DBSIZE is asked every 2 ms; it counts keys that are there, expired
//! or not, and no key is read, so that only the server's own expiry removes any. That gives two
//! curves in steps, keys due and keys gone:
//!
//! ```text
//! keys  |          due ___/   gone
//!       |          ___/  ___/        the k-th key is due at d(k), and gone at the first answer
//!   k   |- - - ___/- -__/            that shows k keys gone, a(k); its lag is a(k) - d(k)
//!       |  ___/    __/
//!       +-----d(k)---a(k)--- time
//! ```
//!
//! The k-th removal is held against the k-th deadline. A server that removes in order of deadline
//! gets each key's true lag; for one that samples, the mean is true, and single keys may have been
//! later than the largest lag shown, never all of them earlier. The asking adds up to 2 ms and a
//! round trip. A key that is gone more than 1 ms before it is due counts as early, which is wrong.

use super::client::Client;
use super::histogram::Histogram;
use super::load::{self, Laps, Stream};
use super::outcome::{Failure, Outcome, progress};
use super::plan::{Plan, REDSTART, ServerSpec};
use super::report::{Section, Table, met, short, short_ms};
use super::server::{Cores, Pin, Server};
use super::strip::{Strip, VALUE_BYTES, key, space, value};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const CONNECTIONS: usize = 8;
const PIPELINE: usize = 64;
/// From the start of rendering to the first deadline: the fill must be over by then.
const LEAD: Duration = Duration::from_secs(6);
const STEP: Duration = Duration::from_millis(2);
/// How long after the last deadline the stragglers are waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const EARLY_TOLERATED_MS: f64 = 1.0;
const LAG_P99_MAX: Duration = Duration::from_millis(50);

/// Deadlines of `keys` keys, evenly from `first_ms` (Unix time) over `spread_ms`.
#[derive(Clone, Copy)]
struct Deadlines {
    keys: usize,
    first_ms: u64,
    spread_ms: u64,
}

impl Deadlines {
    /// Of the `index`-th key.
    fn at_ms(&self, index: usize) -> u64 {
        self.first_ms + self.spread_ms * index as u64 / self.keys as u64
    }
}

/// What was observed on one server.
struct Observed {
    lag: Histogram,
    early: usize,
    /// Keys still there when the patience was over.
    left: usize,
    cpu_share: f64,
}

impl Observed {
    /// Takes the answer that `gone` keys are gone at `now_ms`, where `before` were.
    fn take(&mut self, deadlines: Deadlines, before: usize, gone: usize, now_ms: f64) {
        for index in before..gone {
            let lag_ms = now_ms - deadlines.at_ms(index) as f64;
            self.early += usize::from(lag_ms < -EARLY_TOLERATED_MS);
            self.lag.record(Duration::from_secs_f64(lag_ms.max(0.0) / 1e3));
        }
    }
}

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut table = Table::new([
        "server",
        "lag p50 ms",
        "lag p99 ms",
        "lag max ms",
        "early",
        "never seen gone",
        "server busy",
        "bar",
        "met",
    ]);
    let mut complete = true;
    for (at, spec) in plan.servers.iter().enumerate() {
        progress(format_args!("expiry: {}", spec.name));
        match observe(plan, spec, cores) {
            Ok(observed) => {
                let p99 = observed.lag.percentile(99.0);
                let mut row = vec![
                    spec.name.clone(),
                    short_ms(observed.lag.percentile(50.0)),
                    short_ms(p99),
                    short_ms(observed.lag.max()),
                    observed.early.to_string(),
                    observed.left.to_string(),
                    format!("{:.0} %", observed.cpu_share * 100.0),
                ];
                if at == REDSTART {
                    let good = p99 < LAG_P99_MAX && observed.early == 0 && observed.left == 0;
                    row.extend(["p99 < 50 ms".to_string(), met(good)]);
                }
                table.row(row);
            }
            Err(failure) => {
                progress(format_args!("  {failure}"));
                complete &= at > REDSTART;
                table.row([spec.name.as_str(), "-"]);
            }
        }
    }
    let text = format!(
        "{}M keys whose deadlines are spread over {} s. DBSIZE is asked every {} ms, and the k-th \
         key seen gone is held against the k-th deadline: exact for a server that removes in order \
         of deadline, a mean for one that samples. Answering DBSIZE is in the server's busy \
         share.\n\n{}",
        short(plan.expiry_keys as f64 / 1e6),
        plan.expiry_spread.as_secs(),
        STEP.as_millis(),
        table.markdown()
    );
    Section { title: "Expiry lag".into(), text, complete }
}

fn observe(plan: &Plan, spec: &ServerSpec, cores: &Cores) -> Outcome<Observed> {
    let server = Server::start(spec, cores, Pin::Apart, 1)?;
    let mut client = Client::connect(server.port)?;
    let keys = plan.expiry_keys;
    let spread_ms = plan.expiry_spread.as_millis() as u64;
    let first_ms = (unix_ms()? + LEAD.as_secs_f64() * 1e3) as u64;
    let deadlines = Deadlines { keys, first_ms, spread_ms };
    let strip = strip(deadlines);
    let stream = Stream::new(&strip, CONNECTIONS, PIPELINE, Laps::Once);
    load::run(server.port, &[stream], None, &server.cpu)?;
    if client.dbsize()? != keys || unix_ms()? >= first_ms as f64 {
        return Err(Failure("the fill did not end before the first deadline".into()));
    }
    watch(&server, &mut client, deadlines)
}

/// Asks until all keys are gone, or the patience is over.
fn watch(server: &Server, client: &mut Client, deadlines: Deadlines) -> Outcome<Observed> {
    let mut observed = Observed { lag: Histogram::new(), early: 0, left: 0, cpu_share: 0.0 };
    let last_ms = (deadlines.first_ms + deadlines.spread_ms) as f64;
    let (started_ms, cpu) = (unix_ms()?, server.cpu.used()?);
    let mut gone = 0;
    loop {
        let left = client.dbsize()?;
        let now_ms = unix_ms()?;
        let gone_now = deadlines.keys.saturating_sub(left).max(gone);
        observed.take(deadlines, gone, gone_now, now_ms);
        gone = gone_now;
        if left == 0 || now_ms > last_ms + PATIENCE.as_secs_f64() * 1e3 {
            observed.take(deadlines, gone, deadlines.keys, now_ms);
            observed.left = left;
            let busy = server.cpu.used_since(cpu)?;
            observed.cpu_share = busy.as_secs_f64() * 1e3 / (now_ms - started_ms).max(1.0);
            return Ok(observed);
        }
        std::thread::sleep(STEP);
    }
}

/// The SETs, in an order in which neighbours have deadlines far apart.
fn strip(deadlines: Deadlines) -> Strip {
    let mut order: Vec<usize> = (0..deadlines.keys).collect();
    fastrand::Rng::with_seed(0x6c61_6773).shuffle(&mut order);
    let mut strip = Strip::with_replies();
    for index in order {
        let key = key(space::STRINGS, index);
        let value = value(&key, VALUE_BYTES);
        let deadline = deadlines.at_ms(index).to_string();
        strip.push(&[b"SET", &key, &value, b"PXAT", deadline.as_bytes()], b"+OK\r\n");
    }
    strip
}

/// Unix time in milliseconds: deadlines are wall time.
fn unix_ms() -> Outcome<f64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_err(|_| Failure("the clock stands before 1970".into()))?;
    Ok(since.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_counted_by_rank() {
        let deadlines = Deadlines { keys: 100, first_ms: 1_000, spread_ms: 1_000 };
        assert_eq!((deadlines.at_ms(0), deadlines.at_ms(99)), (1_000, 1_990));
        let mut observed = Observed { lag: Histogram::new(), early: 0, left: 0, cpu_share: 0.0 };
        observed.take(deadlines, 0, 2, 1_020.0);
        observed.take(deadlines, 2, 4, 1_030.5);
        assert_eq!((observed.early, observed.lag.total()), (0, 4));
        assert_eq!(observed.lag.max(), Duration::from_millis(20));
        observed.take(deadlines, 4, 5, 1_038.0);
        assert_eq!(observed.early, 1);
    }
}
