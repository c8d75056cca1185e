//! LOCK.ACQUIRE and its kin: locks with a fence, and a queue of those that wait.
//!
//! The lock is a string key with its owner as the value: SET NX, DEL and scripts that compare and
//! delete see it as one of their own, and it goes when its time is over. Those that wait are served
//! in their order, by whatever removes the key. What a fence is: `keyspace/locks.rs`.
//!
//! In the effect stream LOCK.ACQUIRE is a SET and a LOCK.FENCE.

use super::arguments::{left_ms, wait_ms};
use crate::commands::arguments::count;
use crate::commands::expiry::ExpiryUnit;
use crate::commands::scan::Filter;
use crate::error::Error;
use crate::hasher::SHARDS;
use crate::keyspace::locks::Lock;
use crate::keyspace::waiters::{Wait, Waiter};
use crate::run::call::Call;
use crate::run::command::{BlockingCommand, BlockingRun, DataCommand, Served};
use crate::spec::*;
use crate::storage::table::Slot;
use redstart_protocol::{Reply, parse_i64};

/// A fence that is set has to leave room for those to come.
const FENCE_LIMIT: u64 = 1 << 62;

/// LOCK.ACQUIRE name owner TTL milliseconds [WAIT milliseconds]
pub static LOCK_ACQUIRE: BlockingCommand = declare("lock.acquire", Group::Cache, AtLeast(5))
    .flags(WRITE | DENYOOM | BLOCKING | FAST | WAITS_IF_ASKED)
    .keys(&[KeySpec::at(1, RW | ACCESS | INSERT)])
    .since("0.1.0")
    .complexity("O(1)")
    .summary("Takes a lock, or waits in a queue for it, and returns its fence, which only grows.")
    .syntax("name owner TTL milliseconds [WAIT milliseconds]")
    .run(BlockingRun { run: acquire, serve });

/// LOCK.RENEW name owner TTL milliseconds
pub static LOCK_RENEW: DataCommand = declare("lock.renew", Group::Cache, Exactly(5))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("0.1.0")
    .complexity("O(1)")
    .summary("Sets for how long its owner holds a lock from now on.")
    .syntax("name owner TTL milliseconds")
    .run(|call| {
        let deadline_ms = deadline(call)?;
        let slot = held_slot(call)?;
        if let Some(slot) = slot {
            renew(call, slot, deadline_ms);
        }
        call.reply.integer(i64::from(slot.is_some()));
        Ok(())
    });

/// LOCK.RELEASE name owner
pub static LOCK_RELEASE: DataCommand = declare("lock.release", Group::Cache, Exactly(3))
    .flags(WRITE | FAST)
    .keys(&[KeySpec::at(1, RM | DELETE)])
    .since("0.1.0")
    .complexity("O(1)")
    .summary("Gives a lock back, if the owner holds it, to the next that waits.")
    .syntax("name owner")
    .run(|call| {
        let (key, slot) = (call.key(0), held_slot(call)?);
        if let Some(slot) = slot {
            let place = call.space.place_of(key);
            call.space.locks(key).forget(place);
            call.space.remove(key, slot);
            call.space.emit(|| [&b"DEL"[..], key.bytes]);
        }
        call.reply.integer(i64::from(slot.is_some()));
        Ok(())
    });

/// LOCK.INFO name
pub static LOCK_INFO: DataCommand = declare("lock.info", Group::Cache, Exactly(2))
    .flags(READONLY | FAST | NONDETERMINISTIC)
    .keys(&[KeySpec::at(1, RO | ACCESS)])
    .since("0.1.0")
    .complexity("O(N) with N clients that wait for the lock.")
    .summary("Tells who holds a lock, with which fence and for how long, and how many wait.")
    .syntax("name")
    .run(info);

/// LOCK.LIST [MATCH pattern] [COUNT count]
pub static LOCK_LIST: DataCommand = declare("lock.list", Group::Cache, AtLeast(1))
    .flags(READONLY | WALKS | NONDETERMINISTIC)
    .since("0.1.0")
    .complexity("O(N) with N locks.")
    .summary("Lists the locks that are held by LOCK.ACQUIRE: name, owner, fence, time.")
    .syntax("[MATCH pattern] [COUNT count]")
    .run(list);

