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
};

use compio_runtime::Runtime;

/// Parks the calling thread until `future` completes. `method` is who asks.
pub(crate) fn block_on<F: Future>(method: &str, future: F) -> F::Output {
    if Runtime::try_with_current(|_| ()).is_ok() {
        panic!(
            "`{method}` was called inside a compio runtime, where it would stop every task of this \
             thread; await the method without `blocking_`, or call it from `spawn_blocking`"
        );
    }
    let mut future = pin!(future);
    let parker = Arc::new(Parker {
        thread: thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(parker.clone());
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        // ORDERING: Acquire pairs with the release in `wake_by_ref`.
        while !parker.woken.swap(false, Acquire) {
            thread::park();
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
        // ORDERING: Release pairs with the acquire in `block_on`.
        if !self.woken.swap(true, Release) {
            self.thread.unpark();
        }
    }
}
