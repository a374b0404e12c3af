//! This crate.

use std::future::Future;

use compio_sync::{Condvar, Fairness, Mutex, MutexGuard, SemaphorePermit};

use super::{Monitor, Peer, Semaphore};

/// One way to construct this crate's primitives.
macro_rules! constructed {
    ($(#[$doc:meta])* $peer:ident, $name:literal, $semaphore:expr, $mutex:expr) => {
        $(#[$doc])*
        pub struct $peer;

        impl Peer for $peer {
            const NAME: &'static str = $name;

            type Monitor = Monitored;
            type Semaphore = compio_sync::Semaphore;

            fn semaphore(permits: usize) -> Self::Semaphore {
                $semaphore(permits)
            }

            fn monitor() -> Option<Self::Monitor> {
                Some(Monitored {
                    mutex: $mutex(0),
                    condvar: Condvar::new(),
                })
            }
        }
    };
}

constructed!(
    /// As `new` makes them.
    CompioSync,
    "compio-sync",
    compio_sync::Semaphore::new,
    Mutex::new
);

constructed!(
    /// Nobody passes the queue.
    CompioSyncFifo,
    "compio-sync fifo",
    |permits| compio_sync::Semaphore::with_fairness(permits, Fairness::Fifo),
    |value| Mutex::with_fairness(value, Fairness::Fifo)
);

impl Semaphore for compio_sync::Semaphore {
    type Permit<'a> = SemaphorePermit<'a>;

    #[inline]
    fn acquire(&self) -> impl Future<Output = Self::Permit<'_>> {
        self.acquire()
    }

    #[inline]
    fn try_acquire(&self) -> Option<Self::Permit<'_>> {
        self.try_acquire()
    }

    fn add_permits(&self, count: usize) {
        self.add_permits(count);
    }

    fn forget(permit: Self::Permit<'_>) {
        permit.forget();
    }
}

pub struct Monitored {
    mutex: Mutex<u64>,
    condvar: Condvar,
}

impl Monitor for Monitored {
    type Guard<'a> = MutexGuard<'a, u64>;

    #[inline]
    fn lock(&self) -> impl Future<Output = Self::Guard<'_>> {
        self.mutex.lock()
    }

    fn wait<'a>(&'a self, guard: Self::Guard<'a>) -> impl Future<Output = Self::Guard<'a>> {
        self.condvar.wait(guard)
    }

    fn notify_one(&self) {
        self.condvar.notify_one();
    }

    fn notify_all(&self) {
        self.condvar.notify_all();
    }
}
