//! Commands of replication: what clients ask (ROLE, WAIT, REPLICAOF, FAILOVER, MIGRATE), and what a
//! replica says to its master (REPLCONF, PSYNC, SYNC).

mod failover;
mod follow;
mod migrate;
mod role;
mod serve;
mod wait;

use crate::commands::declare::SessionCommand;
use redstart_engine::DataCommand;

/// The commands of this folder.
pub static COMMANDS: &[&SessionCommand] = &[
    &role::ROLE,
    &wait::WAIT,
    &follow::REPLICAOF,
    &follow::SLAVEOF,
    &failover::FAILOVER,
    &serve::REPLCONF,
    &serve::PSYNC,
    &serve::SYNC,
];

/// The data commands of this folder.
pub static DATA_COMMANDS: &[&DataCommand] = &[&migrate::MIGRATE];
