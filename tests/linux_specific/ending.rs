//! Runtimes that end while they are woken.

use super::*;

/// Tasks of a runtime and another thread pass two permits around until the runtime is dropped in
/// the midst of it. Then the same thread does it again with its next runtime.
#[test]
fn a_runtime_that_is_dropped_while_it_is_woken_keeps_no_permit() {
    watched(
        "a_runtime_that_is_dropped_while_it_is_woken_keeps_no_permit",
        || {
            for fairness in [Fairness::Fifo, Fairness::default()] {
                const RUNTIMES: usize = 300;
                const PERMITS: usize = 2;
                for tier in tiers() {
                    let semaphore = Arc::new(Semaphore::with_fairness(PERMITS, fairness));
                    let over = Arc::new(AtomicBool::new(false));
                    let rival = thread::spawn({
                        let (semaphore, over) = (semaphore.clone(), over.clone());
                        move || {
                            while !over.load(Relaxed) {
                                drop(semaphore.blocking_acquire());
                            }
                        }
                    });
                    for round in 0..RUNTIMES {
                        let runtime = runtime();
                        let semaphore = semaphore.clone();
                        runtime.block_on(async move {
                            tier.select().expect("this tier was checked");
                            let served = Rc::new(Cell::new(0));
                            for _ in 0..8 {
                                let (semaphore, served) = (semaphore.clone(), served.clone());
                                compio::runtime::spawn(async move {
                                    loop {
                                        let permit = semaphore.clone().acquire_owned().await;
                                        served.set(served.get() + 1);
                                        pass().await;
                                        drop(permit);
                                    }
                                })
                                .detach();
                            }
                            pass_until(|| served.get() >= round % 16).await;
                        });
                        drop(runtime);
                    }
                    over.store(true, Relaxed);
                    rival.join().unwrap();
                    assert_eq!(semaphore.available_permits(), PERMITS, "{tier}");
                    assert_eq!(
                        (semaphore.in_use(), semaphore.waiter_count()),
                        (0, 0),
                        "{tier}"
                    );
                }
            }
        },
    );
}

/// More waiters than compio's queue for other threads has slots, all granted while they go.
#[test]
fn a_thousand_waiters_may_be_granted_while_their_runtime_goes() {
    watched(
        "a_thousand_waiters_may_be_granted_while_their_runtime_goes",
        || {
            const WAITERS: usize = 1_000;
            for tier in tiers() {
                for round in 0..20 {
                    let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
                    let both = Arc::new(Barrier::new(2));
                    let releaser = thread::spawn({
                        let (semaphore, both) = (semaphore.clone(), both.clone());
                        move || {
                            both.wait();
                            for _ in 0..10 {
                                semaphore.add_permits(WAITERS / 10);
                            }
                        }
                    });
                    let runtime = runtime();
                    let served = Rc::new(Cell::new(0));
                    runtime.block_on(async {
                        tier.select().expect("this tier was checked");
                        for _ in 0..WAITERS {
                            let (semaphore, served) = (semaphore.clone(), served.clone());
                            compio::runtime::spawn(async move {
                                semaphore.acquire_owned().await.forget();
                                served.set(served.get() + 1);
                            })
                            .detach();
                        }
                        pass_until(|| semaphore.waiter_count() == WAITERS).await;
                        both.wait();
                        for _ in 0..round {
                            pass().await;
                        }
                    });
                    drop(runtime);
                    releaser.join().unwrap();
                    assert_eq!(semaphore.waiter_count(), 0);
                    assert_eq!(
                        semaphore.available_permits() + served.get(),
                        WAITERS,
                        "{tier}"
                    );
                    assert_eq!(semaphore.in_use(), 0);
                }
            }
        },
    );
}

#[test]
fn a_runtime_after_a_panic_or_a_leak_has_a_working_bell() {
    watched(
        "a_runtime_after_a_panic_or_a_leak_has_a_working_bell",
        || {
            let first = runtime();
            assert_wakes_arrive(&first);
            // compio drops all tasks, and with them the listener, when the main future panics.
            let panic = catch_unwind(AssertUnwindSafe(|| {
                first.block_on(async { panic!("as it should") });
            }));
            assert!(panic.is_err());
            assert_wakes_arrive(&first);
            // A runtime that is dropped while its thread unwinds leaks its tasks instead.
            let panic = catch_unwind(|| {
                let _dropped = {
                    let runtime = runtime();
                    assert_wakes_arrive(&runtime);
                    runtime
                };
                panic!("as it should");
            });
            assert!(panic.is_err());
            assert_wakes_arrive(&runtime());
            for _ in 0..10 {
                let leaked = runtime();
                assert_wakes_arrive(&leaked);
                std::mem::forget(leaked);
                assert_wakes_arrive(&runtime());
            }
            assert_wakes_arrive(&first);
        },
    );
}

/// `here` of a thread may be that of one that is gone; a doorbell that it left open must not matter.
#[test]
fn a_leaked_runtime_of_a_dead_thread_harms_nobody() {
    watched("a_leaked_runtime_of_a_dead_thread_harms_nobody", || {
        for _ in 0..10 {
            let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
            let waiting = semaphore.clone();
            thread::spawn(move || {
                let leaked = runtime();
                leaked.block_on(async {
                    compio::runtime::spawn(async move { waiting.acquire_owned().await.forget() })
                        .detach();
                    pass_until(|| semaphore.waiter_count() == 1).await;
                    // Granted to a task that nobody runs any more.
                    thread::spawn(move || semaphore.add_permits(1))
                        .join()
                        .unwrap();
                });
                std::mem::forget(leaked);
            })
            .join()
            .unwrap();
            thread::spawn(|| assert_wakes_arrive(&runtime()))
                .join()
                .unwrap();
        }
    });
}

/// Asks for its runtime's tier as it is dropped.
struct Asks;

impl Drop for Asks {
    fn drop(&mut self) {
        let _ = WakeTier::current();
        let _ = WakeStats::current(WakeTier::Generic);
    }
}

#[test]
fn a_task_may_ask_for_its_tier_while_its_runtime_is_dropped() {
    const NAME: &str = "a_task_may_ask_for_its_tier_while_its_runtime_is_dropped";
    if role().is_some() {
        watched(NAME, || {
            let files = || fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
            let mut before = 0;
            for round in 0..20 {
                let runtime = runtime();
                runtime.block_on(async {
                    let ask = || {
                        let asks = Asks;
                        let never = async move {
                            let _asks = asks;
                            std::future::pending::<()>().await;
                        };
                        compio::runtime::spawn(never).detach();
                    };
                    // Before and after the runtime's first wait, as which its doorbell is made.
                    (0..3).for_each(|_| ask());
                    pass().await;
                    assert!(WakeTier::current().is_some());
                    (0..3).for_each(|_| ask());
                    pass().await;
                });
                drop(runtime);
                if round == 10 {
                    before = files();
                }
            }
            assert_eq!(files(), before, "open files: no runtime stays behind");
        });
        println!("{}", played("asker"));
        return;
    }
    watched(NAME, || {
        assert_played("asker", &ended(child(NAME, "asker")));
    });
}
