//! Whole primitives under shuttle's schedulers: three to eight threads, long runs, waits that are
//! cancelled or run out of time.
//!
//! ```sh
//! scripts/shuttle.sh
//! ```
//!
//! Each model runs under two schedulers. The random one hands over at any access to an atomic, the
//! one that is known as PCT (probabilistic concurrency testing) seldom, at a few points chosen
//! beforehand, so that one thread is far behind the others. Both know strong memory only: what
//! depends on an ordering is for loom to find. A thread that is never woken is found as a deadlock.
#![cfg(compio_sync_shuttle)]

use std::{
    cell::Cell,
    env,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use compio_sync::{
    Condvar, Event, Fairness, LazyCell, LazyFuture, Mutex, OnceCell, RwLock,
    RwLockUpgradableReadGuard, RwLockWriteGuard, Semaphore, SetOnce, WaiterQueue, broadcast, mpmc,
    mpsc, watch,
};
use shuttle::{
    Config, Runner,
    future::block_on,
    rand::{Rng, thread_rng},
    scheduler::{PctScheduler, RandomScheduler},
    thread,
};

// ---- running ----

/// How many preemptions PCT makes.
const DEPTH: usize = 3;

fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

fn explore(model: fn()) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    if let Ok(schedule) = env::var("SHUTTLE_REPLAY") {
        return shuttle::replay(model, &schedule);
    }
    let iterations = number("SHUTTLE_ITERATIONS", 1000);
    let seed = number("SHUTTLE_SEED", 1) as u64;
    let mut config = Config::new();
    config.stack_size = 0x10000;
    // That it knows strong memory only.
    config.silence_warnings = true;
    let random = RandomScheduler::new_from_seed(seed, iterations);
    let pct = PctScheduler::new_from_seed(seed, DEPTH, iterations);
    let explored =
        Runner::new(random, config.clone()).run(model) + Runner::new(pct, config).run(model);
    println!("{name}: {explored} schedules");
}

/// Has each of several threads do `work`, and waits for them.
fn crew(threads: usize, work: impl Fn() + Send + Sync + 'static) {
    let work = Arc::new(work);
    let threads: Vec<_> = (0..threads)
        .map(|_| {
            let work = work.clone();
            thread::spawn(move || work())
        })
        .collect();
    threads.into_iter().for_each(|it| it.join().unwrap());
}

fn dice(sides: usize) -> usize {
    thread_rng().gen_range(0..sides)
}

// ---- time ----

/// A deadline, which a thread of its own brings about at some time or other.
#[derive(Default)]
struct Timer {
    is_over: AtomicBool,
    waker: StdMutex<Option<Waker>>,
}

impl Timer {
    fn begin() -> Arc<Self> {
        let timer = Arc::new(Self::default());
        thread::spawn({
            let timer = timer.clone();
            move || {
                for _ in 0..dice(8) {
                    thread::yield_now();
                }
                timer.is_over.store(true, Relaxed);
                let waker = timer.waker.lock().unwrap().take();
                waker.into_iter().for_each(Waker::wake);
            }
        });
        timer
    }

    fn poll(&self, cx: &Context<'_>) -> bool {
        // Threads of a model change places at accesses to its own atomics only.
        *self.waker.lock().unwrap() = Some(cx.waker().clone());
        self.is_over.load(Relaxed)
    }
}

