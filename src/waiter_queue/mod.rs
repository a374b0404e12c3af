//! Waiting, granting, waking: what every primitive is made of.
//!
//! From the top down. Each part imports only what is below it:
//! - this file: [`WaiterQueue`], for primitives of one's own, and the one way in for the crate's;
//! - [`queue`]: who waits, who is granted what, in which order. It knows no runtime;
//! - [`compio`]: all that knows compio: the current runtime, its listener, its timers;
//! - [`generic`], `linux`, `windows`: how a runtime that sleeps is signalled;
//! - [`wake`]: a wake on its way to its runtime. It knows no queue;
//! - [`tier`]: the names of the ways to signal, and counters.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use crate::timeout::{Wait, wait_methods};

pub(crate) mod compio;
mod generic;
#[cfg(all(target_os = "linux", feature = "linux-futex"))]
mod linux;
#[cfg(all(compio_sync_loom, test))]
mod models;
mod queue;
mod tier;
mod wake;
#[cfg(all(windows, feature = "windows-iocp"))]
mod windows;

pub(crate) use queue::{Left, MAX_LIMIT, MAX_PERMITS, Outcome, Queue, Slot};
pub use tier::{TierError, WakeStats, WakeTier};

// Where the queue, which knows no runtime, learns of compio's.
impl Queue {
    /// Waits for `need` permits. `None`: the queue is closed.
    #[inline]
    pub(crate) fn poll_take(
        &self,
        slot: &mut Slot,
        need: usize,
        cx: &Context<'_>,
    ) -> Poll<Option<Outcome>> {
        self.poll_take_with(slot, need, cx, compio::home_of)
    }

    /// Waits for `need` permits, ahead of everyone else. A queue that is never closed only.
    pub(crate) fn poll_take_ahead(
        &self,
        slot: &mut Slot,
        need: usize,
        cx: &Context<'_>,
    ) -> Poll<Option<Outcome>> {
        self.poll_take_ahead_with(slot, need, cx, compio::home_of)
    }

    /// Waits for a notification, or for a gate to open. `None`: it is open.
    pub(crate) fn poll_notice(&self, slot: &mut Slot, cx: &Context<'_>) -> Poll<Option<Outcome>> {
        self.poll_notice_with(slot, cx, compio::home_of)
    }

    /// Waits for a notification, which may be stored, or for `opening` of a gate. `None`: it has been.
    #[inline]
    pub(crate) fn poll_stored(
        &self,
        slot: &mut Slot,
        opening: usize,
        cx: &Context<'_>,
    ) -> Poll<Option<Outcome>> {
        self.poll_stored_with(slot, opening, cx, compio::home_of)
    }

    /// Waits until `look` finds something. `None`: the queue is closed, and it has not.
    ///
    /// Whoever changes what it looks at calls `notify_all` after that.
    pub(crate) fn poll_until<R>(
        &self,
        slot: &mut Slot,
        cx: &Context<'_>,
        mut look: impl FnMut() -> Option<R>,
    ) -> Poll<Option<R>> {
        self.poll_until_with(slot, cx, |_| look())
    }

    /// The same. `look` is told whether the caller has begun to wait.
    #[inline]
    pub(crate) fn poll_until_with<R>(
        &self,
        slot: &mut Slot,
        cx: &Context<'_>,
        mut look: impl FnMut(bool) -> Option<R>,
    ) -> Poll<Option<R>> {
        loop {
            if let Some(found) = look(false) {
                self.leave(slot);
                return Poll::Ready(Some(found));
            }
            match self.poll_notice(slot, cx) {
                Poll::Pending => break,
                // Told to look again.
                Poll::Ready(Some(_)) => *slot = Slot::Idle,
                // What came before the close can be seen by now.
                Poll::Ready(None) => return Poll::Ready(look(false)),
            }
        }
        // A change that came just before the arrival has been announced to others only.
        let Some(found) = look(true) else {
            return Poll::Pending;
        };
        self.leave(slot);
        Poll::Ready(Some(found))
    }
}

