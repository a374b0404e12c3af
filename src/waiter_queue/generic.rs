//! [`WakeTier::Generic`]: rings through the listener's own waker.
//!
//! compio's wakers work across threads under every driver: the task's number goes into the
//! executor's queue for other threads, and the driver is interrupted (an eventfd, a completion, a
//! kqueue or epoll event), which costs a system call only if it sleeps. One ring is one number,
//! however many waiters it announces, so the queue's fixed size does not matter here.

use std::task::Context;

use super::{doorbell::Bell, tier::WakeTier};

/// Sleeps until the bell rings. Fails if there are letters already.
pub(super) fn sleep(bell: &Bell, cx: &Context<'_>) -> bool {
    bell.listener.register(cx.waker());
    bell.arm(WakeTier::Generic)
}

/// Rings a bell that was armed.
pub(super) fn ring(bell: &Bell) {
    bell.listener.wake();
}
