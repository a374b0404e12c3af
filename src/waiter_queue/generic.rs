//! [`WakeTier::Generic`]: rings through the listener's own waker.
//!
//! compio's wakers work across threads under every driver: the task's number goes into the
//! executor's queue for other threads, and the driver is interrupted (an eventfd, a completion, a
//! kqueue or epoll event), which costs a system call only if it sleeps.
//!
//! One ring is one number, however many waiters it announces. In compio 0.19 that queue has a
//! fixed size (64, `RuntimeBuilder::sync_queue_size`), and a waker that finds it full yields until
//! the runtime has looked at it. Wakes by this crate take one place at a time; only if other
//! things fill the queue can a ring come to wait for the runtime.

use std::{
    sync::atomic::Ordering::{Relaxed, Release},
    task::Context,
};

use super::{batch::out_of_unwinding, doorbell::Bell, tier::WakeTier};

/// Sleeps until the bell rings. Fails if there are letters already.
pub(super) fn sleep(bell: &Bell, cx: &Context<'_>) -> bool {
    bell.listener.register(cx.waker());
    bell.arm(WakeTier::Generic)
}

/// Rings a bell that was armed.
pub(super) fn ring(bell: &'static Bell) {
    // ORDERING: Relaxed. Taking the waker publishes it to `Bell::close`, which then finds none.
    bell.callers.fetch_add(1, Relaxed);
    let listener = bell.listener.take();
    out_of_unwinding(move || {
        let _leave = Leave(bell);
        if let Some(listener) = listener {
            listener.wake();
        }
    });
}

/// The end of a call of the listener's waker, be it a panic.
struct Leave(&'static Bell);

impl Drop for Leave {
    fn drop(&mut self) {
        // ORDERING: Release pairs with `Bell::wait_for_callers`.
        self.0.callers.fetch_sub(1, Release);
    }
}
