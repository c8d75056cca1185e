//! The memcached port: transcripts, recorded from memcached 1.6, and what only Redstart has.
//!
//! A transcript is requests and replies. `> ` is a line that is sent, `+ ` one that goes with it;
//! what follows is the reply, line by line. `<1>` stands for a number that is bound where it is
//! first met: versions differ from run to run. `redstart| ` lines are Redstart's reply where it
//! answers otherwise, and has its reason in a comment. Times that are left may be a little shorter.

mod alone;
mod counted;
mod hostile;

use crate::support::server::{Server, free_port};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Redstart with the port.
struct Served {
    server: Server,
    port: u16,
}

fn serve(args: &[&str]) -> Served {
    let port = free_port();
    let text = port.to_string();
    let mut all = vec!["--save", "", "--threads", "1", "--memcached-port", &text];
    all.extend(args);
    let program = Path::new(env!("CARGO_BIN_EXE_redstart"));
    Served { server: Server::start(program, &all).expect("redstart starts"), port }
}

/// A memcached of its own, if it is here.
struct Memcached(Child, u16);

impl Memcached {
    fn start() -> Option<Memcached> {
        let program = PathBuf::from("target/oracles/bin/memcached");
        if !program.exists() {
            println!("memcached is not here: tests/setup fetches it");
            return None;
        }
        let port = free_port();
        let text = port.to_string();
        let child = Command::new(program)
            .args(["-u", "root", "-l", "127.0.0.1", "-U", "0", "-t", "1", "-p", &text])
            .stderr(Stdio::null())
            .spawn()
            .expect("memcached starts");
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "memcached listens");
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Memcached(child, port))
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client of the port.
struct Talk(TcpStream);

impl Talk {
    fn to(port: u16) -> Talk {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it is listened at");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout is settable");
        stream.set_nodelay(true).expect("an option is settable");
        Talk(stream)
    }

    fn send(&mut self, bytes: &[u8]) {
        // It may have closed the connection: the reply shows that.
        let _ = self.0.write_all(bytes);
    }

    /// What is replied until these bytes come, which are left out; or until the end.
    fn until(&mut self, end: &[u8]) -> String {
        let (mut reply, mut buffer) = (Vec::new(), [0; 65536]);
        while !reply.ends_with(end) {
            let read = match self.0.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
                read => read.expect("it replies"),
            };
            match read {
                0 => {
                    reply.extend_from_slice(b"(closed)\r\n");
                    return String::from_utf8_lossy(&reply).into_owned();
                }
                read => reply.extend_from_slice(&buffer[..read]),
            }
        }
        reply.truncate(reply.len() - end.len());
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// The reply to a request, with what ends it.
    fn ask(&mut self, request: &str) -> String {
        self.send(format!("{request}\r\nmn\r\n").as_bytes());
        self.until(b"MN\r\n")
    }
}

/// A step of a transcript.
#[derive(Default)]
struct Step {
    line: usize,
    request: Vec<String>,
    reply: Vec<String>,
    own: Vec<String>,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for (n, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(request) = line.strip_prefix("> ") {
            steps.push(Step { line: n + 1, request: vec![request.into()], ..Step::default() });
            continue;
        }
        let step = steps.last_mut().expect("a transcript begins with a request");
        if let Some(more) = line.strip_prefix("+ ") {
            step.request.push(more.into());
        } else if let Some(own) = line.strip_prefix("redstart| ") {
            step.own.push(own.into());
        } else {
            step.reply.push(if line == "(empty)" { String::new() } else { line.into() });
        }
    }
    steps
}

/// Whether a reply is as expected; binds numbers.
fn fits(expected: &str, got: &str, bound: &mut BTreeMap<String, String>) -> bool {
    let (expected, got): (Vec<_>, Vec<_>) =
        (expected.split(' ').collect(), got.split(' ').collect());
    let mut word_fits = |expected: &str, got: &str| {
        if let Some(at) = expected.find('<') {
            let Some(number) = got.strip_prefix(&expected[..at]) else { return false };
            let name = expected[at..].to_owned();
            return *bound.entry(name).or_insert_with(|| number.to_owned()) == number;
        }
        let left = |word: &str| word.strip_prefix('t').and_then(|n| n.parse::<i64>().ok());
        match (left(expected), left(got)) {
            (Some(wanted), Some(got)) if wanted > 0 => (wanted - 5..=wanted).contains(&got),
            _ => expected == got || expected == "*",
        }
    };
    expected.len() == got.len() && expected.iter().zip(&got).all(|(e, g)| word_fits(e, g))
}

fn run(name: &str, port: u16, is_redstart: bool, by_byte: bool) {
    let path = format!("tests/memcached/{name}.txt");
    let text = std::fs::read_to_string(&path).expect("the transcript is here");
    let (mut talk, mut bound) = (Talk::to(port), BTreeMap::<String, String>::new());
    talk.ask("flush_all");
    for step in steps(&text) {
        let mut request = step.request.join("\r\n");
        for (name, number) in &bound {
            request = request.replace(name, number);
        }
        let request = format!("{request}\r\nmn\r\n");
        if by_byte {
            request.bytes().for_each(|byte| talk.send(&[byte]));
        } else {
            talk.send(request.as_bytes());
        }
        let own = is_redstart && !step.own.is_empty();
        let expected = if own { &step.own } else { &step.reply };
        // What ends the replies may be one of them.
        let is_end = expected.last().is_some_and(|line| line == "MN");
        let got =
            if is_end { talk.until(b"MN\r\nMN\r\n") + "MN\r\n" } else { talk.until(b"MN\r\n") };
        let got: Vec<&str> = got.split_terminator("\r\n").collect();
        let same = got.len() == expected.len()
            && expected.iter().zip(&got).all(|(expected, got)| fits(expected, got, &mut bound));
        assert!(same, "{path}:{}: {request:?}\nexpected {expected:?}\ngot {got:?}", step.line);
        if got.last() == Some(&"(closed)") {
            talk = Talk::to(port);
        }
    }
}

const TRANSCRIPTS: [&str; 3] = ["classic", "meta", "refused"];

#[test]
fn transcripts_of_the_memcached_port() {
    let served = serve(&[]);
    TRANSCRIPTS.iter().for_each(|name| run(name, served.port, true, false));
    TRANSCRIPTS.iter().for_each(|name| run(name, served.port, true, true));
    if let Some(memcached) = Memcached::start() {
        TRANSCRIPTS.iter().for_each(|name| run(name, memcached.1, false, false));
    }
}
