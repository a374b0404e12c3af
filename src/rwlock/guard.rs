//! The guards that borrow the lock.

use std::{marker::PhantomData, mem::ManuallyDrop, ptr::NonNull};

use super::state::RwLock;
use crate::waiter_queue::Queue;

/// A [`RwLock`] that is read, or a part of its value. Unlocked when dropped.
///
/// # Examples
///
/// ```
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let lock = compio_sync::RwLock::new(1);
/// let (first, second) = (lock.read().await, lock.read().await);
/// assert_eq!(*first + *second, 2);
/// assert!(lock.try_write().is_none());
/// # });
/// ```
#[must_use = "the lock is unlocked when the guard is dropped"]
#[clippy::has_significant_drop]
pub struct RwLockReadGuard<'a, U: ?Sized> {
    permits: &'a Queue,
    part: NonNull<U>,
    _value: PhantomData<&'a U>,
}

/// A [`RwLock`] that is written, unlocked when dropped.
///
/// # Examples
///
/// ```
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let lock = compio_sync::RwLock::new(1);
/// let mut guard = lock.write().await;
/// *guard += 1;
/// assert!(lock.try_read().is_none());
/// drop(guard);
/// assert_eq!(*lock.read().await, 2);
/// # });
/// ```
#[must_use = "the lock is unlocked when the guard is dropped"]
#[clippy::has_significant_drop]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    _value: PhantomData<&'a mut T>,
}

/// Part of the value of a [`RwLock`] that is written, unlocked when dropped.
///
/// Made by [`RwLockWriteGuard::map`]. It cannot be downgraded: what has led to the part by `&mut` may not be valid
/// beside other readers.
#[must_use = "the lock is unlocked when the guard is dropped"]
#[clippy::has_significant_drop]
pub struct RwLockMappedWriteGuard<'a, U: ?Sized> {
    permits: &'a Queue,
    /// How many permits a writer has.
    all: u32,
    part: NonNull<U>,
    _value: PhantomData<&'a mut U>,
}

