//! The completion port tier signals, and the generic tier completes no operation.

use super::*;

const ROUNDS: usize = 400;
const WAITERS: usize = 16;

/// Two runtimes that take turns in waiting, with `WAITERS` tasks, and in releasing these, which
/// each does only when all of the other's tasks wait and its listener sleeps. Each returns what its
/// two tiers have counted: iocp, generic.
fn take_turns(tier: WakeTier) -> Vec<(WakeStats, WakeStats)> {
    #[derive(Default)]
    struct Side {
        door: Option<Semaphore>,
        /// The number of the round in which it waits.
        waits: AtomicUsize,
    }

    impl Side {
        fn door(&self) -> &Semaphore {
            self.door.as_ref().expect("it has a door")
        }
    }

    async fn side(me: usize, sides: Arc<[Side; 2]>, tier: WakeTier) -> (WakeStats, WakeStats) {
        tier.select().expect("it can be had");
        for round in 1..=ROUNDS {
            if round % 2 == me {
                let waiters: Vec<_> = (0..WAITERS)
                    .map(|_| {
                        let sides = sides.clone();
                        spawn(async move { sides[me].door().acquire().await.forget() })
                    })
                    .collect();
                pass_until(|| sides[me].door().waiter_count() == WAITERS).await;
                let_the_listener_sleep().await;
                sides[me].waits.store(round, SeqCst);
                for waiter in waiters {
                    waiter.await.expect("a waiter panicked");
                }
            } else {
                let other = &sides[1 - me];
                pass_until(|| other.waits.load(SeqCst) == round).await;
                other.door().add_permits(WAITERS);
            }
        }
        (stats(WakeTier::Iocp), stats(WakeTier::Generic))
    }

    let sides = Arc::new([(); 2].map(|()| Side {
        door: Some(Semaphore::with_fairness(0, Fairness::Fifo)),
        ..Side::default()
    }));
    let threads: Vec<_> = (0..2)
        .map(|me| {
            let sides = sides.clone();
            thread::spawn(move || run(&runtime(), side(me, sides, tier)))
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect()
}

#[test]
fn test_windows_iocp_integration() {
    by_itself("test_windows_iocp_integration", || {
        for (iocp, generic) in take_turns(WakeTier::Iocp) {
            assert_eq!(generic, WakeStats::default(), "nothing went another way");
            assert_eq!(iocp.wakes, ROUNDS / 2 * WAITERS, "{iocp:?}");
            assert_eq!(iocp.batches, ROUNDS / 2, "one delivery for all: {iocp:?}");
            assert_eq!(iocp.signals, ROUNDS / 2, "it slept each time: {iocp:?}");
            assert_eq!(iocp.syscalls, ROUNDS / 2, "one post a ring: {iocp:?}");
            assert_eq!(
                iocp.completions,
                ROUNDS / 2,
                "one completion a post: {iocp:?}"
            );
            assert!(iocp.sleeps >= ROUNDS / 2, "{iocp:?}");
        }
    });
}

#[test]
fn the_generic_tier_completes_no_operation() {
    by_itself("the_generic_tier_completes_no_operation", || {
        for (iocp, generic) in take_turns(WakeTier::Generic) {
            assert_eq!(iocp, WakeStats::default());
            assert_eq!(generic.wakes, ROUNDS / 2 * WAITERS, "{generic:?}");
            assert_eq!(generic.signals, ROUNDS / 2, "{generic:?}");
            assert_eq!(
                (generic.syscalls, generic.completions),
                (0, 0),
                "{generic:?}"
            );
        }
    });
}

#[test]
fn wakes_arrive_between_the_completions_of_other_operations() {
    let _watchdog = Watchdog::new("readers and a waiter");
    const READERS: usize = 16;
    const ROUNDS: usize = 200;
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
    let (reads, wakes) = run(&runtime(), async move {
        WakeTier::Iocp.select().expect("it can be had");
        let file = compio::fs::File::open(env::current_exe().expect("this binary"))
            .await
            .expect("it is there");
        let (over, reads) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
        let readers: Vec<_> = (0..READERS)
            .map(|reader| {
                let (file, over, reads) = (file.clone(), over.clone(), reads.clone());
                spawn(async move {
                    while !over.get() {
                        let buffer = Vec::with_capacity(64);
                        let read = file.read_at(buffer, 64 * reader as u64).await;
                        reads.set(reads.get() + read.0.expect("it can be read"));
                        pass().await;
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
        (reads.get(), stats(WakeTier::Iocp).wakes)
    });
    releaser.join().unwrap();
    assert!(reads > 0);
    assert!(wakes > 0);
}

/// Why `auto` does not choose this tier.
#[test]
fn a_runtime_that_never_rests_hears_the_generic_tier_only() {
    for tier in TIERS {
        let _watchdog = Watchdog::new(&tier.to_string());
        let heard = run(&runtime(), async move {
            tier.select().expect("it can be had");
            let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
            let waiter = spawn({
                let semaphore = semaphore.clone();
                async move { semaphore.acquire().await.forget() }
            });
            pass_until(|| semaphore.waiter_count() == 1).await;
            let_the_listener_sleep().await;
            thread::spawn(move || semaphore.add_permits(1))
                .join()
                .unwrap();
            for _ in 0..1_000 {
                pass().await;
            }
            let heard = waiter.is_finished();
            waiter.await.expect("the waiter panicked");
            heard
        });
        assert_eq!(
            heard,
            tier == WakeTier::Generic,
            "by {tier}. If compio has come to look at its port, let `auto` choose it"
        );
    }
}
