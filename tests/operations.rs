//! `docs/operations.md` against a server: each metric that it names is at `/metrics`, each field in
//! INFO, each parameter is one. A backup as it tells loads, a password of the environment holds.

#[allow(dead_code, reason = "each test binary uses a part")]
mod support;

use redstart_config::Setting;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use support::server::{Server, free_port};
use support::talk::{call, connect, field, ok, text, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_redstart");
const PAGE: &str = include_str!("../docs/operations.md");

/// The texts in code of the page, outside blocks.
fn code() -> BTreeSet<&'static str> {
    PAGE.split('`').skip(1).step_by(2).collect()
}

/// The words of a text that have at least one of these signs between small letters.
fn words(text: &str, sign: char) -> impl Iterator<Item = &str> {
    let is_part =
        move |byte: char| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == sign;
    let words = text.split(move |byte| !is_part(byte));
    words.filter(move |word| word.trim_matches(sign).contains(sign))
}

/// A page of the server's HTTP.
fn page(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn what_the_page_names_is_there() {
    let http = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let port = http.local_addr().expect("it has an address").port();
    drop(http);
    let args = ["--http-port", &port.to_string(), "--bind", "127.0.0.1", "--appendonly", "yes"];
    let server = Server::start(Path::new(PROGRAM), &args).expect("it starts");
    let mut client = connect(&server);
    // Some appear with the log, with a snapshot, or with the first of what they count.
    assert_eq!(call(&mut client, "SAVE"), ok());
    text(call(&mut client, "GET"));
    let metrics = page(port, "/metrics");
    let info = text(call(&mut client, "INFO everything"));
    let (mut names, mut fields, mut parameters) = (0, 0, 0);
    for code in code() {
        for name in words(code, '_') {
            if name.starts_with("redis_") || name.starts_with("redstart_") {
                names += 1;
                let is_there = metrics.contains(&format!("# TYPE {name} "));
                assert!(is_there, "{name} is not at /metrics");
            } else if !code.contains('.') && name != "basic_auth" {
                fields += 1;
                assert!(info.contains(&format!("\n{name}:")), "INFO has no {name}");
            }
        }
        // A parameter stands alone or before its value.
        let first = code.split(' ').next().unwrap_or_default();
        if words(first, '-').eq([first]) && first != "allkeys-lru" && first != "allkeys-tinylfu" {
            parameters += 1;
            assert!(Setting::find(first.as_bytes()).is_some(), "{first} is no parameter");
        }
    }
    assert!(names >= 20 && fields >= 5 && parameters >= 15, "{names} {fields} {parameters}");
    for path in ["/health", "/ready"] {
        assert!(page(port, path).starts_with("HTTP/1.1 200"), "{path}");
    }
}

/// An empty folder, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("redstart-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("it can be made");
        Folder(path)
    }

    fn text(&self) -> &str {
        self.0.to_str().expect("it is UTF-8")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn start(args: &[&str]) -> Server {
    Server::start(Path::new(PROGRAM), args).expect("it starts")
}

#[test]
fn a_copy_of_a_snapshot_is_a_backup() {
    let (source, backup) = (Folder::new("source"), Folder::new("backup"));
    let server = start(&["--dir", source.text(), "--appendonly", "yes"]);
    let mut client = connect(&server);
    assert_eq!(call(&mut client, "SET k v"), ok());
    call(&mut client, "BGSAVE");
    until("it is saved", || field(&mut client, "rdb_bgsave_in_progress") == "0");
    assert_eq!(field(&mut client, "rdb_last_bgsave_status"), "ok");
    let copy = backup.0.join("dump.redstart");
    std::fs::copy(source.0.join("dump.redstart"), &copy).expect("it is there");
    let checked = Command::new(PROGRAM).arg("check").arg(&copy).output().expect("it runs");
    assert!(checked.status.success(), "{checked:?}");

    let restored = start(&["--dir", backup.text(), "--appendonly", "no"]);
    let mut client = connect(&restored);
    assert_eq!(text(call(&mut client, "GET k")), "v");
    assert_eq!(call(&mut client, "CONFIG SET appendonly yes"), ok());
    until("the log has begun", || field(&mut client, "aof_rewrite_in_progress") == "0");
    assert_eq!(call(&mut client, "SET later v"), ok());
    drop(restored);
    let again = start(&["--dir", backup.text(), "--appendonly", "yes"]);
    assert_eq!(text(call(&mut connect(&again), "GET later")), "v");
}

/// A server with a password in its environment, ended when dropped.
struct Locked(Child);

impl Drop for Locked {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ping(port: u16, name: &str, value: &str) -> Output {
    let mut ping = Command::new(PROGRAM);
    ping.args(["ping", "--port", &port.to_string()]).env(name, value);
    ping.output().expect("it runs")
}

#[test]
fn a_password_of_the_environment_holds() {
    let folder = Folder::new("password");
    let file = folder.0.join("password");
    std::fs::write(&file, "secret\n").expect("it can be written");
    let file = file.to_str().expect("it is UTF-8");
    for (name, value) in [("REDSTART_PASSWORD", "secret"), ("REDSTART_PASSWORD_FILE", file)] {
        let port = free_port();
        let mut server = Command::new(PROGRAM);
        server.args(["--port", &port.to_string(), "--save", "", "--dir", folder.text()]);
        let server = server.env(name, value).stdout(Stdio::null()).spawn().expect("it runs");
        let _server = Locked(server);
        until("it serves", || ping(port, name, value).status.success());
        for (name, value) in [("REDSTART_PASSWORD", "wrong"), ("LANG", "C")] {
            let refused = ping(port, name, value);
            assert!(!refused.status.success(), "{name}: {refused:?}");
        }
    }
    let mut server = Command::new(PROGRAM);
    server.args(["--port", "0", "--dir", folder.text()]).env("REDSTART_PASSWORD_FILE", "/none");
    let refused = server.output().expect("it runs");
    assert!(!refused.status.success(), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("REDSTART_PASSWORD_FILE: '/none'"));
}
