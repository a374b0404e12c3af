//! Condition variables over a mutex that lets newcomers barge.

use super::*;

#[test]
fn notified_waiter_locks_a_bounded_mutex_like_any_other() {
    let mutex = Mutex::with_fairness((), Fairness::Bounded(2));
    let condvar = Condvar::new();
    let mut wait = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
    let mut guard = mutex.try_lock();
    condvar.notify_one();
    assert_eq!(wait.wakes(), 1);
    wait.waits();
    for passed in 0..2 {
        drop(guard.take());
        assert_eq!((wait.wakes(), mutex.waiter_count()), (2 + passed, 1));
        guard = mutex.try_lock();
        assert!(guard.is_some());
        wait.waits();
    }
    drop(guard);
    assert!(mutex.try_lock().is_none());
    drop(wait.ready());
}

#[test]
fn wait_that_is_called_by_a_bounded_mutex_and_dropped_passes_both_on() {
    let mutex = Mutex::with_fairness((), Fairness::Bounded(2));
    let condvar = Condvar::new();
    let mut cancelled = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
    let mut next = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
    let guard = mutex.try_lock();
    condvar.notify_one();
    cancelled.waits();
    let mut locks = Polled::pending(mutex.lock());
    drop(guard);
    assert_eq!((cancelled.wakes(), next.wakes(), locks.wakes()), (2, 0, 0));
    drop(cancelled);
    assert_eq!((next.wakes(), locks.wakes()), (1, 1));
    drop(locks.ready());
    drop(next.ready());
}

#[test]
fn notified_and_unpolled_wait_over_a_bounded_mutex_stalls_nobody() {
    let mutex = Mutex::with_fairness((), Fairness::Bounded(1));
    let condvar = Condvar::new();
    let mut unpolled = Polled::pending(condvar.wait(mutex.try_lock().unwrap()));
    let guard = mutex.try_lock();
    condvar.notify_one();
    unpolled.waits();
    drop(guard);
    for _ in 0..5 {
        drop(Polled::new(mutex.lock()).ready());
    }
    drop(unpolled.ready());
}
