//! The end that receives.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    error::{RecvError, TryRecvError},
    owner::ReceiverSide,
};
use crate::{
    Timeout,
    timeout::{Wait, wait_methods},
    waiter_queue::{Left, Outcome, Slot},
};

/// The receiving end of a [oneshot channel](super::channel): a future that yields the value.
///
/// It yields a [`RecvError`] if the sender was dropped without sending, or if the channel was
/// [closed](Self::close) before.
///
/// # Cancel safety
///
/// It may be polled by reference, in a `select!` for instance, and is not lost by that. If it is dropped, the
/// channel is closed, and a value that was sent is dropped with it.
///
/// # Panics
///
/// If it is polled after it has completed.
///
/// # Examples
///
/// ```
/// use compio_sync::oneshot;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let (sender, receiver) = oneshot::channel();
/// compio::runtime::spawn(async move { sender.send(7).unwrap() }).detach();
/// assert_eq!(receiver.await, Ok(7));
/// # });
/// ```
#[must_use = "a channel whose receiver is dropped is closed"]
pub struct Receiver<T> {
    shared: ReceiverSide<T>,
    /// Done when the value, or an error, was yielded.
    slot: Slot,
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: ReceiverSide<T>) -> Self {
        Self {
            shared,
            slot: Slot::Idle,
        }
    }

    /// Receives the value if it is there.
    ///
    /// A task that has polled the receiver is still woken when there is one.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if none was sent yet, [`TryRecvError::Closed`] if there will be none, or if it was
    /// received before.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::oneshot::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = oneshot::channel();
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let values = &self.shared.values;
        let is_over = match &self.slot {
            Slot::Done => return Err(TryRecvError::Closed),
            Slot::Idle => values.permits() > 0 || values.is_no_wait(),
            Slot::Waiting(ticket) => ticket.is_done() || values.is_no_wait(),
        };
        if !is_over {
            return Err(TryRecvError::Empty);
        }
        match self.at_deadline() {
            Some(result) => result.map_err(|_| TryRecvError::Closed),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Receives the value, blocking the calling thread until there is one.
    ///
    /// # Errors
    ///
    /// [`RecvError`] if there will be none.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = compio_sync::oneshot::channel();
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.send(5).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(5));
    /// ```
    #[track_caller]
    pub fn blocking_recv(self) -> Result<T, RecvError> {
        crate::blocking::block_on("blocking_recv", self)
    }

    /// Waits for the value for at most `timeout`, and keeps the receiver if there is none by then.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has received nothing.
    ///
    /// # Errors
    ///
    /// The future yields [`Elapsed`](crate::Elapsed) if the time was up first.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (sender, mut receiver) = compio_sync::oneshot::channel();
    /// assert!(receiver.recv_timeout(Duration::from_millis(5)).blocking().is_err());
    /// sender.send(5).unwrap();
    /// assert_eq!(receiver.recv_timeout(Duration::from_secs(5)).blocking(), Ok(Ok(5)));
    /// ```
    pub fn recv_timeout(&mut self, timeout: Duration) -> Timeout<&mut Self> {
        Timeout::new(self, timeout)
    }

    /// Closes the channel: the sender cannot send any more.
    ///
    /// A value that was sent before can still be received.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::oneshot::channel();
    /// receiver.close();
    /// assert_eq!(sender.send(1), Err(1));
    /// assert!(receiver.blocking_recv().is_err());
    /// ```
    pub fn close(&mut self) {
        if !self.slot.is_done() {
            self.shared.close();
        }
    }

    /// Returns whether there is no value to be received at the moment.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::oneshot::channel();
    /// assert!(receiver.is_empty());
    /// sender.send(1).unwrap();
    /// assert!(!receiver.is_empty());
    /// receiver.try_recv().unwrap();
    /// assert!(receiver.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        match &self.slot {
            Slot::Done => true,
            Slot::Idle => self.shared.values.permits() <= 0,
            Slot::Waiting(ticket) => !ticket.is_granted(),
        }
    }

    /// Returns whether the value, or an error, was received already.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::oneshot::channel();
    /// sender.send(1).unwrap();
    /// assert!(!receiver.is_terminated());
    /// receiver.try_recv().unwrap();
    /// assert!(receiver.is_terminated());
    /// ```
    pub fn is_terminated(&self) -> bool {
        self.slot.is_done()
    }

    /// What a wait that has ended yields. A channel that is closed may still have its value.
    fn received(&self, outcome: Option<Outcome>) -> Result<T, RecvError> {
        let is_there = match outcome {
            Some(Outcome::Refused) | None => self.shared.values.take_closed(1),
            Some(_) => true,
        };
        if is_there {
            Ok(self.shared.take())
        } else {
            Err(RecvError)
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Slot::Idle = this.slot
            && this.shared.values.has_permit()
        {
            // Nobody else takes it, and there is no other one: it can stay where it is.
            this.slot = Slot::Done;
            return Poll::Ready(Ok(this.shared.take()));
        }
        let poll = this.shared.values.poll_take(&mut this.slot, 1, cx);
        poll.map(|outcome| this.received(outcome))
    }
}

impl<T> Wait for Receiver<T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        let values = &self.shared.values;
        let outcome = match values.leave(&mut self.slot) {
            Left::With(outcome) => Some(outcome),
            Left::Nothing if values.try_take(1) => Some(Outcome::Granted),
            Left::Nothing if values.is_no_wait() => None,
            Left::Nothing => {
                self.slot = Slot::Idle;
                return None;
            }
        };
        self.slot = Slot::Done;
        Some(self.received(outcome))
    }
}

impl<T> Wait for &mut Receiver<T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        (**self).at_deadline()
    }
}

wait_methods!([T] Receiver<T>, it => it.slot,
    "let (_sender, receiver) = compio_sync::oneshot::channel::<u32>();", "receiver");

// A panic leaves a channel as it should be.
impl<T> std::panic::UnwindSafe for Receiver<T> {}
impl<T> std::panic::RefUnwindSafe for Receiver<T> {}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if let Slot::Done = self.slot {
            return;
        }
        self.shared.close();
        if let Slot::Waiting(_) = self.slot {
            self.shared.values.leave(&mut self.slot);
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("is_empty", &self.is_empty())
            .finish_non_exhaustive()
    }
}
