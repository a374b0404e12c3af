//! Whole primitives, where more than a queue takes part.

use super::*;
use crate::{Condvar, Mutex};

/// A future polled by hand.
pub(super) fn poll<F: Future>(future: std::pin::Pin<&mut F>, probe: &Probe) -> Poll<F::Output> {
    let waker = probe.waker();
    future.poll(&mut Context::from_waker(&waker))
}

#[test]
fn condvar_notified_under_its_mutex_wakes_who_waits_for_a_change() {
    explore(2, || {
        let shared = Arc::new((
            Mutex::with_fairness(false, crate::Fairness::Fifo),
            Condvar::new(),
        ));
        let changer = spawn({
            let shared = shared.clone();
            move || {
                *block_on(shared.0.lock()) = true;
                shared.1.notify_one();
            }
        });
        block_on(async {
            let guard = shared.0.lock().await;
            assert!(*shared.1.wait_while(guard, |changed| !*changed).await);
        });
        changer.join().unwrap();
        assert_eq!(shared.1.waiter_count(), 0);
    });
}

#[test]
fn condvar_wait_that_is_cancelled_passes_its_notification_on() {
    explore(2, || {
        let shared = Arc::new((
            Mutex::with_fairness((), crate::Fairness::Fifo),
            Condvar::new(),
        ));
        let (leaving, staying) = (Probe::new(), Probe::new());
        {
            let mut first = Box::pin(async { shared.1.wait(shared.0.lock().await).await });
            let mut second = pin!(async { shared.1.wait(shared.0.lock().await).await });
            assert!(poll(first.as_mut(), &leaving).is_pending());
            assert!(poll(second.as_mut(), &staying).is_pending());
            let notifier = spawn({
                let shared = shared.clone();
                move || shared.1.notify_one()
            });
            drop(first);
            notifier.join().unwrap();
            assert_eq!(staying.wakes(), 1, "the notification is lost");
            assert!(poll(second.as_mut(), &staying).is_ready());
        }
        assert_eq!(shared.1.waiter_count(), 0);
        assert!(shared.0.try_lock().is_some());
    });
}

#[test]
fn condvar_notifies_all_though_one_is_cancelled() {
    explore(2, || {
        let shared = Arc::new((
            Mutex::with_fairness((), crate::Fairness::Fifo),
            Condvar::new(),
        ));
        let (leaving, staying) = (Probe::new(), Probe::new());
        {
            let mut first = Box::pin(async { shared.1.wait(shared.0.lock().await).await });
            let mut second = pin!(async { shared.1.wait(shared.0.lock().await).await });
            assert!(poll(first.as_mut(), &leaving).is_pending());
            assert!(poll(second.as_mut(), &staying).is_pending());
            let notifier = spawn({
                let shared = shared.clone();
                move || shared.1.notify_all()
            });
            drop(first);
            notifier.join().unwrap();
            assert_eq!(staying.wakes(), 1, "the notification is lost");
            assert!(poll(second.as_mut(), &staying).is_ready());
        }
        assert_eq!(shared.1.waiter_count(), 0);
        assert!(shared.0.try_lock().is_some());
    });
}

/// A lock is cancelled while its holder unlocks, and a third one waits.
fn lock_cancelled_is_had_by_the_next(fairness: crate::Fairness) {
    let mutex = StdArc::new(Mutex::with_fairness(0, fairness));
    let holder = mutex.clone().try_lock_owned().unwrap();
    let (leaving, staying) = (Probe::new(), Probe::new());
    {
        let mut first = Box::pin(mutex.lock());
        let mut second = pin!(mutex.lock());
        assert!(poll(first.as_mut(), &leaving).is_pending());
        assert!(poll(second.as_mut(), &staying).is_pending());
        let unlocker = spawn(move || {
            let mut holder = holder;
            *holder += 1;
        });
        drop(first);
        unlocker.join().unwrap();
        assert_eq!(staying.wakes(), 1, "the lock is lost");
        match poll(second.as_mut(), &staying) {
            Poll::Ready(guard) => assert_eq!(*guard, 1),
            Poll::Pending => panic!("the lock is lost"),
        }
    }
    assert_eq!(*mutex.try_lock().unwrap(), 1);
}

#[test]
fn lock_that_is_cancelled_is_had_by_the_next() {
    explore(3, || {
        lock_cancelled_is_had_by_the_next(crate::Fairness::Fifo)
    });
}

#[test]
fn lock_with_barging_that_is_cancelled_is_had_by_the_next() {
    explore(3, || {
        lock_cancelled_is_had_by_the_next(crate::Fairness::Bounded(1))
    });
}
