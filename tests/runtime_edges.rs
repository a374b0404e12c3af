//! Where the crate meets compio 0.19's rough edges, and races that only many attempts find.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
};

use compio::runtime::{CancelToken, FutureExt, Runtime};
use compio_sync::{Event, Fairness, Mutex, Semaphore, WakeStats, WakeTier};
use futures_util::poll;

mod common;
use common::{Watchdog, until, yield_now};

/// Runs `claim` by the generic tier, and by the one that the machine chooses.
fn each_tier(claim: impl Fn(WakeTier)) {
    let best = Runtime::new()
        .unwrap()
        .enter(|| WakeTier::current().unwrap());
    claim(WakeTier::Generic);
    if best != WakeTier::Generic {
        claim(best);
    }
}

#[test]
fn panicking_holder_unlocks_for_a_waiter_on_another_runtime() {
    let _watchdog = Watchdog::new("panicking_holder");
    each_tier(|tier| {
        for wrapped in [false, true] {
            let mutex = Arc::new(Mutex::new(()));
            let guard = mutex.try_lock().unwrap();
            let waiter = thread::spawn({
                let mutex = mutex.clone();
                move || {
                    Runtime::new().unwrap().block_on(async {
                        tier.select().unwrap();
                        compio::runtime::spawn(async move {
                            if wrapped {
                                drop(mutex.lock().with_cancel(CancelToken::new()).await);
                            } else {
                                drop(mutex.lock().await);
                            }
                        })
                        .await
                        .unwrap();
                    });
                }
            });
            until(|| mutex.waiter_count() == 1);
            let holder = catch_unwind(AssertUnwindSafe(|| {
                let _guard = guard;
                panic!("the holder panics");
            }));
            assert!(holder.is_err());
            waiter.join().unwrap();
        }
    });
}

