//! Waiting for notifications.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use crate::{
    timeout::{Wait, wait_methods},
    waiter_queue::{Left, Outcome, Queue, Slot},
};

/// A wait for a notification, from the moment at which its future was made.
pub(super) struct Waiting {
    /// The opening of the gate that ends it.
    opening: usize,
    slot: Slot,
    /// Whether it has been notified, and has not said so yet.
    is_notified: bool,
}

impl Waiting {
    pub(super) fn new(queue: &Queue) -> Self {
        Self {
            opening: queue.next_opening(),
            slot: Slot::Idle,
            is_notified: false,
        }
    }

    pub(super) fn poll(&mut self, queue: &Queue, cx: &Context<'_>) -> Poll<()> {
        if self.is_notified {
            self.is_notified = false;
            return Poll::Ready(());
        }
        queue
            .poll_stored(&mut self.slot, self.opening, cx)
            .map(drop)
    }

    pub(super) fn enable(&mut self, queue: &Queue) -> bool {
        let cx = Context::from_waker(Waker::noop());
        if !self.slot.is_done() {
            self.is_notified = self.poll(queue, &cx).is_ready();
        }
        self.slot.is_done()
    }

    pub(super) fn at_deadline(&mut self, queue: &Queue) -> Option<()> {
        let left = queue.leave(&mut self.slot);
        let is_notified =
            left != Left::Nothing || queue.next_opening() != self.opening || queue.take_stored();
        is_notified.then_some(())
    }

    /// Whether it has yielded.
    pub(super) fn is_done(&self) -> bool {
        self.slot.is_done() && !self.is_notified
    }

    /// Ends it. A notification that was for one goes to another.
    pub(super) fn leave(&mut self, queue: &Queue) {
        if let Slot::Waiting(_) = self.slot {
            match queue.leave(&mut self.slot) {
                Left::With(Outcome::Granted) => queue.notify_or_store(),
                Left::With(Outcome::GrantedLast) => queue.notify_last_or_store(),
                _ => {}
            }
        }
    }
}

/// The future of [`Notify::notified`](crate::Notify::notified).
#[must_use = "futures do nothing unless polled"]
pub struct Notified<'a> {
    queue: &'a Queue,
    waiting: Waiting,
}

impl<'a> Notified<'a> {
    pub(super) fn new(queue: &'a Queue) -> Self {
        Self {
            queue,
            waiting: Waiting::new(queue),
        }
    }

    /// Begins to wait, without a task to be woken. Returns whether there is a notification.
    ///
    /// From here on [`notify_one`](crate::Notify::notify_one) may choose this wait. If it returns `true`, the notification is this
    /// future's, which completes when it is polled, or has done so. No effect on a future that waits already.
    ///
    /// # Examples
    ///
    /// To look at a condition between beginning to wait and awaiting:
    ///
    /// ```
    /// use std::pin::pin;
    ///
    /// use compio_sync::Notify;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let notify = Notify::new();
    /// let mut notified = pin!(notify.notified());
    /// assert!(!notified.as_mut().enable());
    /// // Nothing to do here, so:
    /// notify.notify_one();
    /// notified.await;
    /// # });
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.get_mut();
        this.waiting.enable(this.queue)
    }
}

impl Future for Notified<'_> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.waiting.poll(this.queue, cx)
    }
}

impl Wait for Notified<'_> {
    fn at_deadline(&mut self) -> Option<()> {
        self.waiting.at_deadline(self.queue)
    }
}

wait_methods!(['a] Notified<'a>, it => it.waiting,
    "let notify = compio_sync::Notify::new();", "notify.notified()");

impl Drop for Notified<'_> {
    #[inline]
    fn drop(&mut self) {
        self.waiting.leave(self.queue);
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified").finish_non_exhaustive()
    }
}
