//! Many tasks and few permits.

use std::{
    cell::UnsafeCell,
    sync::{
        Arc,
        atomic::{
            AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

use compio_sync::{Condvar, Event, Mutex, Semaphore};

use crate::{Random, iterations, on_threads, pass, run, watched};

/// Counts those who are inside, and the most there have been.
#[derive(Default)]
struct Inside {
    now: AtomicUsize,
    most: AtomicUsize,
    entries: AtomicUsize,
}

impl Inside {
    fn enter(&self, count: usize) {
        let now = self.now.fetch_add(count, SeqCst) + count;
        self.most.fetch_max(now, SeqCst);
        self.entries.fetch_add(1, SeqCst);
    }

    fn exit(&self, count: usize) {
        self.now.fetch_sub(count, SeqCst);
    }
}

#[compio::test]
async fn test_high_contention() {
    let semaphore = Arc::new(Semaphore::new(1));
    let inside = Arc::new(Inside::default());
    let tasks: Vec<_> = (0..1_000)
        .map(|n| {
            let (semaphore, inside) = (semaphore.clone(), inside.clone());
            compio::runtime::spawn(async move {
                let _permit = semaphore.acquire().await;
                inside.enter(1);
                pass().await;
                inside.exit(1);
                n
            })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.expect("a task panicked"), n);
    }
    assert_eq!(inside.most.load(SeqCst), 1);
    assert_eq!(inside.entries.load(SeqCst), 1_000);
    assert_eq!(
        (semaphore.available_permits(), semaphore.waiter_count()),
        (1, 0)
    );
}

#[compio::test]
async fn test_rapid_acquire_release() {
    let semaphore = Arc::new(Semaphore::new(10));
    let counter = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (semaphore, counter) = (semaphore.clone(), counter.clone());
            compio::runtime::spawn(async move {
                for _ in 0..1_000 {
                    let _permit = semaphore.acquire().await;
                    counter.fetch_add(1, Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task panicked");
    }
    assert_eq!(counter.load(Relaxed), 100_000);
    assert_eq!(
        (semaphore.available_permits(), semaphore.waiter_count()),
        (10, 0)
    );
}

#[test]
fn no_more_permits_are_held_than_there_are_across_runtimes() {
    watched(
        "no_more_permits_are_held_than_there_are_across_runtimes",
        || {
            for fairness in crate::FAIRNESSES {
                const TASKS: usize = 50;
                let rounds = 10 * iterations();
                for (threads, permits) in [(2, 1), (2, 3), (4, 7)] {
                    let semaphore = Arc::new(Semaphore::with_fairness(permits, fairness));
                    let inside = Arc::new(Inside::default());
                    let finished: usize = on_threads(threads, |thread| {
                        let (semaphore, inside) = (semaphore.clone(), inside.clone());
                        run(async move {
                            let tasks: Vec<_> = (0..TASKS)
                                .map(|task| {
                                    let (semaphore, inside) = (semaphore.clone(), inside.clone());
                                    let mut random = Random::new(thread * TASKS + task);
                                    compio::runtime::spawn(async move {
                                        for _ in 0..rounds {
                                            let count = 1 + random.below(permits);
                                            let permit = semaphore.acquire_many(count).await;
                                            inside.enter(count);
                                            if random.below(2) == 0 {
                                                pass().await;
                                            }
                                            inside.exit(count);
                                            drop(permit);
                                        }
                                    })
                                })
                                .collect();
                            let mut finished = 0;
                            for task in tasks {
                                task.await.expect("a task panicked");
                                finished += 1;
                            }
                            finished
                        })
                    })
                    .into_iter()
                    .sum();
                    assert_eq!(finished, threads * TASKS);
                    assert_eq!(inside.entries.load(SeqCst), threads * TASKS * rounds);
                    assert!(inside.most.load(SeqCst) <= permits, "{permits} permits");
                    assert_eq!(semaphore.available_permits(), permits);
                    assert_eq!((semaphore.in_use(), semaphore.waiter_count()), (0, 0));
                }
            }
        },
    );
}

#[test]
fn tasks_and_plain_threads_wait_in_one_line() {
    watched("tasks_and_plain_threads_wait_in_one_line", || {
        const TASKS: usize = 20;
        let rounds = 20 * iterations();
        let semaphore = Arc::new(Semaphore::new(2));
        let inside = Arc::new(Inside::default());
        on_threads(4, |thread| {
            let (semaphore, inside) = (semaphore.clone(), inside.clone());
            if thread < 2 {
                for _ in 0..rounds {
                    let _permit = semaphore.blocking_acquire();
                    inside.enter(1);
                    inside.exit(1);
                }
                return;
            }
            run(async move {
                let tasks = [(); TASKS].map(|()| {
                    let (semaphore, inside) = (semaphore.clone(), inside.clone());
                    compio::runtime::spawn(async move {
                        for _ in 0..rounds {
                            let _permit = semaphore.acquire().await;
                            inside.enter(1);
                            pass().await;
                            inside.exit(1);
                        }
                    })
                });
                for task in tasks {
                    task.await.expect("a task panicked");
                }
            });
        });
        assert!(inside.most.load(SeqCst) <= 2);
        assert_eq!(inside.entries.load(SeqCst), (2 + 2 * TASKS) * rounds);
        assert_eq!(
            (semaphore.available_permits(), semaphore.waiter_count()),
            (2, 0)
        );
    });
}

/// A value that is not atomic, so that a lost update shows.
struct Plain(UnsafeCell<usize>);

// SAFETY: only the holder of a permit of a semaphore with one permit accesses it.
unsafe impl Sync for Plain {}
// SAFETY: a number.
unsafe impl Send for Plain {}

#[test]
fn what_a_holder_wrote_is_seen_by_the_next() {
    watched("what_a_holder_wrote_is_seen_by_the_next", || {
        const TASKS: usize = 30;
        let rounds = 20 * iterations();
        let semaphore = Arc::new(Semaphore::new(1));
        let plain = Arc::new(Plain(UnsafeCell::new(0)));
        let total = Arc::new(Mutex::new(0));
        on_threads(3, |_| {
            let (semaphore, plain, total) = (semaphore.clone(), plain.clone(), total.clone());
            run(async move {
                let tasks = [(); TASKS].map(|()| {
                    let (semaphore, plain, total) =
                        (semaphore.clone(), plain.clone(), total.clone());
                    compio::runtime::spawn(async move {
                        for _ in 0..rounds {
                            let permit = semaphore.acquire().await;
                            // SAFETY: the permit is the only one.
                            let value = unsafe { *plain.0.get() };
                            pass().await;
                            // SAFETY: as above.
                            unsafe { *plain.0.get() = value + 1 };
                            drop(permit);

                            let mut total = total.lock().await;
                            let value = *total;
                            pass().await;
                            *total = value + 1;
                        }
                    })
                });
                for task in tasks {
                    task.await.expect("a task panicked");
                }
            });
        });
        let expected = 3 * TASKS * rounds;
        // SAFETY: the threads have been joined.
        assert_eq!(unsafe { *plain.0.get() }, expected);
        assert_eq!(*total.blocking_lock(), expected);
    });
}

/// Producers and consumers on several runtimes over one bounded buffer.
#[test]
fn every_item_goes_through_a_bounded_buffer_once() {
    watched("every_item_goes_through_a_bounded_buffer_once", || {
        const ROOM: usize = 4;
        const TASKS: usize = 8;
        #[derive(Default)]
        struct Buffer {
            items: Mutex<Vec<usize>>,
            filled: Condvar,
            emptied: Condvar,
        }
        let items = 20 * iterations();
        let buffer = Arc::new(Buffer::default());
        let sums = on_threads(4, |thread| {
            let buffer = buffer.clone();
            run(async move {
                let tasks: Vec<_> = (0..TASKS)
                    .map(|task| {
                        let buffer = buffer.clone();
                        compio::runtime::spawn(async move {
                            let mut sum = 0;
                            for item in 0..items {
                                let guard = buffer.items.lock().await;
                                if thread < 2 {
                                    let full = |items: &mut Vec<_>| items.len() == ROOM;
                                    let mut guard = buffer.emptied.wait_while(guard, full).await;
                                    let item = (thread * TASKS + task) * items + item;
                                    guard.push(item);
                                    sum += item;
                                    buffer.filled.notify_one();
                                } else {
                                    let empty = |items: &mut Vec<_>| items.is_empty();
                                    let mut guard = buffer.filled.wait_while(guard, empty).await;
                                    sum += guard.pop().expect("it is not empty");
                                    buffer.emptied.notify_one();
                                }
                            }
                            sum
                        })
                    })
                    .collect();
                let mut sum = 0;
                for task in tasks {
                    sum += task.await.expect("a task panicked");
                }
                sum
            })
        });
        assert_eq!(sums[0] + sums[1], sums[2] + sums[3]);
        let all = 2 * TASKS * items;
        assert_eq!(sums[0] + sums[1], all * (all - 1) / 2);
        assert!(buffer.items.blocking_lock().is_empty());
        assert_eq!(
            (buffer.filled.waiter_count(), buffer.emptied.waiter_count()),
            (0, 0)
        );
    });
}

/// A cyclic barrier of all tasks on all runtimes, made of an event for each round.
#[test]
fn everybody_passes_every_gate() {
    watched("everybody_passes_every_gate", || {
        const TASKS: usize = 100;
        const THREADS: usize = 3;
        let rounds = 2 * iterations();
        let gates: Arc<Vec<_>> = Arc::new(
            (0..rounds)
                .map(|_| (AtomicUsize::new(0), Event::new()))
                .collect(),
        );
        on_threads(THREADS, |_| {
            let gates = gates.clone();
            run(async move {
                let tasks = [(); TASKS].map(|()| {
                    let gates = gates.clone();
                    compio::runtime::spawn(async move {
                        for (arrived, gate) in &*gates {
                            if arrived.fetch_add(1, SeqCst) + 1 == TASKS * THREADS {
                                gate.set();
                            }
                            gate.wait().await;
                            assert_eq!(arrived.load(SeqCst), TASKS * THREADS, "nobody is early");
                        }
                    })
                });
                for task in tasks {
                    task.await.expect("a task panicked");
                }
            });
        });
        assert!(
            gates
                .iter()
                .all(|(_, gate)| gate.is_set() && gate.waiter_count() == 0)
        );
    });
}
