//! What one sees when one prints what the crate gives out, and what it says when it is misused.

mod common;

use std::sync::{Arc, Barrier, mpsc};

use common::{Polled, panic_of, until};
use compio::runtime::Runtime;
use compio_sync::{Event, Mutex, Semaphore, TierError, WaiterQueue, WakeTier};

#[test]
fn futures_can_be_printed() {
    let (semaphore, mutex) = (Arc::new(Semaphore::new(1)), Arc::new(Mutex::new(())));
    let (event, queue) = (Event::new(), WaiterQueue::new());
    let looks = [
        format!("{:?}", semaphore.acquire()),
        format!("{:?}", semaphore.acquire_many(2).or_closed()),
        format!("{:?}", semaphore.clone().acquire_owned()),
        format!("{:?}", semaphore.clone().acquire_many_owned(2).or_closed()),
        format!("{:?}", mutex.lock()),
        format!("{:?}", mutex.clone().lock_owned()),
        format!("{:?}", event.wait()),
        format!("{:?}", queue.add_waiter_if(|| false)),
    ];
    let expected = [
        "Acquire<'_> { count: 1, .. }",
        "AcquireOrClosed<'_> { count: 2, .. }",
        "AcquireOwned { count: 1, .. }",
        "AcquireOwnedOrClosed { count: 2, .. }",
        "Lock { .. }",
        "LockOwned { .. }",
        "EventWait { .. }",
        "AddWaiterIf { .. }",
    ];
    assert_eq!(looks, expected);
}

#[test]
fn errors_say_what_is_missing() {
    let tier = WakeTier::Futex;
    let says = |error: TierError, word: &str| {
        let text = error.to_string();
        assert!(text.contains(word), "{text}");
    };
    says(TierError::NoRuntime, "compio runtime");
    says(TierError::NotBuilt { tier }, "`futex`");
    says(TierError::NoSuchTier, "COMPIO_SYNC_TIER");
    let driver = "Poll";
    says(TierError::Driver { tier, driver }, "Poll");
    says(TierError::NoFutexOperations, "Linux 6.7");
    says(TierError::Probe { errno: 1 }, "io_uring");
    assert_eq!(WakeTier::Generic.to_string(), "generic");
    assert_eq!(WakeTier::Generic.check(), Err(TierError::NoRuntime));
    // Whatever the variable says, if anything, it is one of them.
    assert!(WakeTier::requested().is_ok());
}

#[test]
fn wait_that_is_over_must_not_be_polled() {
    let event = Event::new();
    event.set();
    let mut wait = Polled::new(event.wait());
    wait.ready();
    assert!(panic_of(|| wait.poll()).contains("after it had completed"));
}

/// More than one delivery tells apart.
#[test]
fn waiters_of_many_runtimes_are_woken_at_once() {
    const RUNTIMES: usize = 7;
    let semaphore = Arc::new(Semaphore::new(0));
    let all_done = Arc::new(Barrier::new(RUNTIMES));
    let (sender, done) = mpsc::channel();
    let threads: Vec<_> = (0..RUNTIMES)
        .map(|_| {
            let (semaphore, all_done) = (semaphore.clone(), all_done.clone());
            let sender = sender.clone();
            std::thread::spawn(move || {
                Runtime::new().unwrap().block_on(async {
                    let tasks = [0, 1].map(|_| {
                        let semaphore = semaphore.clone();
                        compio::runtime::spawn(async move { semaphore.acquire().await.forget() })
                    });
                    for task in tasks {
                        task.await.unwrap();
                    }
                });
                sender.send(()).unwrap();
                all_done.wait();
            })
        })
        .collect();
    until(|| semaphore.waiter_count() == 2 * RUNTIMES);
    semaphore.add_permits(2 * RUNTIMES);
    (0..RUNTIMES).for_each(|_| done.recv().unwrap());
    threads.into_iter().for_each(|it| it.join().unwrap());
    assert_eq!(
        (semaphore.available_permits(), semaphore.waiter_count()),
        (0, 0)
    );
}
