//! How many newcomers overtake the first waiter.

use super::*;

for_both![
    newcomers_pass_the_head_n_times_and_then_it_is_handed_over,
    newcomers_never_pass_under_fifo,
    count_starts_anew_for_the_next_head,
    count_starts_anew_when_a_called_head_takes_what_is_there,
];

fn newcomers_pass_the_head_n_times_and_then_it_is_handed_over<L: Lock>() {
    for n in bounds() {
        let (lock, mut held) = L::held(bounded(n));
        let mut head = lock.wait();
        for nth in 0..n {
            drop(held);
            assert_eq!((head.wakes(), lock.waiter_count()), (nth + 1, 1));
            held = lock.pass(nth);
            head.waits();
        }
        drop(held);
        assert_eq!((head.wakes(), lock.waiter_count()), (n + 1, 0));
        lock.passes_nobody();
        drop(head.ready());
        assert!(lock.try_take().is_some());
    }
}

fn newcomers_never_pass_under_fifo<L: Lock>() {
    for fairness in [Fairness::Fifo, Fairness::Bounded(0)] {
        let (lock, held) = L::held(fairness);
        let mut head = lock.wait();
        lock.passes_nobody();
        drop(held);
        assert_eq!((head.wakes(), lock.waiter_count()), (1, 0));
        lock.passes_nobody();
        drop(head.ready());
    }
}

fn count_starts_anew_for_the_next_head<L: Lock>() {
    for n in bounds() {
        let (lock, mut held) = L::held(bounded(n));
        let mut line: Vec<_> = (0..3).map(|_| lock.wait()).collect();
        for head in 0..line.len() {
            for nth in 0..n {
                drop(held);
                held = lock.pass(nth);
                line[head].waits();
            }
            drop(held);
            assert!(lock.try_take().is_none());
            held = line[head].ready();
            let wakes: Vec<_> = line.iter().map(Polled::wakes).collect();
            let expected: Vec<_> = (0..3)
                .map(|it| [0, n + 1][usize::from(it <= head)])
                .collect();
            assert_eq!(wakes, expected);
        }
    }
}

fn count_starts_anew_when_a_called_head_takes_what_is_there<L: Lock>() {
    for n in bounds() {
        let (lock, mut held) = L::held(bounded(n));
        let mut line = [lock.wait(), lock.wait()];
        for passes in [n - 1, n] {
            let [head, _] = &mut line;
            for nth in 0..passes {
                drop(held);
                held = lock.pass(nth);
                head.waits();
            }
            drop(held);
            assert_eq!(head.wakes(), passes + 1);
            held = head.ready();
            line.reverse();
        }
    }
}

#[test]
fn fairness_is_what_was_asked_for() {
    let of = |fairness| Semaphore::with_fairness(1, fairness).fairness();
    assert_eq!(of(Fairness::Fifo), Fairness::Fifo);
    assert_eq!(of(Fairness::Bounded(0)), Fairness::Fifo);
    for n in bounds() {
        assert_eq!(of(bounded(n)), bounded(n));
        assert_eq!(Mutex::with_fairness((), bounded(n)).fairness(), bounded(n));
    }
    assert_eq!(Semaphore::new(1).fairness(), Fairness::DEFAULT);
    assert_eq!(Mutex::new(()).fairness(), Fairness::default());
    assert_eq!(Mutex::<()>::default().fairness(), Fairness::DEFAULT);
}
