//! Futures that are kept and not polled.

use super::*;

for_both![
    woken_and_unpolled_future_stalls_nobody,
    woken_and_unpolled_futures_are_passed_over_one_after_the_other,
    granted_and_unpolled_future_under_fifo_stalls_everybody_until_it_is_dropped,
    task_that_keeps_a_wait_and_begins_another_goes_on,
    task_that_keeps_a_wait_and_begins_another_goes_on_in_every_world,
    task_that_keeps_a_wait_under_fifo_goes_on_when_it_is_dropped,
];

fn woken_and_unpolled_future_stalls_nobody<L: Lock>() {
    for n in bounds() {
        let (lock, held) = L::held(bounded(n));
        let unpolled = lock.wait();
        let mut next = lock.wait();
        drop(held);
        for nth in 0..n {
            assert_eq!((unpolled.wakes(), next.wakes()), (1, 0));
            drop(lock.pass(nth));
        }
        assert_eq!((unpolled.wakes(), next.wakes()), (1, 1));
        drop(next.ready());
        for nth in 0..3 * n {
            drop(lock.pass(nth));
        }
        assert_eq!((unpolled.wakes(), lock.waiter_count()), (1, 0));
    }
}

fn woken_and_unpolled_futures_are_passed_over_one_after_the_other<L: Lock>() {
    for n in bounds() {
        let (lock, held) = L::held(bounded(n));
        let unpolled: Vec<_> = (0..3).map(|_| lock.wait()).collect();
        let mut last = lock.wait();
        drop(held);
        for gone in 1..=unpolled.len() {
            let wakes: usize = unpolled.iter().map(Polled::wakes).sum();
            assert_eq!((wakes, last.wakes()), (gone, 0));
            for nth in 0..n {
                drop(lock.pass(nth));
            }
        }
        assert_eq!((last.wakes(), lock.waiter_count()), (1, 1));
        drop(last.ready());
        assert_eq!(unpolled.iter().map(Polled::wakes).sum::<usize>(), 3);
    }
}

fn granted_and_unpolled_future_under_fifo_stalls_everybody_until_it_is_dropped<L: Lock>() {
    let (lock, held) = L::held(Fairness::Fifo);
    let unpolled = lock.wait();
    let mut next = lock.wait();
    drop(held);
    assert_eq!((unpolled.wakes(), next.wakes()), (1, 0));
    next.waits();
    lock.passes_nobody();
    drop(unpolled);
    assert_eq!(next.wakes(), 1);
    drop(next.ready());
}

fn task_that_keeps_a_wait_and_begins_another_goes_on<L: Lock>() {
    for n in bounds() {
        let (lock, held) = L::held(bounded(n));
        let mut task = Polled::pending({
            let lock = lock.clone();
            async move {
                let mut kept = lock.take();
                assert!(poll!(&mut kept).is_pending());
                drop(lock.take().await);
            }
        });
        assert_eq!(lock.waiter_count(), 2);
        drop(held);
        assert_eq!(task.wakes(), 1);
        task.ready();
        assert!(lock.try_take().is_some());
    }
}

fn task_that_keeps_a_wait_and_begins_another_goes_on_in_every_world<L: Lock>() {
    World::each(|world| {
        let (lock, held) = L::held(Fairness::default());
        let task = world.spawn({
            let lock = lock.clone();
            || async move {
                let mut kept = lock.take();
                assert!(poll!(&mut kept).is_pending());
                drop(lock.take().await);
                drop(kept);
            }
        });
        until(|| lock.waiter_count() == 2);
        drop(held);
        task.join();
        assert!(lock.try_take().is_some());
    });
}

fn task_that_keeps_a_wait_under_fifo_goes_on_when_it_is_dropped<L: Lock>() {
    let (lock, held) = L::held(Fairness::Fifo);
    let kept = lock.wait();
    let mut second = lock.wait();
    drop(held);
    second.waits();
    assert_eq!((kept.wakes(), second.wakes()), (1, 0));
    drop(kept);
    assert_eq!(second.wakes(), 1);
    drop(second.ready());
}
