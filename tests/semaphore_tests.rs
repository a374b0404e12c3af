//! [`Semaphore`]: who gets how many permits, in which order, and what becomes of them.

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use common::{Hooks, Polled, Task, Watchdog, World, claims::Primitive, message, panic_of, until};
use compio_sync::{AcquireError, Fairness, OwnedSemaphorePermit, Semaphore};
use futures_util::{FutureExt, future::BoxFuture, poll};

struct Permit<const LIMIT: u8>(Semaphore);

impl<const LIMIT: u8> Default for Permit<LIMIT> {
    fn default() -> Self {
        Self(Semaphore::with_fairness(0, Fairness::Bounded(LIMIT)))
    }
}

impl<const LIMIT: u8> Primitive for Permit<LIMIT> {
    const CALLS: bool = LIMIT > 0;

    fn wait(self: Arc<Self>) -> BoxFuture<'static, ()> {
        async move { self.0.acquire().await.forget() }.boxed()
    }

    fn release(&self) {
        self.0.add_permits(1);
    }

    fn release_all(&self) {
        self.0.add_permits(self.0.waiter_count());
    }

    fn waiter_count(&self) -> usize {
        self.0.waiter_count()
    }
}

mod fifo {
    crate::waits_like_the_others!(super::Permit<0>);
}

mod bounded {
    crate::waits_like_the_others!(super::Permit<16>);
}

/// A semaphore whose permits are handed over to those who wait.
const fn fifo(permits: usize) -> Semaphore {
    Semaphore::with_fairness(permits, Fairness::Fifo)
}

/// What of each there is to be tested.
fn each_fairness(test: impl Fn(Fairness)) {
    for fairness in [Fairness::Fifo, Fairness::Bounded(1), Fairness::default()] {
        test(fairness);
    }
}

const CLOSED: &str =
    "acquired from a semaphore that has been closed; use `or_closed` to be told instead";

/// All of a semaphore's counts: available, held, in all, waiting.
fn counts(semaphore: &Semaphore) -> [usize; 4] {
    [
        semaphore.available_permits(),
        semaphore.in_use(),
        semaphore.max_permits(),
        semaphore.waiter_count(),
    ]
}

// ---- the basics ----

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

// ---- order and sizes ----

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

// ---- cancelling ----

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

// ---- permits ----

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

// ---- changing the number of permits ----

#[test]
fn reducing_takes_only_what_is_available() {
    let semaphore = Semaphore::new(5);
    let held = semaphore.try_acquire_many(2).unwrap();
    assert_eq!(semaphore.reduce_permits(1), 1);
    assert_eq!(semaphore.reduce_permits(usize::MAX), 2);
    assert_eq!(semaphore.reduce_permits(1), 0);
    assert_eq!(counts(&semaphore), [0, 2, 2, 0]);
    drop(held);
    assert_eq!(counts(&semaphore), [2, 0, 2, 0]);
}

#[test]
fn reducing_takes_what_a_large_request_is_still_waiting_for() {
    each_fairness(|fairness| {
        let semaphore = Semaphore::with_fairness(2, fairness);
        let mut large = Polled::pending(semaphore.acquire_many(3));
        assert_eq!(semaphore.reduce_permits(5), 2);
        semaphore.add_permits(2);
        large.waits();
        semaphore.add_permits(1);
        drop(large.ready());
    });
}

#[test]
fn debt_is_repaid_before_anybody_is_granted() {
    each_fairness(|fairness| {
        let semaphore = Semaphore::with_fairness(3, fairness);
        let mut held = semaphore.try_acquire_many(3).unwrap();
        let mut waits = Polled::pending(semaphore.acquire());
        semaphore.remove_permits(2);
        assert_eq!(counts(&semaphore), [0, 3, 1, 1]);
        for in_use in [2, 1] {
            drop(held.split(1));
            assert_eq!(counts(&semaphore), [0, in_use, 1, 1]);
            waits.waits();
        }
        drop(held);
        drop(waits.ready());
        assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
    });
}

