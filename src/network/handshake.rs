//! The beginning of a connection over TLS: the handshake, and the user that a certificate names.
//!
//! A handshake takes a processor longer than hundreds of requests. So a worker does one step of
//! one handshake at a time, and then serves all that are ready; and a client that does not get on
//! with its handshake is not waited for.

use crate::access::log::{Place, Refused};
use crate::dispatch::rights::{self, What};
use crate::network::connection::{Connection, DENIED};
use crate::network::socket::Socket;
use crate::network::tls::{TlsSocket, Way};
use crate::server::Server;
use crate::session::Session;
use crate::system::log;
use crate::tls::{UserIn, certificate};
use parking_lot::Mutex;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

/// How long a handshake may take from the first to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often failed handshakes are logged at most, in milliseconds.
const LOG_MS: u64 = 1000;

thread_local! {
    /// Whose turn it is. It lives as long as its thread, which is as long as the process.
    static TURNS: &'static Semaphore = Box::leak(Box::new(Semaphore::new(1)));
}

/// Waits for the end of the handshake.
///
/// # Errors
/// When it fails or takes too long.
pub async fn open(server: &Server, connection: &Mutex<Connection>) -> io::Result<()> {
    let opened = tokio::time::timeout(PATIENCE, step_by_step(connection)).await;
    let opened = opened.unwrap_or_else(|_| Err(io::Error::other("the client took too long")));
    if let Err(error) = &opened {
        note_failure(server, connection, error);
    }
    opened
}

async fn step_by_step(connection: &Mutex<Connection>) -> io::Result<()> {
    loop {
        poll_fn(|cx| poll_more(&mut connection.lock(), cx)).await?;
        let turns = TURNS.with(|turns| *turns);
        // The semaphore is never closed.
        let turn = turns.acquire().await.ok();
        let step = poll_fn(|cx| Poll::Ready(step(&mut connection.lock(), &mut Way::Task(cx))));
        let step = step.await;
        yield_now().await;
        drop(turn);
        if let Poll::Ready(result) = step {
            return result;
        }
    }
}

/// Waits until there is something to do.
fn poll_more(connection: &mut Connection, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let Connection { stream, session, .. } = connection;
    if session.info.is_killed(cx.waker()) {
        return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
    }
    match stream {
        Socket::Tls(stream) if stream.is_opening() => stream.poll_more(cx),
        _ => Poll::Ready(Ok(())),
    }
}

/// Does what there is to do; ready when the handshake is over.
fn step(connection: &mut Connection, way: &mut Way<'_, '_>) -> Poll<io::Result<()>> {
    let Connection { stream, session, .. } = connection;
    let Socket::Tls(stream) = stream else { return Poll::Ready(Ok(())) };
    if !stream.opens {
        return Poll::Ready(Ok(()));
    }
    let opened = stream.open(way);
    if matches!(opened, Poll::Ready(Ok(()))) {
        stream.opens = false;
        begin(stream, session);
    }
    opened
}

/// Whether a connection is beyond its handshake; goes on with it without waiting.
pub fn is_over(connection: &mut Connection) -> bool {
    if !matches!(&connection.stream, Socket::Tls(stream) if stream.opens) {
        return true;
    }
    // One that has failed is left to its task.
    let is_over = matches!(step(connection, &mut Way::Now), Poll::Ready(Ok(())));
    if is_over {
        connection.session.info.wake();
    }
    is_over
}

/// The client is there: it may be somebody, or not wanted.
fn begin(stream: &TlsSocket, session: &mut Session) {
    if session.server.clients.admission.refuses(&session.info.addr) {
        session.out.buf_mut().extend_from_slice(DENIED.as_bytes());
        session.closing = true;
        return;
    }
    let Some(shown) = stream.certificate() else { return };
    let names = match stream.encryption.user_in {
        UserIn::Nothing => return,
        UserIn::CommonName => certificate::common_name(shown).into_iter().collect(),
        UserIn::Uri => certificate::uris(shown),
    };
    let found = names.iter().find_map(|name| session.access.find(name).filter(|user| user.enabled));
    match (found, names.first()) {
        (Some(user), _) => session.become_user(user),
        (None, Some(name)) => {
            let what =
                What { refused: Refused::Certificate, place: Place::Request, object: Vec::new() };
            rights::note(session.server, &session.info, what, name);
        }
        (None, None) => {}
    }
}

/// Logs why a handshake failed. Of many one is logged now and then: anyone can make them fail.
fn note_failure(server: &Server, connection: &Mutex<Connection>, error: &io::Error) {
    static LOGGED_MS: AtomicU64 = AtomicU64::new(0);
    static SILENT: AtomicU64 = AtomicU64::new(0);
    let (now_ms, last_ms) = (server.clock.now().mono_ms, LOGGED_MS.load(Relaxed));
    if last_ms != 0 && now_ms.saturating_sub(last_ms) < LOG_MS {
        SILENT.fetch_add(1, Relaxed);
        return;
    }
    LOGGED_MS.store(now_ms.max(1), Relaxed);
    let addr = &connection.lock().session.info.addr;
    let others = match SILENT.swap(0, Relaxed) {
        0 => String::new(),
        count => format!(" ({} before it)", log::counted(count, "other")),
    };
    log::notice(format_args!("TLS handshake with {addr} failed: {error}{others}"));
}
