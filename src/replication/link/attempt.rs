//! An attempt to follow a master: a thread that connects, asks, receives, loads, hands the stream
//! to a worker, and begins again when that has ended.
//!
//! ```text
//!   connect -> handshake -> PSYNC -+-> +CONTINUE ------------------------+-> stream -> connect
//!                                  +-> +FULLRESYNC -> file -> load ------+
//! ```

use super::handshake::{self, Answer, Introduction};
use super::status::Phase;
use super::stream::{Failed, Master, Stream, acknowledgement};
use super::transfer::{self, Transfer};
use super::wire::{Plug, Wire};
use super::{Link, Wiring};
use crate::clients::address::Address;
use crate::durability::Loaded;
use crate::replication::{Id, MasterAddress};
use crate::system::log;
use crate::tls::client::Trust;
use parking_lot::{Condvar, Mutex};
use redstart_config::Config;
use redstart_config::Setting;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;

/// How often the offset is acknowledged, and how long it takes until what failed is tried again.
const PERIOD: Duration = Duration::from_secs(1);

/// A connection that lasts no longer is not followed by another one at once, in milliseconds.
const SHORT_MS: u64 = 100;

/// What is done about one master.
pub struct Attempt {
    master: MasterAddress,
    has_ended: Mutex<bool>,
    changed: Condvar,
    /// What the thread waits for is ended by the end of this.
    plug: Mutex<Option<Plug>>,
    stream: Mutex<Option<Arc<Stream>>>,
    transfer: Transfer,
    /// Held while the data set or the role changes.
    loading: Mutex<()>,
    /// The last failure, which is not logged again.
    failure: Mutex<String>,
    ended: AtomicBool,
}

impl Attempt {
    /// An attempt that has not begun.
    pub fn new(master: MasterAddress) -> Attempt {
        Attempt {
            master,
            has_ended: Mutex::new(false),
            changed: Condvar::new(),
            plug: Mutex::default(),
            stream: Mutex::default(),
            transfer: Transfer::default(),
            loading: Mutex::default(),
            failure: Mutex::default(),
            ended: AtomicBool::new(false),
        }
    }

    /// The stream that is being applied.
    pub fn stream(&self) -> Option<Arc<Stream>> {
        self.stream.lock().clone()
    }

