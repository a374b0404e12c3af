//! Cases of cells that are set once: tokio's, async-lock's, std's and once_cell's.

use std::{
    cell::UnsafeCell,
    future::{Future, pending},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
    thread,
    time::Duration,
};

use compio::runtime::Runtime;
use compio_sync::{LazyCell, LazyFuture, OnceCell, SetOnce};
use futures_util::{FutureExt, future::join, poll};

use crate::common::{Polled, Watchdog, panic_of, yield_now};

/// An initializer that takes longer than anybody waits for it begins anew each time. A lazy cell's goes on.
#[test]
fn initializer_that_outlasts_its_callers_begins_anew_unless_the_cell_is_lazy() {
    Runtime::new().unwrap().block_on(async {
        let begun = Arc::new(AtomicUsize::new(0));
        let slow = {
            let begun = begun.clone();
            move || {
                let begun = begun.clone();
                async move {
                    begun.fetch_add(1, SeqCst);
                    for _ in 0..5 {
                        yield_now().await;
                    }
                    7
                }
            }
        };
        let cell = OnceCell::new();
        for _ in 0..10 {
            // Cancelled after its first poll.
            let mut init = Box::pin(cell.get_or_init(&slow));
            assert!(poll!(&mut init).is_pending());
        }
        assert_eq!((begun.swap(0, SeqCst), cell.initialized()), (10, false));
        let lazy = LazyCell::new(|| Box::pin(slow()));
        for _ in 0..5 {
            assert!(poll!(&mut lazy.force()).is_pending());
        }
        assert_eq!(lazy.force().now_or_never(), Some(&7));
        assert_eq!(begun.load(SeqCst), 1);
    });
}

/// Initializers that fail are ordered as critical sections are: each sees what those before it have done.
#[test]
fn initializers_that_fail_may_share_plain_data() {
    const THREADS: usize = 4;
    const TRIES: usize = 500;
    struct Shared {
        count: UnsafeCell<usize>,
        cell: OnceCell<()>,
    }
    // SAFETY: the count is for whoever initializes the cell.
    unsafe impl Sync for Shared {}
    let _watchdog = Watchdog::new("initializers that fail");
    let shared = Shared {
        count: UnsafeCell::new(0),
        cell: OnceCell::new(),
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            let shared = &shared;
            scope.spawn(move || {
                for _ in 0..TRIES {
                    let result = shared.cell.blocking_get_or_try_init(|| {
                        // SAFETY: one initializer runs at a time.
                        let count = unsafe { &mut *shared.count.get() };
                        *count += 1;
                        if *count == THREADS * TRIES {
                            Ok(())
                        } else {
                            Err(())
                        }
                    });
                    if result.is_ok() {
                        // SAFETY: the last initializer has ended.
                        assert_eq!(unsafe { *shared.count.get() }, THREADS * TRIES);
                    }
                }
            });
        }
    });
    assert!(shared.cell.initialized());
}

/// A set that comes between two waits ends both: nobody has to be waiting when it happens.
#[test]
fn set_is_seen_by_those_who_waited_and_by_those_who_come() {
    let cell = SetOnce::new();
    let mut before = Polled::pending(cell.wait());
    let mut not_polled = Polled::new(cell.wait());
    cell.set(1).unwrap();
    let mut after = Polled::new(cell.wait());
    assert_eq!(
        (before.ready(), not_polled.ready(), after.ready()),
        (&1, &1, &1)
    );
}

/// Two waits, one after the other in one task, see the same set.
#[test]
fn second_wait_of_a_task_does_not_wait_for_a_second_set() {
    Runtime::new().unwrap().block_on(async {
        let cell = SetOnce::new();
        let waits = async { (*cell.wait().await, *cell.wait().await) };
        let set = async { cell.set(3).unwrap() };
        assert_eq!(join(waits, set).await.0, (3, 3));
    });
}

/// The futures of a cell in a static go to other threads.
#[test]
fn futures_of_a_static_cell_are_send() {
    static CELL: OnceCell<String> = OnceCell::new();
    static SET: SetOnce<String> = SetOnce::new();
    static LAZY: LazyCell<String> = LazyCell::new(|| Box::pin(async { String::new() }));
    fn is_send<F: Future + Send + 'static>(future: F) -> F {
        future
    }
    let init = is_send(async { CELL.get_or_init(async || String::new()).await });
    let try_init = is_send(async {
        let made = CELL.get_or_try_init(async || Ok::<_, ()>(String::new()));
        made.await.is_ok()
    });
    let wait = is_send(async { CELL.wait().await });
    let wait_for_set = is_send(async { SET.wait().await });
    let force = is_send(async { LAZY.force().await });
    drop((init, try_init, wait, wait_for_set, force));
}

