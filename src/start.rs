//! The wiring: makes the parts of the server, hands each what it needs, starts the threads, and
//! ends with a signal or SHUTDOWN.

use crate::access::Access;
use crate::clients::Clients;
use crate::clients::pause::Pause;
use crate::commands;
use crate::dispatch::replay::Replayer;
use crate::durability::keyring::Keyring;
use crate::durability::{Durability, Ending, FinalSave, Parts};
use crate::frontends::http;
use crate::memory::evict::Evictor;
use crate::memory::reclaim::Reclaimer;
use crate::memory::watermarks::Watermarks;
use crate::metrics::errors::Errors;
use crate::metrics::latency::LatencyEvents;
use crate::metrics::rates::Rates;
use crate::metrics::slowlog::Slowlog;
use crate::metrics::timing::Thresholds;
use crate::network::handover::WorkerHandle;
use crate::network::listen::{Bound, Listeners, hand_over, hand_over_master};
use crate::network::socket::Accepted;
use crate::network::{while_busy, worker_thread};
use crate::notify::invalidation::Tracking;
use crate::notify::monitor::Monitors;
use crate::notify::pubsub::PubSub;
use crate::replication::link::{self, Link, Wiring};
use crate::replication::{self, MasterAddress, Replication};
use crate::server::Server;
use crate::server::rebinder::{self, Rebinder};
use crate::server::settings::{self, Startup};
use crate::session::handlers::Handlers;
use crate::system::clock::Clock;
use crate::system::heartbeats::Heartbeats;
use crate::system::pace::Served;
use crate::system::{allocator, log, process, random, sandbox, supervisor};
use crate::tls::Tls;
use parking_lot::RwLock;
use redstart_config::{Config, Setting};
use redstart_engine::Engine;
use redstart_engine::stats::Stats;
use redstart_scripting::Store;
use std::io;
use std::sync::{Arc, Barrier};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, mpsc};

/// How long clients that connect while data is loaded wait for it, before they get -LOADING.
const LOADING_PATIENCE: Duration = Duration::from_millis(100);

/// Starts everything and serves until SHUTDOWN or a signal.
///
/// # Errors
/// When another server has the folder, an address cannot be bound or a thread cannot be started.
pub fn serve(config: Config) -> io::Result<()> {
    let startup = Startup::of(&config)?;
    // Before there is a second thread.
    sandbox::enter(&config)?;
    log::start()?;
    let server = parts(config, &startup)?;
    settings::declare_users(server)?;
    server.durability.take_keys()?;
    server.durability.claim_as_configured()?;
    let encryption = server.tls.make(&server.config.read()).map_err(io::Error::other)?;
    server.tls.replace(encryption);
    let bound = Bound::new(&startup)?;
    let http = http::Bound::new(&server.config.read())?;
    process::write_pidfile(&server.config.read());
    let handlers: &'static Handlers = leak(commands::handlers(server.registry));
    settings::apply_once(&server.config.read(), server.engine);
    server.apply_config();
    log_start(server);
    server.engine.keyspace.busy.watch(move || while_busy::serve(server));
    server.reclaimer.start(Served(server.stats))?;
    #[cfg(target_os = "linux")]
    {
        use crate::system::huge_pages;
        let body = || huge_pages::run(Served(server.stats));
        std::thread::Builder::new().name("huge-pages".into()).spawn(body)?;
    }
    server.durability.start()?;
    server.replication.start()?;
    server.durability.follow_config()?;
    let ready = Arc::new(Barrier::new(startup.threads + 1));
    let workers = (0..startup.threads)
        .map(|index| worker_thread::spawn(server, handlers, index, ready.clone()))
        .collect::<io::Result<Vec<_>>>()?;
    ready.wait();
    server.watermarks.note_startup(allocator::allocated());
    http::start(server, http, clients_of(&workers))?;
    let places = bound.places();
    if let Some((host, port)) = server.config.read().primary() {
        server.link.announce(MasterAddress { host, port });
    }
    let wiring = wiring(server, handlers, &workers);
    let accept = move || start_accepting(server, bound, workers);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(load_and_serve(server, handlers, &places, accept, wiring));
    process::remove_pidfile();
    log::flush();
    ended
}

/// Makes clients of the workers whose sockets are no connections from elsewhere.
fn clients_of(workers: &[Arc<WorkerHandle>]) -> http::Connect {
    let workers = workers.to_vec();
    Box::new(move |stream, addr| hand_over(&workers, Accepted::Unix(stream), addr, false))
}

