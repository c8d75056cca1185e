//! Servers under measurement: how they are started, pinned, accounted for and ended.
//!
//! A child inherits the CPU affinity of the thread that starts it, and so do all its threads. So
//! this thread moves to the server's core, starts the server, and moves on to the core of the load.
//!
//! CPU time comes from `/proc/PID/task/*/schedstat` (nanoseconds, refreshed each tick), or, on a
//! kernel that keeps no such account, from `/proc/PID/stat` in ticks.
//!
//! A server ends when its `Server` is dropped, so on an error too. A panic or a signal drops
//! nothing; for these, each server has a guard: a shell that reads from a pipe whose other end only
//! this process holds. When this process ends, in whatever way, the read ends, and the guard ends
//! the server.

use super::client::Client;
use super::outcome::{Failure, Outcome};
use super::plan::{ServerSpec, Talk};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it answers a PING, loading its data included.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long an answer to the question whether it is there may take.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// What has mimalloc keep memory, and jemalloc as Redis builds it and as Debian does.
const KEEP_MEMORY: [(&str, &str); 3] = [
    ("MIMALLOC_PURGE_DELAY", "-1"),
    ("JE_MALLOC_CONF", "dirty_decay_ms:-1,muzzy_decay_ms:-1"),
    ("MALLOC_CONF", "dirty_decay_ms:-1,muzzy_decay_ms:-1"),
];

/// What a guard does; its arguments are the process and the directory of the server.
const GUARD: &str = r#"read -r _; kill -KILL "$1"; rm -r "$2""#;

/// Where a server may run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pin {
    /// The server on one core, the load on another.
    Apart,
    /// The server on the first so many cores.
    First(usize),
    /// Both wherever the scheduler puts them.
    Free,
}

/// The cores that this process may use.
pub struct Cores {
    allowed: CpuSet,
    server: usize,
    load: usize,
}

impl Cores {
    pub fn find() -> Outcome<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut numbers = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        let server = numbers.next().ok_or_else(|| Failure("no core to run on".into()))?;
        let load = numbers.next().unwrap_or(server);
        Ok(Self { allowed, server, load })
    }

    /// The server's and the load's.
    pub fn used(&self) -> [usize; 2] {
        [self.server, self.load]
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.numbers().count()
    }

    /// Moves this thread to the `nth` of them.
    pub fn move_to(&self, nth: usize) -> Outcome<()> {
        move_to(self.numbers().nth(nth).unwrap_or(self.load))
    }

    fn numbers(&self) -> impl Iterator<Item = usize> {
        (0..CpuSet::MAX_CPU).filter(|&core| self.allowed.is_set(core))
    }

    /// Whether the server and the load must share one core: figures then mean little.
    pub fn shared(&self) -> bool {
        self.server == self.load
    }
}

fn move_to(core: usize) -> Outcome<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Asks a server that speaks memcached's protocol for its version.
fn ask_version(port: u16) -> Outcome<()> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(ANSWER_PATIENCE))?;
    socket.write_all(b"version\r\n")?;
    let mut reply = [0; 8];
    socket.read_exact(&mut reply)?;
    if &reply == b"VERSION " { Ok(()) } else { Err(Failure("no version was replied".into())) }
}

/// A running server.
pub struct Server {
    child: Child,
    guard: Child,
    pub port: u16,
    pub cpu: Cpu,
    directory: PathBuf,
}

impl Server {
    /// Starts `spec` and returns when it answers. This thread is left on the core of the load.
    pub fn start(spec: &ServerSpec, cores: &Cores, pin: Pin, threads: usize) -> Outcome<Self> {
        // A directory of its own: no server finds the files of another, or leaves any behind.
        let port = free_port()?;
        let directory = std::env::temp_dir().join(format!("redstart-bench-{port}"));
        fs::create_dir_all(&directory)?;
        Self::start_in(directory, spec, cores, pin, threads)
    }

    /// Ends the server and starts it anew, where it finds the files that it has written. Returns
    /// how long it took until it answered, too.
    pub fn restart(mut self, spec: &ServerSpec, cores: &Cores) -> Outcome<(Self, Duration)> {
        self.end();
        let directory = std::mem::take(&mut self.directory);
        let started = Instant::now();
        let server = Self::start_in(directory, spec, cores, Pin::Apart, 1)?;
        Ok((server, started.elapsed()))
    }

