//! Waiting for the lock.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    guard::{MutexGuard, OwnedMutexGuard},
    state::Mutex,
};
use crate::{
    timeout::{Wait, wait_methods},
    waiter_queue::Slot,
};

/// The future of [`Mutex::lock`](crate::Mutex::lock).
#[must_use = "futures do nothing unless polled"]
pub struct Lock<'a, T: ?Sized> {
    pub(super) mutex: &'a Mutex<T>,
    pub(super) slot: Slot,
}

impl<'a, T: ?Sized> Future for Lock<'a, T> {
    type Output = MutexGuard<'a, T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mutex = self.mutex;
        mutex
            .poll_lock(&mut self.slot, cx)
            .map(|()| MutexGuard::new(mutex))
    }
}

impl<'a, T: ?Sized> Wait for Lock<'a, T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        let mutex = self.mutex;
        mutex
            .lock_at_deadline(&mut self.slot)
            .then(|| MutexGuard::new(mutex))
    }
}

wait_methods!(['a, T: ?Sized] Lock<'a, T>, it => it.slot,
    "let mutex = compio_sync::Mutex::new(1); let guard = mutex.try_lock();", "mutex.lock()");

impl<T: ?Sized> Drop for Lock<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.leave(&mut self.slot);
    }
}

impl<T: ?Sized> fmt::Debug for Lock<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").finish_non_exhaustive()
    }
}

/// The future of [`Mutex::lock_owned`](crate::Mutex::lock_owned).
#[must_use = "futures do nothing unless polled"]
pub struct LockOwned<T: ?Sized> {
    pub(super) mutex: Arc<Mutex<T>>,
    pub(super) slot: Slot,
}

impl<T: ?Sized> Future for LockOwned<T> {
    type Output = OwnedMutexGuard<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.mutex
            .poll_lock(&mut this.slot, cx)
            .map(|()| OwnedMutexGuard::new(this.mutex.clone()))
    }
}

impl<T: ?Sized> Wait for LockOwned<T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        self.mutex
            .lock_at_deadline(&mut self.slot)
            .then(|| OwnedMutexGuard::new(self.mutex.clone()))
    }
}

wait_methods!([T: ?Sized] LockOwned<T>, it => it.slot,
    "let mutex = std::sync::Arc::new(compio_sync::Mutex::new(1)); let guard = mutex.try_lock();",
    "mutex.clone().lock_owned()");

impl<T: ?Sized> Drop for LockOwned<T> {
    fn drop(&mut self) {
        self.mutex.leave(&mut self.slot);
    }
}

impl<T: ?Sized> fmt::Debug for LockOwned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockOwned").finish_non_exhaustive()
    }
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// Unlocks, and begins to wait for the lock with the first poll.
    pub(crate) fn unlock(self) -> LockOwned<T> {
        let lock = LockOwned {
            mutex: self.into_locked(),
            slot: Slot::Idle,
        };
        lock.mutex.unlock();
        lock
    }
}