// SAFETY: the guard is a shared borrow of the part, and a right to unlock from any thread.
unsafe impl<U: ?Sized + Sync> Send for RwLockReadGuard<'_, U> {}
// SAFETY: a shared guard gives `&U` to other threads.
unsafe impl<U: ?Sized + Sync> Sync for RwLockReadGuard<'_, U> {}
// SAFETY: the guard is an exclusive borrow of the part, and a right to unlock from any thread.
unsafe impl<U: ?Sized + Send> Send for RwLockMappedWriteGuard<'_, U> {}
// SAFETY: a shared guard gives `&U` to other threads.
unsafe impl<U: ?Sized + Sync> Sync for RwLockMappedWriteGuard<'_, U> {}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// The guard of a lock that has just been taken.
    #[inline]
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        Self {
            permits: &lock.raw.permits,
            part: lock.value_ptr(),
            _value: PhantomData,
        }
    }

    fn with_part<V: ?Sized>(self, part: NonNull<V>) -> RwLockReadGuard<'a, V> {
        RwLockReadGuard {
            permits: ManuallyDrop::new(self).permits,
            part,
            _value: PhantomData,
        }
    }

    /// Makes a guard of a part of the value.
    ///
    /// An associated function, as the value may have a method `map` of its own. A panic in `part`
    /// unlocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{RwLock, RwLockReadGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = RwLock::new((1, 2));
    /// let second = RwLockReadGuard::map(pair.read().await, |pair| &pair.1);
    /// assert_eq!(*second, 2);
    /// # });
    /// ```
    pub fn map<V: ?Sized>(guard: Self, part: impl FnOnce(&T) -> &V) -> RwLockReadGuard<'a, V> {
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
    /// use compio_sync::{RwLock, RwLockReadGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let names = RwLock::new(vec!["Ada"]);
    /// let first = RwLockReadGuard::filter_map(names.read().await, |names| names.first());
    /// assert_eq!(*first.expect("there is one"), "Ada");
    /// let second = RwLockReadGuard::filter_map(names.read().await, |names| names.get(1));
    /// assert!(second.is_err());
    /// # });
    /// ```
    pub fn filter_map<V: ?Sized>(
        guard: Self,
        part: impl FnOnce(&T) -> Option<&V>,
    ) -> Result<RwLockReadGuard<'a, V>, Self> {
        match part(&*guard).map(NonNull::from) {
            Some(part) => Ok(guard.with_part(part)),
            None => Err(guard),
        }
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// The guard of a lock that has just been taken.
    #[inline]
    pub(super) fn new(lock: &'a RwLock<T>) -> Self {
        Self {
            lock,
            _value: PhantomData,
        }
    }

    fn with_part<U: ?Sized>(self, part: NonNull<U>) -> RwLockMappedWriteGuard<'a, U> {
        let raw = &ManuallyDrop::new(self).lock.raw;
        RwLockMappedWriteGuard {
            permits: &raw.permits,
            all: raw.max_readers(),
            part,
            _value: PhantomData,
        }
    }

    /// Makes a reader's guard of it. Nobody writes in between.
    ///
    /// Other readers are let in, but those who wait behind a writer only if they may barge.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{RwLock, RwLockWriteGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let lock = RwLock::new(1);
    /// let mut guard = lock.write().await;
    /// *guard += 1;
    /// let guard = RwLockWriteGuard::downgrade(guard);
    /// assert_eq!((*guard, *lock.read().await), (2, 2));
    /// # });
    /// ```
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T> {
        let lock = ManuallyDrop::new(guard).lock;
        let read = RwLockReadGuard::new(lock);
        lock.raw.downgrade();
        read
    }

    /// Makes a reader's guard of a part of the value.
    ///
    /// As [`downgrade`](Self::downgrade), and then [`RwLockReadGuard::map`], but that `part` runs while nobody else
    /// reads. A panic in `part` unlocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{RwLock, RwLockWriteGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = RwLock::new((1, 2));
    /// let second = RwLockWriteGuard::downgrade_map(pair.write().await, |pair| &pair.1);
    /// assert_eq!((*second, pair.read().await.0), (2, 1));
    /// # });
    /// ```
    pub fn downgrade_map<U: ?Sized>(
        guard: Self,
        part: impl FnOnce(&T) -> &U,
    ) -> RwLockReadGuard<'a, U> {
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
    /// use compio_sync::{RwLock, RwLockWriteGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let names = RwLock::new(vec!["Ada"]);
    /// let guard = names.write().await;
    /// let second = RwLockWriteGuard::try_downgrade_map(guard, |names| names.get(1));
    /// second.expect_err("there is none").push("Grace");
    /// # assert_eq!(names.into_inner().len(), 2);
    /// # });
    /// ```
    pub fn try_downgrade_map<U: ?Sized>(
        guard: Self,
        part: impl FnOnce(&T) -> Option<&U>,
    ) -> Result<RwLockReadGuard<'a, U>, Self> {
        match part(&*guard).map(NonNull::from) {
            Some(part) => Ok(Self::downgrade(guard).with_part(part)),
            None => Err(guard),
        }
    }

    /// Makes a guard of a part of the value.
    ///
    /// An associated function, as the value may have a method `map` of its own. A panic in `part`
    /// unlocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{RwLock, RwLockWriteGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = RwLock::new((1, 2));
    /// let mut second = RwLockWriteGuard::map(pair.write().await, |pair| &mut pair.1);
    /// *second = 3;
    /// drop(second);
    /// assert_eq!(pair.into_inner(), (1, 3));
    /// # });
    /// ```
    pub fn map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> RwLockMappedWriteGuard<'a, U> {
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
    /// use compio_sync::{RwLock, RwLockWriteGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let names = RwLock::new(vec!["Ada"]);
    /// let first = RwLockWriteGuard::filter_map(names.write().await, |names| names.first_mut());
    /// *first.expect("there is one") = "Grace";
    /// let second = RwLockWriteGuard::filter_map(names.write().await, |names| names.get_mut(1));
    /// assert_eq!(*second.expect_err("there is none"), ["Grace"]);
    /// # });
    /// ```
    pub fn filter_map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<RwLockMappedWriteGuard<'a, U>, Self> {
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
    /// use compio_sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(1);
    /// *RwLockWriteGuard::into_mapped(lock.try_write().unwrap()) += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    pub fn into_mapped(guard: Self) -> RwLockMappedWriteGuard<'a, T> {
        Self::map(guard, |value| value)
    }
}

