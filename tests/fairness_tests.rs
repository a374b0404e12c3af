//! [`Fairness`]: who may pass whom, how often, and what becomes of those who are passed.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    thread,
};

use common::{Hooks, Polled, Task, Watchdog, World, panic_of, until, yield_now};
use compio_sync::{
    Acquire, AcquireError, AcquireOrClosed, Condvar, Fairness, Mutex, OwnedMutexGuard,
    OwnedSemaphorePermit, Semaphore, SemaphorePermit,
};
use futures_util::{FutureExt, future::BoxFuture, poll};

type Wait<T> = Polled<BoxFuture<'static, T>>;

/// Something that one at a time has: a mutex, or the permit of a semaphore.
trait Lock: Send + Sync + 'static {
    type Held: Send + 'static;

    fn with(fairness: Fairness) -> Arc<Self>;
    fn try_take(self: &Arc<Self>) -> Option<Self::Held>;
    fn take(self: &Arc<Self>) -> BoxFuture<'static, Self::Held>;
    fn waiter_count(&self) -> usize;

    /// One that is held, and by whom.
    fn held(fairness: Fairness) -> (Arc<Self>, Self::Held) {
        let lock = Self::with(fairness);
        let held = lock.try_take().unwrap();
        (lock, held)
    }

    /// Somebody who waits in line.
    #[track_caller]
    fn wait(self: &Arc<Self>) -> Wait<Self::Held> {
        Polled::pending(self.take())
    }

    /// A newcomer, who has to go on at once.
    #[track_caller]
    fn pass(self: &Arc<Self>, nth: usize) -> Self::Held {
        if nth.is_multiple_of(2) {
            self.try_take().expect("a newcomer may pass")
        } else {
            Polled::new(self.take()).ready()
        }
    }

    /// Newcomers, of whom none may pass. There is one in line now.
    #[track_caller]
    fn passes_nobody(self: &Arc<Self>) {
        assert!(self.try_take().is_none(), "a newcomer has passed");
        self.wait();
    }
}

impl Lock for Semaphore {
    type Held = OwnedSemaphorePermit;

    fn with(fairness: Fairness) -> Arc<Self> {
        Arc::new(Self::with_fairness(1, fairness))
    }

    fn try_take(self: &Arc<Self>) -> Option<Self::Held> {
        self.clone().try_acquire_owned()
    }

    fn take(self: &Arc<Self>) -> BoxFuture<'static, Self::Held> {
        self.clone().acquire_owned().boxed()
    }

    fn waiter_count(&self) -> usize {
        self.waiter_count()
    }
}

impl Lock for Mutex<()> {
    type Held = OwnedMutexGuard<()>;

    fn with(fairness: Fairness) -> Arc<Self> {
        Arc::new(Self::with_fairness((), fairness))
    }

    fn try_take(self: &Arc<Self>) -> Option<Self::Held> {
        self.clone().try_lock_owned()
    }

    fn take(self: &Arc<Self>) -> BoxFuture<'static, Self::Held> {
        self.clone().lock_owned().boxed()
    }

    fn waiter_count(&self) -> usize {
        self.waiter_count()
    }
}

