//! Waits with a deadline: one mechanism for whatever waits.
//!
//! A timed wait polls the wait first and looks at the clock second. When the time is up it cancels the
//! wait, and what had been handed over by then, or can be had at that moment, is what it yields: it fails
//! only where a `try_` would.
//!
//! Tasks are woken by compio's timers, which belong to a thread, and plain threads by
//! [`std::thread::park_timeout`].

use std::{
    fmt,
    future::Future,
    time::{Duration, Instant},
};
#[cfg(feature = "time")]
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use crate::blocking::block_on_until;
#[cfg(feature = "time")]
use crate::waiter_queue::compio::Timer;

/// A wait that can be cancelled when its time is up.
pub trait Wait: Future + Unpin {
    /// Cancels the wait, which has been polled and is pending. Yields what was handed over before that,
    /// or can be had now.
    fn at_deadline(&mut self) -> Option<Self::Output>;
}

/// A wait that gives up after a while: the future of the `timeout` methods.
///
/// Every future of this crate has that method: `semaphore.acquire_many(3).timeout(second)`,
/// `event.wait().timeout(second)`. Those of [`Condvar`](crate::Condvar) come back with the guard, and
/// have futures of their own.
///
/// The time runs from the first poll. When it is up, whatever could be had at that moment is taken, so a
/// timed wait fails only where an untimed `try_` would: no time at all is a try, and a permit that came
/// while the runtime was busy, past the deadline, is not missed. A duration that an
/// [`Instant`] cannot hold, such as [`Duration::MAX`], is no deadline.
///
/// The future is `Send` if the wait is, for programs that box their futures as `Send`. Its timer is that of
/// the runtime on which it was first pending, though, so it has to be polled on that thread from then on. It
/// may be dropped anywhere; on another thread its timer, some hundred bytes, stays with the runtime until
/// the time is up, and a few of them for good.
///
/// # Cancel safety
///
/// That of the wait.
///
/// # Errors
///
/// The future yields [`Elapsed`] if the time was up first.
///
/// # Panics
///
/// The future panics if it has to wait outside a compio runtime, whose timers it needs (a plain thread calls
/// [`blocking`](Self::blocking)), or if it is polled on another thread than at first. And if the wait does.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use compio_sync::{Elapsed, Semaphore};
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let semaphore = Semaphore::new(2);
/// let two = semaphore.acquire_many(2).timeout(Duration::from_secs(1)).await?;
/// let third = semaphore.acquire().timeout(Duration::from_millis(5)).await;
/// assert_eq!(third.unwrap_err(), Elapsed);
/// # drop(two);
/// # Ok::<_, Elapsed>(())
/// # }).unwrap();
/// ```
#[must_use = "a wait does nothing unless awaited or blocked on"]
pub struct Timeout<W> {
    wait: W,
    deadline: Deadline,
}

impl<W> Timeout<W> {
    pub(crate) fn new(wait: W, timeout: Duration) -> Self {
        Self {
            wait,
            deadline: Deadline::After(timeout),
        }
    }
}

impl<W: Wait> Timeout<W> {
    /// Waits, blocking the calling thread, for at most that time.
    ///
    /// For plain threads: it needs no runtime, and not the feature `time`.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] if the time was up first.
    ///
    /// # Panics
    ///
    /// Inside a compio runtime, whose every task it would stop. And if the wait does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let semaphore = compio_sync::Semaphore::new(1);
    /// let permit = semaphore.acquire().timeout(Duration::from_secs(1)).blocking().unwrap();
    /// assert!(semaphore.acquire().timeout(Duration::from_millis(5)).blocking().is_err());
    /// # drop(permit);
    /// ```
    #[track_caller]
    pub fn blocking(mut self) -> Result<W::Output, Elapsed> {
        self.block()
    }

    /// What [`blocking`](Self::blocking) does. The wait can still be had after that.
    #[track_caller]
    pub(crate) fn block(&mut self) -> Result<W::Output, Elapsed> {
        let Self { wait, deadline } = self;
        block_on_until("blocking", deadline.begin(), |cx, is_over| {
            let poll = std::pin::Pin::new(&mut *wait).poll(cx);
            if poll.is_pending() && is_over {
                return std::task::Poll::Ready(wait.at_deadline().ok_or(Elapsed));
            }
            poll.map(Ok)
        })
    }

