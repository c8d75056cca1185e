//! HTTP for people and for monitors: the dashboard, its API, `/metrics`, `/health` and `/ready`.
//!
//! ```text
//!   thread "http", one runtime       guard     Host and Origin: who asks
//!     accept --> connection task --> routes    which answer
//!     every second: sampler            api     the server's figures
//!                                      sessions, link, reply   commands, as a client
//!                                      assets  the page
//! ```
//!
//! Nothing here runs on a worker's thread. What the page does it does as a client, over a pair of
//! sockets (`link.rs`), with the rights of the user who has logged in. Everything is bounded:
//! connections, heads, bodies, replies, sessions, and how long each may take.
//!
//! Deliberately absent: encryption. The default is to listen on this machine alone; from elsewhere
//! it is reached through a tunnel or a proxy.

mod api;
mod assets;
mod guard;
mod io;
mod link;
mod reply;
mod routes;
mod sessions;

pub use link::Connect;

use crate::frontends::http::io::{Io, Timers};
use crate::frontends::http::sessions::Sessions;
use crate::report::history::History;
use crate::report::sampler::Sampler;
use crate::report::usage::Usage;
use crate::server::Server;
use crate::system::log;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use parking_lot::Mutex;
use redstart_config::{Config, Setting};
use std::io::{Error, Result};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::MissedTickBehavior;

/// Connections at a time; others are closed at once.
const CONNECTIONS_MAX: usize = 128;
/// Bytes of a request's head, and lines in it.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEAD_LINES_MAX: usize = 64;
/// How long a head may take to arrive, and how long a connection may be idle.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Threads for what may have to wait for a shard.
const HELPERS: usize = 2;

/// What answers are made of.
struct App {
    server: &'static Server,
    connect: Connect,
    /// Names that the server goes by beside its addresses.
    hosts: Vec<String>,
    /// Part of the cookie's name: cookies are shared by all ports of a host.
    port: u16,
    sessions: Sessions,
    past: Mutex<Past>,
}

/// What the sampler has read.
#[derive(Default)]
struct Past {
    history: History,
    usage: Option<Usage>,
}

/// Sockets that are bound, before requests are taken.
pub struct Bound(Vec<TcpListener>);

impl Bound {
    /// Binds what `http-port` and `http-bind` name; nothing where there is no port.
    ///
    /// # Errors
    /// When an address cannot be bound that may not be missing.
    pub fn new(config: &Config) -> Result<Bound> {
        let port = config.integer(Setting::HttpPort) as u16;
        let mut bound = Vec::new();
        if port == 0 {
            return Ok(Bound(bound));
        }
        for (addr, optional) in crate::server::settings::resolve(config.http_addresses())? {
            let addr = SocketAddr::new(addr, port);
            match listen_at(addr) {
                Ok(listener) => bound.push(listener),
                Err(_) if optional => {}
                Err(error) => {
                    let text = format!("Failed listening for HTTP at {addr}: {error}");
                    return Err(Error::new(error.kind(), text));
                }
            }
        }
        Ok(Bound(bound))
    }
}

fn listen_at(addr: SocketAddr) -> Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(CONNECTIONS_MAX as i32)?;
    Ok(socket.into())
}

/// Starts the thread, if there is anything to listen at. `connect` makes clients of the server.
///
/// # Errors
/// When the system has no thread to give.
pub fn start(server: &'static Server, bound: Bound, connect: Connect) -> Result<()> {
    let Some(first) = bound.0.first() else { return Ok(()) };
    let addr = first.local_addr()?;
    let (hosts, port) = (server.config.read().text(Setting::HttpHosts).to_vec(), addr.port());
    let hosts = String::from_utf8_lossy(&hosts).split_whitespace().map(str::to_owned).collect();
    let (sessions, past) = (Sessions::default(), Mutex::default());
    let app = App { server, connect, hosts, port, sessions, past };
    let app: &'static App = Box::leak(Box::new(app));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("http-helper")
        .max_blocking_threads(HELPERS)
        .build()?;
    let body = move || {
        log::never_block_this_thread();
        runtime.block_on(serve(app, bound.0));
    };
    std::thread::Builder::new().name("http".into()).spawn(body)?;
    log::notice(format_args!("The dashboard is at http://{addr}/"));
    Ok(())
}

/// Accepts connections, and samples once a second.
async fn serve(app: &'static App, listeners: Vec<TcpListener>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    for listener in listeners {
        match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => drop(tokio::spawn(accept(app, listener, room.clone()))),
            Err(error) => log::warning(format_args!("HTTP is not served: {error}")),
        }
    }
    sample(app).await;
}

async fn accept(app: &'static App, listener: tokio::net::TcpListener, room: Arc<Semaphore>) {
    loop {
        let Ok((stream, addr)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Without room the connection is closed here.
        if let Ok(place) = room.clone().try_acquire_owned() {
            tokio::spawn(converse(app, Io::new(stream), addr, place));
        }
    }
}

/// Serves one connection until it ends.
async fn converse(app: &'static App, io: Io, addr: SocketAddr, _place: OwnedSemaphorePermit) {
    let service = service_fn(move |request| routes::answer(app, addr, request));
    // How it ends concerns nobody else.
    let _ = http1::Builder::new()
        .timer(Timers)
        .header_read_timeout(HEAD_PATIENCE)
        .max_headers(HEAD_LINES_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(io, service)
        .await;
}

/// Reads the server's figures once a second, and ends sessions that nobody uses.
async fn sample(app: &'static App) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sampler = Some(Sampler::new(app.server));
    loop {
        second.tick().await;
        app.sessions.end_idle(app.server.clock.now().mono_ms);
        let Some(mut reader) = sampler.take() else { return };
        let read = tokio::task::spawn_blocking(move || (reader.sample(), reader)).await;
        let Ok((sample, reader)) = read else { return };
        sampler = Some(reader);
        // While a script holds a shard there is nothing to note.
        if let Ok((sample, usage)) = sample {
            let mut past = app.past.lock();
            past.history.push(&sample);
            past.usage = Some(usage);
        }
    }
}
