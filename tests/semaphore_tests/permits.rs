//! What a permit is, and who gets one.

use super::*;

#[compio::test]
async fn test_basic_acquire_release() {
    let semaphore = Semaphore::new(1);
    let permit = semaphore.acquire().await;
    assert_eq!(counts(&semaphore), [0, 1, 1, 0]);
    drop(permit);
    assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
}

#[test]
fn test_multiple_waiters() {
    World::each(|world| {
        let semaphore = Arc::new(fifo(1));
        let permit = semaphore.try_acquire().unwrap();
        let waiters: Vec<_> = (0..10)
            .map(|n| {
                let semaphore = semaphore.clone();
                world.spawn(move || async move {
                    let _permit = semaphore.acquire().await;
                    n
                })
            })
            .collect();
        until(|| semaphore.waiter_count() == 10);
        drop(permit);
        let ended: Vec<_> = waiters.into_iter().map(Task::join).collect();
        assert_eq!(ended, Vec::from_iter(0..10));
        assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
    });
}

#[test]
fn test_try_acquire() {
    let semaphore = Semaphore::new(1);
    let permit = semaphore.try_acquire().unwrap();
    assert!(semaphore.try_acquire().is_none());
    drop(permit);
    assert!(semaphore.try_acquire().is_some());
}

#[test]
fn test_concurrent_acquire_release() {
    each_fairness(|fairness| {
        World::each(|world| {
            let semaphore = Arc::new(Semaphore::with_fairness(10, fairness));
            let inside = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..100)
                .map(|_| {
                    let (semaphore, inside) = (semaphore.clone(), inside.clone());
                    world.spawn(|| async move {
                        let _permit = semaphore.acquire().await;
                        assert!(inside.fetch_add(1, SeqCst) < 10);
                        common::yield_now().await;
                        inside.fetch_sub(1, SeqCst);
                    })
                })
                .collect();
            tasks.into_iter().for_each(Task::join);
            assert_eq!(counts(&semaphore), [10, 0, 10, 0]);
        });
    });
}

#[test]
fn permits_are_merged_split_and_forgotten() {
    let semaphore = Semaphore::new(5);
    let mut three = semaphore.try_acquire_many(3).unwrap();
    three.merge(semaphore.try_acquire().unwrap());
    assert_eq!((three.num_permits(), semaphore.in_use()), (4, 4));
    assert!(three.split(5).is_none());
    assert_eq!(three.num_permits(), 4);
    let two = three.split(2).unwrap();
    assert_eq!((three.num_permits(), two.num_permits()), (2, 2));
    let all = three.split(2).unwrap();
    assert_eq!(three.num_permits(), 0);
    drop(three);
    assert_eq!(counts(&semaphore), [1, 4, 5, 0]);
    two.forget();
    assert_eq!(counts(&semaphore), [1, 2, 3, 0]);
    assert!(std::ptr::eq(all.semaphore(), &semaphore));
    assert_eq!(format!("{all:?}"), "SemaphorePermit { num_permits: 2 }");
    drop(all);
    assert_eq!(counts(&semaphore), [3, 0, 3, 0]);
}

#[test]
fn merging_permits_of_two_semaphores_panics_and_gives_both_back() {
    let (a, b) = (Arc::new(Semaphore::new(2)), Arc::new(Semaphore::new(3)));
    let mut of_a = a.try_acquire_many(2).unwrap();
    let of_b = b.try_acquire_many(3).unwrap();
    let merge = move || of_a.merge(of_b);
    assert_eq!(panic_of(merge), "merged permits of two semaphores");
    assert_eq!((a.available_permits(), b.available_permits()), (2, 3));

    let mut of_a = a.clone().try_acquire_owned().unwrap();
    let of_b = b.clone().try_acquire_owned().unwrap();
    let merge = move || of_a.merge(of_b);
    assert_eq!(panic_of(merge), "merged permits of two semaphores");
    assert_eq!((a.available_permits(), b.available_permits()), (2, 3));
}

#[test]
fn owned_permits_do_what_borrowed_ones_do_and_keep_the_semaphore() {
    let semaphore = Arc::new(Semaphore::new(4));
    let mut permits = Polled::new(semaphore.clone().acquire_many_owned(2)).ready();
    permits.merge(Polled::new(semaphore.clone().acquire_owned()).ready());
    permits.merge(semaphore.clone().try_acquire_owned().unwrap());
    assert!(semaphore.clone().try_acquire_many_owned(1).is_none());
    assert!(Arc::ptr_eq(permits.semaphore(), &semaphore));
    let mut waits = Polled::pending(semaphore.clone().acquire_many_owned(3));
    let mut or_closed = Polled::pending(semaphore.clone().acquire_owned().or_closed());
    permits.split(1).unwrap().forget();
    assert_eq!(counts(&semaphore), [0, 3, 3, 2]);
    drop(permits);
    drop(waits.ready());
    let last = or_closed.ready().unwrap();
    let weak = Arc::downgrade(&semaphore);
    drop((semaphore, waits, or_closed));
    assert_eq!(weak.upgrade().unwrap().in_use(), 1);
    drop(last);
    assert!(weak.upgrade().is_none());
}

#[test]
fn blocking_variants_acquire() {
    let semaphore = Arc::new(Semaphore::new(6));
    let one = semaphore.blocking_acquire();
    let two = semaphore.blocking_acquire_many(2);
    let owned = semaphore.clone().blocking_acquire_owned();
    let two_owned = semaphore.clone().blocking_acquire_many_owned(2);
    let counts = [
        one.num_permits(),
        two.num_permits(),
        owned.num_permits(),
        two_owned.num_permits(),
    ];
    assert_eq!((counts, semaphore.available_permits()), ([1, 2, 1, 2], 0));
}

#[test]
fn blocking_in_a_runtime_panics_and_harms_nobody() {
    World::each_compio(|world| {
        let semaphore = Arc::new(Semaphore::new(0));
        let spawn = |acquire: fn(Arc<Semaphore>)| {
            let semaphore = semaphore.clone();
            let task = world.spawn_on(0, move || async move { acquire(semaphore) });
            message(&*task.outcome().unwrap_err())
        };
        let waits = world.spawn_on(0, {
            let semaphore = semaphore.clone();
            || async move { semaphore.acquire().await.num_permits() }
        });
        until(|| semaphore.waiter_count() == 1);
        for (method, panic) in [
            ("blocking_acquire", spawn(|it| drop(it.blocking_acquire()))),
            (
                "blocking_acquire_many",
                spawn(|it| drop(it.blocking_acquire_many(0))),
            ),
            (
                "blocking_acquire_owned",
                spawn(|it| drop(it.blocking_acquire_owned())),
            ),
            (
                "blocking_acquire_many_owned",
                spawn(|it| drop(it.blocking_acquire_many_owned(0))),
            ),
        ] {
            let expected = format!("`{method}` was called inside a compio runtime");
            assert!(panic.starts_with(&expected), "{panic}");
        }
        assert_eq!(counts(&semaphore), [0, 0, 0, 1]);
        semaphore.add_permits(1);
        assert_eq!(waits.join(), 1);
    });
}
