//! Waiters that are woken and compete.

use super::*;

for_both![
    called_head_is_woken_once_however_much_is_released,
    called_head_that_is_dropped_passes_its_call_on,
    head_that_comes_in_vain_is_called_again,
    called_head_may_change_its_waker,
    waiter_in_line_that_is_polled_is_a_newcomer_like_any_other,
];

fn called_head_is_woken_once_however_much_is_released<L: Lock>() {
    let n = 8;
    let (lock, held) = L::held(bounded(n));
    let mut line: Vec<_> = (0..3).map(|_| lock.wait()).collect();
    drop(held);
    for nth in 0..n - 1 {
        drop(lock.pass(nth));
        let wakes: Vec<_> = line.iter().map(Polled::wakes).collect();
        assert_eq!(wakes, [1, 0, 0]);
    }
    assert_eq!(lock.waiter_count(), 3);
    drop(line[0].ready());
    assert_eq!((line[0].wakes(), line[1].wakes()), (1, 1));
}

fn called_head_that_is_dropped_passes_its_call_on<L: Lock>() {
    let (lock, held) = L::held(Fairness::default());
    let mut line: Vec<_> = (0..3).map(|_| lock.wait()).collect();
    drop(held);
    for left in (1..3).rev() {
        assert_eq!((line[0].wakes(), line[1].wakes()), (1, 0));
        drop(line.remove(0));
        assert_eq!((line[0].wakes(), lock.waiter_count()), (1, left));
    }
    drop(line[0].ready());
}

fn head_that_comes_in_vain_is_called_again<L: Lock>() {
    let (lock, held) = L::held(Fairness::default());
    let mut head = lock.wait();
    let next = lock.wait();
    drop(held);
    let held = lock.pass(0);
    head.waits();
    assert_eq!((head.wakes(), next.wakes(), lock.waiter_count()), (1, 0, 2));
    drop(held);
    assert_eq!((head.wakes(), next.wakes(), lock.waiter_count()), (2, 0, 2));
    drop(head.ready());
    assert_eq!(next.wakes(), 1);
}

fn called_head_may_change_its_waker<L: Lock>() {
    let (lock, held) = L::held(Fairness::default());
    let mut head = lock.wait();
    drop(held);
    let held = lock.pass(0);
    let old = head.change_waker();
    head.waits();
    assert_eq!((old.wakes(), old.wakers()), (1, 0));
    assert_eq!((head.wakes(), head.hooks().wakers()), (0, 1));
    drop(held);
    assert_eq!((old.wakes(), head.wakes()), (1, 1));
    let old = head.change_waker();
    drop(head.ready());
    assert_eq!((old.wakers(), head.hooks().wakers()), (0, 0));
}

fn waiter_in_line_that_is_polled_is_a_newcomer_like_any_other<L: Lock>() {
    for n in bounds() {
        let (lock, mut held) = L::held(bounded(n));
        let mut head = lock.wait();
        for nth in 0..n {
            let mut behind = lock.wait();
            drop(held);
            assert_eq!((head.wakes(), behind.wakes()), (nth + 1, 0));
            held = behind.ready();
            head.waits();
        }
        let mut behind = lock.wait();
        drop(held);
        behind.waits();
        drop(head.ready());
    }
}
