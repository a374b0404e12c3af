//! Receiving: at once, as a future, and on plain threads.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    error::{RecvError, TryRecvError},
    receiver::Receiver,
    ring::{Ring, leave},
};
use crate::{
    Timeout,
    blocking::block_on,
    budget::Budget,
    timeout::{Wait, wait_methods},
    waiter_queue::Slot,
};

impl<T: Clone> Receiver<T> {
    /// Receives the next value if there is one.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] says why there is none.
    ///
    /// # Panics
    ///
    /// If the value's `clone` does. The value is then skipped.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::broadcast::{self, error::TryRecvError};
    ///
    /// let (sender, mut receiver) = broadcast::channel(16);
    /// sender.send(1).unwrap();
    /// assert_eq!(receiver.try_recv(), Ok(1));
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.ring.look_or_end(&mut self.position) {
            Some(result) => Ok(result?),
            None => Err(TryRecvError::Empty),
        }
    }

    /// Receives the next value.
    ///
    /// # Errors
    ///
    /// The future yields [`RecvError::Lagged`] if it has missed values, and [`RecvError::Closed`] if it has received
    /// all, and all senders were dropped.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has received nothing.
    ///
    /// # Panics
    ///
    /// The future does if the value's `clone` does. The value is then skipped.
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = compio_sync::broadcast::channel(16);
    /// compio::runtime::spawn(async move { sender.send("hello") }).detach();
    /// assert_eq!(receiver.recv().await, Ok("hello"));
    /// # });
    /// ```
    pub fn recv(&mut self) -> Recv<'_, T> {
        Recv {
            ring: &self.ring,
            position: &mut self.position,
            budget: &self.budget,
            slot: Slot::Idle,
        }
    }

    /// Receives the next value, blocking the calling thread until there is one.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv) has.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop; and as [`recv`](Self::recv) does.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, mut receiver) = compio_sync::broadcast::channel(16);
    /// let thread = std::thread::spawn(move || receiver.blocking_recv());
    /// sender.send(5).unwrap();
    /// assert_eq!(thread.join().unwrap(), Ok(5));
    /// ```
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Result<T, RecvError> {
        block_on("blocking_recv", self.recv())
    }

    /// Receives the next value, waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// The future yields [`Elapsed`](crate::Elapsed) if the time was up first, and else what
    /// [`recv`](Self::recv) yields.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped has received nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (_sender, mut receiver) = compio_sync::broadcast::channel::<u32>(16);
    /// assert!(receiver.recv_timeout(Duration::from_millis(5)).blocking().is_err());
    /// ```
    pub fn recv_timeout(&mut self, timeout: Duration) -> Timeout<Recv<'_, T>> {
        self.recv().timeout(timeout)
    }
}

/// The future of [`Receiver::recv`].
#[must_use = "futures do nothing unless polled"]
pub struct Recv<'a, T> {
    ring: &'a Ring<T>,
    position: &'a mut usize,
    budget: &'a Budget,
    slot: Slot,
}

impl<T: Clone> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.slot.is_done() {
            panic!("a wait was polled after it had completed");
        }
        if this.budget.is_spent(cx) {
            return Poll::Pending;
        }
        let look = || this.ring.look(this.position);
        let Poll::Ready(result) = this.ring.sent.poll_until(&mut this.slot, cx, look) else {
            this.budget.refill();
            return Poll::Pending;
        };
        this.budget.spend();
        this.slot = Slot::Done;
        Poll::Ready(result.unwrap_or(Err(RecvError::Closed)))
    }
}

impl<T: Clone> Wait for Recv<'_, T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        leave(&self.ring.sent, &mut self.slot);
        self.ring.look_or_end(self.position)
    }
}

wait_methods!(['a, T: Clone] Recv<'a, T>, it => it.slot,
    "let (_sender, mut receiver) = compio_sync::broadcast::channel::<u32>(16);", "receiver.recv()");

impl<T> Drop for Recv<'_, T> {
    fn drop(&mut self) {
        leave(&self.ring.sent, &mut self.slot);
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}
