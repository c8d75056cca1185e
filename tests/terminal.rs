//! What the person at the terminal sees: help and version, the log's lines from the start to the
//! end, parameters without effect, errors, and `redstart ping`.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use support::client::Client;
use support::server::free_port;
use support::talk::{call, until};

const REDSTART: &str = env!("CARGO_BIN_EXE_redstart");

/// A server whose terminal is two files.
struct Started {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Started {
    fn new(args: &[&str]) -> Started {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let name = format!("redstart-terminal-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder is made");
        let port = free_port();
        let file = |name: &str| File::create(folder.join(name)).expect("a file is made");
        let child = Command::new(REDSTART)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--threads", "1"])
            .args(args)
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn()
            .expect("it is started");
        Started { child, port, folder }
    }

    fn said(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }

    fn until_ready(self, file: &str) -> Started {
        until("it is ready", || self.said(file).contains("Ready to accept connections"));
        self
    }

    /// Sends a signal and waits for the end.
    fn end(&mut self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &id]).status();
        assert!(sent.is_ok_and(|status| status.success()));
        let ended = self.child.wait().expect("it ends");
        assert!(ended.success(), "{ended}");
    }

    /// The log without times.
    fn lines(&self, file: &str) -> Vec<String> {
        let text = self.said(file);
        let untimed = |line: &str| line.splitn(7, ' ').last().map(str::to_owned);
        text.lines().filter_map(untimed).collect()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn run(args: &[&str]) -> (Output, String, String) {
    let output = Command::new(REDSTART).args(args).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    (output, out, err)
}

#[test]
fn the_version_is_ours_first() {
    let (_, out, _) = run(&["--version"]);
    assert!(out.starts_with(concat!("Redstart ", env!("CARGO_PKG_VERSION"), ", ")), "{out}");
    assert!(out.contains(" v=8.6.3 "), "{out}");
}

#[test]
fn help_names_subcommands_defaults_and_examples() {
    let (_, help, _) = run(&["--help"]);
    for word in ["ping", "check", "convert", "port 6379", "appendonly no", "Examples"] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
    assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    for subcommand in ["ping", "check", "convert"] {
        let (output, out, _) = run(&[subcommand, "--help"]);
        assert!(output.status.success() && out.contains("Usage"), "{out}");
    }
}

#[test]
fn the_log_tells_where_everything_is_and_why_it_ends() {
    let conf = std::env::temp_dir().join(format!("redstart-terminal-{}.conf", std::process::id()));
    fs::write(&conf, "save 3600 1\n").expect("a file is written");
    let mut server = Started::new(&[]).until_ready("out");
    server.end("TERM");
    let said = server.lines("out");
    let (folder, port) = (server.folder.display(), server.port);
    let expected = [
        format!(
            "Redstart {} starts, port: {port}, PID: {}",
            env!("CARGO_PKG_VERSION"),
            server.child.id()
        ),
        "Settings from the command line alone: no file is named".to_owned(),
        format!("Data is kept in {folder}, as snapshots"),
        format!("Ready to accept connections at 127.0.0.1:{port} with 1 worker"),
        "Received SIGTERM scheduling shutdown...".to_owned(),
        "Saving the final snapshot before exiting.".to_owned(),
    ];
    assert_eq!(said[..6], expected);
    assert!(said[6].starts_with("DB saved on disk: 0 keys, "), "{said:?}");
    assert!(said[6].ends_with(" s"), "{said:?}");
    assert_eq!(said[7..], ["Redstart is now ready to exit, bye bye..."]);
    assert_eq!(server.said("err"), "");
    let path = conf.display().to_string();
    let socket = server.folder.with_extension("sock").display().to_string();
    let args = ["--include", &path, "--unixsocket", &socket, "--appendonly", "yes"];
    let mut server = Started::new(&args).until_ready("out");
    call(&mut Client::connect(server.port).expect("it serves"), "SET a 1");
    server.end("INT");
    let said = server.lines("out");
    let kept = format!("Data is kept in {}, as snapshots and a log", server.folder.display());
    assert!(said.contains(&kept), "{said:?}");
    let place = format!("at 127.0.0.1:{}, {socket} with 1 worker", server.port);
    assert!(said.contains(&format!("Ready to accept connections {place}")), "{said:?}");
    assert!(said.iter().any(|line| line == "Received SIGINT scheduling shutdown..."), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("DB saved on disk: 1 key, ")), "{said:?}");
    fs::remove_file(conf).expect("the file is removed");
}

