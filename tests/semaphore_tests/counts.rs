//! Changes of the number of permits.

use super::*;

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
