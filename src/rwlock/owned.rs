//! The guards that own the lock, in an `Arc`.

use std::{marker::PhantomData, mem::ManuallyDrop, ptr::NonNull, sync::Arc};

use super::{
    guard::{guard, guard_mut},
    state::RwLock,
    upgrade::{RwLockUpgrade, RwLockUpgradedGuard},
};
use crate::blocking::block_on;

/// A [`RwLock`] in an [`Arc`] that is read, or a part of its value. Unlocked when dropped.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let lock = Arc::new(compio_sync::RwLock::new(1));
/// let guard = lock.clone().read_owned().await;
/// let task = compio::runtime::spawn(async move { *guard });
/// assert_eq!(*lock.read().await, task.await.unwrap());
/// # });
/// ```
#[must_use = "the lock is unlocked when the guard is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockReadGuard<T: ?Sized, U: ?Sized = T> {
    lock: Arc<RwLock<T>>,
    part: NonNull<U>,
}

/// A [`RwLock`] in an [`Arc`] that is written, unlocked when dropped.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let lock = Arc::new(compio_sync::RwLock::new(1));
/// let mut guard = lock.clone().write_owned().await;
/// compio::runtime::spawn(async move { *guard += 1 }).await.unwrap();
/// assert_eq!(*lock.read().await, 2);
/// # });
/// ```
#[must_use = "the lock is unlocked when the guard is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockWriteGuard<T: ?Sized> {
    lock: Arc<RwLock<T>>,
}

/// A [`RwLock`] in an [`Arc`] that is read, and can be upgraded to be written.
///
/// See [`RwLockUpgradableReadGuard`](crate::RwLockUpgradableReadGuard). Made by [`RwLock::upgradable_read_owned`].
#[must_use = "the lock is unlocked when the guard is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockUpgradableReadGuard<T: ?Sized> {
    lock: Arc<RwLock<T>>,
}

/// Part of the value of a [`RwLock`] in an [`Arc`] that is written, unlocked when dropped.
///
/// Made by [`OwnedRwLockWriteGuard::map`].
#[must_use = "the lock is unlocked when the guard is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedRwLockMappedWriteGuard<T: ?Sized, U: ?Sized = T> {
    lock: Arc<RwLock<T>>,
    part: NonNull<U>,
    // Invariant: the part can be assigned to.
    _value: PhantomData<*mut U>,
}

// SAFETY: the guard owns a share of the lock, which may be the last one, and borrows the part with others.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Send for OwnedRwLockReadGuard<T, U> {}
// SAFETY: a shared guard gives `&Arc<RwLock<T>>` and `&U` to other threads.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Sync for OwnedRwLockReadGuard<T, U> {}
// SAFETY: the guard owns a share of the lock, which may be the last one, and borrows the part alone.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send> Send for OwnedRwLockMappedWriteGuard<T, U> {}
// SAFETY: a shared guard gives `&Arc<RwLock<T>>` and `&U` to other threads.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Sync for OwnedRwLockMappedWriteGuard<T, U> {}

/// Takes the lock, still locked, out of a guard.
macro_rules! into_locked {
    ($guard:expr) => {{
        let guard = ManuallyDrop::new($guard);
        // SAFETY: read once, out of a guard that is not dropped.
        unsafe { std::ptr::read(&guard.lock) }
    }};
}