/// LOCK.FENCE name fence
pub static LOCK_FENCE: DataCommand = declare("lock.fence", Group::Cache, Exactly(3))
    .flags(WRITE | ADMIN | FAST)
    .keys(&[KeySpec::at(1, RW | UPDATE)])
    .since("0.1.0")
    .complexity("O(1)")
    .summary("Sets the fence of a lock that is held; the log has it behind the lock.")
    .syntax("name fence")
    .run(set_fence);

/// `TTL milliseconds` behind the owner, as a deadline.
fn deadline(call: &Call<'_>) -> Result<u64, Error> {
    if !call.args.at(3).eq_ignore_ascii_case(b"TTL") {
        return Err(Error::SYNTAX);
    }
    ExpiryUnit::Milliseconds.deadline(call.args.at(4), call.now(), call.command.name)
}

/// Where the lock is, if the owner of the request holds it.
fn held_slot(call: &mut Call<'_>) -> Result<Option<Slot>, Error> {
    let (key, owner) = (call.key(0), call.args.at(2));
    let Some(slot) = call.space.find(key) else { return Ok(None) };
    let value = call.space.entry(key, slot).string()?;
    Ok(value.with(|holder| holder == owner).then_some(slot))
}

fn acquire(call: &mut Call<'_>) -> Result<(), Error> {
    let deadline_ms = deadline(call)?;
    let wait_ms = match call.args.get(5) {
        None => 0,
        Some(word) if word.eq_ignore_ascii_case(b"WAIT") && call.args.len() == 7 => {
            wait_ms(call, 6)?
        }
        Some(_) => return Err(Error::SYNTAX),
    };
    let key = call.key(0);
    if let Some(slot) = held_slot(call)? {
        // Asked again, perhaps because the reply was lost.
        let place = call.space.place_of(key);
        let owner = call.args.at(2);
        let known = call.space.locks(key).get(place).filter(|lock| *lock.owner == *owner);
        let known = known.map(|lock| lock.fence);
        renew(call, slot, deadline_ms);
        let fence = known.unwrap_or_else(|| give_fence(call, deadline_ms));
        call.reply.integer(fence as i64);
        return Ok(());
    }
    if call.space.find(key).is_none() && !call.space.has_heirs(key) {
        take(call, deadline_ms);
        return Ok(());
    }
    let late = Box::new(Reply::null);
    let wait = Wait { heeds_loss: true, late, ..Wait::new(0..1, wait_ms) };
    if wait_ms == 0 || !call.wait(wait) {
        call.reply.null();
    }
    Ok(())
}

/// Gives the lock to a client that waits, if it is free by now.
fn serve(call: &mut Call<'_>, n: usize, waiter: &Waiter) -> Result<Served, Error> {
    let key = call.key(n);
    if call.space.find(key).is_some() || !waiter.claim() {
        return Ok(Served::Nothing);
    }
    let deadline_ms = deadline(call)?;
    take(call, deadline_ms);
    Ok(Served::Given)
}

/// Takes a lock that nobody holds.
fn take(call: &mut Call<'_>, deadline_ms: u64) {
    let key = call.key(0);
    let slot = call.space.put(key, None, call.value(2), deadline_ms);
    if call.space.listened_to() {
        call.space.emit_set(key, slot);
    }
    let fence = give_fence(call, deadline_ms);
    call.reply.integer(fence as i64);
}

/// Draws a fence for the owner of the request, who holds the lock until then.
fn give_fence(call: &mut Call<'_>, deadline_ms: u64) -> u64 {
    let (key, owner) = (call.key(0), call.args.at(2));
    let fence = call.space.fences().draw(call.now());
    call.space.note_lock(key, owner, fence, deadline_ms);
    let text = fence.to_string();
    call.space.emit(|| [&b"LOCK.FENCE"[..], key.bytes, text.as_bytes()]);
    fence
}

