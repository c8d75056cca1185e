//! Effects as words of the stream. Called with the shards of the effects locked: each thread makes
//! its words in a buffer of its own, and the stream is locked for a copy.

use super::Replication;
use super::stream::Unit;
use super::words;
use redstart_engine::run::effect::{Effect, Sink};
use std::cell::RefCell;

thread_local! {
    static UNIT: RefCell<Unit> = RefCell::default();
}

/// The stream as a listener to effects.
pub struct Feed(pub &'static Replication);

impl Sink for Feed {
    fn append(&self, unit: &[Effect]) {
        UNIT.with_borrow_mut(|made| {
            made.clear();
            unit.iter().for_each(|effect| words::add(effect, made));
            self.0.stream.append(made);
        });
    }
}
