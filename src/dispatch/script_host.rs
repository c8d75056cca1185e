//! The server around scripts: what a script does beside data commands.
//!
//! Each worker has one Lua state, made when its first script runs, and one session that stands for
//! whatever client runs a script: the session commands of scripts work on that session, and so
//! never on the client's own.

use crate::access::log::Place;
use crate::clients::client::ClientInfo;
use crate::dispatch::{rights, slow};
use crate::metrics::timing::Slow;
use crate::notify::monitor;
use crate::replication::LACKS_REPLICAS;
use crate::server::Server;
use crate::session::handlers::Handlers;
use crate::session::tracking;
use crate::session::{Context, Session};
use crate::system::log;
use redstart_engine::keyspace::LockedShards;
use redstart_engine::run::registry::Registered;
use redstart_engine::{Command, Error, KeyAt, WorkerState};
use redstart_protocol::Args;
use redstart_scripting::host::{Host, Level, Measuring, Unit};
use redstart_scripting::{Caller, Loader, Parts, Runtime};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Once};
use std::thread;
use std::time::Duration;

/// The host of one worker's scripts.
struct ScriptHost {
    server: &'static Server,
    session: RefCell<Session>,
}

/// What a worker needs to run scripts.
struct Scripting {
    host: Rc<ScriptHost>,
    runtime: Runtime,
}

thread_local! {
    static SCRIPTING: RefCell<Option<Scripting>> = const { RefCell::new(None) };
}

impl Scripting {
    fn new(
        server: &'static Server,
        handlers: &'static Handlers,
        info: Arc<ClientInfo>,
    ) -> Result<Scripting, Error> {
        let session = RefCell::new(Session::new(server, handlers, info));
        let host = Rc::new(ScriptHost { server, session });
        let Server { engine, registry, scripts, .. } = *server;
        let runtime = Runtime::new(Parts { engine, registry, scripts }, host.clone())?;
        watch(server);
        Ok(Scripting { host, runtime })
    }
}

/// Runs `f` with this worker's Lua state, for the client of `context`.
///
/// # Errors
/// When there is no memory for a Lua state.
pub fn with<R>(
    context: &mut Context<'_>,
    f: impl FnOnce(&mut Runtime, &mut Caller<'_>) -> R,
) -> Result<R, Error> {
    SCRIPTING.with_borrow_mut(|scripting| {
        let Context { session, local, now, held } = context;
        let Scripting { host, runtime } = match scripting {
            Some(made) => made,
            none => {
                let made = Scripting::new(session.server, session.handlers, session.info.clone());
                none.insert(made?)
            }
        };
        host.stand_for(session);
        let mut caller = Caller {
            lacks_room: session.server.evictor.is_asked() && local.lacks_room,
            tracks_reads: session.notes_reads(),
            checks_rights: !session.user.is_unlimited(),
            local,
            now: *now,
            db: session.db,
            reply: &mut session.out,
            held: held.as_deref_mut(),
        };
        let result = f(runtime, &mut caller);
        // The next script knows nothing of the fields that this one has named.
        host.session.borrow_mut().fieldsets.clear();
        // A SELECT of the script is not the client's.
        session.info.db.store(session.db, Relaxed);
        Ok(result)
    })
}

/// What loads libraries of functions while there is no client.
///
/// # Errors
/// When there is no memory for a Lua state.
pub fn loader(server: &'static Server, handlers: &'static Handlers) -> Result<Loader, Error> {
    Scripting::new(server, handlers, ClientInfo::nobody())
        .map(|scripting| Loader::new(scripting.runtime))
}

/// Starts the thread that raises the alarm of scripts that have run for too long, unless it runs. A
/// server without scripts has no such thread; one that cannot have it counts steps instead.
fn watch(server: &'static Server) {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let body = move || {
            loop {
                let now_ms = server.clock.now().mono_ms;
                thread::sleep(Duration::from_millis(server.scripts.tick(now_ms)));
            }
        };
        if thread::Builder::new().name("scripts".into()).spawn(body).is_ok() {
            server.scripts.watch();
        }
    });
}