    pub(crate) fn wait_mut(&mut self) -> &mut W {
        &mut self.wait
    }
}

#[cfg(feature = "time")]
#[cfg_attr(docsrs, doc(cfg(feature = "time")))]
impl<W: Wait> Future for Timeout<W> {
    type Output = Result<W::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { wait, deadline } = self.get_mut();
        if let Poll::Ready(output) = Pin::new(&mut *wait).poll(cx) {
            deadline.end();
            return Poll::Ready(Ok(output));
        }
        // If there can be no timer, that is a panic, and nobody stays in the list.
        let leave = OnDrop(|| drop(wait.at_deadline()));
        let is_over = deadline.poll(cx);
        std::mem::forget(leave);
        if !is_over {
            return Poll::Pending;
        }
        Poll::Ready(wait.at_deadline().ok_or(Elapsed))
    }
}

#[cfg(feature = "time")]
impl<W: Wait + futures_core::FusedFuture> futures_core::FusedFuture for Timeout<W> {
    fn is_terminated(&self) -> bool {
        self.wait.is_terminated()
    }
}

impl<W: fmt::Debug> fmt::Debug for Timeout<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

/// The error of a wait whose time was up.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use compio_sync::{Elapsed, Event};
///
/// let never = Event::new();
/// assert_eq!(never.wait().timeout(Duration::ZERO).blocking(), Err(Elapsed));
/// assert_eq!(Elapsed.to_string(), "the time was up");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was up")
    }
}

impl std::error::Error for Elapsed {}

/// Calls what it is made of when it is dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// When a timed wait is over.
pub(crate) enum Deadline {
    /// So long after the first look at it.
    After(Duration),
    #[cfg(feature = "time")]
    At(Timer),
    #[cfg(feature = "time")]
    Never,
    #[cfg(feature = "time")]
    Over,
}

impl Deadline {
    /// For a thread that begins to wait: the end, if there is one.
    pub(crate) fn begin(&self) -> Option<Instant> {
        match self {
            Self::After(timeout) => Instant::now().checked_add(*timeout),
            #[cfg(feature = "time")]
            Self::At(timer) => Some(timer.at()),
            #[cfg(feature = "time")]
            Self::Never => None,
            #[cfg(feature = "time")]
            Self::Over => Some(Instant::now()),
        }
    }
}

#[cfg(feature = "time")]
impl Deadline {
    /// Whether the time is up. If not, wakes `cx`'s task when it is.
    #[track_caller]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if let Self::After(timeout) = *self {
            *self = match Instant::now().checked_add(timeout) {
                _ if timeout.is_zero() => Self::Over,
                Some(at) => Self::At(Timer::new(at)),
                None => Self::Never,
            };
        }
        if let Self::At(timer) = self
            && timer.poll(cx)
        {
            *self = Self::Over;
        }
        matches!(self, Self::Over)
    }

    /// The wait is over: no timer is needed any more.
    pub(crate) fn end(&mut self) {
        if let Self::At(_) = self {
            *self = Self::Over;
        }
    }
}

