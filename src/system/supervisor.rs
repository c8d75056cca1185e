//! Notifies a supervisor when the server is ready, and when it ends (`supervised`).
//!
//! systemd names a socket in the environment, to which a service of the type `notify` sends lines.
//! upstart waits for the process to stop itself; it is accepted and has no effect.

use redstart_config::{Config, Setting};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

const SOCKET: &str = "NOTIFY_SOCKET";

/// The supervisor, as INFO names it.
pub fn by(config: &Config) -> &'static str {
    let has_socket = std::env::var_os(SOCKET).is_some();
    match config.choice(Setting::Supervised) {
        "systemd" | "auto" if has_socket => "systemd",
        "upstart" => "upstart",
        "systemd" => "systemd",
        _ => "no",
    }
}

/// Sends lines to the supervisor, if there is one.
pub fn notify(config: &Config, lines: &str) {
    if by(config) != "systemd" {
        return;
    }
    let Some(name) = std::env::var_os(SOCKET) else {
        return crate::system::log::warning("supervised is systemd, but NOTIFY_SOCKET is not set");
    };
    if let Err(error) = send(&name, lines) {
        crate::system::log::warning(format_args!(
            "The supervisor could not be notified at {}: {error}",
            name.display()
        ));
    }
}

fn send(name: &OsString, lines: &str) -> io::Result<()> {
    UnixDatagram::unbound()?.send_to_addr(lines.as_bytes(), &address(name)?).map(drop)
}

/// The address of a path, or of a name that begins with `@` and is in no directory.
fn address(name: &OsString) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_bytes().strip_prefix(b"@") {
        use std::os::linux::net::SocketAddrExt;
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name.as_bytes()))
}
