//! [`Notify`] and [`AutoResetEvent`]: what is stored, who is notified, in which order.

mod common;

use std::{
    future::Future,
    panic,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Waker},
    thread,
    time::Duration,
};

use common::{Polled, Task, World, claims::Primitive, until};
use compio_sync::{AutoResetEvent, Elapsed, Notify};
use futures_util::{FutureExt, future::BoxFuture};

mod notified {
    use super::*;

    #[derive(Default)]
    struct Wait(Notify);

    impl Primitive for Wait {
        fn wait(self: Arc<Self>) -> BoxFuture<'static, ()> {
            // The future is made by the first poll, like those of the others.
            async move { self.0.notified().await }.boxed()
        }

        fn release(&self) {
            self.0.notify_one();
        }

        fn release_all(&self) {
            self.0.notify_waiters();
        }

        fn waiter_count(&self) -> usize {
            self.0.waiter_count()
        }
    }

    waits_like_the_others!(Wait);
}

mod auto_reset {
    use super::*;

    #[derive(Default)]
    struct Wait(AutoResetEvent);

    impl Primitive for Wait {
        fn wait(self: Arc<Self>) -> BoxFuture<'static, ()> {
            async move { self.0.wait().await }.boxed()
        }

        fn release(&self) {
            self.0.set();
        }

        fn release_all(&self) {
            // A waker that panics ends one call.
            let set = |_| panic::catch_unwind(|| self.0.set()).err();
            let panics: Vec<_> = (0..self.0.waiter_count()).filter_map(set).collect();
            if let Some(panic) = panics.into_iter().next() {
                panic::resume_unwind(panic);
            }
        }

        fn rearm(&self) {
            self.0.reset();
        }

        fn waiter_count(&self) -> usize {
            self.0.waiter_count()
        }
    }

    waits_like_the_others!(Wait);
}

#[test]
fn one_notification_is_stored_however_many_there_were() {
    let notify = Notify::new();
    (0..3).for_each(|_| notify.notify_one());
    notify.notify_last();
    Polled::new(notify.notified()).ready();
    Polled::pending(notify.notified());
}

#[test]
fn notify_waiters_stores_nothing_and_takes_nothing() {
    let notify = Notify::new();
    notify.notify_waiters();
    Polled::pending(notify.notified());
    notify.notify_one();
    let before = notify.notified();
    notify.notify_waiters();
    Polled::new(before).ready();
    Polled::new(notify.notified()).ready();
    Polled::pending(notify.notified());
}

#[test]
fn notify_waiters_reaches_futures_by_when_they_were_made() {
    let notify = Arc::new(Notify::new());
    let mut polled = Polled::pending(notify.notified());
    let (mut made, mut owned) = (
        Polled::new(notify.notified()),
        Polled::new(notify.clone().notified_owned()),
    );
    notify.notify_waiters();
    let mut after = Polled::new(notify.notified());
    assert_eq!(polled.wakes(), 1);
    polled.ready();
    made.ready();
    owned.ready();
    after.waits();
    assert_eq!(notify.waiter_count(), 1);
    notify.notify_waiters();
    after.ready();
}

#[test]
fn future_that_was_reached_before_its_first_poll_leaves_the_stored_one_to_others() {
    let notify = Notify::new();
    let mut made = Polled::new(notify.notified());
    notify.notify_waiters();
    notify.notify_one();
    made.ready();
    Polled::new(notify.notified()).ready();
}

#[test]
fn last_is_notified_first_and_the_others_in_their_order() {
    let notify = Notify::new();
    let mut waits: Vec<_> = (0..4).map(|_| Polled::pending(notify.notified())).collect();
    notify.notify_last();
    notify.notify_one();
    notify.notify_last();
    let wakes: Vec<_> = waits.iter().map(Polled::wakes).collect();
    assert_eq!(wakes, [1, 0, 1, 1]);
    notify.notify_one();
    waits.iter_mut().for_each(Polled::ready);
    Polled::pending(notify.notified());
}

#[test]
fn dropped_future_passes_its_notification_on_the_way_it_came() {
    for last in [false, true] {
        let notify = Notify::new();
        let mut waits: Vec<_> = (0..4).map(|_| Polled::pending(notify.notified())).collect();
        let chosen = if last {
            notify.notify_last();
            waits.pop().unwrap()
        } else {
            notify.notify_one();
            waits.remove(0)
        };
        assert_eq!(chosen.wakes(), 1);
        drop(chosen);
        let wakes: Vec<_> = waits.iter().map(Polled::wakes).collect();
        assert_eq!(wakes, if last { [0, 0, 1] } else { [1, 0, 0] });
    }
}

#[test]
fn dropped_future_passes_on_neither_what_was_for_all_nor_what_it_took() {
    let notify = Notify::new();
    let wait = Polled::pending(notify.notified());
    notify.notify_waiters();
    drop(wait);
    Polled::pending(notify.notified());
    notify.notify_one();
    let mut wait = Polled::new(notify.notified());
    wait.ready();
    drop(wait);
    Polled::pending(notify.notified());
}

#[test]
fn dropped_future_that_was_notified_leaves_it_stored() {
    let notify = Notify::new();
    let wait = Polled::pending(notify.notified());
    notify.notify_one();
    drop(wait);
    Polled::new(notify.notified()).ready();
    // Both are chosen, both go: one is stored.
    let waits = [(); 2].map(|()| Polled::pending(notify.notified()));
    notify.notify_one();
    notify.notify_one();
    drop(waits);
    Polled::new(notify.notified()).ready();
    Polled::pending(notify.notified());
}

