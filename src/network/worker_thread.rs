//! A worker's thread: one runtime, on which the tasks of its connections run, and a tick that
//! removes expired keys.

use crate::dispatch::after_unlock::take_out_garbage;
use crate::dispatch::worker::{self, READ_BYTES, Worker};
use crate::network::handover::WorkerHandle;
use crate::network::while_busy;
use crate::server::Server;
use crate::session::handlers::Handlers;
use crate::system::clock::Clock;
use crate::system::{allocator, process};
use redstart_engine::WorkerState;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often expired keys are looked for, in milliseconds.
const TICK_MS: u64 = 10;
/// Segments of tables, of some hundred keys each, that a worker walks in a tick for keys of dropped
/// tags.
const SEGMENTS_A_TICK: usize = 16;
/// Parts of shards, and keys, that are looked at in a tick for statistics by prefix.
const SHARDS_A_TICK: usize = 128;
const KEYS_A_TICK: usize = 512;
/// How long unused memory is left alone at least, in nanoseconds.
const COLLECT_NS: u64 = 50_000_000;
/// How often a worker yields before it sleeps. One yield does not always move it behind a thread
/// that waits for its core; on an idle core all four cost a microsecond.
const YIELDS: usize = 4;
/// A yield that takes so long, in nanoseconds, has waited for a thread that wants the core for
/// itself, and not for a client that soon waits for its reply.
const LONG_YIELD_NS: u64 = 2_000_000;
/// How often a worker then sleeps without yielding: on a core that is never idle a yield costs its
/// clients milliseconds, a sleep only the wake-up.
const SLEEPS_AT_ONCE: u32 = 256;
/// A worker's stack: scripts nest calls and values on it. Memory only where it is used.
const STACK_BYTES: usize = 16 << 20;
/// Starts a worker's thread, which serves when all threads that wait for `ready` are there.
///
/// # Errors
/// When the system has no thread to give.
pub fn spawn(
    server: &'static Server,
    handlers: &'static Handlers,
    index: usize,
    ready: Arc<Barrier>,
) -> io::Result<Arc<WorkerHandle>> {
    let workers = server.stats.len();
    let (queue, connections) = mpsc::unbounded_channel();
    let load = server.loads[index].clone();
    let handle = Arc::new(WorkerHandle { queue, load: load.clone() });
    let seed = crate::system::random::seed()?[0];
    let runtime = runtime(workers, server.clock)?;
    let thread = std::thread::Builder::new().name(format!("worker-{index}"));
    thread.stack_size(STACK_BYTES).spawn(move || {
        crate::system::log::never_block_this_thread();
        let input = vec![0; READ_BYTES].into();
        worker::install(Worker::new(WorkerState::new(server.stats[index].clone(), seed), input));
        ready.wait();
        while_busy::open(handlers, connections, load, server.stats[index].clone());
        runtime.block_on(async {
            tokio::spawn(tick(server, index, workers));
            receive(server).await;
        });
    })?;
    Ok(handle)
}

/// A worker's runtime. A worker that shares the cores with others lets them run before it sleeps:
/// where its client waits for the same core, more requests are there afterwards, and neither
/// side pays for a sleep and a wake-up per batch.
fn runtime(workers: usize, clock: &'static Clock) -> io::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all();
    if workers > 1 {
        let at_once = AtomicU32::new(0);
        builder.on_thread_park(move || give_way(clock, &at_once));
    }
    builder.build()
}

/// Lets threads run that wait for this core, unless they keep it for long. `at_once` counts down
/// the sleeps before the next try.
fn give_way(clock: &Clock, at_once: &AtomicU32) {
    let left = at_once.load(Relaxed);
    if left > 0 {
        at_once.store(left - 1, Relaxed);
        return;
    }
    let mut before_ns = clock.mono_ns();
    for _ in 0..YIELDS {
        std::thread::yield_now();
        let now_ns = clock.mono_ns();
        if now_ns - before_ns >= LONG_YIELD_NS {
            at_once.store(SLEEPS_AT_ONCE, Relaxed);
            return;
        }
        before_ns = now_ns;
    }
}

async fn receive(server: &'static Server) {
    while let Some(handover) = poll_fn(while_busy::poll_handover).await {
        while_busy::take_on(server, handover);
    }
}

/// Gives back what memory this worker does not use, unless that is not due before `due_ns`. It
/// takes a hundredth of the worker's time at most. Returns when it is due again.
fn collect(server: &'static Server, due_ns: u64) -> u64 {
    let began_ns = server.clock.mono_ns();
    if began_ns < due_ns {
        return due_ns;
    }
    allocator::collect();
    let ended_ns = server.clock.mono_ns();
    ended_ns + (100 * (ended_ns - began_ns)).max(COLLECT_NS)
}

/// Frees keys whose tags were dropped: in a tick, what takes a tenth of the worker's time at most.
async fn free_dropped(server: &'static Server) {
    for _ in 0..SEGMENTS_A_TICK {
        let now = server.clock.now();
        let more = worker::with(|worker| {
            let more = server.engine.free_dropped(&mut worker.local, now);
            take_out_garbage(worker, server);
            more
        });
        if !more {
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// Counts what there is of each prefix, while that is asked for, at some keys a tick.
fn count_prefixes(server: &'static Server) {
    if server.engine.keyspace.prefixes.version() == 0 {
        return;
    }
    let (now, mut looked) = (server.clock.now(), 0);
    worker::with(|worker| {
        for _ in 0..SHARDS_A_TICK {
            match server.engine.count_prefixes(&mut worker.local, now) {
                Some(more) if looked + more < KEYS_A_TICK => looked += more,
                _ => break,
            }
        }
    });
}

/// Removes expired keys of this worker's shards, and goes on at once while there are more.
async fn tick(server: &'static Server, index: usize, workers: usize) {
    let mut interval = tokio::time::interval(Duration::from_millis(TICK_MS));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut collects_ns = 0;
    loop {
        interval.tick().await;
        server.heartbeats.beat(index);
        server.replication.nudge();
        if index == 0 {
            server.evictor.note_resident(process::resident_bytes);
            #[cfg(target_os = "linux")]
            crate::system::huge_pages::follow_data();
        }
        if server.evictor.is_bloated() {
            collects_ns = collect(server, collects_ns);
        }
        // Nothing expires while data is being loaded.
        if server.durability.is_loading() {
            continue;
        }
        if index == 0 {
            server.leftover_watches.remove(&server.engine.keyspace);
        }
        if !server.engine.options.expires_actively() || server.pause.is_on() {
            continue;
        }
        free_dropped(server).await;
        count_prefixes(server);
        loop {
            let began_ns = server.clock.mono_ns();
            let now = server.clock.moment(began_ns);
            let more = worker::with(|worker| {
                // A replica's keys go when its master says so.
                let follows = server.replication.is_replica();
                let mut more =
                    !follows && server.engine.expire(&mut worker.local, index, workers, now);
                worker.local.stats.expiry_ns.add(server.clock.mono_ns() - began_ns);
                let evicts = index == 0 && !server.pause.is_on() && !server.link.keeps_all();
                let log_bytes = server.durability.log_buffer();
                let Server { engine, evictor, .. } = server;
                more |= evicts && evictor.shrink(engine, &mut worker.local, log_bytes, now);
                take_out_garbage(worker, server);
                more
            });
            if !more {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}
