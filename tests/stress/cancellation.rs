//! Waits that are called off, at every point and from everywhere.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc,
    },
    task::Poll,
    thread,
};

use compio_sync::{AcquireOwned, Condvar, Event, Mutex, Semaphore, WaiterQueue};

use crate::{
    Random, at_most, iterations, on_threads, pass, poll_once, run, runtime, until, watched,
};

#[compio::test]
async fn test_future_dropped_while_waiting() {
    let semaphore = Arc::new(Semaphore::new(1));
    let permit = semaphore.acquire().await;

    drop(semaphore.acquire()); // never polled
    {
        let mut acquire = pin!(semaphore.acquire());
        assert!(poll_once(acquire.as_mut()).is_pending());
        assert_eq!(semaphore.waiter_count(), 1);
    }
    assert_eq!(semaphore.waiter_count(), 0);
    let aborted = compio::runtime::spawn({
        let semaphore = semaphore.clone();
        async move { drop(semaphore.acquire().await) }
    });
    crate::pass_until(|| semaphore.waiter_count() == 1).await;
    aborted.cancel().await;
    crate::pass_until(|| semaphore.waiter_count() == 0).await;

    drop(permit);
    let _permit = semaphore.acquire().await;
    assert_eq!(semaphore.available_permits(), 0);
}

const THREADS: usize = 3;
const TASKS: usize = 16;

/// Runs `TASKS` tasks on each of `THREADS` runtimes.
fn storm<F: Future<Output = ()> + 'static>(task: impl Fn(Random) -> F + Sync) {
    on_threads(THREADS, |thread| {
        let futures: Vec<_> = (0..TASKS)
            .map(|number| task(Random::new(thread * TASKS + number)))
            .collect();
        run(async move {
            let tasks: Vec<_> = futures.into_iter().map(compio::runtime::spawn).collect();
            for task in tasks {
                task.await.expect("a task panicked");
            }
        });
    });
}

#[test]
fn cancelled_acquires_keep_no_permit() {
    watched("cancelled_acquires_keep_no_permit", || {
        let rounds = 100 * iterations();
        let semaphore = Arc::new(Semaphore::new(5));
        let (held, got) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        storm(|mut random| {
            let (semaphore, held, got) = (semaphore.clone(), held.clone(), got.clone());
            async move {
                for _ in 0..rounds {
                    let count = 1 + random.below(5);
                    let acquire = semaphore.clone().acquire_many_owned(count);
                    let Some(mut permit) = at_most(random.below(5), acquire).await else {
                        continue;
                    };
                    got.fetch_add(1, Relaxed);
                    assert!(held.fetch_add(count, SeqCst) + count <= 5);
                    if random.below(3) == 0 {
                        pass().await;
                    }
                    held.fetch_sub(count, SeqCst);
                    drop(permit.split(random.below(count + 1)));
                    drop(permit);
                }
            }
        });
        assert!(got.load(Relaxed) > 0);
        assert_eq!((semaphore.available_permits(), semaphore.in_use()), (5, 0));
        assert_eq!(semaphore.waiter_count(), 0);
    });
}

#[test]
fn cancelled_locks_leave_the_mutex_unlocked() {
    watched("cancelled_locks_leave_the_mutex_unlocked", || {
        let rounds = 100 * iterations();
        let mutex = Arc::new(Mutex::new(0));
        let got = Arc::new(AtomicUsize::new(0));
        storm(|mut random| {
            let (mutex, got) = (mutex.clone(), got.clone());
            async move {
                for _ in 0..rounds {
                    if let Some(mut value) = at_most(random.below(5), mutex.lock()).await {
                        let seen = *value;
                        if random.below(3) == 0 {
                            pass().await;
                        }
                        *value = seen + 1;
                        got.fetch_add(1, Relaxed);
                    }
                }
            }
        });
        assert_eq!(mutex.waiter_count(), 0);
        let value = *mutex.try_lock().expect("it is unlocked");
        assert!(value > 0 && value == got.load(Relaxed));
    });
}

/// Sends one notification for each of many waiters that stay, among others that come and go. These
/// pass it on if it reaches them: it is up to `wait` to do so when it is dropped. Nobody looks at
/// any condition, so a notification that is lost leaves a waiter behind.
fn no_notification_is_lost<F>(wait: impl Fn() -> F + Sync, notify: impl Fn() + Sync)
where
    F: Future<Output = ()> + 'static,
{
    const STAYING: usize = 6;
    for round in 0..3 * iterations() {
        let (reached, over) = (&AtomicUsize::new(0), &AtomicBool::new(false));
        let (wait, notify) = (&wait, &notify);
        on_threads(THREADS + 1, |thread| {
            let mut random = Random::new(round * THREADS + thread);
            if thread == THREADS {
                // Not before those who stay wait. With nobody waiting it would be lost by right.
                until(|| reached.load(SeqCst) == THREADS);
                for _ in 0..STAYING * THREADS {
                    notify();
                    (0..random.below(3)).for_each(|_| thread::yield_now());
                }
                until(|| reached.load(SeqCst) == THREADS * (1 + STAYING));
                over.store(true, SeqCst);
                return;
            }
            runtime().block_on(async {
                let staying: Vec<_> = (0..STAYING)
                    .map(|_| compio::runtime::spawn(wait()))
                    .collect();
                // They have waited since their first poll.
                pass().await;
                pass().await;
                reached.fetch_add(1, SeqCst);
                let going = async {
                    while !over.load(SeqCst) {
                        let mut waits: Vec<_> = (0..8).map(|_| Box::pin(wait())).collect();
                        for wait in &mut waits {
                            if at_most(random.below(3), wait.as_mut()).await.is_some() {
                                notify();
                            }
                        }
                        // Those that are left are dropped in a line, notified or not.
                        for wait in waits {
                            drop(wait);
                            if random.below(4) == 0 {
                                pass().await;
                            }
                        }
                    }
                };
                let staying = async {
                    for wait in staying {
                        wait.await.expect("a waiter panicked");
                        reached.fetch_add(1, SeqCst);
                    }
                };
                futures_util::future::join(going, staying).await;
            });
        });
    }
}

