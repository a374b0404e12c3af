//! Reading together, writing alone.

use std::{fmt, sync::Arc};

use crate::{Fairness, blocking::block_on, loom::UnsafeCell};

mod futures;
mod guard;
mod owned;
mod state;
mod upgradable;
mod upgrade;
mod wait;

pub use futures::{
    RwLockRead, RwLockReadOwned, RwLockUpgradableRead, RwLockUpgradableReadOwned, RwLockWrite,
    RwLockWriteOwned,
};
pub use guard::{RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard};
pub use owned::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockUpgradableReadGuard,
    OwnedRwLockWriteGuard,
};
pub use state::RwLock;
pub use upgradable::RwLockUpgradableReadGuard;
pub use upgrade::{RwLockUpgrade, RwLockUpgradedGuard};

use state::{MAX_READERS, RawRwLock};

impl<T> RwLock<T> {
    crate::loom::const_fn! {
        /// Creates an unlocked lock.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::RwLock;
        ///
        /// static NAMES: RwLock<Vec<String>> = RwLock::new(Vec::new());
        /// assert!(NAMES.try_read().is_some());
        /// ```
        pub fn new(value: T) -> Self {
            Self::with_fairness(value, Fairness::DEFAULT)
        }

        /// Creates an unlocked lock with a [`Fairness`].
        ///
        /// That says whether newcomers, readers or writers, may lock it past those who wait, and how many.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::{Fairness, RwLock};
        ///
        /// static ROUTES: RwLock<Vec<String>> = RwLock::with_fairness(Vec::new(), Fairness::Fifo);
        /// assert!(ROUTES.try_write().is_some());
        /// ```
        pub fn with_fairness(value: T, fairness: Fairness) -> Self {
            Self::with_max_readers_and_fairness(value, MAX_READERS, fairness)
        }

        /// Creates an unlocked lock for at most `max_readers` readers at a time.
        ///
        /// # Panics
        ///
        /// If `max_readers` is 0, or more than [`MAX_READERS`](Self::MAX_READERS).
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::RwLock;
        ///
        /// static NAMES: RwLock<Vec<String>> = RwLock::with_max_readers(Vec::new(), 1);
        /// let reader = NAMES.try_read();
        /// assert!(NAMES.try_read().is_none());
        /// # drop(reader);
        /// ```
        pub fn with_max_readers(value: T, max_readers: u32) -> Self {
            Self::with_max_readers_and_fairness(value, max_readers, Fairness::DEFAULT)
        }

        /// Creates an unlocked lock for at most `max_readers` readers at a time, with a [`Fairness`].
        ///
        /// # Panics
        ///
        /// If `max_readers` is 0, or more than [`MAX_READERS`](Self::MAX_READERS).
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::{Fairness, RwLock};
        ///
        /// static NAMES: RwLock<Vec<String>> =
        ///     RwLock::with_max_readers_and_fairness(Vec::new(), 10, Fairness::Fifo);
        /// assert_eq!((NAMES.max_readers(), NAMES.fairness()), (10, Fairness::Fifo));
        /// ```
        pub fn with_max_readers_and_fairness(value: T, max_readers: u32, fairness: Fairness) -> Self {
            Self {
                raw: RawRwLock::new(max_readers, fairness.limit()),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// Returns the value. No locking is needed: the lock is nobody else's.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = compio_sync::RwLock::new(String::from("a"));
    /// lock.try_write().unwrap().push('b');
    /// assert_eq!(lock.into_inner(), "ab");
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    /// The most readers that a lock can have at a time, and has room for by default.
    ///
    /// It is 2^32 - 1, or 2^20 - 1 on 32-bit targets.
    pub const MAX_READERS: u32 = MAX_READERS;

    // ---- reading ----

    /// Locks for reading, waiting until nobody writes.
    ///
    /// Waits behind those who wait to write, too, unless it may barge. So a task that has a read guard already may wait
    /// for itself: see [Deadlocks](Self#deadlocks).
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has taken nothing, and has lost its place in the wait list.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let lock = compio_sync::RwLock::new(1);
    /// let (first, second) = (lock.read().await, lock.read().await);
    /// assert_eq!((*first, *second), (1, 1));
    /// # });
    /// ```
    #[inline]
    pub fn read(&self) -> RwLockRead<'_, T> {
        RwLockRead::new(self)
    }

    /// Locks for reading, waiting until nobody writes, with a guard that owns the lock.
    ///
    /// # Cancel safety
    ///
    /// As for [`read`](Self::read).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let lock = Arc::new(compio_sync::RwLock::new(1));
    /// let guard = lock.clone().read_owned().await;
    /// assert_eq!(compio::runtime::spawn(async move { *guard }).await.unwrap(), 1);
    /// # });
    /// ```
    pub fn read_owned(self: Arc<Self>) -> RwLockReadOwned<T> {
        RwLockReadOwned::new(self)
    }

    /// Locks for reading if nobody writes and a newcomer may lock.
    ///
    /// While there are waiters, none may with [`Fairness::Fifo`], and with [`Fairness::Bounded`] any until
    /// the bound is reached. Returns `None` otherwise, and while another thread is serving the waiters.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = compio_sync::RwLock::new(1);
    /// let (first, second) = (lock.try_read().unwrap(), lock.try_read().unwrap());
    /// assert_eq!((*first, *second), (1, 1));
    /// ```
    #[inline]
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        self.raw.try_read().then(|| RwLockReadGuard::new(self))
    }

    /// Locks for reading if a newcomer may, with a guard that owns the lock.
    ///
    /// Returns `None` otherwise; see [`try_read`](Self::try_read).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(compio_sync::RwLock::new(1));
    /// let guard = lock.try_read_owned().unwrap();
    /// assert_eq!(std::thread::spawn(move || *guard).join().unwrap(), 1);
    /// ```
    pub fn try_read_owned(self: Arc<Self>) -> Option<OwnedRwLockReadGuard<T>> {
        self.raw.try_read().then(|| OwnedRwLockReadGuard::new(self))
    }

    /// Locks for reading, blocking the calling thread until nobody writes.
    ///
    /// For plain threads. The thread waits in the same wait list as the tasks.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = compio_sync::RwLock::new(1);
    /// assert_eq!(*lock.blocking_read(), 1);
    /// ```
    #[track_caller]
    pub fn blocking_read(&self) -> RwLockReadGuard<'_, T> {
        block_on("blocking_read", self.read())
    }

