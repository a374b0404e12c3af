//! Waiting for permits.

use std::{
    fmt,
    future::Future,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{
    permit::{OwnedSemaphorePermit, SemaphorePermit},
    state::Semaphore,
};
use crate::{
    timeout::{Wait, wait_methods},
    waiter_queue::{Left, MAX_PERMITS, Outcome, Slot},
};

/// A wait for permits: what all of the futures are made of.
pub(super) struct Waiting<S: Deref<Target = Semaphore>> {
    semaphore: S,
    count: usize,
    slot: Slot,
}

impl<S: Deref<Target = Semaphore>> Waiting<S> {
    #[inline]
    #[track_caller]
    pub(super) fn new(semaphore: S, count: usize) -> Self {
        check_count(count);
        Self {
            semaphore,
            count,
            slot: Slot::Idle,
        }
    }

    #[inline]
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), AcquireError>> {
        if self.count == 0 {
            // Never waits, not even behind others.
            self.slot = Slot::Done;
            return Poll::Ready(if self.semaphore.is_closed() {
                Err(AcquireError)
            } else {
                Ok(())
            });
        }
        match self
            .semaphore
            .queue
            .poll_take(&mut self.slot, self.count, cx)
        {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None | Some(Outcome::Refused)) => Poll::Ready(Err(AcquireError)),
            Poll::Ready(Some(_)) => Poll::Ready(Ok(())),
        }
    }

    /// Cancels the wait. Takes what was handed over before, or can be had now.
    fn at_deadline(&mut self) -> Option<Result<(), AcquireError>> {
        match self.semaphore.queue.leave(&mut self.slot) {
            Left::With(Outcome::Refused) => Some(Err(AcquireError)),
            Left::With(_) => Some(Ok(())),
            Left::Nothing if self.semaphore.try_take(self.count) => Some(Ok(())),
            Left::Nothing => self.semaphore.is_closed().then_some(Err(AcquireError)),
        }
    }
}

impl<S: Deref<Target = Semaphore>> Drop for Waiting<S> {
    #[inline]
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot
            && self.semaphore.queue.leave(&mut self.slot) == Left::With(Outcome::Granted)
        {
            self.semaphore.queue.give(self.count);
        }
    }
}

impl<'a> Waiting<&'a Semaphore> {
    /// The permits that the wait was for. Called once, when it has been granted.
    #[inline]
    fn permit(&self) -> SemaphorePermit<'a> {
        SemaphorePermit::new(self.semaphore, self.count)
    }
}

impl Waiting<Arc<Semaphore>> {
    /// The permits that the wait was for. Called once, when it has been granted.
    fn permit(&self) -> OwnedSemaphorePermit {
        OwnedSemaphorePermit::new(self.semaphore.clone(), self.count)
    }
}

/// The future of [`Semaphore::acquire`] and [`Semaphore::acquire_many`].
#[must_use = "futures do nothing unless polled"]
pub struct Acquire<'a> {
    wait: Waiting<&'a Semaphore>,
}

impl<'a> Acquire<'a> {
    #[inline]
    pub(super) fn new(wait: Waiting<&'a Semaphore>) -> Self {
        Self { wait }
    }

    /// Yields an [`AcquireError`] on a closed semaphore, instead of panicking.
    ///
    /// # Errors
    ///
    /// The future yields an [`AcquireError`] if the semaphore is or gets closed.
    ///
    /// # Cancel safety
    ///
    /// As for [`Semaphore::acquire`].
    ///
    /// # Examples
    ///
    /// ```
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let semaphore = compio_sync::Semaphore::new(1);
    /// assert!(semaphore.acquire().or_closed().await.is_ok());
    /// # });
    /// ```
    pub fn or_closed(self) -> AcquireOrClosed<'a> {
        AcquireOrClosed { wait: self.wait }
    }

    fn yielded(&self, result: Result<(), AcquireError>) -> SemaphorePermit<'a> {
        match result {
            Ok(()) => self.wait.permit(),
            Err(AcquireError) => closed(),
        }
    }
}

impl<'a> Future for Acquire<'a> {
    type Output = SemaphorePermit<'a>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(self.wait.poll(cx));
        Poll::Ready(self.yielded(result))
    }
}

impl<'a> Wait for Acquire<'a> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        let result = self.wait.at_deadline()?;
        Some(self.yielded(result))
    }
}

/// The future of [`Acquire::or_closed`].
#[must_use = "futures do nothing unless polled"]
pub struct AcquireOrClosed<'a> {
    wait: Waiting<&'a Semaphore>,
}

