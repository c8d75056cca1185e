//! MONITOR in one client's conversation: its commands are shown to the clients that watch.

use crate::clients::address::Address;
use crate::notify::monitor::is_shown;
use crate::session::Session;
use redstart_engine::Command;
use redstart_protocol::Args;

impl Session {
    /// Shows a command of the client that has run.
    #[cold]
    pub fn show_to_monitors(&self, command: &Command, args: Args<'_>) {
        if is_shown(command) {
            self.server.monitors.show(
                self.db,
                &monitor_address(&self.info.addr),
                Some(command),
                args,
            );
        }
    }

    /// Shows a command that runs a script, before the script's own commands are shown.
    #[inline]
    pub fn show_script_to_monitors(&self, args: Args<'_>) {
        if self.server.monitors.is_on() {
            self.server.monitors.show(self.db, &monitor_address(&self.info.addr), None, args);
        }
    }

    /// Ends MONITOR.
    pub fn stop_monitoring(&mut self) {
        if std::mem::take(&mut self.monitors) {
            self.server.monitors.remove(self.info.id);
        }
    }
}

/// A client's address as MONITOR prints it.
fn monitor_address(addr: &Address) -> String {
    match addr {
        Address::Tcp(addr) => addr.to_string(),
        Address::Unix(path) => format!("unix:{path}"),
    }
}
