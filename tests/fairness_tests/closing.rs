//! Closing, with waiters that were woken or skipped.

use super::*;

#[test]
fn closing_turns_a_called_head_and_those_behind_it_away() {
    let semaphore = Semaphore::with_fairness(1, Fairness::Bounded(2));
    let held = semaphore.try_acquire();
    let mut head = Polled::pending(semaphore.acquire().or_closed());
    let mut next = Polled::pending(semaphore.acquire());
    drop(held);
    semaphore.close();
    assert_eq!((head.wakes(), next.wakes()), (1, 1));
    assert_eq!(head.ready().unwrap_err(), AcquireError);
    panic_of(|| next.poll());
    assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
}

#[test]
fn closing_turns_a_head_away_that_came_in_vain() {
    let semaphore = Semaphore::with_fairness(1, Fairness::Bounded(2));
    let held = semaphore.try_acquire();
    let mut head = Polled::pending(semaphore.acquire().or_closed());
    drop(held);
    let held = semaphore.try_acquire();
    head.waits();
    semaphore.close();
    assert_eq!((head.wakes(), semaphore.waiter_count()), (2, 0));
    assert_eq!(head.ready().unwrap_err(), AcquireError);
    drop(held);
    assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
}

#[test]
fn closing_turns_one_away_that_was_passed_over() {
    for comes_back in [false, true] {
        let semaphore = Semaphore::with_fairness(1, Fairness::Bounded(1));
        let held = semaphore.try_acquire();
        let mut late = Polled::pending(semaphore.acquire().or_closed());
        drop(held);
        drop(semaphore.try_acquire().unwrap());
        let held = semaphore.try_acquire().unwrap();
        if comes_back {
            late.waits();
        }
        semaphore.close();
        assert_eq!(late.wakes(), 1 + usize::from(comes_back));
        assert_eq!(late.ready().unwrap_err(), AcquireError);
        drop(held);
        assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
    }
}
