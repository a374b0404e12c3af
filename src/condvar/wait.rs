//! Waiting for a notification: unlock, wait, lock again.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::FusedFuture;

use super::guard::Guard;
use crate::{
    blocking::{block_on, block_on_until},
    timeout::{Deadline, OnDrop},
    waiter_queue::{Left, Outcome, Queue, Slot},
};

/// The future of [`Condvar::wait`](super::Condvar::wait).
#[must_use = "futures do nothing unless polled"]
pub struct CondvarWait<'a, G: Guard> {
    queue: &'a Queue,
    slot: Slot,
    /// Until the first poll.
    guard: Option<G>,
    /// From then on, until the mutex is locked again.
    relock: Option<G::Relock>,
    /// The notification, which passes on if the mutex is not locked again.
    received: Option<Outcome>,
}

impl<'a, G: Guard> CondvarWait<'a, G> {
    pub(super) fn new(queue: &'a Queue, guard: G) -> Self {
        Self {
            queue,
            slot: Slot::Idle,
            guard: Some(guard),
            relock: None,
            received: None,
        }
    }

    /// Waits for at most `timeout`: [`Condvar::wait_timeout`](super::Condvar::wait_timeout).
    pub fn timeout(self, timeout: Duration) -> CondvarWaitTimeout<'a, G> {
        CondvarWaitTimeout {
            wait: self,
            deadline: Deadline::After(timeout),
            timed_out: false,
        }
    }

    /// Waits, blocking the calling thread: [`Condvar::blocking_wait`](super::Condvar::blocking_wait).
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop. The mutex gets unlocked.
    #[track_caller]
    pub fn blocking(self) -> G {
        block_on("blocking", self)
    }

    /// Unlocks, and waits for a notification.
    fn poll_notified(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.slot.is_done() {
            return Poll::Ready(());
        }
        let poll = self.queue.poll_notice(&mut self.slot, cx);
        if let Poll::Ready(outcome) = poll {
            self.received = outcome;
        }
        if let Some(guard) = self.guard.take() {
            // Wakes others, whose wakers may panic.
            self.relock = Some(guard.unlock());
        }
        poll.map(drop)
    }

    /// Locks again, and uses the notification up.
    fn poll_locked(&mut self, cx: &mut Context<'_>) -> Poll<G> {
        let Some(relock) = &mut self.relock else {
            panic!("a wait was polled after it had completed")
        };
        let guard = ready!(Pin::new(relock).poll(cx));
        self.relock = None;
        self.received = None;
        Poll::Ready(guard)
    }

    /// Stops waiting. Says whether a notification had arrived.
    fn give_up(&mut self) -> bool {
        if let Left::With(outcome) = self.queue.leave(&mut self.slot) {
            self.received = Some(outcome);
        }
        self.received.is_some()
    }
}

impl<G: Guard> Future for CondvarWait<'_, G> {
    type Output = G;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<G> {
        let this = self.get_mut();
        ready!(this.poll_notified(cx));
        this.poll_locked(cx)
    }
}

impl<G: Guard> FusedFuture for CondvarWait<'_, G> {
    fn is_terminated(&self) -> bool {
        self.slot.is_done() && self.relock.is_none()
    }
}

impl<G: Guard> Drop for CondvarWait<'_, G> {
    fn drop(&mut self) {
        self.give_up();
        if self.received == Some(Outcome::Granted) {
            self.queue.notify(1);
        }
    }
}

/// The future of [`Condvar::wait_timeout`](super::Condvar::wait_timeout).
#[must_use = "futures do nothing unless polled"]
pub struct CondvarWaitTimeout<'a, G: Guard> {
    wait: CondvarWait<'a, G>,
    deadline: Deadline,
    timed_out: bool,
}

impl<G: Guard> CondvarWaitTimeout<'_, G> {
    /// Waits, blocking the calling thread:
    /// [`Condvar::blocking_wait_timeout`](super::Condvar::blocking_wait_timeout).
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop. The mutex gets unlocked.
    #[track_caller]
    pub fn blocking(mut self) -> (G, WaitTimeoutResult) {
        block_on_until("blocking", self.deadline.begin(), |cx, is_over| {
            self.poll_with(cx, |_, _| is_over)
        })
    }

    fn poll_with(
        &mut self,
        cx: &mut Context<'_>,
        is_over: impl FnOnce(&mut Deadline, &mut Context<'_>) -> bool,
    ) -> Poll<(G, WaitTimeoutResult)> {
        if self.wait.poll_notified(cx).is_pending() {
            // If there can be no timer, that is a panic, and nobody stays in the list.
            let wait = &mut self.wait;
            let leave = OnDrop(|| _ = wait.give_up());
            let is_over = is_over(&mut self.deadline, cx);
            std::mem::forget(leave);
            if !is_over {
                return Poll::Pending;
            }
            self.timed_out = !self.wait.give_up();
        }
        let guard = ready!(self.wait.poll_locked(cx));
        Poll::Ready((guard, WaitTimeoutResult(self.timed_out)))
    }
}

