//! The same names on the primitives of `shuttle`, whose scheduler chooses at each of them which
//! thread goes on.
//!
//! Time does not pass there: a wait with a limit ends when the scheduler has been asked once.

use shuttle::sync as inner;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Duration;

pub use inner::atomic::{AtomicBool, AtomicU8, Ordering};

/// A lock.
#[derive(Debug, Default)]
pub struct Mutex<T>(inner::Mutex<T>);

/// The right to what a lock protects. It is empty only while its owner waits for a [`Condvar`].
pub struct MutexGuard<'a, T>(Option<inner::MutexGuard<'a, T>>);

impl<T> Mutex<T> {
    /// Waits for the lock.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok().map(|guard| MutexGuard(Some(guard)))
    }

    /// Waits for the lock for a while.
    pub fn try_lock_for(&self, _: Duration) -> Option<MutexGuard<'_, T>> {
        shuttle::thread::yield_now();
        self.try_lock()
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("its owner does not wait")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("its owner does not wait")
    }
}

/// Where threads wait for a change of what a lock protects.
#[derive(Debug, Default)]
pub struct Condvar(inner::Condvar);

impl Condvar {
    /// Unlocks, waits for a notification, and locks again.
    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let locked = guard.0.take().expect("its owner does not wait");
        guard.0 = Some(self.0.wait(locked).unwrap_or_else(PoisonError::into_inner));
    }

    /// As [`Condvar::wait`]: no time passes here, so without a notification it waits for ever.
    pub fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) {
        self.wait(guard);
    }

    /// Wakes all threads that wait.
    pub fn notify_all(&self) {
        self.0.notify_all();
    }
}
