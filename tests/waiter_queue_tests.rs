//! [`WaiterQueue`]: conditions, wakes, and that none of them is lost.

mod common;

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use common::{Polled, Task, World, claims::Primitive, panic_of, until, yield_now};
use compio_sync::{WaiterQueue, WakeStats, WakeTier};
use futures_util::{FutureExt, future::BoxFuture, poll};

#[derive(Default)]
struct Wake(WaiterQueue);

impl Primitive for Wake {
    fn wait(self: Arc<Self>) -> BoxFuture<'static, ()> {
        async move { self.0.add_waiter_if(|| false).await }.boxed()
    }

    fn release(&self) {
        self.0.wake_one();
    }

    fn release_all(&self) {
        self.0.wake_all();
    }

    fn waiter_count(&self) -> usize {
        self.0.waiter_count()
    }
}

waits_like_the_others!(Wake);

#[test]
fn condition_is_called_once_and_after_the_waiter_has_queued() {
    let queue = WaiterQueue::new();
    let calls = Cell::new(0);
    let mut wait = Polled::new(queue.add_waiter_if(|| {
        calls.set(calls.get() + 1);
        assert_eq!(queue.waiter_count(), 1);
        false
    }));
    assert_eq!(calls.get(), 0);
    wait.waits();
    wait.waits();
    queue.wake_one();
    wait.ready();
    assert_eq!(calls.get(), 1);
}

#[test]
fn condition_that_holds_ends_the_wait_and_leaves_the_queue() {
    let queue = WaiterQueue::default();
    let mut other = Polled::pending(queue.add_waiter_if(|| false));
    let mut wait = Polled::new(queue.add_waiter_if(|| true));
    wait.ready();
    assert_eq!((queue.waiter_count(), wait.hooks().wakers()), (1, 0));
    assert_eq!(format!("{queue:?}"), "WaiterQueue { waiter_count: 1 }");
    queue.wake_one();
    other.ready();
}

#[test]
fn wake_from_within_the_condition_is_not_lost() {
    let queue = WaiterQueue::new();
    let mut wait = Polled::pending(queue.add_waiter_if(|| {
        queue.wake_one();
        false
    }));
    assert_eq!((wait.wakes(), queue.waiter_count()), (1, 0));
    wait.ready();
}

#[test]
fn wake_that_reached_a_waiter_whose_condition_holds_passes_on() {
    let queue = WaiterQueue::new();
    let next = RefCell::new(None);
    let mut wait = Polled::new(queue.add_waiter_if(|| {
        *next.borrow_mut() = Some(Polled::pending(queue.add_waiter_if(|| false)));
        queue.wake_one();
        true
    }));
    wait.ready();
    let mut next = next.take().unwrap();
    assert_eq!(next.wakes(), 1);
    next.ready();
}

#[test]
fn wake_of_all_that_reached_a_waiter_does_not_pass_on() {
    let queue = WaiterQueue::new();
    let woken = Polled::pending(queue.add_waiter_if(|| false));
    queue.wake_all();
    let later = Polled::pending(queue.add_waiter_if(|| false));
    drop(woken);
    assert_eq!((later.wakes(), queue.waiter_count()), (0, 1));
}

#[test]
fn panicking_condition_leaves_the_queue_at_once() {
    let queue = WaiterQueue::new();
    let mut wait = Polled::new(queue.add_waiter_if(|| panic!("condition")));
    assert_eq!(panic_of(|| wait.poll()), "condition");
    assert_eq!((queue.waiter_count(), wait.hooks().wakers()), (0, 0));
    let mut next = Polled::pending(queue.add_waiter_if(|| false));
    queue.wake_one();
    next.ready();
}

#[test]
fn panicking_condition_that_is_dropped_passes_its_wake_on() {
    let queue = WaiterQueue::new();
    let next = RefCell::new(None);
    let mut wait = Polled::new(queue.add_waiter_if(|| {
        *next.borrow_mut() = Some(Polled::pending(queue.add_waiter_if(|| false)));
        queue.wake_one();
        panic!("condition")
    }));
    assert_eq!(panic_of(|| wait.poll()), "condition");
    drop(wait);
    next.take().unwrap().ready();
    assert_eq!(queue.waiter_count(), 0);
}

