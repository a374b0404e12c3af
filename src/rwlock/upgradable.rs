//! The guard of an upgradable read that borrows the lock.

use std::{marker::PhantomData, mem::ManuallyDrop};

use super::{
    guard::{RwLockReadGuard, guard},
    state::RwLock,
    upgrade::{RwLockUpgrade, RwLockUpgradedGuard},
};
use crate::blocking::block_on;

/// A [`RwLock`] that is read, and can be upgraded to be written.
///
/// There is one at a time, beside any number of plain readers, so that two of them never wait for each other's
/// read to end. Made by [`RwLock::upgradable_read`].
///
/// # Examples
///
/// ```
/// use compio_sync::{RwLock, RwLockUpgradableReadGuard};
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let cache = RwLock::new(None);
/// let mut guard = cache.upgradable_read().await;
/// if guard.is_none() {
///     // Nobody has written since it was read.
///     *RwLockUpgradableReadGuard::upgrade(&mut guard).await = Some(1);
/// }
/// assert_eq!(*guard, Some(1)); // still read
/// # });
/// ```
#[must_use = "the lock is unlocked when the guard is dropped"]
#[clippy::has_significant_drop]
pub struct RwLockUpgradableReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    _value: PhantomData<&'a mut T>,
}

impl<'a, T: ?Sized> RwLockUpgradableReadGuard<'a, T> {
    /// The guard of a lock that has just been taken.
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        Self {
            lock,
            _value: PhantomData,
        }
    }

    /// Waits until all other readers have unlocked, and yields a guard that writes.
    ///
    /// Nobody writes between the read and this. When the upgraded guard is dropped, this one goes on reading.
    ///
    /// The upgrade goes ahead of all who wait. While it waits nobody else begins to read.
    ///
    /// An associated function, as the value may have a method `upgrade` of its own.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the guard is as it was: it reads, and can be upgraded.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{RwLock, RwLockUpgradableReadGuard};
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let lock = RwLock::new(1);
    /// let reader = lock.read().await;
    /// let mut guard = lock.upgradable_read().await;
    /// assert!(poll!(RwLockUpgradableReadGuard::upgrade(&mut guard)).is_pending());
    /// assert_eq!(*guard, 1); // that was cancelled
    /// drop(reader);
    /// *RwLockUpgradableReadGuard::upgrade(&mut guard).await += 1;
    /// assert_eq!(*guard, 2);
    /// # });
    /// ```
    pub fn upgrade(guard: &mut Self) -> RwLockUpgrade<'_, T> {
        RwLockUpgrade::new(guard.lock)
    }

    /// Yields a guard that writes, if nobody else reads.
    ///
    /// Returns `None` otherwise, and while another thread is serving the waiters.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{RwLock, RwLockUpgradableReadGuard};
    ///
    /// let lock = RwLock::new(1);
    /// let reader = lock.try_read().unwrap();
    /// let mut guard = lock.try_upgradable_read().unwrap();
    /// assert!(RwLockUpgradableReadGuard::try_upgrade(&mut guard).is_none());
    /// drop(reader);
    /// *RwLockUpgradableReadGuard::try_upgrade(&mut guard).unwrap() += 1;
    /// assert_eq!(*guard, 2);
    /// ```
    pub fn try_upgrade(guard: &mut Self) -> Option<RwLockUpgradedGuard<'_, T>> {
        let lock = guard.lock;
        lock.raw
            .try_upgrade()
            .then(|| RwLockUpgradedGuard::new(lock))
    }

    /// Upgrades, blocking the calling thread until all other readers have unlocked.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{RwLock, RwLockUpgradableReadGuard};
    ///
    /// let lock = RwLock::new(1);
    /// let mut guard = lock.blocking_upgradable_read();
    /// *RwLockUpgradableReadGuard::blocking_upgrade(&mut guard) += 1;
    /// assert_eq!(*guard, 2);
    /// ```
    #[track_caller]
    pub fn blocking_upgrade(guard: &mut Self) -> RwLockUpgradedGuard<'_, T> {
        block_on("blocking_upgrade", Self::upgrade(guard))
    }

    /// Makes a plain reader's guard of it, so that another reader can be the upgradable one.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{RwLock, RwLockUpgradableReadGuard};
    ///
    /// let lock = RwLock::new(1);
    /// let guard = lock.try_upgradable_read().unwrap();
    /// assert!(lock.try_upgradable_read().is_none());
    /// let guard = RwLockUpgradableReadGuard::downgrade(guard);
    /// assert!(lock.try_upgradable_read().is_some());
    /// # drop(guard);
    /// ```
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T> {
        let lock = ManuallyDrop::new(guard).lock;
        let read = RwLockReadGuard::new(lock);
        lock.raw.upgrading.give(1);
        read
    }
}

guard!(['a, T: ?Sized] RwLockUpgradableReadGuard<'a, T>, T, |this|
    this.lock.value.with(|value| &*value),
    this.lock.raw.end_upgradable_read());
