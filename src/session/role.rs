//! A change of the server's role that a client has asked for. It waits for what a worker applies of
//! a master's stream, which may need any shard: so a transaction, which holds shards, has it done
//! behind its unlock. Its reply leaves after that.

use crate::replication::MasterAddress;
use crate::session::{Session, blocked};
use crate::system::log;

/// What the server is to become.
pub enum RoleChange {
    /// The replica of this master.
    Follow(MasterAddress),
    /// A master.
    Lead,
}

const UNBLOCKED: &str = "UNBLOCKED force unblock from blocking operation, instance state changed \
    (master -> replica?)";

impl Session {
    /// Changes the server's role. No shard is locked by this thread.
    pub fn change_role(&self, change: RoleChange) {
        let (server, by) = (self.server, &self.info.addr);
        match change {
            RoleChange::Lead => {
                server.link.leave();
                log::notice(format_args!("MASTER MODE enabled (user request from '{by}')"));
            }
            RoleChange::Follow(master) => {
                let MasterAddress { host, port } = &master;
                log::notice(format_args!(
                    "REPLICAOF {host}:{port} enabled (user request from '{by}')"
                ));
                server.link.follow(master);
                // What they wait for, a master would give them.
                for client in server.clients.all() {
                    let waiter = client.waiter.lock().clone();
                    if let Some(waiter) = waiter {
                        blocked::fail(&waiter, UNBLOCKED);
                    }
                }
            }
        }
    }
}
