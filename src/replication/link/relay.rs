//! TLS to a master: two threads between the master and a socket that talks plainly, so that no
//! other part of the link knows of it.
//!
//! ```text
//!   master === TLS === inward thread  --> pair of sockets --> the link's thread, then a worker
//!                      outward thread <--
//! ```

use crate::tls::client::{self, Trust};
use parking_lot::Mutex;
use rustls::ClientConnection;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

/// Bytes that are moved at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// Puts TLS over a connection; returns a socket that talks plainly.
///
/// # Errors
/// When the certificate is not believed, or the system has no sockets or threads to give.
pub fn over(socket: TcpStream, host: &str, trust: &Trust) -> io::Result<UnixStream> {
    let mut stream = client::over(socket, host, trust).map_err(io::Error::other)?;
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    let (connection, socket) = stream.into_parts();
    // Who waits for the master now waits at the other end of the pair.
    socket.set_read_timeout(None)?;
    let (ours, theirs) = UnixStream::pair()?;
    let connection = Arc::new(Mutex::new(connection));
    let (inward, outward) = (connection.clone(), connection);
    let (from, to) = (socket.try_clone()?, ours.try_clone()?);
    let body = move || {
        // However it ends, both ends are to see it.
        let _ = inward_to(&inward, &from, &to);
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    };
    thread::Builder::new().name("link-tls-in".into()).spawn(body)?;
    let body = move || {
        let _ = outward_to(&outward, &ours, &socket);
        let _ = (ours.shutdown(Shutdown::Both), socket.shutdown(Shutdown::Both));
    };
    thread::Builder::new().name("link-tls-out".into()).spawn(body)?;
    Ok(theirs)
}

fn inward_to(
    connection: &Mutex<ClientConnection>,
    mut socket: &TcpStream,
    mut to: &UnixStream,
) -> io::Result<()> {
    let (mut piece, mut plain) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let (mut start, mut end) = (0, 0);
    loop {
        // What came with the handshake goes first.
        loop {
            let read = connection.lock().reader().read(&mut plain);
            match read {
                Ok(0) => return Ok(()),
                Ok(count) => to.write_all(&plain[..count])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if start == end {
            (start, end) = (0, socket.read(&mut piece)?);
            if end == 0 {
                return Ok(());
            }
        }
        let mut connection = connection.lock();
        start += connection.read_tls(&mut &piece[start..end])?;
        connection.process_new_packets().map_err(io::Error::other)?;
        while connection.wants_write() {
            connection.write_tls(&mut socket)?;
        }
    }
}

fn outward_to(
    connection: &Mutex<ClientConnection>,
    mut from: &UnixStream,
    mut socket: &TcpStream,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let count = from.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        let mut connection = connection.lock();
        connection.writer().write_all(&piece[..count])?;
        while connection.wants_write() {
            connection.write_tls(&mut socket)?;
        }
    }
}
