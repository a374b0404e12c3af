//! What both ends share: the value, and who waits for what.
//!
//! ```text
//!             send: the value is written, and then a permit given
//!      open ────────────────────────────────────────────────────► one permit
//!       │                                                            │ take: the value is the
//!       │ close: by the receiver, or by a sender that is dropped     ▼ receiver's
//!       └───────────────► closed, without a permit                 open, without a permit
//! ```
//!
//! The value's permit and the close are in one word, so a `send` and a close that race are in an order: a
//! value was either sent before the close, and can still be received, or comes back to the sender.

use crate::{loom::UnsafeCell, waiter_queue::Queue};

pub(super) struct Shared<T> {
    /// Has one permit if the value is there. The receiver waits for it. Closed when there will be none.
    pub(super) values: Queue,
    /// A gate that opens when the receiver has closed the channel. The sender waits for that.
    pub(super) closed: Queue,
    /// Written by the sender before it gives the permit, taken out by whoever has the permit.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value is accessed by one side at a time: see `put` and `take`. It goes from thread to thread, so it
// has to be `Send`; nobody shares it.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

// A panic leaves a channel as it should be.
impl<T> std::panic::UnwindSafe for Shared<T> {}
impl<T> std::panic::RefUnwindSafe for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn new() -> Self {
        Self {
            values: Queue::new(0),
            closed: Queue::gate(),
            value: UnsafeCell::new(None),
        }
    }

    /// Sends `value`, or gives it back if the channel is closed. For the sender, once.
    pub(super) fn send(&self, value: T) -> Result<(), T> {
        // SAFETY: the sender is the only one to put a value, once, and nobody takes it before there is a permit.
        self.value.with_mut(|it| unsafe { *it = Some(value) });
        if self.values.give_unless_closed(1) {
            return Ok(());
        }
        Err(self.take())
    }

    /// Takes the value. For whoever has its permit, or for the sender if it could not give one.
    pub(super) fn take(&self) -> T {
        // SAFETY: the permit was given once, after the value was put, and the caller has taken it; or the caller
        // is the sender, and has given none.
        self.value
            .with_mut(|it| unsafe { (*it).take() })
            .expect("a permit stands for a value")
    }

    /// Closes the channel for the receiver.
    pub(super) fn close(&self) {
        self.values.close();
        self.closed.open();
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // As an access, which a model sees.
        // SAFETY: nobody else has it.
        let value = self.value.with_mut(|it| unsafe { (*it).take() });
        drop(value);
    }
}