#[test]
fn gate_of_ones_own_lets_everybody_through() {
    World::each(|world| {
        let gate = Arc::new((AtomicBool::new(false), WaiterQueue::new()));
        let passes: Vec<_> = (0..20)
            .map(|_| {
                let gate = gate.clone();
                world.spawn(|| async move {
                    let (is_open, queue) = &*gate;
                    while !is_open.load(SeqCst) {
                        queue.add_waiter_if(|| is_open.load(SeqCst)).await;
                    }
                })
            })
            .collect();
        // Some are in the queue by now, and some come while it opens.
        until(|| gate.1.waiter_count() > 2);
        gate.0.store(true, SeqCst);
        gate.1.wake_all();
        passes.into_iter().for_each(Task::join);
        assert_eq!(gate.1.waiter_count(), 0);
    });
}

/// A semaphore made of the queue, as a user would.
#[derive(Default)]
struct Tokens {
    tokens: AtomicUsize,
    queue: WaiterQueue,
}

impl Tokens {
    fn try_take(&self) -> bool {
        let take = |tokens: usize| tokens.checked_sub(1);
        self.tokens.fetch_update(SeqCst, SeqCst, take).is_ok()
    }

    async fn take(&self) {
        let is_there = || self.tokens.load(SeqCst) > 0;
        while !self.try_take() {
            self.queue.add_waiter_if(is_there).await;
        }
    }

    fn give(&self) {
        self.tokens.fetch_add(1, SeqCst);
        self.queue.wake_one();
    }
}

#[test]
fn no_wake_is_lost_between_the_condition_and_the_wait() {
    const ROUNDS: usize = 200;
    World::each(|world| {
        let tokens = Arc::new(Tokens::default());
        let takers: Vec<_> = (0..5)
            .map(|n| {
                let tokens = tokens.clone();
                world.spawn(move || async move {
                    for round in 0..ROUNDS {
                        if (n + round) % 3 == 0 {
                            let mut cancelled = tokens.queue.add_waiter_if(|| false);
                            let _ = poll!(&mut cancelled);
                            if round % 2 == 0 {
                                common::yield_now().await;
                            }
                        }
                        tokens.take().await;
                    }
                })
            })
            .collect();
        let givers: Vec<_> = (0..5)
            .map(|n| {
                let tokens = tokens.clone();
                let is_thread = n % 2 == 0;
                let give = move || {
                    for _ in 0..ROUNDS {
                        tokens.give();
                        if is_thread {
                            thread::yield_now();
                        }
                    }
                };
                if is_thread {
                    Ok(thread::spawn(give))
                } else {
                    Err(world.spawn(move || async move { give() }))
                }
            })
            .collect();
        takers.into_iter().for_each(Task::join);
        for giver in givers {
            match giver {
                Ok(thread) => thread.join().unwrap(),
                Err(task) => task.join(),
            }
        }
        assert_eq!(
            (tokens.tokens.load(SeqCst), tokens.queue.waiter_count()),
            (0, 0)
        );
    });
}

#[test]
fn wakes_from_other_threads_go_by_the_tier_that_was_chosen() {
    World::each_compio(|world| {
        let queue = Arc::new(WaiterQueue::new());
        let (queued, woken) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let sleeper = world.spawn_on(0, {
            let (queue, queued, woken) = (queue.clone(), queued.clone(), woken.clone());
            || async move {
                let mut wait = pin!(queue.add_waiter_if(|| false));
                poll_fn(|cx| {
                    let polled = wait.as_mut().poll(cx);
                    queued.store(true, SeqCst);
                    polled
                })
                .await;
                while !woken.load(SeqCst) {
                    yield_now().await;
                }
                WakeStats::current(WakeTier::current().unwrap()).unwrap()
            }
        });
        // Queued to its end, so that it is not by chance its own thread that serves the queue.
        until(|| queued.load(SeqCst));
        queue.wake_one();
        // Counted to the end, too.
        woken.store(true, SeqCst);
        let stats = sleeper.join();
        assert_eq!((stats.batches, stats.wakes), (1, 1), "{stats:?}");
        assert!(
            stats.signals <= 1 && stats.sleeps >= stats.signals,
            "{stats:?}"
        );
    });
}
