//! Mutual exclusion.

use std::{fmt, sync::Arc};

use crate::{
    Fairness,
    blocking::block_on,
    loom::UnsafeCell,
    waiter_queue::{Queue, Slot},
};

mod guard;
mod lock;
mod state;

pub use guard::{MappedMutexGuard, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard};
pub use lock::{Lock, LockOwned};
pub use state::Mutex;

impl<T> Mutex<T> {
    crate::loom::const_fn! {
        /// Creates an unlocked mutex.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::Mutex;
        ///
        /// static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());
        /// assert!(NAMES.try_lock().is_some());
        /// ```
        pub fn new(value: T) -> Self {
            Self::with_fairness(value, Fairness::DEFAULT)
        }

        /// Creates an unlocked mutex with a [`Fairness`].
        ///
        /// That says whether newcomers may lock it past those who wait, and how many.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::{Fairness, Mutex};
        ///
        /// static LOG: Mutex<Vec<String>> = Mutex::with_fairness(Vec::new(), Fairness::Fifo);
        /// assert!(LOG.try_lock().is_some());
        /// ```
        pub fn with_fairness(value: T, fairness: Fairness) -> Self {
            Self {
                queue: Queue::with_limit(1, fairness.limit()),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// Returns the value. No locking is needed: the mutex is nobody else's.
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = compio_sync::Mutex::new(String::from("a"));
    /// mutex.try_lock().unwrap().push('b');
    /// assert_eq!(mutex.into_inner(), "ab");
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks the mutex, waiting until it is unlocked.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has taken nothing, and has lost its place in the wait list.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let mutex = compio_sync::Mutex::new(1);
    /// *mutex.lock().await += 1;
    /// assert_eq!(mutex.into_inner(), 2);
    /// # });
    /// ```
    #[inline]
    pub fn lock(&self) -> Lock<'_, T> {
        Lock {
            mutex: self,
            slot: Slot::Idle,
        }
    }

    /// Locks the mutex, waiting until it is unlocked, with a guard that owns it.
    ///
    /// # Cancel safety
    ///
    /// As for [`lock`](Self::lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let mutex = Arc::new(compio_sync::Mutex::new(1));
    /// let mut guard = mutex.clone().lock_owned().await;
    /// compio::runtime::spawn(async move { *guard += 1 }).await.unwrap();
    /// assert_eq!(*mutex.lock().await, 2);
    /// # });
    /// ```
    pub fn lock_owned(self: Arc<Self>) -> LockOwned<T> {
        LockOwned {
            mutex: self,
            slot: Slot::Idle,
        }
    }

    /// Locks the mutex if it is unlocked and a newcomer may lock it.
    ///
    /// While there are waiters, none may with [`Fairness::Fifo`], and with [`Fairness::Bounded`] any until
    /// the bound is reached. Returns `None` otherwise, and while another thread is serving the waiters.
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = compio_sync::Mutex::new(1);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_none());
    /// drop(guard);
    /// assert!(mutex.try_lock().is_some());
    /// ```
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.queue.try_take(1).then(|| MutexGuard::new(self))
    }

    /// Locks the mutex if a newcomer may, with a guard that owns it.
    ///
    /// Returns `None` otherwise; see [`try_lock`](Self::try_lock).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let mutex = Arc::new(compio_sync::Mutex::new(1));
    /// let mut guard = mutex.clone().try_lock_owned().unwrap();
    /// std::thread::spawn(move || *guard += 1).join().unwrap();
    /// assert_eq!(*mutex.try_lock().unwrap(), 2);
    /// ```
    pub fn try_lock_owned(self: Arc<Self>) -> Option<OwnedMutexGuard<T>> {
        self.queue.try_take(1).then(|| OwnedMutexGuard::new(self))
    }

    /// Locks the mutex, blocking the calling thread until it is unlocked.
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
    /// let mutex = compio_sync::Mutex::new(1);
    /// *mutex.blocking_lock() += 1;
    /// assert_eq!(mutex.into_inner(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T> {
        block_on("blocking_lock", self.lock())
    }

    /// Locks the mutex, blocking the calling thread, with a guard that owns the mutex.
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
    /// let mutex = Arc::new(compio_sync::Mutex::new(1));
    /// let mut guard = mutex.clone().blocking_lock_owned();
    /// std::thread::spawn(move || *guard += 1).join().unwrap();
    /// assert_eq!(*mutex.blocking_lock(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_lock_owned(self: Arc<Self>) -> OwnedMutexGuard<T> {
        block_on("blocking_lock_owned", self.lock_owned())
    }

    /// Returns the value to work on. No locking is needed: the mutex is nobody else's.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut mutex = compio_sync::Mutex::new(1);
    /// *mutex.get_mut() += 1;
    /// assert_eq!(mutex.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self`: there is no guard and no other reference.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    /// Returns whether newcomers may lock the mutex past those who wait.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{Fairness, Mutex};
    ///
    /// assert_eq!(Mutex::new(()).fairness(), Fairness::DEFAULT);
    /// ```
    pub fn fairness(&self) -> Fairness {
        Fairness::of_limit(self.queue.limit())
    }

    /// Returns how many tasks and threads wait for the lock.
    ///
    /// One that has been woken to lock the mutex counts until it has. One that others have gone on
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
    /// let mutex = compio_sync::Mutex::new(());
    /// let guard = mutex.lock().await;
    /// let mut wait = mutex.lock();
    /// assert!(poll!(&mut wait).is_pending());
    /// assert_eq!(mutex.waiter_count(), 1);
    /// # drop(guard);
    /// # });
    /// ```
    pub fn waiter_count(&self) -> usize {
        self.queue.len()
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut s = f.debug_struct("Mutex");
        match self.try_lock() {
            Some(guard) => s.field("data", &&*guard),
            None => s.field("data", &format_args!("<locked>")),
        };
        s.finish_non_exhaustive()
    }
}
