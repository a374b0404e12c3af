//! Mutual exclusion.

use std::{
    fmt,
    future::Future,
    panic::{RefUnwindSafe, UnwindSafe},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    Fairness,
    blocking::block_on,
    loom::UnsafeCell,
    timeout::{Wait, wait_methods},
    waiter_queue::{Left, Outcome, Queue, Slot},
};

mod guard;

pub use guard::{MappedMutexGuard, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard};

/// A mutex whose guards may be held across `await`.
///
/// | | |
/// |---|---|
/// | Fairness | First come, first served, but for a bounded number of newcomers who may pass the first in line: see [`Fairness`], by default [`Fairness::DEFAULT`]. |
/// | Memory ordering | What was done under a guard happened before the next lock. |
/// | Cost | Uncontended: one atomic read-modify-write to lock, one to unlock. A wait: six in place of the one to lock, or ten if newcomers may pass, and in steady state no allocation. See [the guide](crate::guide::cost). |
/// | Cancelling | A dropped lock has taken nothing and has lost its place in line. |
/// | Panics | There is no poisoning: a task that panics unlocks like any other. |
/// | Without a runtime | Works with any executor, and with plain threads through the `blocking_` methods. |
///
/// It is not reentrant: a task that locks it again waits for itself, for ever.
///
/// With [`Fairness::Fifo`] the lock is given to the waiter itself, at the moment of unlocking. A waiter
/// that has been given the lock but is not polled keeps it from everybody else until it is polled or
/// dropped. With [`Fairness::Bounded`] the first in line is woken, and the mutex is unlocked until it
/// or somebody else locks it. See
/// [Futures that nobody polls](Fairness#futures-that-nobody-polls).
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use compio_sync::Mutex;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let total = Arc::new(Mutex::new(0));
/// let mut tasks = Vec::new();
/// for n in 1..=10 {
///     let total = total.clone();
///     tasks.push(compio::runtime::spawn(async move { *total.lock().await += n }));
/// }
/// for task in tasks {
///     task.await.unwrap();
/// }
/// assert_eq!(*total.lock().await, 55);
/// # });
/// ```
pub struct Mutex<T: ?Sized> {
    /// One permit: the lock.
    queue: Queue,
    value: UnsafeCell<T>,
}

// SAFETY: the value goes where the mutex goes.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: whoever shares the mutex gets at the value one at a time, which is sending it.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

// Whoever panics with the lock unlocks it. Without poisoning the value may be half changed then, as with
// any mutex that is shared with a thread that is gone; std's says the same of its own.
impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

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
    /// A future that is dropped has taken nothing, and has lost its place in line.
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
    /// While others wait, none may with [`Fairness::Fifo`], and with [`Fairness::Bounded`] any until as
    /// many have passed the first in line as may. Returns `None` otherwise, and while another thread
    /// is serving those who wait.
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
    /// For plain threads. The thread waits in the same line as the tasks.
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

    /// Polls for the lock.
    #[inline]
    fn poll_lock(&self, slot: &mut Slot, cx: &Context<'_>) -> Poll<()> {
        self.queue.poll_take(slot, 1, cx).map(drop)
    }

    /// Ends a wait for the lock, passing the lock on if it has been handed over already.
    #[inline]
    fn leave(&self, slot: &mut Slot) {
        if let Slot::Waiting(_) = slot
            && self.queue.leave(slot) == Left::With(Outcome::Granted)
        {
            self.unlock();
        }
    }

    /// Ends a wait for the lock. Says whether it has been handed over, or could be taken now.
    fn lock_at_deadline(&self, slot: &mut Slot) -> bool {
        self.queue.leave(slot) != Left::Nothing || self.queue.try_take(1)
    }

    #[inline]
    fn unlock(&self) {
        self.queue.give(1);
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

// ---- futures ----

/// The future of [`Mutex::lock`].
#[must_use = "futures do nothing unless polled"]
pub struct Lock<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    slot: Slot,
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

/// The future of [`Mutex::lock_owned`].
#[must_use = "futures do nothing unless polled"]
pub struct LockOwned<T: ?Sized> {
    mutex: Arc<Mutex<T>>,
    slot: Slot,
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
