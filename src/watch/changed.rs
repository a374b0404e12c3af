//! Waiting for changes.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::{
    error::RecvError,
    reference::Ref,
    shared::{Shared, is_later},
};
use crate::{
    budget::Budget,
    timeout::{Wait, wait_methods},
    waiter_queue::Slot,
};

/// The future of [`Receiver::changed`](super::Receiver::changed).
#[must_use = "futures do nothing unless polled"]
pub struct Changed<'a, T> {
    shared: &'a Shared<T>,
    seen: &'a mut usize,
    budget: &'a Budget,
    slot: Slot,
}

impl<'a, T> Changed<'a, T> {
    pub(super) fn new(shared: &'a Shared<T>, seen: &'a mut usize, budget: &'a Budget) -> Self {
        Self {
            shared,
            seen,
            budget,
            slot: Slot::Idle,
        }
    }

    fn found(&mut self, version: Option<usize>) -> Result<(), RecvError> {
        *self.seen = version.ok_or(RecvError)?;
        Ok(())
    }

    /// Looks at the current value.
    fn look(&mut self) -> crate::snapshot::Snapshot<'a, T> {
        let value = self.shared.get();
        *self.seen = value.number();
        value
    }
}

impl<T> Future for Changed<'_, T> {
    type Output = Result<(), RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Slot::Done = this.slot {
            panic!("a wait was polled after it had completed");
        }
        if this.budget.is_spent(cx) {
            return Poll::Pending;
        }
        let look = || this.shared.later_than(*this.seen);
        let Poll::Ready(version) = this.shared.changed.poll_until(&mut this.slot, cx, look) else {
            this.budget.refill();
            return Poll::Pending;
        };
        this.budget.spend();
        this.slot = Slot::Done;
        Poll::Ready(this.found(version))
    }
}

impl<T> Wait for Changed<'_, T> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        let slot = &mut mem::replace(&mut self.slot, Slot::Done);
        self.shared.changed.leave(slot);
        let is_at_end = self.shared.is_at_end();
        let version = self.shared.later_than(*self.seen);
        (version.is_some() || is_at_end).then(|| self.found(version))
    }
}

wait_methods!(['a, T] Changed<'a, T>, it => it.slot,
    "let (_sender, mut receiver) = compio_sync::watch::channel(1);", "receiver.changed()");

impl<T> Drop for Changed<'_, T> {
    fn drop(&mut self) {
        if let Slot::Waiting(_) = self.slot {
            self.shared.changed.leave(&mut self.slot);
        }
    }
}

impl<T> fmt::Debug for Changed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changed").finish_non_exhaustive()
    }
}

/// The future of [`Receiver::wait_for`](super::Receiver::wait_for).
#[must_use = "futures do nothing unless polled"]
pub struct WaitFor<'a, T, F> {
    changed: Changed<'a, T>,
    is_right: F,
    /// Whether the value that was there at first has been looked at.
    has_looked: bool,
}

// The condition is never pinned.
impl<T, F> Unpin for WaitFor<'_, T, F> {}

impl<'a, T, F: FnMut(&T) -> bool> WaitFor<'a, T, F> {
    pub(super) fn new(changed: Changed<'a, T>, is_right: F) -> Self {
        Self {
            changed,
            is_right,
            has_looked: false,
        }
    }

    /// Looks at the current value, and yields it if it is right.
    fn look(&mut self, has_changed: bool) -> Option<Ref<'a, T>> {
        let before = *self.changed.seen;
        let value = self.changed.look();
        let has_changed = has_changed || is_later(value.number(), before);
        (self.is_right)(&value).then(|| Ref::new(value, has_changed))
    }
}

impl<'a, T, F: FnMut(&T) -> bool> Future for WaitFor<'a, T, F> {
    type Output = Result<Ref<'a, T>, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.has_looked && this.changed.budget.is_spent(cx) {
            return Poll::Pending;
        }
        loop {
            let has_changed = mem::replace(&mut this.has_looked, true);
            if has_changed {
                if let Err(error) = ready!(Pin::new(&mut this.changed).poll(cx)) {
                    return Poll::Ready(Err(error));
                }
                this.changed.slot = Slot::Idle;
            }
            if let Some(value) = this.look(has_changed) {
                this.changed.budget.spend();
                this.changed.slot = Slot::Done;
                return Poll::Ready(Ok(value));
            }
        }
    }
}

impl<'a, T, F: FnMut(&T) -> bool> Wait for WaitFor<'a, T, F> {
    fn at_deadline(&mut self) -> Option<Self::Output> {
        let result = self.changed.at_deadline()?;
        match result {
            Ok(()) => self.look(true).map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

wait_methods!(['a, T, F: FnMut(&T) -> bool] WaitFor<'a, T, F>, it => it.changed.slot,
    "let (_sender, mut receiver) = compio_sync::watch::channel(1);", "receiver.wait_for(|&n| n > 1)");

impl<T, F> fmt::Debug for WaitFor<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor").finish_non_exhaustive()
    }
}
