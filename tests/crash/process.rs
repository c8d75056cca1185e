//! A server that is meant to be killed and started again over the same files.

use crate::support::client::Client;
use crate::support::resp::Value;
use crate::support::server::free_port;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(120);

/// The server that is tested: the one that was built with the tests, or another one.
pub fn binary() -> PathBuf {
    let other = std::env::var_os("REDSTART_BIN").map(PathBuf::from);
    other.unwrap_or_else(|| env!("CARGO_BIN_EXE_redstart").into())
}

/// An empty directory for this test.
pub fn scratch(name: &str) -> PathBuf {
    let name = format!("redstart-crash-{}-{name}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).expect("the directory for temporary files is there");
    directory
}

/// Whether files are encrypted in this run (`REDSTART_CRASH_ENCRYPTED`).
pub fn is_encrypted() -> bool {
    std::env::var_os("REDSTART_CRASH_ENCRYPTED").is_some()
}

/// What names the key to a server or a tool.
pub fn key_arguments() -> [String; 2] {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    let file = FILE.get_or_init(|| {
        let file = format!("redstart-crash-{}.key", std::process::id());
        let file = std::env::temp_dir().join(file);
        std::fs::write(&file, "0123456789abcdef".repeat(4)).expect("the directory is there");
        file
    });
    ["--encryption-key-file".to_owned(), file.to_string_lossy().into_owned()]
}

/// A server process.
pub struct Process {
    child: Child,
    port: u16,
    output: PathBuf,
}

impl Process {
    /// Starts the server with its files in `directory`; does not wait for it.
    pub fn start(directory: &Path, args: &[&str]) -> Process {
        let mut program = Command::new(binary());
        program.args(["--threads", "2"]);
        Process::spawn(program, directory, args)
    }

    /// Starts a server by a program that takes its arguments.
    pub fn spawn(mut program: Command, directory: &Path, args: &[&str]) -> Process {
        let port = free_port();
        let output = directory.join("output.txt");
        let log = OpenOptions::new().create(true).append(true).open(&output);
        let log = log.expect("the directory is ours");
        if is_encrypted() {
            program.args(key_arguments());
        }
        let child = program
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(args)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("it is open"))
            .stderr(log)
            .spawn()
            .expect("the server's binary is there");
        Process { child, port, output }
    }

    /// Waits until commands are answered, or the server has ended.
    #[allow(dead_code, reason = "each test binary uses a part")]
    pub fn is_ready(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let pong = Client::connect(self.port).and_then(|mut client| client.call(&["PING"]));
            if matches!(pong, Ok(Value::Simple(_))) {
                return true;
            }
            if self.child.try_wait().expect("it is our child").is_some() {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("the server neither started nor ended: {}", self.output());
    }

    /// Waits until commands are answered.
    pub fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let pong = Client::connect(self.port).and_then(|mut client| client.call(&["PING"]));
            if matches!(pong, Ok(Value::Simple(_))) {
                return;
            }
            let ended = self.child.try_wait().expect("it is our child");
            assert!(ended.is_none(), "the server ended: {}", self.output());
            thread::sleep(Duration::from_millis(5));
        }
        panic!("the server did not start: {}\n{}", self.output(), self.threads());
    }

    /// A new connection.
    pub fn client(&self) -> Client {
        Client::connect(self.port).expect("the server is ready")
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            thread::sleep(Duration::from_millis(2));
        }
        panic!("the server did not end: {}", self.output());
    }

    /// What its threads are doing: the name and state of each, and where in the kernel it waits.
    fn threads(&self) -> String {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let about = |task: PathBuf| {
            let part = |name| std::fs::read_to_string(task.join(name)).unwrap_or_default();
            format!("{}{}\n", part("stat"), part("wchan"))
        };
        let tasks = tasks.into_iter().flatten().filter_map(Result::ok);
        tasks.map(|task| about(task.path())).collect()
    }

    /// What this server and those before it in the directory logged.
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
