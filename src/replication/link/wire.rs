//! The connection to a master as long as the link's thread has it: lines, words and bytes, with a
//! time by which something has to come.

use super::relay;
use crate::tls::client::Trust;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// The longest line that is read, in bytes.
const LINE_MAX: usize = 64 * 1024;
/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// A socket that talks plainly.
pub enum Plug {
    /// To the master.
    Tcp(TcpStream),
    /// To what encrypts.
    Unix(UnixStream),
}

impl Plug {
    /// The same socket once more.
    ///
    /// # Errors
    /// When the system has none to give.
    pub fn try_clone(&self) -> io::Result<Plug> {
        match self {
            Plug::Tcp(socket) => socket.try_clone().map(Plug::Tcp),
            Plug::Unix(socket) => socket.try_clone().map(Plug::Unix),
        }
    }

    /// Ends the connection for all that have the socket.
    pub fn end(&self) {
        // It may have ended by itself.
        let _ = match self {
            Plug::Tcp(socket) => socket.shutdown(Shutdown::Both),
            Plug::Unix(socket) => socket.shutdown(Shutdown::Both),
        };
    }

    /// Has calls fail that would wait.
    ///
    /// # Errors
    /// When the system does not.
    pub fn never_wait(&self) -> io::Result<()> {
        match self {
            Plug::Tcp(socket) => socket.set_nonblocking(true),
            Plug::Unix(socket) => socket.set_nonblocking(true),
        }
    }

    fn wait_for(&self, patience: Duration) -> io::Result<()> {
        match self {
            Plug::Tcp(socket) => {
                socket.set_read_timeout(Some(patience))?;
                socket.set_write_timeout(Some(patience))
            }
            Plug::Unix(socket) => {
                socket.set_read_timeout(Some(patience))?;
                socket.set_write_timeout(Some(patience))
            }
        }
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Plug::Tcp(socket) => socket.write_all(bytes),
            Plug::Unix(socket) => socket.write_all(bytes),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Plug::Tcp(socket) => socket.read(into),
            Plug::Unix(socket) => socket.read(into),
        }
    }
}

/// A connection, and what came over it and is not taken yet.
pub struct Wire {
    /// The socket.
    pub plug: Plug,
    /// Where the master is.
    pub address: SocketAddr,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Wire {
    /// Connects, over TLS if there is something to trust; `patience` is for this and for each wait
    /// that follows.
    ///
    /// # Errors
    /// When nobody accepts the connection, or the certificate is not believed.
    pub fn connect(
        host: &str,
        port: u16,
        trust: Option<&Trust>,
        patience: Duration,
    ) -> io::Result<Wire> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (host, port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, patience) {
                Ok(socket) => {
                    socket.set_nodelay(true)?;
                    socket.set_read_timeout(Some(patience))?;
                    let plug = match trust {
                        Some(trust) => Plug::Unix(relay::over(socket, host, trust)?),
                        None => Plug::Tcp(socket),
                    };
                    plug.wait_for(patience)?;
                    let buffer = vec![0; READ_BYTES].into();
                    return Ok(Wire { plug, address, buffer, start: 0, end: 0 });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The socket, and what came over it and was not taken.
    pub fn into_parts(self) -> (Plug, Vec<u8>) {
        let rest = self.buffer[self.start..self.end].to_vec();
        (self.plug, rest)
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send(&mut self, words: &[&[u8]]) -> io::Result<()> {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
        self.plug.write(&bytes)
    }

    /// The next bytes: all that have come, or those that come next. They are taken by
    /// [`Wire::take`].
    ///
    /// # Errors
    /// When none come in time, or the connection has ended.
    pub fn next(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, self.read(0)?);
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Takes so many of the bytes that [`Wire::next`] has shown.
    pub fn take(&mut self, count: usize) {
        self.start += count;
    }

    /// The next line, without its end.
    ///
    /// # Errors
    /// As [`Wire::next`], and when it is too long.
    pub fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            let bytes = self.next()?;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            line.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
            let count = end.map_or(bytes.len(), |end| end + 1);
            self.take(count);
            if end.is_some() {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if line.len() > LINE_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"));
            }
        }
    }

    /// The next line that is not empty: a master that is busy sends empty ones.
    ///
    /// # Errors
    /// As [`Wire::line`].
    pub fn full_line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let line = self.line()?;
            if !line.is_empty() {
                return Ok(line);
            }
        }
    }

    fn read(&mut self, from: usize) -> io::Result<usize> {
        loop {
            return match self.plug.read(&mut self.buffer[from..]) {
                Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the master hung up")),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    Err(io::Error::new(io::ErrorKind::TimedOut, "the master said nothing in time"))
                }
                read => read,
            };
        }
    }
}