/// A queue of waiting tasks, for building primitives of one's own.
///
/// Whatever the waiters wait for is the caller's: a condition over its own atomics. The queue sees
/// to it that no wake is lost between looking at the condition and falling asleep.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | First come, first woken. |
/// | Memory ordering | `wake_one` and `wake_all` synchronize-with the waits that they complete, and with conditions that are checked after them. |
/// | Cost | A wake without waiters: one atomic read-modify-write. A wait: six, and in steady state no allocation. |
/// | Cancelling | A dropped wait has lost its place in the wait list. A `wake_one` that had chosen it passes on to the next. |
/// | Panics | A condition that panics leaves the queue. |
/// | Without a runtime | Works with any executor. |
///
/// # Examples
///
/// A gate that opens once:
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// use compio_sync::WaiterQueue;
///
/// static OPEN: AtomicBool = AtomicBool::new(false);
/// static WAITERS: WaiterQueue = WaiterQueue::new();
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let guest = compio::runtime::spawn(async {
///     while !OPEN.load(Ordering::Acquire) {
///         WAITERS.add_waiter_if(|| OPEN.load(Ordering::Acquire)).await;
///     }
/// });
///
/// OPEN.store(true, Ordering::Release);
/// WAITERS.wake_all();
/// guest.await.unwrap();
/// # });
/// ```
#[doc(alias = "WaitQueue")]
pub struct WaiterQueue {
    queue: Queue,
}

impl WaiterQueue {
    crate::loom::const_fn! {
        /// Creates a queue in which nobody waits.
        ///
        /// # Examples
        ///
        /// ```
        /// use compio_sync::WaiterQueue;
        ///
        /// static WAITERS: WaiterQueue = WaiterQueue::new();
        /// assert_eq!(WAITERS.waiter_count(), 0);
        /// ```
        pub fn new() -> Self {
            Self { queue: Queue::new(0) }
        }
    }

    /// Waits until woken, if `condition` does not hold.
    ///
    /// The first poll queues the task and *then* calls `condition`. If that returns `true` the
    /// task leaves the queue again, and the future completes at once. So a thread that first makes
    /// the condition true and then wakes either is seen by the condition, or wakes the waiter.
    ///
    /// The future also completes when it is woken, whether the condition holds then or not.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped loses its place in the queue. If [`wake_one`](Self::wake_one) had
    /// chosen it already, the wake passes on to the next in the queue.
    ///
    /// # Panics
    ///
    /// The future passes on a panic of `condition`, and has left the queue then. It panics if it is
    /// polled after that, or after it has completed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// use compio_sync::WaiterQueue;
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (ready, waiters) = (Cell::new(false), WaiterQueue::new());
    /// let mut wait = waiters.add_waiter_if(|| ready.get());
    /// assert!(poll!(&mut wait).is_pending());
    ///
    /// ready.set(true);
    /// waiters.wake_one();
    /// wait.await;
    /// waiters.add_waiter_if(|| ready.get()).await; // the condition holds: no wait
    /// # });
    /// ```
    pub fn add_waiter_if<F>(&self, condition: F) -> AddWaiterIf<'_, F>
    where
        F: FnOnce() -> bool,
    {
        AddWaiterIf {
            queue: &self.queue,
            condition: Some(condition),
            slot: Slot::Idle,
        }
    }

    /// Wakes the task that has waited longest, if any waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let waiters = compio_sync::WaiterQueue::new();
    /// let (mut first, mut second) = (waiters.add_waiter_if(|| false), waiters.add_waiter_if(|| false));
    /// assert!(poll!(&mut first).is_pending());
    /// assert!(poll!(&mut second).is_pending());
    ///
    /// waiters.wake_one();
    /// first.await;
    /// assert!(poll!(&mut second).is_pending());
    /// # });
    /// ```
    pub fn wake_one(&self) {
        self.queue.notify(1);
    }

    /// Wakes all tasks that wait.
    ///
    /// Tasks that begin to wait while it runs are not woken by it.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures_util::poll;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let waiters = compio_sync::WaiterQueue::new();
    /// let (mut first, mut second) = (waiters.add_waiter_if(|| false), waiters.add_waiter_if(|| false));
    /// assert!(poll!(&mut first).is_pending());
    /// assert!(poll!(&mut second).is_pending());
    ///
    /// waiters.wake_all();
    /// first.await;
    /// second.await;
    /// # });
    /// ```
    pub fn wake_all(&self) {
        self.queue.notify_all();
    }

    /// Returns how many tasks wait.
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
    /// let waiters = compio_sync::WaiterQueue::new();
    /// let (mut first, mut second) = (waiters.add_waiter_if(|| false), waiters.add_waiter_if(|| false));
    /// assert!(poll!(&mut first).is_pending());
    /// assert!(poll!(&mut second).is_pending());
    ///
    /// assert_eq!(waiters.waiter_count(), 2);
    /// drop(first);
    /// assert_eq!(waiters.waiter_count(), 1);
    /// # });
    /// ```
    pub fn waiter_count(&self) -> usize {
        self.queue.len()
    }
}

impl Default for WaiterQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WaiterQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaiterQueue")
            .field("waiter_count", &self.waiter_count())
            .finish()
    }
}

/// The future of [`WaiterQueue::add_waiter_if`].
#[must_use = "futures do nothing unless polled"]
pub struct AddWaiterIf<'a, F> {
    queue: &'a Queue,
    condition: Option<F>,
    slot: Slot,
}

// The condition is never pinned: it is called by value.
impl<F> Unpin for AddWaiterIf<'_, F> {}

impl<F: FnOnce() -> bool> Future for AddWaiterIf<'_, F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.queue.poll_notice(&mut this.slot, cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(condition) = this.condition.take() else {
            return Poll::Pending;
        };
        // A panic leaves the queue, too.
        let leave = LeaveOnDrop(this);
        if condition() {
            drop(leave);
            Poll::Ready(())
        } else {
            mem::forget(leave);
            Poll::Pending
        }
    }
}

struct LeaveOnDrop<'a, 'q, F>(&'a mut AddWaiterIf<'q, F>);

impl<F> Drop for LeaveOnDrop<'_, '_, F> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl<F: FnOnce() -> bool> Wait for AddWaiterIf<'_, F> {
    fn at_deadline(&mut self) -> Option<()> {
        // The condition was looked at in the first poll.
        (self.queue.leave(&mut self.slot) != Left::Nothing).then_some(())
    }
}

wait_methods!(['a, F: FnOnce() -> bool] AddWaiterIf<'a, F>, it => it.slot,
    "let waiters = compio_sync::WaiterQueue::new();", "waiters.add_waiter_if(|| false)");

impl<F> AddWaiterIf<'_, F> {
    fn leave(&mut self) {
        if self.queue.leave(&mut self.slot) == Left::With(Outcome::Granted) {
            self.queue.notify(1);
        }
    }
}

impl<F> Drop for AddWaiterIf<'_, F> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<F> fmt::Debug for AddWaiterIf<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddWaiterIf").finish_non_exhaustive()
    }
}