impl<T: ?Sized> OwnedRwLockReadGuard<T> {
    /// The guard of a lock that has just been taken.
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        Self {
            part: lock.value_ptr(),
            lock,
        }
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockReadGuard<T, U> {
    fn with_part<V: ?Sized>(self, part: NonNull<V>) -> OwnedRwLockReadGuard<T, V> {
        OwnedRwLockReadGuard {
            lock: into_locked!(self),
            part,
        }
    }

    /// Makes a guard of a part of the value. A panic in `part` unlocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockReadGuard, RwLock};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = Arc::new(RwLock::new((1, 2)));
    /// let second = OwnedRwLockReadGuard::map(pair.read_owned().await, |pair| &pair.1);
    /// assert_eq!(compio::runtime::spawn(async move { *second }).await.unwrap(), 2);
    /// # });
    /// ```
    pub fn map<V: ?Sized>(guard: Self, part: impl FnOnce(&U) -> &V) -> OwnedRwLockReadGuard<T, V> {
        let part = NonNull::from(part(&*guard));
        guard.with_part(part)
    }

    /// Makes a guard of a part of the value, if `part` finds it.
    ///
    /// # Errors
    ///
    /// The guard as it was, if `part` returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockReadGuard, RwLock};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let names = Arc::new(RwLock::new(vec!["Ada"]));
    /// let guard = names.clone().read_owned().await;
    /// let second = OwnedRwLockReadGuard::filter_map(guard, |names| names.get(1));
    /// assert_eq!(*second.expect_err("there is none"), ["Ada"]);
    /// # });
    /// ```
    pub fn filter_map<V: ?Sized>(
        guard: Self,
        part: impl FnOnce(&U) -> Option<&V>,
    ) -> Result<OwnedRwLockReadGuard<T, V>, Self> {
        match part(&*guard).map(NonNull::from) {
            Some(part) => Ok(guard.with_part(part)),
            None => Err(guard),
        }
    }
}

impl<T: ?Sized> OwnedRwLockWriteGuard<T> {
    /// The guard of a lock that has just been taken.
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        Self { lock }
    }

    fn with_part<U: ?Sized>(self, part: NonNull<U>) -> OwnedRwLockMappedWriteGuard<T, U> {
        OwnedRwLockMappedWriteGuard {
            lock: into_locked!(self),
            part,
            _value: PhantomData,
        }
    }

    /// Makes a reader's guard of it. Nobody writes in between.
    ///
    /// See [`RwLockWriteGuard::downgrade`](crate::RwLockWriteGuard::downgrade).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let lock = Arc::new(RwLock::new(1));
    /// let mut guard = lock.clone().write_owned().await;
    /// *guard += 1;
    /// let guard = OwnedRwLockWriteGuard::downgrade(guard);
    /// assert_eq!((*guard, *lock.read().await), (2, 2));
    /// # });
    /// ```
    pub fn downgrade(guard: Self) -> OwnedRwLockReadGuard<T> {
        let read = OwnedRwLockReadGuard::new(into_locked!(guard));
        read.lock.raw.downgrade();
        read
    }

    /// Makes a reader's guard of a part of the value.
    ///
    /// See [`RwLockWriteGuard::downgrade_map`](crate::RwLockWriteGuard::downgrade_map).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = Arc::new(RwLock::new((1, 2)));
    /// let guard = pair.clone().write_owned().await;
    /// let second = OwnedRwLockWriteGuard::downgrade_map(guard, |pair| &pair.1);
    /// assert_eq!((*second, pair.read().await.0), (2, 1));
    /// # });
    /// ```
    pub fn downgrade_map<U: ?Sized>(
        guard: Self,
        part: impl FnOnce(&T) -> &U,
    ) -> OwnedRwLockReadGuard<T, U> {
        let part = NonNull::from(part(&*guard));
        Self::downgrade(guard).with_part(part)
    }

