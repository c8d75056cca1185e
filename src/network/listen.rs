//! Where clients connect: the addresses of `bind`, each with one port or two, the unix socket, and
//! how both follow CONFIG SET.
//!
//! Listeners live on a thread of their own. A worker that runs CONFIG SET sends it a request
//! (`server/rebinder.rs`) and waits, so that the reply is true: either the server listens at the
//! new addresses, or nothing has changed.

use crate::clients::address::Address;
use crate::network::handover::{Handover, WorkerHandle};
use crate::network::socket::Accepted;
use crate::replication::link::stream::Master;
use crate::replication::link::wire::Plug;
use crate::server::settings::{Place, Startup, Talk};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The listeners of the server.
pub struct Listeners {
    workers: Vec<Arc<WorkerHandle>>,
    tcp: Vec<(Place, JoinHandle<()>)>,
}

/// Addresses that are bound, before connections are accepted.
pub struct Bound {
    tcp: Vec<(Place, TcpListener)>,
    unix: Option<(Arc<str>, UnixListener)>,
}

impl Bound {
    /// Binds everything that the settings name.
    ///
    /// # Errors
    /// When an address cannot be bound that may not be missing.
    pub fn new(settings: &Startup) -> io::Result<Bound> {
        Ok(Bound { tcp: bind(settings, &[])?, unix: unix(settings)? })
    }

    /// Where clients reach the server, for people.
    pub fn places(&self) -> String {
        let tcp = self.tcp.iter().map(|(place, _)| format!("{}{}", place.addr, spoken(place.talk)));
        let unix = self.unix.iter().map(|(path, _)| path.to_string());
        let places: Vec<String> = tcp.chain(unix).collect();
        if places.is_empty() { "no address".to_owned() } else { places.join(", ") }
    }
}

impl Listeners {
    /// Accepts connections from now on; on the runtime that has been entered.
    ///
    /// # Errors
    /// When the runtime cannot watch a listener.
    pub fn start(bound: Bound, workers: Vec<Arc<WorkerHandle>>) -> io::Result<Listeners> {
        let mut listeners = Listeners { workers, tcp: Vec::new() };
        listeners.add(bound.tcp)?;
        if let Some((path, listener)) = bound.unix {
            let listener = tokio::net::UnixListener::from_std(listener)?;
            tokio::spawn(accept_unix(path, listener, listeners.workers.clone()));
        }
        Ok(listeners)
    }

    fn add(&mut self, bound: Vec<(Place, TcpListener)>) -> io::Result<()> {
        for (place, listener) in bound {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let accepting = accept(listener, place.talk, self.workers.clone());
            self.tcp.push((place, tokio::spawn(accepting)));
        }
        Ok(())
    }

    /// Listens where the settings say; where it already does, it goes on.
    ///
    /// # Errors
    /// When an address cannot be bound; it then listens where it did.
    pub async fn rebind(&mut self, settings: &Startup) -> io::Result<()> {
        let wanted = settings.places();
        let (kept, old): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.tcp).into_iter().partition(|(place, _)| place.is_in(&wanted));
        self.tcp = kept;
        // An old address may block a new one: `*` blocks each single address.
        let mut closed = Vec::new();
        for (place, task) in old {
            task.abort();
            // The result says only that it was aborted.
            let _ = task.await;
            closed.push(Place { optional: false, ..place });
        }
        let known: Vec<Place> = self.tcp.iter().map(|(place, _)| *place).collect();
        match bind(settings, &known).and_then(|bound| self.add(bound)) {
            Ok(()) => Ok(()),
            Err(error) => {
                let again = bind_all(&closed, settings.backlog, &[]);
                again.and_then(|bound| self.add(bound))?;
                Err(error)
            }
        }
    }
}

fn bind(settings: &Startup, known: &[Place]) -> io::Result<Vec<(Place, TcpListener)>> {
    bind_all(&settings.places(), settings.backlog, known)
}

