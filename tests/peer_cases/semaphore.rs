//! tokio's cases for its semaphore, borrowed and owned.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use compio_sync::{AcquireError, Semaphore};

use crate::{
    common::{Hooks, Polled, panic_of},
    fifo,
};

#[test]
fn semaphore_may_begin_without_permits() {
    let semaphore = Semaphore::new(0);
    assert!(semaphore.try_acquire().is_none());
    let mut acquire = Polled::pending(semaphore.acquire());
    semaphore.add_permits(1);
    assert_eq!(acquire.ready().num_permits(), 1);
}

#[test]
fn try_acquire_takes_what_is_there_and_no_more() {
    let semaphore = Arc::new(Semaphore::new(3));
    let many = semaphore.try_acquire_many(2).expect("there are three");
    assert!(semaphore.try_acquire_many(2).is_none());
    let one = semaphore.clone().try_acquire_owned().expect("one is left");
    assert!(semaphore.try_acquire().is_none());
    assert!(semaphore.clone().try_acquire_many_owned(1).is_none());
    drop(one);
    assert_eq!(semaphore.available_permits(), 1);
    drop(many);
    assert_eq!(semaphore.available_permits(), 3);
}

#[test]
fn waiter_is_woken_by_the_drop_of_a_permit() {
    let semaphore = Arc::new(Semaphore::new(1));
    let borrowed = semaphore.try_acquire().unwrap();
    let mut owned = Polled::pending(semaphore.clone().acquire_owned());
    drop(borrowed);
    assert_eq!(owned.wakes(), 1);
    let owned = owned.ready();
    let mut many = Polled::pending(semaphore.acquire_many(1));
    drop(owned);
    assert_eq!(many.wakes(), 1);
    drop(many.ready());
}

#[test]
fn added_permits_go_to_all_for_whom_there_are_enough() {
    let semaphore = fifo(0);
    let mut waits: Vec<_> = [2, 2, 1]
        .map(|count| Polled::pending(semaphore.acquire_many(count)))
        .into();
    semaphore.add_permits(4);
    let wakes: Vec<_> = waits.iter().map(Polled::wakes).collect();
    assert_eq!(wakes, [1, 1, 0]);
    // Their permits come back as soon as they are dropped.
    drop(waits[0].ready());
    drop(waits[2].ready());
    drop(waits[1].ready());
    assert_eq!(semaphore.available_permits(), 4);
}

#[test]
fn closing_wakes_everybody_with_their_wakers_outside() {
    let semaphore = Arc::new(Semaphore::new(0));
    let mut waits: Vec<_> = (0..40)
        .map(|_| {
            let closed = semaphore.clone();
            let hooks = Hooks::on_wake(move || {
                assert!(closed.is_closed());
                assert!(closed.try_acquire().is_none());
                closed.close();
            });
            Polled::with(acquire_or_closed(&semaphore), hooks)
        })
        .collect();
    waits.iter_mut().for_each(Polled::waits);
    semaphore.close();
    for wait in &mut waits {
        assert_eq!(wait.wakes(), 1);
        assert_eq!(wait.ready(), Err(AcquireError));
        assert_eq!(wait.hooks().wakers(), 0);
    }
}

fn acquire_or_closed(
    semaphore: &Arc<Semaphore>,
) -> impl Future<Output = Result<(), AcquireError>> + use<> {
    let acquire = semaphore.clone().acquire_owned().or_closed();
    async { acquire.await.map(drop) }
}

#[test]
fn wakers_that_a_close_drops_may_come_back() {
    let semaphore = Arc::new(Semaphore::new(0));
    let reenter = semaphore.clone();
    let hooks = Hooks::on_drop(move || {
        reenter.close();
        assert_eq!(reenter.waiter_count(), 0);
    });
    let mut wait = Polled::with(acquire_or_closed(&semaphore), hooks);
    wait.waits();
    drop(wait);
    assert!(semaphore.is_closed());
}

#[test]
fn closed_semaphore_takes_permits_but_hands_none_out() {
    let semaphore = Semaphore::new(1);
    let permit = semaphore.try_acquire().unwrap();
    semaphore.close();
    semaphore.add_permits(2);
    drop(permit);
    assert_eq!(semaphore.available_permits(), 3);
    assert!(semaphore.try_acquire().is_none());
    semaphore.remove_permits(3);
    assert_eq!(
        (semaphore.available_permits(), semaphore.max_permits()),
        (0, 0)
    );
    assert!(
        Polled::new(semaphore.acquire().or_closed())
            .ready()
            .is_err()
    );
}

#[test]
fn forgotten_permit_does_not_come_back() {
    let semaphore = Arc::new(Semaphore::new(2));
    semaphore.try_acquire().unwrap().forget();
    assert_eq!(
        (semaphore.available_permits(), semaphore.max_permits()),
        (1, 1)
    );
    semaphore.clone().try_acquire_owned().unwrap().forget();
    assert!(semaphore.try_acquire().is_none());
    assert_eq!(semaphore.max_permits(), 0);
}

#[test]
fn fewer_are_taken_away_than_asked_for_if_there_are_fewer() {
    let semaphore = Semaphore::new(5);
    let held = semaphore.try_acquire_many(2).unwrap();
    assert_eq!(semaphore.reduce_permits(1), 1);
    assert_eq!(semaphore.reduce_permits(7), 2);
    assert_eq!(semaphore.reduce_permits(7), 0);
    drop(held);
    assert_eq!(
        (semaphore.available_permits(), semaphore.max_permits()),
        (2, 2)
    );
}