#[cfg(feature = "time")]
#[cfg_attr(docsrs, doc(cfg(feature = "time")))]
impl<G: Guard> Future for CondvarWaitTimeout<'_, G> {
    type Output = (G, WaitTimeoutResult);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_with(cx, Deadline::poll)
    }
}

#[cfg(feature = "time")]
impl<G: Guard> FusedFuture for CondvarWaitTimeout<'_, G> {
    fn is_terminated(&self) -> bool {
        self.wait.is_terminated()
    }
}

/// The future of [`Condvar::wait_while`](super::Condvar::wait_while).
#[must_use = "futures do nothing unless polled"]
pub struct CondvarWaitWhile<'a, G: Guard, F> {
    queue: &'a Queue,
    state: While<'a, G>,
    condition: F,
}

/// Where a wait for a condition is.
enum While<'a, G: Guard> {
    Locked(G),
    Waits(CondvarWait<'a, G>),
    Done,
}

impl<'a, G: Guard, F> CondvarWaitWhile<'a, G, F> {
    pub(super) fn new(queue: &'a Queue, guard: G, condition: F) -> Self {
        Self {
            queue,
            state: While::Locked(guard),
            condition,
        }
    }
}

impl<'a, G: Guard, F: FnMut(&mut G::Target) -> bool> CondvarWaitWhile<'a, G, F> {
    /// Waits for at most `timeout` in all:
    /// [`Condvar::wait_timeout_while`](super::Condvar::wait_timeout_while).
    pub fn timeout(self, timeout: Duration) -> CondvarWaitTimeoutWhile<'a, G, F> {
        CondvarWaitTimeoutWhile {
            wait: self,
            deadline: Deadline::After(timeout),
        }
    }

    /// Waits, blocking the calling thread:
    /// [`Condvar::blocking_wait_while`](super::Condvar::blocking_wait_while).
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop. The mutex gets unlocked.
    #[track_caller]
    pub fn blocking(self) -> G {
        block_on("blocking", self)
    }

    /// Waits until the condition does not hold, or `is_over` does. Says which.
    fn poll_with(
        &mut self,
        cx: &mut Context<'_>,
        mut is_over: impl FnMut(&mut Context<'_>) -> bool,
    ) -> Poll<(G, bool)> {
        loop {
            match std::mem::replace(&mut self.state, While::Done) {
                While::Locked(mut guard) => {
                    // A panic unlocks.
                    if !(self.condition)(&mut *guard) {
                        return Poll::Ready((guard, false));
                    }
                    if is_over(cx) {
                        return Poll::Ready((guard, true));
                    }
                    self.state = While::Waits(CondvarWait::new(self.queue, guard));
                }
                While::Waits(mut wait) => {
                    if wait.poll_notified(cx).is_pending() {
                        if !is_over(cx) {
                            self.state = While::Waits(wait);
                            return Poll::Pending;
                        }
                        wait.give_up();
                    }
                    let Poll::Ready(guard) = wait.poll_locked(cx) else {
                        self.state = While::Waits(wait);
                        return Poll::Pending;
                    };
                    self.state = While::Locked(guard);
                }
                While::Done => panic!("a wait was polled after it had completed"),
            }
        }
    }
}

// The condition is never pinned: it is called where it is.
impl<G: Guard, F> Unpin for CondvarWaitWhile<'_, G, F> {}

impl<G: Guard, F: FnMut(&mut G::Target) -> bool> Future for CondvarWaitWhile<'_, G, F> {
    type Output = G;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<G> {
        let poll = self.get_mut().poll_with(cx, |_| false);
        poll.map(|(guard, _)| guard)
    }
}

impl<G: Guard, F: FnMut(&mut G::Target) -> bool> FusedFuture for CondvarWaitWhile<'_, G, F> {
    fn is_terminated(&self) -> bool {
        matches!(self.state, While::Done)
    }
}

/// The future of [`Condvar::wait_timeout_while`](super::Condvar::wait_timeout_while).
#[must_use = "futures do nothing unless polled"]
pub struct CondvarWaitTimeoutWhile<'a, G: Guard, F> {
    wait: CondvarWaitWhile<'a, G, F>,
    deadline: Deadline,
}