impl<'a, U: ?Sized> RwLockMappedWriteGuard<'a, U> {
    fn with_part<V: ?Sized>(self, part: NonNull<V>) -> RwLockMappedWriteGuard<'a, V> {
        let guard = ManuallyDrop::new(self);
        RwLockMappedWriteGuard {
            permits: guard.permits,
            all: guard.all,
            part,
            _value: PhantomData,
        }
    }

    /// Makes a guard of a part of the part. A panic in `part` unlocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{RwLock, RwLockMappedWriteGuard, RwLockWriteGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = RwLock::new((1, [2, 3]));
    /// let array = RwLockWriteGuard::map(pair.write().await, |pair| &mut pair.1);
    /// let mut first = RwLockMappedWriteGuard::map(array, |array| &mut array[0]);
    /// *first = 4;
    /// drop(first);
    /// assert_eq!(pair.into_inner(), (1, [4, 3]));
    /// # });
    /// ```
    pub fn map<V: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut U) -> &mut V,
    ) -> RwLockMappedWriteGuard<'a, V> {
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
    /// use compio_sync::{RwLock, RwLockMappedWriteGuard, RwLockWriteGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = RwLock::new((1, [2, 3]));
    /// let array = RwLockWriteGuard::map(pair.write().await, |pair| &mut pair.1);
    /// let third = RwLockMappedWriteGuard::filter_map(array, |array| array.get_mut(2));
    /// assert_eq!(*third.expect_err("there is none"), [2, 3]);
    /// # });
    /// ```
    pub fn filter_map<V: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<RwLockMappedWriteGuard<'a, V>, Self> {
        match part(&mut *guard).map(NonNull::from) {
            Some(part) => Ok(guard.with_part(part)),
            None => Err(guard),
        }
    }
}

/// What all guards do: lead to their target, and unlock.
macro_rules! guard {
    ([$($generics:tt)*] $guard:ty, $target:ty, |$this:ident|
     $get:expr, $unlock:expr) => {
        impl<$($generics)*> std::ops::Deref for $guard {
            type Target = $target;

            #[inline]
            fn deref(&self) -> &$target {
                let $this = self;
                // SAFETY: the guard has the lock, and lends it out as it is borrowed itself.
                unsafe { $get }
            }
        }

        impl<$($generics)*> Drop for $guard {
            #[inline]
            fn drop(&mut self) {
                let $this = self;
                $unlock
            }
        }

        impl<$($generics)*> std::fmt::Debug for $guard where $target: std::fmt::Debug {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&**self, f)
            }
        }

        impl<$($generics)*> std::fmt::Display for $guard where $target: std::fmt::Display {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&**self, f)
            }
        }
    };
}
pub(super) use guard;

/// What guards that write do besides.
macro_rules! guard_mut {
    ([$($generics:tt)*] $guard:ty, $target:ty, |$this:ident| $get_mut:expr) => {
        impl<$($generics)*> std::ops::DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut $target {
                let $this = self;
                // SAFETY: the guard has the lock to itself, and lends it out as it is borrowed itself.
                unsafe { $get_mut }
            }
        }
    };
}
pub(super) use guard_mut;

guard!(['a, U: ?Sized] RwLockReadGuard<'a, U>, U, |this|
    this.part.as_ref(),
    this.permits.give(1));
guard!(['a, T: ?Sized] RwLockWriteGuard<'a, T>, T, |this|
    this.lock.value.with(|value| &*value),
    this.lock.raw.end_write());
guard_mut!(['a, T: ?Sized] RwLockWriteGuard<'a, T>, T, |this|
    this.lock.value.with_mut(|value| &mut *value));
guard!(['a, U: ?Sized] RwLockMappedWriteGuard<'a, U>, U, |this|
    this.part.as_ref(),
    this.permits.give(this.all as usize));
guard_mut!(['a, U: ?Sized] RwLockMappedWriteGuard<'a, U>, U, |this|
    this.part.as_mut());
