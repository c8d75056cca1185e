//! Ways to the server beside RESP: a dashboard over HTTP on threads of its own, and memcached's
//! protocol, whose requests are runs of the engine, through the gates that all requests pass.

pub mod http;
pub mod memcached;

use crate::dispatch;
use crate::dispatch::worker::Worker;
use crate::session::Session;

/// Runs the requests in the worker's buffer; what is left of it is kept by the session.
#[inline]
pub fn run_shared(session: &mut Session, worker: &mut Worker, input: &mut [u8]) {
    match session.memcached {
        None if session.master.is_some() => dispatch::master::run_shared(session, worker, input),
        None => dispatch::run_shared(session, worker, input),
        Some(_) => memcached::run_shared(session, worker, input),
    }
}

/// Runs the requests in the session's own input.
#[inline]
pub fn run_kept(session: &mut Session, worker: &mut Worker) {
    match session.memcached {
        None if session.master.is_some() => dispatch::master::run_kept(session, worker),
        None => dispatch::run_kept(session, worker),
        Some(_) => memcached::run_kept(session, worker),
    }
}
