//! A manual-reset event.

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

/// A manual-reset event: a flag that tasks and threads wait for.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | [`set`](Self::set) wakes all current waiters, in FIFO order. |
/// | Memory ordering | `set` synchronizes-with every `wait` that it completes, and with each `is_set` that returns `true` for it. |
/// | Cost | `is_set`, and `wait` on a set event: one load. `set` and `reset`: one atomic read-modify-write if there are no waiters. A wait: six, and in steady state no allocation. |
/// | Cancelling | A dropped wait has no effect. |
/// | Panics | None of its own. A task that panics while it waits has no effect. |
/// | Without a runtime | Works with any executor, and with plain threads through [`blocking_wait`](Self::blocking_wait). |
///
/// `set` completes all current waits, even if the event is [`reset`](Self::reset) before they are
/// polled. A wait ends exactly if the event was set when it began or has been set since, however many
/// threads set and reset it meanwhile.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use compio_sync::Event;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let start = Arc::new(Event::new());
/// let runner = compio::runtime::spawn({
///     let start = start.clone();
///     async move { start.wait().await }
/// });
/// start.set();
/// runner.await.unwrap();
/// # });
/// ```
#[doc(alias = "ManualResetEvent")]
pub struct Event {
    /// A gate, open while the event is set.
    queue: Queue,
}

impl Event {
    crate::loom::const_fn! {
        /// Creates an event that is not set.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::Event;
        ///
        /// static SHUTDOWN: Event = Event::new();
        /// assert!(!SHUTDOWN.is_set());
        /// ```
        pub fn new() -> Self {
            Self { queue: Queue::gate() }
        }
    }

    /// Sets the event, and lets everybody go who waits for it.
    ///
    /// It stays set until [`reset`](Self::reset). Setting it again has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let event = compio_sync::Event::new();
    /// let mut wait = event.wait();
    /// assert!(poll!(&mut wait).is_pending());
    /// event.set();
    /// wait.await;
    /// event.wait().await; // it is still set
    /// # });
    /// ```
    pub fn set(&self) {
        self.queue.open();
    }

    /// Resets the event: who waits from here on waits for the next [`set`](Self::set).
    ///
    /// What came before a [`set`](Self::set) that this undoes happened before `reset` returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let event = compio_sync::Event::new();
    /// let mut early = event.wait();
    /// assert!(poll!(&mut early).is_pending());
    /// event.set();
    /// event.reset();
    /// early.await; // it waited when the event was set
    /// assert!(poll!(&mut event.wait()).is_pending());
    /// # });
    /// ```
    pub fn reset(&self) {
        self.queue.shut();
    }

    /// Returns whether the event is set.
    ///
    /// # Examples
    ///
    /// ```
    /// let event = compio_sync::Event::new();
    /// assert!(!event.is_set());
    /// event.set();
    /// assert!(event.is_set());
    /// ```
    #[inline]
    pub fn is_set(&self) -> bool {
        self.queue.is_no_wait()
    }

    /// Waits until the event is set. Returns at once if it is.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let event = compio_sync::Event::new();
    /// event.set();
    /// event.wait().await;
    /// # });
    /// ```
    #[inline]
    pub fn wait(&self) -> EventWait<'_> {
        EventWait {
            queue: &self.queue,
            slot: Slot::Idle,
        }
    }

    /// Waits until the event is set, blocking the calling thread.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::Event;
    ///
    /// static READY: Event = Event::new();
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
    /// let event = compio_sync::Event::new();
    /// let mut wait = event.wait();
    /// assert!(poll!(&mut wait).is_pending());
    /// assert_eq!(event.waiter_count(), 1);
    /// event.set();
    /// assert_eq!(event.waiter_count(), 0);
    /// # });
    /// ```
    pub fn waiter_count(&self) -> usize {
        self.queue.len()
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("is_set", &self.is_set())
            .field("waiter_count", &self.waiter_count())
            .finish()
    }
}

/// The future of [`Event::wait`].
#[must_use = "futures do nothing unless polled"]
pub struct EventWait<'a> {
    queue: &'a Queue,
    slot: Slot,
}

impl Future for EventWait<'_> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        // Let through, let go, or found set while waiting: all mean that it was set.
        this.queue.poll_notice(&mut this.slot, cx).map(drop)
    }
}

impl Wait for EventWait<'_> {
    fn at_deadline(&mut self) -> Option<()> {
        let left = self.queue.leave(&mut self.slot);
        (left != Left::Nothing || self.queue.is_no_wait()).then_some(())
    }
}

wait_methods!(['a] EventWait<'a>, it => it.slot,
    "let never = compio_sync::Event::new();", "never.wait()");

impl Drop for EventWait<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot {
            self.queue.leave(&mut self.slot);
        }
    }
}

impl fmt::Debug for EventWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWait").finish_non_exhaustive()
    }
}
