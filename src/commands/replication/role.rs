//! ROLE: what the server is to others.

use crate::commands::declare::SessionCommand;
use crate::replication::replicas::State;
use redstart_engine::spec::*;

/// ROLE
pub static ROLE: SessionCommand = declare("role", Group::Server, Arity::Exactly(1))
    .flags(NOSCRIPT | LOADING | STALE | FAST | DANGEROUS | ADMIN_CATEGORY)
    .since("2.8.12")
    .complexity("O(1)")
    .summary("Returns whether the server is a master or a replica, its offset and the others.")
    .run(|context, _| {
        let session = &mut *context.session;
        let (server, out) = (session.server, &mut session.out);
        if let Some(master) = server.replication.master_address() {
            out.array(5);
            out.bulk(b"slave");
            out.bulk(master.host.as_bytes());
            out.integer(i64::from(master.port));
            out.bulk(server.link.status().phase.name().as_bytes());
            out.integer(server.replication.offset() as i64);
            return Ok(());
        }
        let replicas = server.replication.replicas.all();
        let online: Vec<_> =
            replicas.iter().filter(|replica| replica.state() == State::Online).collect();
        out.array(3);
        out.bulk(b"master");
        out.integer(server.replication.offset() as i64);
        out.array(online.len());
        for replica in online {
            out.array(3);
            out.bulk(replica.ip().as_bytes());
            out.bulk(replica.said.port.to_string().as_bytes());
            out.bulk(replica.acked().to_string().as_bytes());
        }
        Ok(())
    });
