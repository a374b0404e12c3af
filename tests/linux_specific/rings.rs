//! Rings in trouble, and a change of tiers.

use super::*;

#[test]
fn wakes_arrive_on_a_ring_whose_submission_queue_is_full() {
    watched(
        "wakes_arrive_on_a_ring_whose_submission_queue_is_full",
        || {
            const READERS: usize = 48;
            const ROUNDS: usize = 100;
            for tier in tiers() {
                let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
                let queued = Arc::new(AtomicUsize::new(0));
                let releaser = thread::spawn({
                    let (semaphore, queued) = (semaphore.clone(), queued.clone());
                    move || {
                        for round in 1..=ROUNDS {
                            until(|| queued.load(SeqCst) == round);
                            semaphore.add_permits(1);
                        }
                    }
                });
                let runtime = runtime_with(|proactor| {
                    proactor.capacity(2);
                });
                let (reads, wakes) = run(&runtime, async move {
                    tier.select().expect("this tier was checked");
                    let file = compio::fs::File::open("/proc/self/exe")
                        .await
                        .expect("it is there");
                    let (over, reads) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
                    let readers: Vec<_> = (0..READERS)
                        .map(|reader| {
                            let (file, over, reads) = (file.clone(), over.clone(), reads.clone());
                            compio::runtime::spawn(async move {
                                while !over.get() {
                                    let buffer = Vec::with_capacity(64);
                                    let read = file.read_at(buffer, 64 * reader as u64).await;
                                    reads.set(reads.get() + read.0.expect("it can be read"));
                                }
                            })
                        })
                        .collect();
                    for _ in 0..ROUNDS {
                        counted(semaphore.acquire(), &queued).await.forget();
                    }
                    over.set(true);
                    for reader in readers {
                        reader.await.expect("a reader panicked");
                    }
                    (reads.get(), stats(tier).wakes)
                });
                releaser.join().unwrap();
                assert!(reads > 0);
                assert!(wakes > 0, "{tier}");
            }
        },
    );
}

#[test]
fn rings_of_every_kind_hear_the_bell() {
    watched("rings_of_every_kind_hear_the_bell", || {
        type Configure = fn(&mut ProactorBuilder);
        let kinds: [(&str, Configure); 6] = [
            ("coop", |p| {
                p.coop_taskrun(true);
            }),
            ("coop+flag", |p| {
                p.coop_taskrun(true).taskrun_flag(true);
            }),
            ("single issuer", |p| {
                p.single_issuer(true);
            }),
            ("deferred", |p| {
                p.single_issuer(true).defer_taskrun(true);
            }),
            ("deferred+flag", |p| {
                p.single_issuer(true).defer_taskrun(true).taskrun_flag(true);
            }),
            ("sqpoll", |p| {
                p.sqpoll_idle(Duration::from_millis(20));
            }),
        ];
        for (kind, configure) in kinds {
            for tier in tiers() {
                let runtime = runtime_with(configure);
                runtime.enter(|| {
                    if let Err(error) = tier.select() {
                        println!("{kind}, {tier}: {error}");
                    }
                });
                assert_wakes_arrive(&runtime);
            }
        }
    });
}

#[test]
fn a_change_of_tiers_loses_no_wake() {
    watched("a_change_of_tiers_loses_no_wake", || {
        const PERMITS: usize = 6_000;
        const TASKS: usize = 6;
        let tiers = tiers();
        let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
        let received = Arc::new(AtomicUsize::new(0));
        let releaser = thread::spawn({
            let (semaphore, received) = (semaphore.clone(), received.clone());
            move || {
                let mut sent = 0;
                while sent < PERMITS {
                    // 1, 2, .. TASKS at once, and then until all have been received: the runtime
                    // comes to sleep under each tier.
                    let count = (sent % TASKS + 1).min(PERMITS - sent);
                    semaphore.add_permits(count);
                    sent += count;
                    until(|| received.load(SeqCst) == sent);
                }
                semaphore.close();
            }
        });
        let stats: Vec<_> = run(&runtime(), {
            let (tiers, received) = (tiers.clone(), received.clone());
            async move {
                let tasks: Vec<_> = (0..TASKS)
                    .map(|task| {
                        let (semaphore, received) = (semaphore.clone(), received.clone());
                        let tiers = tiers.clone();
                        compio::runtime::spawn(async move {
                            let mut turns = task;
                            while let Ok(permit) = semaphore.acquire().or_closed().await {
                                permit.forget();
                                turns += 1;
                                tiers[turns % tiers.len()].select().expect("it was checked");
                                received.fetch_add(1, SeqCst);
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("a task panicked");
                }
                tiers.into_iter().map(stats).collect()
            }
        });
        releaser.join().unwrap();
        assert_eq!(received.load(SeqCst), PERMITS);
        for stats in stats {
            assert!(stats.wakes > 0 && stats.sleeps > 0, "{stats:?}");
        }
    });
}
