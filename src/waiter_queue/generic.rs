//! [`WakeTier::Generic`]: signals through the listener's own waker.
//!
//! compio's wakers work across threads under every driver: the task's number goes into the
//! executor's queue for other threads, and the driver is interrupted (an eventfd, a completion, a
//! kqueue or epoll event), which costs a system call only if it sleeps.
//!
//! One signal is one number, however many wakes it announces. In compio 0.19 that queue has a fixed
//! size (64, `RuntimeBuilder::sync_queue_size`), and a waker that finds it full yields until the
//! runtime has looked at it. Signals take one place at a time. Only if other wakes fill the queue can a
//! signal come to wait for the runtime.

use std::task::Context;

use super::{
    tier::WakeTier,
    wake::{Doorbell, Signal, outside_unwinding},
};

/// Sleeps until signalled. Fails if there are wakes already.
pub(super) fn sleep(doorbell: &Doorbell, cx: &Context<'_>) -> bool {
    doorbell.set_listener(cx.waker());
    doorbell.arm(WakeTier::Generic)
}

/// Signals a listener that sleeps.
pub(super) fn signal(signal: Signal) {
    outside_unwinding(move || signal.wake_listener());
}
