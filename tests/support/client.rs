//! A RESP client of the fewest parts: it sends arguments or raw bytes and returns what came back.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::resp::{self, Value};

/// A reply that takes longer than this is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection.
pub struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// Why a call has no reply.
#[derive(Debug)]
pub enum Failure {
    /// The server closed the connection.
    Closed,
    /// Silence, or bytes that are not RESP.
    Broken(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::UnexpectedEof => Failure::Closed,
            _ => Failure::Broken(error.to_string()),
        }
    }
}

impl Client {
    /// Connects to 127.0.0.1.
    pub fn connect(port: u16) -> Result<Client, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Client { stream, received: Vec::new() })
    }

    /// Sends one command and waits for its reply.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<Value, Failure> {
        let args: Vec<Vec<u8>> = args.iter().map(|arg| arg.as_ref().to_vec()).collect();
        self.send(&resp::request(&args))?;
        self.reply()
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Waits for the next reply.
    pub fn reply(&mut self) -> Result<Value, Failure> {
        let mut chunk = vec![0; 1 << 16];
        loop {
            if let Some((value, length)) = resp::decode(&self.received).map_err(Failure::Broken)? {
                self.received.drain(..length);
                return Ok(value);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Failure::Closed),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                // A signal came.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends the connection and waits until the server has ended it too, so that it no longer
    /// counts as a client.
    pub fn close(mut self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let ended = self.stream.shutdown(Shutdown::Write).is_ok()
            && self.stream.set_read_timeout(Some(PATIENCE)).is_ok();
        if ended {
            while matches!(self.stream.read(&mut [0; 4096]), Ok(1..)) {}
        }
    }

    /// Whether the server closes the connection, without another byte, before `PATIENCE` ends.
    pub fn is_closed(&mut self) -> bool {
        if !self.received.is_empty() {
            return false;
        }
        match self.stream.read(&mut [0; 1]) {
            Ok(count) => count == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}
