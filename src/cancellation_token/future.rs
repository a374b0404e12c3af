//! Waiting until a token is cancelled, as futures.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{node::Node, waits::Waits};
use crate::{
    loom::Arc,
    timeout::{Wait, wait_methods},
};

/// The future of [`CancellationToken::cancelled`](crate::CancellationToken::cancelled).
#[must_use = "futures do nothing unless polled"]
pub struct WaitForCancellationFuture<'a> {
    node: &'a Node,
    waits: Waits,
}

impl<'a> WaitForCancellationFuture<'a> {
    #[inline]
    pub(super) fn new(node: &'a Node) -> Self {
        Self {
            node,
            waits: Waits::default(),
        }
    }
}

/// The future of [`CancellationToken::cancelled_owned`](crate::CancellationToken::cancelled_owned).
#[must_use = "futures do nothing unless polled"]
pub struct WaitForCancellationFutureOwned {
    node: Arc<Node>,
    waits: Waits,
}

impl WaitForCancellationFutureOwned {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            waits: Waits::default(),
        }
    }
}

macro_rules! waits {
    ([$($generics:tt)*] $name:ident $(<$lifetime:lifetime>)?) => {
        impl<$($generics)*> Future for $name $(<$lifetime>)? {
            type Output = ();

            #[inline]
            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
                let this = &mut *self;
                this.waits.poll(&this.node, cx)
            }
        }

        impl<$($generics)*> Wait for $name $(<$lifetime>)? {
            fn at_deadline(&mut self) -> Option<()> {
                self.waits.leave(&self.node);
                self.node.is_cancelled().then_some(())
            }
        }

        impl<$($generics)*> Drop for $name $(<$lifetime>)? {
            #[inline]
            fn drop(&mut self) {
                if !self.waits.is_done() {
                    self.waits.leave(&self.node);
                }
            }
        }

        impl<$($generics)*> fmt::Debug for $name $(<$lifetime>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

waits!(['a] WaitForCancellationFuture<'a>);
waits!([] WaitForCancellationFutureOwned);

wait_methods!(['a] WaitForCancellationFuture<'a>, it => it.waits,
    "let never = compio_sync::CancellationToken::new();", "never.cancelled()");
wait_methods!([] WaitForCancellationFutureOwned, it => it.waits,
    "let never = compio_sync::CancellationToken::new();", "never.clone().cancelled_owned()");
