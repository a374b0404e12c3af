//! Waiters that were skipped.

use super::*;

for_both![
    passed_over_waiter_takes_what_is_free,
    passed_over_waiter_that_finds_nothing_is_handed_what_is_released_next,
    passed_over_waiter_that_is_dropped_is_gone,
];

/// A lock that is free, and a waiter of it that was passed over.
fn passed_over<L: Lock>(n: usize) -> (Arc<L>, Wait<L::Held>) {
    let (lock, held) = L::held(bounded(n));
    let late = lock.wait();
    drop(held);
    pass_over(&lock, n);
    assert_eq!((late.wakes(), lock.waiter_count()), (1, 0));
    (lock, late)
}

/// Passes the head until it is passed over.
fn pass_over<L: Lock>(lock: &Arc<L>, n: usize) {
    for nth in 0..n {
        drop(lock.pass(nth));
    }
}

fn passed_over_waiter_takes_what_is_free<L: Lock>() {
    for n in bounds() {
        let (lock, mut late) = passed_over::<L>(n);
        let held = late.ready();
        assert_eq!((late.wakes(), late.hooks().wakers()), (1, 0));
        assert!(lock.try_take().is_none());
        drop((held, late));
        assert!(lock.try_take().is_some());
    }
}

fn passed_over_waiter_that_finds_nothing_is_handed_what_is_released_next<L: Lock>() {
    for n in bounds() {
        let (lock, mut late) = passed_over::<L>(n);
        let held = lock.pass(0);
        let behind = lock.wait();
        late.waits();
        late.waits();
        assert_eq!(lock.waiter_count(), 2);
        drop(held);
        assert_eq!(
            (late.wakes(), behind.wakes(), lock.waiter_count()),
            (2, 0, 1)
        );
        lock.passes_nobody();
        drop(late.ready());
        assert_eq!((late.wakes(), behind.wakes()), (2, 1));
        assert!(lock.try_take().is_some(), "the next head can be passed");
    }
}

fn passed_over_waiters_that_find_nothing_are_handed_what_is_released_next<L: Lock>() {
    let (lock, held) = L::held(Fairness::Bounded(1));
    let mut late: Vec<_> = (0..3).map(|_| lock.wait()).collect();
    drop(held);
    for _ in 0..late.len() {
        pass_over(&lock, 1);
    }
    assert_eq!(lock.waiter_count(), 0);
    let mut held = Some(lock.pass(0));
    for late in &mut late {
        late.waits();
    }
    // Nobody else has it before all of them have.
    for served in 1..=late.len() {
        held.take();
        assert!(lock.try_take().is_none(), "{served}");
        let next = late.iter_mut().find(|it| it.wakes() == 2);
        held = Some(next.expect("one is woken").ready());
        late.retain(|it| it.wakes() < 2);
        assert_eq!(late.len(), 3 - served);
    }
}

fn passed_over_waiter_that_is_dropped_is_gone<L: Lock>() {
    let (lock, late) = passed_over::<L>(2);
    let hooks = late.hooks().clone();
    let held = lock.pass(0);
    drop(late);
    assert_eq!((lock.waiter_count(), hooks.wakers()), (0, 0));
    drop(held);
    assert!(lock.try_take().is_some());
}

#[test]
fn passed_over_waiters_that_come_back_are_passed_by_nobody() {
    passed_over_waiters_that_find_nothing_are_handed_what_is_released_next::<Semaphore>();
}
