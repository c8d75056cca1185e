//! Scripts and functions: EVAL and its kin, run by Luau over the engine.
//!
//! Sans-IO: no socket, file, clock or thread is reached from here; what else a script needs of the
//! server goes through [`host::Host`]. Each worker has one Lua state ([`Runtime`]) with the scripts
//! it has compiled; the texts are in one map of the server ([`Store`]), so that EVALSHA finds a
//! script on whichever worker. A script runs whole, as one unit of effects, under locks that are
//! taken before it begins:
//!
//! - A script that was never seen to its end holds all shards, and it is noted whether it stayed
//!   within the shards of its declared keys.
//! - One that did runs under these alone, and so beside others.
//! - If such a one reaches for another shard before it has written anything, it starts again with
//!   all of them, and nothing shows: so far it has only read. From then on it always holds all.
//! - If it has written already, it cannot start again. It waits for the shard out of order, as
//!   `engine/src/keyspace/escalation.rs` says. Two that do so for each other's shards cannot both
//!   go on: one ends with an error, as any script may after some of its writes. From then on
//!   either holds all.
//!
//! A script that runs for longer than `busy-reply-threshold` lets its thread serve the other
//! clients now and then ([`watchdog`]): they, and those of other workers, get the error that the
//! server is busy, and may end the script. So can whatever loops over an input: what scripts call
//! is in Luau where it can be (`lua/`), and asks there; in Rust otherwise, at a [`pace`]. C gets
//! only what it is done with within milliseconds. What is left is what Luau does in one step, such
//! as joining two texts: a millisecond for a megabyte.
//!
//! What stays different from Lua 5.1 is listed in `docs/scripts.md`.

mod call;
mod compile;
mod convert;
mod digest;
mod failure;
mod functions;
pub mod host;
mod interrupt;
mod libraries;
pub mod library;
mod loaded;
mod memory;
mod number;
mod pace;
mod pattern;
mod register;
mod run;
mod runtime;
mod scratch;
mod script;
mod shapes;
pub mod shebang;
pub mod store;
mod timing;
pub mod usage;
mod watchdog;

pub use digest::{digest, hex, unhex};
pub use functions::{Existing, Loader};
pub use host::{Host, Parts};
pub use run::{Access, Caller, ScriptRef};
pub use runtime::Runtime;
pub use script::Script;
pub use store::Store;
