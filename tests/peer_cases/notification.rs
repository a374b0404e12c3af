//! tokio's cases for `Notify`, as far as [`WaiterQueue`] and [`Event`] make the same promise.
//!
//! `Notify` keeps one notification for whoever comes next. `WaiterQueue` keeps none: what is to be
//! kept is the condition's business, as [`Kept`] has it here. `Event` keeps being set.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use compio_sync::{Event, WaiterQueue};

use crate::common::{Hooks, Polled};

/// Keeps one notification, as a user of the queue would make it.
#[derive(Default)]
struct Kept {
    is_there: AtomicBool,
    queue: WaiterQueue,
}

impl Kept {
    fn notify_one(&self) {
        self.is_there.store(true, SeqCst);
        self.queue.wake_one();
    }

    async fn notified(&self) {
        while !self.is_there.swap(false, SeqCst) {
            self.queue
                .add_waiter_if(|| self.is_there.load(SeqCst))
                .await;
        }
    }
}

#[test]
fn notification_before_the_wait_is_kept_once() {
    let kept = Kept::default();
    kept.notify_one();
    kept.notify_one();
    Polled::new(kept.notified()).ready();
    let mut second = Polled::pending(kept.notified());
    kept.notify_one();
    assert_eq!(second.wakes(), 1);
    second.ready();
}

#[test]
fn one_notification_ends_one_wait_and_the_first() {
    let queue = WaiterQueue::new();
    let mut first = Polled::pending(queue.add_waiter_if(|| false));
    let mut second = Polled::pending(queue.add_waiter_if(|| false));
    queue.wake_one();
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    first.ready();
    second.waits();
    queue.wake_one();
    second.ready();
}

#[test]
fn notification_to_a_wait_that_is_dropped_reaches_the_next() {
    let queue = WaiterQueue::new();
    let first = Polled::pending(queue.add_waiter_if(|| false));
    let mut second = Polled::pending(queue.add_waiter_if(|| false));
    queue.wake_one();
    drop(first);
    assert_eq!(second.wakes(), 1);
    second.ready();
}

#[test]
fn notifications_of_all_reach_all_who_wait_whoever_is_dropped() {
    for dropped in 0..3 {
        let queue = WaiterQueue::new();
        let mut waits: Vec<_> = (0..3)
            .map(|_| Polled::pending(queue.add_waiter_if(|| false)))
            .collect();
        queue.wake_all();
        let mut late = Polled::pending(queue.add_waiter_if(|| false));
        drop(waits.remove(dropped));
        for wait in &mut waits {
            assert_eq!(wait.wakes(), 1);
            wait.ready();
        }
        assert_eq!(late.wakes(), 0);
        queue.wake_one();
        late.ready();
    }
}

#[test]
fn two_notifications_reach_two_though_one_of_them_is_dropped() {
    for dropped in 0..2 {
        let queue = WaiterQueue::new();
        let mut waits: Vec<_> = (0..3)
            .map(|_| Polled::pending(queue.add_waiter_if(|| false)))
            .collect();
        queue.wake_one();
        queue.wake_one();
        drop(waits.remove(dropped));
        assert_eq!((waits[0].wakes(), waits[1].wakes()), (1, 1));
        waits.iter_mut().for_each(Polled::ready);
    }
}

#[test]
fn wait_that_was_never_polled_receives_nothing() {
    let queue = WaiterQueue::new();
    let unpolled = queue.add_waiter_if(|| false);
    let mut second = Polled::pending(queue.add_waiter_if(|| false));
    queue.wake_one();
    assert_eq!(second.wakes(), 1);
    drop(unpolled);
    second.ready();
    let mut third = Polled::pending(queue.add_waiter_if(|| false));
    queue.wake_one();
    third.ready();
}

#[test]
fn notification_with_everybody_gone_is_lost() {
    let queue = WaiterQueue::new();
    let wait = Polled::pending(queue.add_waiter_if(|| false));
    queue.wake_one();
    drop(wait);
    Polled::pending(queue.add_waiter_if(|| false));
}

#[test]
fn wake_may_notify_the_next_from_the_drop_of_a_woken_wait() {
    let queue = Arc::new(WaiterQueue::new());
    let notify = queue.clone();
    let hooks = Hooks::on_wake(move || notify.wake_one());
    let mut first = Polled::with(queue.add_waiter_if(|| false), hooks);
    first.waits();
    let mut second = Polled::pending(queue.add_waiter_if(|| false));
    queue.wake_one();
    assert_eq!(second.wakes(), 1);
    drop(first);
    second.ready();
}

#[test]
fn last_waker_is_the_one_that_is_woken() {
    let queue = WaiterQueue::new();
    let mut wait = Polled::pending(queue.add_waiter_if(|| false));
    let old = wait.change_waker();
    wait.waits();
    queue.wake_one();
    assert_eq!((old.wakes(), wait.wakes()), (0, 1));
}

#[test]
fn event_keeps_being_set_for_all_who_come() {
    let event = Event::new();
    let mut before = Polled::pending(event.wait());
    event.set();
    before.ready();
    Polled::new(event.wait()).ready();
    event.reset();
    let mut after = Polled::pending(event.wait());
    event.set();
    after.ready();
}
