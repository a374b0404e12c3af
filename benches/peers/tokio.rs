//! `tokio::sync`, which needs no runtime of tokio's.

use std::{future::Future, pin::pin};

use tokio::sync::{Mutex, MutexGuard, Notify, SemaphorePermit};

use super::{Monitor, Peer, Semaphore};

pub struct Tokio;

impl Peer for Tokio {
    type Monitor = Monitored;
    type Semaphore = tokio::sync::Semaphore;

    const NAME: &'static str = "tokio";

    fn semaphore(permits: usize) -> Self::Semaphore {
        Self::Semaphore::new(permits)
    }

    fn monitor() -> Option<Self::Monitor> {
        Some(Monitored {
            mutex: Mutex::new(0),
            notify: Notify::new(),
        })
    }
}

impl Semaphore for tokio::sync::Semaphore {
    type Permit<'a> = SemaphorePermit<'a>;

    #[inline]
    async fn acquire(&self) -> Self::Permit<'_> {
        self.acquire().await.unwrap()
    }

    #[inline]
    fn try_acquire(&self) -> Option<Self::Permit<'_>> {
        self.try_acquire().ok()
    }

    fn add_permits(&self, count: usize) {
        self.add_permits(count);
    }

    fn forget(permit: Self::Permit<'_>) {
        permit.forget();
    }
}

/// What its documentation has in place of a condition variable.
pub struct Monitored {
    mutex: Mutex<u64>,
    notify: Notify,
}

impl Monitor for Monitored {
    type Guard<'a> = MutexGuard<'a, u64>;

    #[inline]
    fn lock(&self) -> impl Future<Output = Self::Guard<'_>> {
        self.mutex.lock()
    }

    async fn wait<'a>(&'a self, guard: Self::Guard<'a>) -> Self::Guard<'a> {
        let mut notified = pin!(self.notify.notified());
        notified.as_mut().enable();
        drop(guard);
        notified.await;
        self.mutex.lock().await
    }

    fn notify_one(&self) {
        self.notify.notify_one();
    }

    fn notify_all(&self) {
        self.notify.notify_waiters();
    }
}
