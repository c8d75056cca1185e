//! A client of a server: one request, one reply.

use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long a server may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// A server that is talked to.
pub struct Talk {
    /// Where it is, for people.
    pub place: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    stream: TcpStream,
    input: Vec<u8>,
}

impl Talk {
    /// Connects to `host:port`, and says a password if there is one.
    ///
    /// # Errors
    /// When nobody answers there, or the password is not right.
    pub fn connect(place: &str, user: Option<&str>, password: Option<&str>) -> Result<Talk> {
        let (host, port) = place_of(place)?;
        let mut last = Error::new(ErrorKind::NotFound, "the host has no address");
        for address in (&host[..], port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(PATIENCE))?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    let place = place.to_owned();
                    let mut talk = Talk { place, host, port, stream, input: Vec::new() };
                    match (user, password) {
                        (_, None) => {}
                        (None, Some(password)) => drop(talk.ask(&["AUTH", password])?),
                        (Some(user), Some(password)) => drop(talk.ask(&["AUTH", user, password])?),
                    }
                    return Ok(talk);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The reply to a request; one that is an error is an error.
    ///
    /// # Errors
    /// When the connection fails, or the server says no.
    pub fn ask<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Result<OwnedFrame> {
        match self.ask_plainly(words)? {
            OwnedFrame::Error(text) => {
                let name = words.first().map_or(&b""[..], |name| name.as_ref()).escape_ascii();
                Err(Error::other(format!("{} answers {name} with: {text}", self.place)))
            }
            reply => Ok(reply),
        }
    }

    /// The reply to a request, whatever it is.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn ask_plainly<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Result<OwnedFrame> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend_from_slice(format!("${}\r\n", word.as_ref().len()).as_bytes());
            request.extend_from_slice(word.as_ref());
            request.extend_from_slice(b"\r\n");
        }
        self.stream.write_all(&request)?;
        let mut piece = vec![0; READ_BYTES];
        loop {
            let decoded = decode(&self.input);
            if let Some((frame, len)) = decoded.map_err(|error| Error::other(error.to_string()))? {
                self.input.drain(..len);
                return Ok(frame);
            }
            match self.stream.read(&mut piece)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => self.input.extend_from_slice(&piece[..count]),
            }
        }
    }

    /// A text.
    ///
    /// # Errors
    /// As [`Talk::ask`], and when the reply is none.
    pub fn text<A: AsRef<[u8]>>(&mut self, words: &[A]) -> Result<String> {
        match self.ask(words)? {
            OwnedFrame::BulkString(text) | OwnedFrame::SimpleString(text) => {
                Ok(String::from_utf8_lossy(&text).into_owned())
            }
            _ => Err(Error::other(format!("{} answers with no text", self.place))),
        }
    }

    /// A section of INFO.
    ///
    /// # Errors
    /// As [`Talk::ask`].
    pub fn info(&mut self, section: &str) -> Result<Info> {
        self.text(&["INFO", section]).map(Info)
    }
}

/// The text of INFO.
pub struct Info(String);

impl Info {
    /// A field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    }

    /// A field that is a number; zero where there is none.
    pub fn number(&self, name: &str) -> u64 {
        self.get(name).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The databases that have keys, and how many.
    pub fn databases(&self) -> Vec<(usize, u64)> {
        let database = |line: &str| {
            let (db, about) = line.strip_prefix("db")?.split_once(":keys=")?;
            let keys = about.split(',').next()?;
            Some((db.parse().ok()?, keys.parse().ok()?))
        };
        self.0.lines().filter_map(database).collect()
    }
}

/// Host and port.
///
/// # Errors
/// When it is no such pair.
pub fn place_of(place: &str) -> Result<(String, u16)> {
    let parts = place.rsplit_once(':').and_then(|(host, port)| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some((host.to_owned(), port.parse().ok()?))
    });
    parts
        .filter(|(host, _)| !host.is_empty())
        .ok_or_else(|| Error::new(ErrorKind::InvalidInput, format!("{place} is not host:port")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_info_and_places_say_is_read() {
        let info = Info("# Keyspace\r\ndb0:keys=12,expires=3\r\ndb7:keys=1\r\nrole:master".into());
        assert_eq!(info.databases(), [(0, 12), (7, 1)]);
        assert_eq!((info.get("role"), info.number("role")), (Some("master"), 0));
        assert_eq!(place_of("[::1]:7000").ok(), Some(("::1".to_owned(), 7000)));
        assert!(["", "host", ":1", "host:x", "host:70000"].iter().all(|at| place_of(at).is_err()));
    }
}
