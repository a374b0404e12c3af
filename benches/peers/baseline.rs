//! What one writes by hand: a counter, and somewhere to leave one's waker.
//!
//! Both let newcomers pass, and both leave a waker behind when a wait is called off; a wake that
//! such a waker gets is lost. They are something to measure against, not something to use.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    mem,
    sync::atomic::{
        AtomicU8, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
        fence,
    },
    task::{Context, Poll, Waker},
};

use atomic_waker::AtomicWaker;
use crossbeam_queue::SegQueue;
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
        if self
            .is_taken
            .compare_exchange(0, 1, Acquire, Relaxed)
            .is_ok()
        {
            self.slot.register(waker);
        } else {
            self.others.lock().push_back(waker.clone());
        }
    }

    fn take(&self) -> Option<Waker> {
        if self.is_taken.load(Acquire) == 1
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
    /// How many of the wakers may be those of tasks that wait no longer.
    stale: AtomicUsize,
    wakers: W,
}

impl<W: Wakers> Counter<W> {
    fn new(permits: usize) -> Self {
        Self {
            permits: AtomicUsize::new(permits),
            stale: AtomicUsize::new(0),
            wakers: W::default(),
        }
    }

    fn poll_acquire(&self, left: &mut usize, cx: &Context<'_>) -> Poll<Permit<'_, W>> {
        if let Some(permit) = self.try_acquire() {
            // One waker has been taken, to wake this task.
            self.note_stale(left.saturating_sub(1));
            return Poll::Ready(permit);
        }
        *left += 1;
        self.wakers.leave(cx.waker());
        // Pairs with the one in `add_permits`: one of the two sees what the other has done.
        fence(SeqCst);
        match self.try_acquire() {
            Some(permit) => {
                self.note_stale(*left);
                Poll::Ready(permit)
            }
            None => Poll::Pending,
        }
    }

    fn note_stale(&self, count: usize) {
        if count > 0 {
            self.stale.fetch_add(count, Relaxed);
        }
    }
}

impl<W: Wakers> Semaphore for Counter<W> {
    type Permit<'a> = Permit<'a, W>;

    #[inline]
    fn acquire(&self) -> impl Future<Output = Self::Permit<'_>> {
        let mut left = 0;
        poll_fn(move |cx| self.poll_acquire(&mut left, cx))
    }

    #[inline]
    fn try_acquire(&self) -> Option<Self::Permit<'_>> {
        let mut permits = self.permits.load(Relaxed);
        while permits > 0 {
            match self
                .permits
                .compare_exchange_weak(permits, permits - 1, Acquire, Relaxed)
            {
                Ok(_) => return Some(Permit(self)),
                Err(now) => permits = now,
            }
        }
        None
    }

    fn add_permits(&self, count: usize) {
        self.permits.fetch_add(count, Release);
        fence(SeqCst);
        let stale = match self.stale.load(Relaxed) {
            0 => 0,
            _ => self.stale.swap(0, Relaxed),
        };
        for _ in 0..count + stale {
            match self.wakers.take() {
                Some(waker) => waker.wake(),
                None => return,
            }
        }
    }

    fn forget(permit: Self::Permit<'_>) {
        mem::forget(permit);
    }
}

pub struct Permit<'a, W: Wakers>(&'a Counter<W>);

impl<W: Wakers> Drop for Permit<'_, W> {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}
