//! Requests of all sizes, for semaphores.

use super::*;

#[test]
fn permits_stay_available_while_the_head_is_called() {
    let semaphore = Semaphore::with_fairness(0, Fairness::default());
    let mut head = Polled::pending(semaphore.acquire());
    semaphore.add_permits(1);
    assert_eq!((head.wakes(), counts(&semaphore)), (1, [1, 0, 1, 1]));
    let permit = head.ready();
    assert_eq!(counts(&semaphore), [0, 1, 1, 0]);
    drop(permit);
}

#[test]
fn permits_beyond_the_called_heads_need_are_handed_to_the_next() {
    for at_once in [true, false] {
        let semaphore = Semaphore::with_fairness(0, Fairness::default());
        let mut line: Vec<_> = [2, 1, 3, 1]
            .map(|need| Polled::pending(semaphore.acquire_many(need)))
            .into();
        let mut wakes = Vec::new();
        if at_once {
            semaphore.add_permits(6);
        } else {
            for _ in 0..6 {
                semaphore.add_permits(1);
                wakes.push(line.iter().map(Polled::wakes).sum::<usize>());
            }
            assert_eq!(wakes, [0, 1, 2, 2, 2, 3]);
        }
        assert_eq!(
            line.iter().map(Polled::wakes).collect::<Vec<_>>(),
            [1, 1, 1, 0]
        );
        assert_eq!(counts(&semaphore), [2, 4, 6, 2]);
        let permits: Vec<_> = line[..3].iter_mut().map(Polled::ready).collect();
        assert_eq!(counts(&semaphore), [0, 6, 6, 1]);
        drop(permits);
        drop(line[3].ready());
    }
}

#[test]
fn large_request_is_passed_by_n_small_ones_and_then_permits_gather_for_it() {
    for n in bounds() {
        let semaphore = Semaphore::with_fairness(3, bounded(n));
        let mut held = semaphore.try_acquire_many(3).unwrap();
        let mut large = Polled::pending(semaphore.acquire_many(3));
        drop(held.split(1));
        for _ in 0..n {
            drop(semaphore.try_acquire().expect("it may pass"));
        }
        assert!(semaphore.try_acquire().is_none());
        let mut behind = Polled::pending(semaphore.acquire());
        drop(held.split(1));
        behind.waits();
        assert_eq!(counts(&semaphore), [2, 1, 3, 2]);
        drop(held);
        assert_eq!((large.wakes(), behind.wakes()), (1, 0));
        assert_eq!(counts(&semaphore), [0, 3, 3, 1]);
        drop(large.ready());
        drop(behind.ready());
    }
}

#[test]
fn large_request_that_is_called_loses_permits_to_at_most_n_and_is_handed_the_next() {
    for n in bounds() {
        let semaphore = Semaphore::with_fairness(2, bounded(n));
        let mut held = semaphore.try_acquire_many(2);
        let mut large = Polled::pending(semaphore.acquire_many(2));
        for nth in 0..n {
            drop(held.take());
            assert_eq!((large.wakes(), semaphore.available_permits()), (nth + 1, 2));
            held = semaphore.try_acquire();
            large.waits();
        }
        assert!(semaphore.try_acquire().is_none());
        drop(held.take());
        assert_eq!((large.wakes(), semaphore.available_permits()), (n + 1, 0));
        drop(large.ready());
    }
}

/// A semaphore of two permits, the last of which is in use, and a request for both that has been
/// passed over and has come back. Behind it is a waiter that is called.
fn large_one_that_came_back(
    semaphore: &Semaphore,
) -> (
    SemaphorePermit<'_>,
    Polled<Acquire<'_>>,
    Polled<Acquire<'_>>,
) {
    let held = semaphore.try_acquire_many(2).unwrap();
    let mut large = Polled::pending(semaphore.acquire_many(2));
    let small = Polled::pending(semaphore.acquire());
    drop(held);
    assert_eq!((large.wakes(), small.wakes()), (1, 0));
    drop(semaphore.try_acquire().unwrap());
    assert_eq!((large.wakes(), small.wakes()), (1, 1));
    let held = semaphore.try_acquire().unwrap();
    large.waits();
    assert_eq!(counts(semaphore), [1, 1, 2, 2]);
    (held, large, small)
}

#[test]
fn large_request_that_came_back_is_passed_by_nobody() {
    let semaphore = Semaphore::with_fairness(2, Fairness::Bounded(1));
    let (held, mut large, small) = large_one_that_came_back(&semaphore);
    assert!(semaphore.try_acquire().is_none());
    drop(held);
    assert_eq!(large.wakes(), 2);
    drop(large.ready());
    drop(small);
}

