//! Upgrading an upgradable read: the future, and what it yields.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use super::{
    guard::{guard, guard_mut},
    state::RwLock,
    wait::{Upgrading, Waiting},
};
use crate::timeout::{Wait, wait_methods};

/// The future of [`RwLockUpgradableReadGuard::upgrade`](crate::RwLockUpgradableReadGuard::upgrade), and of the owned guard's.
///
/// It borrows the guard, which is as it was if the future is dropped.
#[must_use = "futures do nothing unless polled"]
pub struct RwLockUpgrade<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    wait: Upgrading,
    /// The guard.
    _guard: PhantomData<&'a mut T>,
}

impl<'a, T: ?Sized> RwLockUpgrade<'a, T> {
    /// An upgrade of a guard of `lock` that is mutably borrowed for `'a`.
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        Self {
            lock,
            wait: Upgrading::default(),
            _guard: PhantomData,
        }
    }
}

impl<'a, T: ?Sized> Future for RwLockUpgrade<'a, T> {
    type Output = RwLockUpgradedGuard<'a, T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let lock = self.lock;
        self.wait
            .poll(&lock.raw, cx)
            .map(|()| RwLockUpgradedGuard::new(lock))
    }
}

impl<'a, T: ?Sized> Wait for RwLockUpgrade<'a, T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        let lock = self.lock;
        self.wait
            .at_deadline(&lock.raw)
            .then(|| RwLockUpgradedGuard::new(lock))
    }
}

wait_methods!(['a, T: ?Sized] RwLockUpgrade<'a, T>, it => it.wait,
    "use compio_sync::{RwLock, RwLockUpgradableReadGuard};
let lock = RwLock::new(1);
let reader = lock.try_read();
let mut guard = lock.try_upgradable_read().unwrap();",
    "RwLockUpgradableReadGuard::upgrade(&mut guard)");

impl<T: ?Sized> Drop for RwLockUpgrade<'_, T> {
    fn drop(&mut self) {
        self.wait.leave(&self.lock.raw);
    }
}

impl<T: ?Sized> fmt::Debug for RwLockUpgrade<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLockUpgrade").finish_non_exhaustive()
    }
}

/// A [`RwLock`] that is written by its upgradable reader, which goes on reading when this is dropped.
///
/// Made by [`RwLockUpgradableReadGuard::upgrade`](crate::RwLockUpgradableReadGuard::upgrade) and
/// [`OwnedRwLockUpgradableReadGuard::upgrade`](crate::OwnedRwLockUpgradableReadGuard::upgrade).
#[must_use = "the upgrade ends when the guard is dropped"]
#[clippy::has_significant_drop]
pub struct RwLockUpgradedGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    _value: PhantomData<&'a mut T>,
}

impl<'a, T: ?Sized> RwLockUpgradedGuard<'a, T> {
    /// The guard of an upgrade that has just been had.
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        Self {
            lock,
            _value: PhantomData,
        }
    }
}

guard!(['a, T: ?Sized] RwLockUpgradedGuard<'a, T>, T, |this|
    this.lock.value.with(|value| &*value),
    this.lock.raw.downgrade());
guard_mut!(['a, T: ?Sized] RwLockUpgradedGuard<'a, T>, T, |this|
    this.lock.value.with_mut(|value| &mut *value));
