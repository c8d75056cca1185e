//! What all workers share, and how it all starts: listeners, workers, signals.

pub mod settings;

use crate::clients::Clients;
use crate::clients::pause::{self, Pause};
use crate::commands::Handlers;
use crate::dispatch::worker;
use crate::durability::{self, Durability};
use crate::memory::evict::Evictor;
use crate::memory::reclaim::Reclaimer;
use crate::metrics::latency::Monitor;
use crate::metrics::rates::{Rates, Sums};
use crate::metrics::slowlog::Slowlog;
use crate::metrics::timing::Short;
use crate::network::listen::{Bound, Listeners, Rebinder};
use crate::network::socket::{Accepted, Address};
use crate::notify::invalidation::Tracking;
use crate::notify::monitor::Monitors;
use crate::notify::pubsub::PubSub;
use crate::system::clock::Clock;
use crate::system::supervisor;
use parking_lot::{Mutex, RwLock};
use redstart_config::{Config, Setting};
use redstart_engine::stats::Stats;
use redstart_engine::{Engine, Registry};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc};

/// What all workers share.
pub struct Server {
    /// Keys and values.
    pub engine: &'static Engine,
    /// The command table.
    pub registry: &'static Registry,
    /// The session commands' handlers, by command id.
    pub handlers: &'static Handlers,
    /// Connected clients.
    pub clients: &'static Clients,
    /// Channels.
    pub pubsub: &'static PubSub,
    /// Who is shown all commands.
    pub monitors: &'static Monitors,
    /// Watches that have ended but are still noted.
    pub unwatched: &'static crate::session::transaction::Remains,
    /// Who keeps copies of keys.
    pub tracking: &'static Tracking,
    /// Scripts and functions.
    pub scripts: &'static crate::scripting::store::Store,
    /// Every worker's counters.
    pub stats: &'static [Arc<Stats>],
    /// How often every worker came around between two requests.
    pub beats: &'static [AtomicU64],
    /// The clocks.
    pub clock: &'static Clock,
    /// Settings.
    pub config: &'static RwLock<Config>,
    /// What the hot path needs of the settings.
    pub live: &'static Live,
    /// Drops what takes long to drop.
    pub reclaimer: &'static Reclaimer,
    /// Forty hexadecimal digits, new at every start.
    pub run_id: String,
    /// The port that is served.
    pub port: u16,
    /// Error replies by their first word.
    pub errors: &'static Mutex<std::collections::BTreeMap<Vec<u8>, u64>>,
    /// The most memory in use that INFO has seen, in bytes.
    pub memory_peak: AtomicUsize,
    /// How much is going on.
    pub rates: &'static Rates,
    /// Keeps within `maxmemory`.
    pub evictor: &'static Evictor,
    /// Changes where clients connect.
    pub rebinder: &'static Rebinder,
    /// Which commands are short.
    pub short: &'static Short,
    /// The commands that were slow.
    pub slowlog: &'static Slowlog,
    /// What made clients wait.
    pub latency: &'static Monitor,
    /// What is kept on disk.
    pub durability: &'static Durability,
    /// The pause of commands, if there is one.
    pub pause: &'static Pause,
    stop: Notify,
}

/// Settings that are read per request or per connection, without a lock.
#[derive(Default)]
pub struct Live {
    /// Whether a password is asked for.
    pub password_set: AtomicBool,
    /// The most clients.
    pub maxclients: AtomicUsize,
    /// The longest argument in bytes.
    pub bulk_bytes_max: AtomicUsize,
    /// The most input that a client may let pile up, in bytes.
    pub input_bytes_max: AtomicUsize,
    /// The most memory that all clients together may take, in bytes; zero is no limit.
    pub clients_bytes_max: AtomicUsize,
    /// Keepalive probes of client sockets, in seconds; zero is none.
    pub keepalive_s: AtomicUsize,
    /// Whether clients from elsewhere are refused while nobody set a password.
    pub protected: AtomicBool,
    /// Seconds after which an idle client is closed; zero is never.
    pub timeout_s: AtomicU64,
    /// From how long on a script is too long, in milliseconds.
    pub busy_ms: AtomicU64,
    /// From how long on a command may be slow, in nanoseconds.
    pub slow_ns: AtomicU64,
    /// From how long on a command goes to the slow log, in microseconds; negative is never.
    pub slower_us: AtomicI64,
    /// From how long on the latency monitor notes something, in milliseconds; zero is never.
    pub latency_threshold_ms: AtomicU64,
    /// Whether the latencies of commands are counted.
    pub tracks_latency: AtomicBool,
    /// Whether expired keys are left alone until they are asked for (DEBUG SET-ACTIVE-EXPIRE).
    pub expiry_waits: AtomicBool,
    /// Whether scripts may use DEBUG, for tests of them.
    pub scripts_debug: AtomicBool,
}

/// A connection on its way to a worker.
pub struct Handover {
    /// The socket.
    pub stream: Accepted,
    /// Where the client is.
    pub addr: Address,
}

