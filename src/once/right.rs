//! Who may initialize a cell: one at a time, in order.
//!
//! ```text
//!           take                    succeed: the value is put, and the queue closed
//!   free ──────────► an attempt ─────────────────────────────────────────────────► closed, with a value
//!     ▲                │   │ fail: the queue is closed
//!     └────────────────┘   └─────────────────────────────────────────────────────► closed, without
//!        give up: to the next who waits
//! ```
//!
//! The right to initialize is the one permit of a [`Queue`] in which nobody barges. It is handed to whoever has waited
//! longest when an attempt is given up. An attempt that succeeds keeps it for good, and closes the queue: all who wait
//! are refused, and look at the value.

use std::task::{Context, Poll, ready};

use super::value::Value;
use crate::waiter_queue::{Left, Outcome, Queue, Slot};

/// A value that is initialized by one attempt at a time.
pub(super) struct Attempts<T> {
    /// Its one permit is the right to initialize. Closed when there will be no attempt any more.
    rights: Queue,
    value: Value<T>,
}

impl<T> Attempts<T> {
    crate::loom::const_fn! {
        pub(super) fn new() -> Self {
            Self {
                rights: Queue::new(1),
                value: Value::new(),
            }
        }

        /// With a value: nobody has the right, ever.
        pub(super) fn of(value: T) -> Self {
            Self {
                rights: Queue::new(0),
                value: Value::of(value),
            }
        }
    }

    /// The value, if there is one. It is always put.
    #[inline]
    pub(super) fn get(&self) -> Option<&T> {
        self.value.get_put()
    }

    pub(super) fn value(&self) -> &Value<T> {
        &self.value
    }

    pub(super) fn value_mut(&mut self) -> &mut Value<T> {
        &mut self.value
    }

    /// How many wait for the right.
    pub(super) fn waiters(&self) -> usize {
        self.rights.len()
    }

    /// The right to initialize, to be waited for.
    #[inline]
    pub(super) fn right(&self) -> Right<'_, T> {
        Right {
            attempts: self,
            slot: Slot::Idle,
            is_held: false,
        }
    }

    /// The right to initialize, if it is free and nobody waits for it.
    pub(super) fn try_right(&self) -> Option<Right<'_, T>> {
        self.rights.try_take(1).then(|| Right {
            attempts: self,
            slot: Slot::Done,
            is_held: true,
        })
    }
}

/// What waiting for the right to initialize has come to.
pub(super) enum Turn<'a, T> {
    /// There is a value.
    Value(&'a T),
    /// The right is one's own.
    Attempt,
    /// There is no value, and there will be none.
    Closed,
}

/// A wait for the right to initialize, and then the right. It is given up when dropped.
pub(super) struct Right<'a, T> {
    attempts: &'a Attempts<T>,
    slot: Slot,
    is_held: bool,
}

impl<'a, T> Right<'a, T> {
    #[inline]
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Turn<'a, T>> {
        if self.is_held {
            return Poll::Ready(Turn::Attempt);
        }
        if let Slot::Idle = self.slot
            && let Some(value) = self.attempts.get()
        {
            self.slot = Slot::Done;
            return Poll::Ready(Turn::Value(value));
        }
        let outcome = ready!(self.attempts.rights.poll_take(&mut self.slot, 1, cx));
        Poll::Ready(self.ended(outcome))
    }

    fn ended(&mut self, outcome: Option<Outcome>) -> Turn<'a, T> {
        if let Some(Outcome::Granted | Outcome::Broadcast) = outcome {
            self.is_held = true;
            return Turn::Attempt;
        }
        match self.attempts.get() {
            Some(value) => Turn::Value(value),
            None => Turn::Closed,
        }
    }

    /// Whether the wait is over, and the right not held any more.
    pub(super) fn is_done(&self) -> bool {
        self.slot.is_done() && !self.is_held
    }

    /// Sets the value, with the right that is held. All who wait for it are refused.
    pub(super) fn succeed(&mut self, value: T) -> &'a T {
        assert!(self.is_held, "the right is held by whoever sets the value");
        // SAFETY: the right is held, and is not given to anybody any more. It is the only one: a cell that had a value
        // from the beginning has none.
        unsafe { self.attempts.value.put(value) };
        self.fail();
        self.attempts.get().expect("it was put above")
    }

    /// Ends all attempts, without a value. All who wait for the right are refused.
    pub(super) fn fail(&mut self) {
        self.is_held = false;
        self.attempts.rights.close();
    }

    /// Gives the right to the next who waits for it, or cancels the wait.
    pub(super) fn give_up(&mut self) {
        let was_handed_over = match self.slot {
            Slot::Waiting(_) => {
                self.attempts.rights.leave(&mut self.slot) == Left::With(Outcome::Granted)
            }
            Slot::Idle | Slot::Done => false,
        };
        self.slot = Slot::Done;
        if self.is_held || was_handed_over {
            self.is_held = false;
            self.attempts.rights.give(1);
        }
    }

    /// The value, and whether there will be one, when the time to wait for it is up. Cancels the wait, or gives the
    /// right up.
    pub(super) fn at_deadline(&mut self) -> Option<Turn<'a, T>> {
        self.give_up();
        match self.attempts.get() {
            Some(value) => Some(Turn::Value(value)),
            None if self.attempts.rights.is_no_wait() => Some(self.ended(None)),
            None => None,
        }
    }
}

impl<T> Drop for Right<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.is_held || matches!(self.slot, Slot::Waiting(_)) {
            self.give_up();
        }
    }
}
