//! In which order requests of all sizes are met.

use super::*;

#[test]
fn requests_of_all_sizes_are_met_in_the_order_they_came() {
    let semaphore = fifo(0);
    let sizes = [2, 1, 3, 1, 1, 4];
    let mut requests: Vec<_> = sizes
        .iter()
        .map(|&size| Polled::pending(semaphore.acquire_many(size)))
        .collect();
    for met in 0..sizes.len() {
        for missing in (0..sizes[met]).rev() {
            semaphore.add_permits(1);
            assert_eq!(requests[met].wakes(), usize::from(missing == 0));
        }
        assert!(requests[met + 1..].iter().all(|it| it.wakes() == 0));
        assert_eq!(semaphore.available_permits(), 0);
        let permit = requests[met].ready();
        assert_eq!(permit.num_permits(), sizes[met]);
        permit.forget();
    }
}

#[test]
fn large_request_at_the_head_is_overtaken_by_nobody() {
    let semaphore = fifo(3);
    let held = semaphore.try_acquire().unwrap();
    let mut large = Polled::pending(semaphore.acquire_many(3));
    let mut small = Polled::pending(semaphore.acquire());
    assert_eq!(counts(&semaphore), [2, 1, 3, 2]);
    assert!(semaphore.try_acquire().is_none());
    drop(held);
    assert_eq!((large.wakes(), small.wakes()), (1, 0));
    drop(large.ready());
    drop(small.ready());
}

#[test]
fn one_release_lets_several_requests_through() {
    let semaphore = fifo(0);
    let mut requests: Vec<_> = [1, 2, 1, 2]
        .map(|size| Polled::pending(semaphore.acquire_many(size)))
        .into();
    semaphore.add_permits(5);
    assert_eq!(counts(&semaphore), [1, 4, 5, 1]);
    let permits: Vec<_> = requests[..3].iter_mut().map(Polled::ready).collect();
    requests[3].waits();
    drop(permits);
    drop(requests[3].ready());
}

#[test]
fn request_for_no_permits_never_waits() {
    each_fairness(|fairness| {
        let semaphore = Semaphore::with_fairness(0, fairness);
        let _waits = Polled::pending(semaphore.acquire());
        assert_eq!(
            Polled::new(semaphore.acquire_many(0)).ready().num_permits(),
            0
        );
        assert!(semaphore.try_acquire_many(0).is_some());
        semaphore.close();
        assert!(semaphore.try_acquire_many(0).is_none());
        let refused = Polled::new(semaphore.acquire_many(0).or_closed()).ready();
        assert_eq!(refused.unwrap_err(), AcquireError);
    });
}

#[test]
fn request_for_more_than_there_are_waits_until_permits_are_added() {
    let semaphore = Semaphore::new(1);
    let mut request = Polled::pending(semaphore.acquire_many(3));
    semaphore.add_permits(1);
    request.waits();
    semaphore.add_permits(1);
    drop(request.ready());
}

#[test]
fn tasks_and_blocked_threads_stand_in_one_line() {
    World::each(|world| {
        let semaphore = Arc::new(fifo(0));
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut threads = Vec::new();
        let mut tasks = Vec::new();
        for n in 0..8 {
            let (semaphore_, order) = (semaphore.clone(), order.clone());
            let enter = move |permit: OwnedSemaphorePermit| {
                order.lock().unwrap().push(n);
                drop(permit);
            };
            if n % 2 == 0 {
                threads.push(thread::spawn(move || {
                    enter(semaphore_.blocking_acquire_owned())
                }));
            } else {
                tasks.push(
                    world.spawn(move || async move { enter(semaphore_.acquire_owned().await) }),
                );
            }
            until(|| semaphore.waiter_count() == n + 1);
        }
        semaphore.add_permits(1);
        tasks.into_iter().for_each(Task::join);
        threads.into_iter().for_each(|it| it.join().unwrap());
        assert_eq!(*order.lock().unwrap(), Vec::from_iter(0..8));
    });
}

#[test]
fn requests_of_one_thread_keep_their_order_while_others_come_and_go() {
    let _watchdog = Watchdog::new("two threads");
    let semaphore = fifo(0);
    let end = Instant::now() + Duration::from_secs(1);
    thread::scope(|scope| {
        scope.spawn(|| {
            while Instant::now() < end {
                // Never granted: there is one permit at most.
                drop(Polled::pending(semaphore.acquire_many(2)));
            }
        });
        while Instant::now() < end {
            let mut requests = [(); 4].map(|()| Polled::pending(semaphore.acquire()));
            for n in 0..requests.len() {
                semaphore.add_permits(1);
                until(|| requests[n..].iter().any(|it| it.wakes() > 0));
                requests[n].ready().forget();
            }
        }
    });
    assert_eq!(counts(&semaphore), [0; 4]);
}
