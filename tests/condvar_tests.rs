//! [`Condvar`]: who is notified, what becomes of a notification, and when the mutex is locked.

mod common;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use common::{Polled, Task, World, claims::Primitive, message, panic_of, until};
use compio_sync::{Condvar, Fairness, Mutex};
use futures_util::{FutureExt, future::BoxFuture, poll};

/// A condvar over a mutex.
struct Notification<const LIMIT: u8> {
    mutex: Mutex<()>,
    condvar: Condvar,
}

impl<const LIMIT: u8> Default for Notification<LIMIT> {
    fn default() -> Self {
        Self {
            mutex: Mutex::with_fairness((), Fairness::Bounded(LIMIT)),
            condvar: Condvar::new(),
        }
    }
}

impl<const LIMIT: u8> Primitive for Notification<LIMIT> {
    fn wait(self: Arc<Self>) -> BoxFuture<'static, ()> {
        async move { drop(self.condvar.wait(self.mutex.lock().await).await) }.boxed()
    }

    fn release(&self) {
        self.condvar.notify_one();
    }

    fn release_all(&self) {
        self.condvar.notify_all();
    }

    fn waiter_count(&self) -> usize {
        self.condvar.waiter_count()
    }
}

mod over_a_fifo_mutex {
    crate::waits_like_the_others!(super::Notification<0>);
}

mod over_a_bounded_mutex {
    crate::waits_like_the_others!(super::Notification<16>);
}

/// What of each there is to be tested.
fn each_fairness(test: impl Fn(Fairness)) {
    for fairness in [Fairness::Fifo, Fairness::Bounded(1), Fairness::default()] {
        test(fairness);
    }
}

/// A mutex that is handed over to those who wait.
const fn fifo<T>(value: T) -> Mutex<T> {
    Mutex::with_fairness(value, Fairness::Fifo)
}

fn is_locked<T>(mutex: &Mutex<T>) -> bool {
    mutex.try_lock().is_none()
}

// ---- one wait ----

#[test]
fn wait_unlocks_on_its_first_poll_and_locks_again() {
    let (mutex, condvar) = (Mutex::new(1), Condvar::new());
    let mut wait = Polled::new(condvar.wait(mutex.try_lock().unwrap()));
    assert_eq!((is_locked(&mutex), condvar.waiter_count()), (true, 0));
    wait.waits();
    assert_eq!((is_locked(&mutex), condvar.waiter_count()), (false, 1));
    condvar.notify_one();
    assert_eq!((is_locked(&mutex), wait.wakes()), (false, 1));
    let guard = wait.ready();
    assert_eq!((*guard, is_locked(&mutex)), (1, true));
}

#[test]
fn wait_that_was_never_polled_unlocks_when_it_is_dropped() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    drop(condvar.wait(mutex.try_lock().unwrap()));
    assert!(!is_locked(&mutex));
}

#[test]
fn notification_with_nobody_waiting_is_lost() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::default());
    condvar.notify_one();
    condvar.notify_all();
    let mut wait = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
    assert_eq!(format!("{condvar:?}"), "Condvar { waiter_count: 1 }");
    wait.waits();
}

#[test]
fn notified_waiters_lock_in_the_order_they_came() {
    let (mutex, condvar) = (fifo(()), Condvar::new());
    let wait = || Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
    let mut waits = [wait(), wait(), wait()];
    condvar.notify_all();
    let guards = waits[0].ready();
    waits[1].waits();
    waits[2].waits();
    assert_eq!(mutex.waiter_count(), 2);
    drop(guards);
    assert_eq!([waits[1].wakes(), waits[2].wakes()], [2, 1]);
    drop(waits[1].ready());
    drop(waits[2].ready());
}

#[test]
fn notify_all_is_for_nobody_who_comes_later() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let mut before = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
    condvar.notify_all();
    let mut after = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
    after.waits();
    drop(before.ready());
    assert_eq!((after.wakes(), condvar.waiter_count()), (0, 1));
}

#[test]
fn notify_one_wakes_one() {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let mut first = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
    let second = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
    condvar.notify_one();
    drop(first.ready());
    assert_eq!((second.wakes(), condvar.waiter_count()), (0, 1));
}

// ---- cancelling ----

#[test]
fn cancelled_wait_does_not_lock_again() {
    each_fairness(|fairness| {
        let (mutex, condvar) = (Mutex::with_fairness((), fairness), Condvar::new());
        let waiting = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
        let notified = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
        drop(waiting);
        condvar.notify_one();
        assert_eq!((notified.wakes(), condvar.waiter_count()), (1, 0));
        drop(notified);
        assert_eq!((is_locked(&mutex), mutex.waiter_count()), (false, 0));
    });
}