/// Declares what every future of the crate has beside `poll`.
macro_rules! wait_methods {
    ([$($generics:tt)*] $wait:ty, $slot:ident => $done:expr, $setup:literal, $make:literal) => {
        impl<$($generics)*> $wait {
            /// Waits for at most `timeout`.
            ///
            /// The time runs from the first poll. When it is up, what can be had at that moment is taken. See
            /// [`Timeout`](crate::Timeout).
            ///
            /// # Errors
            ///
            /// The future yields [`Elapsed`](crate::Elapsed) if the time was up first.
            ///
            /// # Cancel safety
            ///
            /// As for this future.
            ///
            /// # Panics
            ///
            /// The future panics outside a compio runtime if it has to wait, and if this one does.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::time::Duration;
            ///
            /// # compio::runtime::Runtime::new().unwrap().block_on(async {
            #[doc = $setup]
            #[doc = concat!("assert!(", $make, ".timeout(Duration::from_millis(5)).await.is_err());")]
            /// # });
            /// ```
            pub fn timeout(self, timeout: std::time::Duration) -> crate::Timeout<Self> {
                crate::Timeout::new(self, timeout)
            }

            /// Waits, blocking the calling thread.
            ///
            /// For plain threads, which wait in the same wait list as the tasks.
            ///
            /// # Panics
            ///
            /// Inside a compio runtime, whose every task it would stop; and if this future does.
            ///
            /// # Examples
            ///
            /// ```no_run
            #[doc = $setup]
            #[doc = concat!($make, ".blocking(); // for ever, in this case")]
            /// ```
            #[track_caller]
            pub fn blocking(self) -> <Self as std::future::Future>::Output {
                crate::blocking::block_on("blocking", self)
            }
        }

        impl<$($generics)*> futures_core::FusedFuture for $wait {
            fn is_terminated(&self) -> bool {
                let $slot = self;
                $done.is_done()
            }
        }
    };
}
pub(crate) use wait_methods;

#[cfg(all(test, not(compio_sync_loom), not(compio_sync_shuttle)))]
mod tests {
    //! What comes between the last poll and the end of the time.

    use std::{
        pin::Pin,
        sync::Arc,
        task::{Context, Poll, Waker},
    };

    use super::*;
    use crate::{
        Event, Fairness, Mutex, RwLock, RwLockUpgradableReadGuard, Semaphore, WaiterQueue,
    };

