//! A request for a key: what it goes by, its run, and its reply.

use super::execute::Asked;
use super::{OUTPUT_FLUSH, meta};
use crate::dispatch::worker::Worker;
use crate::session::Session;
use redstart_engine::commands::memcached::{
    Count, Counted, Delete, Deleted, Expiry, Mode, Store, Stored, count, delete, get, store, touch,
};
use redstart_engine::run::memcached::Foreign;
use redstart_engine::run::registry::{Registered, Registry};
use redstart_engine::{Error, KeyAt, Now};
use redstart_protocol::Mark;
use redstart_protocol::memcached::{KEY_BYTES_MAX, Verb, number, words};
use std::sync::OnceLock;

/// The commands of Redis that requests go by.
pub struct Names {
    append: &'static Registered,
    decrby: &'static Registered,
    del: &'static Registered,
    expire: &'static Registered,
    flushdb: &'static Registered,
    get: &'static Registered,
    getex: &'static Registered,
    incrby: &'static Registered,
    info: &'static Registered,
    mget: &'static Registered,
    set: &'static Registered,
}

impl Names {
    /// Those of the command table, looked up once.
    pub fn of(registry: &'static Registry) -> &'static Names {
        static NAMES: OnceLock<Names> = OnceLock::new();
        NAMES.get_or_init(|| {
            let named = |name: &str| registry.get(name.as_bytes()).expect("it is a command");
            Names {
                append: named("append"),
                decrby: named("decrby"),
                del: named("del"),
                expire: named("expire"),
                flushdb: named("flushdb"),
                get: named("get"),
                getex: named("getex"),
                incrby: named("incrby"),
                info: named("info"),
                mget: named("mget"),
                set: named("set"),
            }
        })
    }

    /// What a request goes by; nothing where it is about no data.
    #[inline]
    pub fn of_request(&self, asked: &Asked<'_>) -> Option<&'static Registered> {
        let changes = |letters: &[u8]| letters.iter().any(|letter| asked.meta.has(*letter));
        Some(match asked.request.verb {
            Verb::Get { .. } if asked.request.keys == 1 => self.get,
            Verb::Get { .. } => self.mget,
            Verb::Gat { .. } => self.getex,
            Verb::Set | Verb::Add | Verb::Replace | Verb::Cas => self.set,
            Verb::Append | Verb::Prepend => self.append,
            Verb::MetaSet => match asked.meta.mode {
                b'A' | b'a' | b'P' | b'p' => self.append,
                _ => self.set,
            },
            Verb::Incr => self.incrby,
            Verb::Decr => self.decrby,
            Verb::MetaArithmetic => self.incrby,
            Verb::Touch => self.expire,
            Verb::Delete | Verb::TooLarge => self.del,
            Verb::MetaDelete if changes(b"Ix") => self.set,
            Verb::MetaDelete => self.del,
            Verb::MetaGet if changes(b"N") => self.set,
            Verb::MetaGet if changes(b"TR") => self.getex,
            Verb::MetaGet | Verb::MetaDebug => self.get,
            Verb::FlushAll => self.flushdb,
            Verb::Stats => self.info,
            _ => return None,
        })
    }
}

/// Writes a line.
pub fn line(session: &mut Session, text: &str) {
    session.out.raw(text.as_bytes());
    session.out.raw(b"\r\n");
}

/// Runs a request and writes its reply. Returns how many of its keys are done with: fewer than it
/// has where the output has to be written first.
///
/// # Errors
/// When a script holds a key for too long.
pub fn run(
    session: &mut Session,
    worker: &mut Worker,
    registered: &'static Registered,
    asked: Asked<'_>,
    now: Now,
) -> Result<usize, Error> {
    let Asked { request, keys, .. } = asked;
    let Some(key) = keys.first() else {
        super::others::run_on_all(session, worker, asked, now);
        return Ok(0);
    };
    let mut run = Run { session, worker, registered, asked, now };
    match request.verb {
        Verb::Get { versions } => return run.get(versions),
        Verb::Gat { versions, ends } => {
            let expiry = Expiry::of(request.exptime, now);
            run.on(key, |call| touch(call, expiry, Some(versions)))?;
            if ends {
                run.session.out.raw(b"END\r\n");
            }
        }
        Verb::Set => run.store(key, Mode::Set)?,
        Verb::Add => run.store(key, Mode::Add)?,
        Verb::Replace => run.store(key, Mode::Replace)?,
        Verb::Append => run.store(key, Mode::Append)?,
        Verb::Prepend => run.store(key, Mode::Prepend)?,
        Verb::Cas => run.store(key, Mode::Cas)?,
        Verb::Incr => run.count(key, true)?,
        Verb::Decr => run.count(key, false)?,
        Verb::Touch => {
            let expiry = Expiry::of(request.exptime, now);
            let found = run.on(key, |call| touch(call, expiry, None))?;
            run.line(if found { "TOUCHED" } else { "NOT_FOUND" });
        }
        Verb::Delete => {
            let deleted = run.on(key, |call| delete(call, &Delete::default()))?;
            run.line(if deleted == Deleted::Deleted { "DELETED" } else { "NOT_FOUND" });
        }
        Verb::TooLarge => {
            run.on(key, |call| delete(call, &Delete::default()))?;
            run.line(words::TOO_LARGE);
        }
        _ => meta::run(&mut run, key)?,
    }
    Ok(keys.len())
}

/// A request that runs.
pub struct Run<'a, 'b> {
    /// The client.
    pub session: &'a mut Session,
    /// Its worker.
    pub worker: &'a mut Worker,
    /// What the request goes by.
    pub registered: &'static Registered,
    /// The request.
    pub asked: Asked<'b>,
    /// The moment.
    pub now: Now,
}

impl Run<'_, '_> {
    /// Runs `f` on a key.
    #[inline(always)]
    pub fn on<R>(
        &mut self,
        key: &KeyAt,
        f: impl FnOnce(&mut redstart_engine::run::call::Call<'_>) -> R,
    ) -> Result<R, Error> {
        let foreign = Foreign { command: self.registered.command, args: self.asked.args, key };
        let (engine, out) = (self.session.server.engine, &mut self.session.out);
        engine.run_foreign(&mut self.worker.local, foreign, self.now, out, f)
    }

    /// Writes a line.
    pub fn line(&mut self, text: &str) {
        line(self.session, text);
    }

    fn get(&mut self, versions: bool) -> Result<usize, Error> {
        let keys = self.asked.keys;
        for (done, key) in keys.iter().enumerate() {
            self.on(key, |call| get(call, versions))?;
            if self.session.out.len() > OUTPUT_FLUSH && done + 1 < keys.len() {
                return Ok(done + 1);
            }
        }
        self.session.out.raw(b"END\r\n");
        Ok(keys.len())
    }

    fn store(&mut self, key: &KeyAt, mode: Mode) -> Result<(), Error> {
        let request = self.asked.request;
        let wanted = Store {
            mode,
            flags: request.flags,
            expiry: Expiry::of(request.exptime, self.now),
            version: (mode == Mode::Cas).then_some(request.number),
            new_version: None,
            takes_older: false,
            vivify: None,
            bytes_max: self.value_bytes_max(),
        };
        let stored = self.on(key, |call| store(call, &wanted))?;
        self.line(match stored {
            Stored::Stored => "STORED",
            Stored::NotStored => "NOT_STORED",
            Stored::Exists => "EXISTS",
            Stored::NotFound => "NOT_FOUND",
        });
        Ok(())
    }

    /// The longest value that what is there may grow to, in bytes.
    pub fn value_bytes_max(&self) -> usize {
        let item_bytes_max = self.session.server.engine.options.memcached_item_bytes_max();
        item_bytes_max.saturating_sub(KEY_BYTES_MAX)
    }

    fn count(&mut self, key: &KeyAt, up: bool) -> Result<(), Error> {
        let wanted = Count {
            up,
            by: self.asked.request.number,
            version: None,
            new_version: None,
            vivify: None,
            expiry: None,
            wants_version: false,
        };
        match self.on(key, |call| count(call, &wanted))? {
            Counted::To { number: to, .. } => {
                number(self.session.out.buf_mut(), to);
                self.session.out.raw(b"\r\n");
            }
            Counted::NotFound | Counted::Exists => self.line("NOT_FOUND"),
            Counted::NotNumber => self.line(words::NOT_NUMBER),
        }
        Ok(())
    }
}

/// Takes back the reply of a request, which begins at `mark`, where the client wants none.
pub fn silence(session: &mut Session, asked: Asked<'_>, mark: Mark) {
    let request = asked.request;
    if request.quiet && !request.verb.is_meta() {
        session.out.rewind(mark);
    }
}