/// Waits for `future`, until a deadline.
async fn timeout<F: Future>(future: F) -> Option<F::Output> {
    let timer = Timer::begin();
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if timer.poll(cx) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// Polls `future` once, with a waker that leads nowhere, and says whether it is over.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    struct Nowhere;
    impl Wake for Nowhere {
        fn wake(self: Arc<Self>) {}
    }
    let waker = Waker::from(Arc::new(Nowhere));
    match Pin::new(future).poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

// ---- semaphore ----

/// How many permits are in use, which never are too many.
struct Used {
    now: AtomicUsize,
    most: usize,
}

impl Used {
    fn during(&self, count: usize) {
        let now = self.now.fetch_add(count, Relaxed) + count;
        assert!(now <= self.most, "{now} permits are in use");
        thread::yield_now();
        self.now.fetch_sub(count, Relaxed);
    }
}

/// One round of somebody who uses the semaphore in one of the ways that there are.
fn use_in_some_way(semaphore: &Arc<Semaphore>, used: &Used) {
    match dice(8) {
        0 => {
            let _permits = block_on(semaphore.acquire_many(2));
            used.during(2);
        }
        1 => {
            if let Some(_permit) = semaphore.try_acquire() {
                used.during(1);
            }
        }
        2 => {
            if let Some(_permit) = block_on(timeout(semaphore.acquire())) {
                used.during(1);
            }
        }
        3 => {
            if let Some(_permits) = block_on(timeout(semaphore.acquire_many(2))) {
                used.during(2);
            }
        }
        4 => {
            // Begun by one, ended by another.
            let mut wait = semaphore.clone().acquire_owned();
            let permit = poll_once(&mut wait);
            thread::yield_now();
            let _permit = permit.unwrap_or_else(|| block_on(wait));
            used.during(1);
        }
        5 => {
            // Polled once, and cancelled at some time or other.
            let mut wait = semaphore.acquire();
            let permit = poll_once(&mut wait);
            thread::yield_now();
            drop(permit);
        }
        _ => {
            let _permit = block_on(semaphore.acquire());
            used.during(1);
        }
    }
}

fn semaphore_keeps_its_permits(fairness: Fairness, threads: usize, rounds: usize) {
    let semaphore = Arc::new(Semaphore::with_fairness(2, fairness));
    let used = Used {
        now: AtomicUsize::new(0),
        most: 2,
    };
    crew(threads, {
        let semaphore = semaphore.clone();
        move || (0..rounds).for_each(|_| use_in_some_way(&semaphore, &used))
    });
    assert_eq!(semaphore.available_permits(), 2);
    assert_eq!(semaphore.waiter_count(), 0);
    assert!(
        semaphore.try_acquire_many(2).is_some(),
        "the line is in the way"
    );
}

#[test]
fn semaphore_that_is_fifo_loses_no_permit_and_no_wake() {
    explore(|| semaphore_keeps_its_permits(Fairness::Fifo, 5, 4));
}

#[test]
fn semaphore_that_lets_one_pass_loses_no_permit_and_no_wake() {
    explore(|| semaphore_keeps_its_permits(Fairness::Bounded(1), 5, 4));
}

#[test]
fn semaphore_that_lets_two_pass_loses_no_permit_and_no_wake() {
    explore(|| semaphore_keeps_its_permits(Fairness::Bounded(2), 5, 4));
}

#[test]
fn semaphore_that_lets_three_pass_loses_no_permit_and_no_wake() {
    explore(|| semaphore_keeps_its_permits(Fairness::Bounded(3), 5, 4));
}

#[test]
fn semaphore_of_eight_threads_loses_no_permit_and_no_wake() {
    explore(|| semaphore_keeps_its_permits(Fairness::Bounded(1), 8, 2));
}

#[test]
fn semaphore_of_few_threads_loses_nothing_in_the_long_run() {
    explore(|| semaphore_keeps_its_permits(Fairness::Bounded(2), 3, 20));
}

fn semaphore_keeps_count(fairness: Fairness) {
    let semaphore = Arc::new(Semaphore::with_fairness(1, fairness));
    let added = Arc::new(AtomicUsize::new(0));
    let changer = thread::spawn({
        let (semaphore, added) = (semaphore.clone(), added.clone());
        move || {
            for _ in 0..3 {
                semaphore.add_permits(1);
                added.fetch_add(1, Relaxed);
                thread::yield_now();
                match dice(2) {
                    0 => {
                        added.fetch_sub(semaphore.reduce_permits(1), Relaxed);
                    }
                    _ => {
                        semaphore.remove_permits(1);
                        added.fetch_sub(1, Relaxed);
                    }
                }
            }
        }
    });
    crew(4, {
        let semaphore = semaphore.clone();
        move || {
            for _ in 0..3 {
                let _permit = match dice(2) {
                    0 => block_on(timeout(semaphore.acquire())),
                    _ => Some(block_on(semaphore.acquire())),
                };
                thread::yield_now();
            }
        }
    });
    changer.join().unwrap();
    assert_eq!(semaphore.available_permits(), 1 + added.load(Relaxed));
    assert_eq!(semaphore.waiter_count(), 0);
}

#[test]
fn semaphore_that_is_fifo_keeps_count_of_permits_added_and_taken_away() {
    explore(|| semaphore_keeps_count(Fairness::Fifo));
}

#[test]
fn semaphore_with_overtaking_keeps_count_of_permits_added_and_taken_away() {
    explore(|| semaphore_keeps_count(Fairness::Bounded(1)));
}

fn semaphore_closes(fairness: Fairness) {
    let semaphore = Arc::new(Semaphore::with_fairness(1, fairness));
    let closer = thread::spawn({
        let semaphore = semaphore.clone();
        move || {
            for _ in 0..dice(6) {
                thread::yield_now();
            }
            semaphore.close();
        }
    });
    crew(4, {
        let semaphore = semaphore.clone();
        move || {
            for _ in 0..4 {
                let permit = match dice(3) {
                    0 => block_on(timeout(semaphore.acquire().or_closed())),
                    _ => Some(block_on(semaphore.acquire().or_closed())),
                };
                thread::yield_now();
                drop(permit);
            }
        }
    });
    closer.join().unwrap();
    assert!(block_on(semaphore.acquire().or_closed()).is_err());
    assert_eq!(semaphore.available_permits(), 1);
    assert_eq!(semaphore.waiter_count(), 0);
}

#[test]
fn semaphore_that_is_fifo_turns_everybody_away_once_closed() {
    explore(|| semaphore_closes(Fairness::Fifo));
}

#[test]
fn semaphore_with_overtaking_turns_everybody_away_once_closed() {
    explore(|| semaphore_closes(Fairness::Bounded(1)));
}

// ---- mutex ----

fn mutex_keeps_count(fairness: Fairness) {
    let mutex = Arc::new(Mutex::with_fairness(0, fairness));
    let added = Arc::new(AtomicUsize::new(0));
    crew(6, {
        let (mutex, added) = (mutex.clone(), added.clone());
        move || {
            for _ in 0..3 {
                let guard = match dice(4) {
                    0 => block_on(timeout(mutex.lock())),
                    1 => mutex.try_lock(),
                    _ => Some(block_on(mutex.lock())),
                };
                if let Some(mut guard) = guard {
                    // Whoever comes in between is lost.
                    let before = *guard;
                    thread::yield_now();
                    *guard = before + 1;
                    added.fetch_add(1, Relaxed);
                }
            }
        }
    });
    assert_eq!(*mutex.try_lock().unwrap(), added.load(Relaxed));
}

#[test]
fn mutex_that_is_fifo_is_had_by_one_at_a_time() {
    explore(|| mutex_keeps_count(Fairness::Fifo));
}

#[test]
fn mutex_with_overtaking_is_had_by_one_at_a_time() {
    explore(|| mutex_keeps_count(Fairness::Bounded(1)));
}

#[test]
fn mutex_that_lets_three_pass_is_had_by_one_at_a_time() {
    explore(|| mutex_keeps_count(Fairness::Bounded(3)));
}

// ---- read-write lock ----

/// Everybody reads, writes and upgrades, and gives some of that up.
fn lock_is_read_by_many_or_written_by_one(fairness: Fairness, threads: usize, rounds: usize) {
    let lock = Arc::new(RwLock::with_max_readers_and_fairness(0, 3, fairness));
    let added = Arc::new(AtomicUsize::new(0));
    crew(threads, {
        let (lock, added) = (lock.clone(), added.clone());
        move || {
            for _ in 0..rounds {
                match dice(5) {
                    0 => {
                        let guard = match dice(3) {
                            0 => block_on(timeout(lock.read())),
                            1 => lock.try_read(),
                            _ => Some(block_on(lock.read())),
                        };
                        if let Some(guard) = guard {
                            let before = *guard;
                            thread::yield_now();
                            assert_eq!(*guard, before, "written while it is read");
                        }
                    }
                    1 => {
                        let guard = match dice(3) {
                            0 => block_on(timeout(lock.write())),
                            1 => lock.try_write(),
                            _ => Some(block_on(lock.write())),
                        };
                        if let Some(mut guard) = guard {
                            let before = *guard;
                            thread::yield_now();
                            *guard = before + 1;
                            added.fetch_add(1, Relaxed);
                            let guard = RwLockWriteGuard::downgrade(guard);
                            thread::yield_now();
                            assert_eq!(*guard, before + 1, "written while it is read");
                        }
                    }
                    _ => {
                        let guard = match dice(3) {
                            0 => block_on(timeout(lock.upgradable_read())),
                            1 => lock.try_upgradable_read(),
                            _ => Some(block_on(lock.upgradable_read())),
                        };
                        let Some(mut guard) = guard else { continue };
                        for _ in 0..dice(3) {
                            let before = *guard;
                            let upgrade = RwLockUpgradableReadGuard::upgrade(&mut guard);
                            let upgraded = match dice(3) {
                                0 => block_on(timeout(upgrade)),
                                _ => Some(block_on(upgrade)),
                            };
                            if let Some(mut upgraded) = upgraded {
                                assert_eq!(*upgraded, before, "written while it is read");
                                thread::yield_now();
                                *upgraded = before + 1;
                                added.fetch_add(1, Relaxed);
                            }
                        }
                        if dice(2) == 0 {
                            drop(RwLockUpgradableReadGuard::downgrade(guard));
                        }
                    }
                }
            }
        }
    });
    drop(
        lock.try_upgradable_read()
            .expect("the right to upgrade is lost"),
    );
    assert_eq!(
        *lock.try_write().expect("a permit is lost"),
        added.load(Relaxed)
    );
    assert_eq!(lock.waiter_count(), 0);
}

#[test]
fn lock_that_is_fifo_is_read_by_many_or_written_by_one() {
    explore(|| lock_is_read_by_many_or_written_by_one(Fairness::Fifo, 5, 3));
}

#[test]
fn lock_with_overtaking_is_read_by_many_or_written_by_one() {
    explore(|| lock_is_read_by_many_or_written_by_one(Fairness::Bounded(1), 5, 3));
}

#[test]
fn lock_that_lets_three_pass_is_read_by_many_or_written_by_one_in_the_long_run() {
    explore(|| lock_is_read_by_many_or_written_by_one(Fairness::Bounded(3), 4, 12));
}

// ---- condvar ----

/// A place for one thing, which some bring and others fetch.
fn condvar_serves_a_buffer(pairs: usize, things: usize) {
    let place = Arc::new((Mutex::new(None), Condvar::new(), Condvar::new()));
    let bring = |place: Arc<(Mutex<Option<usize>>, Condvar, Condvar)>| {
        move || {
            for thing in 0..things {
                block_on(async {
                    let (mutex, filled, emptied) = &*place;
                    let mut guard = emptied
                        .wait_while(mutex.lock().await, |it| it.is_some())
                        .await;
                    *guard = Some(thing);
                    filled.notify_one();
                });
            }
            0
        }
    };
    let fetch = |place: Arc<(Mutex<Option<usize>>, Condvar, Condvar)>| {
        move || {
            let mut fetched = 0;
            while fetched < things {
                let thing = block_on(async {
                    let (mutex, filled, emptied) = &*place;
                    let wait = async {
                        let guard = mutex.lock().await;
                        filled.wait_while(guard, |it| it.is_none()).await
                    };
                    let mut guard = match dice(3) {
                        0 => timeout(wait).await?,
                        _ => wait.await,
                    };
                    let thing = guard.take();
                    emptied.notify_one();
                    thing
                });
                fetched += thing.is_some() as usize;
            }
            fetched
        }
    };
    let threads: Vec<_> = (0..pairs)
        .flat_map(|_| {
            [
                thread::spawn(bring(place.clone())),
                thread::spawn(fetch(place.clone())),
            ]
        })
        .collect();
    let fetched: usize = threads.into_iter().map(|it| it.join().unwrap()).sum();
    assert_eq!(fetched, pairs * things);
    assert!(place.0.try_lock().unwrap().is_none());
    assert_eq!(place.1.waiter_count() + place.2.waiter_count(), 0);
}

#[test]
fn condvar_loses_no_notification_between_two() {
    explore(|| condvar_serves_a_buffer(1, 6));
}

#[test]
fn condvar_loses_no_notification_between_six_who_run_out_of_time() {
    explore(|| condvar_serves_a_buffer(3, 3));
}

#[test]
fn condvar_notifies_all() {
    explore(|| {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let opener = thread::spawn({
            let gate = gate.clone();
            move || {
                *block_on(gate.0.lock()) = true;
                gate.1.notify_all();
            }
        });
        crew(5, move || {
            block_on(async {
                let guard = gate.0.lock().await;
                assert!(*gate.1.wait_while(guard, |open| !*open).await);
            });
        });
        opener.join().unwrap();
    });
}

// ---- event ----

#[test]
fn event_lets_everybody_go_though_it_is_reset() {
    explore(|| {
        let event = Arc::new(Event::new());
        let setters: Vec<_> = (0..2)
            .map(|_| {
                let event = event.clone();
                thread::spawn(move || {
                    for _ in 0..3 {
                        event.set();
                        thread::yield_now();
                        event.reset();
                    }
                })
            })
            .collect();
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let event = event.clone();
                thread::spawn(move || {
                    block_on(timeout(event.wait()));
                    block_on(event.wait());
                })
            })
            .collect();
        setters.into_iter().for_each(|it| it.join().unwrap());
        event.set();
        waiters.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(event.waiter_count(), 0);
    });
}