    /// Ends it: when this returns, it changes nothing any more.
    pub fn end(&self, link: &Link) {
        {
            // A data set that is being loaded is loaded to its end.
            let _loading = self.loading.lock();
            self.ended.store(true, Relaxed);
        }
        *self.has_ended.lock() = true;
        self.changed.notify_all();
        if let Some(plug) = &*self.plug.lock() {
            plug.end();
        }
        let stream = self.stream.lock().take();
        if let Some(stream) = stream {
            stream.cut(link.parts.replication);
            let mut state = link.state.lock();
            (state.db, state.failed) = (stream.db(), stream.failed());
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    /// Rests; returns whether the attempt goes on.
    fn rest(&self) -> bool {
        let mut has_ended = self.has_ended.lock();
        if !*has_ended {
            self.changed.wait_for(&mut has_ended, PERIOD);
        }
        !*has_ended
    }

    /// The thread's body.
    pub fn run(self: Arc<Self>, link: &'static Link) {
        let wiring = link.wiring.get().expect("a link begins once it is wired");
        let MasterAddress { host, port } = &self.master;
        while !self.has_ended() {
            let begun_ms = link.now_ms();
            let followed = self.follow_once(link, wiring);
            *self.plug.lock() = None;
            if self.has_ended() {
                return;
            }
            link.is_up.store(false, Relaxed);
            link.state.lock().status.go_down(link.now_ms());
            match followed {
                Ok(()) => {
                    log::warning(format_args!("Connection with MASTER {host}:{port} lost."));
                    self.failure.lock().clear();
                    let lasted_ms = link.now_ms().saturating_sub(begun_ms);
                    if lasted_ms < SHORT_MS && !self.rest() {
                        return;
                    }
                }
                Err(error) => {
                    self.log_failure(&error.to_string());
                    link.state.lock().status.failure = Some(error.to_string());
                    if !self.rest() {
                        return;
                    }
                }
            }
        }
    }

    fn log_failure(&self, why: &str) {
        let MasterAddress { host, port } = &self.master;
        let mut last = self.failure.lock();
        if *last != why {
            log::warning(format_args!(
                "MASTER {host}:{port} cannot be followed: {why}. It is tried again every second"
            ));
            why.clone_into(&mut last);
        }
    }

    /// Follows the master until the connection ends.
    fn follow_once(&self, link: &'static Link, wiring: &Wiring) -> io::Result<()> {
        self.enter(link, Phase::Connecting);
        let Settings { about, trust, patience } = Settings::of(&link.parts.config.read());
        let MasterAddress { host, port } = &self.master;
        let mut wire = Wire::connect(host, *port, trust.as_ref(), patience)?;
        *self.plug.lock() = Some(wire.plug.try_clone()?);
        if self.has_ended() {
            return Ok(());
        }
        self.enter(link, Phase::Handshake);
        handshake::introduce(&mut wire, &about)?;
        let replication = link.parts.replication;
        let from = {
            let mut state = link.state.lock();
            state.status.attempts = state.status.attempts.map(|count| count + 1);
            state.is_whole.then(|| (replication.ids().id, replication.offset()))
        };
        let answer = handshake::ask(&mut wire, from)?;
        match answer {
            Answer::Continues { id } => self.go_on(link, id, from)?,
            Answer::Full { id, offset, db } => {
                let databases = link.parts.engine.options.databases();
                let db = db.filter(|db| *db < databases);
                self.sync(link, wiring, &mut wire, Begin { id, offset, db })?;
            }
        }
        self.apply(link, wiring, wire, patience)
    }

    /// Notes what the thread does.
    fn enter(&self, link: &Link, phase: Phase) {
        if !self.has_ended() {
            link.state.lock().status.phase = phase;
        }
    }

    /// The master goes on where the link broke off.
    fn go_on(&self, link: &Link, id: Option<Id>, from: Option<(Id, u64)>) -> io::Result<()> {
        let Some((own, offset)) = from else {
            return Err(io::Error::other("the master goes on with what is not here"));
        };
        let _loading = self.loading.lock();
        if self.has_ended() {
            return Ok(());
        }
        log::notice(format_args!(
            "Successful partial resynchronization with master, from offset {}",
            offset + 1
        ));
        if let Some(id) = id.filter(|id| *id != own) {
            log::notice("The master's replication id has changed");
            link.parts.replication.continue_as(id);
        }
        link.state.lock().status.syncs[1] += 1;
        Ok(())
    }

    /// The master sends everything.
    fn sync(
        &self,
        link: &'static Link,
        wiring: &Wiring,
        wire: &mut Wire,
        begin: Begin,
    ) -> io::Result<()> {
        let Begin { id, offset, db } = begin;
        self.enter(link, Phase::Sync);
        log::notice(format_args!("Full resync from master: {}:{offset}", id.escape_ascii()));
        let durability = link.parts.durability;
        let (received, mut file) = durability.begin_receiving()?;
        let watched = self.watched(link, || {
            transfer::receive(wire, &mut *file, &self.transfer, || link.now_ms())
        });
        drop(file);
        watched?;
        // Before anything is dropped.
        durability.check_received(&received).map_err(io::Error::other)?;
        durability.begin_loading();
        // No request runs any more behind this: REPLICAOF, which takes the lock, is none of them.
        link.parts.heartbeats.wait_for_others(usize::MAX);
        let _loading = self.loading.lock();
        if self.has_ended() {
            durability.give_up_loading();
            return Ok(());
        }
        link.state.lock().is_whole = false;
        log::notice("MASTER <-> REPLICA sync: Flushing old data");
        let mut replay = (wiring.replay)();
        let loaded =
            with_signs_of_life(&wire.plug, || durability.load_received(&received, &mut *replay))?;
        let Loaded { stream_db, keys, foreign } = loaded.map_err(io::Error::other)?;
        link.parts.replication.adopt(id, offset);
        let mut state = link.state.lock();
        (state.is_whole, state.db) = (true, stream_db.or(db).unwrap_or(0));
        state.failed = Failed { count: foreign, behind: (foreign > 0).then_some(offset) };
        state.status.syncs[0] += 1;
        let keys = log::counted(keys, "key");
        log::notice(format_args!("MASTER <-> REPLICA sync: Finished with success, {keys}"));
        Ok(())
    }

    /// Runs `f`, and shows meanwhile how far the transfer is.
    fn watched<R>(&self, link: &Link, f: impl FnOnce() -> R) -> R {
        let (ended, wait) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let look = Duration::from_millis(100);
                while wait.recv_timeout(look) == Err(mpsc::RecvTimeoutError::Timeout) {
                    let Transfer { total_bytes, bytes, last_io_ms } = &self.transfer;
                    let mut state = link.state.lock();
                    state.status.transfer = Some([total_bytes.load(Relaxed), bytes.load(Relaxed)]);
                    state.status.last_io_ms = Some(last_io_ms.load(Relaxed));
                }
            });
            let result = f();
            drop(ended);
            result
        })
    }

    /// Hands the stream to a worker, and waits until it has ended.
    fn apply(
        &self,
        link: &'static Link,
        wiring: &Wiring,
        mut wire: Wire,
        patience: Duration,
    ) -> io::Result<()> {
        let replication = link.parts.replication;
        // A master that has sent what it made at that moment waits for this.
        wire.plug.write(&acknowledgement(replication.offset()))?;
        let stream = {
            let _loading = self.loading.lock();
            if self.has_ended() {
                return Ok(());
            }
            let mut state = link.state.lock();
            let stream = Arc::new(Stream::new(link.now_ms(), state.db, state.failed));
            *self.stream.lock() = Some(stream.clone());
            state.status.go_up(link.now_ms());
            link.is_up.store(true, Relaxed);
            stream
        };
        let address = Address::Tcp(wire.address);
        let (plug, first) = wire.into_parts();
        plug.never_wait()?;
        (wiring.connect)(plug, address, Box::new(Master::new(stream.clone(), first)));
        while !stream.wait_for_end(PERIOD) {
            let silent_ms = link.now_ms().saturating_sub(stream.last_io_ms());
            if u128::from(silent_ms) > patience.as_millis() {
                log::warning("MASTER timeout: no data nor PING received...");
                stream.cut(replication);
            }
            stream.acknowledge(replication.offset());
        }
        if self.stream.lock().take().is_some() {
            let mut state = link.state.lock();
            (state.db, state.failed) = (stream.db(), stream.failed());
        }
        Ok(())
    }
}

