//! [`Fairness`]: who may pass whom, how often, and what becomes of those who are passed.

#[path = "../common/mod.rs"]
mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    thread,
};

use common::{Hooks, Polled, Task, Watchdog, World, panic_of, until, yield_now};
use compio_sync::{
    Acquire, AcquireError, AcquireOrClosed, Condvar, Fairness, Mutex, OwnedMutexGuard,
    OwnedSemaphorePermit, Semaphore, SemaphorePermit,
};
use futures_util::{FutureExt, future::BoxFuture, poll};

type Wait<T> = Polled<BoxFuture<'static, T>>;

/// Something that one at a time has: a mutex, or the permit of a semaphore.
trait Lock: Send + Sync + 'static {
    type Held: Send + 'static;

    fn with(fairness: Fairness) -> Arc<Self>;
    fn try_take(self: &Arc<Self>) -> Option<Self::Held>;
    fn take(self: &Arc<Self>) -> BoxFuture<'static, Self::Held>;
    fn waiter_count(&self) -> usize;

    /// One that is held, and by whom.
    fn held(fairness: Fairness) -> (Arc<Self>, Self::Held) {
        let lock = Self::with(fairness);
        let held = lock.try_take().unwrap();
        (lock, held)
    }

    /// Somebody who waits in line.
    #[track_caller]
    fn wait(self: &Arc<Self>) -> Wait<Self::Held> {
        Polled::pending(self.take())
    }

    /// A newcomer, who has to go on at once.
    #[track_caller]
    fn pass(self: &Arc<Self>, nth: usize) -> Self::Held {
        if nth.is_multiple_of(2) {
            self.try_take().expect("a newcomer may pass")
        } else {
            Polled::new(self.take()).ready()
        }
    }

    /// Newcomers, of whom none may pass. There is one in line now.
    #[track_caller]
    fn passes_nobody(self: &Arc<Self>) {
        assert!(self.try_take().is_none(), "a newcomer has passed");
        self.wait();
    }
}

impl Lock for Semaphore {
    type Held = OwnedSemaphorePermit;

    fn with(fairness: Fairness) -> Arc<Self> {
        Arc::new(Self::with_fairness(1, fairness))
    }

    fn try_take(self: &Arc<Self>) -> Option<Self::Held> {
        self.clone().try_acquire_owned()
    }

    fn take(self: &Arc<Self>) -> BoxFuture<'static, Self::Held> {
        self.clone().acquire_owned().boxed()
    }

    fn waiter_count(&self) -> usize {
        self.waiter_count()
    }
}

impl Lock for Mutex<()> {
    type Held = OwnedMutexGuard<()>;

    fn with(fairness: Fairness) -> Arc<Self> {
        Arc::new(Self::with_fairness((), fairness))
    }

    fn try_take(self: &Arc<Self>) -> Option<Self::Held> {
        self.clone().try_lock_owned()
    }

    fn take(self: &Arc<Self>) -> BoxFuture<'static, Self::Held> {
        self.clone().lock_owned().boxed()
    }

    fn waiter_count(&self) -> usize {
        self.waiter_count()
    }
}

/// Makes tests of claims, for a semaphore and for a mutex.
macro_rules! for_both {
    ($($claim:ident),* $(,)?) => {
        mod semaphore {
            $(#[test] fn $claim() { super::$claim::<compio_sync::Semaphore>(); })*
        }
        mod mutex {
            $(#[test] fn $claim() { super::$claim::<compio_sync::Mutex<()>>(); })*
        }
    };
}

/// The bounds to be tested. Those that the target does not have are left out.
fn bounds() -> impl Iterator<Item = usize> {
    [1, 2, 64, 255]
        .into_iter()
        .filter(|&n| usize::BITS == 64 || n < 32)
}

fn bounded(n: usize) -> Fairness {
    Fairness::Bounded(u8::try_from(n).unwrap())
}

/// All of a semaphore's counts: available, held, in all, waiting.
fn counts(semaphore: &Semaphore) -> [usize; 4] {
    [
        semaphore.available_permits(),
        semaphore.in_use(),
        semaphore.max_permits(),
        semaphore.waiter_count(),
    ]
}

mod any_order;
mod bound;
mod closing;
mod condvars;
mod sizes;
mod skipped;
mod threads;
mod unpolled;
mod woken;