    /// Makes a reader's guard of a part of the value, if `part` finds it.
    ///
    /// # Errors
    ///
    /// The guard as it was, if `part` returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let names = Arc::new(RwLock::new(vec!["Ada"]));
    /// let guard = names.clone().write_owned().await;
    /// let second = OwnedRwLockWriteGuard::try_downgrade_map(guard, |names| names.get(1));
    /// second.expect_err("there is none").push("Grace");
    /// # });
    /// ```
    pub fn try_downgrade_map<U: ?Sized>(
        guard: Self,
        part: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<OwnedRwLockReadGuard<T, U>, Self> {
        match part(&*guard).map(NonNull::from) {
            Some(part) => Ok(Self::downgrade(guard).with_part(part)),
            None => Err(guard),
        }
    }

    /// Makes a guard of a part of the value. A panic in `part` unlocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = Arc::new(RwLock::new((1, 2)));
    /// let guard = pair.clone().write_owned().await;
    /// let mut second = OwnedRwLockWriteGuard::map(guard, |pair| &mut pair.1);
    /// compio::runtime::spawn(async move { *second = 3 }).await.unwrap();
    /// assert_eq!(*pair.read().await, (1, 3));
    /// # });
    /// ```
    pub fn map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> OwnedRwLockMappedWriteGuard<T, U> {
        let part = NonNull::from(part(&mut *guard));
        guard.with_part(part)
    }

    /// Makes a guard of a part of the value, if `part` finds it.
    ///
    /// # Errors
    ///
    /// The guard as it was, if `part` returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let names = Arc::new(RwLock::new(vec!["Ada"]));
    /// let guard = names.clone().write_owned().await;
    /// let second = OwnedRwLockWriteGuard::filter_map(guard, |names| names.get_mut(1));
    /// assert_eq!(*second.expect_err("there is none"), ["Ada"]);
    /// # });
    /// ```
    pub fn filter_map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, U>, Self> {
        match part(&mut *guard).map(NonNull::from) {
            Some(part) => Ok(guard.with_part(part)),
            None => Err(guard),
        }
    }

    /// Makes a guard of the whole value, for where one of a part is expected.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockWriteGuard, RwLock};
    ///
    /// let lock = Arc::new(RwLock::new(1));
    /// *OwnedRwLockWriteGuard::into_mapped(lock.clone().try_write_owned().unwrap()) += 1;
    /// assert_eq!(*lock.try_read().unwrap(), 2);
    /// ```
    pub fn into_mapped(guard: Self) -> OwnedRwLockMappedWriteGuard<T> {
        Self::map(guard, |value| value)
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwLockMappedWriteGuard<T, U> {
    fn with_part<V: ?Sized>(self, part: NonNull<V>) -> OwnedRwLockMappedWriteGuard<T, V> {
        OwnedRwLockMappedWriteGuard {
            lock: into_locked!(self),
            part,
            _value: PhantomData,
        }
    }

    /// Makes a guard of a part of the part. A panic in `part` unlocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard, RwLock};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = Arc::new(RwLock::new((1, [2, 3])));
    /// let guard = pair.clone().write_owned().await;
    /// let array = OwnedRwLockWriteGuard::map(guard, |pair| &mut pair.1);
    /// let mut first = OwnedRwLockMappedWriteGuard::map(array, |array| &mut array[0]);
    /// *first = 4;
    /// drop(first);
    /// assert_eq!(*pair.read().await, (1, [4, 3]));
    /// # });
    /// ```
    pub fn map<V: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut U) -> &mut V,
    ) -> OwnedRwLockMappedWriteGuard<T, V> {
        let part = NonNull::from(part(&mut *guard));
        guard.with_part(part)
    }

    /// Makes a guard of a part of the part, if `part` finds it.
    ///
    /// # Errors
    ///
    /// The guard as it was, if `part` returns `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard, RwLock};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = Arc::new(RwLock::new((1, [2, 3])));
    /// let guard = pair.clone().write_owned().await;
    /// let array = OwnedRwLockWriteGuard::map(guard, |pair| &mut pair.1);
    /// let third = OwnedRwLockMappedWriteGuard::filter_map(array, |array| array.get_mut(2));
    /// assert_eq!(*third.expect_err("there is none"), [2, 3]);
    /// # });
    /// ```
    pub fn filter_map<V: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<OwnedRwLockMappedWriteGuard<T, V>, Self> {
        match part(&mut *guard).map(NonNull::from) {
            Some(part) => Ok(guard.with_part(part)),
            None => Err(guard),
        }
    }
}

impl<T: ?Sized> OwnedRwLockUpgradableReadGuard<T> {
    /// The guard of a lock that has just been taken.
    pub(super) fn new(lock: Arc<RwLock<T>>) -> Self {
        Self { lock }
    }

    /// Waits until all other readers have unlocked, and yields a guard that writes.
    ///
    /// See [`RwLockUpgradableReadGuard::upgrade`](crate::RwLockUpgradableReadGuard::upgrade).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the guard is as it was: it reads, and can be upgraded.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockUpgradableReadGuard, RwLock};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let lock = Arc::new(RwLock::new(1));
    /// let mut guard = lock.upgradable_read_owned().await;
    /// *OwnedRwLockUpgradableReadGuard::upgrade(&mut guard).await += 1;
    /// assert_eq!(*guard, 2);
    /// # });
    /// ```
    pub fn upgrade(guard: &mut Self) -> RwLockUpgrade<'_, T> {
        RwLockUpgrade::new(&guard.lock)
    }

