//! [`Semaphore`]: who gets how many permits, in which order, and what becomes of them.

#[path = "../common/mod.rs"]
mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use common::{Hooks, Polled, Task, Watchdog, World, claims::Primitive, message, panic_of, until};
use compio_sync::{AcquireError, Fairness, OwnedSemaphorePermit, Semaphore};
use futures_util::{FutureExt, future::BoxFuture, poll};

struct Permit<const LIMIT: u8>(Semaphore);

impl<const LIMIT: u8> Default for Permit<LIMIT> {
    fn default() -> Self {
        Self(Semaphore::with_fairness(0, Fairness::Bounded(LIMIT)))
    }
}

impl<const LIMIT: u8> Primitive for Permit<LIMIT> {
    const CALLS: bool = LIMIT > 0;

    fn wait(self: Arc<Self>) -> BoxFuture<'static, ()> {
        async move { self.0.acquire().await.forget() }.boxed()
    }

    fn release(&self) {
        self.0.add_permits(1);
    }

    fn release_all(&self) {
        self.0.add_permits(self.0.waiter_count());
    }

    fn waiter_count(&self) -> usize {
        self.0.waiter_count()
    }
}

mod fifo {
    crate::waits_like_the_others!(super::Permit<0>);
}

mod bounded {
    crate::waits_like_the_others!(super::Permit<16>);
}

/// A semaphore whose permits are handed over to those who wait.
const fn fifo(permits: usize) -> Semaphore {
    Semaphore::with_fairness(permits, Fairness::Fifo)
}

/// What of each there is to be tested.
fn each_fairness(test: impl Fn(Fairness)) {
    for fairness in [Fairness::Fifo, Fairness::Bounded(1), Fairness::default()] {
        test(fairness);
    }
}

const CLOSED: &str =
    "acquired from a semaphore that has been closed; use `or_closed` to be told instead";

/// All of a semaphore's counts: available, held, in all, waiting.
fn counts(semaphore: &Semaphore) -> [usize; 4] {
    [
        semaphore.available_permits(),
        semaphore.in_use(),
        semaphore.max_permits(),
        semaphore.waiter_count(),
    ]
}

mod cancelling;
mod closing;
mod conservation;
mod counts;
mod order;
mod permits;
