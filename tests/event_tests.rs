//! [`Event`]: set, reset, and who is let go.

mod common;

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Waker},
    thread,
    time::{Duration, Instant},
};

use common::{Polled, Task, Watchdog, World, claims::Primitive, until};
use compio_sync::Event;
use futures_util::{FutureExt, future::BoxFuture};

#[derive(Default)]
struct Wait(Event);

impl Primitive for Wait {
    const RELEASES_ALL: bool = true;

    fn wait(self: Arc<Self>) -> BoxFuture<'static, ()> {
        async move { self.0.wait().await }.boxed()
    }

    fn release(&self) {
        self.0.set();
        self.0.reset();
    }

    fn release_all(&self) {
        self.release();
    }

    fn rearm(&self) {
        self.0.reset();
    }

    fn waiter_count(&self) -> usize {
        self.0.waiter_count()
    }
}

waits_like_the_others!(Wait);

#[test]
fn set_event_lets_everybody_through_until_it_is_reset() {
    let event = Event::new();
    assert!(!event.is_set());
    event.set();
    event.set();
    assert!(event.is_set());
    Polled::new(event.wait()).ready();
    Polled::new(event.wait()).ready();
    assert_eq!(event.waiter_count(), 0);
    event.reset();
    event.reset();
    assert!(!event.is_set());
    Polled::pending(event.wait());
}

#[test]
fn waiter_goes_on_though_the_event_is_reset_before_it_is_polled() {
    let event = Event::new();
    let mut before = Polled::pending(event.wait());
    event.set();
    event.reset();
    let after = Polled::pending(event.wait());
    assert_eq!((before.wakes(), after.wakes()), (1, 0));
    before.ready();
    assert_eq!(event.waiter_count(), 1);
}

#[test]
fn second_set_lets_go_who_came_since_the_reset() {
    let event = Event::new();
    let mut first = Polled::pending(event.wait());
    event.set();
    event.reset();
    let mut second = Polled::pending(event.wait());
    event.set();
    first.ready();
    second.ready();
    assert_eq!((first.wakes(), second.wakes()), (1, 1));
}

#[test]
fn future_made_before_set_and_polled_after_reset_waits() {
    let event = Event::new();
    let mut wait = Polled::new(event.wait());
    event.set();
    event.reset();
    wait.waits();
}

#[test]
fn debug_shows_the_state() {
    let event = Event::default();
    let _wait = Polled::pending(event.wait());
    assert_eq!(
        format!("{event:?}"),
        "Event { is_set: false, waiter_count: 1 }"
    );
}

#[test]
fn wait_that_begins_after_a_reset_outlasts_the_set_before_it() {
    let _watchdog = Watchdog::new("set on one thread, reset on another");
    let event = Event::new();
    let end = Instant::now() + Duration::from_secs(2);
    // The round that has begun, and the one whose `set` has returned.
    let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let was_let_go = thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1.. {
                until(|| begun.load(SeqCst) >= round);
                if begun.load(SeqCst) == usize::MAX {
                    break;
                }
                event.set();
                ended.store(round, SeqCst);
            }
        });
        let was_let_go = (1..).take_while(|_| Instant::now() < end).any(|round| {
            let mut before = Polled::pending(event.wait());
            let mut after = Polled::new(event.wait());
            begun.store(round, SeqCst);
            while !event.is_set() {}
            event.reset();
            after.waits();
            until(|| ended.load(SeqCst) == round);
            before.ready();
            after.wakes() > 0
        });
        begun.store(usize::MAX, SeqCst);
        was_let_go
    });
    assert!(!was_let_go, "nobody set the event after the reset");
}

#[test]
fn everybody_waits_for_the_start() {
    World::each(|world| {
        let (start, stop) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let passed = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..30)
            .map(|_| {
                let (start, stop, passed) = (start.clone(), stop.clone(), passed.clone());
                world.spawn(|| async move {
                    start.wait().await;
                    passed.fetch_add(1, SeqCst);
                    stop.wait().await;
                })
            })
            .collect();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (start, stop, passed) = (start.clone(), stop.clone(), passed.clone());
                thread::spawn(move || {
                    start.blocking_wait();
                    passed.fetch_add(1, SeqCst);
                    stop.blocking_wait();
                })
            })
            .collect();
        until(|| start.waiter_count() == 33);
        assert_eq!(passed.load(SeqCst), 0);
        start.set();
        start.reset();
        until(|| stop.waiter_count() == 33);
        assert_eq!(passed.load(SeqCst), 33);
        stop.set();
        tasks.into_iter().for_each(Task::join);
        threads.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn blocking_in_a_runtime_panics_and_harms_nobody() {
    World::each_compio(|world| {
        let event = Arc::new(Event::new());
        let waits = world.spawn_on(0, {
            let event = event.clone();
            || async move { event.wait().await }
        });
        until(|| event.waiter_count() == 1);
        let blocks = world.spawn_on(0, {
            let event = event.clone();
            || async move { event.blocking_wait() }
        });
        let panic = common::message(&*blocks.outcome().unwrap_err());
        assert!(
            panic.contains("`blocking_wait` was called inside a compio runtime"),
            "{panic}"
        );
        assert_eq!(event.waiter_count(), 1);
        event.set();
        waits.join();
    });
}

/// The two of them reset at once, over and over.
#[test]
fn set_lets_go_whoever_waits_though_another_resets_all_the_time() {
    let _watchdog = Watchdog::new("another_resets_all_the_time");
    const ROUNDS: usize = 1_000_000;
    let event = Event::new();
    let stop = AtomicBool::new(false);
    let mut cx = Context::from_waker(Waker::noop());
    let mut lost = None;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(SeqCst) {
                event.reset();
            }
        });
        for round in 0..ROUNDS {
            event.set();
            event.reset();
            let mut wait = pin!(event.wait());
            let early = wait.as_mut().poll(&mut cx).is_ready();
            event.set();
            if early || wait.as_mut().poll(&mut cx).is_pending() {
                lost = Some((round, early));
                break;
            }
        }
        stop.store(true, SeqCst);
    });
    assert_eq!(lost, None, "the round, and whether it was let go early");
}
