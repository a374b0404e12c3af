//! The end that sends.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{owner::SenderSide, shared::Shared};
use crate::{
    timeout::{Wait, wait_methods},
    waiter_queue::{Left, Slot},
};

/// The sending end of a [oneshot channel](super::channel).
///
/// If it is dropped without having sent a value, the receiver yields an error.
pub struct Sender<T> {
    shared: SenderSide<T>,
    /// The wait of `poll_closed`.
    slot: Slot,
    has_sent: bool,
}

impl<T> Sender<T> {
    pub(super) fn new(shared: SenderSide<T>) -> Self {
        Self {
            shared,
            slot: Slot::Idle,
            has_sent: false,
        }
    }

    /// Sends the value. Never waits.
    ///
    /// That it was sent does not mean that it is received: the receiver may be dropped first. The value is
    /// dropped with it then.
    ///
    /// # Errors
    ///
    /// Gives the value back if the receiver has been dropped, or has closed the channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::oneshot;
    ///
    /// let (sender, receiver) = oneshot::channel();
    /// drop(receiver);
    /// assert_eq!(sender.send(1), Err(1));
    /// ```
    pub fn send(mut self, value: T) -> Result<(), T> {
        self.has_sent = true;
        self.shared.send(value)
    }

    /// Returns whether the receiver has been dropped, or has closed the channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::oneshot;
    ///
    /// let (sender, receiver) = oneshot::channel::<u32>();
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.values.is_no_wait()
    }

    /// Waits until the receiver is dropped, or has closed the channel.
    ///
    /// A task that computes the value for a receiver that may go away selects between both.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::oneshot;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (mut sender, receiver) = oneshot::channel::<u32>();
    /// compio::runtime::spawn(async move { drop(receiver) }).detach();
    /// sender.closed().await;
    /// # });
    /// ```
    pub fn closed(&mut self) -> Closed<'_, T> {
        Closed {
            shared: &self.shared,
            slot: Slot::Idle,
        }
    }

    /// Polls whether the receiver is dropped, or has closed the channel.
    ///
    /// If not, `cx`'s task is woken when it is. Only the task of the last call is.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::future::poll_fn;
    ///
    /// use compio_sync::oneshot;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (mut sender, receiver) = oneshot::channel::<u32>();
    /// drop(receiver);
    /// poll_fn(|cx| sender.poll_closed(cx)).await;
    /// # });
    /// ```
    pub fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.slot.is_done() {
            return Poll::Ready(());
        }
        self.shared.closed.poll_notice(&mut self.slot, cx).map(drop)
    }
}

// A panic leaves a channel as it should be.
impl<T> std::panic::UnwindSafe for Sender<T> {}
impl<T> std::panic::RefUnwindSafe for Sender<T> {}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot {
            self.shared.closed.leave(&mut self.slot);
        }
        if !self.has_sent {
            self.shared.values.close();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// The future of [`Sender::closed`].
#[must_use = "futures do nothing unless polled"]
pub struct Closed<'a, T> {
    shared: &'a Shared<T>,
    slot: Slot,
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.shared.closed.poll_notice(&mut this.slot, cx).map(drop)
    }
}

impl<T> Wait for Closed<'_, T> {
    fn at_deadline(&mut self) -> Option<()> {
        let left = self.shared.closed.leave(&mut self.slot);
        (left != Left::Nothing || self.shared.closed.is_no_wait()).then_some(())
    }
}

wait_methods!(['a, T] Closed<'a, T>, it => it.slot,
    "let (mut sender, _receiver) = compio_sync::oneshot::channel::<u32>();", "sender.closed()");

impl<T> Drop for Closed<'_, T> {
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot {
            self.shared.closed.leave(&mut self.slot);
        }
    }
}

impl<T> fmt::Debug for Closed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