// ---- cells that are set once ----

/// Counts one down when it is dropped.
struct Leaves<'a>(&'a AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Is pending once.
async fn pause() {
    let mut paused = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

#[test]
fn set_once_is_set_by_one_of_many_and_ends_all_waits() {
    explore(|| {
        let cell = Arc::new(SetOnce::new());
        let threads: Vec<_> = (0..6)
            .map(|n| {
                let cell = cell.clone();
                thread::spawn(move || {
                    if n < 3 {
                        let won = cell.set(n).is_ok();
                        assert_eq!(*cell.get().unwrap() == n, won);
                    } else {
                        block_on(timeout(cell.wait()));
                        assert!(*block_on(cell.wait()) < 3);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(cell.waiter_count(), 0);
    });
}

#[test]
fn once_cell_is_initialized_once_though_others_fail_and_are_cancelled() {
    explore(|| {
        let it = Arc::new((OnceCell::new(), AtomicUsize::new(0), AtomicUsize::new(0)));
        let threads: Vec<_> = (0..6)
            .map(|n| {
                let it = it.clone();
                thread::spawn(move || {
                    let (cell, running, made) = &*it;
                    let init = || {
                        cell.get_or_try_init(async || {
                            assert_eq!(running.fetch_add(1, Relaxed), 0, "one at a time");
                            let _ends = Leaves(running);
                            pause().await;
                            if n % 2 == 0 {
                                return Err(());
                            }
                            made.fetch_add(1, Relaxed);
                            Ok(n)
                        })
                    };
                    if n == 0 {
                        return assert!(block_on(cell.wait()) % 2 == 1);
                    }
                    let first = block_on(timeout(init()));
                    if !matches!(first, Some(Ok(_))) {
                        _ = block_on(init());
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!((it.2.load(Relaxed), it.0.waiter_count()), (1, 0));
    });
}

#[test]
fn lazy_cell_is_made_once_though_tasks_are_cancelled() {
    explore(|| {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let lazy: Arc<LazyCell<usize, LazyFuture<usize>, _>> = Arc::new(LazyCell::new(move || {
            Box::pin(async move {
                counted.fetch_add(1, Relaxed);
                for _ in 0..3 {
                    pause().await;
                }
                7_usize
            }) as LazyFuture<usize>
        }));
        let threads: Vec<_> = (0..5)
            .map(|_| {
                let lazy = lazy.clone();
                thread::spawn(move || {
                    block_on(timeout(lazy.force()));
                    assert_eq!(block_on(lazy.force()), &7);
                })
            })
            .collect();
        threads.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!((calls.load(Relaxed), lazy.waiter_count()), (1, 0));
    });
}

// ---- waiter queue ----

#[test]
fn waiter_queue_misses_no_change_of_its_condition() {
    explore(|| {
        let turns = Arc::new((
            shuttle::sync::atomic::AtomicUsize::new(0),
            WaiterQueue::new(),
        ));
        let number = Cell::new(0);
        // Each in turn: each waits until all before it have been there.
        let threads: Vec<_> = (0..5)
            .map(|_| {
                let turns = turns.clone();
                let mine = number.replace(number.get() + 1);
                thread::spawn(move || {
                    block_on(async {
                        let is_mine = || turns.0.load(Relaxed) == mine;
                        while !is_mine() {
                            match dice(4) {
                                0 => drop(timeout(turns.1.add_waiter_if(is_mine)).await),
                                _ => turns.1.add_waiter_if(is_mine).await,
                            }
                        }
                    });
                    turns.0.fetch_add(1, Relaxed);
                    turns.1.wake_all();
                })
            })
            .collect();
        threads.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(turns.0.load(Relaxed), 5);
        assert_eq!(turns.1.waiter_count(), 0);
    });
}

#[test]
fn waiter_queue_passes_a_wake_on_if_its_waiter_leaves() {
    explore(|| {
        let tokens = Arc::new((
            shuttle::sync::atomic::AtomicUsize::new(0),
            WaiterQueue::new(),
        ));
        let take = |tokens: &(shuttle::sync::atomic::AtomicUsize, WaiterQueue)| {
            tokens
                .0
                .fetch_update(Relaxed, Relaxed, |count| count.checked_sub(1))
                .is_ok()
        };
        let givers: Vec<_> = (0..2)
            .map(|_| {
                let tokens = tokens.clone();
                thread::spawn(move || {
                    for _ in 0..4 {
                        tokens.0.fetch_add(1, Relaxed);
                        tokens.1.wake_one();
                    }
                })
            })
            .collect();
        let takers: Vec<_> = (0..4)
            .map(|_| {
                let tokens = tokens.clone();
                thread::spawn(move || {
                    for _ in 0..2 {
                        while !take(&tokens) {
                            let wait = tokens.1.add_waiter_if(|| tokens.0.load(Relaxed) > 0);
                            match dice(3) {
                                0 => drop(block_on(timeout(wait))),
                                _ => block_on(wait),
                            }
                        }
                        // The next one in line looks, too.
                        tokens.1.wake_one();
                    }
                })
            })
            .collect();
        givers.into_iter().for_each(|it| it.join().unwrap());
        takers.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(tokens.0.load(Relaxed), 0);
        assert_eq!(tokens.1.waiter_count(), 0);
    });
}

// ---- channels ----

/// Sends values, some of which are given up. Returns how many were sent.
fn send_some<K>(sender: &mpsc::Sender<(usize, usize), K>, from: usize) -> usize {
    let mut sent = 0;
    for _ in 0..4 {
        let result = match dice(4) {
            0 => sender.try_send((from, sent)).ok(),
            1 => block_on(timeout(sender.send((from, sent)))).and_then(Result::ok),
            2 => poll_once(&mut sender.send((from, sent))).and_then(Result::ok),
            _ => block_on(sender.send((from, sent))).ok(),
        };
        sent += usize::from(result.is_some());
    }
    sent
}

/// That each sender's values are seen in order.
#[derive(Default)]
struct InOrder([Option<usize>; 3]);

impl InOrder {
    fn add(&mut self, (from, n): (usize, usize)) {
        assert!(self.0[from] < Some(n), "out of order");
        self.0[from] = Some(n);
    }
}

#[test]
fn channel_of_many_receivers_loses_no_value_and_no_wake() {
    explore(|| {
        let (sender, receiver) = mpmc::channel(1 + dice(3));
        let senders: Vec<_> = (0..3)
            .map(|from| {
                let sender = sender.clone();
                thread::spawn(move || send_some(&sender, from))
            })
            .collect();
        let receivers: Vec<_> = (0..3)
            .map(|_| {
                let receiver = receiver.clone();
                thread::spawn(move || {
                    let (mut seen, mut count) = (InOrder::default(), 0);
                    loop {
                        let value = match dice(4) {
                            0 => receiver.try_recv().ok(),
                            1 => block_on(timeout(receiver.recv())).flatten(),
                            2 => poll_once(&mut receiver.recv()).flatten(),
                            _ => match block_on(receiver.recv()) {
                                Some(value) => Some(value),
                                None => break,
                            },
                        };
                        count += usize::from(value.is_some());
                        value.into_iter().for_each(|value| seen.add(value));
                    }
                    count
                })
            })
            .collect();
        drop((sender, receiver));
        let sum = |threads: Vec<thread::JoinHandle<usize>>| {
            threads
                .into_iter()
                .map(|it| it.join().unwrap())
                .sum::<usize>()
        };
        assert_eq!(sum(senders), sum(receivers), "a value is lost");
    });
}

#[test]
fn channel_of_one_receiver_loses_no_value_and_no_wake() {
    explore(|| {
        let (sender, mut receiver) = mpsc::channel(1 + dice(3));
        let senders: Vec<_> = (0..3)
            .map(|from| {
                let sender = sender.clone();
                thread::spawn(move || send_some(&sender, from))
            })
            .collect();
        drop(sender);
        let closes = dice(3) == 0;
        let (mut seen, mut count) = (InOrder::default(), 0);
        loop {
            let mut values = Vec::new();
            match dice(4) {
                0 => values.extend(receiver.try_recv().ok()),
                1 => values.extend(block_on(timeout(receiver.recv())).flatten()),
                2 => {
                    if block_on(receiver.recv_many(&mut values, 1 + dice(3))) == 0 {
                        break;
                    }
                }
                _ => match block_on(receiver.recv()) {
                    Some(value) => values.push(value),
                    None => break,
                },
            }
            count += values.len();
            values.into_iter().for_each(|value| seen.add(value));
            if closes && count > 3 {
                receiver.close();
            }
        }
        let sent: usize = senders.into_iter().map(|it| it.join().unwrap()).sum();
        assert_eq!(sent, count, "a value is lost");
    });
}

#[test]
fn watch_receivers_see_the_last_of_all_changes() {
    explore(|| {
        let (sender, receiver) = watch::channel(0);
        let receivers: Vec<_> = (0..3)
            .map(|_| {
                let mut receiver = receiver.clone();
                thread::spawn(move || {
                    let mut last = 0;
                    loop {
                        match dice(2) {
                            0 => drop(block_on(timeout(receiver.changed()))),
                            _ => {
                                if block_on(receiver.changed()).is_err() {
                                    break;
                                }
                            }
                        }
                        let now = *receiver.borrow_and_update();
                        assert!(now >= last, "an older value");
                        last = now;
                    }
                    assert_eq!(*receiver.borrow(), 6);
                })
            })
            .collect();
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let sender = sender.clone();
                thread::spawn(move || (0..3).for_each(|_| sender.send_modify(|n| *n += 1)))
            })
            .collect();
        drop((sender, receiver));
        senders.into_iter().for_each(|it| it.join().unwrap());
        receivers.into_iter().for_each(|it| it.join().unwrap());
    });
}

#[test]
fn broadcast_receivers_get_or_miss_every_value() {
    explore(|| {
        let (sender, receiver) = broadcast::channel(1 + dice(3));
        let receivers: Vec<_> = (0..2)
            .map(|_| {
                let mut receiver = receiver.resubscribe();
                thread::spawn(move || {
                    let (mut seen, mut count) = (InOrder::default(), 0);
                    loop {
                        let result = match dice(2) {
                            0 => match block_on(timeout(receiver.recv())) {
                                Some(result) => result,
                                None => continue,
                            },
                            _ => block_on(receiver.recv()),
                        };
                        match result {
                            Ok(value) => {
                                seen.add(value);
                                count += 1;
                            }
                            Err(broadcast::error::RecvError::Lagged(missed)) => count += missed,
                            Err(broadcast::error::RecvError::Closed) => break,
                        }
                    }
                    assert_eq!(count, 6);
                })
            })
            .collect();
        drop(receiver);
        let senders: Vec<_> = (0..2)
            .map(|from| {
                let sender = sender.clone();
                thread::spawn(move || {
                    (0..3).for_each(|n| assert_eq!(sender.send((from, n)).unwrap(), 2))
                })
            })
            .collect();
        drop(sender);
        senders.into_iter().for_each(|it| it.join().unwrap());
        receivers.into_iter().for_each(|it| it.join().unwrap());
    });
}