    fn pending<W: Wait>(mut wait: W) -> W {
        let poll = Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(poll, Poll::Pending));
        wait
    }

    /// What it waits for comes between its last poll and the end of its time.
    struct ComesLast;

    impl Future for ComesLast {
        type Output = u32;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u32> {
            Poll::Pending
        }
    }

    impl Wait for ComesLast {
        fn at_deadline(&mut self) -> Option<u32> {
            Some(7)
        }
    }

    #[test]
    fn what_came_last_is_yielded() {
        let timed = || Timeout::new(ComesLast, Duration::ZERO);
        assert_eq!(timed().blocking(), Ok(7));
        #[cfg(feature = "time")]
        {
            let poll = Pin::new(&mut timed()).poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(poll, Poll::Ready(Ok(7)));
        }
    }

    #[test]
    fn permits_that_came_last_are_taken_once() {
        for fairness in [Fairness::Fifo, Fairness::DEFAULT] {
            let semaphore = Arc::new(Semaphore::with_fairness(0, fairness));
            let mut borrowed = pending(semaphore.acquire_many(2));
            semaphore.add_permits(2);
            let permit = borrowed.at_deadline().expect("two came");
            assert_eq!(
                (permit.num_permits(), semaphore.available_permits()),
                (2, 0)
            );
            let mut owned = pending(semaphore.clone().acquire_owned());
            drop(permit);
            let one = owned.at_deadline().expect("two came");
            assert_eq!((one.num_permits(), semaphore.available_permits()), (1, 1));
            drop(one);
            drop((borrowed, owned));
            assert_eq!((semaphore.available_permits(), semaphore.in_use()), (2, 0));
        }
    }

    #[test]
    fn what_was_not_to_be_had_is_not_taken() {
        let semaphore = Semaphore::new(1);
        let mut two = pending(semaphore.acquire_many(2));
        assert!(two.at_deadline().is_none());
        assert_eq!(
            (semaphore.available_permits(), semaphore.waiter_count()),
            (1, 0)
        );
        let mutex = Mutex::new(());
        let guard = mutex.try_lock();
        assert!(pending(mutex.lock()).at_deadline().is_none());
        drop(guard);
        assert!(mutex.try_lock().is_some());
        assert!(pending(Event::new().wait()).at_deadline().is_none());
    }

    #[test]
    fn close_that_came_last_is_said() {
        let semaphore = Arc::new(Semaphore::new(0));
        let mut waits = (
            pending(semaphore.acquire().or_closed()),
            pending(semaphore.clone().acquire_owned().or_closed()),
        );
        semaphore.close();
        assert!(waits.0.at_deadline().is_some_and(|it| it.is_err()));
        assert!(waits.1.at_deadline().is_some_and(|it| it.is_err()));
        // One that is not in the list, so that the close did not reach it.
        let mut outside = semaphore.acquire().or_closed();
        assert!(outside.at_deadline().is_some_and(|it| it.is_err()));
        assert_eq!(semaphore.in_use(), 0);
    }

    #[test]
    fn lock_that_came_last_is_taken() {
        for fairness in [Fairness::Fifo, Fairness::DEFAULT] {
            let mutex = Arc::new(Mutex::with_fairness((), fairness));
            let guard = mutex.try_lock();
            let mut waits = (pending(mutex.lock()), pending(mutex.clone().lock_owned()));
            drop(guard);
            let guard = waits.0.at_deadline().expect("it was unlocked");
            assert!(mutex.try_lock().is_none());
            drop(guard);
            let guard = waits.1.at_deadline().expect("it was unlocked again");
            assert!(mutex.try_lock().is_none());
            drop(guard);
            assert!(mutex.try_lock().is_some());
        }
    }

    #[test]
    fn read_and_write_that_came_last_are_taken() {
        for fairness in [Fairness::Fifo, Fairness::DEFAULT] {
            let lock = Arc::new(RwLock::with_fairness((), fairness));
            let writer = lock.try_write();
            let mut write = pending(lock.write());
            drop(writer);
            let writer = write.at_deadline().expect("it was unlocked");
            assert!(lock.try_read().is_none());
            let mut read = pending(lock.clone().read_owned());
            let mut upgradable = pending(lock.upgradable_read());
            let mut right = pending(lock.upgradable_read());
            assert!(right.at_deadline().is_none());
            drop(writer);
            let reader = read.at_deadline().expect("nobody writes");
            let mut guard = upgradable.at_deadline().expect("nobody writes");
            assert!(lock.try_upgradable_read().is_none());
            let mut upgrade = pending(RwLockUpgradableReadGuard::upgrade(&mut guard));
            drop(reader);
            let upgraded = upgrade.at_deadline().expect("nobody else reads");
            assert!(lock.try_read().is_none());
            drop(upgraded);
            drop(upgrade);
            let mut right = pending(lock.upgradable_read());
            drop(guard);
            let guard = right.at_deadline().expect("the right is free");
            assert!(lock.try_write().is_none());
            drop(guard);
            assert!(lock.try_write().is_some());
        }
    }

    #[test]
    fn read_and_write_that_did_not_come_leave_nothing_behind() {
        let lock = RwLock::new(());
        let mut guard = lock.try_upgradable_read().unwrap();
        let reader = lock.try_read();
        assert!(pending(lock.write()).at_deadline().is_none());
        assert!(pending(lock.upgradable_read()).at_deadline().is_none());
        let mut upgrade = pending(RwLockUpgradableReadGuard::upgrade(&mut guard));
        assert!(pending(lock.read()).at_deadline().is_none());
        assert!(upgrade.at_deadline().is_none());
        drop(upgrade);
        assert!(lock.try_read().is_some(), "nobody upgrades any more");
        drop((guard, reader));
        let writer = lock.try_write();
        assert!(pending(lock.upgradable_read()).at_deadline().is_none());
        drop(writer);
        assert!(lock.try_upgradable_read().is_some());
    }

    #[test]
    fn set_and_wake_that_came_last_count() {
        let event = Event::new();
        let mut waits = (pending(event.wait()), pending(event.wait()));
        event.set();
        assert!(waits.0.at_deadline().is_some());
        event.reset();
        assert!(
            waits.1.at_deadline().is_some(),
            "it was set while this waited"
        );
        let queue = WaiterQueue::new();
        let mut first = pending(queue.add_waiter_if(|| false));
        let mut second = pending(queue.add_waiter_if(|| false));
        queue.wake_one();
        assert!(first.at_deadline().is_some());
        drop(first);
        assert!(second.at_deadline().is_none(), "the wake was used up");
    }
}
