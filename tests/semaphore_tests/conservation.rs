//! Permits are conserved, whatever happens at once.

use super::*;

#[test]
fn permits_are_conserved_and_never_exceeded() {
    each_fairness(|fairness| {
        const PERMITS: usize = 4;
        World::each(|world| {
            let semaphore = Arc::new(Semaphore::with_fairness(PERMITS, fairness));
            let inside = Arc::new(AtomicUsize::new(0));
            fn enter(inside: &AtomicUsize, permits: usize) {
                assert!(inside.fetch_add(permits, SeqCst) + permits <= PERMITS);
            }
            let tasks: Vec<_> = (0..12)
                .map(|n| {
                    let (semaphore, inside) = (semaphore.clone(), inside.clone());
                    world.spawn(move || async move {
                        for round in 0..50 {
                            let size = (n + round) % PERMITS + 1;
                            let mut cancelled = semaphore.acquire_many(size);
                            if (n * round) % 3 == 1 {
                                let _ = poll!(&mut cancelled);
                                if round % 2 == 0 {
                                    common::yield_now().await;
                                }
                            }
                            drop(cancelled);
                            let permit = match round % 4 {
                                0 => semaphore.try_acquire_many(size),
                                _ => Some(semaphore.acquire_many(size).await),
                            };
                            if let Some(permit) = permit {
                                enter(&inside, size);
                                common::yield_now().await;
                                inside.fetch_sub(size, SeqCst);
                                drop(permit);
                            }
                        }
                    })
                })
                .collect();
            let threads: Vec<_> = (1..=3)
                .map(|size| {
                    let (semaphore, inside) = (semaphore.clone(), inside.clone());
                    thread::spawn(move || {
                        for _ in 0..50 {
                            let _permits = semaphore.blocking_acquire_many(size);
                            enter(&inside, size);
                            inside.fetch_sub(size, SeqCst);
                        }
                    })
                })
                .collect();
            tasks.into_iter().for_each(Task::join);
            threads.into_iter().for_each(|it| it.join().unwrap());
            assert_eq!(counts(&semaphore), [PERMITS, 0, PERMITS, 0]);
        });
    });
}

#[test]
fn permits_are_conserved_while_their_number_changes() {
    each_fairness(|fairness| {
        World::each(|world| {
            let semaphore = Arc::new(Semaphore::with_fairness(2, fairness));
            let tasks: Vec<_> = (0..4)
                .map(|n| {
                    let semaphore = semaphore.clone();
                    world.spawn(move || async move {
                        for round in 0..100 {
                            drop(semaphore.acquire_many((n + round) % 2 + 1).await);
                        }
                    })
                })
                .collect();
            until(|| {
                semaphore.add_permits(3);
                semaphore.remove_permits(2);
                semaphore.add_permits(1);
                semaphore.remove_permits(semaphore.reduce_permits(1) ^ 1);
                semaphore.remove_permits(1);
                tasks.iter().all(Task::has_ended)
            });
            tasks.into_iter().for_each(Task::join);
            assert_eq!(counts(&semaphore), [2, 0, 2, 0]);
        });
    });
}

#[cfg(feature = "time")]
mod time {
    use super::*;

    #[test]
    fn timed_out_request_takes_nothing_and_leaves_the_line() {
        World::each_compio(|world| {
            let semaphore = Arc::new(Semaphore::new(0));
            let task = world.spawn({
                let semaphore = semaphore.clone();
                || async move {
                    let acquire = semaphore.acquire_timeout(Duration::from_millis(1));
                    acquire.await.is_err()
                }
            });
            assert!(task.join());
            assert_eq!(counts(&semaphore), [0; 4]);
            semaphore.add_permits(1);
            assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
        });
    }

    #[test]
    fn request_that_is_met_in_time_yields_its_permit() {
        World::each_compio(|world| {
            let semaphore = Arc::new(Semaphore::new(1));
            let acquire = || {
                let semaphore = semaphore.clone();
                || async move {
                    let acquire = semaphore.acquire_timeout(Duration::from_secs(3600));
                    acquire.await.unwrap().forget();
                }
            };
            world.spawn(acquire()).join();
            let waits = world.spawn(acquire());
            until(|| semaphore.waiter_count() == 1);
            semaphore.add_permits(1);
            waits.join();
            assert_eq!(counts(&semaphore), [0; 4]);
        });
    }

    #[test]
    fn permit_that_races_with_the_timeout_is_not_lost() {
        const ROUNDS: usize = 300;
        World::each_compio(|world| {
            let semaphore = Arc::new(Semaphore::new(0));
            let task = world.spawn({
                let semaphore = semaphore.clone();
                || async move {
                    let mut got = 0;
                    for round in 0..ROUNDS {
                        let timeout = Duration::from_micros(round as u64 % 20 * 20);
                        if let Ok(permit) = semaphore.acquire_timeout(timeout).await {
                            permit.forget();
                            got += 1;
                        }
                    }
                    got
                }
            });
            let mut given = 0;
            while !task.has_ended() {
                if semaphore.waiter_count() > 0 {
                    semaphore.add_permits(1);
                    given += 1;
                }
                thread::yield_now();
            }
            assert_eq!(given, task.join() + semaphore.available_permits());
            assert_eq!(counts(&semaphore)[1..2], [0]);
        });
    }

    #[test]
    fn closing_makes_a_request_with_a_timeout_panic() {
        World::each_compio(|world| {
            let semaphore = Arc::new(Semaphore::new(0));
            let task = world.spawn({
                let semaphore = semaphore.clone();
                || async move {
                    let acquire = semaphore.acquire_timeout(Duration::from_secs(3600));
                    drop(acquire.await);
                }
            });
            until(|| semaphore.waiter_count() == 1);
            semaphore.close();
            assert_eq!(message(&*task.outcome().unwrap_err()), CLOSED);
        });
    }

    #[test]
    fn request_with_a_timeout_panics_outside_a_runtime_and_takes_nothing() {
        let semaphore = Semaphore::new(0);
        let mut acquire = Polled::new(semaphore.acquire_timeout(Duration::from_millis(1)));
        panic_of(|| acquire.poll());
        drop(acquire);
        assert_eq!(counts(&semaphore), [0; 4]);
    }
}
