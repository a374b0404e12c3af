//! Notifications: one that is stored, or one for all who wait.

mod notified;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

pub use notified::Notified;
use notified::Waiting;

use crate::{
    blocking::block_on,
    timeout::{Wait, wait_methods},
    waiter_queue::Queue,
};

/// Notifies one task, or all that wait, without a value.
///
/// [`notify_one`](Self::notify_one) is stored if nobody waits, once, and the next wait takes it.
/// [`notify_waiters`](Self::notify_waiters) reaches those whose futures were made before it.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | First come, first notified; [`notify_last`](Self::notify_last) is for the one that came last. |
/// | Memory ordering | A notification synchronizes-with the wait that it ends. One that finds another stored synchronizes-with the wait that takes it. |
/// | Cost | A notification without waiters: one atomic read-modify-write. A wait that finds one stored: one. Others: six, and in steady state no allocation. |
/// | Cancelling | A dropped wait has no effect. What [`notify_one`](Self::notify_one) had chosen it for goes to the next, or is stored. |
/// | Panics | None of its own. A task that panics while it waits drops its wait. |
/// | Without a runtime | Works with any executor, and with plain threads through [`blocking_notified`](Self::blocking_notified). |
///
/// To wait for a condition of one's own: make the future, look at the condition, and await it. Whoever changes the
/// condition calls [`notify_waiters`](Self::notify_waiters) after that.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use compio_sync::Notify;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let work = Arc::new(Notify::new());
/// let worker = compio::runtime::spawn({
///     let work = work.clone();
///     async move { work.notified().await }
/// });
/// work.notify_one(); // stored if the worker does not wait yet
/// worker.await.unwrap();
/// # });
/// ```
pub struct Notify {
    /// A gate that is never open. Each `notify_waiters` opens it once, and a future knows which opening it is for.
    queue: Queue,
}

impl Notify {
    crate::loom::const_fn! {
        /// Creates a `Notify` without a notification.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::Notify;
        ///
        /// static WORK: Notify = Notify::new();
        /// WORK.notify_one();
        /// WORK.blocking_notified();
        /// ```
        pub fn new() -> Self {
            Self { queue: Queue::gate() }
        }
    }

    // ---- waiting ----

    /// Waits for a notification.
    ///
    /// Ends by a [`notify_one`](Self::notify_one) that is stored, or that chooses this wait; and by a
    /// [`notify_waiters`](Self::notify_waiters) that is called after this method, even if the future was not polled
    /// before.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped loses its place in the wait list. If a `notify_one` had chosen it, that goes to the next in the
    /// list, or is stored.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::Notify;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let notify = Notify::new();
    /// let notified = notify.notified();
    /// notify.notify_waiters();
    /// notified.await; // it was made before
    /// # });
    /// ```
    pub fn notified(&self) -> Notified<'_> {
        Notified::new(&self.queue)
    }

    /// Waits for a notification, with a future that owns the `Notify`.
    ///
    /// # Cancel safety
    ///
    /// As for [`notified`](Self::notified).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use compio_sync::Notify;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let notify = Arc::new(Notify::new());
    /// let notified = notify.clone().notified_owned();
    /// let waiter = compio::runtime::spawn(notified);
    /// notify.notify_waiters();
    /// waiter.await.unwrap();
    /// # });
    /// ```
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        OwnedNotified::new(self)
    }

    /// Waits for a notification, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::Notify;
    ///
    /// static READY: Notify = Notify::new();
    ///
    /// let thread = std::thread::spawn(|| READY.blocking_notified());
    /// READY.notify_one();
    /// thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_notified(&self) {
        block_on("blocking_notified", self.notified());
    }

    // ---- notifying ----

    /// Notifies the first that waits. If nobody does, the next wait ends at once.
    ///
    /// One notification is stored. A second one, while nobody waits, has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::Notify;
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let notify = Notify::new();
    /// notify.notify_one();
    /// notify.notify_one();
    /// notify.notified().await;
    /// assert!(poll!(&mut notify.notified()).is_pending());
    /// # });
    /// ```
    #[inline]
    pub fn notify_one(&self) {
        self.queue.notify_or_store();
    }

    /// Notifies the one that began to wait last. If nobody waits, the next wait ends at once.
    ///
    /// Otherwise as [`notify_one`](Self::notify_one).
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::Notify;
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let notify = Notify::new();
    /// let (mut first, mut last) = (notify.notified(), notify.notified());
    /// assert!(poll!(&mut first).is_pending());
    /// assert!(poll!(&mut last).is_pending());
    ///
    /// notify.notify_last();
    /// last.await;
    /// assert!(poll!(&mut first).is_pending());
    /// # });
    /// ```
    #[inline]
    pub fn notify_last(&self) {
        self.queue.notify_last_or_store();
    }

    /// Notifies all whose futures were made before this, and stores nothing.
    ///
    /// A notification that is stored stays there.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::Notify;
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let notify = Notify::new();
    /// let before = notify.notified();
    /// notify.notify_waiters();
    /// let mut after = notify.notified();
    /// before.await;
    /// assert!(poll!(&mut after).is_pending());
    /// # });
    /// ```
    pub fn notify_waiters(&self) {
        self.queue.open_once();
    }

    /// Returns how many tasks and threads wait.
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
    /// let notify = compio_sync::Notify::new();
    /// let mut notified = notify.notified();
    /// assert_eq!(notify.waiter_count(), 0);
    /// assert!(poll!(&mut notified).is_pending());
    /// assert_eq!(notify.waiter_count(), 1);
    /// # });
    /// ```
    pub fn waiter_count(&self) -> usize {
        self.queue.len()
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify")
            .field("is_notified", &self.queue.has_stored())
            .field("waiter_count", &self.waiter_count())
            .finish()
    }
}

/// The future of [`Notify::notified_owned`].
#[must_use = "futures do nothing unless polled"]
pub struct OwnedNotified {
    notify: Arc<Notify>,
    waiting: Waiting,
}

impl OwnedNotified {
    pub(super) fn new(notify: Arc<Notify>) -> Self {
        let waiting = Waiting::new(&notify.queue);
        Self { notify, waiting }
    }

    /// Begins to wait, without a task to be woken. Returns whether there is a notification.
    ///
    /// See [`Notified::enable`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{pin::pin, sync::Arc};
    ///
    /// use compio_sync::Notify;
    ///
    /// let notify = Arc::new(Notify::new());
    /// notify.notify_one();
    /// let mut notified = pin!(notify.notified_owned());
    /// assert!(notified.as_mut().enable());
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.get_mut();
        this.waiting.enable(&this.notify.queue)
    }
}

impl Future for OwnedNotified {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.waiting.poll(&this.notify.queue, cx)
    }
}

impl Wait for OwnedNotified {
    fn at_deadline(&mut self) -> Option<()> {
        self.waiting.at_deadline(&self.notify.queue)
    }
}

wait_methods!([] OwnedNotified, it => it.waiting,
    "let notify = std::sync::Arc::new(compio_sync::Notify::new());", "notify.clone().notified_owned()");

impl Drop for OwnedNotified {
    #[inline]
    fn drop(&mut self) {
        self.waiting.leave(&self.notify.queue);
    }
}

impl fmt::Debug for OwnedNotified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedNotified").finish_non_exhaustive()
    }
}
