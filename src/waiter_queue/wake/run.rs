//! Calling wakers, which are other people's code: they may panic.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use super::{
    doorbell::{Home, this_thread},
    node::Wake,
};

/// A panic of a waker.
pub(super) type Panic = Box<dyn Any + Send>;

/// Wakes one waiter by its own waker.
pub(crate) fn wake(wake: Wake<Home>) -> Result<(), Panic> {
    let home = wake.home();
    if home.is_some_and(Home::is_gone) {
        return discard(wake);
    }
    let is_here = !thread::panicking() || home.is_some_and(|home| home.is_at(this_thread()));
    let waker = wake.into_waker();
    catch_unwind(AssertUnwindSafe(|| {
        if is_here {
            waker.wake()
        } else {
            outside_unwinding(|| waker.wake())
        }
    }))
}

/// Drops the waker of a waiter whose runtime has ended, or is about to: it has closed its mailbox.
///
/// The task will not be polled any more, and whoever polls the future elsewhere sets another waker.
/// compio 0.19 must not have its tasks woken then: not by the runtime's own thread, which drops them
/// one by one, nor by several others at a time, of which it waits for one.
pub(super) fn discard(wake: Wake<Home>) -> Result<(), Panic> {
    let waker = wake.into_waker();
    catch_unwind(AssertUnwindSafe(|| drop(waker)))
}

/// Calls `f`, but not on a thread that is unwinding.
///
/// compio 0.19 takes any unwinding for its own failure while it schedules a task from another thread,
/// and ends the process. So a thread that panics has remote waiters woken by a new thread. If there
/// can be no thread, they are woken here after all.
pub(crate) fn outside_unwinding(f: impl FnOnce() + Send + 'static) {
    if !thread::panicking() {
        return f();
    }
    let call = Arc::new(Mutex::new(Some(f)));
    let theirs = call.clone();
    let spawned = thread::Builder::new().spawn(move || run(&theirs));
    if spawned.is_err() {
        run(&call);
    }

    fn run(call: &Mutex<Option<impl FnOnce()>>) {
        let f = call.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(f) = f {
            f();
        }
    }
}
