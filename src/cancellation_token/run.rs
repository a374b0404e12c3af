//! Running a future until a token is cancelled: without what is left of it, or with compio's operations in it ended.

use std::{
    fmt,
    future::Future,
    ops::Deref,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::FusedFuture;

use super::{node::Node, waits::Waits};
use crate::{loom::Arc, waiter_queue::compio::Operations};

/// A future that is run until a token is cancelled. `N` owns the token's node, or borrows it.
struct Until<N: Deref<Target = Node>, F> {
    node: N,
    waits: Waits,
    /// Whether the token has been looked at before the future was polled.
    has_begun: bool,
    future: F,
}

impl<N: Deref<Target = Node>, F: Future> Until<N, F> {
    fn new(node: N, future: F) -> Self {
        Self {
            node,
            waits: Waits::default(),
            has_begun: false,
            future,
        }
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        // SAFETY: `future` is not moved out of it, and nothing else in it is pinned. It has no `Drop` that moves
        // it, and is `Unpin` only if `F` is.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let future = unsafe { Pin::new_unchecked(&mut this.future) };
        if this.waits.is_done() {
            panic!("a future was polled after it had completed");
        }
        let node = &*this.node;
        if !this.has_begun && node.is_cancelled() {
            this.waits.leave(node);
            return Poll::Ready(None);
        }
        this.has_begun = true;
        if let Poll::Ready(output) = future.poll(cx) {
            this.waits.leave(node);
            return Poll::Ready(Some(output));
        }
        this.waits.poll(node, cx).map(|()| None)
    }
}

impl<N: Deref<Target = Node>, F> Drop for Until<N, F> {
    fn drop(&mut self) {
        if !self.waits.is_done() {
            self.waits.leave(&self.node);
        }
    }
}

/// A future whose operations are cancelled when a token is. `N` owns the token's node, or borrows it.
struct Cancelling<N: Deref<Target = Node>, F> {
    node: N,
    waits: Waits,
    operations: Operations,
    is_done: bool,
    future: F,
}

impl<N: Deref<Target = Node>, F: Future> Cancelling<N, F> {
    fn new(node: N, future: F) -> Self {
        Self {
            node,
            waits: Waits::default(),
            operations: Operations::new(),
            is_done: false,
            future,
        }
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: as in `Until::poll`.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let future = unsafe { Pin::new_unchecked(&mut this.future) };
        if this.is_done {
            panic!("a future was polled after it had completed");
        }
        let node = &*this.node;
        // Before the future: what it begins after the cancel is cancelled, too.
        if !this.waits.is_done() && this.waits.poll(node, cx).is_ready() {
            this.operations.cancel();
        }
        let poll = this.operations.poll(future, cx);
        if poll.is_ready() {
            this.is_done = true;
            this.waits.leave(node);
        }
        poll
    }
}

impl<N: Deref<Target = Node>, F> Drop for Cancelling<N, F> {
    fn drop(&mut self) {
        if !self.waits.is_done() {
            self.waits.leave(&self.node);
        }
    }
}

macro_rules! runs {
    ($(#[$meta:meta])* $name:ident<$($lifetime:lifetime,)? F>($inner:ident of $node:ty) -> $output:ty,
        $it:ident => $done:expr) => {
        $(#[$meta])*
        #[must_use = "futures do nothing unless polled"]
        pub struct $name<$($lifetime,)? F>($inner<$node, F>);

        impl<$($lifetime,)? F: Future> $name<$($lifetime,)? F> {
            pub(super) fn new(node: $node, future: F) -> Self {
                Self($inner::new(node, future))
            }
        }

        impl<$($lifetime,)? F: Future> Future for $name<$($lifetime,)? F> {
            type Output = $output;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                // SAFETY: the only field is pinned if this is.
                unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(cx)
            }
        }

        impl<$($lifetime,)? F: Future> FusedFuture for $name<$($lifetime,)? F> {
            fn is_terminated(&self) -> bool {
                let $it = &self.0;
                $done
            }
        }

        impl<$($lifetime,)? F> fmt::Debug for $name<$($lifetime,)? F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

runs! {
    /// The future of [`CancellationToken::run_until_cancelled`](crate::CancellationToken::run_until_cancelled).
    RunUntilCancelledFuture<'a, F>(Until of &'a Node) -> Option<F::Output>,
    it => it.waits.is_done()
}
runs! {
    /// The future of [`CancellationToken::run_until_cancelled_owned`](crate::CancellationToken::run_until_cancelled_owned).
    RunUntilCancelledFutureOwned<F>(Until of Arc<Node>) -> Option<F::Output>,
    it => it.waits.is_done()
}
runs! {
    /// The future of [`CancellationToken::run_cancelling_io`](crate::CancellationToken::run_cancelling_io).
    RunCancellingIo<'a, F>(Cancelling of &'a Node) -> F::Output,
    it => it.is_done
}
runs! {
    /// The future of [`CancellationToken::run_cancelling_io_owned`](crate::CancellationToken::run_cancelling_io_owned).
    RunCancellingIoOwned<F>(Cancelling of Arc<Node>) -> F::Output,
    it => it.is_done
}
