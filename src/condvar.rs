//! A condition variable.

use std::{fmt, time::Duration};

use crate::{blocking::block_on, waiter_queue::Queue};

mod guard;
mod wait;

use guard::Guard;
pub use wait::{
    CondvarWait, CondvarWaitTimeout, CondvarWaitTimeoutWhile, CondvarWaitWhile, WaitTimeoutResult,
};

/// A condition variable: std's, over the guards of [`Mutex`](crate::Mutex).
///
/// A wait takes a [`MutexGuard`](crate::MutexGuard) or an [`OwnedMutexGuard`](crate::OwnedMutexGuard), and
/// yields the same again.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | Waiters are notified first come, first served, and then lock the mutex by its [`Fairness`](crate::Fairness). |
/// | Memory ordering | The mutex's: each unlock synchronizes-with the next lock. |
/// | Cost | A notification without waiters: one atomic read-modify-write. A wait: six and those of the mutex, and in steady state no allocation. |
/// | Cancelling | A dropped wait has unlocked the mutex and does not lock it again. A notification that it had received passes on to the next waiter. |
/// | Panics | There is no poisoning: a condition that panics unlocks the mutex. |
/// | Without a runtime | Works with any executor, and with plain threads through the `blocking_` methods. |
///
/// As with std's, a wait may end without a notification: wait in a loop, or with
/// [`wait_while`](Self::wait_while). A notification reaches current waiters only; without
/// any it is lost. For a flag that stays set, see [`Event`](crate::Event).
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use compio_sync::{Condvar, Mutex};
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
/// let consumer = compio::runtime::spawn({
///     let shared = shared.clone();
///     async move {
///         let (items, filled) = &*shared;
///         let mut items = filled.wait_while(items.lock().await, |items| items.is_empty()).await;
///         items.pop()
///     }
/// });
///
/// let (items, filled) = &*shared;
/// items.lock().await.push("apple");
/// filled.notify_one();
/// assert_eq!(consumer.await.unwrap(), Some("apple"));
/// # });
/// ```
pub struct Condvar {
    queue: Queue,
}

impl Condvar {
    crate::loom::const_fn! {
        /// Creates a condition variable that nobody waits for.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::Condvar;
        ///
        /// static CHANGED: Condvar = Condvar::new();
        /// assert_eq!(CHANGED.waiter_count(), 0);
        /// ```
        pub fn new() -> Self {
            Self { queue: Queue::new(0) }
        }
    }

