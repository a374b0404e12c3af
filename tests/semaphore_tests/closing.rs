//! Closing.

use super::*;

#[test]
fn closing_turns_away_who_waits_and_who_comes_later() {
    each_fairness(|fairness| {
        let semaphore = Arc::new(Semaphore::with_fairness(1, fairness));
        let held = semaphore.try_acquire().unwrap();
        let mut waits = Polled::pending(semaphore.acquire());
        let mut owned = Polled::pending(semaphore.clone().acquire_owned());
        let mut or_closed = Polled::pending(semaphore.acquire().or_closed());
        let mut owned_or_closed = Polled::pending(semaphore.clone().acquire_owned().or_closed());
        assert!(!semaphore.is_closed());
        semaphore.close();
        semaphore.close();
        assert!(semaphore.is_closed());
        assert_eq!(
            (waits.wakes(), or_closed.wakes(), semaphore.waiter_count()),
            (1, 1, 0)
        );
        assert_eq!(panic_of(|| waits.poll()), CLOSED);
        assert_eq!(panic_of(|| owned.poll()), CLOSED);
        assert_eq!(or_closed.ready().unwrap_err(), AcquireError);
        assert_eq!(owned_or_closed.ready().unwrap_err(), AcquireError);

        assert_eq!(panic_of(|| Polled::new(semaphore.acquire()).poll()), CLOSED);
        assert_eq!(panic_of(|| semaphore.blocking_acquire()), CLOSED);
        assert_eq!(
            Polled::new(semaphore.acquire().or_closed())
                .ready()
                .unwrap_err(),
            AcquireError
        );
        drop(held);
        assert!(semaphore.try_acquire().is_none());
        assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
        semaphore.add_permits(1);
        assert!(semaphore.clone().try_acquire_owned().is_none());
        assert_eq!(AcquireError.to_string(), "the semaphore has been closed");
    });
}

#[test]
fn granted_before_closing_is_granted() {
    let semaphore = fifo(0);
    let mut granted = Polled::pending(semaphore.acquire());
    let dropped = Polled::pending(semaphore.acquire());
    semaphore.add_permits(2);
    semaphore.close();
    drop(dropped);
    assert_eq!(granted.ready().num_permits(), 1);
    assert_eq!(counts(&semaphore), [2, 0, 2, 0]);
}

#[test]
fn turned_away_and_dropped_unpolled_changes_nothing() {
    each_fairness(|fairness| {
        let semaphore = Semaphore::with_fairness(1, fairness);
        let waits = Polled::pending(semaphore.acquire_many(2));
        semaphore.close();
        drop(waits);
        assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
    });
}

#[test]
fn closing_ends_the_waits_of_tasks_and_threads() {
    each_fairness(|fairness| {
        World::each(|world| {
            let semaphore = Arc::new(Semaphore::with_fairness(1, fairness));
            let waits = |n: usize| {
                let semaphore = semaphore.clone();
                move || async move {
                    match n % 2 {
                        0 => message(
                            &*std::panic::AssertUnwindSafe(semaphore.acquire_many(2))
                                .catch_unwind()
                                .await
                                .unwrap_err(),
                        ),
                        _ => semaphore
                            .acquire_many(2)
                            .or_closed()
                            .await
                            .unwrap_err()
                            .to_string(),
                    }
                }
            };
            let tasks: Vec<_> = (0..8).map(|n| world.spawn(waits(n))).collect();
            let thread = {
                let semaphore = semaphore.clone();
                thread::spawn(move || panic_of(|| semaphore.blocking_acquire_many(2)))
            };
            until(|| semaphore.waiter_count() == 9);
            semaphore.close();
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.join(), [CLOSED, &AcquireError.to_string()][n % 2]);
            }
            assert_eq!(thread.join().unwrap(), CLOSED);
            assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
        });
    });
}
