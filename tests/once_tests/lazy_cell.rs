//! A value that is made when it is first needed.

use std::{
    cell::Cell,
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    thread,
    time::Duration,
};

use compio_sync::{Elapsed, LazyCell, LazyFuture};
use futures_core::FusedFuture;
use futures_util::FutureExt;

use super::{
    Dropped, Steps,
    common::{Hooks, Polled, Task, Watchdog, World, panic_of, until, yield_now},
    counted,
};

#[test]
fn value_is_made_once_when_it_is_needed() {
    let steps = Steps::default();
    steps.is_through.set(true);
    let lazy = LazyCell::new(|| Box::pin(steps.init(7)));
    drop(lazy.force());
    assert_eq!((steps.begun.get(), lazy.get()), (0, None));
    assert_eq!(lazy.force().now_or_never(), Some(&7));
    assert_eq!(lazy.force().now_or_never(), Some(&7));
    assert_eq!((steps.begun.get(), steps.polls.get()), (1, 1));
    assert_eq!(lazy.into_inner(), Some(7));
}

#[test]
fn reference_to_the_cell_is_awaited() {
    static LAZY: LazyCell<u32> = LazyCell::new(|| Box::pin(async { 7 }));
    compio::runtime::Runtime::new().unwrap().block_on(async {
        assert_eq!((&LAZY).await, &7);
    });
}

#[test]
fn cancelled_force_leaves_the_initializer_to_the_next() {
    let steps = Steps::default();
    let lazy = LazyCell::new(|| Box::pin(steps.init(7)));
    let first = Polled::pending(lazy.force());
    let mut second = Polled::pending(lazy.force());
    let mut third = Polled::pending(lazy.force());
    assert_eq!((steps.polls.get(), lazy.waiter_count()), (1, 2));
    drop(first);
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    second.waits();
    assert_eq!((steps.begun.get(), steps.polls.get()), (1, 2));
    steps.is_through.set(true);
    assert_eq!(second.ready(), &7);
    assert_eq!((third.wakes(), third.ready()), (1, &7));
    assert_eq!((steps.begun.get(), steps.polls.get()), (1, 3));
}

#[test]
fn initializer_that_nobody_waits_for_goes_on_with_the_next_force() {
    let steps = Steps::default();
    let lazy = LazyCell::new(|| Box::pin(steps.init(7)));
    for _ in 0..3 {
        drop(Polled::pending(lazy.force()));
    }
    // One that was handed the right, and is dropped before it is polled.
    let (first, second) = (Polled::pending(lazy.force()), Polled::pending(lazy.force()));
    drop(first);
    drop(second);
    steps.is_through.set(true);
    assert_eq!(lazy.force().now_or_never(), Some(&7));
    assert_eq!((steps.begun.get(), steps.polls.get()), (1, 5));
}

#[test]
fn waker_of_the_last_poll_is_the_one_that_is_woken() {
    let wakers = Cell::new(Vec::new());
    let lazy = LazyCell::new(|| {
        Box::pin(poll_fn(|cx| {
            let mut all = wakers.take();
            all.push(cx.waker().clone());
            wakers.set(all);
            Poll::<u32>::Pending
        }))
    });
    let first = Polled::pending(lazy.force());
    let mut second = Polled::pending(lazy.force());
    drop(first);
    second.waits();
    wakers.take().pop().unwrap().wake();
    assert_eq!(
        second.wakes(),
        2,
        "once for the right, once by the initializer"
    );
}

#[test]
fn pinned_cell_needs_no_box() {
    let steps = Steps::default();
    let lazy = pin!(LazyCell::new(async || steps.init(7).await));
    drop(Polled::pending(lazy.as_ref().force_pin()));
    steps.is_through.set(true);
    assert_eq!(lazy.as_ref().force_pin().now_or_never(), Some(&7));
    assert_eq!((lazy.get(), steps.begun.get()), (Some(&7), 1));
}

// ---- panics ----

#[test]
fn initializer_that_panics_poisons_the_cell() {
    let calls = Cell::new(0);
    let lazy: LazyCell<u32, _, _> = LazyCell::new(|| {
        calls.set(calls.get() + 1);
        Box::pin(async {
            let mut polls = 0;
            poll_fn(|_| {
                polls += 1;
                assert!(polls < 2, "it panics");
                Poll::<u32>::Pending
            })
            .await
        })
    });
    let mut first = Polled::pending(lazy.force());
    let mut second = Polled::pending(lazy.force());
    assert_eq!(panic_of(|| first.poll().is_ready()), "it panics");
    assert_eq!(second.wakes(), 1);
    for message in [
        panic_of(|| second.poll().is_ready()),
        panic_of(|| lazy.force().now_or_never()),
        panic_of(|| lazy.blocking_force()),
        panic_of(|| lazy.force().timeout(Duration::ZERO).blocking()),
    ] {
        assert!(message.contains("has panicked"), "{message}");
    }
    assert_eq!((lazy.get(), calls.get()), (None, 1));
    assert_eq!(format!("{lazy:?}"), "LazyCell(<uninit>)");
}

#[test]
fn function_that_panics_poisons_the_cell() {
    let lazy: LazyCell<u32> = LazyCell::new(|| panic!("it panics"));
    assert_eq!(panic_of(|| lazy.force().now_or_never()), "it panics");
    assert!(panic_of(|| lazy.force().now_or_never()).contains("has panicked"));
    assert_eq!(lazy.into_inner(), None);
}

