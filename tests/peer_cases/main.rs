//! The cases that the tests of other crates' primitives look at, told anew for this crate's.
//!
//! Where a peer has another contract, the case says what holds here: an acquire yields no `Result`,
//! `Event` and `WaiterQueue` stand in for tokio's `Notify`, and timeouts are those of the feature
//! `time`. [`reentrant`] has wakers that come back into what wakes them, and is run against the
//! peers, too.

#[path = "../common/mod.rs"]
mod common;

mod condvar;
mod mutex;
mod notification;
mod once;
mod reentrant;
mod rwlock;
mod semaphore;

/// A semaphore that lets nobody overtake.
fn fifo(permits: usize) -> compio_sync::Semaphore {
    compio_sync::Semaphore::with_fairness(permits, compio_sync::Fairness::Fifo)
}

/// A mutex that lets nobody overtake.
fn fifo_mutex<T>(value: T) -> compio_sync::Mutex<T> {
    compio_sync::Mutex::with_fairness(value, compio_sync::Fairness::Fifo)
}
