//! The standard library's cases for its condition variable.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use compio_sync::{Condvar, Mutex};

use crate::{
    common::{Polled, Task, World},
    fifo_mutex,
};

#[test]
fn notifications_with_nobody_waiting_do_nothing() {
    let condvar = Condvar::new();
    condvar.notify_one();
    condvar.notify_all();
    assert_eq!(format!("{condvar:?}"), "Condvar { waiter_count: 0 }");
}

#[test]
fn blocked_thread_is_notified() {
    let shared = Arc::new((Mutex::new(false), Condvar::default()));
    let guard = shared.0.blocking_lock();
    let notifier = thread::spawn({
        let shared = shared.clone();
        move || {
            *shared.0.blocking_lock() = true;
            shared.1.notify_one();
        }
    });
    let mut guard = guard;
    while !*guard {
        guard = shared.1.blocking_wait(guard);
    }
    drop(guard);
    notifier.join().unwrap();
}

#[test]
fn all_are_notified_at_once() {
    const WAITERS: usize = 10;
    World::each(|world| {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        let (sender, all_wait) = mpsc::channel();
        let waiters: Vec<_> = (0..WAITERS)
            .map(|_| {
                let (shared, sender) = (shared.clone(), sender.clone());
                world.spawn(|| async move {
                    let (count, condvar) = &*shared;
                    let mut guard = count.lock().await;
                    *guard += 1;
                    if *guard == WAITERS {
                        sender.send(()).unwrap();
                    }
                    while *guard != 0 {
                        guard = condvar.wait(guard).await;
                    }
                })
            })
            .collect();
        all_wait.recv().unwrap();
        *shared.0.blocking_lock() = 0;
        shared.1.notify_all();
        waiters.into_iter().for_each(Task::join);
    });
}

#[test]
fn wait_while_goes_on_when_the_condition_no_longer_holds() {
    World::each(|world| {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let waiter = world.spawn({
            let shared = shared.clone();
            || async move {
                let (ready, condvar) = &*shared;
                *condvar
                    .wait_while(ready.lock().await, |ready| !*ready)
                    .await
            }
        });
        *shared.0.blocking_lock() = true;
        shared.1.notify_one();
        assert!(waiter.join());
    });
}

#[test]
fn one_condvar_may_serve_two_mutexes_as_stds_may_not() {
    let (one, other, condvar) = (fifo_mutex(1), fifo_mutex(2), Condvar::new());
    let mut first = Polled::pending(condvar.wait(one.try_lock().unwrap()));
    let mut second = Polled::pending(condvar.wait(other.try_lock().unwrap()));
    condvar.notify_all();
    assert_eq!((*first.ready(), *second.ready()), (1, 2));
}

#[cfg(feature = "time")]
mod time {
    use std::time::{Duration, Instant};

    use compio::runtime::Runtime;

    use super::*;

    /// Long enough never to run out.
    const NEVER: Duration = Duration::from_secs(3600);

    #[test]
    fn time_runs_out_and_not_too_early() {
        Runtime::new().unwrap().block_on(async {
            let (mutex, condvar) = (Mutex::new(()), Condvar::new());
            let (begin, timeout) = (Instant::now(), Duration::from_millis(20));
            let (guard, result) = condvar.wait_timeout(mutex.lock().await, timeout).await;
            assert!(result.timed_out() && begin.elapsed() >= timeout);
            let (_guard, result) = condvar.wait_timeout_while(guard, timeout, |_| true).await;
            assert!(result.timed_out() && begin.elapsed() >= 2 * timeout);
            assert_eq!((condvar.waiter_count(), mutex.waiter_count()), (0, 0));
        });
    }

    #[test]
    fn condition_that_does_not_hold_ends_the_wait_without_waiting() {
        Runtime::new().unwrap().block_on(async {
            let (mutex, condvar) = (Mutex::new(()), Condvar::new());
            let guard = mutex.lock().await;
            let (_guard, result) = condvar
                .wait_timeout_while(guard, Duration::ZERO, |_| false)
                .await;
            assert!(!result.timed_out());
        });
    }

    #[test]
    fn notification_comes_before_the_time_runs_out() {
        Runtime::new().unwrap().block_on(async {
            let shared = Arc::new((Mutex::new(false), Condvar::new()));
            let notifier = thread::spawn({
                let shared = shared.clone();
                move || {
                    *shared.0.blocking_lock() = true;
                    shared.1.notify_one();
                }
            });
            let (ready, condvar) = &*shared;
            let (guard, result) = condvar
                .wait_timeout_while(ready.lock().await, NEVER, |ready| !*ready)
                .await;
            assert!(*guard && !result.timed_out());
            drop(guard);
            notifier.join().unwrap();
        });
    }
}