    /// Locks for reading, blocking the calling thread, with a guard that owns the lock.
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
    /// let lock = Arc::new(compio_sync::RwLock::new(1));
    /// assert_eq!(*lock.blocking_read_owned(), 1);
    /// ```
    #[track_caller]
    pub fn blocking_read_owned(self: Arc<Self>) -> OwnedRwLockReadGuard<T> {
        block_on("blocking_read_owned", self.read_owned())
    }

    // ---- writing ----

    /// Locks for writing, waiting until nobody else reads or writes.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has taken nothing, and has lost its place in the wait list. Readers that waited
    /// behind it go on.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let lock = compio_sync::RwLock::new(1);
    /// *lock.write().await += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// # });
    /// ```
    #[inline]
    pub fn write(&self) -> RwLockWrite<'_, T> {
        RwLockWrite::new(self)
    }

    /// Locks for writing, waiting until nobody else reads or writes, with a guard that owns the lock.
    ///
    /// # Cancel safety
    ///
    /// As for [`write`](Self::write).
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
    pub fn write_owned(self: Arc<Self>) -> RwLockWriteOwned<T> {
        RwLockWriteOwned::new(self)
    }

    /// Locks for writing if nobody reads or writes and a newcomer may lock.
    ///
    /// Returns `None` otherwise; see [`try_read`](Self::try_read).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = compio_sync::RwLock::new(1);
    /// let reader = lock.try_read();
    /// assert!(lock.try_write().is_none());
    /// drop(reader);
    /// *lock.try_write().unwrap() += 1;
    /// ```
    #[inline]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        self.raw.try_write().then(|| RwLockWriteGuard::new(self))
    }

    /// Locks for writing if a newcomer may, with a guard that owns the lock.
    ///
    /// Returns `None` otherwise; see [`try_read`](Self::try_read).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(compio_sync::RwLock::new(1));
    /// let mut guard = lock.clone().try_write_owned().unwrap();
    /// std::thread::spawn(move || *guard += 1).join().unwrap();
    /// assert_eq!(*lock.try_read().unwrap(), 2);
    /// ```
    pub fn try_write_owned(self: Arc<Self>) -> Option<OwnedRwLockWriteGuard<T>> {
        self.raw
            .try_write()
            .then(|| OwnedRwLockWriteGuard::new(self))
    }

    /// Locks for writing, blocking the calling thread until nobody else reads or writes.
    ///
    /// For plain threads. The thread waits in the same wait list as the tasks.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = compio_sync::RwLock::new(1);
    /// *lock.blocking_write() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_write(&self) -> RwLockWriteGuard<'_, T> {
        block_on("blocking_write", self.write())
    }

    /// Locks for writing, blocking the calling thread, with a guard that owns the lock.
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
    /// let lock = Arc::new(compio_sync::RwLock::new(1));
    /// *lock.clone().blocking_write_owned() += 1;
    /// assert_eq!(*lock.blocking_read(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_write_owned(self: Arc<Self>) -> OwnedRwLockWriteGuard<T> {
        block_on("blocking_write_owned", self.write_owned())
    }

    // ---- upgradable reading ----

    /// Locks for reading, with a guard that can be [upgraded](RwLockUpgradableReadGuard::upgrade) to write.
    ///
    /// Waits until nobody writes and there is no other upgradable reader. Plain readers may read beside it.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has taken nothing, and has lost its place in the wait list.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{RwLock, RwLockUpgradableReadGuard};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let names = RwLock::new(vec!["Ada"]);
    /// let mut guard = names.upgradable_read().await;
    /// assert!(names.try_read().is_some());
    /// if !guard.contains(&"Grace") {
    ///     RwLockUpgradableReadGuard::upgrade(&mut guard).await.push("Grace");
    /// }
    /// assert_eq!(guard.len(), 2);
    /// # });
    /// ```
    pub fn upgradable_read(&self) -> RwLockUpgradableRead<'_, T> {
        RwLockUpgradableRead::new(self)
    }

    /// As [`upgradable_read`](Self::upgradable_read), with a guard that owns the lock.
    ///
    /// # Cancel safety
    ///
    /// As for [`upgradable_read`](Self::upgradable_read).
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
    /// let mut guard = lock.clone().upgradable_read_owned().await;
    /// let task = compio::runtime::spawn(async move {
    ///     *OwnedRwLockUpgradableReadGuard::upgrade(&mut guard).await += 1;
    /// });
    /// task.await.unwrap();
    /// assert_eq!(*lock.read().await, 2);
    /// # });
    /// ```
    pub fn upgradable_read_owned(self: Arc<Self>) -> RwLockUpgradableReadOwned<T> {
        RwLockUpgradableReadOwned::new(self)
    }

    /// Locks for an upgradable read if nobody writes, nobody else has one, and a newcomer may lock.
    ///
    /// Returns `None` otherwise; see [`try_read`](Self::try_read).
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = compio_sync::RwLock::new(1);
    /// let guard = lock.try_upgradable_read().unwrap();
    /// assert!(lock.try_upgradable_read().is_none());
    /// assert!(lock.try_read().is_some());
    /// # drop(guard);
    /// ```
    pub fn try_upgradable_read(&self) -> Option<RwLockUpgradableReadGuard<'_, T>> {
        self.raw
            .try_upgradable_read()
            .then(|| RwLockUpgradableReadGuard::new(self))
    }

    /// As [`try_upgradable_read`](Self::try_upgradable_read), with a guard that owns the lock.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let lock = Arc::new(compio_sync::RwLock::new(1));
    /// let guard = lock.try_upgradable_read_owned().unwrap();
    /// assert_eq!(std::thread::spawn(move || *guard).join().unwrap(), 1);
    /// ```
    pub fn try_upgradable_read_owned(self: Arc<Self>) -> Option<OwnedRwLockUpgradableReadGuard<T>> {
        self.raw
            .try_upgradable_read()
            .then(|| OwnedRwLockUpgradableReadGuard::new(self))
    }

    /// Locks for an upgradable read, blocking the calling thread.
    ///
    /// For plain threads. The thread waits in the same wait list as the tasks.
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
    pub fn blocking_upgradable_read(&self) -> RwLockUpgradableReadGuard<'_, T> {
        block_on("blocking_upgradable_read", self.upgradable_read())
    }

    /// Locks for an upgradable read, blocking the calling thread, with a guard that owns the lock.
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
    /// let lock = Arc::new(compio_sync::RwLock::new(1));
    /// assert_eq!(*lock.blocking_upgradable_read_owned(), 1);
    /// ```
    #[track_caller]
    pub fn blocking_upgradable_read_owned(self: Arc<Self>) -> OwnedRwLockUpgradableReadGuard<T> {
        block_on(
            "blocking_upgradable_read_owned",
            self.upgradable_read_owned(),
        )
    }

    // ---- looking ----

    /// Returns the value to work on. No locking is needed: the lock is nobody else's.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut lock = compio_sync::RwLock::new(1);
    /// *lock.get_mut() += 1;
    /// assert_eq!(lock.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self`: there is no guard and no other reference.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    /// Returns how many readers there may be at a time.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::RwLock;
    ///
    /// assert_eq!(RwLock::with_max_readers((), 10).max_readers(), 10);
    /// ```
    pub fn max_readers(&self) -> u32 {
        self.raw.max_readers()
    }

    /// Returns whether newcomers may lock past those who wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{Fairness, RwLock};
    ///
    /// assert_eq!(RwLock::new(()).fairness(), Fairness::DEFAULT);
    /// ```
    pub fn fairness(&self) -> Fairness {
        Fairness::of_limit(self.raw.permits.limit())
    }

    /// Returns how many tasks and threads wait to read, to write or to upgrade.
    ///
    /// One that has been woken to lock counts until it has. One that others have gone on
    /// without, as it did not come, does not count until it waits again.
    ///
    /// A snapshot: tasks that other threads are adding or taking out at this moment may or may not
    /// be counted.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let lock = compio_sync::RwLock::new(());
    /// let guard = lock.read().await;
    /// let mut wait = lock.write();
    /// assert!(poll!(&mut wait).is_pending());
    /// assert_eq!(lock.waiter_count(), 1);
    /// # drop(guard);
    /// # });
    /// ```
    pub fn waiter_count(&self) -> usize {
        self.raw.permits.len() + self.raw.upgrading.len()
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut s = f.debug_struct("RwLock");
        match self.try_read() {
            Some(guard) => s.field("data", &&*guard),
            None => s.field("data", &format_args!("<locked>")),
        };
        s.finish_non_exhaustive()
    }
}
