//! The client's side of a connection, as `ping`, `top` and `report` have it: where a server is, how
//! to get in, and requests and replies in RESP2, one after the other or many at once.
//!
//! What answers may be any server: a reply has a bound (`REPLY_MAX`), and the redis-protocol crate
//! decodes it.

use crate::tls::client::{self, Trust};
use clap::Args;
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use redstart_config::environment;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// How long a reply may be, in bytes: INFO and CLIENT LIST of ten thousand clients are far below.
const REPLY_MAX: usize = 256 << 20;
/// What is told where something else answers.
pub const NO_SERVER: &str = "what answers there is no server";
/// Bytes that are read at a time.
const PIECE: usize = 64 << 10;

/// Where the server is, and who asks. Every tool that is a client takes these arguments.
#[derive(Args)]
pub struct Target {
    /// Where the server is.
    #[arg(long, short = 'h', default_value = "127.0.0.1")]
    pub host: String,
    /// The port it serves.
    #[arg(long, short, default_value_t = 6379)]
    pub port: u16,
    /// The unix socket it serves, instead of host and port.
    #[arg(long, short, value_name = "PATH", conflicts_with_all = ["host", "port"])]
    pub socket: Option<PathBuf>,
    /// The user to authenticate as; without, it is `default`.
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// The password to authenticate with; without it, REDSTART_PASSWORD or the line of the file
    /// that REDSTART_PASSWORD_FILE names.
    #[arg(long, short = 'a', alias = "pass", env = "REDISCLI_AUTH", hide_env_values = true)]
    pub password: Option<String>,
    /// Speak TLS.
    #[arg(long, conflicts_with = "socket")]
    pub tls: bool,
    /// The authorities that the server's certificate may be signed by; without, the system's.
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub cacert: Option<PathBuf>,
    /// The certificate to show.
    #[arg(long, value_name = "FILE", requires_all = ["tls", "key"])]
    pub cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", requires_all = ["tls", "cert"])]
    pub key: Option<PathBuf>,
    /// The name that the server's certificate has to have, instead of the host's.
    #[arg(long, value_name = "NAME", requires = "tls")]
    pub sni: Option<String>,
    /// Believe any certificate.
    #[arg(long, requires = "tls")]
    pub insecure: bool,
}

/// A connection of either kind.
trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// Why there was no answer: where, and the reason in plain words.
#[derive(Clone, Debug)]
pub struct Silence {
    /// The address or the path.
    pub place: String,
    /// The reason.
    pub reason: String,
}

impl Target {
    /// The place as the arguments name it.
    pub fn place(&self) -> String {
        match &self.socket {
            Some(path) => path.display().to_string(),
            None if self.host.contains(':') => format!("[{}]:{}", self.host, self.port),
            None => format!("{}:{}", self.host, self.port),
        }
    }

    /// Connects to the socket, or to the first address of the host that accepts, and authenticates
    /// where there is a password. Nothing takes longer than `timeout`.
    ///
    /// # Errors
    /// When nothing answers, or what answers lets nobody in.
    pub fn connect(&self, timeout: Duration) -> Result<Link, Silence> {
        let mut link = self.stream(timeout)?;
        let refused = |link: &Link, reason| Err(Silence { place: link.place.clone(), reason });
        let given = self.password.as_ref().map(|password| password.clone().into_bytes());
        let password = match given.map_or_else(environment::password, |given| Ok(Some(given))) {
            Ok(Some(password)) => password,
            Ok(None) if self.user.is_none() => return Ok(link),
            Ok(None) => return refused(&link, "a user wants a password, too".to_owned()),
            Err(reason) => return refused(&link, reason),
        };
        let user = self.user.as_deref().map(str::as_bytes);
        let words: Vec<&[u8]> =
            [Some(&b"AUTH"[..]), user, Some(&password)].into_iter().flatten().collect();
        match link.call(&words) {
            Ok(OwnedFrame::SimpleString(_)) => Ok(link),
            Ok(OwnedFrame::Error(text)) => refused(&link, text),
            Ok(_) => refused(&link, NO_SERVER.to_owned()),
            Err(error) => refused(&link, link.plain(&error)),
        }
    }