#[test]
fn cancelled_condvar_waits_pass_their_notification_on() {
    watched("cancelled_condvar_waits_pass_their_notification_on", || {
        let shared = Arc::new((Mutex::new(()), Condvar::new()));
        let wait = || {
            let shared = shared.clone();
            async move {
                // Its first poll waits: for the mutex, too, nobody waits but after a notification.
                let guard = loop {
                    match shared.0.try_lock() {
                        Some(guard) => break guard,
                        None => thread::yield_now(),
                    }
                };
                drop(shared.1.wait(guard).await);
            }
        };
        no_notification_is_lost(wait, || shared.1.notify_one());
        assert_eq!((shared.0.waiter_count(), shared.1.waiter_count()), (0, 0));
        assert!(shared.0.try_lock().is_some());
    });
}

#[test]
fn cancelled_queue_waits_pass_their_wake_on() {
    watched("cancelled_queue_waits_pass_their_wake_on", || {
        let queue = Arc::new(WaiterQueue::new());
        let wait = || {
            let queue = queue.clone();
            async move { queue.add_waiter_if(|| false).await }
        };
        no_notification_is_lost(wait, || queue.wake_one());
        assert_eq!(queue.waiter_count(), 0);
    });
}

#[test]
fn cancelled_event_waits_hold_nobody_up() {
    watched("cancelled_event_waits_hold_nobody_up", || {
        let rounds = 50 * iterations();
        let event = Arc::new(Event::new());
        let over = Arc::new(AtomicBool::new(false));
        let setter = thread::spawn({
            let (event, over) = (event.clone(), over.clone());
            move || {
                while !over.load(Relaxed) {
                    event.set();
                    event.reset();
                    thread::yield_now();
                }
                event.set();
            }
        });
        let passed = Arc::new(AtomicUsize::new(0));
        storm(|mut random| {
            let (event, passed) = (event.clone(), passed.clone());
            async move {
                for _ in 0..rounds {
                    if random.below(2) == 0 {
                        at_most(random.below(4), event.wait()).await;
                    } else {
                        event.wait().await;
                        passed.fetch_add(1, Relaxed);
                    }
                }
            }
        });
        over.store(true, Relaxed);
        setter.join().unwrap();
        assert!(passed.load(Relaxed) > 0);
        assert_eq!(event.waiter_count(), 0);
    });
}

/// Futures begun on one thread are dropped or finished on another.
#[test]
fn waits_that_change_threads_are_accounted_for() {
    watched("waits_that_change_threads_are_accounted_for", || {
        let rounds = 200 * iterations();
        let semaphore = Arc::new(Semaphore::new(3));
        let (sender, receiver) = mpsc::sync_channel::<Pin<Box<AcquireOwned>>>(64);
        let finisher = thread::spawn(move || {
            let mut random = Random::new(99);
            let mut finished = 0;
            while let Ok(acquire) = receiver.recv() {
                if random.below(2) == 0 {
                    drop(acquire);
                    continue;
                }
                let mut acquire = pin!(acquire);
                // Once more with another waker, and then it may be too late.
                if let Poll::Ready(permit) = poll_once(acquire.as_mut()) {
                    drop(permit);
                    finished += 1;
                }
            }
            finished
        });
        on_threads(2, |thread| {
            let (semaphore, sender) = (semaphore.clone(), sender.clone());
            run(async move {
                let mut random = Random::new(thread);
                for _ in 0..rounds {
                    let mut acquire =
                        Box::pin(semaphore.clone().acquire_many_owned(1 + random.below(3)));
                    let polled =
                        std::future::poll_fn(|cx| Poll::Ready(acquire.as_mut().poll(cx))).await;
                    match polled {
                        Poll::Ready(permit) => {
                            pass().await;
                            drop(permit);
                        }
                        Poll::Pending => sender.send(acquire).expect("the finisher lives"),
                    }
                }
            });
        });
        drop(sender);
        finisher.join().unwrap();
        assert_eq!((semaphore.available_permits(), semaphore.in_use()), (3, 0));
        assert_eq!(semaphore.waiter_count(), 0);
    });
}