/// What the link to a master needs of workers and scripts.
fn wiring(
    server: &'static Server,
    handlers: &'static Handlers,
    workers: &[Arc<WorkerHandle>],
) -> Wiring {
    let workers = workers.to_vec();
    Wiring {
        connect: Box::new(move |stream, addr, master| {
            hand_over_master(&workers, stream, addr, master);
        }),
        replay: Box::new(move || Box::new(Replayer::new(server, handlers))),
    }
}

/// Makes the parts of the server. They live as long as the process: no reference to one is counted.
fn parts(config: Config, startup: &Startup) -> io::Result<&'static Server> {
    let mut registry = commands::registry();
    for rename in config.renames() {
        let renamed = registry.rename(&rename.from, &rename.to);
        renamed.map_err(|reason| io::Error::other(rename.refused(reason)))?;
    }
    let threads = startup.threads;
    let stats: Vec<_> = (0..threads).map(|_| Arc::new(Stats::new(registry.len()))).collect();
    let mut random = fastrand::Rng::new();
    let engine = leak(Engine::new(random::seed()?));
    let (watermarks, reclaimer) = (leak(Watermarks::default()), leak(Reclaimer::default()));
    let (clock, config) = (leak(Clock::start()), leak(RwLock::new(config)));
    let (registry, clients) = (leak(registry), leak(Clients::default()));
    let (stats, rates, scripts) = (leak(stats), leak(Rates::default()), leak(Store::default()));
    let renames = registry.renames().iter();
    let renames = renames.map(|(name, id)| (name.into(), registry.at(id).command.name));
    engine.options.set_renames(renames.collect());
    let durability = leak(Durability::new(Parts {
        engine,
        clock,
        config,
        stats,
        rates,
        libraries: &scripts.functions,
        keyring: leak(Keyring::default()),
        flushall_id: registry.get(b"flushall").expect("FLUSHALL is a command").id,
    }));
    let replication = replication::Parts { engine, clock, config, clients, durability };
    let replication = leak(Replication::new(replication));
    let heartbeats = leak(Heartbeats::new(threads));
    let link = link::Parts { engine, clock, config, durability, replication, heartbeats };
    let link = leak(Link::new(link));
    Ok(leak(Server {
        engine,
        registry,
        clients,
        access: leak(Access::new(registry, clients)),
        tls: leak(Tls::new(clock)),
        pubsub: leak(PubSub::default()),
        monitors: leak(Monitors::default()),
        leftover_watches: leak(Default::default()),
        tracking: leak(Tracking::default()),
        scripts,
        stats,
        loads: leak((0..threads).map(|_| Arc::default()).collect::<Vec<_>>()),
        heartbeats,
        clock,
        config,
        reclaimer,
        run_id: (0..40).map(|_| char::from(b"0123456789abcdef"[random.usize(..16)])).collect(),
        port: startup.port,
        errors: leak(Errors::default()),
        watermarks,
        rates,
        evictor: leak(Evictor::new(watermarks, reclaimer)),
        rebinder: leak(Rebinder::default()),
        thresholds: leak(Thresholds::default()),
        slowlog: leak(Slowlog::default()),
        latency: leak(LatencyEvents::default()),
        durability,
        replication,
        link,
        pause: leak(Pause::default()),
        stop: Notify::new(),
    }))
}

/// Loads the data, has clients accepted, and then waits for the end. Who connects meanwhile waits
/// until the data is there; if it is much, clients are accepted, and get -LOADING.
async fn load_and_serve(
    server: &'static Server,
    handlers: &'static Handlers,
    places: &str,
    accept: impl FnOnce() -> io::Result<()>,
    wiring: Wiring,
) -> io::Result<()> {
    let mut signals = Signals::listen()?;
    let load = move || server.durability.load(&mut Replayer::new(server, handlers));
    let mut loading = tokio::task::spawn_blocking(load);
    let mut accept = Some(accept);
    loop {
        tokio::select! {
            loaded = &mut loading => {
                loaded?.map_err(io::Error::other)?;
                break;
            }
            who = signals.ending(server) => exit_while_loading(who),
            () = loads_for_long(server), if accept.is_some() => {
                accept.take().map_or(Ok(()), |accept| accept())?;
            }
        }
    }
    server.link.start(wiring);
    accept.map_or(Ok(()), |accept| accept())?;
    let workers = log::counted(server.stats.len() as u64, "worker");
    log::notice(format_args!("Ready to accept connections at {places} with {workers}"));
    supervisor::notify(&server.config.read(), "READY=1\nSTATUS=Ready to accept connections\n");
    until_stopped(server, signals).await
}

/// Waits until there was data to load for some time. Where there is none, there is nothing to tell
/// clients but that the server is ready, however long that takes.
async fn loads_for_long(server: &Server) {
    let mut look = tokio::time::interval(LOADING_PATIENCE / 10);
    loop {
        look.tick().await;
        if server.durability.has_loaded_for(LOADING_PATIENCE) {
            return;
        }
    }
}

