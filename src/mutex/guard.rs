//! What a lock yields.

use std::{
    fmt,
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    sync::Arc,
};

use super::state::Mutex;
use crate::waiter_queue::Queue;

/// A locked [`Mutex`], unlocked when dropped.
///
/// # Examples
///
/// ```
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let names = compio_sync::Mutex::new(vec!["Ada"]);
/// let mut guard = names.lock().await;
/// guard.push("Grace");
/// assert!(names.try_lock().is_none());
/// drop(guard);
/// assert_eq!(names.into_inner().len(), 2);
/// # });
/// ```
#[must_use = "the mutex is unlocked when the guard is dropped"]
#[clippy::has_significant_drop]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    _value: PhantomData<&'a mut T>,
}

/// A locked [`Mutex`] in an [`Arc`], unlocked when dropped.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let names = Arc::new(compio_sync::Mutex::new(vec!["Ada"]));
/// let mut guard = names.clone().lock_owned().await;
/// compio::runtime::spawn(async move { guard.push("Grace") }).await.unwrap();
/// assert_eq!(names.lock().await.len(), 2);
/// # });
/// ```
#[must_use = "the mutex is unlocked when the guard is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedMutexGuard<T: ?Sized> {
    mutex: Arc<Mutex<T>>,
}

/// Part of the value of a locked [`Mutex`], unlocked when this is dropped.
///
/// Made by [`MutexGuard::map`].
#[must_use = "the mutex is unlocked when the guard is dropped"]
#[clippy::has_significant_drop]
pub struct MappedMutexGuard<'a, U: ?Sized> {
    queue: &'a Queue,
    part: NonNull<U>,
    _value: PhantomData<&'a mut U>,
}

/// Part of the value of a locked [`Mutex`] in an [`Arc`], unlocked when dropped.
///
/// Made by [`OwnedMutexGuard::map`].
#[must_use = "the mutex is unlocked when the guard is dropped"]
#[clippy::has_significant_drop]
pub struct OwnedMappedMutexGuard<T: ?Sized, U: ?Sized = T> {
    mutex: Arc<Mutex<T>>,
    part: NonNull<U>,
    // Invariant: the part can be assigned to.
    _value: PhantomData<*mut U>,
}

