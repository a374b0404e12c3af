//! Channels whose every value goes to every receiver.

mod common;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Polled, Task, Watchdog, World, panic_of, yield_now};
use compio_sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

/// Counts how often it was dropped, and may panic when it is cloned.
struct Counted(Arc<AtomicUsize>, Arc<AtomicBool>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        assert!(!self.1.load(SeqCst), "no copy");
        Self(self.0.clone(), self.1.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

// ---- receiving ----

#[test]
fn every_receiver_gets_every_value_in_order() {
    for capacity in [1, 2, 16, 100] {
        let (sender, mut one) = broadcast::channel(capacity);
        let mut other = sender.subscribe();
        for n in 0..300 {
            assert_eq!(sender.send(n).unwrap(), 2);
            assert_eq!((one.len(), other.len()), (1, 1));
            assert_eq!(one.try_recv(), Ok(n));
            assert_eq!(other.try_recv(), Ok(n));
        }
        assert_eq!(one.try_recv(), Err(TryRecvError::Empty));
        assert!(one.is_empty());
    }
}

#[test]
fn slow_receiver_is_told_what_it_has_missed() {
    // The capacity is rounded up.
    let (sender, mut receiver) = broadcast::channel(3);
    (0..4).for_each(|n| assert_eq!(sender.send(n).unwrap(), 1));
    assert_eq!(receiver.try_recv(), Ok(0));
    (4..10).for_each(|n| assert_eq!(sender.send(n).unwrap(), 1));
    assert_eq!(receiver.len(), 9);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(5)));
    for n in 6..10 {
        assert_eq!(receiver.try_recv(), Ok(n));
    }
    (0..1000).for_each(|n| assert_eq!(sender.send(n).unwrap(), 1));
    assert_eq!(
        Polled::new(receiver.recv()).ready(),
        Err(RecvError::Lagged(996))
    );
    assert_eq!(receiver.blocking_recv(), Ok(996));
}

#[test]
fn receivers_begin_with_the_next_value() {
    let (sender, receiver) = broadcast::channel(4);
    sender.send(1).unwrap();
    let (mut late, mut again) = (sender.subscribe(), receiver.resubscribe());
    sender.send(2).unwrap();
    assert_eq!((late.try_recv(), again.try_recv()), (Ok(2), Ok(2)));
    assert_eq!(receiver.len(), 2);
}

#[test]
fn all_receivers_hear_of_all_values_wherever_they_live() {
    const RECEIVERS: usize = 3;
    const VALUES: usize = 200;
    World::each(|world| {
        let (sender, receiver) = broadcast::channel(VALUES * 2);
        let mut tasks: Vec<Task<()>> = (0..RECEIVERS)
            .map(|_| {
                let mut receiver = receiver.resubscribe();
                world.spawn(move || async move {
                    let mut next = [0, 0];
                    while let Ok((from, n)) = receiver.recv().await {
                        assert_eq!(n, next[from]);
                        next[from] += 1;
                    }
                    assert_eq!(next, [VALUES, VALUES]);
                })
            })
            .collect();
        drop(receiver);
        for from in 0..2 {
            let sender = sender.clone();
            tasks.push(world.spawn(move || async move {
                for n in 0..VALUES {
                    assert_eq!(sender.send((from, n)).unwrap(), RECEIVERS);
                    if n % 7 == 0 {
                        yield_now().await;
                    }
                }
            }));
        }
        drop(sender);
        tasks.into_iter().for_each(Task::join);
    });
}

#[test]
fn waiting_receiver_is_woken_once_for_many_values() {
    let (sender, mut receiver) = broadcast::channel(8);
    let mut recv = Polled::new(receiver.recv());
    recv.waits();
    (0..5).for_each(|n| assert_eq!(sender.send(n).unwrap(), 1));
    assert_eq!(recv.wakes(), 1);
    assert_eq!(recv.ready(), Ok(0));
    drop(recv);
    let mut dropped = Polled::new(receiver.recv());
    assert_eq!(dropped.ready(), Ok(1));
    drop(dropped);
    assert_eq!(receiver.len(), 3);
}