/// `args` come behind those of every server.
fn told_of_no_effect(args: &[&str], file: &str) -> Vec<String> {
    let server = Started::new(args).until_ready("out");
    let lines = server.said(file);
    lines.lines().filter(|line| line.contains("has no effect")).map(str::to_owned).collect()
}

#[test]
fn parameters_without_effect_are_told() {
    let set = ["--io-threads", "4", "--activedefrag", "yes", "--hz", "10"];
    let told = told_of_no_effect(&set, "out");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].ends_with("# io-threads has no effect: use `threads`"), "{told:?}");
    assert_eq!(told_of_no_effect(&set, "err"), [""; 0]);
    // Where the log is a file, the terminal is told too.
    let mut server = Started::new(&["--io-threads", "4", "--logfile", "log"]).until_ready("log");
    assert_eq!(server.said("err"), "redstart: io-threads has no effect: use `threads`\n");
    assert_eq!(server.said("log").matches("has no effect").count(), 1);
    let mut client = Client::connect(server.port).expect("it serves");
    call(&mut client, "CONFIG SET activedefrag yes");
    until("CONFIG SET is in the log", || server.said("log").contains("activedefrag has no effect"));
    server.end("TERM");
}

#[test]
fn an_error_comes_once() {
    let first = Started::new(&[]).until_ready("out");
    let port = first.port.to_string();
    let again = ["--port", &port, "--bind", "127.0.0.1", "--save", ""];
    let (output, out, err) = run(&again);
    assert!(!output.status.success());
    assert_eq!((out + &err).matches("Failed listening on port").count(), 1, "{err}");
    let log = first.folder.join("log");
    let (_, out, err) = run(&[&again[..], &["--logfile", &log.display().to_string()]].concat());
    assert_eq!((out + &err).matches("Failed listening on port").count(), 1, "{err}");
    let log = fs::read_to_string(log).expect("there is a log");
    assert_eq!(log.matches("Failed listening on port").count(), 1, "{log}");
}

#[test]
fn ping_says_who_answers() {
    let socket = std::env::temp_dir().join(format!("redstart-ping-{}.sock", std::process::id()));
    let socket = socket.display().to_string();
    let args = ["--requirepass", "secret", "--unixsocket", &socket];
    let server = Started::new(&args).until_ready("out");
    let port = server.port.to_string();
    let (output, out, _) = run(&["ping", "--port", &port, "-a", "secret"]);
    assert!(output.status.success());
    assert_eq!(out, format!("PONG from 127.0.0.1:{port}\n"));
    let (_, out, _) = run(&["ping", "--host", "localhost", "--port", &port, "-a", "secret"]);
    assert_eq!(out, format!("PONG from 127.0.0.1:{port}\n"));
    let (_, out, _) = run(&["ping", "--socket", &socket, "-a", "secret"]);
    assert_eq!(out, format!("PONG from {socket}\n"));
    let refused = |args: &[&str], why: &str| {
        let (output, out, err) = run(&[&["ping"], args].concat());
        assert!(!output.status.success() && out.is_empty());
        assert!(err.ends_with(&format!("{why}\n")) && err.lines().count() == 1, "{err}");
    };
    refused(&["--port", &port], "NOAUTH Authentication required.");
    refused(&["--port", &free_port().to_string()], "nothing listens there");
    refused(&["--socket", "/nowhere/at/all"], "there is no such socket");
    assert!(Path::new(&socket).exists());
}
