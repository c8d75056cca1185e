//! A connection over TLS: rustls between a TCP socket and a worker's buffers.
//!
//! ```text
//!   socket --> a thread's buffer --> records decrypted --> the reader's buffer
//!   replies --> a thread's buffer, encrypted --> socket
//! ```
//!
//! Both buffers belong to the thread. The connection itself keeps only the beginning of a record
//! that is not whole yet, what the reader had no room for, and records that the socket had no room
//! for; so an idle one holds none. Bytes count as written when the records that hold them are.

use crate::tls::Encryption;
use rustls::pki_types::CertificateDer;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that are read at a time, behind what is kept.
const READ_BYTES: usize = 64 * 1024;
/// What is kept of records at most: a message of a handshake may be in pieces until it is whole.
const KEPT_MAX: usize = 96 * 1024;
/// Replies that are encrypted at a time, in bytes.
const WRITE_BYTES: usize = 64 * 1024;
/// What encryption adds to them: a header and a tag for each record of 16 KiB.
const OVERHEAD: usize = 1024;

/// Kind, version and length of a record, in bytes.
const RECORD_HEAD: usize = 5;

/// The buffers of a thread.
struct Scratch {
    arrived: Box<[u8]>,
    plain: Vec<u8>,
    encrypted: Box<[u8]>,
}

thread_local! {
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
}

/// A connection over TLS.
pub struct TlsSocket {
    stream: TcpStream,
    session: UnbufferedServerConnection,
    /// What it is encrypted by.
    pub encryption: Arc<Encryption>,
    /// Whether it is not known yet who the client is.
    pub opens: bool,
    /// Whether a record has come.
    heard: bool,
    /// Whether the client's end of the session was seen.
    ended: bool,
    /// Whether nothing more is written.
    shut: bool,
    /// The beginning of a record that is not whole.
    records: Vec<u8>,
    /// What was decrypted and not taken yet.
    plain: Vec<u8>,
    /// How much of it was.
    taken: usize,
    /// Records that wait for the socket.
    output: Vec<u8>,
    /// How many bytes of replies are in them, whose writer waits.
    promised: usize,
}

/// A connection over TLS on its way to another runtime: the session as it was, and its socket.
pub struct Departed(TlsSocket, OwnedFd);

impl Departed {
    /// Registers the connection with this thread's runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn arrive(self) -> io::Result<TlsSocket> {
        let Departed(socket, stream) = self;
        Ok(TlsSocket { stream: TcpStream::from_std(stream.into())?, ..socket })
    }
}

/// How the socket is reached.
pub enum Way<'a, 'b> {
    /// With the runtime, which wakes the task when there is more.
    Task(&'a mut Context<'b>),
    /// Without its knowledge.
    Now,
}

