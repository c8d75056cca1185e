//! Requests on their way from bytes to handlers, a batch at a time.
//!
//! ```text
//! pass 1   parse, look the command up, check arity, hash the keys, fetch what leads to them
//! pass 2   fetch their buckets; then match tags, fetch the entries, and of hashes the fields
//! pass 3   execute in order: gates, locks, handler, reply
//! ```
//!
//! What nearly every request is has a short way through each pass, and all others the exact one:
//! written as clients write (`Parser::parse_plain`), named by one word (`Registry::get_short`), a
//! data command with no gate in its way (`execute::is_clear`).
//!
//! By pass 3 everything that the batch touches is in the cache or on its way. A request is one of
//! a batch even when it is alone. The batch ends early where the rest could depend on what runs.

pub mod account;
pub mod after_unlock;
pub mod batch;
pub mod exec;
pub mod execute;
pub mod gate;
pub mod master;
pub mod replay;
pub mod rights;
pub mod script_host;
pub mod slow;
pub mod worker;

use crate::dispatch::batch::{Source, parse_batch};
use crate::dispatch::execute::execute_batch;
use crate::dispatch::worker::Worker;
use crate::session::Session;
use bytes::BytesMut;
use redstart_protocol::Reply;

/// Output beyond which no further request runs before it is written, in bytes.
const OUTPUT_FLUSH: usize = 256 * 1024;

/// Whether output has to be written before the next request runs.
#[inline]
fn is_full(out: &Reply) -> bool {
    out.len() > OUTPUT_FLUSH || out.has_rest()
}

/// A batch with an argument of this size keeps its input by reference, so that a handler may share
/// it instead of copying it, in bytes. Below, the input buffer is worth more: it is used again.
const SHARED_ARGUMENT_MIN: u32 = 64 * 1024;

/// Runs the requests in the worker's buffer; what is left of it is kept by the session.
pub fn run_shared(session: &mut Session, worker: &mut Worker, input: &mut [u8]) {
    let mut used = 0;
    while let Some(end) = parse_batch(session, worker, input, used) {
        let from = std::mem::replace(&mut used, end);
        execute_batch(session, worker, Source::Borrowed(input));
        if std::mem::take(&mut session.crowded) {
            used = from;
        }
        if session.closing {
            return;
        }
        if is_full(&session.out) || session.is_waiting() || worker.turns.is_over() {
            session.input_waits = true;
        }
        if session.input_waits {
            break;
        }
    }
    session.keep_input(&input[used..]);
}

/// Runs the requests in the session's own input.
pub fn run_kept(session: &mut Session, worker: &mut Worker) {
    session.input_waits = false;
    let mut input = std::mem::take(&mut session.input);
    while let Some(end) = parse_batch(session, worker, &mut input, 0) {
        if worker.spans.iter().any(|span| span.len >= SHARED_ARGUMENT_MIN) {
            let shared = input.split_to(end).freeze();
            execute_batch(session, worker, Source::Shared(&shared));
            if std::mem::take(&mut session.crowded) {
                // Nothing is copied where nothing stands behind it.
                let rest = std::mem::take(&mut input).to_vec();
                input = BytesMut::from(shared);
                input.extend_from_slice(&rest);
                break;
            }
        } else {
            execute_batch(session, worker, Source::Borrowed(&input));
            if std::mem::take(&mut session.crowded) {
                break;
            }
            bytes::Buf::advance(&mut input, end);
        }
        if session.closing {
            return;
        }
        // Requests that wait were put back.
        if !session.input.is_empty() {
            session.input.extend_from_slice(&input);
            input = std::mem::take(&mut session.input);
        }
        let stops = is_full(&session.out) || session.is_waiting();
        if (stops || worker.turns.is_over()) && !input.is_empty() {
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