/// A part of the server, for as long as the process lives.
fn leak<T>(part: T) -> &'static T {
    Box::leak(Box::new(part))
}

/// Starts the thread that accepts connections and ends pauses. The main thread cannot do that: it
/// loads and saves, and so may have to wait for a disk.
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
    runtime.spawn(server.pause.watch(&server.engine.keyspace, server.clock));
    let body = move || {
        log::never_block_this_thread();
        runtime.block_on(rebind(listeners, rebinds));
    };
    std::thread::Builder::new().name("accept".into()).spawn(body).map(drop)
}

/// Logs the start, and what it is about; tools that start servers look for the process id in the
/// first line.
fn log_start(server: &Server) {
    let version = env!("CARGO_PKG_VERSION");
    let (port, id) = (server.port, std::process::id());
    log::notice(format_args!("Redstart {version} starts, port: {port}, PID: {id}"));
    let config = server.config.read();
    match config.file() {
        Some(file) => log::notice(format_args!("Settings from {}", file.display())),
        None => log::notice("Settings from the command line alone: no file is named"),
    }
    let folder = String::from_utf8_lossy(config.text(Setting::Dir));
    let (saves, logs) = (!config.save_points().is_empty(), config.is(Setting::Appendonly));
    let kept = match (saves, logs) {
        (true, true) => "as snapshots and a log",
        (true, false) => "as snapshots",
        (false, true) => "as a log",
        (false, false) => "only when SAVE or BGSAVE asks for it",
    };
    let key = server.durability.key();
    let how = key.map_or(String::new(), |key| format!(", encrypted with the key {key}"));
    log::notice(format_args!("Data is kept in {folder}, {kept}{how}"));
}

/// Binds other addresses when CONFIG SET asks for them.
async fn rebind(mut listeners: Listeners, mut rebinds: mpsc::UnboundedReceiver<rebinder::Request>) {
    while let Some((settings, answer)) = rebinds.recv().await {
        // The worker that asked may have stopped waiting.
        let _ = answer.send(listeners.rebind(&settings).await);
    }
}

/// Ends as `setting` says; false when that is not possible. A second interrupt ends the process at
/// once.
async fn on_signal(server: &'static Server, setting: Setting, interrupt: &mut Signal) -> bool {
    let name = if setting == Setting::ShutdownOnSigint { "SIGINT" } else { "SIGTERM" };
    log::warning(format_args!("Received {name} scheduling shutdown..."));
    let flags = server.config.read().flags(setting).to_vec();
    let has = |name| flags.contains(&name);
    let save = match (has("save"), has("nosave")) {
        (true, _) => FinalSave::Always,
        (_, true) => FinalSave::Never,
        _ => FinalSave::AsConfigured,
    };
    let ending = Ending { save, force: has("force") };
    let ended = tokio::task::spawn_blocking(move || server.durability.shutdown(ending));
    tokio::select! {
        ended = ended => matches!(ended, Ok(Ok(()))),
        _ = interrupt.recv() => exit_at_once(),
    }
}

/// Ends the process while it saves: the last snapshot and the log stay as they were.
fn exit_at_once() -> ! {
    log::warning("You insist... exiting now.");
    process::remove_pidfile();
    log::flush();
    std::process::exit(1)
}

/// The signals that end the server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Held so that a hang-up is ignored: the server outlives its terminal.
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

    /// Waits for a signal or SHUTDOWN; returns what it was.
    async fn ending(&mut self, server: &Server) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            () = server.stop.notified() => "SHUTDOWN",
        }
    }
}

/// Ends the process while data is being loaded: there is nothing to save, and the loading thread is
/// not waited for.
fn exit_while_loading(who: &str) -> ! {
    log::warning(format_args!("Received {who} while data is being loaded, exiting now."));
    process::remove_pidfile();
    log::flush();
    std::process::exit(0)
}

async fn until_stopped(server: &'static Server, mut signals: Signals) -> io::Result<()> {
    let Signals { terminate, interrupt, .. } = &mut signals;
    let mut tick = tokio::time::interval(Duration::from_millis(100));
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
                server.sample_memory();
                server.clients.tick(server.clock.now().mono_ms);
                server.durability.tick();
            }
        }
    }
    supervisor::notify(&server.config.read(), "STOPPING=1\n");
    let patience_s = server.config.read().count(Setting::ShutdownTimeout) as u64;
    server.replication.drain(Duration::from_secs(patience_s)).await;
    log::warning("Redstart is now ready to exit, bye bye...");
    Ok(())
}
