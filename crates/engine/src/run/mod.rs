//! One command's run, from the locks of its keys to the keys that others wait for.
//!
//! ```text
//!   command, registry       what runs a command, and the table that finds it
//!   call, key_access        what a handler works with
//!   sorted_sets, streams    how it reaches one type of value
//!   leases, tags            how it reaches what is known of a key beside its value
//!   scan                    walks over the keys of all shards
//!   worker_state            what a worker keeps from one run to the next
//!   effect(s), event(s)     what was done: for the log, and for listeners
//!   engine                  locks, units
//!   execute, blocking       a run
//!   prefixes                what is counted of it by the prefixes of its keys
//!   serve, expire           what follows a run, or happens beside it
//! ```

pub mod apart;
pub mod blocking;
pub mod call;
pub mod command;
pub mod effect;
pub mod effects;
pub mod engine;
pub mod event_classes;
pub mod events;
pub mod execute;
pub mod expire;
pub mod fieldset;
pub mod key_access;
pub mod leases;
pub mod memcached;
pub mod prefixes;
pub mod registry;
pub mod renames;
pub mod retell;
pub mod scan;
pub mod serve;
pub mod sorted_sets;
pub mod streams;
pub mod tags;
pub mod worker_state;
