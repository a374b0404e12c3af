//! Real threads.

use super::*;

for_both![
    one_that_was_late_is_next_on_real_threads,
    everybody_is_served_in_every_world,
];

/// Once it has been woken, the waiter comes only when more than `N` have passed. If it then finds
/// nothing, nobody takes the lock before it does but who has it already.
fn one_that_was_late_is_next_on_real_threads<L: Lock>() {
    const N: usize = 4;
    const COMEBACKS: usize = 20;
    const ATTEMPTS: usize = 5_000;
    let _watchdog = Watchdog::new("two threads that pass, and one that is late");
    let lock = L::with(bounded(N));
    let taken = AtomicUsize::new(0);
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !ends.load(SeqCst) {
                    if let Some(held) = lock.try_take() {
                        taken.fetch_add(1, SeqCst);
                        thread::yield_now();
                        drop(held);
                    }
                }
            });
        }
        let (mut comebacks, mut attempts) = (0, 0..ATTEMPTS);
        // It is late by chance, and on a machine that is busy with other things rarely.
        while comebacks < COMEBACKS && attempts.next().is_some() {
            let mut late = Polled::new(lock.take());
            if late.poll().is_ready() {
                continue;
            }
            let in_line = taken.load(SeqCst);
            let passed = || taken.load(SeqCst) - in_line;
            // One who came before it may be among those counted. It may also have been handed the
            // lock, which then nobody gets while it waits: so it waits for so long only.
            let is_late = || passed() > N + 1;
            until(|| late.wakes() > 0);
            let mut looks = 0..10_000;
            until(|| is_late() || looks.next().is_none());
            // Before the poll, since the lock may be handed to it as soon as it is back.
            let wakes = late.wakes();
            if !is_late() || late.poll().is_ready() {
                continue;
            }
            comebacks += 1;
            let back_in_line = taken.load(SeqCst);
            until(|| late.wakes() > wakes);
            let held = late.ready();
            let passed_again = taken.load(SeqCst) - back_in_line;
            drop(held);
            assert!(passed_again <= 1, "{passed_again} have passed");
        }
        ends.store(true, SeqCst);
    });
}

fn everybody_is_served_in_every_world<L: Lock>() {
    const TASKS: usize = 6;
    const ROUNDS: usize = 40;
    for fairness in [
        Fairness::Fifo,
        Fairness::Bounded(1),
        Fairness::Bounded(4),
        Fairness::default(),
    ] {
        World::each(|world| {
            let lock = L::with(fairness);
            let inside = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..TASKS)
                .map(|n| {
                    let (lock, inside) = (lock.clone(), inside.clone());
                    world.spawn(move || async move {
                        for round in 0..ROUNDS {
                            if (n + round).is_multiple_of(3) {
                                let mut cancelled = lock.take().fuse();
                                let _ = poll!(&mut cancelled);
                                if round.is_multiple_of(2) {
                                    yield_now().await;
                                    let _ = poll!(&mut cancelled);
                                }
                            }
                            let held = lock.take().await;
                            assert_eq!(inside.fetch_add(1, SeqCst), 0);
                            yield_now().await;
                            inside.fetch_sub(1, SeqCst);
                            drop(held);
                        }
                    })
                })
                .collect();
            tasks.into_iter().for_each(Task::join);
            assert_eq!(lock.waiter_count(), 0);
            assert!(lock.try_take().is_some());
        });
    }
}
