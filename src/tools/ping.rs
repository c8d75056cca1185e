//! `redstart ping`: asks a server for PONG, for container health checks.
//!
//! This is the client's side, so the redis-protocol crate decodes the reply.

use crate::tls::client::{self, Trust};
use clap::{CommandFactory, Parser};
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use redstart_config::environment;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Asks a server for PONG; fails if it does not come.
#[derive(Parser)]
#[command(
    name = "redstart ping",
    no_binary_name = true,
    after_help = "Examples:\n  redstart ping\n  redstart ping --port 7000\n  \
                  redstart ping --socket /run/redstart.sock\n  \
                  redstart ping --tls --host db.example --cacert ca.crt\n  \
                  REDISCLI_AUTH=SECRET redstart ping --host db.example"
)]
struct Arguments {
    /// Where the server is.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The port it serves.
    #[arg(long, short, default_value_t = 6379)]
    port: u16,
    /// The unix socket it serves, instead of host and port.
    #[arg(long, short, value_name = "PATH", conflicts_with_all = ["host", "port"])]
    socket: Option<PathBuf>,
    /// The password to authenticate with; without it, REDSTART_PASSWORD or the line of the file
    /// that REDSTART_PASSWORD_FILE names.
    #[arg(long, short = 'a', env = "REDISCLI_AUTH", hide_env_values = true)]
    password: Option<String>,
    /// Speak TLS.
    #[arg(long, conflicts_with = "socket")]
    tls: bool,
    /// The authorities that the server's certificate may be signed by; without, the system's.
    #[arg(long, value_name = "FILE", requires = "tls")]
    cacert: Option<PathBuf>,
    /// The certificate to show.
    #[arg(long, value_name = "FILE", requires_all = ["tls", "key"])]
    cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", requires_all = ["tls", "cert"])]
    key: Option<PathBuf>,
    /// The name that the server's certificate has to have, instead of the host's.
    #[arg(long, value_name = "NAME", requires = "tls")]
    sni: Option<String>,
    /// Believe any certificate.
    #[arg(long, requires = "tls")]
    insecure: bool,
    /// How long to wait, in milliseconds.
    #[arg(long, default_value_t = 1000)]
    timeout_ms: u64,
}

/// A connection of either kind.
trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

/// Why there was no PONG: where, and the reason in plain words.
struct Silence {
    place: String,
    reason: String,
}

/// What clap knows of the subcommand.
pub fn declared() -> clap::Command {
    Arguments::command()
}

/// Runs the subcommand.
pub fn run(arguments: &[String]) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match ask(&arguments) {
        Ok(place) => {
            println!("PONG from {place}");
            ExitCode::SUCCESS
        }
        Err(Silence { place, reason }) => {
            eprintln!("redstart ping: no PONG from {place}: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Asks; returns where the answer came from.
fn ask(arguments: &Arguments) -> Result<String, Silence> {
    let timeout = Duration::from_millis(arguments.timeout_ms.max(1));
    let (place, mut stream) = connect(arguments, timeout)?;
    let given = arguments.password.as_ref().map(|password| password.clone().into_bytes());
    let password = match given {
        Some(password) => Ok(Some(password)),
        None => environment::password(),
    };
    let password = password.map_err(|reason| Silence { place: place.clone(), reason })?;
    let authenticated = match &password {
        Some(password) => expect(&mut stream, &[b"AUTH", password], "OK"),
        None => Ok(()),
    };
    match authenticated.and_then(|()| expect(&mut stream, &[b"PING"], "PONG")) {
        Ok(()) => Ok(place),
        Err(error) => Err(Silence { place, reason: plain(&error, timeout) }),
    }
}

/// Connects to the socket, or to the first address of the host that accepts.
fn connect(arguments: &Arguments, timeout: Duration) -> Result<(String, Box<dyn Stream>), Silence> {
    if let Some(path) = &arguments.socket {
        let place = path.display().to_string();
        let connected = UnixStream::connect(path).and_then(|stream| {
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            Ok(Box::new(stream))
        });
        return match connected {
            Ok(stream) => Ok((place, stream)),
            Err(error) => Err(Silence { place, reason: plain(&error, timeout) }),
        };
    }
    let place = format!("{}:{}", arguments.host, arguments.port);
    let found = (arguments.host.as_str(), arguments.port).to_socket_addrs();
    let addresses: Vec<SocketAddr> = found
        .map_err(|error| Silence {
            place: place.clone(),
            reason: format!("the host has no address ({error})"),
        })?
        .collect();
    let mut silence = Silence { place, reason: "the host has no address".to_owned() };
    for address in addresses {
        let connected = TcpStream::connect_timeout(&address, timeout).and_then(|stream| {
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            encrypted(stream, arguments)
        });
        match connected {
            Ok(stream) => return Ok((address.to_string(), stream)),
            Err(error) => {
                silence = Silence { place: address.to_string(), reason: plain(&error, timeout) };
            }
        }
    }
    Err(silence)
}

/// Puts TLS over the stream, where that is asked for.
fn encrypted(stream: TcpStream, arguments: &Arguments) -> io::Result<Box<dyn Stream>> {
    if !arguments.tls {
        return Ok(Box::new(stream));
    }
    let trust = Trust {
        authorities: arguments.cacert.clone(),
        own: arguments.cert.clone().zip(arguments.key.clone()),
        name: arguments.sni.clone(),
        insecure: arguments.insecure,
    };
    let over = client::over(stream, &arguments.host, &trust).map_err(io::Error::other)?;
    Ok(Box::new(over))
}

/// The reason in plain words.
fn plain(error: &io::Error, timeout: Duration) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        ErrorKind::NotFound => "there is no such socket".to_owned(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
            "the server closed the connection".to_owned()
        }
        // A read that has waited long enough is told in either way.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("no answer within {} ms", timeout.as_millis())
        }
        _ => error.to_string(),
    }
}

/// Sends a command and waits for a simple string.
fn expect(stream: &mut dyn Stream, args: &[&[u8]], wanted: &str) -> io::Result<()> {
    let mut request = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        request.extend_from_slice(arg);
        request.extend_from_slice(b"\r\n");
    }
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    loop {
        let mut part = [0u8; 512];
        let read = stream.read(&mut part)?;
        if read == 0 || answer.len() > 1 << 16 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&part[..read]);
        match decode(&answer).map_err(|_| io::Error::other("what answers there is no server"))? {
            Some((OwnedFrame::SimpleString(text), _)) if text == wanted.as_bytes() => {
                return Ok(());
            }
            Some((OwnedFrame::Error(text), _)) => return Err(io::Error::other(text)),
            Some(_) => return Err(io::Error::other("what answers there is no server")),
            None => {}
        }
    }
}