/// A worker as the acceptor sees it.
pub struct WorkerHandle {
    /// Takes connections.
    pub queue: mpsc::UnboundedSender<Handover>,
    /// How many connections the worker has.
    pub load: Arc<AtomicUsize>,
}

impl Server {
    /// Asks the server to stop; [`serve`] then returns.
    pub fn shutdown(&self) {
        self.stop.notify_one();
    }

    /// What clients gate their features on.
    pub fn redis_version(&self) -> String {
        let config = self.config.read();
        String::from_utf8_lossy(config.text(Setting::RedisVersion)).into_owned()
    }

    /// Notes how much has happened by now.
    fn sample_rates(&self) {
        let mut sums = Sums::default();
        for stats in self.stats {
            sums.commands += stats.commands();
            sums.input_bytes += stats.net_input_bytes.value();
            sums.output_bytes += stats.net_output_bytes.value();
        }
        self.rates.sample(self.clock.now().mono_ms, sums);
    }

    /// Closes clients that have been idle for longer than `timeout`; those that listen may be.
    fn close_idle(&self) {
        let timeout_ms = self.live.timeout_s.load(Ordering::Relaxed).saturating_mul(1000);
        if timeout_ms == 0 {
            return;
        }
        let now_ms = self.clock.now().mono_ms;
        for client in self.clients.all() {
            let idle_ms = now_ms.saturating_sub(client.active_ms.load(Ordering::Relaxed));
            if idle_ms > timeout_ms && client.may_time_out() {
                client.kill();
            }
        }
    }

    /// Closes clients if this one takes more than all may together.
    pub fn evict_if_large(&self, client: &crate::clients::ClientInfo) {
        let bytes_max = self.live.clients_bytes_max.load(Ordering::Relaxed);
        if bytes_max > 0 && client.memory() > bytes_max {
            self.clients.evict(bytes_max);
        }
    }

    /// Closes clients when they take more memory than `maxmemory-clients`.
    pub fn evict_clients(&self) {
        let bytes_max = self.live.clients_bytes_max.load(Ordering::Relaxed);
        if bytes_max != 0 {
            self.clients.evict(bytes_max);
        }
    }

    /// Sets the counters that INFO tells back to zero.
    pub fn reset_stats(&self) {
        self.stats.iter().for_each(|stats| stats.reset());
        self.errors.lock().clear();
        self.clients.accepted.store(0, Ordering::Relaxed);
        self.clients.rejected.store(0, Ordering::Relaxed);
        self.clients.too_long.store(0, Ordering::Relaxed);
        self.clients.evicted.store(0, Ordering::Relaxed);
        self.clients.limits.closed.store(0, Ordering::Relaxed);
        self.durability.reset_stats();
    }

    /// The settings that the hot path reads follow the configuration.
    pub fn apply_config(&self) {
        let config = self.config.read();
        crate::server::settings::apply(&config, self);
    }
}

/// Starts everything and serves until SHUTDOWN or a signal.
///
/// # Errors
/// When an address cannot be bound or a thread cannot be started.
pub fn serve(config: Config) -> io::Result<()> {
    let settings = crate::server::settings::Startup::of(&config)?;
    crate::system::log::start()?;
    let bound = Bound::new(&settings)?;
    let registry = crate::commands::registry();
    let threads = settings.threads;
    let stats: Vec<_> = (0..threads).map(|_| Arc::new(Stats::new(registry.len()))).collect();
    let short = Short::of(&registry);
    let mut random = fastrand::Rng::new();
    // The server lives as long as the process: no reference to it is ever counted.
    let server: &'static Server = leak(Server {
        engine: leak(Engine::new(crate::system::random::seed()?)),
        handlers: leak(Handlers::of(&registry)),
        registry: leak(registry),
        clients: leak(Clients::default()),
        pubsub: leak(PubSub::default()),
        monitors: leak(Monitors::default()),
        unwatched: leak(Default::default()),
        tracking: leak(Tracking::default()),
        scripts: leak(Default::default()),
        stats: leak(stats),
        beats: leak((0..threads).map(|_| AtomicU64::new(0)).collect::<Vec<_>>()),
        clock: leak(Clock::start()),
        config: leak(RwLock::new(config)),
        live: leak(Live::default()),
        reclaimer: leak(Reclaimer::default()),
        run_id: (0..40).map(|_| char::from(b"0123456789abcdef"[random.usize(..16)])).collect(),
        port: settings.port,
        errors: leak(Mutex::default()),
        memory_peak: AtomicUsize::new(0),
        rates: leak(Rates::default()),
        evictor: leak(Evictor::default()),
        rebinder: leak(Rebinder::default()),
        short: leak(short),
        slowlog: leak(Slowlog::default()),
        latency: leak(Monitor::default()),
        durability: leak(Durability::default()),
        pause: leak(Pause::default()),
        stop: Notify::new(),
    });
    crate::server::settings::apply_once(&server.config.read(), &server.engine.options);
    server.apply_config();
    tell_start(server);
    server.engine.keyspace.busy.watch(move || crate::network::while_busy::serve(server));
    crate::memory::reclaim::start(server)?;
    durability::start(server)?;
    durability::follow_config(server)?;
    let workers = (0..threads)
        .map(|index| worker::spawn(server, index, threads))
        .collect::<io::Result<Vec<_>>>()?;
    start_accepting(server, bound, workers)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        // Clients are told meanwhile that data is being loaded.
        let loading = tokio::task::spawn_blocking(move || durability::load(server));
        tokio::select! {
            loaded = loading => loaded?.map_err(io::Error::other)?,
            () = signals.ending(server) => exit_while_loading(),
        }
        crate::system::log::notice(format_args!(
            "Ready to accept connections on port {} with {threads} worker(s)",
            server.port
        ));
        supervisor::tell(&server.config.read(), "READY=1\nSTATUS=Ready to accept connections\n");
        until_stopped(server, signals).await
    });
    crate::system::log::flush();
    ended
}

