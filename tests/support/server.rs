//! Server processes for tests: on a free loopback port, in an empty directory of their own, ended
//! when dropped.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::client::Client;
use super::resp::Value;

/// A server that does not answer PING by then did not start.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// The ports that servers get.
const FIRST_PORT: u16 = 10_000;
const PORTS: u32 = 22_000;

/// A running server.
pub struct Server {
    child: Child,
    port: u16,
    directory: PathBuf,
}

impl Server {
    /// Starts `program --port N ARGS...` and waits until it answers.
    pub fn start(program: &Path, args: &[&str]) -> Result<Server, String> {
        Server::start_with(program, &[], args)
    }

    /// As [`Server::start`], with words before the port, such as a file of settings.
    pub fn start_with(program: &Path, first: &[&str], args: &[&str]) -> Result<Server, String> {
        let mut last = String::new();
        // Another process may take the port between its choice and its use.
        for _ in 0..3 {
            match Server::start_once(program, first, args) {
                Ok(server) => return Ok(server),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn start_once(program: &Path, first: &[&str], args: &[&str]) -> Result<Server, String> {
        static DIRECTORIES: AtomicU32 = AtomicU32::new(0);
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("redstart-test-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let port = free_port();
        let child = Command::new(program)
            .args(first)
            .args(["--port", &port.to_string()])
            .args(args)
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let mut server = Server { child, port, directory };
        let deadline = Instant::now() + START_PATIENCE;
        while Instant::now() < deadline && server.is_running() {
            let mut client = Client::connect(port);
            let pong = client.as_mut().ok().and_then(|client| client.call(&["PING"]).ok());
            if let (Some(Value::Simple(text)), Ok(client)) = (pong, &mut client)
                && text == b"PONG"
            {
                return server.owns(client).then_some(server).ok_or_else(|| {
                    format!("another server than {} has port {port}", program.display())
                });
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(format!("{} did not answer on port {port}", program.display()))
    }

    /// Whether it is this process that answers: another test's server may have come to the port
    /// first.
    fn owns(&self, client: &mut Client) -> bool {
        let Ok(Value::Bulk(info)) = client.call(&["INFO", "server"]) else { return true };
        let info = String::from_utf8_lossy(&info);
        let process = info.lines().find_map(|line| line.strip_prefix("process_id:"));
        process.is_none_or(|process| process.trim() == self.child.id().to_string())
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the process lives.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A server that has already left makes both fail, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A free port below those that the system gives to clients: one of them could take it in between.
/// None is given twice: of two servers that are about to start, one would answer for the other.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(7919) % PORTS;
    let mut ports = std::iter::repeat_with(|| GIVEN.fetch_add(1, Ordering::Relaxed))
        .map(|given| FIRST_PORT + ((first + given) % PORTS) as u16);
    let port = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    port.expect("there is a free port")
}