#[test]
fn panicking_waker_keeps_nobody_from_being_woken() {
    let steps = Steps::default();
    let lazy = LazyCell::new(|| Box::pin(steps.init(7)));
    let mut first = Polled::pending(lazy.force());
    let mut panics = Polled::with(lazy.force(), Hooks::on_wake(|| panic!("a waker panics")));
    panics.waits();
    let mut second = Polled::pending(lazy.force());
    steps.is_through.set(true);
    assert!(catch_unwind(AssertUnwindSafe(|| first.poll().is_ready())).is_err());
    assert_eq!(
        (second.wakes(), second.ready(), panics.ready()),
        (1, &7, &7)
    );
}

// ---- dropping ----

#[test]
fn what_is_in_the_cell_is_dropped_once() {
    type Boxed = Pin<Box<dyn Future<Output = Dropped>>>;
    let cell = |value: Dropped| {
        LazyCell::<_, Boxed, _>::new(move || {
            Box::pin(async move {
                yield_now().await;
                value
            })
        })
    };
    for stage in 0..3 {
        let (value, drops) = counted();
        let lazy = cell(value);
        if stage > 0 {
            drop(Polled::pending(lazy.force()));
        }
        if stage > 1 {
            assert!(lazy.force().now_or_never().is_some());
        }
        assert_eq!(drops.load(SeqCst), 0);
        drop(lazy);
        assert_eq!(drops.load(SeqCst), 1, "stage {stage}");
    }
}

#[test]
fn future_is_dropped_when_it_has_yielded_the_value() {
    let (captured, drops) = counted();
    let lazy: LazyCell<u32, _, _> = LazyCell::new(|| {
        Box::pin(async move {
            let _captured = captured;
            7
        })
    });
    assert_eq!(lazy.force().now_or_never(), Some(&7));
    assert_eq!(drops.load(SeqCst), 1);
}

// ---- time, threads, worlds ----

#[test]
fn time_that_is_up_leaves_the_initializer_where_it_is() {
    let _watchdog = Watchdog::new("time that is up");
    let steps = Steps::default();
    let lazy = LazyCell::new(|| Box::pin(steps.init(7)));
    for timeout in [Duration::ZERO, Duration::from_millis(2)] {
        assert_eq!(lazy.force().timeout(timeout).blocking(), Err(Elapsed));
    }
    steps.is_through.set(true);
    assert_eq!(lazy.force().timeout(Duration::MAX).blocking(), Ok(&7));
    assert_eq!(steps.begun.get(), 1);
    assert_eq!(lazy.force().timeout(Duration::ZERO).blocking(), Ok(&7));
}

#[test]
fn plain_threads_force() {
    let _watchdog = Watchdog::new("plain threads");
    static NEVER: LazyCell<u32> = LazyCell::new(|| Box::pin(pending()));
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let lazy: Arc<LazyCell<u32, LazyFuture<u32>, _>> = Arc::new(LazyCell::new(move || {
        Box::pin(async move {
            counted.fetch_add(1, SeqCst);
            yield_now().await;
            7_u32
        }) as LazyFuture<u32>
    }));
    let threads = [0, 1, 2].map(|_| {
        let lazy = lazy.clone();
        thread::spawn(move || *lazy.blocking_force())
    });
    assert_eq!(threads.map(|it| it.join().unwrap()), [7; 3]);
    assert_eq!(calls.load(SeqCst), 1);
    let begun = Polled::pending(NEVER.force());
    thread::scope(|scope| {
        let waits = scope.spawn(|| NEVER.force().timeout(Duration::from_millis(5)).blocking());
        assert_eq!(waits.join().unwrap(), Err(Elapsed));
    });
    drop(begun);
    until(|| NEVER.waiter_count() == 0);
    let run = || {
        compio::runtime::Runtime::new()
            .unwrap()
            .block_on(async { *NEVER.blocking_force() })
    };
    assert!(panic_of(run).contains("`blocking_force`"));
}

#[test]
fn value_is_made_once_in_any_world_though_tasks_are_cancelled() {
    World::each(|world| {
        for _ in 0..5 {
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = calls.clone();
            let lazy: Arc<LazyCell<usize, LazyFuture<usize>, _>> =
                Arc::new(LazyCell::new(move || {
                    Box::pin(async move {
                        let call = counted.fetch_add(1, SeqCst);
                        for _ in 0..5 {
                            yield_now().await;
                        }
                        call + 7
                    }) as LazyFuture<usize>
                }));
            let tasks: Vec<_> = (0..9)
                .map(|n| {
                    let lazy = lazy.clone();
                    world.spawn(move || async move {
                        let mut force = lazy.force();
                        if n % 2 == 0 {
                            return assert_eq!(force.await, &7);
                        }
                        // Two polls, and then cancelled.
                        let mut polls = 0;
                        poll_fn(|cx| {
                            polls += 1;
                            if force.poll_unpin(cx).is_ready() || polls == 2 {
                                return Poll::Ready(());
                            }
                            cx.waker().wake_by_ref();
                            Poll::Pending
                        })
                        .await;
                    })
                })
                .collect();
            tasks.into_iter().for_each(Task::join);
            assert_eq!((calls.load(SeqCst), lazy.waiter_count()), (1, 0));
        }
    });
}

#[test]
fn force_that_has_ended_is_terminated_and_not_polled_again() {
    let lazy: LazyCell<u32> = LazyCell::new(|| Box::pin(async { 7 }));
    let mut force = lazy.force();
    assert!(!force.is_terminated());
    assert_eq!((&mut force).now_or_never(), Some(&7));
    assert!(force.is_terminated());
    let message = panic_of(|| (&mut force).now_or_never());
    assert!(message.contains("after it had completed"), "{message}");
    assert_eq!(format!("{lazy:?}"), "LazyCell(7)");
}
