//! What caches need beside values: leases, so that one client computes a value and not all at once,
//! locks with fences, and tags, with which keys are dropped together.

mod arguments;
mod lease;
mod lock;
mod tag;

use crate::run::command::{BlockingCommand, DataCommand};

/// The commands of the family that never wait.
pub static COMMANDS: &[&DataCommand] = &[
    &lease::LEASE_DROP,
    &lease::LEASE_PUT,
    &lock::LOCK_FENCE,
    &lock::LOCK_INFO,
    &lock::LOCK_LIST,
    &lock::LOCK_RELEASE,
    &lock::LOCK_RENEW,
    &tag::TAG_ADD,
    &tag::TAG_DROP,
    &tag::TAG_INFO,
    &tag::TAG_OF,
];

/// Those that may wait.
pub static WAITING: &[&BlockingCommand] = &[&lease::LEASE_GET, &lock::LOCK_ACQUIRE];
