//! Members of a sorted set in order, as a reply: many of them are written piece by piece.

use super::arguments::write_member;
use crate::run::call::Call;
use crate::spec::Key;
use crate::storage::value::sorted_set::SortedSet;
use redstart_protocol::{Reply, Rest};
use std::ops::Range;

/// How members stand in a reply.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Members alone.
    Members,
    /// Members with their scores, as the protocol has pairs.
    Scored,
    /// Members and scores in a row.
    Row,
    /// Each pair in an array of its own.
    Pairs,
}

impl Form {
    /// Members with their scores, or alone.
    pub fn of(with_scores: bool) -> Form {
        if with_scores { Form::Scored } else { Form::Members }
    }

    #[inline]
    fn write(self, reply: &mut Reply, member: &[u8], score: f64) {
        if matches!(self, Form::Members | Form::Scored) {
            return write_member(reply, member, score, self == Form::Scored);
        }
        if self == Form::Pairs {
            reply.array(2);
        }
        reply.bulk(member);
        reply.score(score);
    }
}

/// Members between two ranks, there being as many: which, from the last one to the first if they
/// go `backward`, and how.
#[derive(Clone)]
pub struct Row {
    pub ranks: Range<usize>,
    pub backward: bool,
    pub form: Form,
}

impl Row {
    /// Whether they are so many that they are to come in pieces.
    #[inline]
    pub fn is_large(&self, reply: &Reply, set: &SortedSet) -> bool {
        let bytes = set.allocated();
        reply.takes_rest(bytes) && reply.takes_rest(bytes / set.len().max(1) * self.ranks.len())
    }

    /// Writes them.
    #[inline]
    pub fn write(&self, reply: &mut Reply, set: &SortedSet) {
        let form = self.form;
        each(set, self.ranks.clone(), self.backward, |(member, score)| {
            form.write(reply, member, score);
            true
        });
    }

    /// Writes the first of them, and leaves the others to the rest of the reply.
    pub fn put_rest(self, call: &mut Call<'_>, key: Key<'_>) {
        if let Some(set) = call.space.freeze_ranked(key) {
            call.reply.put_rest(Box::new(RestOfRow { set, row: self }));
        }
    }
}

/// Calls `f` with the members between two ranks until it returns false. Returns how many they were.
#[inline]
fn each(
    set: &SortedSet,
    ranks: Range<usize>,
    backward: bool,
    mut f: impl FnMut((&[u8], f64)) -> bool,
) -> usize {
    let (count, mut seen) = (ranks.len(), 0);
    let go_on = |member: (&[u8], f64)| {
        seen += 1;
        f(member)
    };
    match backward {
        _ if count == 0 => true,
        true => set.iter_back(ranks.end - 1).take(count).all(go_on),
        false => set.iter(ranks.start).take(count).all(go_on),
    };
    seen
}

/// Members of a sorted set that are yet to be replied.
struct RestOfRow {
    set: SortedSet,
    row: Row,
}

impl Rest for RestOfRow {
    fn write(&mut self, reply: &mut Reply, bytes: usize) -> bool {
        let RestOfRow { set, row: Row { ranks, backward, form } } = self;
        let start = reply.len();
        let seen = each(set, ranks.clone(), *backward, |(member, score)| {
            form.write(reply, member, score);
            reply.len() - start < bytes
        });
        if *backward {
            ranks.end -= seen
        } else {
            ranks.start += seen
        }
        ranks.start < ranks.end
    }

    fn shed(&mut self) -> bool {
        self.set.shed()
    }
}
