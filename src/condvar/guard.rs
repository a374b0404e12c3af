//! The guards that a condition variable can wait with.

use std::{future::Future, ops::DerefMut};

use futures_core::FusedFuture;

use crate::{Lock, LockOwned, MutexGuard, OwnedMutexGuard};

/// A guard whose mutex can be unlocked and locked again. Sealed: the guards of
/// [`Mutex`](crate::Mutex), borrowed and owned.
pub trait Guard: DerefMut + Sized + Unpin {
    /// The wait for the lock.
    type Relock: Future<Output = Self> + FusedFuture + Unpin;

    /// Unlocks the mutex, and begins to wait for it with the first poll.
    fn unlock(self) -> Self::Relock;
}

impl<'a, T: ?Sized> Guard for MutexGuard<'a, T> {
    type Relock = Lock<'a, T>;

    fn unlock(self) -> Lock<'a, T> {
        Self::mutex(&self).lock()
    }
}

impl<T: ?Sized> Guard for OwnedMutexGuard<T> {
    type Relock = LockOwned<T>;

    fn unlock(self) -> LockOwned<T> {
        Self::unlock(self)
    }
}