    /// Yields a guard that writes, if nobody else reads.
    ///
    /// See [`RwLockUpgradableReadGuard::try_upgrade`](crate::RwLockUpgradableReadGuard::try_upgrade).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockUpgradableReadGuard, RwLock};
    ///
    /// let lock = Arc::new(RwLock::new(1));
    /// let mut guard = lock.try_upgradable_read_owned().unwrap();
    /// *OwnedRwLockUpgradableReadGuard::try_upgrade(&mut guard).unwrap() += 1;
    /// assert_eq!(*guard, 2);
    /// ```
    pub fn try_upgrade(guard: &mut Self) -> Option<RwLockUpgradedGuard<'_, T>> {
        let lock = &*guard.lock;
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
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockUpgradableReadGuard, RwLock};
    ///
    /// let lock = Arc::new(RwLock::new(1));
    /// let mut guard = lock.blocking_upgradable_read_owned();
    /// *OwnedRwLockUpgradableReadGuard::blocking_upgrade(&mut guard) += 1;
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
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{OwnedRwLockUpgradableReadGuard, RwLock};
    ///
    /// let lock = Arc::new(RwLock::new(1));
    /// let guard = lock.clone().try_upgradable_read_owned().unwrap();
    /// let guard = OwnedRwLockUpgradableReadGuard::downgrade(guard);
    /// assert!(lock.try_upgradable_read().is_some());
    /// # drop(guard);
    /// ```
    pub fn downgrade(guard: Self) -> OwnedRwLockReadGuard<T> {
        let read = OwnedRwLockReadGuard::new(into_locked!(guard));
        read.lock.raw.upgrading.give(1);
        read
    }
}

/// Declares the way from an owned guard to its lock.
macro_rules! rwlock {
    ($([$($generics:tt)*] $guard:ty, $name:literal, $use:literal, $make:literal;)*) => {$(
        impl<$($generics)*> $guard {
            /// Returns the lock that the guard has locked.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::sync::Arc;
            ///
            #[doc = concat!("use compio_sync::{", $use, ", RwLock};")]
            ///
            /// let lock = Arc::new(RwLock::new(1));
            #[doc = concat!("let guard = ", $make, ";")]
            #[doc = concat!("assert!(Arc::ptr_eq(", $name, "::rwlock(&guard), &lock));")]
            /// ```
            pub fn rwlock(guard: &Self) -> &Arc<RwLock<T>> {
                &guard.lock
            }
        }
    )*};
}

rwlock! {
    [T: ?Sized, U: ?Sized] OwnedRwLockReadGuard<T, U>,
        "OwnedRwLockReadGuard", "OwnedRwLockReadGuard", "lock.clone().try_read_owned().unwrap()";
    [T: ?Sized] OwnedRwLockWriteGuard<T>,
        "OwnedRwLockWriteGuard", "OwnedRwLockWriteGuard", "lock.clone().try_write_owned().unwrap()";
    [T: ?Sized] OwnedRwLockUpgradableReadGuard<T>,
        "OwnedRwLockUpgradableReadGuard", "OwnedRwLockUpgradableReadGuard", "lock.clone().try_upgradable_read_owned().unwrap()";
    [T: ?Sized, U: ?Sized] OwnedRwLockMappedWriteGuard<T, U>,
        "OwnedRwLockMappedWriteGuard", "OwnedRwLockMappedWriteGuard, OwnedRwLockWriteGuard",
        "OwnedRwLockWriteGuard::into_mapped(lock.clone().try_write_owned().unwrap())";
}

guard!([T: ?Sized, U: ?Sized] OwnedRwLockReadGuard<T, U>, U, |this|
    this.part.as_ref(),
    this.lock.raw.end_read());
guard!([T: ?Sized] OwnedRwLockWriteGuard<T>, T, |this|
    this.lock.value.with(|value| &*value),
    this.lock.raw.end_write());
guard_mut!([T: ?Sized] OwnedRwLockWriteGuard<T>, T, |this|
    this.lock.value.with_mut(|value| &mut *value));
guard!([T: ?Sized] OwnedRwLockUpgradableReadGuard<T>, T, |this|
    this.lock.value.with(|value| &*value),
    this.lock.raw.end_upgradable_read());
guard!([T: ?Sized, U: ?Sized] OwnedRwLockMappedWriteGuard<T, U>, U, |this|
    this.part.as_ref(),
    this.lock.raw.end_write());
guard_mut!([T: ?Sized, U: ?Sized] OwnedRwLockMappedWriteGuard<T, U>, U, |this|
    this.part.as_mut());
