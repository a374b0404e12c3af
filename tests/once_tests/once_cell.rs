//! A value that whoever needs it first initializes.

use std::{
    cell::Cell,
    future::{Future, pending, poll_fn, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    thread,
    time::Duration,
};

use compio_sync::{Elapsed, OnceCell, SetError};
use futures_core::FusedFuture;
use futures_util::FutureExt;

use super::{
    Steps,
    common::{Hooks, Polled, Task, Watchdog, World, panic_of, until, yield_now},
    counted,
};

#[test]
fn first_initializer_is_the_only_one() {
    let cell = OnceCell::new();
    assert_eq!((cell.get(), cell.initialized()), (None, false));
    let value = cell.get_or_init(async || 1).now_or_never().unwrap();
    assert!(std::ptr::eq(value, cell.get().unwrap()));
    let again = cell.get_or_init(async || -> i32 { panic!("not called") });
    assert_eq!(again.now_or_never(), Some(&1));
    let again = cell.get_or_try_init(async || -> Result<i32, ()> { panic!("not called") });
    assert_eq!(again.now_or_never(), Some(Ok(&1)));
    assert_eq!(cell.set(2), Err(SetError::AlreadyInitializedError(2)));
}

#[test]
fn initializer_is_not_called_before_it_is_its_turn() {
    let cell = OnceCell::new();
    let steps = Steps::default();
    let mut first = Polled::new(cell.get_or_init(|| steps.init(1)));
    assert_eq!(
        steps.begun.get(),
        0,
        "nothing is done before the first poll"
    );
    first.waits();
    let mut second = Polled::pending(cell.get_or_init(|| steps.init(2)));
    let mut third = Polled::pending(cell.get_or_init(|| steps.init(3)));
    assert_eq!((steps.begun.get(), cell.waiter_count()), (1, 2));
    steps.is_through.set(true);
    assert_eq!(first.ready(), &1);
    assert_eq!((second.wakes(), third.wakes()), (1, 1));
    assert_eq!((second.ready(), third.ready()), (&1, &1));
    assert_eq!((steps.begun.get(), cell.waiter_count()), (1, 0));
}

#[test]
fn initializer_that_fails_is_cancelled_or_panics_hands_on_to_the_next_in_order() {
    let fails = |cell: &OnceCell<u32>, how: usize| -> Result<(), String> {
        let steps = Steps::default();
        let mut first = Polled::pending(cell.get_or_try_init(async || {
            steps.init(()).await;
            if how == 2 {
                panic!("it panics");
            }
            Err("it fails")
        }));
        let mut second = Polled::pending(cell.get_or_init(async || 2));
        let mut third = Polled::pending(cell.get_or_init(async || 3));
        steps.is_through.set(true);
        match how {
            0 => assert_eq!(first.ready(), Err("it fails")),
            1 => drop(first),
            _ => assert_eq!(panic_of(|| first.poll().is_ready()), "it panics"),
        }
        assert_eq!((second.wakes(), third.wakes()), (1, 0));
        assert_eq!(cell.set(4), Err(SetError::InitializingError(4)));
        assert_eq!(second.ready(), &2);
        assert_eq!(third.wakes(), 1);
        assert_eq!(third.ready(), &2);
        Ok(())
    };
    for how in 0..3 {
        fails(&OnceCell::new(), how).unwrap();
    }
}

#[test]
fn function_that_panics_hands_on_too() {
    let cell = OnceCell::new();
    let mut first = Polled::new(cell.get_or_init(|| -> std::future::Ready<u32> { panic!("no") }));
    let mut second = Polled::new(cell.get_or_init(|| ready(2)));
    assert_eq!(panic_of(|| first.poll().is_ready()), "no");
    assert_eq!(second.ready(), &2);
    let message = panic_of(|| first.poll().is_ready());
    assert!(message.contains("after it had completed"), "{message}");
}

#[test]
fn initializer_ends_before_the_next_begins() {
    let cell = OnceCell::new();
    let order = Cell::new(Vec::new());
    let note = |what| {
        let mut all = order.take();
        all.push(what);
        order.set(all);
    };
    struct Note<F: Fn()>(F);
    impl<F: Fn()> Drop for Note<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    let mut first = Polled::new(cell.get_or_init(async || {
        let _note = Note(|| note("the first is dropped"));
        pending::<u32>().await
    }));
    first.waits();
    let hooks = Hooks::default();
    let mut second = Polled::with(
        cell.get_or_init(async || {
            note("the second begins");
            2
        }),
        hooks,
    );
    second.waits();
    drop(first);
    second.ready();
    assert_eq!(order.take(), ["the first is dropped", "the second begins"]);
}

#[test]
fn right_that_was_handed_over_passes_on_when_it_is_dropped() {
    let cell = OnceCell::new();
    let first = Polled::pending(cell.get_or_init(pending));
    let second = Polled::pending(cell.get_or_init(async || 2));
    let mut third = Polled::pending(cell.get_or_init(async || 3));
    drop(first);
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    drop(second);
    assert_eq!((third.wakes(), third.ready()), (1, &3));
}

#[test]
fn cancelled_wait_leaves_nothing() {
    let cell = OnceCell::new();
    let steps = Steps::default();
    let mut first = Polled::pending(cell.get_or_init(|| steps.init(1)));
    let gone = Polled::pending(cell.get_or_init(async || 2));
    let hooks = gone.hooks().clone();
    drop(gone);
    assert_eq!((cell.waiter_count(), hooks.wakers()), (0, 0));
    assert_eq!(cell.set(4), Err(SetError::InitializingError(4)));
    steps.is_through.set(true);
    assert_eq!(first.ready(), &1);
    drop(cell.get_or_init(async || 3));
}

#[test]
fn only_those_who_initialize_hear_of_a_failure() {
    let cell = OnceCell::new();
    let mut wait = Polled::pending(cell.wait());
    assert_eq!(cell.waiter_count(), 1);
    let failed = cell.get_or_try_init(async || Err(()));
    assert_eq!(failed.now_or_never(), Some(Err(())));
    assert_eq!(wait.wakes(), 0);
    assert_eq!(cell.set(1), Ok(()), "who waits only is not in the way");
    assert_eq!((wait.wakes(), wait.ready()), (1, &1));
    assert_eq!(cell.wait().now_or_never(), Some(&1));
}

#[test]
fn wait_may_be_cancelled_before_and_after_it_is_let_go() {
    let cell = OnceCell::new();
    drop(Polled::pending(cell.wait()));
    assert_eq!(cell.waiter_count(), 0);
    let let_go = Polled::pending(cell.wait());
    cell.get_or_init(async || 1).now_or_never().unwrap();
    assert_eq!(let_go.wakes(), 1);
    drop(let_go);
}

#[test]
fn set_says_why_it_fails() {
    let cell = OnceCell::new();
    let init = Polled::pending(cell.get_or_init(pending));
    let error = cell.set(1).unwrap_err();
    assert!(error.is_initializing_err() && !error.is_already_init_err());
    assert_eq!(error.to_string(), "the cell is being initialized");
    assert_eq!(error.into_inner(), 1);
    drop(init);
    cell.set(2).unwrap();
    let error = cell.set(3).unwrap_err();
    assert!(error.is_already_init_err() && !error.is_initializing_err());
    assert_eq!(error.to_string(), "the cell has a value already");
}

#[test]
fn value_is_taken_out_and_the_cell_initialized_again() {
    let (value, drops) = counted();
    let mut cell = OnceCell::from_value(value);
    let taken = cell.take();
    assert_eq!((cell.initialized(), drops.load(SeqCst)), (false, 0));
    drop(taken);
    assert_eq!(drops.load(SeqCst), 1);
    let (value, drops) = counted();
    assert!(cell.get_or_init(|| ready(value)).now_or_never().is_some());
    assert!(cell.get_mut().is_some());
    drop(cell);
    assert_eq!(drops.load(SeqCst), 1);
    assert_eq!(OnceCell::<u32>::new_with(None).into_inner(), None);
}

#[test]
fn cell_that_had_a_value_from_the_beginning_is_not_set_again() {
    static PORT: OnceCell<u16> = OnceCell::from_value(80);
    assert_eq!(PORT.set(81), Err(SetError::AlreadyInitializedError(81)));
    assert_eq!(PORT.get_or_init(async || 81).now_or_never(), Some(&80));
    assert_eq!(PORT.wait().now_or_never(), Some(&80));
}

#[test]
fn cell_is_cloned_compared_and_shown() {
    let (one, none) = (OnceCell::from(1), OnceCell::<i32>::default());
    assert_eq!(one, one.clone());
    assert_ne!(one, none);
    assert_eq!(OnceCell::new_with(Some(1)), one);
    assert_eq!(
        format!("{one:?} {none:?}"),
        "OnceCell { value: Some(1) } OnceCell { value: None }"
    );
}

// ---- time, and threads ----

#[test]
fn time_that_is_up_ends_the_initializer_and_the_next_begins() {
    let _watchdog = Watchdog::new("time that is up");
    let cell = OnceCell::new();
    let (value, drops) = counted();
    let init = cell.get_or_init(|| {
        Box::pin(async move {
            let _value = value;
            pending().await
        })
    });
    assert_eq!(
        init.timeout(Duration::from_millis(2)).blocking(),
        Err(Elapsed)
    );
    assert_eq!(drops.load(SeqCst), 1);
    // No time at all is enough for what is ready.
    let init = cell.get_or_init(|| ready(1));
    assert_eq!(init.timeout(Duration::ZERO).blocking(), Ok(&1));
    let init = cell.get_or_try_init(|| ready(Err(())));
    assert_eq!(init.timeout(Duration::ZERO).blocking(), Ok(Ok(&1)));
}

#[test]
fn time_that_is_up_while_another_initializes_takes_nothing() {
    let cell = OnceCell::<u32>::new();
    let init = Polled::pending(cell.get_or_init(pending));
    let calls = Cell::new(0);
    let waits = cell.get_or_init(|| {
        calls.set(calls.get() + 1);
        ready(1)
    });
    assert_eq!(
        waits.timeout(Duration::from_millis(2)).blocking(),
        Err(Elapsed)
    );
    assert_eq!((calls.get(), cell.waiter_count()), (0, 0));
    drop(init);
    assert_eq!(
        cell.get_or_init(|| ready(2))
            .timeout(Duration::MAX)
            .blocking(),
        Ok(&2)
    );
}

#[test]
fn plain_threads_initialize_and_wait() {
    let _watchdog = Watchdog::new("plain threads");
    let cell = OnceCell::new();
    let calls = AtomicUsize::new(0);
    let init = Polled::pending(cell.get_or_init(pending));
    thread::scope(|scope| {
        let wait = scope.spawn(|| *cell.blocking_wait());
        let threads = [0, 1, 2].map(|_| {
            scope.spawn(|| {
                *cell.blocking_get_or_init(|| {
                    calls.fetch_add(1, SeqCst);
                    7
                })
            })
        });
        until(|| cell.waiter_count() == 4);
        drop(init);
        assert_eq!(threads.map(|it| it.join().unwrap()), [7; 3]);
        assert_eq!(wait.join().unwrap(), 7);
    });
    assert_eq!(calls.load(SeqCst), 1);
    assert_eq!(cell.get_or_init(async || 8).blocking(), &7);
    assert_eq!(cell.blocking_get_or_try_init(|| Err(())), Ok(&7));
    assert_eq!(
        OnceCell::<u32>::new().blocking_get_or_try_init(|| Err("no")),
        Err("no")
    );
}

#[test]
fn runtime_is_not_blocked() {
    let run = |f: &dyn Fn()| {
        panic_of(|| {
            compio::runtime::Runtime::new()
                .unwrap()
                .block_on(async { f() })
        })
    };
    let cell = OnceCell::<u32>::new();
    assert!(run(&|| _ = cell.blocking_wait()).contains("`blocking_wait`"));
    assert!(run(&|| _ = cell.blocking_get_or_init(|| 1)).contains("`blocking_get_or_init`"));
    let message = run(&|| _ = cell.blocking_get_or_try_init(|| Err(())));
    assert!(message.contains("`blocking_get_or_try_init`"));
    assert!(!cell.initialized());
}

#[test]
fn value_is_initialized_once_in_any_world() {
    World::each(|world| {
        for _ in 0..10 {
            let (cell, calls) = (Arc::new(OnceCell::new()), Arc::new(AtomicUsize::new(0)));
            let tasks: Vec<_> = (0..6)
                .map(|_| {
                    let (cell, calls) = (cell.clone(), calls.clone());
                    world.spawn(move || async move {
                        let value = cell
                            .get_or_init(async || {
                                yield_now().await;
                                calls.fetch_add(1, SeqCst) + 7
                            })
                            .await;
                        assert_eq!(*value, 7);
                    })
                })
                .collect();
            tasks.into_iter().for_each(Task::join);
            assert_eq!(calls.load(SeqCst), 1);
        }
    });
}

#[test]
fn initializers_that_fail_or_are_cancelled_hand_on_in_any_world() {
    World::each(|world| {
        let cell = Arc::new(OnceCell::new());
        let tries = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..12)
            .map(|n| {
                let (cell, tries) = (cell.clone(), tries.clone());
                world.spawn(move || async move {
                    let mut init = pin!(cell.get_or_try_init(async || {
                        tries.fetch_add(1, SeqCst);
                        yield_now().await;
                        if n < 11 { Err(()) } else { Ok(n) }
                    }));
                    if n % 3 == 0 {
                        // Two polls, and then cancelled.
                        let mut polls = 0;
                        poll_fn(|cx| {
                            polls += 1;
                            if init.as_mut().poll(cx).is_ready() || polls == 2 {
                                return Poll::Ready(());
                            }
                            cx.waker().wake_by_ref();
                            Poll::Pending
                        })
                        .await;
                    } else {
                        _ = init.await;
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(Task::join);
        assert_eq!(cell.get(), Some(&11));
        assert_eq!(cell.waiter_count(), 0);
        assert!(tries.load(SeqCst) <= 12);
    });
}

// ---- other people's code ----

#[test]
fn waker_may_use_the_cell_when_it_is_woken_cloned_and_dropped() {
    for hook in [Hooks::on_wake, Hooks::on_clone, Hooks::on_drop] as [fn(Box<_>) -> Hooks; 3] {
        let cell = Arc::new(OnceCell::new());
        let inside = cell.clone();
        let use_it = move || {
            _ = inside.set(2);
            _ = inside.get_or_init(async || 3).now_or_never();
            _ = inside.wait().now_or_never();
        };
        let first = Polled::pending(cell.get_or_init(pending));
        let mut second = Polled::with(cell.get_or_init(async || 1), hook(Box::new(use_it)));
        _ = second.poll();
        drop(first);
        second.ready();
        assert_eq!(cell.waiter_count(), 0);
    }
}

#[test]
fn panicking_waker_keeps_nobody_from_being_woken() {
    let cell = OnceCell::new();
    let steps = Steps::default();
    let mut first = Polled::pending(cell.get_or_init(|| steps.init(1)));
    let bad = || Hooks::on_wake(|| panic!("a waker panics"));
    let mut panics = Polled::with(cell.get_or_init(async || 2), bad());
    let mut panics_too = Polled::with(cell.wait(), bad());
    panics.waits();
    panics_too.waits();
    let mut queued = Polled::pending(cell.get_or_init(async || 3));
    let mut waits = Polled::pending(cell.wait());
    steps.is_through.set(true);
    assert!(catch_unwind(AssertUnwindSafe(|| first.poll().is_ready())).is_err());
    assert_eq!(queued.wakes(), 1);
    // A thread that unwinds has the others woken by another.
    until(|| waits.wakes() == 1);
    assert_eq!((queued.ready(), waits.ready()), (&1, &1));
    assert_eq!((panics.ready(), panics_too.ready()), (&1, &1));
}

#[test]
fn future_that_panics_when_it_is_dropped_hands_on() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("it panics when dropped");
        }
    }
    let cell = OnceCell::new();
    let first = Polled::pending(cell.get_or_init(async || {
        let _panics = Panics;
        pending().await
    }));
    let mut second = Polled::pending(cell.get_or_init(async || 2));
    assert_eq!(panic_of(|| drop(first)), "it panics when dropped");
    // A thread that unwinds has others woken by another.
    until(|| second.wakes() == 1);
    assert_eq!(second.ready(), &2);
}

#[test]
fn initialization_that_has_ended_is_terminated_and_not_polled_again() {
    let cell = OnceCell::new();
    let mut init = cell.get_or_init(|| ready(1));
    assert!(!init.is_terminated());
    assert_eq!((&mut init).now_or_never(), Some(&1));
    assert!(init.is_terminated());
    let message = panic_of(|| (&mut init).now_or_never());
    assert!(message.contains("after it had completed"), "{message}");
    let mut fails = OnceCell::<u32>::new();
    let mut init = fails.get_or_try_init(|| ready(Err(())));
    assert_eq!((&mut init).now_or_never(), Some(Err(())));
    assert!(init.is_terminated());
    drop(init);
    assert_eq!(fails.take(), None);
}
