//! An auto-reset event.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    blocking::block_on,
    timeout::{Wait, wait_methods},
    waiter_queue::{Left, Queue, Slot},
};

/// An auto-reset event: a flag that one wait takes.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | [`set`](Self::set) lets the first go that waits. If nobody does, the next wait ends at once, whoever's it is. |
/// | Memory ordering | `set` synchronizes-with the wait that it lets go. A `set` that finds the event set synchronizes-with the wait that takes it. |
/// | Cost | `set` without waiters, `try_wait`, and a wait on a set event: one atomic read-modify-write. Other waits: six, and in steady state no allocation. |
/// | Cancelling | A dropped wait has no effect. The `set` that had let it go lets go the next, or stays. |
/// | Panics | None of its own. A task that panics while it waits drops its wait. |
/// | Without a runtime | Works with any executor, and with plain threads through [`blocking_wait`](Self::blocking_wait). |
///
/// A second `set` before anybody has waited has no effect. To count them, use a [`Semaphore`](crate::Semaphore).
///
/// # Examples
///
/// ```
/// use compio_sync::AutoResetEvent;
///
/// static WORK: AutoResetEvent = AutoResetEvent::new(false);
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let worker = compio::runtime::spawn(WORK.wait());
/// WORK.set();
/// worker.await.unwrap();
/// assert!(!WORK.try_wait());
/// # });
/// ```
pub struct AutoResetEvent {
    /// A gate that is never opened, with a notification that is stored while the event is set.
    queue: Queue,
}

impl AutoResetEvent {
    crate::loom::const_fn! {
        /// Creates an event that is set, or not.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::AutoResetEvent;
        ///
        /// static READY: AutoResetEvent = AutoResetEvent::new(true);
        /// assert!(READY.try_wait());
        /// assert!(!READY.try_wait());
        /// ```
        pub fn new(is_set: bool) -> Self {
            Self { queue: Queue::gate_with(is_set) }
        }
    }

    /// Lets go the first that waits. If nobody does, the next wait ends at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::AutoResetEvent;
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let event = AutoResetEvent::new(false);
    /// let (mut first, mut second) = (event.wait(), event.wait());
    /// assert!(poll!(&mut first).is_pending());
    /// assert!(poll!(&mut second).is_pending());
    /// event.set();
    /// first.await;
    /// assert!(poll!(&mut second).is_pending());
    /// # });
    /// ```
    #[inline]
    pub fn set(&self) {
        self.queue.notify_or_store();
    }

    /// Takes back a [`set`](Self::set) that nobody has waited for. Returns whether there was one.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = compio_sync::AutoResetEvent::new(true);
    /// assert!(event.reset());
    /// assert!(!event.is_set());
    /// ```
    pub fn reset(&self) -> bool {
        self.queue.take_stored()
    }

    /// Returns whether the event is set.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = compio_sync::AutoResetEvent::new(false);
    /// assert!(!event.is_set());
    /// event.set();
    /// assert!(event.is_set());
    /// ```
    #[inline]
    pub fn is_set(&self) -> bool {
        self.queue.has_stored()
    }

    /// Resets the event, if it is set. Returns whether it was.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = compio_sync::AutoResetEvent::new(false);
    /// assert!(!event.try_wait());
    /// event.set();
    /// assert!(event.try_wait());
    /// ```
    #[inline]
    pub fn try_wait(&self) -> bool {
        self.queue.take_stored()
    }

    /// Waits until the event is set, and resets it.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has no effect. A [`set`](Self::set) that had let it go lets go the next that waits, or
    /// stays.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let event = compio_sync::AutoResetEvent::new(true);
    /// event.wait().await;
    /// assert!(!event.is_set());
    /// # });
    /// ```
    #[inline]
    pub fn wait(&self) -> AutoResetEventWait<'_> {
        AutoResetEventWait {
            queue: &self.queue,
            slot: Slot::Idle,
        }
    }

    /// Waits until the event is set, blocking the calling thread, and resets it.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::AutoResetEvent;
    ///
    /// static READY: AutoResetEvent = AutoResetEvent::new(false);
    ///
    /// let thread = std::thread::spawn(|| READY.blocking_wait());
    /// READY.set();
    /// thread.join().unwrap();
    /// ```
    #[track_caller]
    pub fn blocking_wait(&self) {
        block_on("blocking_wait", self.wait());
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
    /// let event = compio_sync::AutoResetEvent::new(false);
    /// let mut wait = event.wait();
    /// assert!(poll!(&mut wait).is_pending());
    /// assert_eq!(event.waiter_count(), 1);
    /// # });
    /// ```
    pub fn waiter_count(&self) -> usize {
        self.queue.len()
    }
}

impl Default for AutoResetEvent {
    fn default() -> Self {
        Self::new(false)
    }
}

impl fmt::Debug for AutoResetEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AutoResetEvent")
            .field("is_set", &self.is_set())
            .field("waiter_count", &self.waiter_count())
            .finish()
    }
}

/// The future of [`AutoResetEvent::wait`].
#[must_use = "futures do nothing unless polled"]
pub struct AutoResetEventWait<'a> {
    queue: &'a Queue,
    slot: Slot,
}

impl Future for AutoResetEventWait<'_> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let opening = this.queue.next_opening();
        this.queue
            .poll_stored(&mut this.slot, opening, cx)
            .map(drop)
    }
}

impl Wait for AutoResetEventWait<'_> {
    fn at_deadline(&mut self) -> Option<()> {
        let left = self.queue.leave(&mut self.slot);
        (left != Left::Nothing || self.queue.take_stored()).then_some(())
    }
}

wait_methods!(['a] AutoResetEventWait<'a>, it => it.slot,
    "let never = compio_sync::AutoResetEvent::new(false);", "never.wait()");

impl Drop for AutoResetEventWait<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot
            && self.queue.leave(&mut self.slot) != Left::Nothing
        {
            self.queue.notify_or_store();
        }
    }
}

impl fmt::Debug for AutoResetEventWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AutoResetEventWait").finish_non_exhaustive()
    }
}
