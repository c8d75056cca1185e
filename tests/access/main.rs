//! Users: random ones with random rules, asked on Redis and on Redstart what they may do, and seen
//! doing it; and what becomes of clients whose rights are taken away.
//!
//! `ACL_DECISIONS=1000000 cargo test --release --test access decisions -- --nocapture` is the long
//! run; `ACL_SEED=N` repeats one.

#[allow(dead_code, reason = "each test binary uses a part")]
#[path = "../support/mod.rs"]
mod support;

mod bypasses;
mod databases;
mod decisions;
mod files;
mod guesses;
mod new_commands;
mod renames;
mod taken_away;

/// The server that is tested.
const REDSTART: &str = env!("CARGO_BIN_EXE_redstart");
