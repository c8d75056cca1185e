//! LEASE.GET, LEASE.PUT and LEASE.DROP: a cache that is filled by one client at a time.
//!
//! ```text
//!   hit      the value is there
//!   refresh  the value is there, and the client is to compute the next one: it has a token
//!   stale    the value's time is over, and another client computes the next one
//!   miss     nothing is there, and the client is to compute it: it has a token
//!   busy     nothing is there, and another client computes it
//! ```
//!
//! What is known of a lease, and what voids its token, is in `keyspace/leases.rs`. In the effect
//! stream LEASE.PUT is a SET; the others change nothing that is kept.

use super::arguments::{duration_ms, left_ms, wait_ms};
use crate::commands::expiry::ExpiryUnit;
use crate::commands::string::store;
use crate::commands::value::write_value;
use crate::error::Error;
use crate::keyspace::waiters::{Wait, Waiter};
use crate::run::call::Call;
use crate::run::command::{BlockingCommand, BlockingRun, DataCommand, Served};
use crate::spec::*;
use crate::storage::entry::Entry;
use crate::storage::table::Slot;
use crate::storage::value::Type;
use redstart_protocol::Reply;

/// How long a lease is held that was asked for without a time.
const LEASE_MS: u64 = 10_000;
/// The time that is left of a value whose time is over, and of none.
const OVER: i64 = 0;
const NOTHING: i64 = -2;

/// LEASE.GET key [LEASE ms] [EARLY ms] [STALE] [WAIT ms]
pub static LEASE_GET: BlockingCommand = declare("lease.get", Group::Cache, AtLeast(2))
    .flags(READONLY | BLOCKING | FAST | WAITS_IF_ASKED)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("0.1.0")
    .complexity("O(1)")
    .summary(
        "Returns a value, or says who computes it: one client gets a token, others wait or get the \
         value whose time is over.",
    )
    .syntax("key [LEASE milliseconds] [EARLY milliseconds] [STALE] [WAIT milliseconds]")
    .run(BlockingRun { run: get, serve });

/// LEASE.PUT key token value [EX seconds | PX milliseconds] [GRACE milliseconds]
pub static LEASE_PUT: DataCommand = declare("lease.put", Group::Cache, AtLeast(4))
    .flags(WRITE | DENYOOM | FAST)
    .keys(&[KeySpec::at(1, OW | UPDATE)])
    .since("0.1.0")
    .complexity("O(1)")
    .summary("Stores the value that a lease's holder has computed, unless its token is void.")
    .syntax(
        "key token value [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
         PXAT unix-time-milliseconds] [GRACE milliseconds]",
    )
    .run(put);

/// LEASE.DROP key token
pub static LEASE_DROP: DataCommand = declare("lease.drop", Group::Cache, Exactly(3))
    .flags(READONLY | FAST)
    .keys(&[KeySpec::at(1, RO)])
    .since("0.1.0")
    .complexity("O(1)")
    .summary("Gives a lease back without a value, so that the next client gets it.")
    .syntax("key token")
    .run(|call| {
        let token = token(call, 2);
        let released = call.space.release_lease(call.key(0), token);
        call.reply.integer(i64::from(released));
        Ok(())
    });

/// Argument `at` as a token; zero, which is none, if it is not one.
fn token(call: &Call<'_>, at: usize) -> u64 {
    let text = std::str::from_utf8(call.args.at(at)).ok();
    let text = text.filter(|text| text.len() == 16 && !text.starts_with('+'));
    text.and_then(|text| u64::from_str_radix(text, 16).ok()).unwrap_or(0)
}

/// The options of LEASE.GET.
struct Options {
    lease_ms: u64,
    early_ms: u64,
    takes_stale: bool,
    wait_ms: u64,
}