impl<G: Guard, F: FnMut(&mut G::Target) -> bool> CondvarWaitTimeoutWhile<'_, G, F> {
    /// Waits, blocking the calling thread:
    /// [`Condvar::blocking_wait_timeout_while`](super::Condvar::blocking_wait_timeout_while).
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop. The mutex gets unlocked.
    #[track_caller]
    pub fn blocking(mut self) -> (G, WaitTimeoutResult) {
        block_on_until("blocking", self.deadline.begin(), |cx, is_over| {
            let poll = self.wait.poll_with(cx, |_| is_over);
            poll.map(|(guard, timed_out)| (guard, WaitTimeoutResult(timed_out)))
        })
    }
}

#[cfg(feature = "time")]
#[cfg_attr(docsrs, doc(cfg(feature = "time")))]
impl<G: Guard, F: FnMut(&mut G::Target) -> bool> Future for CondvarWaitTimeoutWhile<'_, G, F> {
    type Output = (G, WaitTimeoutResult);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, deadline } = self.get_mut();
        let poll = wait.poll_with(cx, |cx| deadline.poll(cx));
        poll.map(|(guard, timed_out)| (guard, WaitTimeoutResult(timed_out)))
    }
}

#[cfg(feature = "time")]
impl<G, F> FusedFuture for CondvarWaitTimeoutWhile<'_, G, F>
where
    G: Guard,
    F: FnMut(&mut G::Target) -> bool,
{
    fn is_terminated(&self) -> bool {
        self.wait.is_terminated()
    }
}

/// Whether a wait of a [`Condvar`](crate::Condvar) ended because its time had run out.
///
/// Yielded by [`Condvar::wait_timeout`](crate::Condvar::wait_timeout) and [`Condvar::wait_timeout_while`](crate::Condvar::wait_timeout_while).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Returns whether the time had run out.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

macro_rules! debug_future {
    ($($future:ident $(with $generic:ident)?),*) => {$(
        impl<G: Guard $(, $generic)?> fmt::Debug for $future<'_, G $(, $generic)?> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($future)).finish_non_exhaustive()
            }
        }
    )*};
}

debug_future!(
    CondvarWait,
    CondvarWaitTimeout,
    CondvarWaitWhile with F,
    CondvarWaitTimeoutWhile with F
);

#[cfg(all(test, not(compio_sync_loom), not(compio_sync_shuttle)))]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::{Condvar, Mutex};

    #[test]
    fn notification_that_comes_just_as_the_time_ends_counts() {
        let (mutex, changed) = (Mutex::new(()), Condvar::new());
        let times_out = |notify: bool| {
            let mut wait = changed.wait_timeout(mutex.try_lock().unwrap(), Duration::ZERO);
            let mut cx = Context::from_waker(Waker::noop());
            let poll = wait.poll_with(&mut cx, |_, _| {
                if notify {
                    changed.notify_one();
                }
                true
            });
            poll.map(|(_guard, result)| result.timed_out())
        };
        assert_eq!(times_out(true), Poll::Ready(false));
        assert_eq!(times_out(false), Poll::Ready(true), "it is used up");
    }

    #[test]
    fn mutex_that_is_locked_past_the_deadline_is_waited_for_and_the_condition_has_the_last_word() {
        let (mutex, changed) = (Mutex::new(false), Condvar::new());
        let mut cx = Context::from_waker(Waker::noop());
        for becomes_ready in [true, false] {
            let mut wait = changed.wait_while(mutex.try_lock().unwrap(), |ready| !*ready);
            assert!(wait.poll_with(&mut cx, |_| false).is_pending());
            let mut guard = mutex.try_lock().unwrap();
            assert!(
                wait.poll_with(&mut cx, |_| true).is_pending(),
                "the mutex is locked"
            );
            *guard = becomes_ready;
            drop(guard);
            let poll = wait.poll_with(&mut cx, |_| true);
            let poll = poll.map(|(mut guard, timed_out)| {
                *guard = false;
                timed_out
            });
            assert_eq!(poll, Poll::Ready(!becomes_ready));
        }
    }

    #[test]
    fn notification_that_is_not_followed_by_the_lock_passes_on() {
        let (mutex, changed) = (Mutex::new(()), Condvar::new());
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = changed.wait_timeout(mutex.try_lock().unwrap(), Duration::ZERO);
        let poll = first.poll_with(&mut cx, |_, _| false);
        assert!(poll.is_pending());
        let mut second = changed.wait(mutex.try_lock().unwrap());
        assert!(Pin::new(&mut second).poll(&mut cx).is_pending());
        let held = mutex.try_lock();
        let poll = first.poll_with(&mut cx, |_, _| {
            changed.notify_one();
            true
        });
        assert!(poll.is_pending(), "the mutex is locked");
        drop(first);
        drop(held);
        assert!(Pin::new(&mut second).poll(&mut cx).is_ready());
    }
}