#[test]
fn time_that_is_up_takes_what_is_there() {
    let (sender, mut receiver) = broadcast::channel(8);
    assert!(
        receiver
            .recv_timeout(Duration::from_millis(2))
            .blocking()
            .is_err()
    );
    sender.send(1).unwrap();
    assert_eq!(receiver.recv_timeout(Duration::ZERO).blocking(), Ok(Ok(1)));
    assert!(
        sender
            .closed()
            .timeout(Duration::from_millis(2))
            .blocking()
            .is_err()
    );
    drop(sender);
    assert_eq!(
        receiver.recv_timeout(Duration::ZERO).blocking(),
        Ok(Err(RecvError::Closed))
    );
}

#[test]
fn blocking_in_a_runtime_panics() {
    let (_sender, mut receiver) = broadcast::channel::<u32>(1);
    compio::runtime::Runtime::new().unwrap().block_on(async {
        assert!(panic_of(|| receiver.blocking_recv()).contains("inside a compio runtime"));
    });
}

// ---- the ends ----

#[test]
fn wrong_capacities_panic() {
    assert!(panic_of(|| broadcast::channel::<u32>(0)).contains("never keep a value"));
    assert!(panic_of(|| broadcast::Sender::<u32>::new(0)).contains("never keep a value"));
    assert!(panic_of(|| broadcast::channel::<u32>(usize::MAX)).contains("more than half"));
}

#[test]
fn what_was_sent_is_received_before_the_end() {
    let (sender, mut receiver) = broadcast::channel(4);
    let mut other = receiver.resubscribe();
    let mut recv = Polled::new(other.recv());
    recv.waits();
    let weak = sender.downgrade();
    let again = weak.upgrade().unwrap();
    assert_eq!((again.strong_count(), again.weak_count()), (2, 1));
    drop(sender);
    assert!(!receiver.is_closed());
    again.send(1).unwrap();
    drop(again);
    assert!(receiver.is_closed() && weak.upgrade().is_none());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(recv.ready(), Ok(1));
    drop(recv);
    let mut recv = Polled::new(other.recv());
    assert_eq!(recv.ready(), Err(RecvError::Closed));
}

#[test]
fn sender_hears_of_the_last_receiver_and_goes_on_with_another() {
    let (sender, receiver) = broadcast::channel(4);
    let other = receiver.resubscribe();
    let mut closed = Polled::new(sender.closed());
    closed.waits();
    drop(receiver);
    closed.waits();
    drop(other);
    closed.ready();
    assert_eq!(sender.send(1).unwrap_err().0, 1);
    let mut receiver = sender.subscribe();
    sender.send(2).unwrap();
    assert_eq!(receiver.try_recv(), Ok(2));
}

#[test]
fn values_are_dropped_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    let new = || Counted(drops.clone(), Arc::default());
    let (sender, mut receiver) = broadcast::channel(2);
    (0..5).for_each(|_| assert!(sender.send(new()).is_ok()));
    assert_eq!(drops.load(SeqCst), 3, "those that are overwritten");
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Lagged(3))));
    drop(receiver.try_recv().ok().unwrap());
    assert_eq!(drops.load(SeqCst), 4, "the copy");
    let other = receiver.resubscribe();
    drop(receiver);
    assert_eq!(drops.load(SeqCst), 4);
    drop(other);
    assert_eq!(drops.load(SeqCst), 6, "nobody will receive them");
    assert!(sender.send(new()).is_err());
    assert_eq!(drops.load(SeqCst), 7);
    let mut receiver = sender.subscribe();
    assert!(sender.send(new()).is_ok());
    assert!(receiver.try_recv().is_ok());
    drop(sender);
    drop(receiver);
    assert_eq!(drops.load(SeqCst), 9);
}

#[test]
fn value_whose_copy_panics_is_skipped() {
    let panics = Arc::new(AtomicBool::new(true));
    let (sender, mut receiver) = broadcast::channel(4);
    for _ in 0..3 {
        let value = Counted(Arc::default(), panics.clone());
        assert!(sender.send(value).is_ok());
    }
    assert!(catch_unwind(AssertUnwindSafe(|| receiver.try_recv().is_ok())).is_err());
    let mut recv = Polled::new(receiver.recv());
    assert!(catch_unwind(AssertUnwindSafe(|| recv.poll().is_ready())).is_err());
    drop(recv);
    panics.store(false, SeqCst);
    assert!(receiver.try_recv().is_ok());
    assert_eq!(receiver.len(), 0);
}

