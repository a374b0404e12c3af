//! The futex tier signals, and the generic tier touches no futex.

use super::*;

/// Two runtimes that take turns in waiting, with `WAITERS` tasks, and in releasing these, which
/// each does only when all of the other's tasks wait and its thread sleeps. Each returns what its
/// two tiers have counted: futex, generic.
fn take_turns(tier: WakeTier) -> Vec<(WakeStats, WakeStats)> {
    #[derive(Default)]
    struct Side {
        door: Option<Semaphore>,
        thread: AtomicUsize,
        /// The number of the round in which it waits.
        waits: AtomicUsize,
    }

    async fn side(me: usize, sides: Arc<[Side; 2]>, tier: WakeTier) -> (WakeStats, WakeStats) {
        tier.select().expect("this tier was checked");
        sides[me].thread.store(this_thread() as usize, SeqCst);
        for round in 1..=ROUNDS {
            if round % 2 == me {
                let waiters: Vec<_> = (0..WAITERS)
                    .map(|_| {
                        let sides = sides.clone();
                        compio::runtime::spawn(async move {
                            let door = sides[me].door.as_ref().expect("it has a door");
                            door.acquire().await.forget();
                        })
                    })
                    .collect();
                let door = sides[me].door.as_ref().expect("it has a door");
                pass_until(|| door.waiter_count() == WAITERS).await;
                sides[me].waits.store(round, SeqCst);
                for waiter in waiters {
                    waiter.await.expect("a waiter panicked");
                }
            } else {
                let other = &sides[1 - me];
                pass_until(|| {
                    other.waits.load(SeqCst) == round && is_asleep(other.thread.load(SeqCst) as i32)
                })
                .await;
                other
                    .door
                    .as_ref()
                    .expect("it has a door")
                    .add_permits(WAITERS);
            }
        }
        (stats(WakeTier::Futex), stats(WakeTier::Generic))
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

const ROUNDS: usize = 400;
const WAITERS: usize = 16;

#[test]
fn test_linux_unified_event_loop() {
    by_itself("test_linux_unified_event_loop", || {
        if !tiers().contains(&WakeTier::Futex) {
            return;
        }
        for (futex, generic) in take_turns(WakeTier::Futex) {
            assert_eq!(generic, WakeStats::default(), "nothing went another way");
            assert_eq!(futex.wakes, ROUNDS / 2 * WAITERS, "{futex:?}");
            assert_eq!(futex.batches, ROUNDS / 2, "one delivery for all: {futex:?}");
            assert_eq!(futex.signals, ROUNDS / 2, "it slept each time: {futex:?}");
            assert_eq!(futex.syscalls, ROUNDS / 2, "one call a ring: {futex:?}");
            // Not one for each: the word may have changed before the kernel looks at it, or the kernel
            // end a wait early.
            assert!(futex.completions > 0, "FUTEX_WAITs in the ring: {futex:?}");
            assert!(futex.sleeps >= ROUNDS / 2, "{futex:?}");
        }
    });
}

#[test]
fn the_generic_tier_touches_no_futex() {
    by_itself("the_generic_tier_touches_no_futex", || {
        for (futex, generic) in take_turns(WakeTier::Generic) {
            assert_eq!(futex, WakeStats::default());
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

/// The counters are the crate's own word for it. This is the kernel's: a thread that may not call
/// `write` cannot ring an eventfd.
#[test]
fn a_thread_that_may_not_write_rings_by_futex() {
    watched("a_thread_that_may_not_write_rings_by_futex", || {
        if !tiers().contains(&WakeTier::Futex) {
            return;
        }
        const ROUNDS: usize = 100;
        let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
        let thread = this_thread();
        let releaser = thread::spawn({
            let semaphore = semaphore.clone();
            move || {
                deny(libc::SYS_write, libc::EPERM);
                for _ in 0..ROUNDS {
                    until(|| semaphore.waiter_count() == 1 && is_asleep(thread));
                    semaphore.add_permits(1);
                }
            }
        });
        let heard = run(&runtime(), async move {
            WakeTier::Futex.select().expect("checked above");
            for _ in 0..ROUNDS {
                semaphore.acquire().await.forget();
            }
            stats(WakeTier::Futex).completions
        });
        releaser.join().unwrap();
        // Not each: a word that has changed before the kernel looks at it ends no wait.
        assert!(heard > 0);
    });
}