// SAFETY: a shared guard gives `&T` to other threads, and `&Mutex<T>`, which is for `T: Send`.
unsafe impl<T: ?Sized + Send + Sync> Sync for MutexGuard<'_, T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedMutexGuard<T> {}
// SAFETY: the guard is an exclusive borrow of the part and a right to unlock from any thread.
unsafe impl<U: ?Sized + Send> Send for MappedMutexGuard<'_, U> {}
// SAFETY: a shared guard gives `&U` to other threads.
unsafe impl<U: ?Sized + Sync> Sync for MappedMutexGuard<'_, U> {}
// SAFETY: the guard owns a share of the mutex, which may be the last one, and borrows the part.
unsafe impl<T: ?Sized + Send, U: ?Sized + Send> Send for OwnedMappedMutexGuard<T, U> {}
// SAFETY: a shared guard gives `&U` to other threads.
unsafe impl<T: ?Sized + Send, U: ?Sized + Send + Sync> Sync for OwnedMappedMutexGuard<T, U> {}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// The guard of a lock that has just been taken.
    #[inline]
    pub(super) fn new(mutex: &'a Mutex<T>) -> Self {
        Self {
            mutex,
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
    /// use compio_sync::{Mutex, MutexGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = Mutex::new((1, 2));
    /// let mut second = MutexGuard::map(pair.lock().await, |pair| &mut pair.1);
    /// *second = 3;
    /// drop(second);
    /// assert_eq!(pair.into_inner(), (1, 3));
    /// # });
    /// ```
    pub fn map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedMutexGuard<'a, U> {
        let part = NonNull::from(part(&mut *guard));
        let queue = &ManuallyDrop::new(guard).mutex.queue;
        MappedMutexGuard {
            queue,
            part,
            _value: PhantomData,
        }
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
    /// use compio_sync::{Mutex, MutexGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let names = Mutex::new(vec!["Ada"]);
    /// let first = MutexGuard::filter_map(names.lock().await, |names| names.first_mut());
    /// *first.expect("there is one") = "Grace";
    /// let second = MutexGuard::filter_map(names.lock().await, |names| names.get_mut(1));
    /// assert_eq!(*second.expect_err("there is none"), ["Grace"]);
    /// # });
    /// ```
    pub fn filter_map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedMutexGuard<'a, U>, Self> {
        match part(&mut *guard).map(NonNull::from) {
            Some(part) => {
                let queue = &ManuallyDrop::new(guard).mutex.queue;
                Ok(MappedMutexGuard {
                    queue,
                    part,
                    _value: PhantomData,
                })
            }
            None => Err(guard),
        }
    }

    /// Returns the mutex that the guard has locked.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{Mutex, MutexGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let mutex = Mutex::new(1);
    /// let guard = mutex.lock().await;
    /// assert!(std::ptr::eq(MutexGuard::mutex(&guard), &mutex));
    /// # drop(guard);
    /// # });
    /// ```
    pub fn mutex(guard: &Self) -> &'a Mutex<T> {
        guard.mutex
    }
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    /// The guard of a lock that has just been taken.
    pub(super) fn new(mutex: Arc<Mutex<T>>) -> Self {
        Self { mutex }
    }

    /// Makes a guard of a part of the value.
    ///
    /// A panic in `part` unlocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{Mutex, OwnedMutexGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = Arc::new(Mutex::new((1, 2)));
    /// let mut second = OwnedMutexGuard::map(pair.clone().lock_owned().await, |pair| &mut pair.1);
    /// compio::runtime::spawn(async move { *second = 3 }).await.unwrap();
    /// assert_eq!(*pair.lock().await, (1, 3));
    /// # });
    /// ```
    pub fn map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> OwnedMappedMutexGuard<T, U> {
        let part = NonNull::from(part(&mut *guard));
        OwnedMappedMutexGuard {
            mutex: guard.into_locked(),
            part,
            _value: PhantomData,
        }
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
    /// use compio_sync::{Mutex, OwnedMutexGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let names = Arc::new(Mutex::new(vec!["Ada"]));
    /// let guard = names.clone().lock_owned().await;
    /// let first = OwnedMutexGuard::filter_map(guard, |names| names.first_mut());
    /// assert_eq!(*first.expect("there is one"), "Ada");
    /// # });
    /// ```
    pub fn filter_map<U: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<OwnedMappedMutexGuard<T, U>, Self> {
        match part(&mut *guard).map(NonNull::from) {
            Some(part) => Ok(OwnedMappedMutexGuard {
                mutex: guard.into_locked(),
                part,
                _value: PhantomData,
            }),
            None => Err(guard),
        }
    }

    /// Returns the mutex that the guard has locked.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{Mutex, OwnedMutexGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let mutex = Arc::new(Mutex::new(1));
    /// let guard = mutex.clone().lock_owned().await;
    /// assert!(Arc::ptr_eq(OwnedMutexGuard::mutex(&guard), &mutex));
    /// # drop(guard);
    /// # });
    /// ```
    pub fn mutex(guard: &Self) -> &Arc<Mutex<T>> {
        &guard.mutex
    }

    /// Returns the mutex, still locked.
    pub(super) fn into_locked(self) -> Arc<Mutex<T>> {
        let guard = ManuallyDrop::new(self);
        // SAFETY: read once, out of a guard that is not dropped.
        unsafe { std::ptr::read(&guard.mutex) }
    }
}

impl<'a, U: ?Sized> MappedMutexGuard<'a, U> {
    /// Makes a guard of a part of the part. A panic in `part` unlocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{MappedMutexGuard, Mutex, MutexGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = Mutex::new((1, [2, 3]));
    /// let array = MutexGuard::map(pair.lock().await, |pair| &mut pair.1);
    /// let mut first = MappedMutexGuard::map(array, |array| &mut array[0]);
    /// *first = 4;
    /// drop(first);
    /// assert_eq!(pair.into_inner(), (1, [4, 3]));
    /// # });
    /// ```
    pub fn map<V: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut U) -> &mut V,
    ) -> MappedMutexGuard<'a, V> {
        let part = NonNull::from(part(&mut *guard));
        let queue = ManuallyDrop::new(guard).queue;
        MappedMutexGuard {
            queue,
            part,
            _value: PhantomData,
        }
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
    /// use compio_sync::{MappedMutexGuard, Mutex, MutexGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = Mutex::new((1, [2, 3]));
    /// let array = MutexGuard::map(pair.lock().await, |pair| &mut pair.1);
    /// let third = MappedMutexGuard::filter_map(array, |array| array.get_mut(2));
    /// assert_eq!(*third.expect_err("there is none"), [2, 3]);
    /// # });
    /// ```
    pub fn filter_map<V: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<MappedMutexGuard<'a, V>, Self> {
        match part(&mut *guard).map(NonNull::from) {
            Some(part) => {
                let queue = ManuallyDrop::new(guard).queue;
                Ok(MappedMutexGuard {
                    queue,
                    part,
                    _value: PhantomData,
                })
            }
            None => Err(guard),
        }
    }
}

