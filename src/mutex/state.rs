//! What a mutex is made of, and the lock without its guards.

use std::{
    panic::{RefUnwindSafe, UnwindSafe},
    task::{Context, Poll},
};

use crate::{
    loom::UnsafeCell,
    waiter_queue::{Left, Outcome, Queue, Slot},
};

/// A mutex whose guards may be held across `await`.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | First come, first served, but for a bounded number of newcomers that may barge past the first waiter: see [`Fairness`](crate::Fairness), by default [`Fairness::DEFAULT`](crate::Fairness::DEFAULT). |
/// | Memory ordering | Each unlock synchronizes-with the next lock. |
/// | Cost | Uncontended: one atomic read-modify-write to lock, one to unlock. A wait: six in place of the one to lock, or ten if newcomers may barge, and in steady state no allocation. See [the guide](crate::guide::cost). |
/// | Cancelling | A dropped lock has taken nothing and has lost its place in the queue. |
/// | Panics | There is no poisoning: a task that panics unlocks like any other. |
/// | Without a runtime | Works with any executor, and with plain threads through the `blocking_` methods. |
///
/// It is not reentrant: a task that locks it again waits for itself, for ever.
///
/// With [`Fairness::Fifo`](crate::Fairness::Fifo) the lock is given to the waiter itself, at the moment of unlocking. A waiter
/// that has been given the lock but is not polled keeps it until it is polled or
/// dropped. With [`Fairness::Bounded`](crate::Fairness::Bounded) the first waiter is woken, and the mutex is unlocked until
/// it or a newcomer locks it. See
/// [Futures that nobody polls](crate::Fairness#futures-that-nobody-polls).
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use compio_sync::Mutex;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let total = Arc::new(Mutex::new(0));
/// let mut tasks = Vec::new();
/// for n in 1..=10 {
///     let total = total.clone();
///     tasks.push(compio::runtime::spawn(async move { *total.lock().await += n }));
/// }
/// for task in tasks {
///     task.await.unwrap();
/// }
/// assert_eq!(*total.lock().await, 55);
/// # });
/// ```
pub struct Mutex<T: ?Sized> {
    /// One permit: the lock.
    pub(super) queue: Queue,
    pub(super) value: UnsafeCell<T>,
}

// SAFETY: the value goes where the mutex goes.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: whoever shares the mutex gets at the value one at a time, which is sending it.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

// Whoever panics with the lock unlocks it. Without poisoning the value may be half changed then, as with
// any mutex that is shared with a thread that is gone; std's says the same of its own.
impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

impl<T: ?Sized> Mutex<T> {
    /// Polls for the lock.
    #[inline]
    pub(super) fn poll_lock(&self, slot: &mut Slot, cx: &Context<'_>) -> Poll<()> {
        self.queue.poll_take(slot, 1, cx).map(drop)
    }

    /// Ends a wait for the lock, passing the lock on if it has been handed over already.
    #[inline]
    pub(super) fn leave(&self, slot: &mut Slot) {
        if let Slot::Waiting(_) = slot
            && self.queue.leave(slot) == Left::With(Outcome::Granted)
        {
            self.unlock();
        }
    }

    /// Ends a wait for the lock. Says whether it has been handed over, or could be taken now.
    pub(super) fn lock_at_deadline(&self, slot: &mut Slot) -> bool {
        self.queue.leave(slot) != Left::Nothing || self.queue.try_take(1)
    }

    #[inline]
    pub(super) fn unlock(&self) {
        self.queue.give(1);
    }
}
