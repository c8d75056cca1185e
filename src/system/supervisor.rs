//! A supervisor that wants to know when the server is ready, and when it ends (`supervised`).
//!
//! systemd names a socket in the environment, to which a service of the type `notify` sends lines.
//! upstart waits for the process to stop itself; that one is accepted and means nothing.

use redstart_config::{Config, Setting};
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

const SOCKET: &str = "NOTIFY_SOCKET";

/// Who supervises, as INFO tells it.
pub fn by(config: &Config) -> &'static str {
    let is_told = std::env::var_os(SOCKET).is_some();
    match config.choice(Setting::Supervised) {
        "systemd" | "auto" if is_told => "systemd",
        "upstart" => "upstart",
        "systemd" => "systemd",
        _ => "no",
    }
}

/// Tells the supervisor something, if there is one.
pub fn tell(config: &Config, lines: &str) {
    if by(config) != "systemd" {
        return;
    }
    let Some(name) = std::env::var_os(SOCKET) else {
        return crate::system::log::warning("supervised is systemd, but NOTIFY_SOCKET is not set");
    };
    if let Err(error) = send(&name, lines) {
        crate::system::log::warning(format_args!("The supervisor could not be told: {error}"));
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
