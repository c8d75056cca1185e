//! One connection to one server: bytes out, whole frames in.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::reply::frame_len;
use crate::server::Server;
use crate::stream::{Command, Resp};

/// A reply that takes longer counts as none.
const PATIENCE: Duration = Duration::from_secs(60);
const READ_SIZE: usize = 64 * 1024;

/// A reply deliberately spoilt, to prove that a difference is found and shrunk: integer
/// replies above 40 of one command are off by one.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The command whose replies are altered.
    pub command: String,
}

impl Fault {
    fn alter(&self, command: &Command, frame: &mut Vec<u8>) {
        let text = std::str::from_utf8(frame).unwrap_or("");
        let number = text.strip_prefix(':').and_then(|t| t.trim_end().parse::<i64>().ok());
        if let Some(number) = number.filter(|n| *n > 40 && command.is(&self.command)) {
            *frame = format!(":{}\r\n", number + 1).into_bytes();
        }
    }
}

/// A connection with its input buffer.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    input: Vec<u8>,
    start: usize,
    fault: Option<Fault>,
    altered: Vec<u8>,
}

impl Link {
    /// A connection to `server` that speaks `resp`.
    pub fn open(server: &Server, resp: Resp, fault: Option<Fault>) -> io::Result<Self> {
        let stream = server.connect()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut link = Self { stream, input: Vec::new(), start: 0, fault, altered: Vec::new() };
        if resp == Resp::Three {
            let hello = link.call(&Command::new(["HELLO", "3"]))?;
            if hello.first() != Some(&b'%') {
                return Err(io::Error::other(String::from_utf8_lossy(hello).into_owned()));
            }
        }
        Ok(link)
    }

    /// Sends encoded requests.
    pub fn send(&mut self, requests: &[u8]) -> io::Result<()> {
        self.stream.write_all(requests)
    }

    /// Sends one command and waits for its reply's frame.
    pub fn call(&mut self, command: &Command) -> io::Result<&[u8]> {
        let mut request = Vec::new();
        command.encode(&mut request);
        self.send(&request)?;
        self.frame(command)
    }

    /// The next frame, which answers `command`.
    pub fn frame(&mut self, command: &Command) -> io::Result<&[u8]> {
        let len = loop {
            let rest = &self.input[self.start..];
            match frame_len(rest) {
                Ok(Some(len)) => break len,
                Ok(None) => self.read()?,
                Err(wrong) => {
                    let near = &rest[wrong.at..rest.len().min(wrong.at + 40)];
                    let what = format!("no reply: {:?}", String::from_utf8_lossy(near));
                    return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                }
            }
        };
        let frame = &self.input[self.start..self.start + len];
        self.start += len;
        if let Some(fault) = &self.fault {
            self.altered.clear();
            self.altered.extend_from_slice(frame);
            fault.alter(command, &mut self.altered);
            return Ok(&self.altered);
        }
        Ok(frame)
    }

    fn read(&mut self) -> io::Result<()> {
        self.input.drain(..self.start);
        self.start = 0;
        let used = self.input.len();
        self.input.resize(used + READ_SIZE, 0);
        let read = self.stream.read(&mut self.input[used..]);
        self.input.truncate(used + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "no reply"))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other.map(drop),
        }
    }
}