#[test]
fn large_request_that_came_back_is_not_passed_by_one_that_was_called_before() {
    let semaphore = Semaphore::with_fairness(2, Fairness::Bounded(1));
    let (held, mut large, mut small) = large_one_that_came_back(&semaphore);
    small.waits();
    drop(held);
    assert_eq!(large.wakes(), 2);
    drop(large.ready());
    drop(small.ready());
}

#[test]
fn newcomer_goes_on_with_what_a_passed_head_does_not_come_for() {
    // With the permits of the one that passed coming back, and without.
    for is_forgotten in [false, true] {
        let semaphore = Semaphore::with_fairness(2, Fairness::Bounded(1));
        let held = semaphore.try_acquire_many(2);
        let unpolled = Polled::pending(semaphore.acquire());
        drop(held);
        let passed = semaphore.try_acquire().unwrap();
        if is_forgotten {
            passed.forget();
        } else {
            drop(passed);
        }
        let mut newcomer = Polled::new(semaphore.acquire());
        drop(newcomer.ready());
        assert_eq!(unpolled.wakes(), 1);
    }
}

#[test]
fn unpolled_second_in_line_keeps_what_the_called_head_does_not_need() {
    let semaphore = Semaphore::with_fairness(2, Fairness::Bounded(1));
    let held = semaphore.try_acquire_many(2);
    let [_unpolled, second] = [(); 2].map(|()| Polled::pending(semaphore.acquire()));
    drop(held);
    assert_eq!(counts(&semaphore), [1, 1, 2, 1]);
    for _ in 0..4 {
        drop(Polled::new(semaphore.acquire()).ready());
    }
    assert_eq!((semaphore.in_use(), second.wakes()), (1, 1));
    drop(second);
    assert_eq!(semaphore.in_use(), 0);
}

#[test]
fn future_that_was_passed_n_times_in_vain_and_then_abandoned_keeps_what_it_is_handed() {
    let semaphore = Semaphore::with_fairness(1, Fairness::Bounded(1));
    let held = semaphore.try_acquire();
    let mut abandoned = Polled::pending(semaphore.acquire());
    drop(held);
    let held = semaphore.try_acquire();
    abandoned.waits();
    drop(held);
    let mut newcomer = Polled::pending(semaphore.acquire());
    assert_eq!(counts(&semaphore), [0, 1, 1, 1]);
    drop(abandoned);
    drop(newcomer.ready());
}

#[test]
fn unpolled_heir_of_a_passed_head_that_is_dropped_is_handed_nothing() {
    let semaphore = Semaphore::with_fairness(1, Fairness::Bounded(1));
    let held = semaphore.try_acquire();
    let mut passed = Polled::pending(semaphore.acquire());
    let heir = Polled::pending(semaphore.acquire());
    drop(held);
    let held = semaphore.try_acquire();
    assert!(held.is_some());
    passed.waits();
    drop(passed);
    drop(held);
    // Nobody has passed this one.
    assert_eq!((heir.wakes(), counts(&semaphore)), (1, [1, 0, 1, 1]));
    assert!(semaphore.try_acquire().is_some());
}

#[test]
fn reduced_and_forgotten_permits_are_lost_to_a_called_head() {
    let reduce: fn(&Semaphore) = |it| assert_eq!(it.reduce_permits(1), 1);
    let forget: fn(&Semaphore) = |it| it.remove_permits(1);
    let into_debt: fn(&Semaphore) = |it| {
        it.remove_permits(2);
        it.add_permits(1);
    };
    for lose in [reduce, forget, into_debt] {
        let semaphore = Semaphore::with_fairness(2, Fairness::Bounded(4));
        let held = semaphore.try_acquire().unwrap();
        let other = semaphore.try_acquire().unwrap();
        let mut head = Polled::pending(semaphore.acquire());
        drop(other);
        lose(&semaphore);
        assert_eq!(counts(&semaphore), [0, 1, 1, 1]);
        head.waits();
        assert_eq!(head.wakes(), 1);
        semaphore.add_permits(1);
        assert_eq!((head.wakes(), counts(&semaphore)), (2, [1, 1, 2, 1]));
        drop((head.ready(), held));
        assert_eq!(counts(&semaphore), [2, 0, 2, 0]);
    }
}

#[test]
fn called_head_that_lost_its_permit_and_was_not_polled_is_there_for_the_next() {
    let semaphore = Semaphore::with_fairness(1, Fairness::Bounded(4));
    let held = semaphore.try_acquire();
    let mut head = Polled::pending(semaphore.acquire());
    drop(held);
    semaphore.remove_permits(1);
    semaphore.add_permits(1);
    assert_eq!((head.wakes(), counts(&semaphore)), (1, [1, 0, 1, 1]));
    drop(head.ready());
}
