//! Changes of tiers at run time.

use super::*;

/// Each task chooses another tier after each wake: sleeps are left early, and begun anew while the
/// completion of the one before is still on its way.
#[test]
fn a_change_of_tiers_loses_no_wake() {
    const PERMITS: usize = 6_000;
    const TASKS: usize = 6;
    // How often the runtime slept, and waiters were woken, by each tier.
    let mut used = [(0, 0); 2];
    for rivals in [1, 3] {
        let _watchdog = Watchdog::new(&format!("{rivals} releasers"));
        let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
        let received = Arc::new(AtomicUsize::new(0));
        let sent = Arc::new(AtomicUsize::new(0));
        let releasers: Vec<_> = (0..rivals)
            .map(|_| {
                let (semaphore, received) = (semaphore.clone(), received.clone());
                let sent = sent.clone();
                thread::spawn(move || {
                    // Until all have been received: the runtime comes to sleep under each tier.
                    loop {
                        let count = sent.load(SeqCst) % TASKS + 1;
                        let before = sent.fetch_add(count, SeqCst);
                        semaphore.add_permits(count);
                        if before >= PERMITS {
                            break;
                        }
                        until(|| received.load(SeqCst) >= before + count);
                    }
                })
            })
            .collect();
        let tasks = thread::spawn({
            let (semaphore, received) = (semaphore.clone(), received.clone());
            move || {
                run(&runtime(), async move {
                    let tasks: Vec<_> = (0..TASKS)
                        .map(|task| {
                            let (semaphore, received) = (semaphore.clone(), received.clone());
                            spawn(async move {
                                let mut turns = task;
                                while let Ok(permit) = semaphore.acquire().or_closed().await {
                                    permit.forget();
                                    turns += 1;
                                    TIERS[turns % 2].select().expect("it can be had");
                                    received.fetch_add(1, SeqCst);
                                }
                            })
                        })
                        .collect();
                    for task in tasks {
                        task.await.expect("a task panicked");
                    }
                    TIERS.map(stats)
                })
            }
        });
        for releaser in releasers {
            releaser.join().unwrap();
        }
        until(|| received.load(SeqCst) == sent.load(SeqCst));
        semaphore.close();
        for (used, stats) in used.iter_mut().zip(tasks.join().unwrap()) {
            used.0 += stats.sleeps;
            used.1 += stats.wakes;
        }
    }
    // With several releasers one of the tiers may be there too short a time.
    for (sleeps, wakes) in used {
        assert!(sleeps > 0 && wakes > 0, "{used:?}");
    }
}

/// Many threads ring a runtime whose tasks come to wait at any time: wakes arrive between the
/// beginning of a sleep and its arming, and rings while the listener is at work.
#[test]
fn many_ringers_and_a_restless_listener_lose_no_wake() {
    by_itself("many_ringers_and_a_restless_listener_lose_no_wake", || {
        const RINGERS: usize = 4;
        const PERMITS: usize = 4_000;
        for tier in TIERS {
            let _watchdog = Watchdog::new(&tier.to_string());
            let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
            let ringers: Vec<_> = (0..RINGERS)
                .map(|ringer| {
                    let semaphore = semaphore.clone();
                    thread::spawn(move || {
                        for permit in 0..PERMITS {
                            semaphore.add_permits(1);
                            for _ in 0..(permit * (ringer + 1)) % 512 {
                                hint::spin_loop();
                            }
                        }
                    })
                })
                .collect();
            let counted = run(&runtime(), async move {
                tier.select().expect("it can be had");
                let tasks: Vec<_> = (0..RINGERS)
                    .map(|task| {
                        let semaphore = semaphore.clone();
                        spawn(async move {
                            for permit in 0..PERMITS {
                                semaphore.acquire().await.forget();
                                if permit % 3 == task % 3 {
                                    pass().await;
                                }
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("a task panicked");
                }
                stats(tier)
            });
            for ringer in ringers {
                ringer.join().unwrap();
            }
            assert!(counted.signals <= counted.sleeps, "{tier}: {counted:?}");
            if tier == WakeTier::Iocp {
                assert!(counted.syscalls <= counted.signals, "{counted:?}");
                assert!(counted.completions <= counted.syscalls, "{counted:?}");
            }
        }
    });
}
