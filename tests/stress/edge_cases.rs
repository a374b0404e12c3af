//! Very many waiters, very many permits, and runtimes and threads that end.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex as StdMutex, Weak,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use compio_sync::{
    Event, Fairness, Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, WaiterQueue,
};

use crate::{
    Random, isolated, iterations, on_threads, pass, pass_until, poll_once, run, runtime, until,
    watched,
};

// ---- many waiters ----

#[test]
fn a_hundred_thousand_waiters_are_served_in_order() {
    watched("a_hundred_thousand_waiters_are_served_in_order", || {
        const WAITERS: usize = 100_000;
        let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
        let mut waits: Vec<_> = (0..WAITERS)
            .map(|_| Box::pin(semaphore.clone().acquire_owned()))
            .collect();
        for wait in &mut waits {
            assert!(poll_once(wait.as_mut()).is_pending());
        }
        assert_eq!(semaphore.waiter_count(), WAITERS);
        // Some leave, all over the line; the rest are served, the first first.
        let mut random = Random::new(1);
        for _ in 0..WAITERS / 10 {
            let index = random.below(waits.len());
            drop(waits.swap_remove(index));
        }
        assert_eq!(semaphore.waiter_count(), waits.len());
        semaphore.add_permits(waits.len());
        assert_eq!(semaphore.waiter_count(), 0);
        for wait in &mut waits {
            match poll_once(wait.as_mut()) {
                Poll::Ready(permit) => permit.forget(),
                Poll::Pending => panic!("there is a permit for everybody"),
            }
        }
        assert_eq!(
            (semaphore.available_permits(), semaphore.max_permits()),
            (0, 0)
        );
    });
}