impl ScriptHost {
    /// Makes the session of scripts like the session of the client that runs one.
    fn stand_for(&self, client: &Session) {
        let session = &mut *self.session.borrow_mut();
        if !Arc::ptr_eq(&session.info, &client.info) {
            session.info = client.info.clone();
        }
        session.authenticated = client.authenticated;
        if !Arc::ptr_eq(&session.user, &client.user) {
            session.user = client.user.clone();
        }
    }
}

impl Host for ScriptHost {
    fn session_command(&self, id: u16, args: Args<'_>, unit: Unit<'_>) -> Result<(), Error> {
        let Unit { shards, local, now, db, reply } = unit;
        let session = &mut *self.session.borrow_mut();
        session.db = *db;
        std::mem::swap(&mut session.out, reply);
        let handlers = session.handlers;
        let mut context = Context { session, local, now, held: Some(shards) };
        let result = handlers.run(id, &mut context, args);
        std::mem::swap(&mut session.out, reply);
        *db = session.db;
        result
    }

    fn refuses_writes(&self) -> Option<Error> {
        let durability = self.server.durability;
        let failing = if durability.refuses() { durability.disk_error() } else { None };
        let lacks = self.server.replication.lacks_replicas();
        failing
            .or_else(|| self.server.link.refuses_writes())
            .or_else(|| lacks.then(|| Error::text(LACKS_REPLICAS)))
    }

    fn refuses_call(
        &self,
        registered: &Registered,
        args: Args<'_>,
        db: usize,
        local: &mut WorkerState,
    ) -> Option<Error> {
        let session = &*self.session.borrow();
        let checked = rights::check_user_in(session, db, local, registered, args, Place::Script);
        let denied = checked.err()?;
        let text = denied.text(&session.user, &registered.full_name());
        Some(Error::bytes([b"ERR ACL failure in script: ", &text[..]].concat()))
    }

    fn allows_call(&self, registered: &Registered, args: Args<'_>, db: usize) -> bool {
        let at = rights::at(self.server, db);
        self.session.borrow().user.check(registered, args, at).is_ok()
    }

    fn is_monitored(&self) -> bool {
        self.server.monitors.is_on()
    }

    fn show(&self, db: usize, command: &Command, args: Args<'_>) {
        if monitor::is_shown(command) {
            self.server.monitors.show(db, &"lua", Some(command), args);
        }
    }

    fn note_reads(&self, shards: &mut LockedShards, args: Args<'_>, keys: &[KeyAt]) {
        tracking::note_request(&self.session.borrow(), shards, args, keys);
    }

    fn measuring(&self) -> Measuring {
        let thresholds = self.server.thresholds;
        Measuring {
            slow_ns: thresholds.slow_ns(),
            precisely: thresholds.is_precise(),
            histograms: thresholds.tracks(),
        }
    }

    fn note_slow(&self, id: u16, args: Args<'_>, ns: u64) {
        slow::note_of_script(self.server, Slow { id, ns }, args);
    }

    fn now_ns(&self) -> u64 {
        self.server.clock.mono_ns()
    }

    fn now_ms(&self) -> u64 {
        self.server.clock.now().mono_ms
    }

    fn is_loading(&self) -> bool {
        self.server.durability.is_loading()
    }

    fn aside(&self, job: Box<dyn FnOnce() + Send>) {
        // Without a thread the job is dropped, and the script told so.
        let _ = thread::Builder::new().name("compile".into()).spawn(job);
    }

    fn log(&self, level: Level, text: &str) {
        match level {
            Level::Warning => log::warning(text),
            Level::Notice => log::notice(text),
            Level::Verbose | Level::Debug => {}
        }
    }
}