    fn stream(&self, timeout: Duration) -> Result<Link, Silence> {
        let link = |place: String, stream: Box<dyn Stream>| Link {
            place,
            timeout,
            stream,
            out: vec![],
            received: vec![],
            at: 0,
        };
        let place = self.place();
        if let Some(path) = &self.socket {
            let connected = UnixStream::connect(path).and_then(|stream| {
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                Ok(Box::new(stream))
            });
            return match connected {
                Ok(stream) => Ok(link(place, stream)),
                Err(error) => Err(Silence { place, reason: plain(&error, timeout) }),
            };
        }
        let found = (self.host.as_str(), self.port).to_socket_addrs();
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
                stream.set_nodelay(true)?;
                self.encrypted(stream)
            });
            match connected {
                Ok(stream) => return Ok(link(address.to_string(), stream)),
                Err(error) => {
                    let (place, reason) = (address.to_string(), plain(&error, timeout));
                    silence = Silence { place, reason };
                }
            }
        }
        Err(silence)
    }

    /// Puts TLS over the stream, where that is asked for.
    fn encrypted(&self, stream: TcpStream) -> io::Result<Box<dyn Stream>> {
        if !self.tls {
            return Ok(Box::new(stream));
        }
        let trust = Trust {
            authorities: self.cacert.clone(),
            own: self.cert.clone().zip(self.key.clone()),
            name: self.sni.clone(),
            insecure: self.insecure,
        };
        let over = client::over(stream, &self.host, &trust).map_err(io::Error::other)?;
        Ok(Box::new(over))
    }
}

/// A connection to a server.
pub struct Link {
    place: String,
    timeout: Duration,
    stream: Box<dyn Stream>,
    /// Requests that are not sent yet.
    out: Vec<u8>,
    /// What came, of which what stands before `at` is used up.
    received: Vec<u8>,
    at: usize,
}

impl Link {
    /// Where it leads to: an address or a path.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Adds a request to those that the next [`Link::flush`] sends.
    pub fn ask(&mut self, words: &[&[u8]]) {
        self.out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            self.out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.out.extend_from_slice(word);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// Sends what was asked.
    ///
    /// # Errors
    /// What the connection says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out)?;
        self.stream.flush()?;
        self.out.clear();
        Ok(())
    }

    /// Waits for the next reply; an error of the server's is a reply, too.
    ///
    /// # Errors
    /// When the connection ends or what comes is no reply.
    pub fn reply(&mut self) -> io::Result<OwnedFrame> {
        loop {
            let decoded = decode(&self.received[self.at..]);
            match decoded.map_err(|_| io::Error::other(NO_SERVER))? {
                Some((frame, len)) => {
                    self.at += len;
                    if self.at == self.received.len() {
                        self.received.clear();
                        self.at = 0;
                    }
                    return Ok(frame);
                }
                None => self.receive()?,
            }
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        self.received.drain(..self.at);
        self.at = 0;
        if self.received.len() > REPLY_MAX {
            return Err(io::Error::other("a reply is too long"));
        }
        let before = self.received.len();
        // A long reply is read in pieces as long as what is there, so that it is decoded seldom.
        self.received.resize(before + PIECE.max(before), 0);
        let read = self.stream.read(&mut self.received[before..]);
        self.received.truncate(before + *read.as_ref().unwrap_or(&0));
        match read? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    /// As [`Link::reply`].
    pub fn call(&mut self, words: &[&[u8]]) -> io::Result<OwnedFrame> {
        self.ask(words);
        self.flush()?;
        self.reply()
    }

    /// The reason of an error in plain words.
    pub fn plain(&self, error: &io::Error) -> String {
        plain(error, self.timeout)
    }
}

fn plain(error: &io::Error, timeout: Duration) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        ErrorKind::NotFound => "there is no such socket".to_owned(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            "the server closed the connection".to_owned()
        }
        // A read that has waited long enough is told in either way.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("no answer within {} ms", timeout.as_millis())
        }
        _ => error.to_string(),
    }
}
