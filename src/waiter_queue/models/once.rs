//! Cells that are set once: setters, initializers and waits that meet.

use std::{future::poll_fn, pin::Pin};

use super::*;
use crate::{OnceCell, SetOnce, SetOnceError};

mod lazy;

/// A future that is polled by hand.
struct Polling<F> {
    future: Pin<Box<F>>,
    probe: Probe,
}

impl<F: Future> Polling<F> {
    fn new(future: F) -> Self {
        Self {
            future: Box::pin(future),
            probe: Probe::new(),
        }
    }

    fn poll(&mut self) -> Poll<F::Output> {
        let waker = self.probe.waker();
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// What it yields when all is quiet, after `first`, its first poll.
    #[track_caller]
    fn ends(&mut self, first: Poll<F::Output>) -> F::Output {
        match first {
            Poll::Ready(output) => output,
            Poll::Pending => {
                assert_eq!(self.probe.wakes(), 1, "the waiter is lost");
                match self.poll() {
                    Poll::Ready(output) => output,
                    Poll::Pending => panic!("woken for nothing"),
                }
            }
        }
    }
}

/// Something that a thread has made, and that is its own.
fn made(n: usize) -> Arc<Data> {
    let data = Data::new();
    data.add(n);
    data
}

#[track_caller]
fn is_dropped(kept: Arc<Data>) {
    assert!(Arc::try_unwrap(kept).is_ok(), "the value is left");
}

// ---- SetOnce ----

/// Sets `n`, and sees to it that there is a value then. Says whether it was this one.
#[track_caller]
fn set(cell: &SetOnce<Arc<Data>>, n: usize) -> bool {
    let result = cell.set(made(n));
    let there = cell.get().expect("it was set").read();
    match result {
        Ok(()) => {
            assert_eq!(there, n);
            true
        }
        Err(SetOnceError(mine)) => {
            assert_ne!(there, n);
            assert_eq!(mine.read(), n);
            is_dropped(mine);
            false
        }
    }
}

#[test]
fn set_once_one_of_two_sets_succeeds_and_the_other_sees_its_value() {
    explore(4, || {
        let cell = Arc::new(SetOnce::new());
        let other = spawn({
            let cell = cell.clone();
            move || set(&cell, 1)
        });
        let won = set(&cell, 2);
        assert_ne!(other.join().unwrap(), won);
        let kept = cell.get().unwrap().clone();
        drop(cell);
        is_dropped(kept);
    });
}

#[test]
fn set_once_set_that_fails_sees_what_was_done_before_the_other() {
    explore(4, || {
        let it = Arc::new((SetOnce::new(), [Data::new(), Data::new()]));
        let set = |it: Arc<(SetOnce<usize>, [Arc<Data>; 2])>, n: usize| {
            let (cell, done) = &*it;
            done[n].add(1);
            if cell.set(n).is_err() {
                // Without a look at the value.
                assert_eq!(done[1 - n].read(), 1);
            }
        };
        let other = spawn({
            let it = it.clone();
            move || set(it, 1)
        });
        set(it, 0);
        other.join().unwrap();
    });
}

#[test]
fn set_once_one_of_three_sets_succeeds() {
    explore(3, || {
        let cell = Arc::new(SetOnce::new());
        let others = [1, 2].map(|n| {
            let cell = cell.clone();
            spawn(move || set(&cell, n))
        });
        let won = usize::from(set(&cell, 3));
        let others = others.map(|it| usize::from(it.join().unwrap()));
        assert_eq!(won + others[0] + others[1], 1);
        let kept = cell.get().unwrap().clone();
        drop(cell);
        is_dropped(kept);
    });
}

#[test]
fn set_once_wait_ends_with_what_was_done_before_the_set() {
    for sets in [1, 2] {
        explore(if sets == 1 { 3 } else { 2 }, move || {
            let cell = Arc::new(SetOnce::new());
            let setting: Vec<_> = (0..sets)
                .map(|_| {
                    let cell = cell.clone();
                    spawn(move || _ = cell.set(made(7)))
                })
                .collect();
            let mut wait = Polling::new(cell.wait());
            let first = wait.poll();
            if let Poll::Ready(value) = &first {
                assert_eq!(value.read(), 7);
            }
            setting.into_iter().for_each(|it| it.join().unwrap());
            assert_eq!(wait.ends(first).read(), 7);
        });
    }
}

#[test]
fn set_once_wait_that_is_cancelled_leaves_the_other() {
    explore(3, || {
        let cell = Arc::new(SetOnce::new());
        let mut gone = Polling::new(cell.wait());
        let mut stays = Polling::new(cell.wait());
        assert!(gone.poll().is_pending());
        assert!(stays.poll().is_pending());
        let setting = spawn({
            let cell = cell.clone();
            move || assert!(cell.set(made(7)).is_ok())
        });
        drop(gone);
        setting.join().unwrap();
        assert_eq!(stays.ends(Poll::Pending).read(), 7);
        assert_eq!(cell.waiter_count(), 0);
    });
}

#[test]
fn set_once_value_is_seen_as_it_was_set() {
    explore(4, || {
        let cell = Arc::new(SetOnce::new());
        let setting = spawn({
            let cell = cell.clone();
            move || assert!(cell.set(made(7)).is_ok())
        });
        if let Some(data) = cell.get() {
            assert_eq!(data.read(), 7);
        }
        setting.join().unwrap();
        assert_eq!(cell.get().unwrap().read(), 7);
    });
}

// ---- OnceCell ----

/// What initializers do one at a time, and a cell.
struct Initialized {
    cell: OnceCell<Arc<Data>>,
    /// How often it was tried. Plain data, which two initializers must not access at once.
    tries: Arc<Data>,
}

impl Initialized {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            cell: OnceCell::new(),
            tries: Data::new(),
        })
    }

    fn try_it(&self) -> Arc<Data> {
        self.tries.add(1);
        made(7)
    }

    /// One that succeeds at once.
    fn init(&self) -> impl Future<Output = &Arc<Data>> {
        self.cell.get_or_init(async || self.try_it())
    }

    /// One that fails at once.
    fn fail(&self) -> impl Future<Output = Result<&Arc<Data>, ()>> {
        self.cell.get_or_try_init(async || {
            self.tries.add(1);
            Err(())
        })
    }
}

