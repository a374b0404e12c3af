//! [`OnceCell`], [`LazyCell`], [`SetOnce`]: who sets the value, who waits for it, who is let go.

#[path = "../common/mod.rs"]
mod common;

mod lazy_cell;
mod once_cell;
mod set_once;

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

/// Counts how often it was dropped.
#[derive(Debug)]
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn counted() -> (Dropped, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    (Dropped(count.clone()), count)
}

/// Lets an initializer go on, by hand.
#[derive(Default)]
struct Steps {
    /// How often it has begun.
    begun: Cell<usize>,
    /// How often it was polled.
    polls: Cell<usize>,
    is_through: Cell<bool>,
}

impl Steps {
    /// An initializer that is ready when it is let through.
    fn init<T>(&self, value: T) -> impl Future<Output = T> {
        self.begun.set(self.begun.get() + 1);
        let mut value = Some(value);
        poll_fn(move |_| {
            self.polls.set(self.polls.get() + 1);
            if self.is_through.get() {
                Poll::Ready(value.take().expect("polled once"))
            } else {
                Poll::Pending
            }
        })
    }
}