/// Makes tests of claims, for a semaphore and for a mutex.
macro_rules! for_both {
    ($($claim:ident),* $(,)?) => {
        mod semaphore {
            $(#[test] fn $claim() { super::$claim::<compio_sync::Semaphore>(); })*
        }
        mod mutex {
            $(#[test] fn $claim() { super::$claim::<compio_sync::Mutex<()>>(); })*
        }
    };
}

for_both![
    newcomers_pass_the_head_n_times_and_then_it_is_handed_over,
    newcomers_never_pass_under_fifo,
    count_starts_anew_for_the_next_head,
    count_starts_anew_when_a_called_head_takes_what_is_there,
    woken_and_unpolled_future_stalls_nobody,
    woken_and_unpolled_futures_are_passed_over_one_after_the_other,
    granted_and_unpolled_future_under_fifo_stalls_everybody_until_it_is_dropped,
    task_that_keeps_a_wait_and_begins_another_goes_on,
    task_that_keeps_a_wait_and_begins_another_goes_on_in_every_world,
    task_that_keeps_a_wait_under_fifo_goes_on_when_it_is_dropped,
    passed_over_waiter_takes_what_is_free,
    passed_over_waiter_that_finds_nothing_is_handed_what_is_released_next,
    passed_over_waiter_that_is_dropped_is_gone,
    called_head_is_woken_once_however_much_is_released,
    called_head_that_is_dropped_passes_its_call_on,
    head_that_comes_in_vain_is_called_again,
    called_head_may_change_its_waker,
    waiter_in_line_that_is_polled_is_a_newcomer_like_any_other,
    one_that_was_late_is_next_on_real_threads,
    everybody_is_served_in_every_world,
];

#[test]
fn passed_over_waiters_that_come_back_are_passed_by_nobody() {
    passed_over_waiters_that_find_nothing_are_handed_what_is_released_next::<Semaphore>();
}

/// The bounds to be tested. Those that the target does not have are left out.
fn bounds() -> impl Iterator<Item = usize> {
    [1, 2, 64, 255]
        .into_iter()
        .filter(|&n| usize::BITS == 64 || n < 32)
}

fn bounded(n: usize) -> Fairness {
    Fairness::Bounded(u8::try_from(n).unwrap())
}

// ---- the bound ----

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

// ---- futures that nobody polls ----

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

// ---- waiters that were passed over ----

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

// ---- calls ----

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

// ---- semaphores ----

/// All of a semaphore's counts: available, held, in all, waiting.
fn counts(semaphore: &Semaphore) -> [usize; 4] {
    [
        semaphore.available_permits(),
        semaphore.in_use(),
        semaphore.max_permits(),
        semaphore.waiter_count(),
    ]
}

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

// ---- closing ----

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

// ---- condvars ----

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

// ---- real threads ----

/// Once it has been woken, the waiter comes only when more than `N` have passed. If it then finds
/// nothing, nobody takes the lock before it does but who has it already.
fn one_that_was_late_is_next_on_real_threads<L: Lock>() {
    const N: usize = 4;
    const COMEBACKS: usize = 20;
    const ATTEMPTS: usize = 5_000;
    let _watchdog = Watchdog::new("two threads that pass, and one that is late");
    let lock = L::with(bounded(N));
    let taken = AtomicUsize::new(0);
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !ends.load(SeqCst) {
                    if let Some(held) = lock.try_take() {
                        taken.fetch_add(1, SeqCst);
                        thread::yield_now();
                        drop(held);
                    }
                }
            });
        }
        let (mut comebacks, mut attempts) = (0, 0..ATTEMPTS);
        // It is late by chance, and on a machine that is busy with other things rarely.
        while comebacks < COMEBACKS && attempts.next().is_some() {
            let mut late = Polled::new(lock.take());
            if late.poll().is_ready() {
                continue;
            }
            let in_line = taken.load(SeqCst);
            let passed = || taken.load(SeqCst) - in_line;
            // One who came before it may be among those counted. It may also have been handed the
            // lock, which then nobody gets while it waits: so it waits for so long only.
            let is_late = || passed() > N + 1;
            until(|| late.wakes() > 0);
            let mut looks = 0..10_000;
            until(|| is_late() || looks.next().is_none());
            if !is_late() || late.poll().is_ready() {
                continue;
            }
            comebacks += 1;
            let back_in_line = taken.load(SeqCst);
            let wakes = late.wakes();
            until(|| late.wakes() > wakes);
            let held = late.ready();
            let passed_again = taken.load(SeqCst) - back_in_line;
            drop(held);
            assert!(passed_again <= 1, "{passed_again} have passed");
        }
        ends.store(true, SeqCst);
    });
}

fn everybody_is_served_in_every_world<L: Lock>() {
    const TASKS: usize = 6;
    const ROUNDS: usize = 40;
    for fairness in [
        Fairness::Fifo,
        Fairness::Bounded(1),
        Fairness::Bounded(4),
        Fairness::default(),
    ] {
        World::each(|world| {
            let lock = L::with(fairness);
            let inside = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..TASKS)
                .map(|n| {
                    let (lock, inside) = (lock.clone(), inside.clone());
                    world.spawn(move || async move {
                        for round in 0..ROUNDS {
                            if (n + round).is_multiple_of(3) {
                                let mut cancelled = lock.take().fuse();
                                let _ = poll!(&mut cancelled);
                                if round.is_multiple_of(2) {
                                    yield_now().await;
                                    let _ = poll!(&mut cancelled);
                                }
                            }
                            let held = lock.take().await;
                            assert_eq!(inside.fetch_add(1, SeqCst), 0);
                            yield_now().await;
                            inside.fetch_sub(1, SeqCst);
                            drop(held);
                        }
                    })
                })
                .collect();
            tasks.into_iter().for_each(Task::join);
            assert_eq!(lock.waiter_count(), 0);
            assert!(lock.try_take().is_some());
        });
    }
}

// ---- anything in any order ----

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        // The constants are Knuth's, of MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// A request that is polled by hand, and what was known when it was last polled.
struct Request<'a> {
    acquire: Polled<AcquireOrClosed<'a>>,
    /// How often its wakers had been woken.
    wakes: usize,
}

impl Request<'_> {
    fn is_woken(&self) -> bool {
        self.acquire.wakes() > self.wakes
    }
}

