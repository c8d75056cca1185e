//! How many requests of a cache find what they ask for, at equal bytes.
//!
//! An application that keeps values in a cache, and looks there first, is played: GET, and SET
//! where there was nothing. The servers get equally many bytes beyond what they use when they are
//! empty, and keep what they can. Every trace is played on an empty server.

use super::client::Client;
use super::exact;
use super::outcome::{Failure, Outcome, progress};
use super::plan::{Plan, REDSTART, ServerSpec};
use super::report::{Section, Table};
use super::server::{Cores, Pin, Server};
use super::strip::render;
use super::traces::{self, Trace};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

/// What values may take beyond an empty server, in bytes: room for some ten thousand of them.
const BYTES: usize = 6 << 20;
const VALUE: [u8; 900] = [b'v'; 900];
/// The shortest value: all lengths from there to the longest are as frequent.
const VALUE_MIN: usize = 100;
/// Requests of a trace.
const REQUESTS: usize = 400_000;
const REQUESTS_QUICK: usize = 100_000;
/// Requests that are under way at a time.
const AHEAD: usize = 8;
/// What is compared on every server, and on Redstart alone.
const POLICIES: [&str; 2] = ["allkeys-lru", "allkeys-lfu"];
const OWN_POLICY: &str = "allkeys-tinylfu";

/// What came of a trace.
struct Played {
    ratio: f64,
    keys: usize,
}

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let policies = |at| {
        let own = (at == REDSTART).then_some(OWN_POLICY);
        POLICIES.into_iter().chain(own)
    };
    let mut heading = vec!["trace".to_string()];
    for (at, spec) in plan.servers.iter().enumerate() {
        heading.extend(policies(at).map(|policy| format!("{} {policy}", spec.name)));
    }
    heading.extend(["keys kept", "exact lru", "exact tinylfu"].map(String::from));
    let (mut table, mut complete) = (Table::new(heading), true);
    let count = if plan.quick { REQUESTS_QUICK } else { REQUESTS };
    for trace in traces::all(count) {
        let mut row = vec![trace.name.to_string()];
        let mut kept = 0;
        for (at, spec) in plan.servers.iter().enumerate() {
            for policy in policies(at) {
                progress(format_args!("hits: {}, {} {policy}", trace.name, spec.name));
                match play(&trace, spec, at == REDSTART, policy, cores) {
                    Ok(played) => {
                        row.push(percent(played.ratio));
                        kept = if policy == OWN_POLICY { played.keys } else { kept };
                    }
                    Err(failure) => {
                        progress(format_args!("  {failure}"));
                        complete &= at > REDSTART;
                        row.push("-".into());
                    }
                }
            }
        }
        let exact = [exact::lru, exact::tinylfu].map(|play| play(&trace.keys, kept));
        row.push(kept.to_string());
        row.extend(exact.map(|hits| percent(hits as f64 / trace.keys.len() as f64)));
        table.row(row);
    }
    let text = format!(
        "Hits in per cent. {count} requests of each trace; values of {VALUE_MIN} to {} bytes; {} \
         MiB beyond what an empty server uses. The keys kept are Redstart's by `{OWN_POLICY}`, and \
         the last columns play both policies exactly with as many.\n\n{}",
        VALUE.len(),
        BYTES >> 20,
        table.markdown()
    );
    Section { title: "Hit ratios".into(), text, complete }
}

fn percent(ratio: f64) -> String {
    format!("{:.2}", ratio * 100.0)
}

fn play(
    trace: &Trace,
    spec: &ServerSpec,
    is_ours: bool,
    policy: &str,
    cores: &Cores,
) -> Outcome<Played> {
    let server = Server::start(spec, cores, Pin::Apart, 1)?;
    let mut client = Client::connect(server.port)?;
    // What there was at the start does not count for Redstart.
    let used = if is_ours { None } else { client.info("used_memory") };
    let limit = BYTES + used.and_then(|used| used.parse::<usize>().ok()).unwrap_or(0);
    for [name, value] in [["maxmemory-policy", policy], ["maxmemory", &limit.to_string()]] {
        client.ask(&[b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()])?;
    }
    let mut application = Application::connect(server.port)?;
    for keys in trace.keys.chunks(AHEAD) {
        application.ask(keys)?;
    }
    let ratio = application.hits as f64 / trace.keys.len() as f64;
    Ok(Played { ratio, keys: client.dbsize()? })
}

/// A number that looks random, the same for the same name.
fn spread(name: &str) -> usize {
    name.bytes().fold(0, |sum: usize, byte| {
        (sum ^ usize::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7
    })
}

/// What looks into the cache first.
struct Application {
    socket: BufReader<TcpStream>,
    requests: Vec<u8>,
    hits: usize,
}

impl Application {
    fn connect(port: u16) -> Outcome<Application> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_nodelay(true)?;
        Ok(Application { socket: BufReader::new(socket), requests: Vec::new(), hits: 0 })
    }

    /// Gets values, and stores those that were not there.
    fn ask(&mut self, keys: &[u32]) -> Outcome<()> {
        let names: Vec<String> = keys.iter().map(|key| format!("item:{key:09}")).collect();
        names.iter().for_each(|name| render(&mut self.requests, &[b"GET", name.as_bytes()]));
        self.send()?;
        let mut missed = Vec::new();
        for name in &names {
            match self.line()?.strip_prefix('$').and_then(|length| length.parse::<i64>().ok()) {
                Some(-1) => missed.push(name),
                Some(length) => {
                    let mut value = vec![0; usize::try_from(length).unwrap_or(0) + 2];
                    self.socket.read_exact(&mut value)?;
                    self.hits += 1;
                }
                None => return Err(Failure("GET was not answered with a value".into())),
            }
        }
        missed.dedup();
        for name in &missed {
            let length = VALUE_MIN + spread(name) % (VALUE.len() - VALUE_MIN);
            render(&mut self.requests, &[b"SET", name.as_bytes(), &VALUE[..length]]);
        }
        self.send()?;
        for _ in &missed {
            let reply = self.line()?;
            if reply != "+OK" {
                return Err(Failure(format!("SET was answered with {reply}")));
            }
        }
        Ok(())
    }

    fn send(&mut self) -> Outcome<()> {
        self.socket.get_mut().write_all(&self.requests)?;
        self.requests.clear();
        Ok(())
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        self.socket.read_line(&mut line)?;
        Ok(line.trim_end().to_string())
    }
}