/// Where the stream behind a data set begins.
struct Begin {
    id: Id,
    offset: u64,
    /// The database that is selected there, if the master has said so.
    db: Option<usize>,
}

/// What the configuration says about the link.
struct Settings {
    about: Introduction,
    /// What is believed of a master over TLS; None without TLS.
    trust: Option<Trust>,
    /// How long the master may be silent.
    patience: Duration,
}

impl Settings {
    fn of(config: &Config) -> Settings {
        let tls = config.is(Setting::TlsReplication);
        let port = match config.integer(Setting::TlsPort) {
            1.. if tls => config.integer(Setting::TlsPort),
            _ => config.integer(Setting::Port),
        };
        let announced = config.integer(Setting::ReplicaAnnouncePort);
        let about = Introduction {
            user: config.text(Setting::Masteruser).to_vec(),
            password: config.text(Setting::Masterauth).to_vec(),
            port: if announced == 0 { port } else { announced },
            address: config.text(Setting::ReplicaAnnounceIp).to_vec(),
        };
        let patience = Duration::from_secs(config.count(Setting::ReplTimeout) as u64);
        Settings { about, trust: tls.then(|| trust(config)), patience }
    }
}

/// What is believed of a master, and what it is shown.
fn trust(config: &Config) -> Trust {
    let file = |setting| {
        let text = config.text(setting);
        (!text.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(text)))
    };
    let both = |certificate, key| file(certificate).zip(file(key));
    let own = both(Setting::TlsClientCertFile, Setting::TlsClientKeyFile);
    let own = own.or_else(|| both(Setting::TlsCertFile, Setting::TlsKeyFile));
    Trust { authorities: file(Setting::TlsCaCertFile), own, name: None, insecure: false }
}

/// Runs `f`; meanwhile the master sees that this server lives.
fn with_signs_of_life<R>(plug: &Plug, f: impl FnOnce() -> R) -> io::Result<R> {
    let mut plug = plug.try_clone()?;
    let (ended, wait) = mpsc::channel::<()>();
    Ok(std::thread::scope(|scope| {
        scope.spawn(move || {
            while wait.recv_timeout(PERIOD) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Whether the connection lives shows when it is read.
                let _ = plug.write(b"\n");
            }
        });
        let result = f();
        drop(ended);
        result
    }))
}
