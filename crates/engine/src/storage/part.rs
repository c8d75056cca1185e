//! A part of a large value: owned, or shared with a frozen copy of the value.
//!
//! Neither a snapshot that has to keep a large value nor a writer that comes before it may copy ten
//! million elements while a shard is locked. So a large value is made of parts, of some hundred
//! elements each, and a frozen copy shares them all. A change of a shared part copies that one part
//! first, or takes it over when the other copy has gone.
//!
//! A part that was never shared costs its value's size and one branch. `Arc::make_mut` would count
//! atomically at every write.

use std::ops::Deref;
use std::sync::Arc;

/// A part of a value.
#[derive(Debug)]
pub enum Part<T> {
    /// Of one value alone.
    Own(T),
    /// Perhaps of another value, too. It is not changed.
    Shared(Arc<T>),
}

impl<T: Default + Clone> Part<T> {
    /// The same part for a copy of the value. It takes an allocation the first time.
    pub fn share(&mut self) -> Part<T> {
        let shared = match self {
            Part::Own(own) => Arc::new(std::mem::take(own)),
            Part::Shared(shared) => return Part::Shared(shared.clone()),
        };
        *self = Part::Shared(shared.clone());
        Part::Shared(shared)
    }

    /// Whether another copy shares it now: a change would copy it.
    pub fn is_shared(&self) -> bool {
        matches!(self, Part::Shared(shared) if Arc::strong_count(shared) > 1)
    }

    /// The part, to be changed: copied first if it is shared.
    #[inline]
    pub fn own(&mut self) -> &mut T {
        if let Part::Shared(_) = self {
            self.unshare();
        }
        match self {
            Part::Own(own) => own,
            Part::Shared(_) => unreachable!("it was unshared above"),
        }
    }

    #[cold]
    #[inline(never)]
    fn unshare(&mut self) {
        *self = Part::Own(std::mem::replace(self, Part::Own(T::default())).into_own());
    }

    /// The part alone: a copy of it if it is shared.
    pub fn into_own(self) -> T {
        match self {
            Part::Own(own) => own,
            Part::Shared(shared) => {
                Arc::try_unwrap(shared).unwrap_or_else(|shared| T::clone(&shared))
            }
        }
    }
}

impl<T> Deref for Part<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match self {
            Part::Own(own) => own,
            Part::Shared(shared) => shared,
        }
    }
}

/// A copy that shares nothing.
impl<T: Clone> Clone for Part<T> {
    fn clone(&self) -> Part<T> {
        Part::Own(T::clone(self))
    }
}

impl<T: Default> Default for Part<T> {
    fn default() -> Part<T> {
        Part::Own(T::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_shared_part_changes_a_copy() {
        let mut part = Part::Own(vec![1, 2]);
        let kept = part.share();
        assert!(part.is_shared());
        part.own().push(3);
        assert!(!part.is_shared() && !kept.is_shared());
        assert_eq!((&part[..], &kept[..]), (&[1, 2, 3][..], &[1, 2][..]));
    }

    #[test]
    fn a_part_that_was_shared_is_taken_over() {
        let mut part = Part::Own(vec![1, 2]);
        let at = part.as_ptr();
        drop(part.share());
        part.own()[0] = 7;
        assert_eq!((part.as_ptr(), &part[..]), (at, &[7, 2][..]));
        assert!(matches!(part, Part::Own(_)));
    }
}
