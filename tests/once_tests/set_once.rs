//! A value that is set once.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use compio_sync::{Elapsed, SetOnce, SetOnceError};
use futures_core::FusedFuture;
use futures_util::FutureExt;

use super::{
    common::{Hooks, Polled, Task, Watchdog, World, panic_of, until, yield_now},
    counted,
};

#[test]
fn value_that_is_set_is_seen_by_all_and_stays() {
    let cell = SetOnce::new();
    assert_eq!((cell.get(), cell.initialized()), (None, false));
    assert_eq!(cell.set(vec![1]), Ok(()));
    assert_eq!(cell.set(vec![2]), Err(SetOnceError(vec![2])));
    assert_eq!((cell.get(), cell.initialized()), (Some(&vec![1]), true));
    assert_eq!(cell.wait().now_or_never(), Some(&vec![1]));
    assert_eq!(cell.into_inner(), Some(vec![1]));
    assert_eq!(SetOnce::<u32>::new().into_inner(), None);
}

#[test]
fn all_who_wait_are_woken_once_and_in_order() {
    let cell = SetOnce::new();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut waits: Vec<_> = (0..40)
        .map(|n| {
            let order = order.clone();
            let hooks = Hooks::on_wake(move || order.lock().unwrap().push(n));
            let mut wait = Polled::with(cell.wait(), hooks);
            wait.waits();
            wait
        })
        .collect();
    assert_eq!(cell.waiter_count(), 40);
    cell.set(7).unwrap();
    assert!(cell.set(8).is_err());
    assert_eq!(cell.waiter_count(), 0);
    assert_eq!(*order.lock().unwrap(), Vec::from_iter(0..40));
    for wait in &mut waits {
        assert_eq!((wait.wakes(), wait.ready()), (1, &7));
    }
}

#[test]
fn wait_that_is_cancelled_leaves_nothing() {
    let cell = SetOnce::new();
    drop(cell.wait());
    let (gone, mut stays) = (Polled::pending(cell.wait()), Polled::pending(cell.wait()));
    let hooks = gone.hooks().clone();
    drop(gone);
    assert_eq!((cell.waiter_count(), hooks.wakers()), (1, 0));
    cell.set(1).unwrap();
    assert_eq!((hooks.wakes(), stays.ready()), (0, &1));
    // After it was let go, and before it was polled.
    let cell = SetOnce::new();
    let gone = Polled::pending(cell.wait());
    cell.set(1).unwrap();
    drop(gone);
    assert_eq!(cell.wait().now_or_never(), Some(&1));
}

#[test]
fn timed_wait_yields_what_is_there_when_the_time_is_up() {
    let cell = SetOnce::new();
    for timeout in [Duration::ZERO, Duration::from_millis(2)] {
        assert_eq!(cell.wait().timeout(timeout).blocking(), Err(Elapsed));
    }
    assert_eq!(cell.waiter_count(), 0);
    thread::scope(|scope| {
        let wait = scope.spawn(|| cell.wait().timeout(Duration::MAX).blocking());
        until(|| cell.waiter_count() == 1);
        cell.set(1).unwrap();
        assert_eq!(wait.join().unwrap(), Ok(&1));
    });
    assert_eq!(cell.wait().timeout(Duration::ZERO).blocking(), Ok(&1));
}

#[test]
fn one_of_many_sets_at_once_succeeds_and_the_others_see_its_value() {
    const THREADS: usize = 4;
    let rounds = if cfg!(debug_assertions) {
        2_000
    } else {
        20_000
    };
    let cells: Vec<_> = (0..rounds).map(|_| SetOnce::new()).collect();
    let drops = Arc::new(AtomicUsize::new(0));
    let barrier = Barrier::new(THREADS);
    let won: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut won = 0;
                    for cell in &cells {
                        barrier.wait();
                        let value = Box::new(super::Dropped(drops.clone()));
                        let address = &raw const *value;
                        match cell.set(value) {
                            Ok(()) => won += 1,
                            Err(SetOnceError(value)) => assert_eq!(&raw const *value, address),
                        }
                        let there = &raw const **cell.get().expect("there is a value");
                        assert_eq!(&raw const **cell.wait().now_or_never().unwrap(), there);
                    }
                    won
                })
            })
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!((won, drops.load(SeqCst)), (rounds, (THREADS - 1) * rounds));
    drop(cells);
    assert_eq!(drops.load(SeqCst), THREADS * rounds);
}