impl<'a> Future for AcquireOrClosed<'a> {
    type Output = Result<SemaphorePermit<'a>, AcquireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.wait.poll(cx).map_ok(|()| self.wait.permit())
    }
}

impl<'a> Wait for AcquireOrClosed<'a> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        Some(self.wait.at_deadline()?.map(|()| self.wait.permit()))
    }
}

/// The future of [`Semaphore::acquire_owned`] and [`Semaphore::acquire_many_owned`].
#[must_use = "futures do nothing unless polled"]
pub struct AcquireOwned {
    wait: Waiting<Arc<Semaphore>>,
}

impl AcquireOwned {
    pub(super) fn new(wait: Waiting<Arc<Semaphore>>) -> Self {
        Self { wait }
    }

    /// Yields an [`AcquireError`] on a closed semaphore, instead of panicking.
    ///
    /// # Errors
    ///
    /// The future yields an [`AcquireError`] if the semaphore is or gets closed.
    ///
    /// # Cancel safety
    ///
    /// As for [`Semaphore::acquire`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let semaphore = Arc::new(compio_sync::Semaphore::new(1));
    /// semaphore.close();
    /// assert!(semaphore.acquire_owned().or_closed().await.is_err());
    /// # });
    /// ```
    pub fn or_closed(self) -> AcquireOwnedOrClosed {
        AcquireOwnedOrClosed { wait: self.wait }
    }

    fn yielded(&self, result: Result<(), AcquireError>) -> OwnedSemaphorePermit {
        match result {
            Ok(()) => self.wait.permit(),
            Err(AcquireError) => closed(),
        }
    }
}

impl Future for AcquireOwned {
    type Output = OwnedSemaphorePermit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(self.wait.poll(cx));
        Poll::Ready(self.yielded(result))
    }
}

impl Wait for AcquireOwned {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        let result = self.wait.at_deadline()?;
        Some(self.yielded(result))
    }
}

/// The future of [`AcquireOwned::or_closed`].
#[must_use = "futures do nothing unless polled"]
pub struct AcquireOwnedOrClosed {
    wait: Waiting<Arc<Semaphore>>,
}

impl Future for AcquireOwnedOrClosed {
    type Output = Result<OwnedSemaphorePermit, AcquireError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.wait.poll(cx).map_ok(|()| self.wait.permit())
    }
}

impl Wait for AcquireOwnedOrClosed {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        Some(self.wait.at_deadline()?.map(|()| self.wait.permit()))
    }
}

wait_methods!(['a] Acquire<'a>, it => it.wait.slot,
    "let none = compio_sync::Semaphore::new(0);", "none.acquire()");
wait_methods!(['a] AcquireOrClosed<'a>, it => it.wait.slot,
    "let none = compio_sync::Semaphore::new(0);", "none.acquire().or_closed()");
wait_methods!([] AcquireOwned, it => it.wait.slot,
    "let none = std::sync::Arc::new(compio_sync::Semaphore::new(0));", "none.acquire_owned()");
wait_methods!([] AcquireOwnedOrClosed, it => it.wait.slot,
    "let none = std::sync::Arc::new(compio_sync::Semaphore::new(0));", "none.acquire_owned().or_closed()");

macro_rules! debug_future {
    ($($future:ty),*) => {$(
        impl fmt::Debug for $future {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($future))
                    .field("count", &self.wait.count)
                    .finish_non_exhaustive()
            }
        }
    )*};
}

debug_future!(
    Acquire<'_>,
    AcquireOrClosed<'_>,
    AcquireOwned,
    AcquireOwnedOrClosed
);

#[cold]
fn closed() -> ! {
    panic!("acquired from a semaphore that has been closed; use `or_closed` to be told instead")
}

#[inline]
#[track_caller]
pub(super) fn check_count(count: usize) {
    assert!(
        count <= MAX_PERMITS,
        "nobody can acquire more than Semaphore::MAX_PERMITS permits"
    );
}

/// The error of acquiring from a [closed](Semaphore#closing) semaphore.
///
/// Yielded by futures that were asked for it, with [`Acquire::or_closed`] and
/// [`AcquireOwned::or_closed`]. The name is tokio's, for the same.
///
/// # Examples
///
/// ```
/// use compio_sync::{AcquireError, Semaphore};
///
/// async fn serve(connections: &Semaphore) -> Result<(), AcquireError> {
///     let _permit = connections.acquire().or_closed().await?;
///     Ok(())
/// }
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let connections = Semaphore::new(1);
/// assert_eq!(serve(&connections).await, Ok(()));
/// connections.close();
/// assert_eq!(serve(&connections).await, Err(AcquireError));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquireError;

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore has been closed")
    }
}

impl std::error::Error for AcquireError {}
