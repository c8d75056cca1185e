//! A client of the server in the server: commands of one HTTP session run on a connection of its
//! own, over a pair of sockets whose other end a worker has. So they pass every gate that a
//! client's do, and CLIENT LIST shows and CLIENT KILL ends them.
//!
//! ```text
//!   HTTP thread: request --> queue --> task --> socket === socket --> worker
//!                        <-- replies ------ scanner <----
//! ```
//!
//! One task writes and reads. What waits for it may give up; the task then reads the replies all
//! the same, so that the next ones are the right ones.

use crate::clients::address::Address;
use crate::frontends::http::reply::Scanner;
use std::io;
use std::os::unix::net::UnixStream as Pair;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::ReadHalf;
use tokio::sync::{Mutex, mpsc, oneshot};

/// Requests that wait for a session's connection at most.
const QUEUE: usize = 32;
/// All replies to a request together, in bytes: more is read and thrown away.
const REPLIES_MAX: usize = 8 << 20;
/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Gives one end of a pair of sockets to a worker, for a client at this address.
pub type Connect = Box<dyn Fn(Pair, Address) + Send + Sync>;

/// Why there are no replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The connection has ended.
    Gone,
    /// Too many requests wait for it.
    Crowded,
    /// The replies are too large.
    TooLarge,
    /// The database cannot be selected.
    NoDatabase,
}

/// Commands, and where their replies go.
struct Request {
    bytes: Vec<u8>,
    replies: usize,
    answer: oneshot::Sender<Result<Vec<Vec<u8>>, Failure>>,
}

/// A connection. It ends when this is dropped.
pub struct Link {
    requests: mpsc::Sender<Request>,
    /// The database that is selected; None while that is not known.
    db: Mutex<Option<usize>>,
}

impl Link {
    /// A new connection, as a client at this address.
    ///
    /// # Errors
    /// When the system has no sockets to give.
    pub fn open(connect: &Connect, addr: Address) -> io::Result<Link> {
        let (ours, theirs) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        let ours = UnixStream::from_std(ours)?;
        connect(theirs, addr);
        let (send, requests) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            // It ends with the connection, whose requests then find it gone.
            let _ = serve(ours, requests).await;
        });
        Ok(Link { requests: send, db: Mutex::new(Some(0)) })
    }

    /// Runs commands one after the other; returns the bytes of their replies.
    ///
    /// # Errors
    /// When there are none.
    pub async fn run(&self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Vec<u8>>, Failure> {
        let (answer, answered) = oneshot::channel();
        let request = Request { bytes: encode(commands), replies: commands.len(), answer };
        self.requests.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Failure::Crowded,
            mpsc::error::TrySendError::Closed(_) => Failure::Gone,
        })?;
        answered.await.unwrap_or(Err(Failure::Gone))
    }

    /// As [`Link::run`], in this database.
    ///
    /// # Errors
    /// As there, and when the database cannot be selected.
    pub async fn run_in(
        &self,
        db: usize,
        commands: &[Vec<Vec<u8>>],
    ) -> Result<Vec<Vec<u8>>, Failure> {
        let mut selected = self.db.lock().await;
        if *selected != Some(db) {
            // It stays unknown if this is given up before the reply.
            *selected = None;
            let select = vec![b"SELECT".to_vec(), db.to_string().into_bytes()];
            let replied = self.run(&[select]).await?;
            if replied.first().is_none_or(|reply| !reply.starts_with(b"+")) {
                return Err(Failure::NoDatabase);
            }
            *selected = Some(db);
        }
        self.run(commands).await
    }

    /// Whether the connection has ended.
    pub fn is_gone(&self) -> bool {
        self.requests.is_closed()
    }
}

/// Commands as clients send them.
fn encode(commands: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for args in commands {
        bytes.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
        for arg in args {
            bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            bytes.extend_from_slice(arg);
            bytes.extend_from_slice(b"\r\n");
        }
    }
    bytes
}

async fn serve(mut stream: UnixStream, mut requests: mpsc::Receiver<Request>) -> io::Result<()> {
    let mut input = Vec::new();
    let mut scanner = Scanner::default();
    loop {
        // A connection that ends between two requests ends the session, too.
        let request = tokio::select! {
            request = requests.recv() => request,
            _ = stream.readable() => match stream.try_read(&mut [0; 1]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                _ => return Ok(()),
            },
        };
        let Some(Request { bytes, replies, answer }) = request else { return Ok(()) };
        let (mut read, mut write) = stream.split();
        let answered = tokio::try_join!(
            write.write_all(&bytes),
            read_replies(&mut read, &mut input, &mut scanner, replies)
        );
        // The request may have been given up.
        match answered {
            Ok(((), all)) => drop(answer.send(all)),
            Err(error) => {
                drop(answer.send(Err(Failure::Gone)));
                return Err(error);
            }
        }
    }
}

/// Reads so many replies, whatever their size.
async fn read_replies(
    stream: &mut ReadHalf<'_>,
    input: &mut Vec<u8>,
    scanner: &mut Scanner,
    count: usize,
) -> io::Result<Result<Vec<Vec<u8>>, Failure>> {
    let (mut all, mut bytes, mut found) = (Vec::new(), 0, 0);
    let mut piece = vec![0; READ_BYTES];
    while found < count {
        match scanner.scan(input).map_err(|_| io::ErrorKind::InvalidData)? {
            Some(end) => {
                found += 1;
                bytes += end;
                let reply: Vec<u8> = input.drain(..end).collect();
                if bytes <= REPLIES_MAX {
                    all.push(reply);
                }
            }
            None => {
                let read = stream.read(&mut piece).await?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                input.extend_from_slice(&piece[..read]);
                if bytes + input.len() > REPLIES_MAX {
                    // What was looked at is not needed any more, but for a byte: a reply that is
                    // whole by now ends somewhere.
                    let gone = (scanner.looked_at().saturating_sub(1)).min(input.len());
                    input.drain(..gone);
                    scanner.forget(gone);
                    bytes += gone;
                }
            }
        }
    }
    Ok(if bytes > REPLIES_MAX { Err(Failure::TooLarge) } else { Ok(all) })
}