#[test]
fn enabled_future_waits_without_a_task() {
    let notify = Notify::new();
    let mut first = pin!(notify.notified());
    assert!(!first.as_mut().enable());
    assert!(!first.as_mut().enable());
    assert_eq!(notify.waiter_count(), 1);
    let mut second = Polled::pending(notify.notified());
    notify.notify_one();
    assert_eq!(second.wakes(), 0, "the first waits longer");
    assert!(first.as_mut().enable());
    assert!(first.as_mut().enable());
    assert!(!futures_core_terminated(&*first));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut cx).is_ready());
    assert!(futures_core_terminated(&*first));
    assert!(first.as_mut().enable());
    second.waits();
}

fn futures_core_terminated(future: &impl futures_util::future::FusedFuture) -> bool {
    future.is_terminated()
}

#[test]
fn enabled_future_is_woken_by_the_task_that_polls_it_later() {
    let notify = Notify::new();
    let mut wait = notify.notified();
    assert!(!Pin::new(&mut wait).enable());
    let mut wait = Polled::pending(wait);
    notify.notify_one();
    assert_eq!(wait.wakes(), 1);
    wait.ready();
}

#[test]
fn enable_takes_what_is_stored() {
    let notify = Notify::new();
    notify.notify_one();
    let mut wait = pin!(notify.notified());
    assert!(wait.as_mut().enable());
    Polled::pending(notify.notified());
}

#[test]
#[should_panic(expected = "after it had completed")]
fn polling_on_panics() {
    let notify = Notify::new();
    notify.notify_one();
    let mut wait = Polled::new(notify.notified());
    wait.ready();
    wait.ready();
}

#[test]
fn event_is_set_or_not() {
    let event = AutoResetEvent::new(true);
    assert!(event.is_set());
    event.set();
    assert!(event.try_wait());
    assert!(!event.is_set() && !event.try_wait() && !event.reset());
    let mut wait = Polled::pending(event.wait());
    event.set();
    assert!(!event.is_set(), "the wait has it");
    assert!(!event.try_wait());
    wait.ready();
    event.set();
    Polled::new(event.wait()).ready();
    assert!(!event.is_set());
    assert_eq!(
        format!("{:?} {:?}", AutoResetEvent::default(), Notify::default()),
        "AutoResetEvent { is_set: false, waiter_count: 0 } Notify { is_notified: false, waiter_count: 0 }"
    );
}

#[test]
fn time_that_is_up_on_a_plain_thread_leaves_nothing_behind() {
    let (notify, event) = (Notify::new(), AutoResetEvent::new(false));
    let time = Duration::from_millis(2);
    assert_eq!(event.wait().timeout(time).blocking(), Err(Elapsed));
    assert_eq!(notify.notified().timeout(time).blocking(), Err(Elapsed));
    assert_eq!((notify.waiter_count(), event.waiter_count()), (0, 0));
}

#[cfg(feature = "time")]
#[test]
fn time_that_is_up_takes_what_is_there_and_leaves_nothing_behind() {
    World::each_compio(|world| {
        let (notify, event) = (
            Arc::new(Notify::new()),
            Arc::new(AutoResetEvent::new(false)),
        );
        let task = world.spawn_on(0, {
            let (notify, event) = (notify.clone(), event.clone());
            || async move {
                for time in [Duration::ZERO, Duration::from_millis(2)] {
                    assert_eq!(notify.notified().timeout(time).await, Err(Elapsed));
                    assert_eq!(event.wait().timeout(time).await, Err(Elapsed));
                    notify.notify_one();
                    event.set();
                    assert_eq!(notify.notified().timeout(time).await, Ok(()));
                    assert_eq!(event.wait().timeout(time).await, Ok(()));
                    let made = notify.notified().timeout(time);
                    notify.notify_waiters();
                    assert_eq!(made.await, Ok(()));
                }
                notify.notify_one();
                notify.notified().timeout(Duration::MAX).await.unwrap();
            }
        });
        task.join();
        assert_eq!((notify.waiter_count(), event.waiter_count()), (0, 0));
        assert!(!event.is_set());
    });
}

/// Each notification that is not stored ends one wait, and the last one is not lost.
#[test]
fn tasks_and_threads_take_turns() {
    const ROUNDS: usize = 300;
    World::each(|world| {
        let (there, back) = (
            Arc::new(Notify::new()),
            Arc::new(AutoResetEvent::new(false)),
        );
        let answers = world.spawn({
            let (there, back) = (there.clone(), back.clone());
            || async move {
                for _ in 0..ROUNDS {
                    there.notified().await;
                    back.set();
                }
            }
        });
        let asks = thread::spawn(move || {
            for _ in 0..ROUNDS {
                there.notify_one();
                back.blocking_wait();
            }
        });
        answers.join();
        asks.join().unwrap();
    });
}

/// Waits that come and go, notifications for one and for all: at the end nobody waits who was notified.
#[test]
fn waits_that_come_and_go_lose_no_notification() {
    World::each(|world| {
        let notify = Arc::new(Notify::new());
        let ended = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..20)
            .map(|n| {
                let (notify, ended) = (notify.clone(), ended.clone());
                world.spawn(move || async move {
                    for round in 0..50 {
                        if (n + round) % 3 == 0 {
                            let mut wait = notify.notified();
                            let _ = futures_util::poll!(&mut wait);
                        } else {
                            notify.notified().await;
                        }
                    }
                    ended.fetch_add(1, SeqCst);
                })
            })
            .collect();
        until(|| {
            notify.notify_one();
            notify.notify_waiters();
            ended.load(SeqCst) == 20
        });
        tasks.into_iter().for_each(Task::join);
        assert_eq!(notify.waiter_count(), 0);
    });
}