#[test]
fn whoever_is_polled_when_woken_is_served_or_turned_away_and_permits_are_conserved() {
    const PERMITS: usize = 3;
    for fairness in [
        Fairness::Fifo,
        Fairness::Bounded(1),
        Fairness::Bounded(2),
        Fairness::default(),
    ] {
        for seed in 0..400 {
            let mut random = Random(seed);
            let semaphore = Semaphore::with_fairness(PERMITS, fairness);
            // Half of the runs are with requests of one permit only.
            let sizes = if seed % 2 == 0 { 1 } else { PERMITS };
            let mut held: Vec<SemaphorePermit<'_>> = Vec::new();
            let mut requests: Vec<Request<'_>> = Vec::new();
            for _ in 0..200 {
                let any = random.below(requests.len().max(1));
                match random.below(8) {
                    0 => held.extend(semaphore.try_acquire_many(random.below(sizes) + 1)),
                    1 | 2 => {
                        let acquire = semaphore.acquire_many(random.below(sizes) + 1).or_closed();
                        requests.push(Request {
                            acquire: Polled::new(acquire),
                            wakes: 0,
                        });
                        let last = requests.len() - 1;
                        poll_request(&mut requests, &mut held, last);
                    }
                    3 | 4 if !held.is_empty() => {
                        drop(held.swap_remove(random.below(held.len())));
                    }
                    5 if !requests.is_empty() => {
                        if random.below(2) == 0 {
                            requests[any].acquire.change_waker();
                            requests[any].wakes = 0;
                        }
                        poll_request(&mut requests, &mut held, any);
                    }
                    6 if !requests.is_empty() => {
                        if let Some(woken) = requests.iter().position(Request::is_woken) {
                            poll_request(&mut requests, &mut held, woken);
                        }
                    }
                    7 if !requests.is_empty() && random.below(3) == 0 => {
                        drop(requests.swap_remove(any));
                    }
                    _ => {}
                }
                let of_held: usize = held.iter().map(|it| it.num_permits()).sum();
                assert!(of_held <= semaphore.in_use() && semaphore.in_use() <= PERMITS);
                // Nobody sleeps on a permit that there is for any of them.
                if sizes == 1 && semaphore.available_permits() > 0 && semaphore.waiter_count() > 0 {
                    assert!(requests.iter().any(Request::is_woken), "seed {seed}");
                }
            }
            // From here on who is woken is polled, and nobody else.
            if seed % 3 == 0 {
                semaphore.close();
            }
            held.clear();
            while let Some(woken) = requests.iter().position(Request::is_woken) {
                poll_request(&mut requests, &mut held, woken);
                held.clear();
            }
            assert_eq!(requests.len(), 0, "{fairness:?}, seed {seed}");
            assert_eq!(counts(&semaphore), [PERMITS, 0, PERMITS, 0]);
        }
    }
}

fn poll_request<'a>(
    requests: &mut Vec<Request<'a>>,
    held: &mut Vec<SemaphorePermit<'a>>,
    which: usize,
) {
    let request = &mut requests[which];
    request.wakes = request.acquire.wakes();
    if let Poll::Ready(result) = request.acquire.poll() {
        held.extend(result);
        drop(requests.swap_remove(which));
    }
}

#[test]
fn panic_of_anothers_waker_loses_no_permit_of_one_that_passes_in_line() {
    let semaphore = Semaphore::with_fairness(2, Fairness::Bounded(1));
    let held = semaphore.try_acquire_many(2).unwrap();
    let called = Polled::pending(semaphore.acquire_many(2));
    let mut panics = Polled::with(
        semaphore.acquire(),
        Hooks::on_wake(|| panic!("another's waker")),
    );
    panics.waits();
    let mut passes = Polled::pending(semaphore.acquire());
    drop(held);
    assert_eq!(called.wakes(), 1);
    // It takes one, as the last that may; so the called one is passed over, and the next one called.
    assert_eq!(panic_of(|| passes.poll().map(drop)), "another's waker");
    drop((called, panics, passes));
    assert_eq!((semaphore.in_use(), semaphore.available_permits()), (0, 2));
}

#[test]
fn newcomer_goes_on_with_less_than_a_passed_head_does_not_come_for() {
    let semaphore = Semaphore::with_fairness(2, Fairness::Bounded(1));
    let held = semaphore.try_acquire_many(2).unwrap();
    let large = Polled::pending(semaphore.acquire_many(2));
    drop(held);
    assert_eq!(large.wakes(), 1);
    let _passes = semaphore.try_acquire().unwrap();
    drop(Polled::new(semaphore.acquire()).ready());
}

/// Two waiters were passed over. The one that needs two has come back, and waits for the second; the other
/// needs one, and one is free.
#[test]
fn one_that_was_passed_over_takes_nothing_past_one_that_came_back() {
    let semaphore = Semaphore::with_fairness(2, Fairness::Bounded(1));
    let mut held: Vec<_> = (0..2).map(|_| semaphore.try_acquire().unwrap()).collect();
    let mut two = Polled::pending(semaphore.acquire_many(2));
    let mut one = Polled::pending(semaphore.acquire());
    held.clear();
    // A newcomer takes one past whoever has been called; the next release finds that it has not come.
    for left in [1, 0] {
        drop(semaphore.try_acquire().unwrap());
        assert_eq!(semaphore.waiter_count(), left);
    }
    held.extend((0..2).map(|_| semaphore.try_acquire().unwrap()));
    two.waits();
    held.pop();
    assert_eq!(semaphore.available_permits(), 1);
    one.waits();
    assert_eq!(
        semaphore.available_permits(),
        1,
        "it is for the one that came back"
    );
    held.pop();
    assert_eq!(two.ready().num_permits(), 2);
    drop(one.ready());
}
