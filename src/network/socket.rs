//! Connections of any kind: TCP, plain or with TLS, and unix sockets.

use crate::network::tls::{self, TlsSocket, Way};
use crate::tls::Tls;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A connection that no runtime knows yet.
pub enum Accepted {
    /// Over TCP.
    Tcp(std::net::TcpStream),
    /// Over a unix socket.
    Unix(std::os::unix::net::UnixStream),
    /// Over TCP, with TLS to come.
    Tls(std::net::TcpStream),
}

impl Accepted {
    /// Registers the connection with this thread's runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch it, or it would be encrypted and there is nothing to do so by.
    pub fn register(self, tls: &Tls) -> io::Result<Socket> {
        match self {
            Accepted::Tcp(stream) => TcpStream::from_std(stream).map(Socket::Tcp),
            Accepted::Unix(stream) => UnixStream::from_std(stream).map(Socket::Unix),
            Accepted::Tls(stream) => {
                let encryption = tls.current().ok_or(io::ErrorKind::Unsupported)?;
                let socket = TlsSocket::new(TcpStream::from_std(stream)?, encryption)?;
                Ok(Socket::Tls(Box::new(socket)))
            }
        }
    }

    /// The socket, if it is one of TCP.
    pub fn tcp(&self) -> Option<&std::net::TcpStream> {
        match self {
            Accepted::Tcp(stream) | Accepted::Tls(stream) => Some(stream),
            Accepted::Unix(_) => None,
        }
    }
}

impl AsRawFd for Accepted {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Accepted::Tcp(stream) | Accepted::Tls(stream) => stream.as_raw_fd(),
            Accepted::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

impl io::Write for Accepted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Accepted::Tcp(stream) => stream.write(bytes),
            Accepted::Unix(stream) => stream.write(bytes),
            // A text that is not encrypted would be taken for a broken handshake.
            Accepted::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection that has left its worker, and that no runtime knows.
pub enum Departed {
    /// Over TCP.
    Tcp(std::net::TcpStream),
    /// Over a unix socket.
    Unix(std::os::unix::net::UnixStream),
    /// Over TCP with TLS.
    Tls(Box<tls::Departed>),
}

impl Departed {
    /// Registers the connection with this thread's runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn arrive(self) -> io::Result<Socket> {
        match self {
            Departed::Tcp(stream) => TcpStream::from_std(stream).map(Socket::Tcp),
            Departed::Unix(stream) => UnixStream::from_std(stream).map(Socket::Unix),
            Departed::Tls(stream) => Ok(Socket::Tls(Box::new(stream.arrive()?))),
        }
    }
}

/// A connection.
pub enum Socket {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
    /// Over TCP with TLS.
    Tls(Box<TlsSocket>),
}

impl Socket {
    /// Takes the connection out. What is left here is of no use, and ends nothing when it is
    /// dropped.
    ///
    /// # Errors
    /// When the system has no descriptor to give.
    pub fn depart(&mut self) -> io::Result<Departed> {
        match self {
            Socket::Tcp(stream) => Ok(Departed::Tcp(stream.as_fd().try_clone_to_owned()?.into())),
            Socket::Unix(stream) => Ok(Departed::Unix(stream.as_fd().try_clone_to_owned()?.into())),
            Socket::Tls(stream) => Ok(Departed::Tls(Box::new(stream.depart()?))),
        }
    }

    /// Reads what there is, without waiting and without the runtime's knowledge.
    ///
    /// # Errors
    /// When there is nothing.
    pub fn read_now(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Socket::Tls(stream) = self else { return Ok(rustix::io::read(self, into)?) };
        let mut buffer = ReadBuf::new(into);
        match stream.read(&mut Way::Now, &mut buffer) {
            Poll::Ready(read) => read.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Waits until the socket takes something.
    ///
    /// # Errors
    /// When the connection has failed.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(stream) => stream.poll_write_ready(cx),
            Socket::Unix(stream) => stream.poll_write_ready(cx),
            Socket::Tls(stream) => stream.poll_writable(cx),
        }
    }

    /// Shuts the connection down, so that the client sees its end.
    pub fn end(&mut self) {
        if let Socket::Tls(stream) = self {
            return stream.end();
        }
        // A client that has disconnected already is no error.
        let _ = rustix::net::shutdown(&*self, rustix::net::Shutdown::Both);
    }

    /// Writes as much as the socket takes, without waiting and without the runtime's knowledge.
    ///
    /// # Errors
    /// When it takes nothing.
    pub fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Socket::Tls(stream) = self else {
            return Ok(rustix::net::send(&*self, bytes, rustix::net::SendFlags::NOSIGNAL)?);
        };
        match stream.write(&mut Way::Now, std::iter::once(bytes)) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(stream) => stream.as_fd(),
            Socket::Unix(stream) => stream.as_fd(),
            Socket::Tls(stream) => stream.as_fd(),
        }
    }
}

impl AsyncRead for Socket {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, into),
            Socket::Tls(stream) => stream.read(&mut Way::Task(cx), into),
        }
    }
}

impl AsyncWrite for Socket {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Tls(stream) => stream.write(&mut Way::Task(cx), std::iter::once(bytes)),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Socket::Tls(stream) => {
                stream.write(&mut Way::Task(cx), parts.iter().map(|part| &**part))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Tls(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => stream.poll_shutdown(cx),
        }
    }
}
