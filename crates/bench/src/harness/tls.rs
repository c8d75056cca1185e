//! GET and SET over TLS 1.3 with one cipher, and handshakes: what a server pays for them in CPU
//! time.
//!
//! The load is one thread with blocking sockets, which writes to all connections and then reads
//! from all: what it costs itself does not count, and is the limit. So there is no throughput here,
//! only the server's CPU time for each operation, and for each handshake.
//!
//! The certificate is made anew for each run: ECDSA on P-256, as most are.

use super::outcome::{Failure, Outcome, progress};
use super::plan::{PEER, Plan, REDSTART, ServerSpec};
use super::report::{Section, Table, median, met, ratio, short};
use super::server::{Cores, Pin, Server, free_port};
use super::strip::render;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Keys and the bytes of a value.
const KEYS: usize = 10_000;
const VALUE: usize = 32;
/// What is sent, how deep the pipeline is, and the most CPU time over the other server's.
const LINES: [(Sent, usize, f64); 4] =
    [(Sent::Get, 1, 0.9), (Sent::Get, 16, 0.7), (Sent::Set, 1, 0.9), (Sent::Set, 16, 0.7)];
/// A server that does not answer by then does not.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Get,
    Set,
}

impl Sent {
    fn name(self) -> &'static str {
        if self == Sent::Get { "GET" } else { "SET" }
    }

    fn request(self, key: usize, to: &mut Vec<u8>) {
        let key = format!("key:{key:05}");
        match self {
            Sent::Get => render(to, &[b"GET", key.as_bytes()]),
            Sent::Set => render(to, &[b"SET", key.as_bytes(), &[b'v'; VALUE]]),
        }
    }

    fn reply(self) -> Vec<u8> {
        match self {
            Sent::Get => [b"$32\r\n", &[b'v'; VALUE][..], b"\r\n"].concat(),
            Sent::Set => b"+OK\r\n".to_vec(),
        }
    }
}

/// An authority and a certificate, as files and as a client believes them.
struct Files {
    folder: PathBuf,
    config: Arc<ClientConfig>,
}

impl Files {
    fn new() -> Outcome<Files> {
        let folder =
            std::env::temp_dir().join(format!("redstart-bench-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let wrong = |error: rcgen::Error| Failure(format!("a certificate: {error}"));
        let mut about = CertificateParams::new(Vec::new()).map_err(wrong)?;
        about.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let own = KeyPair::generate().map_err(wrong)?;
        let authority = about.self_signed(&own).map_err(wrong)?;
        let issuer = rcgen::Issuer::new(about, own);
        let key = KeyPair::generate().map_err(wrong)?;
        let about = CertificateParams::new(vec!["localhost".to_owned()]).map_err(wrong)?;
        let certificate = about.signed_by(&key, &issuer).map_err(wrong)?;
        std::fs::write(folder.join("ca.crt"), authority.pem())?;
        std::fs::write(folder.join("server.crt"), certificate.pem())?;
        std::fs::write(folder.join("server.key"), key.serialize_pem())?;
        let mut roots = RootCertStore::empty();
        let added = roots.add(authority.der().clone());
        added.map_err(|error| Failure(format!("the authority: {error}")))?;
        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites = vec![rustls::crypto::ring::cipher_suite::TLS13_AES_256_GCM_SHA384];
        let config = ClientConfig::builder_with_provider(provider.into())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| Failure(format!("TLS 1.3: {error}")))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Files { folder, config: Arc::new(config) })
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_string_lossy().into_owned()
    }

    /// The server with a port for TLS.
    fn serving(&self, spec: &ServerSpec, port: u16) -> ServerSpec {
        let (port, ca) = (port.to_string(), self.path("ca.crt"));
        let (certificate, key) = (self.path("server.crt"), self.path("server.key"));
        let ports = ["--tls-port", &port, "--tls-auth-clients", "no", "--tls-protocols", "TLSv1.3"];
        let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key];
        let cipher = ["--tls-ciphersuites", "TLS_AES_256_GCM_SHA384", "--tls-ca-cert-file", &ca];
        spec.with(&[&ports[..], &files, &cipher].concat())
    }

    fn without_sessions(&self) -> Arc<ClientConfig> {
        let mut config = (*self.config).clone();
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

type Connection = StreamOwned<ClientConnection, TcpStream>;

fn connect(port: u16, config: &Arc<ClientConfig>) -> Outcome<Connection> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from("localhost").expect("it is a name");
    let tls = ClientConnection::new(config.clone(), name)
        .map_err(|error| Failure(format!("TLS: {error}")))?;
    Ok(StreamOwned::new(tls, socket))
}

/// Microseconds of the server's CPU time: for an operation of each line, for a full and for a
/// resumed handshake.
#[derive(Default)]
struct Rounds([Vec<f64>; LINES.len() + 2]);