#[test]
fn value_goes_from_any_world_to_any() {
    World::each(|world| {
        for _ in 0..10 {
            let cell = Arc::new(SetOnce::new());
            let mut tasks: Vec<_> = (0..4)
                .map(|_| {
                    let cell = cell.clone();
                    world.spawn(move || async move { assert_eq!(cell.wait().await, &[7]) })
                })
                .collect();
            for _ in 0..2 {
                let cell = cell.clone();
                tasks.push(world.spawn(move || async move {
                    yield_now().await;
                    _ = cell.set([7]);
                }));
            }
            tasks.into_iter().for_each(Task::join);
        }
    });
}

#[test]
fn plain_thread_waits_and_a_runtime_is_not_blocked() {
    let _watchdog = Watchdog::new("a plain thread");
    let cell = SetOnce::new();
    thread::scope(|scope| {
        let threads = [0, 1].map(|_| scope.spawn(|| *cell.blocking_wait()));
        until(|| cell.waiter_count() == 2);
        cell.set(3).unwrap();
        assert_eq!(threads.map(|it| it.join().unwrap()), [3, 3]);
    });
    let message = panic_of(|| {
        compio::runtime::Runtime::new()
            .unwrap()
            .block_on(async { *cell.blocking_wait() })
    });
    assert!(message.contains("`blocking_wait`"), "{message}");
}

#[test]
fn waker_may_use_the_cell_when_it_is_woken_cloned_and_dropped() {
    for hook in [Hooks::on_wake, Hooks::on_clone, Hooks::on_drop] as [fn(Box<_>) -> Hooks; 3] {
        let cell = Arc::new(SetOnce::new());
        let inside = cell.clone();
        let use_it = move || {
            _ = inside.set(2);
            assert!(inside.initialized());
            _ = inside.wait().now_or_never();
        };
        let mut wait = Polled::with(cell.wait(), hook(Box::new(use_it)));
        _ = wait.poll();
        _ = cell.set(1);
        drop(wait);
        assert!(cell.initialized());
        assert_eq!(cell.waiter_count(), 0);
    }
}

#[test]
fn panicking_waker_keeps_nobody_from_being_woken() {
    let cell = SetOnce::new();
    let mut first = Polled::with(cell.wait(), Hooks::on_wake(|| panic!("a waker panics")));
    first.waits();
    let mut second = Polled::pending(cell.wait());
    assert!(catch_unwind(AssertUnwindSafe(|| cell.set(1))).is_err());
    assert_eq!(second.wakes(), 1);
    assert_eq!((first.ready(), second.ready()), (&1, &1));
    assert!(cell.set(2).is_err());
}

#[test]
fn value_is_dropped_once() {
    let (value, drops) = counted();
    drop(SetOnce::from(value));
    assert_eq!(drops.load(SeqCst), 1);
    let (value, drops) = counted();
    let cell = SetOnce::new();
    cell.set(value).unwrap();
    let (other, other_drops) = counted();
    drop(cell.set(other));
    assert_eq!((drops.load(SeqCst), other_drops.load(SeqCst)), (0, 1));
    let value = cell.into_inner();
    assert_eq!(drops.load(SeqCst), 0);
    drop(value);
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn values_of_no_size_and_of_much_are_set() {
    static NOTHING: SetOnce<()> = SetOnce::new();
    NOTHING.set(()).unwrap();
    assert_eq!(NOTHING.get(), Some(&()));
    let much = SetOnce::new();
    much.set([7_u8; 65_536]).unwrap();
    assert!(much.get() == Some(&[7; 65_536]));
}

#[test]
fn cell_is_cloned_compared_and_shown() {
    let (one, none) = (SetOnce::from(1), SetOnce::<i32>::default());
    assert_eq!(one, one.clone());
    assert_ne!(one, none);
    assert_eq!(none, none.clone());
    assert_eq!(SetOnce::new_with(Some(1)), one);
    assert_eq!(
        format!("{one:?} {none:?}"),
        "SetOnce { value: Some(1) } SetOnce { value: None }"
    );
    assert_eq!(SetOnceError(1).to_string(), "the cell has a value already");
    let mut changed = one;
    *changed.get_mut().unwrap() += 1;
    assert_eq!(changed.get(), Some(&2));
}

#[test]
fn wait_that_has_ended_is_terminated_and_not_polled_again() {
    let cell = SetOnce::from(1);
    let mut wait = cell.wait();
    assert!(!wait.is_terminated());
    assert_eq!((&mut wait).now_or_never(), Some(&1));
    assert!(wait.is_terminated());
    let message = panic_of(|| (&mut wait).now_or_never());
    assert!(message.contains("after it had completed"), "{message}");
}
