//! A connection's task: reads what there is, runs it as a batch, lets the worker's other
//! connections read and run theirs, and writes all replies with one call.
//!
//! Bytes are read into the worker's buffer and requests run right there; only the beginning of a
//! request that is not whole yet is kept by the connection. So an idle connection holds no buffer.

use crate::clients::address::Address;
use crate::clients::client::{Arrival, ClientInfo, Hangup, MASTER, REPLICA};
use crate::clients::input_limits::UNAUTHENTICATED_READ;
use crate::dispatch::worker;
use crate::durability::Release;
use crate::frontends;
use crate::network::handover::Handover;
use crate::network::handshake;
use crate::network::large_writes::WriteTurn;
use crate::network::socket::{Accepted, Socket};
use crate::replication::replicas::said::Said;
use crate::replication::replicas::{Newcomer, Transport};
use crate::server::Server;
use crate::session::handlers::Handlers;
use crate::session::{Session, UNAUTHENTICATED_UNREAD};
use bytes::BufMut;
use parking_lot::Mutex;
use redstart_engine::keyspace::garbage::Garbage;
use redstart_protocol::Rest;
use std::future::poll_fn;
use std::io::{self, IoSlice, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// An output buffer beyond this size is given back to the allocator, in bytes.
const KEEP_BYTES: usize = 64 * 1024;
/// Input that is kept of a client while it waits in a command, in bytes.
const BLOCKED_INPUT_MAX: usize = 1 << 20;
/// Output that is written at a time, in bytes.
const WRITE_BYTES: usize = 256 * 1024;
/// The parts of one vectored write: what Linux takes at a time.
const PARTS_MAX: usize = 1024;

/// How long a request waits for memory that is about to be freed or saved before it is tried again.
const ROOM_PATIENCE: Duration = Duration::from_millis(1);
/// How long the last reply waits for a client that takes nothing of it.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// A connection. Its task holds the lock while it is polled. Only two others take it: `while_busy`,
/// while a script holds the worker up, and for a moment a thread that kills the client. So it is
/// nearly always free.
pub struct Connection {
    /// What is kept of the client. It is dropped before the socket: a client that sees the end of
    /// its connection listens to nothing any more.
    pub session: Session,
    /// The socket.
    pub stream: Socket,
    /// How much of its output is written, in bytes.
    pub written: usize,
}

impl Connection {
    /// Whether there is much to write.
    fn writes_much(&self) -> bool {
        self.session.out.len() - self.written > KEEP_BYTES || self.session.out.has_rest()
    }
}

/// How long CLIENT KILL waits for a connection that is being served on another worker. Two clients
/// that end each other wait for so long.
const END_PATIENCE: Duration = Duration::from_millis(5);

impl Hangup for Mutex<Connection> {
    fn hang_up(&self) {
        if let Some(mut connection) = self.try_lock_for(END_PATIENCE) {
            connection.stream.end();
        }
    }
}

/// How a connection's task ended.
enum Ended {
    /// With the connection.
    Gone,
    /// The connection is served elsewhere.
    Left,
}

/// What a connection's task does next.
struct Turn {
    /// The client has gone.
    ended: bool,
    /// There are replies to write.
    writes: bool,
    /// They are more than a little.
    is_large: bool,
    /// The connection ends behind them.
    closes: bool,
    /// There is more to read or to run, but others come first.
    pauses: bool,
    /// A request waits for room in memory.
    lacks_room: bool,
    /// How long the replies wait first.
    wait: Duration,
}

/// Takes a connection on: a task of its own serves it until it ends, and then calls `on_end` with
/// the client's id. None if the client is refused or has gone already; `on_end` is not called then.
pub fn start(
    server: &'static Server,
    handlers: &'static Handlers,
    mut handover: Handover,
    on_end: impl FnOnce(u64) + Send + 'static,
) -> Option<(u64, Arc<Mutex<Connection>>)> {
    let (memcached, master) = (handover.memcached, handover.master.take());
    // A connection that broke meanwhile needs no reply.
    let (stream, info) = admit(server, handover, master.is_some()).ok().flatten()?;
    let id = info.id;
    let leave = Leave { server, id, stays: false, on_end: Some(on_end) };
    let mut session = Session::new(server, handlers, info.clone());
    session.memcached = memcached.then(Box::default);
    if let Some(master) = master {
        session.follow(master);
    }
    let connection = Arc::new(Mutex::new(Connection { stream, session, written: 0 }));
    let hangup = Arc::downgrade(&connection);
    info.belongs_to(hangup);
    let served = connection.clone();
    tokio::spawn(async move {
        let mut leave = leave;
        leave.stays = matches!(serve(server, &served).await, Ok(Ended::Left));
    });
    Some((id, connection))
}

/// Serves a connection until it ends.
///
/// # Errors
/// When the socket fails.
async fn serve(server: &'static Server, connection: &Mutex<Connection>) -> io::Result<Ended> {
    let opens = matches!(connection.lock().stream, Socket::Tls(_));
    if opens {
        handshake::open(server, connection).await?;
    }
    loop {
        let turn = poll_fn(|cx| poll_turn(&mut connection.lock(), cx)).await?;
        if turn.ended {
            return Ok(Ended::Gone);
        }
        if !turn.wait.is_zero() {
            tokio::time::sleep(turn.wait).await;
        }
        if turn.closes && !turn.writes && connection.lock().session.leaves.is_some() {
            return depart(server, &mut connection.lock()).map(|()| Ended::Left);
        }
        if turn.writes {
            // Every connection that is ready is read before the first reply is written; but many
            // large replies at once are more than memory is for.
            if !turn.is_large
                && let Some(reads) = worker::with(|worker| worker.turns.should_wait())
            {
                tokio::task::yield_now().await;
                worker::with(|worker| worker.turns.waited(reads));
            }
            server.replication.nudge();
            if server.durability.holds_replies() {
                let mark = std::mem::take(&mut connection.lock().session.log_mark);
                if server.durability.release(mark).await == Release::Denied {
                    return Ok(Ended::Gone);
                }
            }
            if turn.closes && connection.lock().session.leaves.is_some() {
                flush(connection, false).await?;
                return depart(server, &mut connection.lock()).map(|()| Ended::Left);
            }
            if turn.closes && !turn.is_large {
                // A client that has read the last reply is not in CLIENT LIST any more.
                leave(server, &mut connection.lock().session);
            }
            flush(connection, turn.closes).await?;
            if turn.closes {
                leave(server, &mut connection.lock().session);
            }
        }
        if turn.lacks_room && server.evictor.is_crowded() {
            tokio::time::sleep(ROOM_PATIENCE).await;
        } else if turn.pauses {
            // Much input is taken in pieces, and others are served between them.
            tokio::task::yield_now().await;
        }
        if turn.closes {
            return linger(connection).await.map(|()| Ended::Gone);
        }
    }
}

/// Hands the connection of a client that has become a replica to the thread that serves these.
fn depart(server: &Server, connection: &mut Connection) -> io::Result<()> {
    let Connection { session, stream, .. } = connection;
    let Some(asks) = session.leaves.take() else { return Ok(()) };
    let departed = stream.depart()?;
    session.info.mark(REPLICA);
    server.replication.take_on(Newcomer {
        open: Box::new(move || Ok(Box::new(departed.arrive()?) as Box<dyn Transport>)),
        info: session.info.clone(),
        said: session.said.take().map_or_else(Said::default, |said| *said),
        asks,
    });
    Ok(())
}

/// Takes the client off all lists.
fn leave(server: &Server, session: &mut Session) {
    session.leave();
    server.clients.remove(session.info.id);
}

/// Writes all replies. A connection that ends behind them ends without them when the client takes
/// nothing for a while: nobody can see it any more, or end it.
async fn flush(connection: &Mutex<Connection>, closes: bool) -> io::Result<()> {
    loop {
        let all = if connection.lock().writes_much() {
            flush_piece(connection, closes).await?
        } else {
            let all = patiently(connection, closes, poll_flush).await?;
            all == Some(true)
        };
        if all {
            return Ok(());
        }
    }
}

/// Writes a piece of a large reply, or waits until the client takes one.
async fn flush_piece(connection: &Mutex<Connection>, closes: bool) -> io::Result<bool> {
    let turn = WriteTurn::begin().await;
    let piece = poll_fn(|cx| Poll::Ready(poll_flush(&mut connection.lock(), cx))).await;
    turn.end(!matches!(piece, Poll::Ready(Ok(true)))).await;
    if let Poll::Ready(all) = piece {
        return all;
    }
    patiently(connection, closes, poll_writable).await?;
    Ok(false)
}

/// Waits for the client as long as `f` does; if the connection `closes`, as long as the client
/// takes something now and then. None when that was too long for one try.
async fn patiently<T>(
    connection: &Mutex<Connection>,
    closes: bool,
    f: fn(&mut Connection, &mut Context<'_>) -> Poll<io::Result<T>>,
) -> io::Result<Option<T>> {
    let result = poll_fn(|cx| f(&mut connection.lock(), cx));
    if !closes {
        return result.await.map(Some);
    }
    let written = connection.lock().written;
    match tokio::time::timeout(LAST_PATIENCE, result).await {
        Ok(result) => result.map(Some),
        Err(_) if connection.lock().written > written => Ok(None),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Waits until the client takes something.
fn poll_writable(connection: &mut Connection, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    if connection.session.info.is_killed(cx.waker()) {
        return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
    }
    connection.stream.poll_writable(cx)
}

fn poll_turn(connection: &mut Connection, cx: &mut Context<'_>) -> Poll<io::Result<Turn>> {
    let Connection { stream, session, .. } = connection;
    // `while_busy` may have run requests, and left replies that the socket had no room for.
    let served = session.closing || !session.out.is_empty();
    let lives = served || ready!(poll_requests(stream, session, cx))?;
    // A client that was closed because it left too much unread gets none of it.
    let lives = lives && !(session.closing && session.info.is_ended());
    let writes = !session.out.is_empty();
    let pauses = session.input_waits || !writes && session.wanted > worker::READ_BYTES;
    let is_large = session.out.len() > KEEP_BYTES;
    let lacks_room = std::mem::take(&mut session.lacks_room);
    let closes = session.closing;
    let wait = std::mem::take(&mut session.wait);
    Poll::Ready(Ok(Turn { ended: !lives, writes, is_large, closes, pauses, lacks_room, wait }))
}

/// Removes the client from the list of clients and calls `on_end`, however its task ends.
struct Leave<F: FnOnce(u64)> {
    server: &'static Server,
    id: u64,
    /// Whether the client stays on the list, served elsewhere.
    stays: bool,
    on_end: Option<F>,
}

/// What the client has not read of a reply may be large.
impl Drop for Connection {
    fn drop(&mut self) {
        drop_later(self.session.server, self.session.out.take_rest());
    }
}

impl<F: FnOnce(u64)> Drop for Leave<F> {
    fn drop(&mut self) {
        if !self.stays {
            self.server.clients.remove(self.id);
        }
        if let Some(on_end) = self.on_end.take() {
            on_end(self.id);
        }
    }
}

/// Sets the socket up, or refuses the client.
fn admit(
    server: &Server,
    handover: Handover,
    is_master: bool,
) -> io::Result<Option<(Socket, Arc<ClientInfo>)>> {
    let Handover { stream, addr, memcached, .. } = handover;
    let refuse = |mut stream: Accepted, text: &str| {
        // Memcached's errors begin with another word than Redis's dash.
        let text = match text.strip_prefix('-') {
            Some(text) if memcached => format!("SERVER_ERROR {text}"),
            _ => text.to_owned(),
        };
        // A client that does not even take this has disconnected already.
        let _ = stream.write_all(text.as_bytes());
        Ok(None)
    };
    // Over TLS it is told why once it understands.
    let refuses = !is_master && server.clients.admission.refuses(&addr);
    if refuses && !matches!(stream, Accepted::Tls(_)) {
        return refuse(stream, DENIED);
    }
    let laddr = match stream.tcp() {
        Some(stream) => Address::Tcp(stream.local_addr()?),
        None => addr.clone(),
    };
    let fd = std::os::fd::AsRawFd::as_raw_fd(&stream);
    let now_ms = server.clock.now().mono_ms;
    let marks = if is_master { MASTER } else { 0 };
    let arrival = Arrival { addr, laddr, fd, now_ms, marks };
    let Some(info) = server.clients.add(arrival) else {
        return refuse(stream, "-ERR max number of clients reached\r\n");
    };
    let socket = set_up(server, stream).inspect_err(|_| server.clients.remove(info.id))?;
    Ok(Some((socket, info)))
}

fn set_up(server: &Server, stream: Accepted) -> io::Result<Socket> {
    if let Some(stream) = stream.tcp() {
        stream.set_nodelay(true)?;
        if let Some(idle) = server.clients.admission.keepalive() {
            let keepalive = socket2::TcpKeepalive::new()
                .with_time(idle)
                .with_interval(Duration::from_secs((idle.as_secs() / 3).max(1)));
            socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
        }
    }
    stream.register(server.tls)
}

/// What a client is told that `protected-mode` refuses.
pub const DENIED: &str = "-DENIED Redis is running in protected mode because protected mode is \
    enabled and no password is set for the default user. In this mode connections are only \
    accepted from the loopback interface. To connect from elsewhere, set a password with CONFIG \
    SET requirepass, bind only trusted interfaces, or set protected-mode to 'no'.\r\n";

/// Reads once and runs every whole request. False when the connection is at its end.
fn poll_requests(
    stream: &mut Socket,
    session: &mut Session,
    cx: &mut Context<'_>,
) -> Poll<io::Result<bool>> {
    if session.info.is_killed(cx.waker()) {
        return Poll::Ready(Ok(false));
    }
    // The reply that ends a wait is sent before the invalidations that its end has caused.
    if session.is_waiting()
        && worker::with(|worker| session.poll_wait(cx, &worker.local.stats)).is_ready()
    {
        if session.input_waits {
            worker::with(|worker| frontends::run_kept(session, worker));
        }
        return Poll::Ready(Ok(true));
    }
    if session.info.outbox.has_any() {
        worker::with(|worker| worker.lend(&mut session.out));
        if session.info.outbox.take(&mut session.out) {
            return Poll::Ready(Ok(true));
        }
    }
    if session.is_waiting() {
        return poll_while_waiting(stream, session, cx);
    }
    if session.input_waits {
        if session.work_apart() {
            return Poll::Ready(Ok(true));
        }
        worker::with(|worker| {
            worker.turns.resume();
            frontends::run_kept(session, worker);
        });
        return Poll::Ready(Ok(true));
    }
    if session.input.len() + session.wanted <= worker::READ_BYTES / 2 {
        return poll_shared(stream, session, cx);
    }
    session.reserve_input();
    // Polled once and dropped: the future holds nothing between polls.
    let mut piece = (&mut session.input).limit(worker::READ_BYTES);
    let read = ready!(pin!(stream.read_buf(&mut piece)).poll(cx))?;
    if read > 0 {
        // Requests that run now no longer count as input when clients are weighed.
        session.info.set_input(session.input.len());
        session.server.clients.evict_if_large(&session.info);
        if session.info.is_killed(cx.waker()) {
            return Poll::Ready(Ok(false));
        }
        worker::with(|worker| {
            worker.local.stats.read(read);
            worker.turns.read(session.info.id);
            frontends::run_kept(session, worker);
        });
    }
    Poll::Ready(Ok(read > 0 && input_fits(session)))
}

/// Whether what is kept of the client's input is not too much.
fn input_fits(session: &Session) -> bool {
    let limits = &session.server.clients.input_limits;
    !limits.exceeds(session.input.len(), session.authenticated)
}

/// Keeps what arrives while the client waits for something. A client that sends too much is not
/// read from, so that it is not seen to have gone either.
fn poll_while_waiting(
    stream: &mut Socket,
    session: &mut Session,
    cx: &mut Context<'_>,
) -> Poll<io::Result<bool>> {
    while session.input.len() < BLOCKED_INPUT_MAX {
        let read = worker::with(|worker| {
            let mut buffer = ReadBuf::new(&mut worker.input);
            let polled = Pin::new(&mut *stream).poll_read(cx, &mut buffer);
            session.input.extend_from_slice(buffer.filled());
            polled.map_ok(|()| buffer.filled().len())
        });
        let read = ready!(read)?;
        if read == 0 {
            return Poll::Ready(Ok(false));
        }
        session.input_waits = true;
        worker::with(|worker| worker.local.stats.read(read));
    }
    Poll::Pending
}

/// Reads into the worker's buffer, behind what is kept of an earlier read, and runs the requests
/// there.
fn poll_shared(
    stream: &mut Socket,
    session: &mut Session,
    cx: &mut Context<'_>,
) -> Poll<io::Result<bool>> {
    worker::with(|worker| {
        let mut input = std::mem::take(&mut worker.input);
        let kept = session.input.len();
        let most = if session.authenticated { input.len() } else { kept + UNAUTHENTICATED_READ };
        let mut buffer = ReadBuf::new(&mut input[kept..most]);
        let polled = Pin::new(stream).poll_read(cx, &mut buffer);
        let read = buffer.filled().len();
        if read > 0 {
            worker.local.stats.read(read);
            worker.turns.read(session.info.id);
            input[..kept].copy_from_slice(&session.input);
            session.input.clear();
            frontends::run_shared(session, worker, &mut input[..kept + read]);
        }
        worker.input = input;
        polled.map_ok(|()| read > 0 && (session.authenticated || input_fits(session)))
    })
}

/// Writes some of the replies that are not written yet. Returns whether that was the last of them.
fn poll_flush(connection: &mut Connection, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
    let Connection { stream, session, written } = connection;
    let total = session.out.len();
    let end = total.min(*written + WRITE_BYTES);
    while *written < end {
        if session.info.is_killed(cx.waker()) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let stream = Pin::new(&mut *stream);
        let polled = match session.out.contiguous() {
            Some(bytes) => stream.poll_write(cx, &bytes[*written..end]),
            None => {
                let mut left = end - *written;
                let pieces = session.out.pieces(*written).map_while(|piece| {
                    let part = &piece[..piece.len().min(left)];
                    left -= part.len();
                    (!part.is_empty()).then(|| IoSlice::new(part))
                });
                let parts: Vec<IoSlice<'_>> = pieces.take(PARTS_MAX).collect();
                stream.poll_write_vectored(cx, &parts)
            }
        };
        if polled.is_pending() {
            session.info.set_output(total - *written, session.out.own_len());
            session.server.clients.shed_output();
            if !session.authenticated && total - *written > UNAUTHENTICATED_UNREAD {
                session.info.close_for_output(total - *written);
            }
        }
        let taken = ready!(polled)?;
        *written += taken;
        worker::with(|worker| worker.local.stats.wrote(taken));
    }
    if *written < total {
        return Poll::Ready(Ok(false));
    }
    if session.out.has_rest() {
        *written = 0;
        if session.info.is_killed(cx.waker()) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        drop_later(session.server, session.out.refill());
        // A rest may grow before it writes anything.
        session.info.set_output(session.out.len(), session.out.own_len());
        session.server.clients.shed_output();
        return Poll::Ready(Ok(false));
    }
    if session.info.output_bytes.load(Relaxed) != 0 {
        session.info.set_output(0, 0);
    }
    session.out.clear();
    *written = 0;
    let buffer = std::mem::take(session.out.buf_mut());
    worker::with(|worker| {
        if buffer.capacity() <= KEEP_BYTES && worker.spare.len() < worker::SPARE_MAX {
            worker.spare.push(buffer);
        }
    });
    Poll::Ready(Ok(true))
}

/// Leaves what the rest of a reply was made of to the thread that drops what is large.
fn drop_later(server: &Server, rest: Option<Box<dyn Rest>>) {
    if let Some(rest) = rest {
        server.reclaimer.drop_later(vec![Garbage::Rest(rest)]);
    }
}

/// Ends a connection so that the last reply arrives: what the client still sends is read and
/// thrown away for a moment, because closing with unread input would reset the connection.
async fn linger(connection: &Mutex<Connection>) -> io::Result<()> {
    poll_fn(|cx| Pin::new(&mut connection.lock().stream).poll_shutdown(cx)).await?;
    let drain = async {
        let mut waste = [0u8; 4096];
        for _ in 0..1024 {
            let mut buffer = ReadBuf::new(&mut waste);
            let read =
                poll_fn(|cx| Pin::new(&mut connection.lock().stream).poll_read(cx, &mut buffer));
            if read.await.is_err() || buffer.filled().is_empty() {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(100), drain).await;
    Ok(())
}