/// compio 0.19 has room for 64 wakes of another thread's, and spins while there is none.
#[test]
fn waits_inside_compios_combinators_are_delivered_like_all_others() {
    let _watchdog = Watchdog::new("waits_inside_combinators");
    const WAITERS: usize = 300;
    each_tier(|tier| {
        let events = Arc::new([Event::new(), Event::new()]);
        let all_wait = Arc::new(Barrier::new(2));
        let threads: Vec<_> = (0..2)
            .map(|side| {
                let (events, all_wait) = (events.clone(), all_wait.clone());
                thread::spawn(move || {
                    Runtime::new().unwrap().block_on(async {
                        tier.select().unwrap();
                        let token = CancelToken::new();
                        let waiters: Vec<_> = (0..WAITERS)
                            .map(|_| {
                                let (events, token) = (events.clone(), token.clone());
                                compio::runtime::spawn(async move {
                                    events[side].wait().with_cancel(token).await;
                                })
                            })
                            .collect();
                        while events[side].waiter_count() < WAITERS {
                            yield_now().await;
                        }
                        all_wait.wait();
                        events[1 - side].set();
                        for waiter in waiters {
                            waiter.await.unwrap();
                        }
                    });
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// However many are released one by one, the runtime is signalled once, and its queue has one more in it.
#[test]
fn releases_while_a_runtime_is_busy_do_not_fill_its_queue() {
    let _watchdog = Watchdog::new("releases_while_busy");
    const WAITERS: usize = 200;
    let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
    let [wanted, released] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let releaser = thread::spawn({
        let (semaphore, wanted, released) = (semaphore.clone(), wanted.clone(), released.clone());
        move || {
            for nth in 1..=WAITERS {
                wait_for(&wanted, nth);
                semaphore.add_permits(1);
                released.store(nth, SeqCst);
            }
        }
    });
    Runtime::new().unwrap().block_on(async {
        WakeTier::Generic.select().unwrap();
        let waiters: Vec<_> = (0..WAITERS)
            .map(|_| {
                let semaphore = semaphore.clone();
                compio::runtime::spawn(async move { semaphore.acquire().await.forget() })
            })
            .collect();
        let busy = compio::runtime::spawn(async move {
            // The listener, which the first wait has begun, sleeps as soon as it is polled.
            while semaphore.waiter_count() < WAITERS
                || WakeStats::current(WakeTier::Generic).is_none_or(|it| it.sleeps == 0)
            {
                yield_now().await;
            }
            // It polls a wait of its own meanwhile, and no other task is polled.
            let other = Semaphore::new(0);
            let mut wait = pin!(other.acquire());
            for nth in 1..=WAITERS {
                assert!(poll!(wait.as_mut()).is_pending());
                wanted.store(nth, SeqCst);
                wait_for(&released, nth);
            }
        });
        busy.await.unwrap();
        for waiter in waiters {
            waiter.await.unwrap();
        }
    });
    releaser.join().unwrap();
}

/// compio takes all tasks down when the main future panics, and the runtime may be used again. A task that
/// is woken meanwhile by the runtime's own thread would be left in its queue for ever.
#[test]
fn runtime_goes_on_after_a_panic_with_wakes_under_way() {
    let _watchdog = Watchdog::new("panic_with_wakes_under_way");
    let runtime = Runtime::new().unwrap();
    let semaphore = Arc::new(Semaphore::new(0));
    let panics = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            // The listener comes before the task that waits, and is taken down before it.
            let other = async { Semaphore::new(0).acquire().await.forget() };
            compio::runtime::spawn(other).detach();
            let tier = WakeTier::current().unwrap();
            while WakeStats::current(tier).unwrap().sleeps == 0 {
                yield_now().await;
            }
            let waiting = semaphore.clone();
            compio::runtime::spawn(async move { waiting.acquire().await.forget() }).detach();
            while semaphore.waiter_count() == 0 {
                yield_now().await;
            }
            let releasing = semaphore.clone();
            thread::spawn(move || releasing.add_permits(1))
                .join()
                .unwrap();
            panic!("the main future");
        })
    }));
    assert!(panics.is_err());
    assert_eq!(
        (semaphore.waiter_count(), semaphore.available_permits()),
        (0, 1),
        "its permit passes on"
    );
    for _ in 0..2 {
        let semaphore = semaphore.clone();
        runtime.block_on(async {
            yield_now().await;
            compio::runtime::spawn(async move { drop(semaphore.acquire().await) })
                .await
                .expect("the runtime runs tasks");
        });
    }
}

#[test]
fn runtime_whose_tasks_are_run_without_entering_it_hears_its_bell() {
    let _watchdog = Watchdog::new("run_without_entering");
    for inside_another in [false, true] {
        let runtime = Runtime::new().unwrap();
        let semaphore = Arc::new(Semaphore::new(0));
        let task = runtime.spawn({
            let semaphore = semaphore.clone();
            async move { semaphore.acquire().await.forget() }
        });
        runtime.enter(|| runtime.run());
        // Here its listener runs.
        if inside_another {
            Runtime::new().unwrap().enter(|| while runtime.run() {});
        } else {
            while runtime.run() {}
        }
        let releaser = thread::spawn(move || semaphore.add_permits(1));
        runtime.block_on(task).unwrap();
        releaser.join().unwrap();
    }
}

#[test]
fn reset_lets_nobody_go_who_begins_to_wait_after_it() {
    let _watchdog = Watchdog::new("reset_lets_nobody_go");
    const ROUNDS: usize = 300;
    let event = Event::new();
    let (begun, set) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut cx = Context::from_waker(Waker::noop());
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                wait_for(&begun, round);
                event.set();
                set.store(round, SeqCst);
            }
        });
        for round in 1..=ROUNDS {
            // So that `set` has somebody to let go, and takes its time.
            let mut before = pin!(event.wait());
            assert!(before.as_mut().poll(&mut cx).is_pending());
            begun.store(round, SeqCst);
            until(|| event.is_set());
            event.reset();
            let mut after = pin!(event.wait());
            assert!(after.as_mut().poll(&mut cx).is_pending());
            wait_for(&set, round);
            assert!(before.as_mut().poll(&mut cx).is_ready());
            assert!(after.as_mut().poll(&mut cx).is_pending(), "round {round}");
        }
    });
}

#[test]
fn reduce_permits_takes_none_that_have_been_granted() {
    let _watchdog = Watchdog::new("reduce_permits");
    reduce_while_granting(Fairness::Fifo);
    reduce_while_granting(Fairness::default());
}