#[test]
fn a_hundred_thousand_tasks_wait_on_one_semaphore() {
    watched("a_hundred_thousand_tasks_wait_on_one_semaphore", || {
        const WAITERS: usize = 100_000;
        let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
        let releaser = thread::spawn({
            let semaphore = semaphore.clone();
            move || {
                until(|| semaphore.waiter_count() == WAITERS);
                for _ in 0..10 {
                    semaphore.add_permits(WAITERS / 10);
                }
            }
        });
        let order = run(async move {
            let order = std::rc::Rc::new(RefCell::new(Vec::with_capacity(WAITERS)));
            let tasks: Vec<_> = (0..WAITERS)
                .map(|n| {
                    let (semaphore, order) = (semaphore.clone(), order.clone());
                    compio::runtime::spawn(async move {
                        semaphore.acquire().await.forget();
                        order.borrow_mut().push(n);
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("a task panicked");
            }
            order.take()
        });
        releaser.join().unwrap();
        assert_eq!(order.len(), WAITERS);
        assert!(
            order.is_sorted(),
            "first come, first served, over batches and bites"
        );
    });
}

#[test]
fn a_close_turns_thousands_away() {
    watched("a_close_turns_thousands_away", || {
        for fairness in crate::FAIRNESSES {
            const TASKS: usize = 2_000;
            const PERMITS: usize = 4;
            for round in 0..iterations() {
                let semaphore = Arc::new(Semaphore::with_fairness(PERMITS, fairness));
                let turned_away = Arc::new(AtomicUsize::new(0));
                let served: usize = on_threads(3, |thread| {
                    if thread == 2 {
                        until(|| semaphore.waiter_count() >= TASKS);
                        for _ in 0..round {
                            thread::yield_now();
                        }
                        semaphore.close();
                        return 0;
                    }
                    let (semaphore, turned_away) = (semaphore.clone(), turned_away.clone());
                    run(async move {
                        let tasks: Vec<_> = (0..TASKS)
                            .map(|_| {
                                let (semaphore, turned_away) =
                                    (semaphore.clone(), turned_away.clone());
                                compio::runtime::spawn(async move {
                                    let Ok(_permit) = semaphore.acquire().or_closed().await else {
                                        turned_away.fetch_add(1, SeqCst);
                                        return 0;
                                    };
                                    // It is the close that turns the others away: nobody gives back
                                    // anything before that.
                                    pass_until(|| turned_away.load(SeqCst) == 2 * TASKS - PERMITS)
                                        .await;
                                    1
                                })
                            })
                            .collect();
                        let mut served = 0;
                        for task in tasks {
                            served += task.await.expect("a task panicked");
                        }
                        served
                    })
                })
                .into_iter()
                .sum();
                assert_eq!(served, PERMITS);
                assert_eq!(
                    (semaphore.available_permits(), semaphore.waiter_count()),
                    (PERMITS, 0)
                );
                assert!(semaphore.try_acquire().is_none());
            }
        }
    });
}

// ---- many permits ----

#[test]
fn the_greatest_number_of_permits_is_a_number_like_any_other() {
    watched(
        "the_greatest_number_of_permits_is_a_number_like_any_other",
        || {
            const MAX: usize = Semaphore::MAX_PERMITS;
            let semaphore = Arc::new(Semaphore::with_fairness(MAX, Fairness::Fifo));
            let overflow = || catch_unwind(AssertUnwindSafe(|| semaphore.add_permits(1))).is_err();
            on_threads(4, |thread| {
                let mut random = Random::new(thread);
                for _ in 0..1_000 * iterations() {
                    let count = random.below(MAX / 4) + 1;
                    let mut permit = semaphore.try_acquire_many(count).expect("a quarter each");
                    let half = permit.split(count / 2).expect("it is less");
                    permit.merge(half);
                    assert_eq!(permit.num_permits(), count);
                }
            });
            assert!(overflow());
            assert_eq!(
                (semaphore.available_permits(), semaphore.max_permits()),
                (MAX, MAX)
            );

            // All of them to one waiter, before whom there is another.
            let all = semaphore
                .clone()
                .try_acquire_many_owned(MAX)
                .expect("they are there");
            assert_eq!(
                (semaphore.available_permits(), semaphore.in_use()),
                (0, MAX)
            );
            assert!(overflow(), "permits that are held count");
            let mut one = pin!(semaphore.acquire());
            let mut rest = pin!(semaphore.acquire_many(MAX));
            assert!(poll_once(one.as_mut()).is_pending());
            assert!(poll_once(rest.as_mut()).is_pending());
            drop(all);
            assert!(poll_once(rest.as_mut()).is_pending(), "one is missing");
            let Poll::Ready(permit) = poll_once(one.as_mut()) else {
                panic!("it was first")
            };
            drop(permit);
            let Poll::Ready(permit) = poll_once(rest.as_mut()) else {
                panic!("all are there")
            };
            semaphore.remove_permits(MAX);
            assert_eq!((semaphore.max_permits(), semaphore.in_use()), (0, MAX));
            drop(permit);
            assert_eq!((semaphore.available_permits(), semaphore.in_use()), (0, 0));
            semaphore.add_permits(MAX);
            assert_eq!(semaphore.available_permits(), MAX);
        },
    );
}

/// Every way to change the number of permits at once, with waiters all the time; the accounts of
/// the threads add up to what the semaphore says.
#[test]
fn storms_of_permits_are_accounted_for_exactly() {
    watched("storms_of_permits_are_accounted_for_exactly", || {
        for fairness in crate::FAIRNESSES {
            let rounds = 500 * iterations();
            let semaphore = Arc::new(Semaphore::with_fairness(50, fairness));
            // Of the permits of these waiters nothing is left but the count that they have forgotten.
            let changes = on_threads(4, |thread| {
                let semaphore = semaphore.clone();
                run(async move {
                    let mut random = Random::new(thread);
                    let mut change = 0;
                    for _ in 0..rounds {
                        let count = random.below(6);
                        match random.below(9) {
                            0..=2 => {
                                semaphore.add_permits(count);
                                change += count as isize;
                            }
                            3 => change -= semaphore.reduce_permits(count) as isize,
                            4 if semaphore.max_permits() > 40 => {
                                // There may be too few, held ones included, and then nothing changes.
                                let forgotten = catch_unwind(AssertUnwindSafe(|| {
                                    semaphore.remove_permits(count)
                                }));
                                if forgotten.is_ok() {
                                    change -= count as isize;
                                }
                            }
                            5 => {
                                if let Some(permit) = semaphore.try_acquire_many(count) {
                                    permit.forget();
                                    change -= count as isize;
                                }
                            }
                            6 => {
                                let acquire = semaphore.acquire_many(count);
                                if let Some(mut permit) = crate::at_most(3, acquire).await {
                                    let some = permit.split(count / 2).expect("it is less");
                                    change -= some.num_permits() as isize;
                                    some.forget();
                                }
                            }
                            _ => {
                                let acquire = semaphore.acquire_many(count);
                                if let Some(permit) = crate::at_most(4, acquire).await {
                                    pass().await;
                                    drop(permit);
                                }
                            }
                        }
                    }
                    change
                })
            });
            let expected = 50 + changes.iter().sum::<isize>();
            assert_eq!((semaphore.in_use(), semaphore.waiter_count()), (0, 0));
            if expected >= 0 {
                assert_eq!(semaphore.max_permits() as isize, expected);
                assert_eq!(semaphore.available_permits() as isize, expected);
            } else {
                // More was forgotten than there was: the debt shows once it has been repaid.
                assert_eq!(
                    (semaphore.max_permits(), semaphore.available_permits()),
                    (0, 0)
                );
                semaphore.add_permits(expected.unsigned_abs() + 1);
                assert_eq!(
                    (semaphore.max_permits(), semaphore.available_permits()),
                    (1, 1)
                );
            }
        }
    });
}

// ---- runtimes and threads that end ----

#[test]
fn runtimes_come_and_go_by_the_hundred_while_others_wake_them() {
    watched(
        "runtimes_come_and_go_by_the_hundred_while_others_wake_them",
        || {
            const WAITERS: usize = 20;
            let runtimes = 30 * iterations();
            let (semaphore, event) = (Arc::new(Semaphore::new(3)), Arc::new(Event::new()));
            let queue = Arc::new(WaiterQueue::new());
            let over = AtomicBool::new(false);
            on_threads(4, |thread| {
                if thread == 0 {
                    // The one who wakes them.
                    while !over.load(Relaxed) {
                        drop(semaphore.try_acquire());
                        semaphore.add_permits(1);
                        semaphore.remove_permits(1);
                        event.set();
                        event.reset();
                        queue.wake_one();
                        queue.wake_all();
                    }
                    return;
                }
                let mut random = Random::new(thread);
                for _ in 0..runtimes {
                    let runtime = runtime();
                    let passes = random.below(30);
                    runtime.block_on(async {
                        for number in 0..WAITERS {
                            let (semaphore, event) = (semaphore.clone(), event.clone());
                            let queue = queue.clone();
                            let wait = async move {
                                loop {
                                    match number % 3 {
                                        0 => {
                                            let _permit = semaphore.acquire().await;
                                            pass().await;
                                        }
                                        1 => event.wait().await,
                                        _ => queue.add_waiter_if(|| false).await,
                                    }
                                }
                            };
                            compio::runtime::spawn(wait).detach();
                        }
                        for _ in 0..passes {
                            pass().await;
                        }
                    });
                }
                if thread == 1 {
                    over.store(true, Relaxed);
                }
            });
            assert_eq!((semaphore.available_permits(), semaphore.in_use()), (3, 0));
            let left = (
                semaphore.waiter_count(),
                event.waiter_count(),
                queue.waiter_count(),
            );
            assert_eq!(left, (0, 0, 0));
        },
    );
}

/// What a thread keeps until its end, in a thread-local, and gives back in its destructor.
#[expect(dead_code, reason = "kept for what their destructors do")]
#[derive(Default)]
struct Kept {
    permit: Option<OwnedSemaphorePermit>,
    guard: Option<OwnedMutexGuard<usize>>,
    wait: Option<Pin<Box<compio_sync::AcquireOwned>>>,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

#[test]
fn threads_give_back_at_their_end_what_they_kept() {
    watched("threads_give_back_at_their_end_what_they_kept", || {
        let semaphore = Arc::new(Semaphore::new(1));
        let mutex = Arc::new(Mutex::new(0));
        for round in 0..10 * iterations() {
            on_threads(3, |thread| {
                // Whether the crate's own thread-locals end before or after these.
                if (round + thread) % 2 == 0 {
                    KEPT.with_borrow(|_| ());
                }
                let (semaphore, mutex) = (semaphore.clone(), mutex.clone());
                run(async move {
                    let permit = semaphore.clone().acquire_owned().await;
                    let mut guard = mutex.clone().lock_owned().await;
                    *guard += 1;
                    let mut wait = Box::pin(semaphore.acquire_many_owned(1));
                    assert!(poll_once(wait.as_mut()).is_pending());
                    KEPT.set(Kept {
                        permit: Some(permit),
                        guard: Some(guard),
                        wait: Some(wait),
                    });
                });
            });
        }
        assert_eq!((semaphore.available_permits(), semaphore.in_use()), (1, 0));
        assert_eq!((semaphore.waiter_count(), mutex.waiter_count()), (0, 0));
        assert_eq!(
            *mutex.try_lock().expect("it is unlocked"),
            30 * iterations()
        );
    });
}

/// Waits for a permit, and gives it back, as its thread ends.
struct Last {
    semaphore: Arc<Semaphore>,
    blocking: bool,
}

impl Drop for Last {
    fn drop(&mut self) {
        let semaphore = self.semaphore.clone();
        if self.blocking {
            drop(semaphore.blocking_acquire());
        } else {
            run(async move { drop(semaphore.acquire().await) });
        }
    }
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

fn wait_in_a_destructor(blocking: bool, first: bool) {
    let semaphore = Arc::new(Semaphore::new(1));
    for _ in 0..iterations() {
        let permit = semaphore.try_acquire().expect("nobody has it");
        let waiting = semaphore.clone();
        let thread = thread::spawn(move || {
            // Whether the crate's own thread-locals end before or after this one.
            if first {
                LAST.with_borrow(|_| ());
            }
            run(async {
                let event = Arc::new(Event::new());
                let wait = event.clone();
                let task = compio::runtime::spawn(async move { wait.wait().await });
                pass_until(|| event.waiter_count() == 1).await;
                event.set();
                task.await.expect("the task panicked");
            });
            LAST.set(Some(Last {
                semaphore: waiting,
                blocking,
            }));
        });
        until(|| semaphore.waiter_count() == 1);
        drop(permit);
        thread.join().expect("the thread panicked");
        assert_eq!(
            (semaphore.available_permits(), semaphore.waiter_count()),
            (1, 0)
        );
    }
}

#[test]
fn a_thread_may_block_for_a_permit_as_it_ends() {
    watched("a_thread_may_block_for_a_permit_as_it_ends", || {
        wait_in_a_destructor(true, false);
        wait_in_a_destructor(true, true);
    });
}

#[test]
fn a_runtime_may_wait_for_a_permit_as_its_thread_ends() {
    const NAME: &str = "edge_cases::a_runtime_may_wait_for_a_permit_as_its_thread_ends";
    isolated(NAME, || {
        wait_in_a_destructor(false, false);
        wait_in_a_destructor(false, true);
    });
}

// ---- wakers that come back ----

/// A waker that does something to the primitive that wakes it.
struct Reentrant<F>(F);

impl<F: Fn() + Send + Sync> Wake for Reentrant<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

#[test]
fn wakers_may_use_the_semaphore_that_wakes_them() {
    watched("wakers_may_use_the_semaphore_that_wakes_them", || {
        let semaphore = Arc::new(Semaphore::new(0));
        let woken = Arc::new(AtomicUsize::new(0));
        // Each of these, when woken, drops another's wait, begins and drops one of its own, gives
        // a permit and takes one away.
        type Waits = StdMutex<Vec<Pin<Box<compio_sync::AcquireOwned>>>>;
        let others: Arc<Waits> = Arc::default();
        for _ in 0..iterations() {
            let count = 100;
            let mut waits: Vec<_> = (0..count)
                .map(|_| Box::pin(semaphore.clone().acquire_owned()))
                .collect();
            for wait in &mut waits {
                let (theirs, woken) = (semaphore.clone(), woken.clone());
                let waits_of_others: Weak<Waits> = Arc::downgrade(&others);
                let waker = Waker::from(Arc::new(Reentrant(move || {
                    woken.fetch_add(1, SeqCst);
                    assert!(poll_once(pin!(theirs.acquire_many(1_000))).is_pending());
                    let other = waits_of_others
                        .upgrade()
                        .and_then(|others| others.lock().unwrap().pop());
                    drop(other);
                    theirs.add_permits(1);
                    theirs.remove_permits(1);
                })));
                assert!(
                    wait.as_mut()
                        .poll(&mut Context::from_waker(&waker))
                        .is_pending()
                );
                let mut other = Box::pin(semaphore.clone().acquire_owned());
                assert!(poll_once(other.as_mut()).is_pending());
                others.lock().unwrap().push(other);
            }
            for _ in 0..2 * count {
                semaphore.add_permits(1);
            }
            let mut got = 0;
            for wait in &mut waits {
                let Poll::Ready(permit) = poll_once(wait.as_mut()) else {
                    panic!("there is one for each")
                };
                permit.forget();
                got += 1;
            }
            others.lock().unwrap().clear();
            assert_eq!(semaphore.available_permits(), 2 * count - got);
            assert_eq!(semaphore.reduce_permits(usize::MAX), count);
            assert_eq!((semaphore.waiter_count(), semaphore.in_use()), (0, 0));
        }
        assert_eq!(woken.load(SeqCst), 100 * iterations());
    });
}

/// Each wake releases the next, on the same thread, before it returns.
#[test]
fn a_chain_of_wakers_that_release_reaches_its_end() {
    watched("a_chain_of_wakers_that_release_reaches_its_end", || {
        const WAITERS: usize = 500;
        let semaphore = Arc::new(Semaphore::new(0));
        let waker = Waker::from(Arc::new(Reentrant({
            let semaphore = semaphore.clone();
            move || semaphore.add_permits(1)
        })));
        let mut waits: Vec<_> = (0..WAITERS)
            .map(|_| Box::pin(semaphore.clone().acquire_owned()))
            .collect();
        for wait in &mut waits {
            assert!(
                wait.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        semaphore.add_permits(1);
        for wait in &mut waits {
            let Poll::Ready(permit) = poll_once(wait.as_mut()) else {
                panic!("the one before has released it")
            };
            permit.forget();
        }
        assert_eq!(
            (semaphore.available_permits(), semaphore.waiter_count()),
            (1, 0)
        );
    });
}
