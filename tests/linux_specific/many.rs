//! Many waiters at once.

use super::*;

#[test]
fn a_thousand_waiters_on_another_runtime_are_woken_at_once() {
    watched(
        "a_thousand_waiters_on_another_runtime_are_woken_at_once",
        || {
            const WAITERS: usize = 1_000;
            for tier in tiers() {
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
                    tier.select().expect("this tier was checked");
                    let waiters: Vec<_> = (0..WAITERS)
                        .map(|_| {
                            let (semaphore, event, pair) =
                                (semaphore.clone(), event.clone(), pair.clone());
                            let queued = queued.clone();
                            compio::runtime::spawn(async move {
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
        },
    );
}

/// Both runtimes release all of the other's waiters at the same time, several times.
fn release_each_other(
    tier: WakeTier,
    waiters: usize,
    rounds: usize,
    wait: fn(Arc<Semaphore>) -> Wait,
) {
    let doors: Arc<[Arc<Semaphore>; 2]> =
        Arc::new([(); 2].map(|()| Arc::new(Semaphore::with_fairness(0, Fairness::Fifo))));
    let both = Arc::new(Barrier::new(2));
    let threads: Vec<_> = (0..2)
        .map(|me| {
            let (doors, both) = (doors.clone(), both.clone());
            thread::spawn(move || {
                run(&runtime(), async move {
                    tier.select().expect("this tier was checked");
                    for _ in 0..rounds {
                        let tasks: Vec<_> = (0..waiters)
                            .map(|_| compio::runtime::spawn(wait(doors[me].clone())))
                            .collect();
                        pass_until(|| doors[me].waiter_count() == waiters).await;
                        both.wait();
                        doors[1 - me].add_permits(waiters);
                        for task in tasks {
                            task.await.expect("a waiter panicked");
                        }
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

type Wait = Pin<Box<dyn Future<Output = ()>>>;

#[test]
fn two_runtimes_release_a_thousand_waiters_of_each_other() {
    watched(
        "two_runtimes_release_a_thousand_waiters_of_each_other",
        || {
            for tier in tiers() {
                release_each_other(tier, 1_000, 10, |door| {
                    Box::pin(async move { door.acquire().await.forget() })
                });
            }
        },
    );
}

/// `FuturesUnordered`, `join_all` and the like wrap the task's waker in their own, which is then
/// woken directly: as many as compio 0.19 has room for.
#[test]
fn two_runtimes_release_as_many_wrapped_waiters_of_each_other_as_compio_has_room_for() {
    watched("two_runtimes_release_wrapped_waiters", || {
        for tier in tiers() {
            release_each_other(tier, 60, 10, |door| {
                Box::pin(async move {
                    let mut waits: FuturesUnordered<_> = [async { door.acquire().await.forget() }]
                        .into_iter()
                        .collect();
                    while waits.next().await.is_some() {}
                })
            });
        }
    });
}

/// The listener sleeps by one tier when the other is selected, and has to hear of it.
#[test]
fn tier_that_is_selected_later_is_used_from_then_on() {
    watched("tier_that_is_selected_later_is_used_from_then_on", || {
        if !tiers().contains(&WakeTier::Futex) {
            return;
        }
        let runtime = runtime();
        runtime
            .enter(|| WakeTier::Generic.select())
            .expect("everywhere");
        assert_wakes_arrive(&runtime);
        runtime.enter(|| WakeTier::Futex.select()).expect("checked");
        assert_wakes_arrive(&runtime);
        run(&runtime, async {
            assert!(stats(WakeTier::Futex).wakes > 0, "the listener sleeps on");
        });
    });
}