fn reduce_while_granting(fairness: Fairness) {
    const ROUNDS: usize = 300;
    let semaphore = Semaphore::with_fairness(1, fairness);
    let step = AtomicUsize::new(0);
    let mut cx = Context::from_waker(Waker::noop());
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                wait_for(&step, 4 * round);
                let permit = semaphore.try_acquire().unwrap();
                step.store(4 * round + 1, SeqCst);
                wait_for(&step, 4 * round + 2);
                drop(permit);
                step.store(4 * round + 3, SeqCst);
            }
        });
        for round in 0..ROUNDS {
            wait_for(&step, 4 * round + 1);
            let mut acquire = pin!(semaphore.acquire());
            assert!(acquire.as_mut().poll(&mut cx).is_pending());
            step.store(4 * round + 2, SeqCst);
            let mut reduced = 0;
            while step.load(SeqCst) < 4 * round + 3 && reduced == 0 {
                reduced = semaphore.reduce_permits(1);
            }
            wait_for(&step, 4 * round + 3);
            let granted = acquire.as_mut().poll(&mut cx);
            assert_eq!(granted.is_ready(), reduced == 0, "round {round}");
            semaphore.add_permits(reduced);
            if granted.is_pending() {
                let Poll::Ready(permit) = acquire.as_mut().poll(&mut cx) else {
                    panic!("the permit that was added is not granted")
                };
                drop(permit);
            }
            drop(granted);
            step.store(4 * round + 4, SeqCst);
        }
    });
}

fn wait_for(counter: &AtomicUsize, value: usize) {
    until(|| counter.load(SeqCst) >= value);
}

#[test]
fn waiters_of_more_runtimes_than_a_batch_tells_apart_are_delivered_to_each() {
    const RUNTIMES: usize = 6;
    const WAITERS: usize = 2;
    let _watchdog = Watchdog::new("six_runtimes");
    let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
    let runtimes: Vec<_> = (0..RUNTIMES)
        .map(|_| {
            let semaphore = semaphore.clone();
            thread::spawn(move || {
                Runtime::new().unwrap().block_on(async {
                    let tasks: Vec<_> = (0..WAITERS)
                        .map(|_| {
                            let semaphore = semaphore.clone();
                            compio::runtime::spawn(
                                async move { semaphore.acquire().await.forget() },
                            )
                        })
                        .collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                    WakeStats::current(WakeTier::current().unwrap()).unwrap()
                })
            })
        })
        .collect();
    until(|| semaphore.waiter_count() == RUNTIMES * WAITERS);
    semaphore.add_permits(RUNTIMES * WAITERS);
    for runtime in runtimes {
        assert_eq!(runtime.join().unwrap().wakes, WAITERS);
    }
}

/// compio takes any unwinding for its own failure while it schedules a task from another thread.
#[test]
fn panicking_thread_has_foreign_wakers_called_by_another() {
    struct Foreign(AtomicUsize);

    impl std::task::Wake for Foreign {
        fn wake(self: Arc<Self>) {
            self.0.store(1 + thread::panicking() as usize, SeqCst);
        }
    }

    let _watchdog = Watchdog::new("foreign_wakers");
    for waiters in 1..3 {
        let semaphore = Semaphore::with_fairness(waiters, Fairness::Fifo);
        let held = semaphore.try_acquire_many(waiters).unwrap();
        let wakers: Vec<_> = (0..waiters)
            .map(|_| Arc::new(Foreign(AtomicUsize::new(0))))
            .collect();
        let mut waits: Vec<_> = (0..waiters).map(|_| semaphore.acquire()).collect();
        for (wait, waker) in waits.iter_mut().zip(&wakers) {
            let waker = Waker::from(waker.clone());
            let mut cx = Context::from_waker(&waker);
            assert!(pin!(wait).poll(&mut cx).is_pending());
        }
        let panics = catch_unwind(AssertUnwindSafe(|| {
            let _held = held;
            panic!("the holder panics");
        }));
        assert!(panics.is_err());
        for waker in wakers {
            until(|| waker.0.load(SeqCst) > 0);
            assert_eq!(waker.0.load(SeqCst), 1, "called while the thread unwinds");
        }
    }
}
