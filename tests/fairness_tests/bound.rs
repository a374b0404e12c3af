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

/// What the default bound comes to.
fn limit() -> usize {
    if usize::BITS == 64 { 32 } else { 30 }
}

/// How many newcomers overtake a task of the current runtime, which is woken by `release`.
async fn overtakers(
    semaphore: &'static Semaphore,
    release: impl Fn(SemaphorePermit<'static>),
) -> usize {
    let mut held = semaphore.acquire().await;
    let waiter = compio::runtime::spawn(async { drop(semaphore.acquire().await) });
    while semaphore.waiter_count() == 0 {
        yield_now().await;
    }
    let mut overtaken = 0;
    loop {
        release(held);
        let Some(newcomer) = semaphore.try_acquire() else {
            break;
        };
        held = newcomer;
        overtaken += 1;
        // The waiter is polled, and finds nothing.
        for _ in 0..4 {
            yield_now().await;
        }
    }
    waiter.await.expect("the waiter panicked");
    overtaken
}

#[test]
fn waiters_of_one_runtime_are_overtaken_less_often() {
    static MANY: Semaphore = Semaphore::with_fairness(1, Fairness::DEFAULT);
    static FEW: Semaphore = Semaphore::with_fairness(1, Fairness::Bounded(4));
    compio::runtime::Runtime::new().unwrap().block_on(async {
        compio::runtime::spawn(async move {
            assert_eq!(overtakers(&MANY, drop).await, limit());
            overtakers(&MANY, drop).await;
            // 32 times in a row its own runtime has woken the first waiter, and so it goes on.
            for _ in 0..3 {
                assert_eq!(overtakers(&MANY, drop).await, 6);
            }
            for _ in 0..20 {
                assert_eq!(overtakers(&FEW, drop).await, 4);
            }
        })
        .await
        .unwrap();
    });
}

#[test]
fn waiters_that_another_thread_wakes_are_overtaken_as_often_as_allowed() {
    static SEMAPHORE: Semaphore = Semaphore::with_fairness(1, Fairness::Bounded(16));
    let elsewhere = |permit: SemaphorePermit<'static>| {
        thread::scope(|scope| {
            scope.spawn(|| drop(permit));
        });
    };
    compio::runtime::Runtime::new().unwrap().block_on(async {
        compio::runtime::spawn(async move {
            for _ in 0..4 {
                assert_eq!(overtakers(&SEMAPHORE, drop).await, 16);
                assert_eq!(overtakers(&SEMAPHORE, elsewhere).await, 16);
            }
        })
        .await
        .unwrap();
    });
}
