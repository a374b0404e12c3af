//! `async-lock`, which lets newcomers pass, and `event-listener`, which it is made of.

use std::future::Future;

use async_lock::{Mutex, MutexGuard, SemaphoreGuard};
use event_listener::Event;

use super::{Monitor, Peer, Semaphore};

pub struct AsyncLock;

impl Peer for AsyncLock {
    type Monitor = Monitored;
    type Semaphore = async_lock::Semaphore;

    const NAME: &'static str = "async-lock";

    fn semaphore(permits: usize) -> Self::Semaphore {
        Self::Semaphore::new(permits)
    }

    fn monitor() -> Option<Self::Monitor> {
        Some(Monitored {
            mutex: Mutex::new(0),
            event: Event::new(),
        })
    }
}

impl Semaphore for async_lock::Semaphore {
    type Permit<'a> = SemaphoreGuard<'a>;

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

/// What takes the place of a condition variable there.
pub struct Monitored {
    mutex: Mutex<u64>,
    event: Event,
}

impl Monitor for Monitored {
    type Guard<'a> = MutexGuard<'a, u64>;

    #[inline]
    fn lock(&self) -> impl Future<Output = Self::Guard<'_>> {
        self.mutex.lock()
    }

    async fn wait<'a>(&'a self, guard: Self::Guard<'a>) -> Self::Guard<'a> {
        let listener = self.event.listen();
        drop(guard);
        listener.await;
        self.mutex.lock().await
    }

    fn notify_one(&self) {
        self.event.notify_additional(1);
    }

    fn notify_all(&self) {
        self.event.notify(usize::MAX);
    }
}