impl TlsSocket {
    /// A connection that has said nothing yet.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn new(stream: TcpStream, encryption: Arc<Encryption>) -> io::Result<TlsSocket> {
        let session = encryption.accept().map_err(io::Error::other)?;
        Ok(TlsSocket {
            stream,
            session,
            encryption,
            opens: true,
            heard: false,
            ended: false,
            shut: false,
            records: Vec::new(),
            plain: Vec::new(),
            taken: 0,
            output: Vec::new(),
            promised: 0,
        })
    }

    /// Takes the connection out; what is left here is one that has said nothing yet.
    ///
    /// # Errors
    /// When the system has no descriptor to give, or no randomness.
    pub fn depart(&mut self) -> io::Result<Departed> {
        let (own, its) = (self.as_fd().try_clone_to_owned()?, self.as_fd().try_clone_to_owned()?);
        let left = TlsSocket::new(TcpStream::from_std(own.into())?, self.encryption.clone())?;
        Ok(Departed(std::mem::replace(self, left), its))
    }

    /// Whether the handshake is not over yet.
    pub fn is_opening(&self) -> bool {
        self.session.is_handshaking()
    }

    /// The client's certificate, which has been verified.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.session.peer_certificates().and_then(|chain| chain.first())
    }

    /// Waits until there is more of a handshake to do.
    pub fn poll_more(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.output.is_empty() {
            true => self.stream.poll_read_ready(cx),
            false => self.stream.poll_write_ready(cx),
        }
    }

    /// Goes on with the handshake; ready when it is over.
    ///
    /// # Errors
    /// When it has failed: the client was told why.
    pub fn open(&mut self, way: &mut Way<'_, '_>) -> Poll<io::Result<()>> {
        let mut nothing = ReadBuf::new(&mut []);
        loop {
            ready!(self.send(way))?;
            if !self.is_opening() {
                return Poll::Ready(Ok(()));
            }
            if ready!(self.receive(way, &mut nothing))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Reads into a buffer; what is filled does not grow at the end.
    ///
    /// # Errors
    /// When the connection or the session has failed.
    pub fn read(&mut self, way: &mut Way<'_, '_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.shut {
            // Whatever still comes is thrown away.
            return fetch(&mut self.stream, way, into.initialize_unfilled()).map_ok(|read| {
                into.advance(read);
            });
        }
        let before = into.filled().len();
        self.take(into);
        while into.filled().len() == before && into.remaining() > 0 && !self.ended {
            if ready!(self.receive(way, into))? == 0 {
                return Poll::Ready(Ok(()));
            }
            if into.filled().len() == before && !self.ended {
                // Records without anything in them: others first.
                if let Way::Task(cx) = way {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        }
        // What the session itself had to say. What is left goes with the next reply.
        if !self.output.is_empty() && self.promised == 0 {
            let _ = self.send(&mut Way::Now);
        }
        Poll::Ready(Ok(()))
    }

    /// Hands out what was decrypted before.
    fn take(&mut self, into: &mut ReadBuf<'_>) {
        let left = &self.plain[self.taken..];
        let now = &left[..left.len().min(into.remaining())];
        into.put_slice(now);
        self.taken += now.len();
        if self.taken == self.plain.len() {
            (self.plain, self.taken) = (Vec::new(), 0);
        }
    }

    /// Reads from the socket once, and decrypts all records that are whole. Returns the bytes read.
    fn receive(
        &mut self,
        way: &mut Way<'_, '_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        with_scratch(|scratch| {
            let kept = self.records.len();
            if kept > KEPT_MAX {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            let arrived = &mut scratch.arrived[..kept + READ_BYTES];
            let read = ready!(fetch(&mut self.stream, way, &mut arrived[kept..]))?;
            if read == 0 {
                return Poll::Ready(Ok(0));
            }
            arrived[..kept].copy_from_slice(&self.records);
            let arrived = &mut arrived[..kept + read];
            if !self.heard && !begins_as_record(arrived) {
                return Poll::Ready(Err(io::Error::other("the client does not speak TLS")));
            }
            let used = self.process(arrived, into, &mut None)?;
            self.heard |= used > 0;
            let left = &arrived[used..];
            if left.is_empty() {
                self.records = Vec::new();
            } else {
                self.records.clear();
                self.records.extend_from_slice(left);
            }
            Poll::Ready(Ok(read))
        })
    }

    /// Lets the session work on what has arrived, and encrypt if that is asked for. Returns how
    /// much of what has arrived is done with.
    fn process(
        &mut self,
        arrived: &mut [u8],
        into: &mut ReadBuf<'_>,
        encrypt: &mut Option<Encrypt<'_>>,
    ) -> io::Result<usize> {
        let mut used = 0;
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.session.process_tls_records(&mut arrived[used..]);
            let mut rests = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(refused)?;
                        discard += record.discard;
                        let now = record.payload.len().min(into.remaining());
                        into.put_slice(&record.payload[..now]);
                        self.plain.extend_from_slice(&record.payload[now..]);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    put(&mut self.output, |room| data.encode(room).ok())?;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    rests = true;
                    if let Some(Encrypt { plain, into, length }) = encrypt {
                        *length = traffic.encrypt(plain, into).map_err(io::Error::other)?;
                    }
                }
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(ConnectionState::Closed) => (self.ended, rests) = (true, true),
                Ok(_) => rests = true,
                Err(error) => {
                    self.tell_why();
                    return Err(refused(error));
                }
            }
            used += discard;
            if rests {
                return Ok(used);
            }
        }
    }

    /// Sends the client what the session has to say before it ends, as far as there is room.
    #[cold]
    fn tell_why(&mut self) {
        // Asked only as long as there is something, it looks at nothing that has arrived.
        while self.session.wants_write() {
            let Ok(ConnectionState::EncodeTlsData(mut data)) =
                self.session.process_tls_records(&mut []).state
            else {
                break;
            };
            if put(&mut self.output, |room| data.encode(room).ok()).is_err() {
                break;
            }
        }
        let _ = self.send(&mut Way::Now);
    }

    /// Writes records that wait for the socket.
    fn send(&mut self, way: &mut Way<'_, '_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        let result = loop {
            if sent == self.output.len() {
                break Poll::Ready(Ok(()));
            }
            match hand_out(&mut self.stream, way, &self.output[sent..]) {
                Poll::Ready(Ok(count)) => sent += count,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        if sent == self.output.len() {
            self.output = Vec::new();
        } else {
            self.output.drain(..sent);
        }
        result
    }

    /// Writes some of the parts of a reply. Where the socket has no room for all of their records,
    /// it is called with the same bytes again until it has.
    ///
    /// # Errors
    /// When the connection or the session has failed.
    pub fn write<'p>(
        &mut self,
        way: &mut Way<'_, '_>,
        parts: impl Iterator<Item = &'p [u8]>,
    ) -> Poll<io::Result<usize>> {
        if !self.output.is_empty() {
            ready!(self.send(way))?;
            if self.promised > 0 {
                return Poll::Ready(Ok(std::mem::take(&mut self.promised)));
            }
        }
        with_scratch(|scratch| {
            let Scratch { plain, encrypted, .. } = scratch;
            let plain = gathered(parts, plain);
            let mut encrypt = Some(Encrypt { plain, into: encrypted, length: 0 });
            let mut records = std::mem::take(&mut self.records);
            // No whole record is left: nothing is decrypted.
            let used = self.process(&mut records, &mut ReadBuf::new(&mut []), &mut encrypt)?;
            records.drain(..used);
            self.records = records;
            let Some(Encrypt { length, .. }) = encrypt else { return Poll::Ready(Ok(0)) };
            let (count, records) = (plain.len(), &encrypted[..length]);
            // What the session itself has to say comes first.
            let mut sent = 0;
            while self.output.is_empty() && sent < records.len() {
                match hand_out(&mut self.stream, way, &records[sent..]) {
                    Poll::Ready(written) => sent += written?,
                    Poll::Pending => break,
                }
            }
            if sent < records.len() {
                self.output.extend_from_slice(&records[sent..]);
                self.promised = count;
                ready!(self.send(way))?;
                self.promised = 0;
            }
            Poll::Ready(Ok(count))
        })
    }

    /// Waits until the socket takes something.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_write_ready(cx)
    }

    /// Tells the client that nothing more comes.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.say_farewell();
        ready!(self.send(&mut Way::Task(cx)))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Ends the connection at once; the client is told if there is room for that.
    pub fn end(&mut self) {
        if self.output.is_empty() && !self.is_opening() {
            self.say_farewell();
            let _ = self.send(&mut Way::Now);
        }
        // A client that has disconnected already is no error.
        let _ = rustix::net::shutdown(&self.stream, rustix::net::Shutdown::Both);
    }

    /// Puts the end of the session into the output, once.
    fn say_farewell(&mut self) {
        if std::mem::replace(&mut self.shut, true) || self.is_opening() {
            return;
        }
        let mut records = std::mem::take(&mut self.records);
        let state = self.session.process_tls_records(&mut records).state;
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
            let _ = put(&mut self.output, |room| traffic.queue_close_notify(room).ok());
        }
    }
}

