//! Waiting on a plain thread.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Instant,
};

use crate::waiter_queue::compio::is_inside_runtime;

/// Parks the calling thread until `future` completes. `method` is who asks.
#[track_caller]
pub(crate) fn block_on<F: Future>(method: &str, future: F) -> F::Output {
    refuse_in_runtime(method);
    let mut future = pin!(future);
    park(None, |cx, _| future.as_mut().poll(cx))
}

/// Parks the calling thread until `poll` completes, which is told whether `deadline` has passed.
#[track_caller]
pub(crate) fn block_on_until<R>(
    method: &str,
    deadline: Option<Instant>,
    poll: impl FnMut(&mut Context<'_>, bool) -> Poll<R>,
) -> R {
    refuse_in_runtime(method);
    park(deadline, poll)
}

#[track_caller]
fn refuse_in_runtime(method: &str) {
    if is_inside_runtime() {
        panic!(
            "`{method}` was called inside a compio runtime, where it would stop every task of this \
             thread; await instead of blocking, or call it from `spawn_blocking`"
        );
    }
}

fn park<R>(
    deadline: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>, bool) -> Poll<R>,
) -> R {
    let parker = Arc::new(Parker {
        thread: thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(parker.clone());
    let mut cx = Context::from_waker(&waker);
    let left = || deadline.map(|it| it.saturating_duration_since(Instant::now()));
    loop {
        let is_over = left().is_some_and(|it| it.is_zero());
        if let Poll::Ready(output) = poll(&mut cx, is_over) {
            return output;
        }
        // ORDERING: Acquire pairs with the release in `wake_by_ref`.
        while !parker.woken.swap(false, Acquire) {
            match left() {
                Some(left) if !is_over => {
                    if left.is_zero() {
                        break;
                    }
                    thread::park_timeout(left);
                }
                // What is waited for beyond the deadline has none.
                _ => thread::park(),
            }
        }
    }
}

struct Parker {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Release pairs with the acquire in `park`.
        if !self.woken.swap(true, Release) {
            self.thread.unpark();
        }
    }
}
