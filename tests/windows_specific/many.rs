//! Several runtimes on a thread, and many waiters at once.

use super::*;

#[test]
fn a_runtime_within_a_task_of_another_is_woken() {
    for tier in TIERS {
        let _watchdog = Watchdog::new(&tier.to_string());
        for _ in 0..20 {
            let doors: Arc<[Semaphore; 3]> =
                Arc::new([const { Semaphore::with_fairness(0, Fairness::Fifo) }; 3]);
            let releaser = thread::spawn({
                let doors = doors.clone();
                move || {
                    // All three wait by then: the outer runtime's are granted while their runtime
                    // cannot run.
                    until(|| doors.iter().all(|door| door.waiter_count() == 1));
                    doors[1].add_permits(1);
                    doors[2].add_permits(1);
                    doors[0].add_permits(1);
                }
            });
            let outer = runtime();
            outer.block_on(async {
                tier.select().expect("it can be had");
                let waiting = [1, 2].map(|door| {
                    let doors = doors.clone();
                    spawn(async move { doors[door].acquire().await.forget() })
                });
                pass_until(|| doors[1].waiter_count() + doors[2].waiter_count() == 2).await;
                let nested = spawn({
                    let doors = doors.clone();
                    async move {
                        let inner = runtime();
                        inner.enter(|| tier.select()).expect("it can be had");
                        run(&inner, async move { doors[0].acquire().await.forget() });
                    }
                });
                nested.await.expect("the nested task panicked");
                for task in waiting {
                    task.await.expect("a task panicked");
                }
                assert_eq!(WakeTier::current(), Some(tier));
            });
            releaser.join().unwrap();
        }
    }
}

#[test]
fn a_thousand_waiters_on_another_runtime_are_woken_at_once() {
    const WAITERS: usize = 1_000;
    for tier in TIERS {
        let _watchdog = Watchdog::new(&tier.to_string());
        let (semaphore, event) = (
            Arc::new(Semaphore::with_fairness(0, Fairness::Fifo)),
            Arc::new(Event::new()),
        );
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let queued = Arc::new(AtomicUsize::new(0));
        let releaser = thread::spawn({
            let (semaphore, event, pair) = (semaphore.clone(), event.clone(), pair.clone());
            let queued = queued.clone();
            move || {
                until(|| queued.load(SeqCst) == WAITERS);
                semaphore.add_permits(WAITERS);
                until(|| queued.load(SeqCst) == 2 * WAITERS);
                event.set();
                until(|| queued.load(SeqCst) == 3 * WAITERS);
                *pair.0.blocking_lock() = true;
                pair.1.notify_all();
            }
        });
        let wakes = run(&runtime(), async move {
            tier.select().expect("it can be had");
            let waiters: Vec<_> = (0..WAITERS)
                .map(|_| {
                    let (semaphore, event, pair) = (semaphore.clone(), event.clone(), pair.clone());
                    let queued = queued.clone();
                    spawn(async move {
                        counted(semaphore.acquire(), &queued).await.forget();
                        counted(event.wait(), &queued).await;
                        let (mutex, condvar) = &*pair;
                        let wait = condvar.wait_while(mutex.lock().await, |set| !*set);
                        drop(counted(wait, &queued).await);
                    })
                })
                .collect();
            for waiter in waiters {
                waiter.await.expect("a waiter panicked");
            }
            stats(tier).wakes
        });
        releaser.join().unwrap();
        assert!(wakes > WAITERS, "{tier}: {wakes}");
    }
}

/// Both release all of the other's waiters at the same time, several times.
#[test]
fn two_runtimes_release_a_thousand_waiters_of_each_other() {
    by_itself(
        "two_runtimes_release_a_thousand_waiters_of_each_other",
        || {
            const ROUNDS: usize = 10;
            const WAITERS: usize = 1_000;
            for tier in TIERS {
                let _watchdog = Watchdog::new(&tier.to_string());
                let doors: Arc<[Semaphore; 2]> =
                    Arc::new([const { Semaphore::with_fairness(0, Fairness::Fifo) }; 2]);
                let both = Arc::new(Barrier::new(2));
                let threads: Vec<_> = (0..2)
                    .map(|me| {
                        let (doors, both) = (doors.clone(), both.clone());
                        thread::spawn(move || {
                            run(&runtime(), async move {
                                tier.select().expect("it can be had");
                                for _ in 0..ROUNDS {
                                    let waiters: Vec<_> = (0..WAITERS)
                                        .map(|_| {
                                            let doors = doors.clone();
                                            spawn(async move { doors[me].acquire().await.forget() })
                                        })
                                        .collect();
                                    pass_until(|| doors[me].waiter_count() == WAITERS).await;
                                    both.wait();
                                    doors[1 - me].add_permits(WAITERS);
                                    for waiter in waiters {
                                        waiter.await.expect("a waiter panicked");
                                    }
                                }
                                stats(tier)
                            })
                        })
                    })
                    .collect();
                for thread in threads {
                    let stats = thread.join().unwrap();
                    assert_eq!(stats.wakes, ROUNDS * WAITERS, "{tier}: {stats:?}");
                }
            }
        },
    );
}