#[test]
fn merged_permits_come_back_together() {
    let semaphore = Semaphore::new(100);
    let mut all = semaphore.try_acquire_many(0).unwrap();
    for _ in 0..100 {
        all.merge(semaphore.try_acquire().unwrap());
    }
    assert_eq!((all.num_permits(), semaphore.available_permits()), (100, 0));
    drop(all);
    assert_eq!(semaphore.available_permits(), 100);
}

#[test]
fn merging_permits_of_another_semaphore_panics() {
    let (one, other) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
    panic_of(|| {
        one.try_acquire()
            .unwrap()
            .merge(other.try_acquire().unwrap())
    });
    let (mut mine, theirs) = (
        one.clone().try_acquire_owned().unwrap(),
        other.clone().try_acquire_owned().unwrap(),
    );
    panic_of(|| mine.merge(theirs));
    drop(mine);
    assert_eq!((one.available_permits(), other.available_permits()), (1, 1));
}

#[test]
fn split_permits_come_back_apart() {
    let semaphore = Arc::new(Semaphore::new(5));
    let mut borrowed = semaphore.try_acquire_many(3).unwrap();
    let mut owned = semaphore.clone().try_acquire_many_owned(2).unwrap();
    assert!(borrowed.split(4).is_none());
    assert_eq!(borrowed.num_permits(), 3);
    let part = borrowed.split(1).unwrap();
    let nothing = borrowed.split(0).unwrap();
    let half = owned.split(1).unwrap();
    assert_eq!(
        [&part, &nothing, &borrowed].map(|it| it.num_permits()),
        [1, 0, 2]
    );
    drop((nothing, part));
    assert_eq!(semaphore.available_permits(), 1);
    drop((half, borrowed));
    assert_eq!(semaphore.available_permits(), 4);
    drop(owned);
    assert_eq!(semaphore.available_permits(), 5);
}

#[test]
fn permit_knows_its_semaphore() {
    let semaphore = Arc::new(Semaphore::new(2));
    let borrowed = semaphore.try_acquire().unwrap();
    let owned = semaphore.clone().try_acquire_owned().unwrap();
    assert!(std::ptr::eq(borrowed.semaphore(), &*semaphore));
    assert!(Arc::ptr_eq(owned.semaphore(), &semaphore));
}

#[test]
fn greatest_number_of_permits_is_legal_and_one_more_is_not() {
    const MAX: usize = Semaphore::MAX_PERMITS;
    let semaphore = Semaphore::new(MAX);
    panic_of(|| semaphore.add_permits(1));
    assert_eq!(semaphore.available_permits(), MAX);
    let all = semaphore.try_acquire_many(MAX).unwrap();
    panic_of(|| semaphore.add_permits(1));
    drop(all);
    assert_eq!(semaphore.available_permits(), MAX);

    let grown = Semaphore::new(MAX - 3);
    grown.add_permits(3);
    panic_of(|| grown.add_permits(usize::MAX));
    panic_of(|| Semaphore::new(MAX + 1));
    panic_of(|| drop(semaphore.acquire_many(MAX + 1)));
    panic_of(|| drop(semaphore.acquire_many(1 << (usize::BITS - 1))));
    panic_of(|| drop(Arc::new(Semaphore::new(0)).acquire_many_owned(usize::MAX)));
    assert_eq!(grown.available_permits(), MAX);
}

#[test]
fn blocked_thread_waits_for_the_permits() {
    let semaphore = Arc::new(Semaphore::new(3));
    assert_eq!(semaphore.blocking_acquire().num_permits(), 1);
    assert_eq!(semaphore.blocking_acquire_many(2).num_permits(), 2);
    let held = semaphore.clone().blocking_acquire_many_owned(3);
    let (sender, acquired) = mpsc::channel();
    let thread = thread::spawn({
        let semaphore = semaphore.clone();
        move || sender.send(semaphore.blocking_acquire_owned().num_permits())
    });
    crate::common::until(|| semaphore.waiter_count() == 1);
    assert!(acquired.try_recv().is_err());
    drop(held);
    assert_eq!(acquired.recv(), Ok(1));
    thread.join().unwrap().unwrap();
    assert_eq!(semaphore.available_permits(), 3);
}

#[test]
fn closing_ends_a_blocked_threads_wait_with_a_panic() {
    let semaphore = Arc::new(Semaphore::new(0));
    let thread = thread::spawn({
        let semaphore = semaphore.clone();
        move || drop(semaphore.blocking_acquire())
    });
    crate::common::until(|| semaphore.waiter_count() == 1);
    semaphore.close();
    assert!(thread.join().is_err());
    panic_of(|| semaphore.blocking_acquire());
}

#[test]
fn blocking_where_tasks_run_panics() {
    compio::runtime::Runtime::new().unwrap().block_on(async {
        let semaphore = Arc::new(Semaphore::new(9));
        panic_of(|| semaphore.blocking_acquire());
        panic_of(|| semaphore.blocking_acquire_many(2));
        panic_of(|| semaphore.clone().blocking_acquire_owned());
        panic_of(|| semaphore.clone().blocking_acquire_many_owned(2));
        assert_eq!(semaphore.available_permits(), 9);
    });
}

#[test]
fn many_tasks_take_turns() {
    compio::runtime::Runtime::new().unwrap().block_on(async {
        let semaphore = Arc::new(Semaphore::new(5));
        let tasks: Vec<_> = (0..1000)
            .map(|n| {
                let semaphore = semaphore.clone();
                compio::runtime::spawn(async move {
                    let permit = semaphore.acquire_many(1 + n % 3).await;
                    crate::common::yield_now().await;
                    drop(permit);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(
            (semaphore.available_permits(), semaphore.waiter_count()),
            (5, 0)
        );
    });
}
