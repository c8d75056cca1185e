//! One command's run, as its handler sees it: arguments, reply, and the keys that it declared.
//!
//! A handler parses its options, fetches, checks everything, then changes, then replies. It takes
//! no lock, reads no clock and makes no system call; all of that has happened, or happens after.

use crate::clock::Now;
use crate::keyspace::waiters::Wait;
use crate::options::Options;
use crate::run::key_access::KeyAccess;
use crate::spec::{Command, Key, KeyAt};
use crate::storage::entry::{INLINE_MAX, NewValue};
use redstart_protocol::{Args, Reply, parse_i64};

/// What a handler works with.
pub struct Call<'a> {
    /// The command that runs.
    pub command: &'static Command,
    /// The arguments, the command's name first.
    pub args: Args<'a>,
    /// Where the answer goes.
    pub reply: &'a mut Reply,
    /// The keys that may be reached.
    pub space: KeyAccess<'a>,
    /// The engine's settings.
    pub options: &'a Options,
    pub(crate) keys: &'a [KeyAt],
}

impl<'a> Call<'a> {
    /// The `n`th declared key.
    #[inline]
    pub fn key(&self, n: usize) -> Key<'a> {
        let KeyAt { arg, hash } = self.keys[n];
        Key { bytes: self.args.at(arg as usize), hash }
    }

    /// All declared keys.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = Key<'a>> + use<'a> {
        let args = self.args;
        self.keys.iter().map(move |key| Key { bytes: args.at(key.arg as usize), hash: key.hash })
    }

    /// The moment of the run.
    #[inline]
    pub fn now(&self) -> Now {
        self.space.now
    }

    /// Argument `at` as a value to be stored: kept by reference where that saves a copy.
    #[inline]
    pub fn value(&self, at: usize) -> NewValue<'a> {
        new_value(self.args, at)
    }

    /// Lets the client wait, if it can. A transaction or a script cannot: it goes on with `false`.
    pub fn wait(&mut self, wait: Wait) -> bool {
        let may_wait = self.space.local.may_wait;
        if may_wait {
            self.space.local.wait = Some(wait);
        }
        may_wait
    }

    /// Whether others already wait for a key that is there, and whom it could serve, so that this
    /// client has to queue behind them.
    pub fn must_queue(&mut self, key: Key<'_>) -> bool {
        let KeyAccess { db, view, local, .. } = &mut self.space;
        if !local.may_wait || view.shard(key.hash).waiters.is_empty() {
            return false;
        }
        let (db, len) = (*db, self.space.len_of(key));
        self.space.view().shard(key.hash).waiters.wants(db, key.bytes, len)
    }

    /// Emits this request as its own effect: it does the same again when it is replayed.
    #[inline]
    pub fn emit_as_is(&mut self) {
        let (args, options) = (self.args, self.options);
        let name = || std::iter::once(options.declared_name(args.at(0)));
        self.space.emit(|| name().chain(args.from(1).iter()));
    }
}

/// An argument as a value to be stored: an integer where it reads as one, by reference where it
/// is long and the request's buffer can be kept.
#[inline]
pub fn new_value(args: Args<'_>, at: usize) -> NewValue<'_> {
    let bytes = args.at(at);
    if bytes.len() <= 20
        && let Some(n) = parse_i64(bytes)
    {
        return NewValue::Int(n);
    }
    if bytes.len() > INLINE_MAX
        && let Some(shared) = args.shared(at)
    {
        return NewValue::Shared(shared);
    }
    NewValue::Str(bytes)
}
