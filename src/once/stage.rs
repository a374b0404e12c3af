//! An initializer: a function, and then the future that it makes.

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

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
