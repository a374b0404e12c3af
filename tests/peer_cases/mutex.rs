//! tokio's cases for its mutex, borrowed and owned.

use std::sync::Arc;

use compio::runtime::Runtime;

use crate::{
    common::{Polled, panic_of, yield_now},
    fifo_mutex,
};

#[test]
fn locks_one_after_another_see_each_others_writes() {
    let mutex = Arc::new(fifo_mutex(100));
    let mut guard = Polled::new(mutex.lock()).ready();
    assert_eq!(*guard, 100);
    *guard = 99;
    drop(guard);
    let mut guard = Polled::new(mutex.clone().lock_owned()).ready();
    assert_eq!(*guard, 99);
    *guard = 98;
    drop(guard);
    assert_eq!(*Polled::new(mutex.lock()).ready(), 98);
}

#[test]
fn locks_are_ready_one_at_a_time() {
    let mutex = Arc::new(fifo_mutex(()));
    let mut first = Polled::new(mutex.lock());
    let mut second = Polled::new(mutex.clone().lock_owned());
    let mut third = Polled::new(mutex.lock());
    let guard = first.ready();
    second.waits();
    third.waits();
    drop(guard);
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    drop(second.ready());
    assert_eq!(third.wakes(), 1);
    drop(third.ready());
}

#[test]
fn lock_that_is_given_up_before_its_turn_is_passed_over() {
    for is_granted in [false, true] {
        let mutex = Arc::new(fifo_mutex(()));
        let guard = mutex.try_lock().unwrap();
        let given_up = Polled::pending(mutex.lock());
        let mut owned = Polled::pending(mutex.clone().lock_owned());
        if is_granted {
            drop(guard);
            drop(given_up);
        } else {
            drop(given_up);
            drop(guard);
        }
        assert_eq!(owned.wakes(), 1);
        drop(owned.ready());
    }
}

#[test]
fn future_that_is_given_up_with_its_lock_unlocks() {
    let mutex = Arc::new(fifo_mutex(()));
    let mut holder = Polled::pending(async {
        let _guard = mutex.lock().await;
        std::future::pending::<()>().await;
    });
    holder.waits();
    let mut next = Polled::pending(mutex.lock());
    drop(holder);
    drop(next.ready());
}

#[test]
fn try_lock_fails_while_it_is_locked() {
    let mutex = Arc::new(fifo_mutex(0));
    let guard = mutex.try_lock().unwrap();
    assert!(mutex.try_lock().is_none());
    assert!(mutex.clone().try_lock_owned().is_none());
    drop(guard);
    let owned = mutex.clone().try_lock_owned().unwrap();
    assert!(mutex.try_lock().is_none());
    drop(owned);
    assert!(mutex.try_lock().is_some());
}

#[test]
fn debug_shows_what_can_be_seen() {
    let mutex = Arc::new(fifo_mutex("text"));
    assert!(format!("{mutex:?}").contains("\"text\""));
    let guard = mutex.clone().try_lock_owned().unwrap();
    assert_eq!(format!("{guard:?} {guard}"), "\"text\" text");
    assert!(format!("{mutex:?}").contains("<locked>"));
}

#[test]
fn tasks_lock_in_the_order_they_came_however_often_they_yield() {
    Runtime::new().unwrap().block_on(async {
        const TASKS: usize = 10;
        let order = Arc::new(fifo_mutex(Vec::new()));
        let tasks: Vec<_> = (0..TASKS)
            .map(|n| {
                let order = order.clone();
                compio::runtime::spawn(async move {
                    for _ in 0..100 {
                        let mut order = order.lock().await;
                        order.push(n);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let order = order.lock().await;
        // From when on all wait, each comes once in as many turns.
        for turns in order[TASKS..].chunks_exact(TASKS) {
            let mut seen = turns.to_vec();
            seen.sort_unstable();
            assert_eq!(seen, Vec::from_iter(0..TASKS));
        }
    });
}

#[test]
fn panic_of_a_blocking_lock_tells_the_method() {
    Runtime::new().unwrap().block_on(async {
        let mutex = Arc::new(fifo_mutex(()));
        assert!(panic_of(|| mutex.blocking_lock()).contains("`blocking_lock`"));
        assert!(panic_of(|| mutex.clone().blocking_lock_owned()).contains("`blocking_lock_owned`"));
    });
}

#[test]
fn task_that_panics_with_the_lock_unlocks() {
    Runtime::new().unwrap().block_on(async {
        let mutex = Arc::new(fifo_mutex(1));
        let holder = compio::runtime::spawn({
            let mutex = mutex.clone();
            async move {
                let _guard = mutex.lock().await;
                panic!("on purpose");
            }
        });
        assert!(holder.await.is_err());
        assert_eq!(*mutex.lock().await, 1);
    });
}
