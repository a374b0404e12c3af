//! Initializing a cell, or waiting for whoever does.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::FusedFuture;

use super::{
    right::{Attempts, Right, Turn},
    stage::Stage,
};
use crate::{
    Timeout,
    blocking::block_on,
    timeout::{OnDrop, Wait},
    waiter_queue::Queue,
};

/// Sets the value, with the right to do so, and lets everybody go who waits: for the right, or at the gate.
pub(super) fn succeed<'a, T>(right: &mut Right<'a, T>, gate: &Queue, value: T) -> &'a T {
    // Even if a waker of those who wait for the right panics.
    let _open = OnDrop(|| gate.open());
    right.succeed(value)
}

/// A wait for the right to initialize, and then the initializer: what both futures are made of.
struct Init<'a, T, F, Fut> {
    /// Pinned with the whole. Dropped before the right is given up: an initializer ends before the next begins.
    stage: Stage<F, Fut>,
    right: Right<'a, T>,
    gate: &'a Queue,
}

impl<'a, T, F, Fut> Init<'a, T, F, Fut> {
    #[inline]
    fn new(attempts: &'a Attempts<T>, gate: &'a Queue, function: F) -> Self {
        Self {
            stage: Stage::Function(function),
            right: attempts.right(),
            gate,
        }
    }

    /// Cancels the wait, or the initializer.
    fn at_deadline(&mut self) -> Option<&'a T>
    where
        Fut: Unpin,
    {
        self.stage = Stage::Done;
        match self.right.at_deadline()? {
            Turn::Value(value) => Some(value),
            Turn::Attempt | Turn::Closed => None,
        }
    }
}

impl<'a, T, F: FnOnce() -> Fut, Fut: Future> Init<'a, T, F, Fut> {
    #[inline]
    fn poll<E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        result_of: impl FnOnce(Fut::Output) -> Result<T, E>,
    ) -> Poll<Result<&'a T, E>> {
        // SAFETY: of these, only the stage is pinned, and it is not moved.
        let Self { stage, right, gate } = unsafe { self.get_unchecked_mut() };
        match ready!(right.poll(cx)) {
            Turn::Value(value) => return Poll::Ready(Ok(value)),
            Turn::Attempt => {}
            Turn::Closed => unreachable!("a cell is closed with its value"),
        }
        // SAFETY: it is pinned with the whole.
        let stage = unsafe { Pin::new_unchecked(stage) };
        // If it fails or panics, the right goes to the next. Not in unwinding, where others are woken by a thread of
        // their own.
        match catch_unwind(AssertUnwindSafe(|| stage.poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => {
                let result = result_of(output);
                if result.is_err() {
                    right.give_up();
                }
                Poll::Ready(result.map(|value| succeed(right, gate, value)))
            }
            Err(panic) => {
                right.give_up();
                resume_unwind(panic)
            }
        }
    }
}

/// The future of [`OnceCell::get_or_init`](super::OnceCell::get_or_init).
#[must_use = "futures do nothing unless polled"]
pub struct GetOrInit<'a, T, F, Fut> {
    init: Init<'a, T, F, Fut>,
}

impl<'a, T, F, Fut> GetOrInit<'a, T, F, Fut> {
    #[inline]
    pub(super) fn new(attempts: &'a Attempts<T>, gate: &'a Queue, function: F) -> Self {
        Self {
            init: Init::new(attempts, gate, function),
        }
    }
}

impl<'a, T, F, Fut> Future for GetOrInit<'a, T, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T>,
{
    type Output = &'a T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'a T> {
        // SAFETY: it is pinned with the whole.
        let init = unsafe { self.map_unchecked_mut(|it| &mut it.init) };
        init.poll(cx, Ok::<_, Infallible>).map(|result| {
            let Ok(value) = result;
            value
        })
    }
}

impl<'a, T, F, Fut> Wait for GetOrInit<'a, T, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T> + Unpin,
{
    fn at_deadline(&mut self) -> Option<&'a T> {
        self.init.at_deadline()
    }
}