    /// Unlocks the mutex, waits for a notification, and locks the mutex again.
    ///
    /// Nothing happens before the future is first polled. That poll begins the wait and then
    /// unlocks, so no notification that is sent under the mutex can be missed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the mutex is or gets unlocked, and stays so for this caller. A
    /// notification by [`notify_one`](Self::notify_one) that had reached it passes on to the next
    /// waiter.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::{Condvar, Mutex};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let shared = Arc::new((Mutex::new(false), Condvar::new()));
    /// let waiter = compio::runtime::spawn({
    ///     let shared = shared.clone();
    ///     async move {
    ///         let (ready, changed) = &*shared;
    ///         let mut ready = ready.lock().await;
    ///         while !*ready {
    ///             ready = changed.wait(ready).await;
    ///         }
    ///     }
    /// });
    ///
    /// let (ready, changed) = &*shared;
    /// *ready.lock().await = true;
    /// changed.notify_one();
    /// waiter.await.unwrap();
    /// # });
    /// ```
    pub fn wait<G: Guard>(&self, guard: G) -> CondvarWait<'_, G> {
        CondvarWait::new(&self.queue, guard)
    }

    /// Waits as long as `condition` holds.
    ///
    /// `condition` is called with the mutex locked: before the first wait, and after each.
    ///
    /// # Cancel safety
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// The future passes on a panic of `condition`, and has unlocked the mutex then.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (count, changed) = (compio_sync::Mutex::new(3), compio_sync::Condvar::new());
    /// let count = changed.wait_while(count.lock().await, |count| *count < 3).await;
    /// assert_eq!(*count, 3);
    /// # });
    /// ```
    pub fn wait_while<G, F>(&self, guard: G, condition: F) -> CondvarWaitWhile<'_, G, F>
    where
        G: Guard,
        F: FnMut(&mut G::Target) -> bool,
    {
        CondvarWaitWhile::new(&self.queue, guard, condition)
    }

    /// Waits for a notification, for at most `timeout`.
    ///
    /// The time runs from the first poll; locking the mutex again may take longer. If a
    /// notification arrives just as the time ends, the wait counts as notified. A duration that an
    /// [`Instant`](std::time::Instant) cannot hold is no deadline.
    ///
    /// # Cancel safety
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// The future panics outside a compio runtime, whose timers it needs, if it has to wait; see
    /// [`Timeout`](crate::Timeout). The mutex gets unlocked. A plain thread calls
    /// [`blocking_wait_timeout`](Self::blocking_wait_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (mutex, changed) = (compio_sync::Mutex::new(()), compio_sync::Condvar::new());
    /// let (_guard, result) =
    ///     changed.wait_timeout(mutex.lock().await, Duration::from_millis(5)).await;
    /// assert!(result.timed_out());
    /// # });
    /// ```
    pub fn wait_timeout<G: Guard>(&self, guard: G, timeout: Duration) -> CondvarWaitTimeout<'_, G> {
        self.wait(guard).timeout(timeout)
    }

    /// Waits as long as `condition` holds, for at most `timeout` in all.
    ///
    /// # Cancel safety
    ///
    /// As for [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// As for [`wait_timeout`](Self::wait_timeout), and it passes on a panic of `condition`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (count, changed) = (compio_sync::Mutex::new(0), compio_sync::Condvar::new());
    /// let (count, result) = changed
    ///     .wait_timeout_while(count.lock().await, Duration::from_millis(5), |count| *count == 0)
    ///     .await;
    /// assert!(result.timed_out());
    /// assert_eq!(*count, 0);
    /// # });
    /// ```
    pub fn wait_timeout_while<G, F>(
        &self,
        guard: G,
        timeout: Duration,
        condition: F,
    ) -> CondvarWaitTimeoutWhile<'_, G, F>
    where
        G: Guard,
        F: FnMut(&mut G::Target) -> bool,
    {
        self.wait_while(guard, condition).timeout(timeout)
    }

    /// Waits for a notification, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop. The mutex gets unlocked.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{Condvar, Mutex};
    ///
    /// static READY: Mutex<bool> = Mutex::new(false);
    /// static CHANGED: Condvar = Condvar::new();
    ///
    /// let thread = std::thread::spawn(|| {
    ///     let mut ready = READY.blocking_lock();
    ///     while !*ready {
    ///         ready = CHANGED.blocking_wait(ready);
    ///     }
    /// });
    /// *READY.blocking_lock() = true;
    /// CHANGED.notify_all();
    /// thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_wait<G: Guard>(&self, guard: G) -> G {
        block_on("blocking_wait", self.wait(guard))
    }

    /// Waits as long as `condition` holds, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// As for [`blocking_wait`](Self::blocking_wait), and it passes on a panic of `condition`.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{Condvar, Mutex};
    ///
    /// static READY: Mutex<bool> = Mutex::new(false);
    /// static CHANGED: Condvar = Condvar::new();
    ///
    /// let thread = std::thread::spawn(|| {
    ///     drop(CHANGED.blocking_wait_while(READY.blocking_lock(), |ready| !*ready));
    /// });
    /// *READY.blocking_lock() = true;
    /// CHANGED.notify_all();
    /// thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_wait_while<G, F>(&self, guard: G, condition: F) -> G
    where
        G: Guard,
        F: FnMut(&mut G::Target) -> bool,
    {
        block_on("blocking_wait_while", self.wait_while(guard, condition))
    }

    /// Waits for a notification, for at most `timeout`, blocking the calling thread.
    ///
    /// See [`wait_timeout`](Self::wait_timeout). It needs no runtime.
    ///
    /// # Panics
    ///
    /// As for [`blocking_wait`](Self::blocking_wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (mutex, changed) = (compio_sync::Mutex::new(()), compio_sync::Condvar::new());
    /// let (_guard, result) =
    ///     changed.blocking_wait_timeout(mutex.blocking_lock(), Duration::from_millis(5));
    /// assert!(result.timed_out());
    /// ```
    #[track_caller]
    pub fn blocking_wait_timeout<G: Guard>(
        &self,
        guard: G,
        timeout: Duration,
    ) -> (G, WaitTimeoutResult) {
        self.wait_timeout(guard, timeout).blocking()
    }

    /// Waits as long as `condition` holds, for at most `timeout` in all, blocking the calling thread.
    ///
    /// See [`wait_timeout_while`](Self::wait_timeout_while). It needs no runtime.
    ///
    /// # Panics
    ///
    /// As for [`blocking_wait`](Self::blocking_wait), and it passes on a panic of `condition`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (count, changed) = (compio_sync::Mutex::new(0), compio_sync::Condvar::new());
    /// let (count, result) = changed.blocking_wait_timeout_while(
    ///     count.blocking_lock(),
    ///     Duration::from_millis(5),
    ///     |count| *count == 0,
    /// );
    /// assert!(result.timed_out());
    /// assert_eq!(*count, 0);
    /// ```
    #[track_caller]
    pub fn blocking_wait_timeout_while<G, F>(
        &self,
        guard: G,
        timeout: Duration,
        condition: F,
    ) -> (G, WaitTimeoutResult)
    where
        G: Guard,
        F: FnMut(&mut G::Target) -> bool,
    {
        self.wait_timeout_while(guard, timeout, condition)
            .blocking()
    }

    /// Notifies the task or thread that has waited longest, if any waits.
    ///
    /// The mutex need not be locked meanwhile. What is notified of has to be changed under it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    ///
    /// use compio_sync::{Condvar, Mutex};
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (mutex, changed) = (Mutex::new(()), Condvar::new());
    /// let mut first = pin!(changed.wait(mutex.lock().await));
    /// assert!(poll!(&mut first).is_pending());
    /// let mut second = pin!(changed.wait(mutex.lock().await));
    /// assert!(poll!(&mut second).is_pending());
    ///
    /// changed.notify_one();
    /// drop(first.await);
    /// assert!(poll!(&mut second).is_pending());
    /// # });
    /// ```
    #[inline]
    pub fn notify_one(&self) {
        self.queue.notify(1);
    }

    /// Notifies all tasks and threads that wait.
    ///
    /// They lock the mutex one after the other. Those that begin to wait meanwhile are not
    /// notified.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    ///
    /// use compio_sync::{Condvar, Mutex};
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (mutex, changed) = (Mutex::new(()), Condvar::new());
    /// let mut first = pin!(changed.wait(mutex.lock().await));
    /// assert!(poll!(&mut first).is_pending());
    /// let mut second = pin!(changed.wait(mutex.lock().await));
    /// assert!(poll!(&mut second).is_pending());
    ///
    /// changed.notify_all();
    /// drop(first.await);
    /// drop(second.await);
    /// # });
    /// ```
    #[inline]
    pub fn notify_all(&self) {
        self.queue.notify_all();
    }

    /// Returns how many tasks and threads wait for a notification.
    ///
    /// A snapshot: tasks that other threads are adding or taking out at this moment may or may not
    /// be counted.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    ///
    /// use compio_sync::{Condvar, Mutex};
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (mutex, changed) = (Mutex::new(()), Condvar::new());
    /// let mut wait = pin!(changed.wait(mutex.lock().await));
    /// assert!(poll!(&mut wait).is_pending());
    /// assert_eq!(changed.waiter_count(), 1);
    /// # });
    /// ```
    pub fn waiter_count(&self) -> usize {
        self.queue.len()
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar")
            .field("waiter_count", &self.waiter_count())
            .finish()
    }
}
