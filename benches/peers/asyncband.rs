//! `asyncband`, first come, first served.

use std::future::Future;

use asyncband::{
    condvar::Condvar,
    mutex::{Mutex, MutexGuard},
    semaphore::SemaphorePermit,
};

use super::{Monitor, Peer, Semaphore};

pub struct Asyncband;

impl Peer for Asyncband {
    type Monitor = Monitored;
    type Semaphore = asyncband::semaphore::Semaphore;

    const NAME: &'static str = "asyncband";

    fn semaphore(permits: usize) -> Self::Semaphore {
        Self::Semaphore::new(permits)
    }

    fn monitor() -> Option<Self::Monitor> {
        Some(Monitored {
            mutex: Mutex::new(0),
            condvar: Condvar::new(),
        })
    }
}

impl Semaphore for asyncband::semaphore::Semaphore {
    type Permit<'a> = SemaphorePermit<'a>;

    #[inline]
    fn acquire(&self) -> impl Future<Output = Self::Permit<'_>> {
        self.acquire(1)
    }

    #[inline]
    fn try_acquire(&self) -> Option<Self::Permit<'_>> {
        self.try_acquire(1)
    }

    fn add_permits(&self, count: usize) {
        self.release(count);
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
