//! The memcached port: clients of memcached 1.6 on the strings of database 0.
//!
//! A request takes the way that one of Redis takes: a batch is decoded
//! (`redstart_protocol::memcached`), its keys are hashed and what leads to them is fetched, then
//! each request runs, through the same gates, by the name of the command of Redis that does the
//! like: users, statistics, the slow log and MONITOR see `get` as GET, `add` as SET, `delete` as
//! DEL. What it does with the key is `redstart_engine::commands::memcached`.
//!
//! ```text
//!   batch    decodes, hashes, fetches: many requests, or the keys of one
//!   execute  gates, accounts, runs; puts back what has to wait
//!   answer   runs one request, and writes its reply in memcached's words
//!   others   flush_all, stats, who the client is
//! ```
//!
//! Deliberately absent: UDP, the binary protocol, and memcached's commands about its own memory.

mod answer;
mod batch;
mod execute;
mod meta;
mod others;
mod stats;

use crate::dispatch::batch::Source;
use crate::dispatch::worker::Worker;
use crate::session::Session;
use bytes::Buf;

/// Output beyond which no further request runs before it is written, in bytes.
const OUTPUT_FLUSH: usize = 256 * 1024;
/// A batch with a value of this size keeps its input by reference, in bytes.
const SHARED_VALUE_MIN: u32 = 64 * 1024;

/// As [`crate::dispatch::run_shared`].
pub fn run_shared(session: &mut Session, worker: &mut Worker, input: &mut [u8]) {
    let mut used = 0;
    while let Some(end) = batch::decode(session, worker, input, used) {
        execute::run(session, worker, Source::Borrowed(&input[..end]));
        used = end;
        if session.closing {
            return;
        }
        if stops(session, worker) {
            session.input_waits = true;
            break;
        }
    }
    session.keep_input(&input[used..]);
}

/// As [`crate::dispatch::run_kept`].
pub fn run_kept(session: &mut Session, worker: &mut Worker) {
    session.input_waits = false;
    let mut input = std::mem::take(&mut session.input);
    while let Some(end) = batch::decode(session, worker, &mut input, 0) {
        if worker.spans.iter().any(|span| span.len >= SHARED_VALUE_MIN) {
            let shared = input.split_to(end).freeze();
            execute::run(session, worker, Source::Shared(&shared));
        } else {
            execute::run(session, worker, Source::Borrowed(&input[..end]));
            input.advance(end);
        }
        if session.closing {
            return;
        }
        // Requests that wait were put back.
        if !session.input.is_empty() {
            session.input.extend_from_slice(&input);
            input = std::mem::take(&mut session.input);
        }
        if stops(session, worker) && !input.is_empty() {
            session.input_waits = true;
        }
        if session.input_waits {
            break;
        }
    }
    if input.is_empty() {
        session.wanted = 0;
    } else {
        session.input = input;
    }
    session.info.set_input(session.input.len());
}

/// Whether the output has to be written, or others come first.
fn stops(session: &Session, worker: &Worker) -> bool {
    session.input_waits
        || session.out.len() > OUTPUT_FLUSH
        || session.is_waiting()
        || worker.turns.is_over()
}
