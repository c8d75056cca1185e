//! A server process for the length of a run: on a free loopback port, in an empty directory,
//! gone when the run is, however that ends.
//!
//! The server is the child of a small shell that waits for its own input to end and then kills
//! the server by its process id. The other end of that input is held by us alone, so the server
//! also ends when this process is killed and runs no destructor.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Runs the server, waits for the end of input, ends the server and removes its directory.
const KEEPER: &str = r#"
"$@" >log 2>&1 </dev/null &
server=$!
read -r _
kill -9 $server
wait
directory=$PWD
cd ..
rm -rf "$directory"
"#;
/// How long a server may take until it answers PING.
const START: Duration = Duration::from_secs(60);
/// The ports that servers get.
const FIRST_PORT: u16 = 10_000;
const PORTS: u32 = 22_000;
static DIRECTORIES: AtomicU32 = AtomicU32::new(0);

/// A running server.
#[derive(Debug)]
pub struct Server {
    command: Vec<String>,
    keeper: Child,
    port: u16,
    directory: PathBuf,
}

impl Server {
    /// Starts `command` (a program and its first arguments) and waits until it answers.
    pub fn start(command: &[String]) -> io::Result<Self> {
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let name = format!("redstart-differential-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory)?;
        let port = free_port()?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .args(command)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .current_dir(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self { command: command.to_vec(), keeper, port, directory };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    /// Starts the same command again, after this server died.
    pub fn restart(&mut self) -> io::Result<()> {
        *self = Self::start(&self.command.clone())?;
        Ok(())
    }

    /// The port that it listens on, of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A new connection.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// The end of what the server wrote to its standard output and error.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read(self.directory.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn wait_until_it_answers(&self) -> io::Result<()> {
        let started = Instant::now();
        while started.elapsed() < START {
            if self.answers().is_ok_and(|answers| answers) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let what = format!("{:?} does not answer PING:\n{}", self.command, self.log_tail());
        Err(io::Error::new(io::ErrorKind::TimedOut, what))
    }

    fn answers(&self) -> io::Result<bool> {
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut reply = [0; 7];
        stream.read_exact(&mut reply)?;
        Ok(&reply == b"+PONG\r\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The keeper sees the end of its input, kills the server and tidies up.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// A free port below those that the system gives to clients. None is given twice: of two servers
/// that are about to start, one would answer for the other.
fn free_port() -> io::Result<u16> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(7919) % PORTS;
    for _ in 0..PORTS {
        let at = (first + GIVEN.fetch_add(1, Ordering::Relaxed)) % PORTS;
        let port = FIRST_PORT + at as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}