#[test]
fn once_cell_is_initialized_by_one_of_two() {
    explore(4, || {
        let it = Initialized::new();
        let initializing = |it: &Arc<Initialized>| {
            let it = it.clone();
            let mut init = Polling::new(async move { it.init().await.read() });
            let first = init.poll();
            (init, first)
        };
        let other = spawn({
            let it = it.clone();
            move || initializing(&it)
        });
        let (mut init, first) = initializing(&it);
        let (mut other, other_first) = other.join().unwrap();
        assert_eq!((init.ends(first), other.ends(other_first)), (7, 7));
        assert_eq!(it.tries.read(), 1);
    });
}

#[test]
fn once_cell_initializer_that_fails_hands_on_with_what_it_has_done() {
    explore(3, || {
        let it = Initialized::new();
        let failing = spawn({
            let it = it.clone();
            move || {
                let mut fail = Polling::new(it.fail());
                match fail.poll() {
                    Poll::Ready(Err(())) => {}
                    Poll::Ready(Ok(value)) => assert_eq!(value.read(), 7),
                    // Cancelled.
                    Poll::Pending => drop(fail),
                }
            }
        });
        let mut init = Polling::new(it.init());
        let first = init.poll();
        failing.join().unwrap();
        assert_eq!(init.ends(first).read(), 7);
        assert!(matches!(it.tries.read(), 1 | 2));
    });
}

#[test]
fn once_cell_two_that_fail_are_tried_one_at_a_time() {
    explore(3, || {
        let it = Initialized::new();
        let other = spawn({
            let it = it.clone();
            move || {
                let mut fail = Polling::new(async move { it.fail().await.is_err() });
                let first = fail.poll();
                (fail, first)
            }
        });
        // Stays when it has failed.
        let mut fail = Polling::new(it.fail());
        let first = fail.poll();
        let (mut other, other_first) = other.join().unwrap();
        assert!(fail.ends(first).is_err());
        assert!(other.ends(other_first));
        assert_eq!(it.tries.read(), 2);
        assert!(it.cell.set(made(1)).is_ok(), "the right is free");
    });
}

#[test]
fn once_cell_initializer_that_is_cancelled_hands_on() {
    explore(4, || {
        let it = Initialized::new();
        let running = it.clone();
        let mut gone = Polling::new(async move {
            running
                .cell
                .get_or_init(async || {
                    running.tries.add(1);
                    std::future::pending().await
                })
                .await;
        });
        assert!(gone.poll().is_pending());
        let cancelling = spawn(move || drop(gone));
        let mut init = Polling::new(it.init());
        let first = init.poll();
        cancelling.join().unwrap();
        assert_eq!(init.ends(first).read(), 7);
        assert_eq!(it.tries.read(), 2);
    });
}

