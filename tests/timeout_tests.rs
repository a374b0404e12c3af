//! Waits with a deadline, on runtimes and on plain threads.
//!
//! No test here measures time. What has to time out waits for what never comes; what must not has a
//! deadline that is far, or is past before it is looked at.

#![cfg(feature = "time")]

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use compio::runtime::Runtime;
use compio_sync::*;
use futures_core::FusedFuture;
use futures_util::{FutureExt, poll, select};

mod common;
use common::{Watchdog, panic_of, yield_now};

const SOON: Duration = Duration::from_millis(2);
const LATE: Duration = Duration::from_secs(600);

fn run<F: Future>(future: F) -> F::Output {
    Runtime::new().unwrap().block_on(future)
}

/// Keeps the thread until `time` has passed: a runtime that is busy.
fn busy_for(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// A wait that is pending: its time was not up before it could begin.
async fn begun<W: Future + Unpin>(make: impl Fn() -> W) -> W {
    loop {
        let mut wait = make();
        if poll!(&mut wait).is_pending() {
            return wait;
        }
    }
}

#[test]
fn no_time_at_all_is_a_try() {
    run(async {
        for timeout in [Duration::ZERO, Duration::from_nanos(1)] {
            for fairness in [Fairness::Fifo, Fairness::DEFAULT] {
                for _ in 0..1000 {
                    let semaphore = Semaphore::with_fairness(1, fairness);
                    let permit = semaphore.acquire_timeout(timeout).await;
                    assert!(permit.is_ok());
                    assert_eq!(
                        semaphore.acquire_timeout(timeout).await.unwrap_err(),
                        Elapsed
                    );
                    assert_eq!(semaphore.waiter_count(), 0);
                    drop(permit);
                    assert_eq!(semaphore.available_permits(), 1);
                }
            }
        }
    });
}

#[test]
fn permit_that_came_while_the_runtime_was_busy_past_the_deadline_is_taken() {
    let _watchdog = Watchdog::new("busy");
    for fairness in [Fairness::Fifo, Fairness::DEFAULT] {
        for from_elsewhere in [false, true] {
            run(async {
                for _ in 0..40 {
                    let semaphore = Arc::new(Semaphore::with_fairness(0, fairness));
                    let waiter = begun(|| semaphore.acquire_timeout(SOON)).await;
                    if from_elsewhere {
                        let semaphore = semaphore.clone();
                        thread::spawn(move || semaphore.add_permits(1))
                            .join()
                            .unwrap();
                    } else {
                        semaphore.add_permits(1);
                    }
                    busy_for(2 * SOON);
                    assert!(waiter.await.is_ok());
                }
            });
        }
    }
}

#[test]
fn permit_that_is_there_when_the_time_is_up_is_taken() {
    run(async {
        // Others' permit, which the wait passes by in line: one that needs two is ahead.
        let semaphore = Semaphore::new(1);
        let mut two = semaphore.acquire_many(2);
        assert!(poll!(&mut two).is_pending());
        let held = semaphore.try_acquire().unwrap();
        let one = begun(|| semaphore.acquire_timeout(SOON)).await;
        drop(two);
        drop(held);
        busy_for(2 * SOON);
        assert!(one.await.is_ok());
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn being_turned_away_at_the_deadline_is_no_permit() {
    run(async {
        let semaphore = Semaphore::new(0);
        let wait = begun(|| semaphore.acquire().or_closed().timeout(SOON)).await;
        semaphore.close();
        busy_for(2 * SOON);
        assert_eq!(wait.await.map(|it| it.map(drop)), Ok(Err(AcquireError)));
        assert_eq!(semaphore.in_use(), 0);
        assert_eq!(semaphore.available_permits(), 0);
    });
    let message = panic_of(|| {
        let semaphore = Semaphore::new(0);
        semaphore.close();
        run(async { semaphore.acquire_timeout(SOON).await.map(drop) })
    });
    assert!(message.contains("or_closed"), "{message}");
}

/// Each wait as a closure that makes it anew, none of which ever ends.
macro_rules! each_wait {
    (|$wait:ident| $claim:expr) => {{
        let none = Arc::new(Semaphore::new(0));
        let mutex = Arc::new(Mutex::new(0));
        let _guard = mutex.try_lock().unwrap();
        let (event, queue) = (Event::new(), WaiterQueue::new());
        let condvar = Condvar::new();
        let free = Arc::new(Mutex::new(0));
        let lock = || free.try_lock().unwrap();
        let lock_owned = || free.clone().try_lock_owned().unwrap();
        each_wait!(@ $wait $claim; none.acquire());
        each_wait!(@ $wait $claim; none.acquire_many(3));
        each_wait!(@ $wait $claim; none.acquire().or_closed());
        each_wait!(@ $wait $claim; none.clone().acquire_owned());
        each_wait!(@ $wait $claim; none.clone().acquire_many_owned(3));
        each_wait!(@ $wait $claim; none.clone().acquire_owned().or_closed());
        each_wait!(@ $wait $claim; mutex.lock());
        each_wait!(@ $wait $claim; mutex.clone().lock_owned());
        each_wait!(@ $wait $claim; event.wait());
        each_wait!(@ $wait $claim; queue.add_waiter_if(|| false));
        each_wait!(@ $wait $claim; condvar.wait(lock()));
        each_wait!(@ $wait $claim; condvar.wait(lock_owned()));
        each_wait!(@ $wait $claim; condvar.wait_while(lock(), |_| true));
        each_wait!(@ $wait $claim; condvar.wait_while(lock_owned(), |_| true));
        let waiting = none.waiter_count()
            + mutex.waiter_count()
            + event.waiter_count()
            + queue.waiter_count()
            + condvar.waiter_count();
        assert_eq!(waiting, 0, "one stays in line");
        drop(lock());
    }};
    (@ $wait:ident $claim:expr; $make:expr) => {{
        let $wait = $make;
        $claim
    }};
}

trait TimedOut {
    fn timed_out(&self) -> bool;
}

impl<T> TimedOut for Result<T, Elapsed> {
    fn timed_out(&self) -> bool {
        self.is_err()
    }
}

impl<G> TimedOut for (G, WaitTimeoutResult) {
    fn timed_out(&self) -> bool {
        self.1.timed_out()
    }
}

#[test]
fn every_wait_gives_up_when_its_time_is_up() {
    let _watchdog = Watchdog::new("gives_up");
    run(async {
        for timeout in [Duration::ZERO, SOON] {
            each_wait!(|wait| assert!(wait.timeout(timeout).await.timed_out()));
        }
    });
}

#[test]
fn every_wait_gives_up_on_a_plain_thread() {
    let _watchdog = Watchdog::new("gives_up_blocking");
    for timeout in [Duration::ZERO, SOON] {
        each_wait!(|wait| assert!(wait.timeout(timeout).blocking().timed_out()));
    }
}

#[test]
fn a_duration_that_no_instant_can_hold_is_no_deadline() {
    run(async {
        for timeout in [Duration::MAX, Duration::from_secs(u64::MAX)] {
            each_wait!(|wait| assert!(poll!(&mut pin!(wait.timeout(timeout))).is_pending()));
            let semaphore = Semaphore::new(1);
            assert!(semaphore.acquire_timeout(timeout).await.is_ok());
        }
    });
    let semaphore = Semaphore::new(1);
    assert!(
        semaphore
            .acquire()
            .timeout(Duration::MAX)
            .blocking()
            .is_ok()
    );
}

#[test]
fn every_wait_that_is_dropped_leaves_no_trace() {
    run(async {
        each_wait!(|wait| {
            let mut wait = Box::pin(wait.timeout(LATE));
            assert!(poll!(&mut wait).is_pending());
        });
    });
}

#[test]
fn every_wait_can_be_boxed_as_send_and_selected() {
    run(async {
        each_wait!(|wait| {
            let boxed: Pin<Box<dyn Future<Output = ()> + Send>> =
                Box::pin(wait.timeout(SOON).map(|_| ()));
            boxed.await;
        });
        each_wait!(|wait| {
            let (mut wait, mut timed) = (wait, Event::new());
            assert!(!wait.is_terminated());
            let other = timed_out_event(&mut timed);
            let mut other = pin!(other.fuse());
            select! {
                _ = wait => unreachable!("it never ends"),
                result = other => assert!(result.is_err()),
            }
        });
    });
}

async fn timed_out_event(event: &mut Event) -> Result<(), Elapsed> {
    event.wait().timeout(SOON).await
}

#[test]
fn waits_that_are_over_say_so() {
    run(async {
        let event = Event::new();
        event.set();
        let mut wait = event.wait().timeout(SOON);
        assert!(!wait.is_terminated());
        assert_eq!((&mut wait).await, Ok(()));
        assert!(wait.is_terminated());
        let none = Semaphore::new(1);
        let mut wait = none.acquire_many(0);
        drop((&mut wait).await);
        assert!(wait.is_terminated());
        let (mutex, condvar) = (Mutex::new(1), Condvar::new());
        let mut wait = condvar.wait_timeout(mutex.lock().await, SOON);
        assert!((&mut wait).await.1.timed_out());
        assert!(wait.is_terminated());
        let mut wait = condvar.wait_while(mutex.lock().await, |_| false);
        drop((&mut wait).await);
        assert!(wait.is_terminated());
    });
}

#[test]
fn notification_at_the_deadline_counts() {
    run(async {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        let lock = || mutex.try_lock().unwrap();
        let wait = begun(|| condvar.wait_timeout(lock(), SOON)).await;
        condvar.notify_one();
        busy_for(2 * SOON);
        assert!(!wait.await.1.timed_out());

        // It passes on if the lock is not taken any more.
        let mut first = begun(|| condvar.wait_timeout(lock(), SOON)).await;
        let mut second = condvar.wait(mutex.lock().await);
        assert!(poll!(&mut second).is_pending());
        let held = mutex.lock().await;
        condvar.notify_one();
        busy_for(2 * SOON);
        assert!(poll!(&mut first).is_pending(), "the mutex is locked");
        drop(first);
        drop(held);
        drop(second.await);
    });
}

#[test]
fn plain_thread_with_a_deadline_is_woken_before_it() {
    let _watchdog = Watchdog::new("plain");
    let (semaphore, event) = (Arc::new(Semaphore::new(0)), Arc::new(Event::new()));
    let waiter = thread::spawn({
        let (semaphore, event) = (semaphore.clone(), event.clone());
        move || {
            semaphore
                .acquire()
                .timeout(LATE)
                .blocking()
                .unwrap()
                .forget();
            event.wait().timeout(LATE).blocking()
        }
    });
    semaphore.add_permits(1);
    event.set();
    assert_eq!(waiter.join().unwrap(), Ok(()));
}

#[test]
fn blocking_acquire_can_be_told_of_the_close() {
    let semaphore = Semaphore::new(0);
    semaphore.close();
    assert_eq!(
        semaphore.acquire().or_closed().blocking().unwrap_err(),
        AcquireError
    );
}

#[test]
fn timed_wait_needs_a_runtime_only_to_wait() {
    let mut cx = Context::from_waker(Waker::noop());
    let semaphore = Semaphore::new(1);
    let permit = pin!(semaphore.acquire_timeout(SOON)).poll(&mut cx);
    assert!(matches!(permit, Poll::Ready(Ok(_))));
    let mut wait = semaphore.acquire_timeout(SOON);
    let message = panic_of(|| {
        let _ = Pin::new(&mut wait).poll(&mut cx);
    });
    assert!(message.contains("outside a compio runtime"), "{message}");
    assert_eq!(semaphore.waiter_count(), 0);
    assert!(wait.is_terminated());
}

#[test]
fn timed_wait_may_be_dropped_on_another_thread_and_not_polled_there() {
    run(async {
        let semaphore = Arc::new(Semaphore::new(0));
        let wait = |semaphore: &Arc<Semaphore>| {
            let mut wait = Box::pin(semaphore.clone().acquire_owned().timeout(LATE));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(wait.as_mut().poll(&mut cx).is_pending());
            wait
        };
        let dropped = wait(&semaphore);
        thread::spawn(move || drop(dropped)).join().unwrap();
        let mut polled = wait(&semaphore);
        let message = thread::spawn(move || {
            panic_of(|| {
                let mut cx = Context::from_waker(Waker::noop());
                let _ = polled.as_mut().poll(&mut cx);
            })
        });
        let message = message.join().unwrap();
        assert!(
            message.contains("another thread than at first"),
            "{message}"
        );
        assert_eq!(semaphore.waiter_count(), 0);
    });
}

#[test]
fn owned_guards_wait_as_well() {
    run(async {
        let shared = Arc::new((Arc::new(Mutex::new(0)), Condvar::new()));
        let waiter = compio::runtime::spawn({
            let shared = shared.clone();
            async move {
                let (number, changed) = &*shared;
                let guard = number.clone().lock_owned().await;
                let guard = changed.wait_while(guard, |number| *number < 2).await;
                changed.wait(guard).await
            }
        });
        let (number, changed) = &*shared;
        for _ in 0..3 {
            while changed.waiter_count() == 0 {
                yield_now().await;
            }
            *number.lock().await += 1;
            changed.notify_one();
        }
        assert_eq!(*waiter.await.unwrap(), 3);
        assert_eq!(Arc::strong_count(number), 1);
    });
}

#[test]
fn documented_panics_name_the_callers_line() {
    use std::{panic, sync::Mutex as StdMutex};

    static PLACES: StdMutex<Vec<String>> = StdMutex::new(Vec::new());
    let before = panic::take_hook();
    let this = thread::current().id();
    panic::set_hook(Box::new(move |info| {
        // Other tests panic as well.
        if thread::current().id() != this {
            return;
        }
        PLACES
            .lock()
            .unwrap()
            .push(info.location().unwrap().file().to_owned());
    }));
    let caught = [
        panic::catch_unwind(|| drop(Semaphore::new(usize::MAX))).is_err(),
        panic::catch_unwind(|| drop(Semaphore::new(1).acquire_many(usize::MAX))).is_err(),
        panic::catch_unwind(|| drop(Semaphore::new(1).try_acquire_many(usize::MAX))).is_err(),
        panic::catch_unwind(|| Semaphore::new(1).add_permits(usize::MAX)).is_err(),
        panic::catch_unwind(|| Semaphore::new(1).remove_permits(2)).is_err(),
        panic::catch_unwind(|| run(async { drop(Mutex::new(1).blocking_lock()) })).is_err(),
        panic::catch_unwind(|| run(async { Event::new().blocking_wait() })).is_err(),
        panic::catch_unwind(|| run(async { Event::new().wait().blocking() })).is_err(),
        panic::catch_unwind(|| run(async { Event::new().wait().timeout(SOON).blocking() }))
            .is_err(),
    ];
    panic::set_hook(before);
    assert_eq!(caught, [true; 9]);
    let places = PLACES.lock().unwrap();
    let here = places.iter().filter(|it| it.ends_with("timeout_tests.rs"));
    assert!(here.count() >= 9, "{places:?}");
    assert!(places.iter().all(|it| !it.contains("src/")), "{places:?}");
}
