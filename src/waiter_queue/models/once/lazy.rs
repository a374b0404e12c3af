//! Lazy cells: who runs the initializer, and who goes on with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::LazyCell;

type Lazy =
    LazyCell<Arc<Data>, Pin<Box<dyn Future<Output = Arc<Data>>>>, Box<dyn FnOnce() -> Steps>>;
type Steps = Pin<Box<dyn Future<Output = Arc<Data>>>>;

/// A lazy value whose initializer is ready when it is polled the `polls`th time. It counts polls in plain data, and
/// passes that on.
fn lazy(polls: usize) -> Arc<Lazy> {
    Arc::new(LazyCell::new(Box::new(move || {
        let mut counted = Some(Data::new());
        Box::pin(poll_fn(move |_| {
            let data = counted.as_ref().expect("it is not polled again");
            data.add(1);
            if data.read() < polls {
                return Poll::Pending;
            }
            Poll::Ready(counted.take().expect("as above"))
        })) as Steps
    })))
}

fn forced(lazy: &Arc<Lazy>) -> Polling<impl Future<Output = Arc<Data>> + use<>> {
    let lazy = lazy.clone();
    Polling::new(async move { lazy.force().await.clone() })
}

#[test]
fn lazy_cell_is_made_once_by_one_of_two() {
    explore(4, || {
        let lazy = lazy(1);
        let other = spawn({
            let lazy = lazy.clone();
            move || {
                let mut force = forced(&lazy);
                let first = force.poll();
                if let Poll::Ready(value) = &first {
                    assert_eq!(value.read(), 1);
                }
                (force, first)
            }
        });
        let mut force = forced(&lazy);
        let first = force.poll();
        let (mut theirs, their_first) = other.join().unwrap();
        assert_eq!(force.ends(first).read(), 1);
        assert_eq!(theirs.ends(their_first).read(), 1);
    });
}

#[test]
fn lazy_cell_goes_on_with_what_a_cancelled_task_has_begun() {
    for queued in [false, true] {
        explore(4, move || {
            let lazy = lazy(2);
            let mut gone = forced(&lazy);
            assert!(gone.poll().is_pending());
            let mut next = forced(&lazy);
            if queued {
                assert!(next.poll().is_pending());
            }
            let cancelling = spawn(move || drop(gone));
            let first = if queued { Poll::Pending } else { next.poll() };
            cancelling.join().unwrap();
            assert_eq!(next.ends(first).read(), 2);
        });
    }
}

#[test]
fn lazy_cell_that_is_polled_by_turns_is_polled_by_one_at_a_time() {
    explore(3, || {
        let lazy = lazy(2);
        let other = spawn({
            let lazy = lazy.clone();
            // Cancelled, wherever it is.
            move || drop(forced(&lazy).poll())
        });
        let mut force = forced(&lazy);
        let mut poll = force.poll();
        other.join().unwrap();
        // Its own first step, if it has made one, wakes nobody.
        if poll.is_pending() {
            poll = force.poll();
        }
        if poll.is_pending() {
            poll = force.poll();
        }
        assert!(matches!(poll, Poll::Ready(value) if value.read() == 2));
    });
}

/// Nothing else goes on: all threads of a model are one to whoever asks whether it unwinds. What the others see of
/// a queue that is closed is in `closing`.
#[test]
fn lazy_cell_whose_initializer_panics_keeps_nobody_waiting() {
    explore(3, || {
        let lazy: Arc<Lazy> = Arc::new(LazyCell::new(Box::new(|| {
            let mut polls = 0;
            Box::pin(poll_fn(move |_| {
                polls += 1;
                assert!(polls < 2, "as it is to be");
                Poll::Pending
            })) as Steps
        })));
        let mut panics = forced(&lazy);
        assert!(panics.poll().is_pending());
        let mut waits = forced(&lazy);
        assert!(waits.poll().is_pending());
        spawn(move || {
            assert!(catch_unwind(AssertUnwindSafe(|| panics.poll().is_ready())).is_err());
        })
        .join()
        .unwrap();
        assert_eq!(waits.probe.wakes(), 1, "the waiter is lost");
        let panic = catch_unwind(AssertUnwindSafe(|| waits.poll().is_ready())).unwrap_err();
        let message = panic.downcast_ref::<&str>().copied();
        assert!(message.is_some_and(|it| it.contains("has panicked")));
    });
}
