//! Commands that were slow: into the latency monitor and the slow log.

use crate::metrics::timing::Slow;
use crate::server::Server;
use crate::session::Session;
use redstart_engine::spec::{FAST, SKIP_SLOWLOG};
use redstart_protocol::Args;

/// Notes a command of a client that was slow. Without its arguments it does not get into the slow
/// log.
#[cold]
pub fn note(session: &Session, slow: Slow, args: Option<Args<'_>>) {
    note_of(session.server, slow, args, || {
        (session.info.addr.to_string(), session.info.names.lock().name.clone())
    });
}

/// Notes a command of a script that was slow: as in Redis 8, it is no client's.
#[cold]
pub fn note_of_script(server: &Server, slow: Slow, args: Args<'_>) {
    note_of(server, slow, Some(args), || (String::new(), Vec::new()));
}

/// Notes a command that was slow; `client` returns the client's address and name.
fn note_of(
    server: &Server,
    slow: Slow,
    args: Option<Args<'_>>,
    client: impl FnOnce() -> (String, Vec<u8>),
) {
    let registered = server.registry.at(slow.id);
    if let Some(ms) = server.thresholds.for_monitor(&slow) {
        let event = if registered.command.is(FAST) { "fast-command" } else { "command" };
        server.latency.add(event, ms);
    }
    if let Some(args) = args
        && let Some(us) = server.thresholds.for_log(&slow)
        && !registered.command.is(SKIP_SLOWLOG)
    {
        let (addr, name) = client();
        let secrets = registered.command.secrets_in(args);
        server.slowlog.add(us, args, &secrets, addr, name);
    }
}