#[test]
fn notification_of_all_does_not_pass_on() {
    each_fairness(|fairness| {
        let (mutex, condvar) = (Mutex::with_fairness((), fairness), Condvar::new());
        let notified = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
        let mut relocking = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
        condvar.notify_all();
        let later = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
        let guard = mutex.try_lock();
        relocking.waits();
        drop((notified, relocking, guard));
        assert_eq!((later.wakes(), condvar.waiter_count()), (0, 1));
    });
}

#[test]
fn wait_cancelled_while_it_locks_again_passes_its_notification_on() {
    for is_handed_over in [false, true] {
        let (mutex, condvar) = (fifo(()), Condvar::new());
        let mut cancelled = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
        let mut next = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
        let mut guard = mutex.try_lock();
        condvar.notify_one();
        cancelled.waits();
        assert_eq!((mutex.waiter_count(), next.wakes()), (1, 0));
        if is_handed_over {
            guard = None;
            assert_eq!((mutex.waiter_count(), is_locked(&mutex)), (0, true));
        }
        drop(cancelled);
        assert_eq!((mutex.waiter_count(), next.wakes()), (0, 1));
        drop(guard);
        assert!(!is_locked(&mutex));
        drop(next.ready());
    }
}

#[test]
fn completed_wait_keeps_its_notification() {
    each_fairness(|fairness| {
        let (mutex, condvar) = (Mutex::with_fairness((), fairness), Condvar::new());
        let mut first = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
        let second = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
        condvar.notify_one();
        drop(first.ready());
        drop(first);
        assert_eq!(second.wakes(), 0);
    });
}

// ---- conditions ----

#[test]
fn wait_while_waits_as_long_as_the_condition_holds() {
    let (mutex, condvar) = (Mutex::new(2), Condvar::new());
    let mut calls = 0;
    let condition = |count: &mut i32| {
        calls += 1;
        *count > 0
    };
    let mut wait = Polled::pending(condvar.wait_while(mutex.try_lock().unwrap(), condition));
    for _ in 0..2 {
        wait.waits();
        *mutex.try_lock().unwrap() -= 1;
        condvar.notify_one();
    }
    assert_eq!(*wait.ready(), 0);
    drop(wait);
    assert_eq!(calls, 3);
    let guard = Polled::new(condvar.wait_while(mutex.try_lock().unwrap(), |_| false)).ready();
    assert_eq!((*guard, condvar.waiter_count()), (0, 0));
}

#[test]
fn panicking_condition_unlocks() {
    let (mutex, condvar) = (Mutex::new(0), Condvar::new());
    let condition = |calls: &mut i32| match *calls {
        0 => true,
        _ => panic!("condition"),
    };
    let mut wait = Polled::pending(condvar.wait_while(mutex.try_lock().unwrap(), condition));
    *mutex.try_lock().unwrap() = 1;
    condvar.notify_one();
    assert_eq!(panic_of(|| wait.poll()), "condition");
    assert_eq!((is_locked(&mutex), condvar.waiter_count()), (false, 0));
}

// ---- worlds ----

#[test]
fn notification_sent_under_the_mutex_is_not_missed() {
    each_fairness(|fairness| {
        World::each(|world| {
            let shared = Arc::new((Mutex::with_fairness(0, fairness), Condvar::new()));
            let count_to = |last: usize, parity: usize| {
                let shared = shared.clone();
                move || async move {
                    let (count, changed) = &*shared;
                    let mut count = count.lock().await;
                    while *count < last {
                        count = changed.wait_while(count, |it| *it % 2 != parity).await;
                        *count += 1;
                        changed.notify_one();
                    }
                }
            };
            let (even, odd) = (world.spawn(count_to(199, 0)), world.spawn(count_to(200, 1)));
            even.join();
            odd.join();
            assert_eq!(*shared.0.blocking_lock(), 200);
        });
    });
}