/// Recursion is a deadlock of that one future, which may be dropped, and no panic or worse.
#[test]
fn recursive_initializer_waits_for_itself_until_it_is_dropped() {
    let cell = OnceCell::new();
    let mut outer = Polled::pending(cell.get_or_init(async || {
        let inner = cell.get_or_init(async || 1);
        *inner.await + 1
    }));
    outer.waits();
    assert_eq!(cell.waiter_count(), 1);
    drop(outer);
    assert_eq!(cell.waiter_count(), 0);
    assert_eq!(cell.get_or_init(async || 3).now_or_never(), Some(&3));
}

/// The same of a lazy cell, whose initializer stays.
#[test]
fn recursive_lazy_initializer_waits_for_itself() {
    static LAZY: LazyCell<u32> = LazyCell::new(|| Box::pin(async { *LAZY.force().await + 1 }));
    let mut force = Polled::pending(LAZY.force());
    force.waits();
    drop(force);
    assert_eq!(LAZY.get(), None);
    assert!(
        LAZY.force()
            .timeout(Duration::from_millis(2))
            .blocking()
            .is_err()
    );
}

/// A panic is the caller's own, and an initializer may be tried again; a lazy one is not.
#[test]
fn panic_poisons_a_lazy_cell_only() {
    let calls = AtomicUsize::new(0);
    let cell = OnceCell::new();
    for _ in 0..3 {
        let init = cell.get_or_init(async || -> u32 { panic!("{}", calls.fetch_add(1, SeqCst)) });
        panic_of(|| init.now_or_never());
    }
    assert_eq!(calls.load(SeqCst), 3);
    assert_eq!(cell.get_or_init(async || 1).now_or_never(), Some(&1));
    let lazy: LazyCell<u32> = LazyCell::new(|| panic!("once"));
    assert_eq!(panic_of(|| lazy.force().now_or_never()), "once");
    assert_ne!(panic_of(|| lazy.force().now_or_never()), "once");
}

/// A waker whose destructor uses the cell: nothing of the cell's is locked then.
#[test]
fn waker_that_is_dropped_may_wait_for_the_cell() {
    struct Waits(Arc<OnceCell<u32>>);
    impl Wake for Waits {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Waits {
        fn drop(&mut self) {
            assert!(self.0.wait().now_or_never().is_some() || self.0.set(2).is_ok());
        }
    }
    let cell = Arc::new(OnceCell::new());
    for _ in 0..2 {
        let waker = Waker::from(Arc::new(Waits(cell.clone())));
        let mut wait = Box::pin(cell.wait());
        let _ = wait.as_mut().poll(&mut Context::from_waker(&waker));
        drop(waker);
        drop(wait);
    }
    assert_eq!(cell.get(), Some(&2));
}

/// Who initializes in one runtime may be cancelled by its end; another runtime goes on.
#[test]
fn runtime_that_ends_while_it_initializes_hands_on() {
    let _watchdog = Watchdog::new("a runtime that ends");
    let cell = Arc::new(OnceCell::new());
    let lazy: Arc<LazyCell<u32, LazyFuture<u32>, _>> = Arc::new(LazyCell::new(|| {
        Box::pin(async {
            yield_now().await;
            9_u32
        }) as LazyFuture<u32>
    }));
    let first = {
        let (cell, lazy) = (cell.clone(), lazy.clone());
        thread::spawn(move || {
            let runtime = Runtime::new().unwrap();
            runtime.block_on(async {
                let begun = Arc::new(AtomicUsize::new(0));
                let (init, by_init, by_force) = (cell.clone(), begun.clone(), begun.clone());
                compio::runtime::spawn(async move {
                    let pends = || {
                        by_init.fetch_add(1, SeqCst);
                        pending::<u32>()
                    };
                    init.get_or_init(pends).await;
                })
                .detach();
                let force = lazy.clone();
                compio::runtime::spawn(async move {
                    let mut force = force.force();
                    assert!(poll!(&mut force).is_pending());
                    by_force.fetch_add(1, SeqCst);
                    pending::<()>().await;
                })
                .detach();
                while begun.load(SeqCst) < 2 {
                    yield_now().await;
                }
                assert!(cell.set(1).unwrap_err().is_initializing_err());
            });
        })
    };
    first.join().unwrap();
    Runtime::new().unwrap().block_on(async {
        assert_eq!(cell.get_or_init(async || 5).await, &5);
        assert_eq!(lazy.force().await, &9);
    });
}
