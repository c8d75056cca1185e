//! ROLE: what the server is to others.

use crate::commands::declare::SessionCommand;
use crate::replication::replicas::State;
use redstart_engine::spec::*;

/// ROLE
pub static ROLE: SessionCommand = declare("role", Group::Server, Arity::Exactly(1))
    .flags(NOSCRIPT | LOADING | STALE | FAST | DANGEROUS | ADMIN_CATEGORY)
    .since("2.8.12")
    .complexity("O(1)")
    .summary("Returns what the server is to others, its offset and its replicas.")
    .run(|context, _| {
        let session = &mut *context.session;
        let (replication, out) = (session.server.replication, &mut session.out);
        let replicas = replication.replicas.all();
        let online: Vec<_> =
            replicas.iter().filter(|replica| replica.state() == State::Online).collect();
        out.array(3);
        out.bulk(b"master");
        out.integer(replication.offset() as i64);
        out.array(online.len());
        for replica in online {
            out.array(3);
            out.bulk(replica.ip().as_bytes());
            out.bulk(replica.said.port.to_string().as_bytes());
            out.bulk(replica.acked().to_string().as_bytes());
        }
        Ok(())
    });
