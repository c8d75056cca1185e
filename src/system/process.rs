//! The process as the system sees it: its limits, and what it uses.

use super::log;
use redstart_config::{Config, Setting};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that the server needs beside those of clients.
const OWN_DESCRIPTORS: u64 = 32;

/// Raises the limit on descriptors so that `clients` connections fit. Returns how many do.
pub fn reserve_descriptors(clients: u64) -> u64 {
    let wanted = clients.saturating_add(OWN_DESCRIPTORS);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return clients;
    }
    // Only a privileged process may raise the hard limit; others go up to it.
    for most in [maximum.map(|most| most.max(wanted)), maximum] {
        let reached = most.map_or(wanted, |most| most.min(wanted));
        let limit = Rlimit { current: Some(reached), maximum: most };
        if setrlimit(Resource::Nofile, limit).is_ok() {
            return reached.saturating_sub(OWN_DESCRIPTORS);
        }
    }
    current.unwrap_or(wanted).saturating_sub(OWN_DESCRIPTORS)
}

/// The file that holds the process's number, if it was written.
static PIDFILE: OnceLock<PathBuf> = OnceLock::new();

/// Writes the process's number to `pidfile`. Without it the server can be served as well: where
/// that fails, the log says so.
pub fn write_pidfile(config: &Config) {
    let path = config.text(Setting::Pidfile);
    if path.is_empty() {
        return;
    }
    // `dir` may change, and the working directory with it.
    let path = Path::new(OsStr::from_bytes(path));
    let written = std::path::absolute(path)
        .and_then(|path| std::fs::write(&path, own_number()).map(|()| path));
    match written {
        // The server starts once.
        Ok(path) => drop(PIDFILE.set(path)),
        Err(error) => log::warning(format_args!(
            "Failed to write the PID file '{}': {error}. The server goes on without it",
            path.display()
        )),
    }
}

/// Removes the file, unless it is another process's by now.
pub fn remove_pidfile() {
    if let Some(path) = PIDFILE.get()
        && std::fs::read_to_string(path).is_ok_and(|text| text == own_number())
    {
        // Left over, it misleads only for as long as no other process has its number.
        let _ = std::fs::remove_file(path);
    }
}

fn own_number() -> String {
    format!("{}\n", std::process::id())
}

/// Bytes of the process in memory, where the system tells.
pub fn resident_bytes() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size())
}

/// What the system says of the process.
#[derive(Default)]
pub struct Process {
    /// Bytes of it in memory.
    pub resident_bytes: Option<usize>,
    /// Those of them that are the contents of files: the program itself, above all.
    pub file_bytes: usize,
    /// Bytes of memory that the machine has.
    pub machine_bytes: Option<usize>,
    /// Seconds of processor time in the program.
    pub user_s: f64,
    /// Seconds of processor time in the system.
    pub system_s: f64,
}

impl Process {
    /// What the system says now. Linux has all of it under `/proc`; elsewhere the processor time is
    /// all user time.
    pub fn now() -> Process {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let kilobytes = |text: &str, name: &str| -> Option<usize> {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.split_whitespace().next()?.parse::<usize>().ok()? * 1024)
        };
        let statm = read("/proc/self/statm");
        let mut pages = statm.split(' ').skip(1).map_while(|pages| pages.parse::<usize>().ok());
        let mut bytes = || Some(pages.next()? * rustix::param::page_size());
        let mut process = Process {
            resident_bytes: bytes(),
            file_bytes: bytes().unwrap_or(0),
            machine_bytes: kilobytes(&read("/proc/meminfo"), "MemTotal:"),
            ..Process::default()
        };
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let stat = read("/proc/self/stat");
        // The program's name may hold blanks and brackets; behind the last bracket are numbers.
        let mut fields = stat.rsplit(')').next().unwrap_or("").split_whitespace().skip(11);
        let mut seconds = || Some(fields.next()?.parse::<f64>().ok()? / ticks);
        if let (Some(user_s), Some(system_s)) = (seconds(), seconds()) {
            (process.user_s, process.system_s) = (user_s, system_s);
        } else {
            let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
            process.user_s = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
        }
        process
    }
}