#[test]
fn added_permits_repay_a_debt_first() {
    let semaphore = Semaphore::new(2);
    let held = semaphore.try_acquire_many(2).unwrap();
    semaphore.remove_permits(2);
    assert!(semaphore.try_acquire().is_none());
    semaphore.add_permits(3);
    assert_eq!(counts(&semaphore), [1, 2, 3, 0]);
    drop(held);
    assert_eq!(counts(&semaphore), [3, 0, 3, 0]);
}

#[test]
fn removing_takes_available_permits_at_once() {
    let semaphore = Semaphore::new(3);
    semaphore.remove_permits(2);
    assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
    semaphore.remove_permits(0);
    semaphore.add_permits(0);
    assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
}

#[test]
fn removing_more_than_there_are_panics_and_changes_nothing() {
    let semaphore = Semaphore::new(2);
    let held = semaphore.try_acquire().unwrap();
    for count in [3, usize::MAX] {
        let panic = panic_of(|| semaphore.remove_permits(count));
        assert!(panic.starts_with("Semaphore::remove_permits:"), "{panic}");
    }
    drop(held);
    assert_eq!(counts(&semaphore), [2, 0, 2, 0]);
}

#[test]
fn adding_too_many_panics_and_changes_nothing() {
    let semaphore = Semaphore::new(1);
    let held = semaphore.try_acquire().unwrap();
    for count in [
        Semaphore::MAX_PERMITS,
        Semaphore::MAX_PERMITS + 1,
        usize::MAX,
    ] {
        let panic = panic_of(|| semaphore.add_permits(count));
        assert!(panic.starts_with("Semaphore::add_permits:"), "{panic}");
    }
    assert_eq!(counts(&semaphore), [0, 1, 1, 0]);
    semaphore.add_permits(Semaphore::MAX_PERMITS - 1);
    drop(held);
    assert_eq!(semaphore.available_permits(), Semaphore::MAX_PERMITS);
    assert_eq!(
        panic_of(|| semaphore.add_permits(1)).split(':').next(),
        Some("Semaphore")
    );
    let all = semaphore.try_acquire_many(Semaphore::MAX_PERMITS).unwrap();
    assert_eq!(
        counts(&semaphore),
        [0, Semaphore::MAX_PERMITS, Semaphore::MAX_PERMITS, 0]
    );
    semaphore.remove_permits(Semaphore::MAX_PERMITS);
    assert_eq!(counts(&semaphore), [0, Semaphore::MAX_PERMITS, 0, 0]);
    drop(all);
    assert_eq!(counts(&semaphore), [0; 4]);
}

#[test]
fn too_large_counts_panic() {
    let many = Semaphore::MAX_PERMITS + 1;
    let semaphore = Arc::new(Semaphore::new(1));
    assert!(panic_of(|| Semaphore::new(many)).contains("at most Semaphore::MAX_PERMITS"));
    for panic in [
        panic_of(|| drop(semaphore.acquire_many(many))),
        panic_of(|| drop(semaphore.clone().acquire_many_owned(many))),
        panic_of(|| drop(semaphore.try_acquire_many(many))),
        panic_of(|| drop(semaphore.clone().try_acquire_many_owned(many))),
        panic_of(|| drop(semaphore.blocking_acquire_many(many))),
    ] {
        assert!(
            panic.contains("more than Semaphore::MAX_PERMITS"),
            "{panic}"
        );
    }
    assert_eq!(counts(&semaphore), [1, 0, 1, 0]);
}

#[test]
fn semaphore_may_be_a_static_and_shows_its_state() {
    static SEMAPHORE: Semaphore = Semaphore::new(2);
    let _held = SEMAPHORE.try_acquire();
    let _waits = Polled::pending(SEMAPHORE.acquire_many(2));
    assert_eq!(
        format!("{SEMAPHORE:?}"),
        "Semaphore { available_permits: 1, max_permits: 2, waiter_count: 1, is_closed: false }"
    );
}

// ---- closing ----

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

// ---- all of it at once ----

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