impl<T: ?Sized, U: ?Sized> OwnedMappedMutexGuard<T, U> {
    /// Makes a guard of a part of the part. A panic in `part` unlocks.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = Arc::new(Mutex::new((1, [2, 3])));
    /// let array = OwnedMutexGuard::map(pair.clone().lock_owned().await, |pair| &mut pair.1);
    /// let mut first = OwnedMappedMutexGuard::map(array, |array| &mut array[0]);
    /// *first = 4;
    /// drop(first);
    /// assert_eq!(*pair.lock().await, (1, [4, 3]));
    /// # });
    /// ```
    pub fn map<V: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut U) -> &mut V,
    ) -> OwnedMappedMutexGuard<T, V> {
        let part = NonNull::from(part(&mut *guard));
        OwnedMappedMutexGuard {
            mutex: guard.into_locked(),
            part,
            _value: PhantomData,
        }
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
    /// use compio_sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let pair = Arc::new(Mutex::new((1, [2, 3])));
    /// let array = OwnedMutexGuard::map(pair.clone().lock_owned().await, |pair| &mut pair.1);
    /// let third = OwnedMappedMutexGuard::filter_map(array, |array| array.get_mut(2));
    /// assert_eq!(*third.expect_err("there is none"), [2, 3]);
    /// # });
    /// ```
    pub fn filter_map<V: ?Sized>(
        mut guard: Self,
        part: impl FnOnce(&mut U) -> Option<&mut V>,
    ) -> Result<OwnedMappedMutexGuard<T, V>, Self> {
        match part(&mut *guard).map(NonNull::from) {
            Some(part) => Ok(OwnedMappedMutexGuard {
                mutex: guard.into_locked(),
                part,
                _value: PhantomData,
            }),
            None => Err(guard),
        }
    }

    /// Returns the mutex, still locked.
    pub(super) fn into_locked(self) -> Arc<Mutex<T>> {
        let guard = ManuallyDrop::new(self);
        // SAFETY: read once, out of a guard that is not dropped.
        unsafe { std::ptr::read(&guard.mutex) }
    }
}

/// What all guards do: lead to their target, and unlock.
macro_rules! guard {
    ([$($generics:tt)*] $guard:ty, $target:ty,
     |$this:ident| $get:expr, $get_mut:expr, $unlock:expr) => {
        impl<$($generics)*> Deref for $guard {
            type Target = $target;

            #[inline]
            fn deref(&self) -> &$target {
                let $this = self;
                // SAFETY: the guard has the lock, and lends it out as it is borrowed itself.
                unsafe { $get }
            }
        }

        impl<$($generics)*> DerefMut for $guard {
            #[inline]
            fn deref_mut(&mut self) -> &mut $target {
                let $this = self;
                // SAFETY: the guard has the lock, and lends it out as it is borrowed itself.
                unsafe { $get_mut }
            }
        }

        impl<$($generics)*> Drop for $guard {
            #[inline]
            fn drop(&mut self) {
                let $this = self;
                $unlock
            }
        }

        impl<$($generics)*> fmt::Debug for $guard where $target: fmt::Debug {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&**self, f)
            }
        }

        impl<$($generics)*> fmt::Display for $guard where $target: fmt::Display {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&**self, f)
            }
        }
    };
}

guard!(['a, T: ?Sized] MutexGuard<'a, T>, T, |this|
    this.mutex.value.with(|value| &*value),
    this.mutex.value.with_mut(|value| &mut *value),
    this.mutex.unlock());
guard!([T: ?Sized] OwnedMutexGuard<T>, T, |this|
    this.mutex.value.with(|value| &*value),
    this.mutex.value.with_mut(|value| &mut *value),
    this.mutex.unlock());
guard!(['a, U: ?Sized] MappedMutexGuard<'a, U>, U, |this|
    this.part.as_ref(),
    this.part.as_mut(),
    this.queue.give(1));
guard!([T: ?Sized, U: ?Sized] OwnedMappedMutexGuard<T, U>, U, |this|
    this.part.as_ref(),
    this.part.as_mut(),
    this.mutex.unlock());