/// Lets the owner of the request hold the lock until then.
fn renew(call: &mut Call<'_>, slot: Slot, deadline_ms: u64) {
    let (key, now) = (call.key(0), call.now());
    call.space.set_deadline(key, slot, deadline_ms);
    if call.space.listened_to() {
        let at = now.wall(deadline_ms).to_string();
        call.space.emit(|| [&b"PEXPIREAT"[..], key.bytes, at.as_bytes()]);
    }
}

fn info(call: &mut Call<'_>) -> Result<(), Error> {
    let (key, now) = (call.key(0), call.now());
    let Some(entry) = call.space.look(key) else {
        call.reply.null();
        return Ok(());
    };
    let (owner, deadline_ms) = (entry.string()?.to_vec(), entry.deadline_ms());
    let place = call.space.place_of(key);
    let lock = call.space.locks(key).get(place).filter(|lock| *lock.owner == *owner);
    let fence = lock.map(|lock| lock.fence);
    let waiting = call.space.heirs(key);
    let reply = &mut *call.reply;
    reply.map(4);
    reply.bulk(b"owner");
    reply.bulk(&owner);
    reply.bulk(b"fence");
    match fence {
        Some(fence) => reply.integer(fence as i64),
        None => reply.null(),
    }
    reply.bulk(b"ttl");
    reply.integer(left_ms(deadline_ms, now));
    reply.bulk(b"waiting");
    reply.integer(waiting as i64);
    Ok(())
}

fn list(call: &mut Call<'_>) -> Result<(), Error> {
    let (mut filter, mut most) = (Filter::default(), usize::MAX);
    for at in (1..call.args.len()).step_by(2) {
        let (word, next) = (call.args.at(at), call.args.get(at + 1).ok_or(Error::SYNTAX)?);
        if word.eq_ignore_ascii_case(b"MATCH") {
            filter = Filter::new(next);
        } else if word.eq_ignore_ascii_case(b"COUNT") {
            most = count(call, at + 1, 1, Error::COUNT_NOT_POSITIVE)?;
        } else {
            return Err(Error::SYNTAX);
        }
    }
    let (db, now) = (call.space.db, call.now());
    let mut held: Vec<(Lock, u64)> = Vec::new();
    for index in 0..SHARDS {
        if held.len() >= most {
            break;
        }
        let shard = call.space.view().shard_at(index);
        let locks = shard.locks.iter().filter(|lock| lock.db == db && filter.passes(&lock.name));
        let with_time = locks.filter_map(|lock| {
            let (_, entry) = shard.db(db)?.table().get(lock.hash, &lock.name)?;
            let is_over = (1..=now.mono_ms).contains(&entry.deadline_ms());
            (!is_over && lock.is_held_in(entry)).then(|| (lock.clone(), entry.deadline_ms()))
        });
        held.extend(with_time.take(most - held.len()));
    }
    filter.check()?;
    call.reply.array(held.len());
    for (lock, deadline_ms) in held {
        call.reply.array(4);
        call.reply.bulk(&lock.name);
        call.reply.bulk(&lock.owner);
        call.reply.integer(lock.fence as i64);
        call.reply.integer(left_ms(deadline_ms, now));
    }
    Ok(())
}

fn set_fence(call: &mut Call<'_>) -> Result<(), Error> {
    let fence = parse_i64(call.args.at(2)).and_then(|fence| u64::try_from(fence).ok());
    let fence = fence.filter(|fence| *fence < FENCE_LIMIT).ok_or(Error::NOT_INTEGER)?;
    let key = call.key(0);
    call.space.fences().raise(fence);
    if let Some(slot) = call.space.find(key) {
        let entry = call.space.entry(key, slot);
        let (owner, deadline_ms) = (entry.string()?.to_vec(), entry.deadline_ms());
        call.space.note_lock(key, &owner, fence, deadline_ms.max(1));
    }
    call.space.touch_watches(key);
    call.emit_as_is();
    call.reply.ok();
    Ok(())
}
