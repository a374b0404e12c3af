//! Runtimes that end while others wake their tasks, and those that come after them.
//!
//! Run under ThreadSanitizer for every change: `scripts/sanitizers.sh ends`. `STRESS_TEST_ITERATIONS`
//! says how many runtimes: two hundred times as many, five without it.

use std::{
    env,
    future::pending,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use compio::runtime::Runtime;
use compio_sync::{Fairness, OwnedSemaphorePermit, Semaphore, WakeStats, WakeTier};

mod common;
use common::{Watchdog, until, yield_now};

/// A runtime takes the doorbell that was given up last: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a permit back when it is dropped with its task: after the listener's task is gone, and when the
/// next runtime sleeps.
struct Late {
    permit: Option<OwnedSemaphorePermit>,
    ends: mpsc::Sender<()>,
    next_sleeps: mpsc::Receiver<()>,
}

impl Drop for Late {
    fn drop(&mut self) {
        self.ends.send(()).unwrap();
        self.next_sleeps.recv().unwrap();
        drop(self.permit.take());
    }
}

async fn sleeps_once() {
    let tier = WakeTier::current().unwrap();
    while WakeStats::current(tier).unwrap().sleeps == 0 {
        yield_now().await;
    }
}

#[test]
fn runtime_that_is_being_dropped_wakes_nobody_in_the_one_that_has_its_doorbell() {
    let _watchdog = Watchdog::new("the next runtime");
    let _alone = alone();
    let never = Arc::new(Semaphore::new(0));
    let semaphore = Arc::new(Semaphore::with_fairness(1, Fairness::Fifo));
    let (ends, first_ends) = mpsc::channel();
    let (sleeps, next_sleeps) = mpsc::channel();
    let (gone, first_is_gone) = mpsc::channel::<()>();
    let next = thread::spawn({
        let never = never.clone();
        move || {
            first_ends.recv().unwrap();
            Runtime::new().unwrap().block_on(async {
                compio::runtime::spawn(async move { never.acquire().await.forget() }).detach();
                sleeps_once().await;
                sleeps.send(()).unwrap();
                first_is_gone.recv().unwrap();
                for _ in 0..100 {
                    yield_now().await;
                }
                WakeStats::current(WakeTier::current().unwrap()).unwrap()
            })
        }
    });
    let first = Runtime::new().unwrap();
    first.block_on(async {
        let wait = |semaphore: &Arc<Semaphore>| {
            let semaphore = semaphore.clone();
            compio::runtime::spawn(async move { semaphore.acquire().await.forget() }).detach();
        };
        // The listener's task comes into being with the first wait, before that of the permit.
        wait(&never);
        sleeps_once().await;
        let late = Late {
            permit: semaphore.clone().try_acquire_owned(),
            ends,
            next_sleeps,
        };
        compio::runtime::spawn(async move {
            let _late = late;
            pending::<()>().await;
        })
        .detach();
        wait(&semaphore);
        while semaphore.waiter_count() == 0 {
            yield_now().await;
        }
    });
    drop(first);
    gone.send(()).unwrap();
    let stats = next.join().unwrap();
    assert_eq!((stats.wakes, stats.batches, stats.signals), (0, 0, 0));
    assert_eq!(
        semaphore.available_permits(),
        1,
        "handed to a task that is gone"
    );
}

#[test]
fn runtimes_that_end_while_two_threads_wake_their_tasks_leave_nothing_behind() {
    let _watchdog = Watchdog::new("the storm");
    let _alone = alone();
    let tiers: Vec<_> = Runtime::new().unwrap().enter(|| {
        [WakeTier::Generic, WakeTier::Futex, WakeTier::Iocp]
            .into_iter()
            .filter(|tier| tier.check().is_ok())
            .collect()
    });
    let rounds = env::var("STRESS_TEST_ITERATIONS").map_or(5, |it| {
        it.parse().expect("STRESS_TEST_ITERATIONS is a number")
    }) * 100;
    let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
    let is_over = Arc::new(AtomicBool::new(false));
    let wakers: Vec<_> = (0..2)
        .map(|_| {
            let (semaphore, is_over) = (semaphore.clone(), is_over.clone());
            thread::spawn(move || {
                while !is_over.load(Relaxed) {
                    semaphore.add_permits(1);
                    until(|| semaphore.available_permits() == 0 || is_over.load(Relaxed));
                }
            })
        })
        .collect();
    let runtimes: Vec<_> = (0..2)
        .map(|_| {
            let (semaphore, tiers) = (semaphore.clone(), tiers.clone());
            thread::spawn(move || {
                for round in 0..rounds {
                    Runtime::new().unwrap().block_on(async {
                        tiers[round % tiers.len()].select().unwrap();
                        for _ in 0..4 {
                            let semaphore = semaphore.clone();
                            compio::runtime::spawn(async move {
                                for _ in 0..4 {
                                    semaphore.acquire().await.forget();
                                }
                            })
                            .detach();
                        }
                        for _ in 0..round % 16 {
                            yield_now().await;
                        }
                    });
                }
            })
        })
        .collect();
    for runtime in runtimes {
        runtime.join().unwrap();
    }
    is_over.store(true, Relaxed);
    for waker in wakers {
        waker.join().unwrap();
    }
    assert_eq!(semaphore.waiter_count(), 0);
}
