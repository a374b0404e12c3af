//! Waits that are cancelled, at every point and from everywhere.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Barrier,
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
    Random, at_most, iterations, on_threads, pass, pass_until, poll_once, run, runtime, some_polls,
    watched,
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
        for fairness in crate::FAIRNESSES {
            let rounds = 100 * iterations();
            let semaphore = Arc::new(Semaphore::with_fairness(5, fairness));
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
        }
    });
}

#[test]
fn cancelled_locks_leave_the_mutex_unlocked() {
    watched("cancelled_locks_leave_the_mutex_unlocked", || {
        for fairness in crate::FAIRNESSES {
            let rounds = 100 * iterations();
            let mutex = Arc::new(Mutex::with_fairness(0, fairness));
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
        }
    });
}

/// Sends one notification for each of the waiters that stay, who are in line among others that do
/// not. These pass it on if it reaches them: it is up to `wait` to do so when it is dropped. Nobody
/// looks at any condition, so a notification that is lost leaves a waiter behind.
///
/// What `wait` returns counts in its argument that it is in line, or is as its poll returns.
fn no_notification_is_lost<F>(wait: impl Fn(Arc<AtomicUsize>) -> F + Sync, notify: impl Fn() + Sync)
where
    F: Future<Output = ()> + 'static,
{
    const STAYING: usize = 6;
    const GOING: usize = 3 * STAYING;
    for round in 0..4 * iterations() {
        let all_wait = Barrier::new(THREADS + 1);
        on_threads(THREADS + 1, |thread| {
            let mut random = Random::new(round * (THREADS + 1) + thread);
            if thread == THREADS {
                all_wait.wait();
                for _ in 0..STAYING * THREADS {
                    notify();
                    (0..random.below(3)).for_each(|_| thread::yield_now());
                }
                return;
            }
            runtime().block_on(async {
                let begun = Arc::new(AtomicUsize::new(0));
                let (mut staying, mut going) = (Vec::new(), Vec::new());
                for number in 1..=STAYING + GOING {
                    if number % 4 == 0 {
                        staying.push(compio::runtime::spawn(wait(begun.clone())));
                        pass_until(|| begun.load(SeqCst) == number).await;
                    } else {
                        let mut wait = Box::pin(wait(begun.clone()));
                        while begun.load(SeqCst) < number {
                            assert!(some_polls(1, wait.as_mut()).await.is_none());
                        }
                        going.push(wait);
                    }
                }
                all_wait.wait();
                while !going.is_empty() {
                    let mut wait = going.swap_remove(random.below(going.len()));
                    if some_polls(random.below(3), wait.as_mut()).await.is_some() {
                        notify();
                    }
                    drop(wait);
                    if random.below(2) == 0 {
                        pass().await;
                    }
                }
                for wait in staying {
                    wait.await.expect("a waiter panicked");
                }
            });
        });
    }
}

#[test]
fn cancelled_condvar_waits_pass_their_notification_on() {
    watched("cancelled_condvar_waits_pass_their_notification_on", || {
        let shared = Arc::new((Mutex::new(()), Condvar::new()));
        let wait = |begun: Arc<AtomicUsize>| {
            let shared = shared.clone();
            async move {
                let guard = shared.0.lock().await;
                begun.fetch_add(1, SeqCst);
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
        let wait = |begun: Arc<AtomicUsize>| {
            let queue = queue.clone();
            async move {
                // It is called when its waiter is in line.
                let condition = || {
                    begun.fetch_add(1, SeqCst);
                    false
                };
                queue.add_waiter_if(condition).await;
            }
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
