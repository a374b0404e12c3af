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

use std::task::Context;

use super::{
    batch::out_of_unwinding,
    doorbell::{Bell, Caller},
    tier::WakeTier,
};

/// Sleeps until the bell rings. Fails if there are letters already.
pub(super) fn sleep(bell: &Bell, cx: &Context<'_>) -> bool {
    bell.set_listener(cx.waker());
    bell.arm(WakeTier::Generic)
}

/// Rings a bell that was armed.
pub(super) fn ring(caller: Caller) {
    out_of_unwinding(move || caller.wake());
}