#[test]
fn tasks_and_blocked_threads_are_notified_in_one_line() {
    World::each(|world| {
        let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        let (order, condvar) = &*shared;
        let (mut tasks, mut threads) = (Vec::new(), Vec::new());
        for n in 0..6 {
            let shared = shared.clone();
            if n % 2 == 0 {
                threads.push(thread::spawn(move || {
                    let (order, condvar) = &*shared;
                    condvar.blocking_wait(order.blocking_lock()).push(n);
                }));
            } else {
                tasks.push(world.spawn(move || async move {
                    let (order, condvar) = &*shared;
                    condvar.wait(order.lock().await).await.push(n);
                }));
            }
            until(|| condvar.waiter_count() == n + 1);
        }
        for n in 0..3 {
            condvar.notify_one();
            until(|| order.blocking_lock().len() == n + 1);
        }
        condvar.notify_all();
        tasks.into_iter().for_each(Task::join);
        threads.into_iter().for_each(|it| it.join().unwrap());
        let order = order.blocking_lock();
        assert_eq!(order[..3], [0, 1, 2]);
        assert_eq!(order.len(), 6);
    });
}

#[test]
fn blocking_in_a_runtime_panics_and_unlocks() {
    World::each_compio(|world| {
        let shared = Arc::new((Mutex::new(()), Condvar::new()));
        for (method, wait) in [
            ("blocking_wait", {
                fn wait((mutex, condvar): &(Mutex<()>, Condvar)) {
                    drop(condvar.blocking_wait(mutex.try_lock().unwrap()));
                }
                wait as fn(&(Mutex<()>, Condvar))
            }),
            ("blocking_wait_while", |(mutex, condvar)| {
                drop(condvar.blocking_wait_while(mutex.try_lock().unwrap(), |_| false));
            }),
        ] {
            let shared_ = shared.clone();
            let task = world.spawn(move || async move { wait(&shared_) });
            let panic = message(&*task.outcome().unwrap_err());
            let expected = format!("`{method}` was called inside a compio runtime");
            assert!(panic.starts_with(&expected), "{panic}");
            assert_eq!((is_locked(&shared.0), shared.1.waiter_count()), (false, 0));
        }
    });
}

#[test]
fn queue_loses_nothing_between_producers_and_consumers() {
    each_fairness(|fairness| {
        const ITEMS: usize = 150;
        World::each(|world| {
            let shared = Arc::new((
                Mutex::with_fairness(VecDeque::new(), fairness),
                Condvar::new(),
            ));
            let sum = Arc::new(AtomicUsize::new(0));
            let consumers: Vec<_> = (0..4)
                .map(|n| {
                    let (shared, sum) = (shared.clone(), sum.clone());
                    world.spawn(move || async move {
                        let (items, filled) = &*shared;
                        for round in 0.. {
                            if (n + round) % 4 == 0 {
                                let guard = items.lock().await;
                                let cancelled = filled.wait_while(guard, |it| it.is_empty());
                                let mut cancelled = Box::pin(cancelled);
                                let _ = poll!(&mut cancelled);
                                common::yield_now().await;
                            }
                            let guard = items.lock().await;
                            let mut guard = filled.wait_while(guard, |it| it.is_empty()).await;
                            match guard.pop_front().unwrap() {
                                0 => break,
                                item => sum.fetch_add(item, SeqCst),
                            };
                        }
                    })
                })
                .collect();
            let blocking_consumer = {
                let (shared, sum) = (shared.clone(), sum.clone());
                thread::spawn(move || {
                    let (items, filled) = &*shared;
                    loop {
                        let guard = items.blocking_lock();
                        let mut guard = filled.blocking_wait_while(guard, |it| it.is_empty());
                        match guard.pop_front().unwrap() {
                            0 => break,
                            item => sum.fetch_add(item, SeqCst),
                        };
                    }
                })
            };
            let producers: Vec<_> = (0..2)
                .map(|_| {
                    let shared = shared.clone();
                    world.spawn(|| async move {
                        for item in 1..=ITEMS {
                            shared.0.lock().await.push_back(item);
                            shared.1.notify_one();
                        }
                    })
                })
                .collect();
            producers.into_iter().for_each(Task::join);
            shared.0.blocking_lock().extend([0; 5]);
            for _ in 0..5 {
                shared.1.notify_one();
            }
            consumers.into_iter().for_each(Task::join);
            blocking_consumer.join().unwrap();
            assert_eq!(sum.load(SeqCst), ITEMS * (ITEMS + 1));
            assert_eq!((shared.0.waiter_count(), shared.1.waiter_count()), (0, 0));
        });
    });
}

#[cfg(feature = "time")]
mod time {
    use std::time::{Duration, Instant};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(2);

    type Shared = Arc<(Mutex<i32>, Condvar)>;

    /// Runs `scenario` in a task, and `beside` it on the calling thread once the task waits.
    fn each_with(scenario: impl AsyncFn(&Mutex<i32>, &Condvar) + Copy + Send + 'static) {
        each_beside(scenario, |_| ());
    }

