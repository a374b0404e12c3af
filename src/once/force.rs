//! Forcing a lazy value.

use std::{
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::{
    right::{Right, Turn},
    stage::SharedStage,
};
use crate::timeout::{Wait, wait_methods};

/// The future of [`LazyCell::force`](super::LazyCell::force) and [`LazyCell::force_pin`](super::LazyCell::force_pin).
#[must_use = "futures do nothing unless polled"]
pub struct LazyForce<'a, T, Fut, F> {
    stage: Pin<&'a SharedStage<F, Fut>>,
    right: Right<'a, T>,
}

impl<'a, T, Fut, F> LazyForce<'a, T, Fut, F> {
    #[inline]
    pub(super) fn new(stage: Pin<&'a SharedStage<F, Fut>>, right: Right<'a, T>) -> Self {
        Self { stage, right }
    }
}

impl<'a, T, Fut, F> Future for LazyForce<'a, T, Fut, F>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T>,
{
    type Output = &'a T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'a T> {
        let this = &mut *self;
        match ready!(this.right.poll(cx)) {
            Turn::Value(value) => Poll::Ready(value),
            Turn::Closed => poisoned(),
            Turn::Attempt => {
                // SAFETY: the right is held, and is passed on with release and acquire.
                let poll = || unsafe { this.stage.poll(cx) };
                match catch_unwind(AssertUnwindSafe(poll)) {
                    Ok(poll) => poll.map(|value| this.right.succeed(value)),
                    Err(panic) => {
                        // What it has left of the initializer must not be polled any more.
                        this.right.fail();
                        resume_unwind(panic)
                    }
                }
            }
        }
    }
}

impl<'a, T, Fut, F> Wait for LazyForce<'a, T, Fut, F>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T>,
{
    fn at_deadline(&mut self) -> Option<&'a T> {
        match self.right.at_deadline()? {
            Turn::Value(value) => Some(value),
            Turn::Attempt => None,
            Turn::Closed => poisoned(),
        }
    }
}

wait_methods!(['a, T, Fut: Future<Output = T>, F: FnOnce() -> Fut] LazyForce<'a, T, Fut, F>, it => it.right,
    "let never: compio_sync::LazyCell<u32> = compio_sync::LazyCell::new(|| Box::pin(std::future::pending()));",
    "never.force()");

impl<T, Fut, F> fmt::Debug for LazyForce<'_, T, Fut, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyForce").finish_non_exhaustive()
    }
}

#[cold]
fn poisoned() -> ! {
    panic!(
        "the initializer of this `LazyCell` has panicked, and is not run again; have it yield a `Result`, or use \
         `OnceCell::get_or_init`, which tries again"
    )
}