impl AsFd for TlsSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// What is to be encrypted, and where to.
struct Encrypt<'a> {
    plain: &'a [u8],
    into: &'a mut [u8],
    /// How much it came to.
    length: usize,
}

/// The first of the parts, or as many as are encrypted at a time, one behind the other.
fn gathered<'b, 'p: 'b>(
    parts: impl Iterator<Item = &'p [u8]>,
    buffer: &'b mut Vec<u8>,
) -> &'b [u8] {
    let mut parts = parts.peekable();
    let first = parts.next().unwrap_or_default();
    if first.len() >= WRITE_BYTES || parts.peek().is_none() {
        return &first[..first.len().min(WRITE_BYTES)];
    }
    buffer.clear();
    for part in std::iter::once(first).chain(parts) {
        let room = WRITE_BYTES - buffer.len();
        buffer.extend_from_slice(&part[..part.len().min(room)]);
        if buffer.len() == WRITE_BYTES {
            break;
        }
    }
    buffer
}

/// Appends what the session has to say: a record.
fn put(output: &mut Vec<u8>, encode: impl FnOnce(&mut [u8]) -> Option<usize>) -> io::Result<()> {
    /// More than any record has.
    const ROOM: usize = 20 * 1024;
    let before = output.len();
    output.resize(before + ROOM, 0);
    let length = encode(&mut output[before..]);
    output.truncate(before + length.unwrap_or(0));
    output.shrink_to_fit();
    length.map(drop).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether bytes may be the first of a record: a kind, and a version of TLS, which all begin alike.
/// Whoever says something else would take no alert for an answer, and gets none, as from OpenSSL.
fn begins_as_record(bytes: &[u8]) -> bool {
    bytes.len() < RECORD_HEAD || bytes[1] == 3
}

fn with_scratch<R>(f: impl FnOnce(&mut Scratch) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        f(scratch.get_or_insert_with(|| Scratch {
            arrived: vec![0; KEPT_MAX + READ_BYTES].into(),
            plain: Vec::new(),
            encrypted: vec![0; WRITE_BYTES + OVERHEAD].into(),
        }))
    })
}

/// Reads what there is.
fn fetch(
    stream: &mut TcpStream,
    way: &mut Way<'_, '_>,
    into: &mut [u8],
) -> Poll<io::Result<usize>> {
    match way {
        Way::Task(cx) => {
            let mut buffer = ReadBuf::new(into);
            let polled = Pin::new(stream).poll_read(cx, &mut buffer);
            polled.map_ok(|()| buffer.filled().len())
        }
        Way::Now => at_once(rustix::io::read(stream, into)),
    }
}

/// Writes what the socket takes.
fn hand_out(
    stream: &mut TcpStream,
    way: &mut Way<'_, '_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    match way {
        Way::Task(cx) => Pin::new(stream).poll_write(cx, bytes),
        Way::Now => at_once(rustix::net::send(stream, bytes, rustix::net::SendFlags::NOSIGNAL)),
    }
}

fn at_once(result: rustix::io::Result<usize>) -> Poll<io::Result<usize>> {
    match result {
        Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => Poll::Pending,
        result => Poll::Ready(result.map_err(io::Error::from)),
    }
}

/// The session's error as one of the connection.
fn refused(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