    fn start_in(
        directory: PathBuf,
        spec: &ServerSpec,
        cores: &Cores,
        pin: Pin,
        threads: usize,
    ) -> Outcome<Self> {
        let port = free_port()?;
        let fill_in = |word: &String| {
            word.replace("{port}", &port.to_string()).replace("{threads}", &threads.to_string())
        };
        let words: Vec<String> = spec.command.iter().map(fill_in).collect();
        let (program, args) =
            words.split_first().ok_or_else(|| Failure("an empty command".into()))?;
        let program =
            if program.contains('/') { fs::canonicalize(program) } else { Ok(program.into()) }
                .map_err(|error| Failure(format!("{program}: {error}; is it built?")))?;
        match pin {
            Pin::Apart => move_to(cores.server)?,
            Pin::First(count) => {
                let mut set = CpuSet::new();
                cores.numbers().take(count).for_each(|core| set.set(core));
                sched_setaffinity(None, &set)?;
            }
            Pin::Free => sched_setaffinity(None, &cores.allowed)?,
        }
        let mut command = Command::new(&program);
        if spec.keeps_memory {
            command.envs(KEEP_MEMORY);
        }
        let spawned = command
            .args(args)
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if pin != Pin::Free {
            move_to(cores.load)?;
        }
        let mut child =
            spawned.map_err(|error| Failure(format!("{}: {error}", program.display())))?;
        let guard = match start_guard(child.id(), &directory) {
            Ok(guard) => guard,
            Err(failure) => {
                child.kill()?;
                return Err(failure);
            }
        };
        let cpu = Cpu { pid: child.id() };
        let mut server = Self { child, guard, port, cpu, directory };
        server
            .wait_until_ready(spec.talk)
            .map_err(|Failure(why)| Failure(format!("{}: {why}", spec.name)))?;
        Ok(server)
    }

    fn wait_until_ready(&mut self, talk: Talk) -> Outcome<()> {
        let started = Instant::now();
        while started.elapsed() < START_PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Err(Failure(format!("ended at its start: {status}")));
            }
            let answered = match talk {
                Talk::Resp => Client::connect(self.port).and_then(|mut client| client.ping()),
                Talk::Memcached => ask_version(self.port),
            };
            if answered.is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(Failure(format!("did not answer within {} s", START_PATIENCE.as_secs())))
    }

    /// Resident memory, in bytes.
    pub fn resident_bytes(&self) -> Outcome<u64> {
        self.status_bytes("VmRSS:")
    }

    /// The most that was resident since the server's start or the last forgetting, in bytes.
    pub fn resident_peak_bytes(&self) -> Outcome<u64> {
        self.status_bytes("VmHWM:")
    }

    /// Lets the peak of resident memory begin anew.
    pub fn forget_peak(&self) -> Outcome<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.cpu.pid), "5")?)
    }

    fn status_bytes(&self, field: &str) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.cpu.pid))?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.trim().strip_suffix(" kB"))
            .and_then(|kib| kib.parse::<u64>().ok());
        kib.map(|kib| kib << 10).ok_or_else(|| Failure(format!("no {field} in /proc/PID/status")))
    }
}

impl Server {
    fn end(&mut self) {
        // First the guard: once the server is waited for, its number may be another process's.
        // Both may have ended already, and a server holds nothing that is worth an orderly end.
        for child in [&mut self.guard, &mut self.child] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
        if !self.directory.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// The CPU time account of a process.
pub struct Cpu {
    pid: u32,
}

impl Cpu {
    /// Of this process.
    #[cfg(test)]
    pub fn own() -> Self {
        Self { pid: std::process::id() }
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has used since this was `before`.
    pub fn used_since(&self, before: Duration) -> Outcome<Duration> {
        Ok(self.used()?.saturating_sub(before))
    }

    /// User and system time of all its threads so far. Less than before where one has ended.
    pub fn used(&self) -> Outcome<Duration> {
        let mut used_ns = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            // A thread that has just ended has no account any more.
            if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
                used_ns += first_number(&text);
            }
        }
        if used_ns == 0 { self.used_by_ticks() } else { Ok(Duration::from_nanos(used_ns)) }
    }

    fn used_by_ticks(&self) -> Outcome<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let ticks = user_and_system_ticks(&stat)
            .ok_or_else(|| Failure("unreadable /proc/PID/stat".into()))?;
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
    }
}

fn first_number(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Fields 14 and 15. The name in field 2 may hold blanks and parentheses: count after the last.
fn user_and_system_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    Some(user.parse::<u64>().ok()? + system.parse::<u64>().ok()?)
}

/// CPU time of the calling thread.
pub fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// A port that no process listens on now.
pub fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Starts the shell that ends `server` when this process ends before it.
fn start_guard(server: u32, directory: &Path) -> Outcome<Child> {
    let guard = Command::new("sh")
        .args(["-c", GUARD, "guard", &server.to_string()])
        .arg(directory)
        .stdin(Stdio::piped())
        // A signal to this process's group must not reach it.
        .process_group(0)
        .spawn();
    guard.map_err(|error| Failure(format!("sh: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 21 34 5 6 20 0 1 0 76836";
        assert_eq!(user_and_system_ticks(stat), Some(55));
        assert_eq!(user_and_system_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn own_cpu_time_and_memory_are_readable() -> Outcome<()> {
        let cpu = Cpu::own();
        let before = thread_cpu();
        let mut sum = 0_u64;
        while thread_cpu() < before + Duration::from_millis(30) {
            sum = sum.wrapping_add(1);
        }
        assert!(sum > 0 && cpu.used()? >= Duration::from_millis(20));
        Ok(())
    }
}