    fn each_beside(
        scenario: impl AsyncFn(&Mutex<i32>, &Condvar) + Copy + Send + 'static,
        beside: impl Fn(&Shared),
    ) {
        World::each_compio(|world| {
            let shared: Shared = Default::default();
            let task = world.spawn({
                let shared = shared.clone();
                move || async move { scenario(&shared.0, &shared.1).await }
            });
            beside(&shared);
            task.join();
            assert_eq!((is_locked(&shared.0), shared.1.waiter_count()), (false, 0));
        });
    }

    fn once_it_waits(shared: &Shared, act: impl Fn(&Mutex<i32>, &Condvar)) {
        until(|| shared.1.waiter_count() == 1);
        act(&shared.0, &shared.1);
    }

    #[test]
    fn wait_that_is_not_notified_times_out_with_the_mutex_locked() {
        each_with(async |mutex, condvar| {
            let begin = Instant::now();
            let (_guard, result) = condvar.wait_timeout(mutex.lock().await, SHORT).await;
            assert!(result.timed_out() && is_locked(mutex) && begin.elapsed() >= SHORT);
        });
    }

    #[test]
    fn notified_wait_does_not_time_out() {
        each_beside(
            async |mutex, condvar| {
                let (_guard, result) = condvar.wait_timeout(mutex.lock().await, LONG).await;
                assert!(!result.timed_out() && is_locked(mutex));
            },
            |shared| once_it_waits(shared, |_, condvar| condvar.notify_one()),
        );
    }

    #[test]
    fn timeout_runs_over_all_waits_for_a_condition() {
        each_with(async |mutex, condvar| {
            let guard = mutex.lock().await;
            let (guard, result) = condvar.wait_timeout_while(guard, SHORT, |_| true).await;
            assert!(result.timed_out());
            let (guard, result) = condvar.wait_timeout_while(guard, LONG, |_| false).await;
            assert!(!result.timed_out());
            let zero = Duration::ZERO;
            let (_guard, result) = condvar.wait_timeout_while(guard, zero, |_| true).await;
            assert!(result.timed_out());
        });
        each_beside(
            async |mutex, condvar| {
                let guard = mutex.lock().await;
                let (guard, result) = condvar.wait_timeout_while(guard, LONG, |n| *n < 2).await;
                assert!(!result.timed_out() && *guard == 2);
            },
            |shared| {
                for _ in 0..2 {
                    once_it_waits(shared, |mutex, condvar| {
                        *mutex.blocking_lock() += 1;
                        condvar.notify_one();
                    });
                }
            },
        );
    }

    #[test]
    fn notification_that_races_with_a_timeout_is_received_by_somebody() {
        const ROUNDS: u64 = 300;
        World::each_compio(|world| {
            let shared: Shared = Default::default();
            let received = Arc::new(AtomicUsize::new(0));
            let impatient = world.spawn({
                let (shared, received) = (shared.clone(), received.clone());
                || async move {
                    let (mutex, condvar) = &*shared;
                    for round in 0..ROUNDS {
                        let timeout = Duration::from_micros(round % 20 * 20);
                        let wait = condvar.wait_timeout(mutex.lock().await, timeout);
                        received.fetch_add(usize::from(!wait.await.1.timed_out()), SeqCst);
                    }
                }
            });
            // Its value says whether this one waits.
            let patient = world.spawn({
                let (shared, received) = (shared.clone(), received.clone());
                || async move {
                    let mut guard = shared.0.lock().await;
                    while *guard >= 0 {
                        *guard = 1;
                        guard = shared.1.wait(guard).await;
                        *guard -= 1;
                        received.fetch_add(1, SeqCst);
                    }
                }
            });
            let mut sent = 0;
            let mut notify = |stop: i32| {
                until(|| *shared.0.blocking_lock() == 1);
                *shared.0.blocking_lock() -= stop;
                shared.1.notify_one();
                sent += 1;
                // Else one was lost, as the patient one could have had it.
                until(|| received.load(SeqCst) == sent);
            };
            while !impatient.has_ended() {
                notify(0);
            }
            notify(1);
            impatient.join();
            patient.join();
            assert_eq!(shared.1.waiter_count(), 0);
        });
    }

    #[test]
    fn wait_with_a_timeout_panics_outside_a_runtime_and_unlocks() {
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        let mut wait = Polled::new(condvar.wait_timeout(mutex.try_lock().unwrap(), SHORT));
        panic_of(|| wait.poll().is_ready());
        assert_eq!((is_locked(&mutex), condvar.waiter_count()), (false, 0));
    }
}