#[test]
fn panic_in_the_destructor_of_what_is_overwritten_comes_after_the_send() {
    struct Bomb(usize);
    impl Clone for Bomb {
        fn clone(&self) -> Self {
            Self(self.0 + 10)
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert_ne!(self.0, 0, "the bomb");
        }
    }
    let (sender, mut receiver) = broadcast::channel(1);
    let mut recv = Polled::new(receiver.recv());
    recv.waits();
    assert!(sender.send(Bomb(0)).is_ok());
    let panic = catch_unwind(AssertUnwindSafe(|| sender.send(Bomb(1)).is_ok()));
    assert!(panic.is_err());
    assert!(matches!(recv.ready(), Err(RecvError::Lagged(1))));
    drop(recv);
    assert_eq!(receiver.try_recv().ok().unwrap().0, 11);
    assert!(sender.send(Bomb(2)).is_ok());
    assert_eq!(receiver.try_recv().ok().unwrap().0, 12);
}

#[test]
fn receiver_that_always_finds_values_yields_now_and_then() {
    let (sender, mut receiver) = broadcast::channel(8);
    for most in [128, 3, 0] {
        receiver.set_budget(most);
        let mut yields = 0;
        for n in 0..300 {
            assert_eq!(sender.send(n).unwrap(), 1);
            let mut recv = Polled::new(receiver.recv());
            if recv.poll().is_pending() {
                yields += 1;
                assert_eq!(recv.wakes(), 1, "it wakes itself");
                assert_eq!(recv.ready(), Ok(n));
            }
        }
        assert_eq!(yields, 299u32.checked_div(most).unwrap_or(0));
    }
}

#[test]
fn last_receiver_and_the_next_one_agree_on_what_is_left() {
    let _watchdog = Watchdog::new("receivers that go and come");
    for _ in 0..2000 {
        let (sender, receiver) = broadcast::channel(2);
        sender.send(0).unwrap();
        thread::scope(|scope| {
            let other = sender.clone();
            scope.spawn(move || {
                let mut next = other.subscribe();
                other.send(1).unwrap();
                assert_eq!(next.blocking_recv(), Ok(1));
            });
            drop(receiver);
        });
    }
}

#[test]
fn forgotten_futures_harm_nobody() {
    let (sender, mut receiver) = broadcast::channel(2);
    let mut other = receiver.resubscribe();
    let mut recv = Box::pin(receiver.recv());
    Polled::new(recv.as_mut()).waits();
    std::mem::forget(recv);
    for n in 0..100 {
        sender.send(n).unwrap();
        assert_eq!(other.try_recv(), Ok(n));
    }
}

// ---- races on real threads ----

#[test]
fn senders_that_overwrite_each_other_lose_and_double_nothing() {
    let _watchdog = Watchdog::new("a small ring");
    const VALUES: usize = 20_000;
    for capacity in [1, 4] {
        let (sender, mut receiver) = broadcast::channel(capacity);
        thread::scope(|scope| {
            for from in 0..2 {
                let sender = sender.clone();
                scope.spawn(move || {
                    for n in 0..VALUES {
                        // On the heap: a value that is freed too early is garbage.
                        sender.send(Box::new((from, n))).unwrap();
                    }
                });
            }
            drop(sender);
            let mut next = [0, 0];
            let mut count = 0;
            loop {
                match receiver.blocking_recv() {
                    Ok(value) => {
                        let (from, n) = *value;
                        assert!(n >= next[from], "out of order");
                        next[from] = n + 1;
                        count += 1;
                    }
                    Err(RecvError::Lagged(missed)) => count += missed as usize,
                    Err(RecvError::Closed) => break,
                }
            }
            assert_eq!(count, 2 * VALUES);
        });
    }
}
