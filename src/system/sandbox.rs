//! The sandbox (`sandbox yes`): from the start on the process reaches only the files and ports that
//! its settings name, whoever may come to run code in it. Landlock of the Linux kernel does that.
//!
//! ```text
//! read, written   dir; the folders of the file of settings, aclfile, pidfile and unix socket
//! read            the folders of TLS's files and of the key file; /proc/self, /proc/meminfo
//! ports           port, tls-port, memcached-port and http-port, to listen at; none to connect to
//! never           a program that is run, a device, a socket outside, a signal to another process
//! ```
//!
//! Whole folders, because these files are replaced as a whole: by CONFIG REWRITE and ACL SAVE, or
//! by whoever renews a certificate. What is open already stays so: the log file. A domain is a
//! thread's and of those that it starts, so it is entered before there is a second one.

use crate::system::log;
use redstart_config::{Config, Setting};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How much of it the kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sandbox {
    /// All.
    Whole,
    /// A part: the kernel is older.
    Partly,
    /// Nothing: it has no Landlock, or it is turned off.
    Missing,
}

static STATE: OnceLock<Sandbox> = OnceLock::new();

/// How much of the sandbox there is, as INFO says it.
pub fn state() -> &'static str {
    match STATE.get() {
        None => "off",
        Some(Sandbox::Whole) => "whole",
        Some(Sandbox::Partly) => "partly",
        Some(Sandbox::Missing) => "missing",
    }
}

/// Enters the sandbox, if the settings want one. The process has one thread by now, and its working
/// directory.
///
/// # Errors
/// What of it the kernel refused.
pub fn enter(config: &Config) -> std::io::Result<()> {
    if !config.is(Setting::Sandbox) {
        return Ok(());
    }
    let entered = restrict(config).map_err(|why| {
        std::io::Error::other(format!("The sandbox could not be made: {why}. See `sandbox`"))
    })?;
    // It is entered once.
    let _ = STATE.set(entered);
    match entered {
        Sandbox::Whole => log::notice("In a sandbox: other files, ports and programs are refused"),
        Sandbox::Partly => log::warning(
            "In a part of a sandbox: this kernel is older than Linux 6.12, and refuses less than \
             a newer one would",
        ),
        Sandbox::Missing => log::warning(
            "There is no sandbox, though `sandbox yes` asks for one: this system has no Landlock, \
             or it is turned off",
        ),
    }
    Ok(())
}

/// The folder that a setting's file lies in, if it names one.
#[cfg(target_os = "linux")]
fn folder_of(config: &Config, setting: Setting) -> Option<PathBuf> {
    let path = Path::new(OsStr::from_bytes(config.text(setting)));
    folder(path)
}

#[cfg(target_os = "linux")]
fn folder(path: &Path) -> Option<PathBuf> {
    let parent = path.parent()?;
    Some(if parent.as_os_str().is_empty() { ".".into() } else { parent.to_owned() })
}

#[cfg(target_os = "linux")]
fn restrict(config: &Config) -> Result<Sandbox, landlock::RulesetError> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset,
        RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
    };
    const KNOWN: ABI = ABI::V6;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = read
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSock
        | AccessFs::RemoveFile;
    let written = [Setting::Aclfile, Setting::Pidfile, Setting::Unixsocket];
    let read_only = [
        Setting::EncryptionKeyFile,
        Setting::TlsCertFile,
        Setting::TlsKeyFile,
        Setting::TlsCaCertFile,
    ];
    let mut places: Vec<(PathBuf, BitFlags<AccessFs>)> = vec![(".".into(), write)];
    places.extend(config.file().and_then(folder).map(|folder| (folder, write)));
    let folders = |settings: &[Setting], access: BitFlags<AccessFs>| -> Vec<_> {
        let folders = settings.iter().filter_map(|setting| folder_of(config, *setting));
        folders.map(|folder| (folder, access)).collect()
    };
    places.extend(folders(&written, write));
    places.extend(folders(&read_only, read));
    let authorities = config.text(Setting::TlsCaCertDir);
    if !authorities.is_empty() {
        places.push((OsStr::from_bytes(authorities).into(), read));
    }
    places.push(("/proc/self".into(), read));
    let files = ["/proc/meminfo", "/dev/urandom"];
    places.extend(files.map(|file| (file.into(), AccessFs::ReadFile.into())));
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::Signal)?;
    let mut ruleset = ruleset.create()?;
    for (path, access) in places {
        // What is not there cannot be reached.
        if let Ok(path) = PathFd::new(&path) {
            ruleset = ruleset.add_rule(PathBeneath::new(path, access))?;
        }
    }
    let ports = [Setting::Port, Setting::TlsPort, Setting::MemcachedPort, Setting::HttpPort];
    let ports = ports.map(|setting| config.integer(setting) as u16);
    for port in ports.into_iter().filter(|port| *port != 0) {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
    }
    Ok(match ruleset.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Sandbox::Whole,
        RulesetStatus::PartiallyEnforced => Sandbox::Partly,
        RulesetStatus::NotEnforced => Sandbox::Missing,
    })
}

/// Elsewhere there is no such thing.
#[cfg(not(target_os = "linux"))]
fn restrict(_: &Config) -> std::io::Result<Sandbox> {
    Ok(Sandbox::Missing)
}