/// The future of [`OnceCell::get_or_try_init`](super::OnceCell::get_or_try_init).
#[must_use = "futures do nothing unless polled"]
pub struct GetOrTryInit<'a, T, F, Fut> {
    init: Init<'a, T, F, Fut>,
}

impl<'a, T, F, Fut> GetOrTryInit<'a, T, F, Fut> {
    #[inline]
    pub(super) fn new(attempts: &'a Attempts<T>, gate: &'a Queue, function: F) -> Self {
        Self {
            init: Init::new(attempts, gate, function),
        }
    }
}

impl<'a, T, E, F, Fut> Future for GetOrTryInit<'a, T, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<&'a T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: it is pinned with the whole.
        let init = unsafe { self.map_unchecked_mut(|it| &mut it.init) };
        init.poll(cx, |result| result)
    }
}

impl<'a, T, E, F, Fut> Wait for GetOrTryInit<'a, T, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>> + Unpin,
{
    fn at_deadline(&mut self) -> Option<Self::Output> {
        self.init.at_deadline().map(Ok)
    }
}

macro_rules! init_methods {
    ($future:ident [$($error:ident)?] $output:ty, $make:literal) => {
        impl<'a, T, $($error,)? F, Fut> $future<'a, T, F, Fut>
        where
            F: FnOnce() -> Fut,
            Fut: Future<Output = $output>,
        {
            /// Waits for at most `timeout`. For initializers that are `Unpin`, as those in a box are.
            ///
            /// The time runs from the first poll. When it is up, an initializer of this future's is dropped, and the
            /// next that waits begins. See [`Timeout`](crate::Timeout).
            ///
            /// # Errors
            ///
            /// The future yields [`Elapsed`](crate::Elapsed) if the time was up first.
            ///
            /// # Cancel safety
            ///
            /// As for this future.
            ///
            /// # Panics
            ///
            /// The future panics outside a compio runtime if it has to wait, and if this one does.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::{future::pending, time::Duration};
            ///
            /// # compio::runtime::Runtime::new().unwrap().block_on(async {
            /// let cell = compio_sync::OnceCell::<u32>::new();
            #[doc = concat!("let init = ", $make, ";")]
            /// assert!(init.timeout(Duration::from_millis(5)).await.is_err());
            /// # });
            /// ```
            pub fn timeout(self, timeout: Duration) -> Timeout<Self>
            where
                Fut: Unpin,
            {
                Timeout::new(self, timeout)
            }

            /// Waits, and initializes, blocking the calling thread.
            ///
            /// For plain threads, which wait in the same wait list as the tasks.
            ///
            /// # Panics
            ///
            /// Inside a compio runtime, whose every task it would stop; and if the initializer does.
            ///
            /// # Examples
            ///
            /// ```no_run
            /// # use std::future::pending;
            /// let cell = compio_sync::OnceCell::<u32>::new();
            #[doc = concat!("let init = ", $make, ";")]
            /// let _ = init.blocking(); // for ever, in this case
            /// ```
            #[track_caller]
            pub fn blocking(self) -> <Self as Future>::Output {
                block_on("blocking", self)
            }
        }

        impl<'a, T, $($error,)? F, Fut> FusedFuture for $future<'a, T, F, Fut>
        where
            F: FnOnce() -> Fut,
            Fut: Future<Output = $output>,
        {
            fn is_terminated(&self) -> bool {
                self.init.right.is_done()
            }
        }

        impl<T, F, Fut> fmt::Debug for $future<'_, T, F, Fut> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($future)).finish_non_exhaustive()
            }
        }
    };
}

init_methods!(GetOrInit [] T, "cell.get_or_init(|| Box::pin(pending()))");
init_methods!(GetOrTryInit [E] Result<T, E>, "cell.get_or_try_init(|| Box::pin(pending::<Result<_, String>>()))");
