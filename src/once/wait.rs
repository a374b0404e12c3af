//! Waiting for a value that somebody else sets.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::value::Value;
use crate::{
    timeout::{Wait, wait_methods},
    waiter_queue::{Queue, Slot},
};

/// The future of [`SetOnce::wait`](super::SetOnce::wait) and [`OnceCell::wait`](super::OnceCell::wait).
#[must_use = "futures do nothing unless polled"]
pub struct OnceWait<'a, T> {
    value: &'a Value<T>,
    /// A gate that is opened when the value is there.
    gate: &'a Queue,
    slot: Slot,
}

impl<'a, T> OnceWait<'a, T> {
    #[inline]
    pub(super) fn new(value: &'a Value<T>, gate: &'a Queue) -> Self {
        Self {
            value,
            gate,
            slot: Slot::Idle,
        }
    }

    fn leave(&mut self) {
        if let Slot::Waiting(_) = self.slot {
            self.gate.leave(&mut self.slot);
        }
        self.slot = Slot::Done;
    }
}

impl<'a, T> Future for OnceWait<'a, T> {
    type Output = &'a T;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'a T> {
        let this = &mut *self;
        if !this.slot.is_done()
            && let Some(value) = this.value.get()
        {
            this.leave();
            return Poll::Ready(value);
        }
        let value = this.value;
        this.gate
            .poll_notice(&mut this.slot, cx)
            .map(|_| value.get().expect("the gate is opened when it is there"))
    }
}

impl<'a, T> Wait for OnceWait<'a, T> {
    fn at_deadline(&mut self) -> Option<&'a T> {
        self.leave();
        self.value.get()
    }
}

wait_methods!(['a, T] OnceWait<'a, T>, it => it.slot,
    "let never = compio_sync::SetOnce::<u32>::new();", "never.wait()");

impl<T> Drop for OnceWait<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot {
            self.gate.leave(&mut self.slot);
        }
    }
}

impl<T> fmt::Debug for OnceWait<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceWait").finish_non_exhaustive()
    }
}
