//! ROLE: what the server is to others.

use crate::commands::declare::SessionCommand;
use redstart_engine::spec::*;

/// ROLE
pub static ROLE: SessionCommand = declare("role", Group::Server, Arity::Exactly(1))
    .flags(NOSCRIPT | LOADING | STALE | FAST | DANGEROUS | ADMIN_CATEGORY)
    .since("2.8.12")
    .complexity("O(1)")
    .summary("Returns that the server is a master, its offset and its replicas: none.")
    .run(|context, _| {
        let out = &mut context.session.out;
        out.array(3);
        out.bulk(b"master");
        out.integer(0);
        out.array(0);
        Ok(())
    });
