//! How far a group is: how many entries it has read of all that ever were, and how many are left,
//! as Redis defines it. What was removed from the midst makes both unknown for some time.

use super::group::Group;
use super::id::Id;

/// What a stream knows of its entries as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The id of the first entry; the least id when there is none.
    pub first: Id,
    /// The id of the last entry that was ever added.
    pub last: Id,
    /// The greatest id of an entry that was removed alone.
    pub max_deleted: Id,
    /// The number of entries.
    pub len: u64,
    /// How many were ever added.
    pub added: u64,
}

impl Progress {
    /// Whether an entry behind `from` was removed alone, and others before it were not.
    fn has_gap_behind(&self, from: Id) -> bool {
        self.len > 0
            && self.max_deleted != Id::MIN
            && self.first <= self.max_deleted
            && from <= self.max_deleted
    }

    /// How many entries were ever added up to this one, where that is known.
    pub fn count_to(&self, id: Id) -> Option<u64> {
        if self.added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= self.last {
            return Some(self.added);
        }
        if id != Id::MIN && id < self.max_deleted {
            return None;
        }
        if id == self.last {
            return Some(self.added);
        }
        if id > self.last || (self.max_deleted != Id::MIN && self.max_deleted >= self.first) {
            return None;
        }
        match id.cmp(&self.first) {
            std::cmp::Ordering::Less => self.added.checked_sub(self.len),
            std::cmp::Ordering::Equal => (self.added + 1).checked_sub(self.len),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// What a group that had read so many, up to `last`, has read when it has also read `id`.
    pub fn read_after(&self, read: Option<u64>, last: Id, id: Id) -> Option<u64> {
        match read {
            // What went unread from the beginning counts as read.
            Some(read) if last >= self.first && !self.has_gap_behind(last) => Some(read + 1),
            _ if self.added > 0 => self.count_to(id),
            _ => read,
        }
    }

    /// How many entries a group has yet to read, where that is known.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.added == 0 || self.len == 0 {
            return Some(0);
        }
        if group.last < self.first && self.max_deleted < self.first {
            return Some(self.len as i64);
        }
        let read = group.read.filter(|_| !self.has_gap_behind(group.last));
        let read = read.or_else(|| self.count_to(group.last))?;
        Some(self.added.wrapping_sub(read) as i64)
    }
}