impl Options {
    fn parse(call: &Call<'_>) -> Result<Options, Error> {
        let mut options =
            Options { lease_ms: LEASE_MS, early_ms: 0, takes_stale: false, wait_ms: 0 };
        let mut at = 2;
        while let Some(word) = call.args.get(at) {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            at += 2;
            if is("LEASE") {
                options.lease_ms = duration_ms(call, at - 1)?;
            } else if is("EARLY") {
                options.early_ms = wait_ms(call, at - 1)?;
            } else if is("WAIT") {
                options.wait_ms = wait_ms(call, at - 1)?;
            } else if is("STALE") {
                options.takes_stale = true;
                at -= 1;
            } else {
                return Err(Error::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// What a client is answered.
enum Outcome {
    Hit(Slot),
    Refresh(Slot),
    /// The value's time is over, and the client holds the lease.
    RefreshStale,
    Stale,
    Miss,
    Busy,
}

/// What a client is to be answered now. Nothing is changed yet.
fn outcome(call: &mut Call<'_>, options: &Options) -> Result<Outcome, Error> {
    let (key, now) = (call.key(0), call.now());
    let slot = call.space.find(key);
    let place = call.space.place_of(key);
    let is_held = call.space.leases(key).is_held(place, now);
    if let Some(slot) = slot {
        let entry = call.space.entry(key, slot);
        entry.string()?;
        let left_ms = entry.deadline_ms().saturating_sub(now.mono_ms);
        let is_due = entry.deadline_ms() != 0 && left_ms < options.early_ms;
        return Ok(if is_due && !is_held { Outcome::Refresh(slot) } else { Outcome::Hit(slot) });
    }
    let has_stale = options.takes_stale && call.space.leases(key).stale(place, now).is_some();
    Ok(match (has_stale, is_held) {
        (true, false) => Outcome::RefreshStale,
        (true, true) => Outcome::Stale,
        (false, false) => Outcome::Miss,
        (false, true) => Outcome::Busy,
    })
}

fn get(call: &mut Call<'_>) -> Result<(), Error> {
    let options = Options::parse(call)?;
    let (key, wait_ms) = (call.key(0), options.wait_ms);
    let outcome = outcome(call, &options)?;
    let slot = match &outcome {
        Outcome::Hit(slot) | Outcome::Refresh(slot) => Some(*slot),
        _ => None,
    };
    call.space.count(slot.is_some());
    match slot {
        Some(slot) => call.space.note_left(key, slot),
        None => call.space.note_miss(key),
    }
    if let Outcome::Busy = outcome
        && wait_ms > 0
    {
        let late = Box::new(write_busy);
        if call.wait(Wait { heeds_loss: true, late, ..Wait::new(0..1, wait_ms) }) {
            return Ok(());
        }
    }
    answer(call, outcome, &options)
}

/// Answers a client that waits, if there is an answer by now.
fn serve(call: &mut Call<'_>, n: usize, waiter: &Waiter) -> Result<Served, Error> {
    let options = Options::parse(call)?;
    let key = call.key(n);
    let outcome = outcome(call, &options);
    if let Ok(Outcome::Busy) = outcome {
        return Ok(Served::Nothing);
    }
    if !waiter.claim() {
        return Ok(Served::Nothing);
    }
    if let Ok(Outcome::Hit(slot) | Outcome::Refresh(slot)) = &outcome {
        call.space.note_left(key, *slot);
    }
    answer(call, outcome?, &options)?;
    Ok(Served::Given)
}

fn write_busy(reply: &mut Reply) {
    reply.array(4);
    reply.bulk(b"busy");
    reply.null();
    reply.null();
    reply.integer(NOTHING);
}

/// Grants the lease, where that is the outcome, and replies.
fn answer(call: &mut Call<'_>, outcome: Outcome, options: &Options) -> Result<(), Error> {
    let (key, now) = (call.key(0), call.now());
    let place = call.space.place_of(key);
    let state: &[u8] = match outcome {
        Outcome::Busy => {
            write_busy(call.reply);
            return Ok(());
        }
        Outcome::Hit(_) => b"hit",
        Outcome::Refresh(_) | Outcome::RefreshStale => b"refresh",
        Outcome::Stale => b"stale",
        Outcome::Miss => b"miss",
    };
    let is_granted = matches!(outcome, Outcome::Refresh(_) | Outcome::RefreshStale | Outcome::Miss);
    let until_ms = now.mono_ms.saturating_add(options.lease_ms);
    let token = is_granted.then(|| call.space.grant_lease(key, until_ms));
    call.reply.array(4);
    call.reply.bulk(state);
    let Call { reply, space, .. } = call;
    let left_ms = match outcome {
        Outcome::Hit(slot) | Outcome::Refresh(slot) => {
            let entry = space.entry(key, slot);
            write_value(reply, entry.string()?);
            left_ms(entry.deadline_ms(), now)
        }
        Outcome::RefreshStale | Outcome::Stale => {
            let value = space.leases(key).stale(place, now).map(Entry::string).transpose()?;
            match value {
                Some(value) => write_value(reply, value),
                None => reply.null(),
            }
            OVER
        }
        Outcome::Miss | Outcome::Busy => {
            reply.null();
            NOTHING
        }
    };
    match token {
        Some(token) => reply.bulk(format!("{token:016x}").as_bytes()),
        None => reply.null(),
    }
    reply.integer(left_ms);
    Ok(())
}

fn put(call: &mut Call<'_>) -> Result<(), Error> {
    let (mut deadline_ms, mut grace_ms) = (0, 0);
    for at in (4..call.args.len()).step_by(2) {
        let (word, next) = (call.args.at(at), call.args.get(at + 1).ok_or(Error::SYNTAX)?);
        if word.eq_ignore_ascii_case(b"GRACE") {
            grace_ms = wait_ms(call, at + 1)?;
        } else if let Some(unit) = ExpiryUnit::of_option(word)
            && deadline_ms == 0
        {
            deadline_ms = unit.deadline(next, call.now(), call.command.name)?;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let (key, now) = (call.key(0), call.now());
    let (token, place) = (token(call, 2), call.space.place_of(key));
    // A key that was dropped with a tag has no lease, either.
    call.space.find(key);
    if !call.space.leases(key).release(place, token, now) {
        call.reply.integer(0);
        return Ok(());
    }
    let slot = call.space.find(key);
    call.space.note_overwrite(key, slot, Type::Str);
    store(call, slot, call.value(3), deadline_ms);
    if deadline_ms != 0 && grace_ms != 0 {
        call.space.leases(key).set_grace(place, grace_ms);
    }
    call.reply.integer(1);
    Ok(())
}
