//! The one stream of effects: what each write command did, in order, while its shards are locked.
//!
//! The log, replication, keyspace events and client tracking all feed on it, so that they cannot
//! disagree. An effect is a command that does the same again whenever it is replayed: relative
//! times have become absolute ones, random choices have become what was chosen. A request, or all
//! of a transaction, is one unit. Without a listener it costs one branch.

use crate::run::effect::{Effect, Listener, Sink};
use crate::run::event_classes::{Classes, EXPIRED, GENERIC, HASH, SET};
use crate::run::events::Events;
use crate::storage::value::Type;
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// The effects of the request that runs now.
#[derive(Default)]
pub struct Effects {
    /// Whether effects are made: there is a listener, or events are wanted.
    made: bool,
    /// Those who get the unit, by their bits.
    listeners: u8,
    unit: Vec<Effect>,
    pub(crate) events: Events,
}

impl Effects {
    /// Starts a unit, of which these classes of events are wanted.
    #[inline(always)]
    pub fn begin(&mut self, listeners: u8, events: Classes) {
        self.listeners = listeners;
        self.made = (listeners != 0) | (events != 0);
        self.events.want(events);
    }

    /// Whether effects are made: for a listener, or for the events that are read off them.
    #[inline]
    pub fn made(&self) -> bool {
        self.made
    }

    /// Adds an effect, which is made only if it is wanted.
    #[inline]
    pub fn push<'a, I: IntoIterator<Item = &'a [u8]>>(
        &mut self,
        db: usize,
        args: impl FnOnce() -> I,
    ) {
        if self.made {
            let args = args().into_iter().map(Bytes::copy_from_slice).collect();
            self.add(Effect { db, args });
        }
    }

    /// As [`Effects::push`], of what is no event.
    pub fn push_unseen<'a, I: IntoIterator<Item = &'a [u8]>>(
        &mut self,
        db: usize,
        args: impl FnOnce() -> I,
    ) {
        if self.is_heard() {
            let args = args().into_iter().map(Bytes::copy_from_slice).collect();
            self.unit.push(Effect { db, args });
        }
    }

    #[cold]
    fn add(&mut self, effect: Effect) {
        if self.events.wanted() {
            self.events.read(&effect);
        }
        if self.is_heard() {
            self.unit.push(effect);
        }
    }

    /// Adds, for replicas, that a key is gone that was dropped with a tag.
    pub fn push_dropped(&mut self, db: usize, key: &[u8]) {
        if self.listeners & Listener::Replicas.bit() != 0 {
            let args = [&b"DEL"[..], key].into_iter().map(Bytes::copy_from_slice).collect();
            self.unit.push(Effect { db, args });
        }
    }

    /// Adds that a key is gone because its time had come.
    pub fn push_expired(&mut self, db: usize, key: &[u8]) {
        let events = self.events_wanted();
        if self.is_heard() {
            let args = [&b"DEL"[..], key].into_iter().map(Bytes::copy_from_slice).collect();
            self.unit.push(Effect { db, args });
        }
        if events {
            self.events.note(EXPIRED, db, "expired", key);
        }
    }

    /// Whether events are wanted in this unit.
    #[inline]
    pub fn events_wanted(&self) -> bool {
        self.made && self.events.wanted()
    }

    /// Adds that parts of a value are gone because their time had come, and the value with the last
    /// of them if it `is_emptied`.
    pub fn push_expired_parts(
        &mut self,
        db: usize,
        key: &[u8],
        of: Type,
        parts: &[Box<[u8]>],
        is_emptied: bool,
    ) {
        // A new type whose parts expire adds its line here.
        let (removal, class, event) = match of {
            Type::Set => (&b"SREM"[..], SET, "sexpired"),
            _ => (&b"HDEL"[..], HASH, "hexpired"),
        };
        if self.is_heard() {
            let (name, parts) = if is_emptied { (&b"DEL"[..], &[][..]) } else { (removal, parts) };
            let args = [name, key].into_iter().chain(parts.iter().map(|part| &part[..]));
            self.unit.push(Effect { db, args: args.map(Bytes::copy_from_slice).collect() });
        }
        if self.events_wanted() {
            self.events.note(class, db, event, key);
            if is_emptied {
                self.events.note(GENERIC, db, "del", key);
            }
        }
    }

    /// Whether anybody gets the unit.
    #[inline]
    fn is_heard(&self) -> bool {
        self.listeners != 0
    }

    /// Ends the unit: hands it to the sinks of those who listen, if there is anything in it.
    #[inline(always)]
    pub fn commit(&mut self, sinks: &[OnceLock<Arc<dyn Sink>>]) {
        if self.made {
            self.hand_over(sinks);
        }
    }

    fn hand_over(&mut self, sinks: &[OnceLock<Arc<dyn Sink>>]) {
        if self.events_wanted() {
            self.events.finish();
        }
        if self.is_heard() && !self.unit.is_empty() {
            for (listener, sink) in Listener::ALL.into_iter().zip(sinks) {
                if self.listeners & listener.bit() != 0
                    && let Some(sink) = sink.get()
                {
                    sink.append(&self.unit);
                }
            }
            self.unit.clear();
        }
    }
}
