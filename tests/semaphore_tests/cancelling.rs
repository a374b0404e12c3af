//! Requests that are dropped, and panics.

use super::*;

#[test]
fn request_that_was_never_polled_takes_nothing() {
    let semaphore = Semaphore::new(1);
    let unpolled = semaphore.acquire();
    let permit = semaphore.try_acquire().unwrap();
    drop(unpolled);
    assert_eq!(counts(&semaphore), [0, 1, 1, 0]);
    drop(permit);
    assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
}

#[test]
fn cancelled_large_request_no_longer_blocks_the_small_ones() {
    let semaphore = fifo(2);
    let large = Polled::pending(semaphore.acquire_many(3));
    let mut small: Vec<_> = (0..3)
        .map(|_| Polled::pending(semaphore.acquire()))
        .collect();
    drop(large);
    let wakes: Vec<_> = small.iter().map(Polled::wakes).collect();
    assert_eq!(wakes, [1, 1, 0]);
    assert_eq!(counts(&semaphore), [0, 2, 2, 1]);
    drop(small[0].ready());
    drop(small[2].ready());
}

#[test]
fn cancelled_waiter_passes_its_permit_on() {
    let semaphore = fifo(0);
    let granted = Polled::pending(semaphore.acquire_many(3));
    let mut next = [1, 2].map(|size| Polled::pending(semaphore.acquire_many(size)));
    semaphore.add_permits(3);
    assert_eq!((granted.wakes(), next[0].wakes()), (1, 0));
    drop(granted);
    let permits = next.each_mut().map(Polled::ready);
    assert_eq!(counts(&semaphore), [0, 3, 3, 0]);
    drop(permits);
    assert_eq!(counts(&semaphore), [3, 0, 3, 0]);
}

#[test]
fn panic_in_cloning_a_new_waker_leaves_the_wait_as_it_was() {
    each_fairness(|fairness| {
        let semaphore = Semaphore::with_fairness(0, fairness);
        let mut waits = Polled::pending(semaphore.acquire());
        let old = waits.swap_hooks(Hooks::on_clone(|| panic!("no clones")));
        assert_eq!(panic_of(|| waits.poll()), "no clones");
        assert_eq!((semaphore.waiter_count(), old.wakers()), (1, 1));
        semaphore.add_permits(1);
        assert_eq!(old.wakes(), 1);
        drop(waits.ready());
    });
}

#[test]
fn waker_may_try_to_acquire_and_give_back() {
    let semaphore = Arc::new(fifo(0));
    let tried = Arc::new(Mutex::new(Vec::new()));
    let hooks = Hooks::on_wake({
        let (semaphore, tried) = (semaphore.clone(), tried.clone());
        move || {
            let permit = semaphore.try_acquire();
            tried.lock().unwrap().push(permit.is_some());
            drop(permit);
            drop(Polled::new(semaphore.acquire_many(2)).poll());
        }
    });
    let mut waits = Polled::with(semaphore.acquire(), hooks);
    waits.waits();
    semaphore.add_permits(2);
    assert_eq!(*tried.lock().unwrap(), [true]);
    drop(waits.ready());
    assert_eq!(counts(&semaphore), [2, 0, 2, 0]);
}

#[test]
fn panicking_holder_gives_its_permits_back() {
    each_fairness(|fairness| {
        World::each(|world| {
            let semaphore = Arc::new(Semaphore::with_fairness(2, fairness));
            let holder = world.spawn({
                let semaphore = semaphore.clone();
                || async move {
                    let _permits = semaphore.acquire_many(2).await;
                    while semaphore.waiter_count() < 2 {
                        common::yield_now().await;
                    }
                    panic!("inside");
                }
            });
            until(|| semaphore.available_permits() == 0);
            let task = world.spawn({
                let semaphore = semaphore.clone();
                || async move { semaphore.acquire().await.num_permits() }
            });
            let thread = thread::spawn({
                let semaphore = semaphore.clone();
                move || semaphore.blocking_acquire().num_permits()
            });
            assert_eq!(message(&*holder.outcome().unwrap_err()), "inside");
            assert_eq!((task.join(), thread.join().unwrap()), (1, 1));
            assert_eq!(counts(&semaphore), [2, 0, 2, 0]);
        });
    });
}
