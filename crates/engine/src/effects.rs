//! The one stream of effects: what each write command did, told while its shards are locked.
//!
//! The log, replication, keyspace events and client tracking all feed on it, so that they cannot
//! disagree. An effect is a command that does the same again whenever it is replayed: relative
//! times have become absolute ones, random choices have become what was chosen. A request, or all
//! of a transaction, is one unit. While nobody listens it costs one branch.

use bytes::Bytes;

/// A command that repeats what was done, in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The database's index.
    pub db: usize,
    /// The command's name and arguments.
    pub args: Vec<Bytes>,
}

/// Who listens to the stream. Called with the shards still locked, so that units which touch the
/// same key arrive in the order in which they happened; it must not block.
pub trait Sink: Send + Sync {
    /// Takes one unit: all of it happened, and nothing of another between.
    fn append(&self, unit: &[Effect]);
}

/// The effects of the request that runs now.
#[derive(Default)]
pub struct Effects {
    listening: bool,
    unit: Vec<Effect>,
}

impl Effects {
    /// Starts a unit.
    #[inline]
    pub fn begin(&mut self, listening: bool) {
        self.listening = listening;
    }

    /// Whether anybody listens.
    #[inline]
    pub fn listening(&self) -> bool {
        self.listening
    }

    /// Adds an effect, made only if somebody listens.
    #[inline]
    pub fn push<'a, I: IntoIterator<Item = &'a [u8]>>(
        &mut self,
        db: usize,
        args: impl FnOnce() -> I,
    ) {
        if self.listening {
            let args = args().into_iter().map(Bytes::copy_from_slice).collect();
            self.unit.push(Effect { db, args });
        }
    }

    /// Adds that fields of a hash are gone.
    pub fn push_removed_fields(&mut self, db: usize, key: &[u8], fields: &[Box<[u8]>]) {
        let fields = fields.iter().map(|field| &field[..]);
        self.push(db, || [b"HDEL", key].into_iter().chain(fields));
    }

    /// Ends the unit: hands it to the sink, if there is anything in it.
    #[inline]
    pub fn commit(&mut self, sink: Option<&dyn Sink>) {
        if self.listening && !self.unit.is_empty() {
            if let Some(sink) = sink {
                sink.append(&self.unit);
            }
            self.unit.clear();
        }
    }
}