/// Binds places that are not known already; one of the optional ones may be missing.
fn bind_all(
    places: &[Place],
    backlog: i32,
    known: &[Place],
) -> io::Result<Vec<(Place, TcpListener)>> {
    let mut bound = Vec::new();
    for place in places.iter().filter(|place| !place.is_in(known)) {
        let addr = place.addr;
        match listen_at(addr, backlog) {
            Ok(listener) => bound.push((*place, listener)),
            Err(_) if place.optional && !(bound.is_empty() && known.is_empty()) => {}
            Err(error) => {
                let port = addr.port();
                let remedy = match error.kind() {
                    io::ErrorKind::AddrInUse => ". Another server is there: use another port",
                    io::ErrorKind::AddrNotAvailable => ". This machine does not have it (bind)",
                    io::ErrorKind::PermissionDenied => ". Only root may: use a port above 1023",
                    _ => "",
                };
                let text = format!("Failed listening on port {port}, at {addr}: {error}{remedy}");
                return Err(io::Error::new(error.kind(), text));
            }
        }
    }
    Ok(bound)
}

fn listen_at(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Binds the unix socket, if there is to be one; what an earlier run left is removed.
fn unix(settings: &Startup) -> io::Result<Option<(Arc<str>, UnixListener)>> {
    use socket2::{Domain, SockAddr, Socket, Type};
    let Some(path) = &settings.unix_path else { return Ok(None) };
    let named = |error: io::Error| {
        io::Error::new(error.kind(), format!("could not listen on {path}: {error}"))
    };
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path).map_err(named)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    bind_with_mode(&socket, &SockAddr::unix(path)?, settings.unix_mode).map_err(named)?;
    socket.listen(settings.backlog).map_err(named)?;
    Ok(Some((path.as_str().into(), socket.into())))
}

/// Makes the socket's file with its permissions; zero leaves them to the system. They are never
/// others, and no other file can get them that somebody puts in its place.
fn bind_with_mode(socket: &socket2::Socket, at: &socket2::SockAddr, mode: u32) -> io::Result<()> {
    use rustix::fs::Mode;
    if mode == 0 {
        return socket.bind(at);
    }
    let all = Mode::RWXU | Mode::RWXG | Mode::RWXO;
    let before = rustix::process::umask(all - Mode::from_raw_mode(mode as _));
    let bound = socket.bind(at);
    rustix::process::umask(before);
    bound
}

/// What is spoken at a place, behind its address.
fn spoken(talk: Talk) -> &'static str {
    match talk {
        Talk::Plain => "",
        Talk::Tls => " (TLS)",
        Talk::Memcached => " (memcached)",
    }
}

/// Gives every new connection to the least loaded worker.
async fn accept(listener: tokio::net::TcpListener, talk: Talk, workers: Vec<Arc<WorkerHandle>>) {
    let kind = if talk == Talk::Tls { Accepted::Tls } else { Accepted::Tcp };
    let memcached = talk == Talk::Memcached;
    loop {
        match listener.accept().await {
            Ok((stream, addr)) => {
                if let Ok(stream) = stream.into_std() {
                    hand_over(&workers, kind(stream), Address::Tcp(addr), memcached);
                }
            }
            Err(_) => pause().await,
        }
    }
}

async fn accept_unix(
    path: Arc<str>,
    listener: tokio::net::UnixListener,
    workers: Vec<Arc<WorkerHandle>>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Ok(stream) = stream.into_std() {
                    let addr = Address::Unix(path.clone());
                    hand_over(&workers, Accepted::Unix(stream), addr, false);
                }
            }
            Err(_) => pause().await,
        }
    }
}

/// Out of descriptors, or the client has disconnected: the next one may succeed.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// Gives the connection to this server's master to the least loaded worker.
pub fn hand_over_master(
    workers: &[Arc<WorkerHandle>],
    plug: Plug,
    addr: Address,
    master: Box<Master>,
) {
    let stream = match plug {
        Plug::Tcp(stream) => Accepted::Tcp(stream),
        Plug::Unix(stream) => Accepted::Unix(stream),
    };
    let (memcached, master) = (false, Some(master));
    let worker = least_loaded(workers);
    worker.load.fetch_add(1, Relaxed);
    let _ = worker.queue.send(Handover { stream, addr, memcached, master });
}

fn least_loaded(workers: &[Arc<WorkerHandle>]) -> &WorkerHandle {
    let least = workers.iter().min_by_key(|worker| worker.load.load(Relaxed));
    least.expect("there is at least one worker")
}

/// Gives a connection to the least loaded worker.
pub fn hand_over(workers: &[Arc<WorkerHandle>], stream: Accepted, addr: Address, memcached: bool) {
    let worker = least_loaded(workers);
    worker.load.fetch_add(1, Relaxed);
    // A worker ends only with the process.
    let _ = worker.queue.send(Handover { stream, addr, memcached, master: None });
}
