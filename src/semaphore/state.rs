//! What a semaphore is made of.

use super::counts::Counts;
use crate::waiter_queue::Queue;

/// A counting semaphore: permits that tasks and threads take and give back.
///
/// | Property | Contract |
/// |---|---|
/// | Fairness | First come, first served, but for a bounded number of newcomers that may barge past the first waiter: see [`Fairness`](crate::Fairness), by default [`Fairness::DEFAULT`](crate::Fairness::DEFAULT). The bound is the same for large requests, so they are not starved. |
/// | Memory ordering | A release synchronizes-with the acquire that gets its permits. |
/// | Cost | Uncontended: one atomic read-modify-write to acquire, one to release. A wait: six in place of the one to acquire, or ten if newcomers may barge, and in steady state no allocation. See [the guide](crate::guide::cost). |
/// | Cancelling | A dropped acquire has taken nothing and has lost its place in the queue. |
/// | Panics | There is no poisoning: a task that panics gives its permits back like any other. |
/// | Without a runtime | Works with any executor, and with plain threads through the `blocking_` methods. |
///
/// With [`Fairness::Fifo`](crate::Fairness::Fifo) a permit is given to the waiter itself, at the moment of release. A waiter
/// that has been given its permits but is not polled keeps them until it is
/// polled or dropped. With [`Fairness::Bounded`](crate::Fairness::Bounded) the first waiter is woken, and its permits stay
/// available until it or a newcomer takes them. Those that it does not need are given to the
/// next waiter. See [Futures that nobody polls](crate::Fairness#futures-that-nobody-polls).
///
/// # Closing
///
/// [`close`](Self::close) closes the semaphore: pending and future acquires fail. Since most semaphores are never closed, [`acquire`](Self::acquire)
/// yields a plain permit, without a `Result` to unwrap at every use; on a closed semaphore it
/// panics. Code that closes semaphores asks with
/// [`or_closed`](crate::Acquire::or_closed), which yields an [`AcquireError`](crate::AcquireError) instead. To wait for ever
/// would hang a shutdown, and to hand out permits all the same would defeat it.
///
/// # Examples
///
/// At most two at a time:
///
/// ```
/// use std::sync::Arc;
///
/// use compio_sync::Semaphore;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let semaphore = Arc::new(Semaphore::new(2));
/// let mut tasks = Vec::new();
/// for n in 0..10 {
///     let semaphore = semaphore.clone();
///     tasks.push(compio::runtime::spawn(async move {
///         let _permit = semaphore.acquire().await;
///         n // at most two tasks are here at a time
///     }));
/// }
/// for task in tasks {
///     task.await.unwrap();
/// }
/// assert_eq!(semaphore.available_permits(), 2);
/// # });
/// ```
pub struct Semaphore {
    pub(crate) queue: Queue,
    pub(super) counts: Counts,
}