/// A part of the server, for as long as the process lives.
fn leak<T>(part: T) -> &'static T {
    Box::leak(Box::new(part))
}

/// Starts the thread that takes connections, and lets paused ones go on. The main thread loads,
/// saves at the end and writes the log, and so may have to wait for a disk.
fn start_accepting(
    server: &'static Server,
    bound: Bound,
    workers: Vec<Arc<WorkerHandle>>,
) -> io::Result<()> {
    let (requests, rebinds) = mpsc::unbounded_channel();
    server.rebinder.connect(requests);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listeners = {
        let _entered = runtime.enter();
        Listeners::start(bound, workers)?
    };
    runtime.spawn(pause::watch(server));
    let body = move || {
        crate::system::log::serves();
        runtime.block_on(rebind(listeners, rebinds));
    };
    std::thread::Builder::new().name("accept".into()).spawn(body).map(drop)
}

/// Says who is about to serve; what starts servers looks for the process's id in it.
fn tell_start(server: &Server) {
    let version = env!("CARGO_PKG_VERSION");
    let (port, id) = (server.port, std::process::id());
    crate::system::log::notice(format_args!("Redstart {version} starts, port: {port}, PID: {id}"));
}

/// Listens elsewhere when CONFIG SET says so.
async fn rebind(
    mut listeners: Listeners,
    mut rebinds: mpsc::UnboundedReceiver<crate::network::listen::Request>,
) {
    while let Some((settings, answer)) = rebinds.recv().await {
        // Who asked may have lost patience.
        let _ = answer.send(listeners.rebind(&settings).await);
    }
}

/// Ends as a parameter says; false when that is not possible. An interrupt meanwhile ends it at
/// once.
async fn on_signal(server: &'static Server, setting: Setting, interrupt: &mut Signal) -> bool {
    let flags = server.config.read().flags(setting).to_vec();
    let save = match () {
        () if flags.contains(&"save") => Some(true),
        () if flags.contains(&"nosave") => Some(false),
        () => None,
    };
    let how = durability::How { save, force: flags.contains(&"force") };
    let ending = tokio::task::spawn_blocking(move || durability::shutdown(server, how));
    tokio::select! {
        ended = ending => ended.unwrap_or(false),
        _ = interrupt.recv() => exit_at_once(),
    }
}

/// Ends the process although it saves: the last snapshot and the log stay as they were.
fn exit_at_once() -> ! {
    crate::system::log::warning("You insist... exiting now.");
    crate::system::log::flush();
    std::process::exit(1)
}

/// What may end the server from outside.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Held and never asked: a server outlives the terminal that it was started from.
    _hangup: Signal,
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until somebody wants the server to end.
    async fn ending(&mut self, server: &Server) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            () = server.stop.notified() => {}
        }
    }
}

/// Ends the process while data is being loaded: there is nothing to save, and who loads is not
/// waited for.
fn exit_while_loading() -> ! {
    crate::system::log::warning("Asked to end while data is being loaded, exiting now.");
    crate::system::log::flush();
    std::process::exit(0)
}

async fn until_stopped(server: &'static Server, mut signals: Signals) -> io::Result<()> {
    let Signals { terminate, interrupt, .. } = &mut signals;
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(100));
    loop {
        tokio::select! {
            _ = terminate.recv() => {
                if on_signal(server, Setting::ShutdownOnSigterm, interrupt).await {
                    break;
                }
            }
            _ = interrupt.recv() => {
                if on_signal(server, Setting::ShutdownOnSigint, interrupt).await {
                    break;
                }
            }
            () = server.stop.notified() => break,
            _ = tick.tick() => {
                server.clock.follow_wall();
                server.sample_rates();
                server.close_idle();
                crate::clients::output_limits::tick(server);
                server.evict_clients();
                durability::tick(server);
            }
        }
    }
    supervisor::tell(&server.config.read(), "STOPPING=1\n");
    crate::system::log::warning("Redstart is now ready to exit, bye bye...");
    Ok(())
}
