//! Several runtimes on a thread, futures that move, and wakers of other executors.

use super::*;

#[test]
fn a_runtime_within_a_task_of_another_is_woken() {
    watched("a_runtime_within_a_task_of_another_is_woken", || {
        for tier in tiers() {
            for _ in 0..20 {
                let doors: Arc<[Semaphore; 3]> =
                    Arc::new([const { Semaphore::with_fairness(0, Fairness::Fifo) }; 3]);
                let releaser = thread::spawn({
                    let doors = doors.clone();
                    move || {
                        // All three wait by then: the outer runtime's are granted while their
                        // runtime cannot run.
                        until(|| doors.iter().all(|door| door.waiter_count() == 1));
                        doors[1].add_permits(1);
                        doors[2].add_permits(1);
                        doors[0].add_permits(1);
                    }
                });
                let outer = runtime();
                outer.block_on(async {
                    tier.select().expect("this tier was checked");
                    let waiting = [1, 2].map(|door| {
                        let doors = doors.clone();
                        compio::runtime::spawn(async move { doors[door].acquire().await.forget() })
                    });
                    pass_until(|| doors[1].waiter_count() + doors[2].waiter_count() == 2).await;
                    let nested = compio::runtime::spawn({
                        let doors = doors.clone();
                        async move {
                            let inner = runtime();
                            inner
                                .enter(|| tier.select())
                                .expect("this tier was checked");
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
    });
}

/// compio's `Runtime::run` may be called while another runtime is current. The listener must not sleep on
/// that one's ring, whose completions its own runtime does not hear.
#[test]
fn tasks_that_ran_while_another_runtime_was_current_are_woken() {
    watched(
        "tasks_that_ran_while_another_runtime_was_current_are_woken",
        || {
            for tier in tiers() {
                let doors: Arc<[Semaphore; 2]> =
                    Arc::new([const { Semaphore::with_fairness(0, Fairness::Fifo) }; 2]);
                let (own, other) = (runtime(), runtime());
                let [first, second] = own.enter(|| {
                    tier.select().expect("this tier was checked");
                    [0, 1].map(|door| {
                        let doors = doors.clone();
                        own.spawn(async move { doors[door].acquire().await.forget() })
                    })
                });
                let release = |door: usize| {
                    thread::scope(|scope| {
                        scope.spawn(|| doors[door].add_permits(1));
                    });
                };
                own.enter(|| while own.run() {});
                release(0);
                // Its own runtime wakes the listener, which runs where it must not sleep.
                own.enter(|| own.poll_with(Some(Duration::from_secs(1))));
                other.enter(|| while own.run() {});
                release(1);
                own.block_on(first).expect("the first task panicked");
                own.block_on(second).expect("the second task panicked");
            }
        },
    );
}

/// Polls `future` once, and gives it back if it is not ready.
async fn begin<F: Future + Unpin>(mut future: F) -> F {
    poll_fn(|cx| {
        assert!(Pin::new(&mut future).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    future
}

#[test]
fn a_wait_may_move_to_another_threads_runtime() {
    watched("a_wait_may_move_to_another_threads_runtime", || {
        for fairness in [Fairness::Fifo, Fairness::default()] {
            for tier in tiers() {
                for round in 0..60 {
                    let semaphore = Arc::new(Semaphore::with_fairness(0, fairness));
                    let first = runtime();
                    let future = run(&first, {
                        let semaphore = semaphore.clone();
                        async move {
                            tier.select().expect("this tier was checked");
                            begin(semaphore.acquire_owned()).await
                        }
                    });
                    // Before the move, after it, or with its first runtime gone.
                    if round % 3 == 0 {
                        thread::spawn({
                            let semaphore = semaphore.clone();
                            move || semaphore.add_permits(1)
                        })
                        .join()
                        .unwrap();
                    }
                    let first = (round % 2 == 0).then_some(first);
                    let second = thread::spawn(move || {
                        run(&runtime(), async move { future.await.forget() });
                    });
                    if round % 3 != 0 {
                        semaphore.add_permits(1);
                    }
                    second.join().unwrap();
                    drop(first);
                    assert_eq!((semaphore.in_use(), semaphore.waiter_count()), (0, 0));
                }
            }
        }
    });
}

/// Moves a wait on after its second runtime has polled it, too.
#[test]
fn a_wait_may_move_and_be_dropped_anywhere() {
    watched("a_wait_may_move_and_be_dropped_anywhere", || {
        for fairness in [Fairness::Fifo, Fairness::default()] {
            for tier in tiers() {
                for round in 0..60 {
                    let semaphore = Arc::new(Semaphore::with_fairness(0, fairness));
                    let first = semaphore.clone();
                    let mut future = thread::spawn(move || {
                        run(&runtime(), async move {
                            tier.select().expect("this tier was checked");
                            begin(first.acquire_owned()).await
                        })
                    })
                    .join()
                    .unwrap();
                    for _ in 0..round % 3 {
                        future = thread::spawn(move || run(&runtime(), begin(future)))
                            .join()
                            .unwrap();
                    }
                    let releaser = thread::spawn({
                        let semaphore = semaphore.clone();
                        move || semaphore.add_permits(1)
                    });
                    drop(future);
                    releaser.join().unwrap();
                    assert_eq!(
                        semaphore.available_permits(),
                        1,
                        "a granted permit passes on"
                    );
                    assert_eq!(semaphore.waiter_count(), 0);
                }
            }
        }
    });
}

#[test]
fn an_executor_that_blocks_within_a_task_is_woken() {
    watched("an_executor_that_blocks_within_a_task_is_woken", || {
        for tier in tiers() {
            for _ in 0..50 {
                let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
                let event = Arc::new(Event::new());
                let releaser = thread::spawn({
                    let (semaphore, event) = (semaphore.clone(), event.clone());
                    move || {
                        until(|| semaphore.waiter_count() == 1);
                        semaphore.add_permits(1);
                        until(|| event.waiter_count() == 1);
                        event.set();
                    }
                });
                run(&runtime(), async move {
                    tier.select().expect("this tier was checked");
                    futures_executor::block_on(semaphore.acquire()).forget();
                    futures_executor::block_on(event.wait());
                });
                releaser.join().unwrap();
            }
        }
    });
}
