//! What one writes by hand: a counter, and somewhere to leave one's waker.
//!
//! Both let newcomers pass, both leave a waker behind when a wait is cancelled, and both wake whom
//! they need not. They are something to measure against, not something to use.

use std::{
    collections::VecDeque,
    future::Future,
    mem,
    pin::Pin,
    sync::atomic::{
        AtomicIsize, AtomicU8, AtomicUsize,
        Ordering::{Acquire as Acq, Relaxed, Release, SeqCst},
        fence,
    },
    task::{Context, Poll, Waker},
};

use crossbeam_queue::SegQueue;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::{NoMonitor, Peer, Semaphore};

/// Baseline A: an atomic slot for the first waker, a queue behind a lock for the others.
pub struct Locked;

impl Peer for Locked {
    type Monitor = NoMonitor;
    type Semaphore = Counter<OneOrLocked>;

    const NAME: &'static str = "mutex + deque";

    fn semaphore(permits: usize) -> Self::Semaphore {
        Counter::new(permits)
    }

    fn monitor() -> Option<NoMonitor> {
        None
    }
}

/// Baseline B: a lock-free queue of wakers.
pub struct Segmented;

impl Peer for Segmented {
    type Monitor = NoMonitor;
    type Semaphore = Counter<SegQueue<Waker>>;

    const NAME: &'static str = "segqueue";

    fn semaphore(permits: usize) -> Self::Semaphore {
        Counter::new(permits)
    }

    fn monitor() -> Option<NoMonitor> {
        None
    }
}

/// Somewhere to leave wakers.
pub trait Wakers: Default + Send + Sync + 'static {
    fn leave(&self, waker: &Waker);
    fn take(&self) -> Option<Waker>;
}

#[derive(Default)]
pub struct OneOrLocked {
    /// Whether the slot is somebody's.
    is_taken: AtomicU8,
    slot: AtomicWaker,
    others: Mutex<VecDeque<Waker>>,
}

impl Wakers for OneOrLocked {
    fn leave(&self, waker: &Waker) {
        if self.is_taken.compare_exchange(0, 1, Acq, Relaxed).is_ok() {
            self.slot.register(waker);
        } else {
            self.others.lock().push_back(waker.clone());
        }
    }

    fn take(&self) -> Option<Waker> {
        if self.is_taken.load(Acq) == 1
            && let Some(waker) = self.slot.take()
        {
            self.is_taken.store(0, Release);
            return Some(waker);
        }
        self.others.lock().pop_front()
    }
}

impl Wakers for SegQueue<Waker> {
    fn leave(&self, waker: &Waker) {
        self.push(waker.clone());
    }

    fn take(&self) -> Option<Waker> {
        self.pop()
    }
}

pub struct Counter<W> {
    permits: AtomicUsize,
    /// How many more wakers there are than tasks that wait, at least while no woken task is still
    /// to be polled. Which ones are superfluous cannot be told.
    surplus: AtomicIsize,
    wakers: W,
}

impl<W: Wakers> Counter<W> {
    fn new(permits: usize) -> Self {
        Self {
            permits: AtomicUsize::new(permits),
            surplus: AtomicIsize::new(0),
            wakers: W::default(),
        }
    }

    fn wake(&self, count: usize) {
        let surplus = self.surplus.load(Relaxed).max(0);
        for _ in 0..count + surplus as usize {
            match self.wakers.take() {
                Some(waker) => {
                    self.surplus.fetch_sub(1, Relaxed);
                    waker.wake();
                }
                None => return,
            }
        }
    }
}

impl<W: Wakers> Semaphore for Counter<W> {
    type Permit<'a> = Permit<'a, W>;

    #[inline]
    fn acquire(&self) -> impl Future<Output = Self::Permit<'_>> {
        Acquire {
            counter: self,
            is_waiting: false,
        }
    }

    #[inline]
    fn try_acquire(&self) -> Option<Self::Permit<'_>> {
        let mut permits = self.permits.load(Relaxed);
        while permits > 0 {
            match self
                .permits
                .compare_exchange_weak(permits, permits - 1, Acq, Relaxed)
            {
                Ok(_) => return Some(Permit(self)),
                Err(now) => permits = now,
            }
        }
        None
    }

    #[inline]
    fn add_permits(&self, count: usize) {
        self.permits.fetch_add(count, Release);
        // Pairs with the one in `poll`: one of the two sees what the other has done.
        fence(SeqCst);
        self.wake(count);
    }

    fn forget(permit: Self::Permit<'_>) {
        mem::forget(permit);
    }
}

pub struct Acquire<'a, W: Wakers> {
    counter: &'a Counter<W>,
    is_waiting: bool,
}

impl<W: Wakers> Acquire<'_, W> {
    fn wait_no_longer(&mut self) {
        if mem::take(&mut self.is_waiting) {
            self.counter.surplus.fetch_add(1, Relaxed);
        }
    }
}

impl<'a, W: Wakers> Future for Acquire<'a, W> {
    type Output = Permit<'a, W>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let counter = self.counter;
        if let Some(permit) = counter.try_acquire() {
            self.wait_no_longer();
            return Poll::Ready(permit);
        }
        if mem::replace(&mut self.is_waiting, true) {
            counter.surplus.fetch_add(1, Relaxed);
        }
        counter.wakers.leave(cx.waker());
        fence(SeqCst);
        match counter.try_acquire() {
            Some(permit) => {
                self.wait_no_longer();
                Poll::Ready(permit)
            }
            None => Poll::Pending,
        }
    }
}

impl<W: Wakers> Drop for Acquire<'_, W> {
    fn drop(&mut self) {
        if self.is_waiting {
            self.wait_no_longer();
            // It may have been woken for a permit that it does not take.
            if self.counter.permits.load(Relaxed) > 0 {
                self.counter.wake(1);
            }
        }
    }
}

pub struct Permit<'a, W: Wakers>(&'a Counter<W>);

impl<W: Wakers> Drop for Permit<'_, W> {
    #[inline]
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}