pub fn run(plan: &Plan, cores: &Cores) -> Section {
    let mut complete = true;
    let mut rounds: Vec<Rounds> = plan.servers.iter().map(|_| Rounds::default()).collect();
    let files = Files::new();
    for round in 1..=plan.rounds {
        for (at, spec) in plan.servers.iter().enumerate() {
            progress(format_args!("tls {round}/{}: {}", plan.rounds, spec.name));
            let files = files.as_ref().map_err(|failure| Failure(failure.0.clone()));
            match files.and_then(|files| measure(plan, spec, cores, files)) {
                Ok(figures) => {
                    let pairs = rounds[at].0.iter_mut().zip(figures);
                    pairs.for_each(|(rounds, figure)| rounds.push(figure));
                }
                Err(failure) => {
                    progress(format_args!("  {failure}"));
                    complete &= at > REDSTART;
                }
            }
        }
    }
    let valkey = plan.servers.iter().position(|spec| spec.name.contains("valkey"));
    let text = format!(
        "TLS 1.3, TLS_AES_256_GCM_SHA384, {} connections, keys of 9 and values of {VALUE} bytes; \
         a certificate on P-256. CPU time of the server in microseconds, for an operation and for \
         a handshake with one PING. The ratio is that to {}.\n\n{}",
        plan.connections,
        plan.servers[valkey.unwrap_or(PEER)].name,
        table(plan, &rounds, valkey.unwrap_or(PEER)).markdown()
    );
    Section { title: "TLS".into(), text, complete }
}

fn table(plan: &Plan, rounds: &[Rounds], other: usize) -> Table {
    let mut heading = vec!["what".to_string()];
    heading.extend(plan.servers.iter().map(|spec| spec.name.clone()));
    heading.extend(["ratio", "bar", "met"].map(String::from));
    let mut table = Table::new(heading);
    let named =
        |(sent, pipeline, most): (Sent, usize, f64)| (format!("{} p{pipeline}", sent.name()), most);
    let handshakes = ["full handshake", "resumed handshake"].map(|what| (what.to_owned(), 1.0));
    for (line, (what, most)) in LINES.map(named).into_iter().chain(handshakes).enumerate() {
        let medians: Vec<Option<f64>> =
            rounds.iter().map(|rounds| median(rounds.0[line].iter().copied())).collect();
        let mut cells = vec![what];
        cells.extend(medians.iter().map(|figure| figure.map(short).unwrap_or_default()));
        let both = medians[REDSTART].zip(medians[other]);
        let cost = both.and_then(|(own, theirs)| ratio(own, theirs));
        cells.push(cost.map(short).unwrap_or_default());
        cells.push(format!("<= {most}"));
        cells.push(cost.map(|cost| met(cost <= most)).unwrap_or_default());
        table.row(cells);
    }
    table
}

fn measure(
    plan: &Plan,
    spec: &ServerSpec,
    cores: &Cores,
    files: &Files,
) -> Outcome<[f64; LINES.len() + 2]> {
    let port = free_port()?;
    let server = Server::start(&files.serving(spec, port), cores, Pin::Apart, 1)?;
    let mut connections = (0..plan.connections)
        .map(|_| connect(port, &files.config))
        .collect::<Outcome<Vec<Connection>>>()?;
    let mut figures = [0.0; LINES.len() + 2];
    let fill = (0..KEYS).step_by(100);
    let first = std::slice::from_mut(&mut connections[0]);
    fill.into_iter().try_for_each(|from| turn(first, Sent::Set, 100, from))?;
    for (figure, (sent, pipeline, _)) in figures.iter_mut().zip(LINES) {
        let mut asked = 0;
        let mut go_on = |time: Duration| -> Outcome<usize> {
            let (began, before) = (Instant::now(), asked);
            while began.elapsed() < time {
                turn(&mut connections, sent, pipeline, asked % KEYS)?;
                asked += connections.len() * pipeline;
            }
            Ok(asked - before)
        };
        go_on(plan.timing.warm_up)?;
        let before = server.cpu.used()?;
        let operations = go_on(plan.timing.measured)?;
        *figure = us(server.cpu.used_since(before)?) / operations as f64;
    }
    figures[LINES.len()] = handshakes(plan, &server, port, &files.without_sessions(), false)?;
    figures[LINES.len() + 1] = handshakes(plan, &server, port, &files.config, true)?;
    Ok(figures)
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Sends a pipeline to each connection, and then reads from each.
fn turn(connections: &mut [Connection], sent: Sent, pipeline: usize, key: usize) -> Outcome<()> {
    let (reply, mut request) = (sent.reply().repeat(pipeline), Vec::new());
    for (at, connection) in connections.iter_mut().enumerate() {
        request.clear();
        for nth in 0..pipeline {
            sent.request((key + at * pipeline + nth) % KEYS, &mut request);
        }
        connection.write_all(&request)?;
    }
    let mut received = vec![0; reply.len()];
    for connection in connections {
        connection.read_exact(&mut received)?;
        if received != reply {
            return Err(Failure(format!("{}: another reply", sent.name())));
        }
    }
    Ok(())
}

/// The server's CPU time for a connection with one PING.
fn handshakes(
    plan: &Plan,
    server: &Server,
    port: u16,
    config: &Arc<ClientConfig>,
    is_resumed: bool,
) -> Outcome<f64> {
    let one = || -> Outcome<HandshakeKind> {
        let mut connection = connect(port, config)?;
        connection.write_all(b"PING\r\n")?;
        let mut pong = [0; 7];
        connection.read_exact(&mut pong)?;
        let kind = connection.conn.handshake_kind();
        kind.ok_or_else(|| Failure("there was no handshake".into()))
    };
    // The first one has no session yet.
    one()?;
    let (began, before, mut count) = (Instant::now(), server.cpu.used()?, 0);
    while began.elapsed() < plan.timing.measured {
        if (one()? == HandshakeKind::Resumed) != is_resumed {
            return Err(Failure(format!("resumed: {}, as it should not be", !is_resumed)));
        }
        count += 1;
    }
    Ok(us(server.cpu.used_since(before)?) / f64::from(count))
}