#[test]
fn once_cell_right_that_was_handed_over_passes_on() {
    explore(3, || {
        let it = Initialized::new();
        let mut running = Polling::new(it.cell.get_or_init(std::future::pending));
        assert!(running.poll().is_pending());
        let cancelled = it.clone();
        let mut gone = Polling::new(async move {
            cancelled.init().await;
        });
        let mut stays = Polling::new(it.init());
        assert!(gone.poll().is_pending());
        assert!(stays.poll().is_pending());
        let cancelling = spawn(move || drop(gone));
        drop(running);
        cancelling.join().unwrap();
        assert_eq!(stays.ends(Poll::Pending).read(), 7);
        assert_eq!(it.tries.read(), 1);
    });
}

#[test]
fn once_cell_wait_that_is_cancelled_leaves_the_right_where_it_is() {
    explore(3, || {
        let it = Initialized::new();
        let mut running = Polling::new(it.cell.get_or_init(std::future::pending));
        assert!(running.poll().is_pending());
        let cancelled = it.clone();
        let mut gone = Polling::new(async move {
            cancelled.init().await;
        });
        assert!(gone.poll().is_pending());
        let cancelling = spawn(move || drop(gone));
        let set = |it: &Initialized| it.cell.set(made(5)).unwrap_err().is_initializing_err();
        assert!(set(&it));
        cancelling.join().unwrap();
        assert!(set(&it));
    });
}

#[test]
fn once_cell_is_set_or_initialized() {
    explore(4, || {
        let it = Initialized::new();
        let setting = spawn({
            let it = it.clone();
            move || match it.cell.set(made(5)) {
                Ok(()) => true,
                Err(error) => {
                    if error.is_already_init_err() {
                        assert_eq!(it.cell.get().unwrap().read(), 7);
                    }
                    is_dropped(error.into_inner());
                    false
                }
            }
        });
        let mut init = Polling::new(it.init());
        let first = init.poll();
        let was_set = setting.join().unwrap();
        let value = init.ends(first).read();
        let tries = it.tries.read();
        assert_eq!((value, tries), if was_set { (5, 0) } else { (7, 1) });
    });
}

#[test]
fn once_cell_is_set_by_one_of_two() {
    explore(4, || {
        let cell = Arc::new(OnceCell::new());
        let setting = |n| {
            let cell = cell.clone();
            move || cell.set(made(n)).is_ok()
        };
        let other = spawn(setting(1));
        let won = setting(2)();
        assert_ne!(other.join().unwrap(), won);
        assert_eq!(cell.get().unwrap().read(), if won { 2 } else { 1 });
    });
}

#[test]
fn once_cell_wait_ends_when_another_has_initialized() {
    explore(3, || {
        let it = Initialized::new();
        let initializing = spawn({
            let it = it.clone();
            move || assert!(Polling::new(it.init()).poll().is_ready())
        });
        let mut wait = Polling::new(it.cell.wait());
        let first = wait.poll();
        if let Poll::Ready(value) = &first {
            assert_eq!(value.read(), 7);
        }
        initializing.join().unwrap();
        assert_eq!(wait.ends(first).read(), 7);
    });
}

#[test]
fn once_cell_all_who_wait_see_the_value() {
    explore(3, || {
        let it = Initialized::new();
        let running = it.clone();
        let mut is_let_go = false;
        let mut first = Polling::new(async move {
            running
                .cell
                .get_or_init(async || {
                    poll_fn(|_| match std::mem::replace(&mut is_let_go, true) {
                        false => Poll::Pending,
                        true => Poll::Ready(()),
                    })
                    .await;
                    running.try_it()
                })
                .await;
        });
        assert!(first.poll().is_pending());
        let mut queued = Polling::new(it.init());
        assert!(queued.poll().is_pending());
        let initializing = spawn(move || assert!(first.poll().is_ready()));
        let mut late = Polling::new(it.init());
        let poll = late.poll();
        initializing.join().unwrap();
        assert_eq!(queued.ends(Poll::Pending).read(), 7);
        assert_eq!(late.ends(poll).read(), 7);
        assert_eq!(it.tries.read(), 1);
    });
}
