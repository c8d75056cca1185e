//! Commands that were slow: into the latency monitor and the slow log.

use crate::metrics::timing::Slow;
use crate::session::Session;
use redstart_config::Setting;
use redstart_engine::run::registry::Registered;
use redstart_engine::spec::{FAST, SECRET_ARGS, SKIP_SLOWLOG};
use redstart_protocol::Args;

/// Notes a command that was slow. Without its arguments it does not get into the slow log.
#[cold]
pub fn note(session: &Session, slow: Slow, args: Option<Args<'_>>) {
    let server = session.server;
    let registered = server.registry.at(slow.id);
    if let Some(ms) = server.thresholds.for_monitor(&slow) {
        let event = if registered.command.is(FAST) { "fast-command" } else { "command" };
        server.latency.add(event, ms);
    }
    if let Some(args) = args
        && let Some(us) = server.thresholds.for_log(&slow)
        && !is_secret(registered, args)
    {
        let name = session.info.names.lock().name.clone();
        server.slowlog.add(us, args, session.info.addr.to_string(), name);
    }
}

/// Whether the slow log never shows a request, because of the passwords in it.
fn is_secret(registered: &Registered, args: Args<'_>) -> bool {
    let is_sensitive =
        |name: &[u8]| Setting::find(name).is_some_and(|(setting, _)| setting.param().sensitive);
    registered.command.is(SKIP_SLOWLOG | SECRET_ARGS)
        || registered.full_name() == "config|set"
            && args.iter().skip(2).step_by(2).any(is_sensitive)
}
