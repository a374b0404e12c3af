//! An initializer: a function, and then the future that it makes.
//!
//! That of a lazy cell is shared, and accessed by whoever has the right to.

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use crate::loom::UnsafeCell;

/// An initializer. Its future stays where it is made.
pub(super) enum Stage<F, Fut> {
    /// Not begun.
    Function(F),
    /// Under way.
    Future(Fut),
    /// It has yielded its output, or has panicked while it was called.
    Done,
}

// The function is never pinned: it is called by value.
impl<F, Fut: Unpin> Unpin for Stage<F, Fut> {}

impl<F: FnOnce() -> Fut, Fut: Future> Stage<F, Fut> {
    /// Calls the function, if that has not been done, and polls its future.
    ///
    /// The future is dropped before its output is returned. If it panics it stays.
    pub(super) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fut::Output> {
        // SAFETY: what is moved out of here is the function, which is not pinned. The future is not moved: it is put
        // here, polled here, and dropped here, by `set` or with the whole.
        let this = unsafe { self.get_unchecked_mut() };
        if let Self::Function(_) = this
            && let Self::Function(function) = mem::replace(this, Self::Done)
        {
            *this = Self::Future(function());
        }
        let Self::Future(future) = this else {
            panic!("an initializer was polled after it had completed")
        };
        // SAFETY: as above.
        let output = ready!(unsafe { Pin::new_unchecked(future) }.poll(cx));
        *this = Self::Done;
        Poll::Ready(output)
    }
}

/// An initializer that several may run, one at a time.
pub(super) struct SharedStage<F, Fut>(UnsafeCell<Stage<F, Fut>>);

// SAFETY: it is run by one thread at a time, as callers of `poll` promise, and goes from thread to thread, so it has to
// be `Send`.
unsafe impl<F: Send, Fut: Send> Sync for SharedStage<F, Fut> {}

// As the stage.
impl<F, Fut: Unpin> Unpin for SharedStage<F, Fut> {}

impl<F, Fut> SharedStage<F, Fut> {
    crate::loom::const_fn! {
        pub(super) fn new(function: F) -> Self {
            Self(UnsafeCell::new(Stage::Function(function)))
        }
    }
}

impl<F: FnOnce() -> Fut, Fut: Future> SharedStage<F, Fut> {
    /// Runs the initializer, as far as it gets.
    ///
    /// # Safety
    ///
    /// Nobody else runs it meanwhile, and what was done before happened before.
    pub(super) unsafe fn poll(self: Pin<&Self>, cx: &mut Context<'_>) -> Poll<Fut::Output> {
        self.get_ref().0.with_mut(|stage| {
            // SAFETY: it is the caller's alone meanwhile. It is pinned with this: nothing moves it.
            unsafe { Pin::new_unchecked(&mut *stage) }.poll(cx)
        })
    }
}
