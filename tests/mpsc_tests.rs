//! Channels with many senders and one receiver.

mod common;

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use common::{Polled, Task, Watchdog, World, panic_of, until, yield_now};
use compio_sync::mpsc::{
    self,
    error::{SendError, SendTimeoutError, TryRecvError, TrySendError},
};
use futures_util::{FutureExt, poll};

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    future.poll_unpin(&mut Context::from_waker(Waker::noop()))
}

/// Counts how often it was dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

// ---- order and capacity ----

#[test]
fn values_arrive_in_the_order_in_which_they_were_sent() {
    for capacity in [1, 2, 7, 31, 32, 33, 100, 1 << 20] {
        let (sender, mut receiver) = mpsc::channel(capacity);
        let (mut sent, mut received) = (0, 0);
        for step in 0..1000 {
            if step % 3 != 0 || sender.capacity() > capacity / 2 {
                match sender.try_send(sent) {
                    Ok(()) => sent += 1,
                    Err(error) => {
                        assert_eq!(error, TrySendError::Full(sent));
                        assert_eq!(sent - received, capacity);
                    }
                }
            } else if let Ok(value) = receiver.try_recv() {
                assert_eq!(value, received);
                received += 1;
            }
            assert_eq!(receiver.len(), sent - received);
            assert_eq!(sender.capacity(), capacity - (sent - received));
            assert_eq!(receiver.capacity(), sender.capacity());
        }
        while let Ok(value) = receiver.try_recv() {
            assert_eq!(value, received);
            received += 1;
        }
        assert_eq!((received, sender.max_capacity()), (sent, capacity));
    }
}

#[test]
fn senders_that_wait_are_served_first_come_first_served() {
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(0).unwrap();
    let mut waiting: Vec<_> = (1..=3).map(|n| Polled::pending(sender.send(n))).collect();
    waiting.iter_mut().for_each(Polled::waits);
    for (n, next) in waiting.iter_mut().enumerate() {
        assert_eq!(receiver.try_recv(), Ok(n));
        assert_eq!(
            sender.try_send(9),
            Err(TrySendError::Full(9)),
            "past those who wait"
        );
        assert_eq!(next.wakes(), 1);
        assert_eq!(next.ready(), Ok(()));
    }
    assert_eq!(receiver.try_recv(), Ok(3));
    assert_eq!(sender.try_send(4), Ok(()));
}

#[test]
fn values_of_no_size_and_of_much_are_sent() {
    let (sender, mut receiver) = mpsc::channel(2);
    sender.try_send(()).unwrap();
    assert_eq!(receiver.try_recv(), Ok(()));
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for n in 0..100_u8 {
        sender.send([n; 5_000]).unwrap();
    }
    for n in 0..100 {
        assert!(receiver.try_recv() == Ok([n; 5_000]));
    }
}

#[test]
fn wrong_capacities_panic() {
    assert!(panic_of(|| mpsc::channel::<u32>(0)).contains("could never send"));
    let most = compio_sync::Semaphore::MAX_PERMITS;
    assert!(panic_of(|| mpsc::channel::<u32>(most + 1)).contains("MAX_PERMITS"));
    assert_eq!(mpsc::channel::<u32>(most).0.capacity(), most);
}

// ---- waiting ----

#[test]
fn waiting_receiver_is_woken_once_for_many_values() {
    let (sender, mut receiver) = mpsc::channel(8);
    let mut recv = Polled::new(receiver.recv());
    recv.waits();
    recv.waits();
    for n in 0..8 {
        sender.try_send(n).unwrap();
    }
    assert_eq!(recv.wakes(), 1);
    assert_eq!(recv.ready(), Some(0));
    drop(recv);
    assert_eq!(receiver.len(), 7);
}

#[test]
fn values_go_from_any_world_to_any() {
    const SENDERS: usize = 3;
    const VALUES: usize = 100;
    for capacity in [1, 4, 64] {
        World::each(|world| {
            let (sender, mut receiver) = mpsc::channel(capacity);
            let mut tasks: Vec<_> = (0..SENDERS)
                .map(|from| {
                    let sender = sender.clone();
                    world.spawn(move || async move {
                        for n in 0..VALUES {
                            sender.send((from, n)).await.unwrap();
                            if n % 7 == 0 {
                                yield_now().await;
                            }
                        }
                    })
                })
                .collect();
            drop(sender);
            tasks.push(world.spawn(move || async move {
                let mut next = [0; SENDERS];
                while let Some((from, n)) = receiver.recv().await {
                    assert_eq!(n, next[from]);
                    next[from] += 1;
                }
                assert_eq!(next, [VALUES; SENDERS]);
            }));
            tasks.into_iter().for_each(Task::join);
        });
    }
}

#[test]
fn many_are_received_at_once_and_none_is_waited_for() {
    let (sender, mut receiver) = mpsc::channel(100);
    let mut buffer = vec![0];
    let mut recv = Polled::new(receiver.recv_many(&mut buffer, 5));
    recv.waits();
    for n in 1..=70 {
        sender.try_send(n).unwrap();
    }
    assert_eq!(recv.ready(), 5);
    drop(recv);
    assert_eq!(buffer, [0, 1, 2, 3, 4, 5]);
    assert_eq!(
        receiver.recv_many(&mut buffer, 1000).now_or_never(),
        Some(65)
    );
    assert_eq!(receiver.recv_many(&mut buffer, 0).now_or_never(), Some(0));
    assert_eq!(buffer.len(), 71);
    assert!(receiver.recv_many(&mut buffer, 1).now_or_never().is_none());
    drop(sender);
    assert_eq!(receiver.recv_many(&mut buffer, 1).now_or_never(), Some(0));
    assert_eq!(receiver.capacity(), 100);
}

#[test]
fn plain_threads_send_and_receive() {
    let (sender, mut receiver) = mpsc::channel(2);
    let sending = thread::spawn(move || {
        for n in 0..1000 {
            sender.blocking_send(n).unwrap();
        }
    });
    let mut buffer = Vec::new();
    for n in 0..500 {
        assert_eq!(receiver.blocking_recv(), Some(n));
    }
    while receiver.blocking_recv_many(&mut buffer, 10) > 0 {}
    assert_eq!(buffer, (500..1000).collect::<Vec<_>>());
    sending.join().unwrap();
}

#[test]
fn blocking_in_a_runtime_panics() {
    let (sender, mut receiver) = mpsc::channel(1);
    compio::runtime::Runtime::new().unwrap().block_on(async {
        assert!(panic_of(|| sender.blocking_send(1)).contains("inside a compio runtime"));
        assert!(panic_of(|| receiver.blocking_recv()).contains("inside a compio runtime"));
    });
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn receiver_that_always_finds_values_yields_now_and_then() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for n in 0..1000 {
        sender.send(n).unwrap();
    }
    let mut received = 0;
    let mut yields = 0;
    let mut recv = Polled::new(poll_fn(|cx| receiver.poll_recv(cx)));
    while received < 1000 {
        match recv.poll() {
            Poll::Ready(value) => {
                assert_eq!(value, Some(received));
                received += 1;
            }
            Poll::Pending => {
                yields += 1;
                assert_eq!(recv.wakes(), yields, "it wakes itself");
            }
        }
    }
    assert_eq!(yields, 1000 / 128);
}

// ---- cancelling ----

#[test]
fn cancelled_send_has_not_happened_and_drops_its_value() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(None).unwrap();
    let mut send = Polled::pending(sender.send(Some(Dropped(drops.clone()))));
    send.waits();
    drop(send);
    assert_eq!(drops.load(SeqCst), 1);
    // Handed a place, and dropped before it was polled: the place passes on.
    let mut first = Polled::pending(sender.send(Some(Dropped(drops.clone()))));
    let mut second = Polled::pending(sender.send(None));
    first.waits();
    second.waits();
    assert!(receiver.try_recv().unwrap().is_none());
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
    drop(first);
    assert_eq!((drops.load(SeqCst), second.wakes()), (2, 1));
    assert!(second.ready().is_ok());
    assert!(receiver.try_recv().unwrap().is_none());
    assert!(matches!(receiver.try_recv(), Err(TryRecvError::Empty)));
}

#[test]
fn cancelled_recv_has_lost_nothing_and_drops_its_waker() {
    let (sender, mut receiver) = mpsc::channel(4);
    let mut recv = Polled::new(receiver.recv());
    recv.waits();
    let hooks = recv.hooks().clone();
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    assert_eq!(recv.wakes(), 1);
    drop(recv);
    assert_eq!(hooks.wakers(), 0);
    assert_eq!(receiver.len(), 2);
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.recv().now_or_never(), Some(Some(2)));
    let mut recv = Polled::new(receiver.recv());
    recv.waits();
    let hooks = recv.hooks().clone();
    drop(recv);
    assert_eq!(hooks.wakers(), 0);
}

#[test]
fn polled_receiver_keeps_its_waker_while_it_is_tried() {
    let (sender, receiver) = mpsc::channel(4);
    let receiver = std::cell::RefCell::new(receiver);
    let mut polls = Polled::new(poll_fn(|cx| receiver.borrow_mut().poll_recv(cx)));
    polls.waits();
    assert_eq!(receiver.borrow_mut().try_recv(), Err(TryRecvError::Empty));
    sender.try_send(1).unwrap();
    assert_eq!(polls.wakes(), 1);
    assert_eq!(receiver.borrow_mut().try_recv(), Ok(1));
    polls.waits();
    sender.try_send(2).unwrap();
    assert_eq!(polls.ready(), Some(2));
}

#[test]
fn time_that_is_up_gives_the_value_back() {
    let (sender, mut receiver) = mpsc::channel(1);
    let send = |value, millis| {
        let timeout = Duration::from_millis(millis);
        sender.send_timeout(value, timeout).blocking()
    };
    assert_eq!(send(1, 0), Ok(()));
    assert_eq!(send(2, 0), Err(SendTimeoutError::Timeout(2)));
    assert_eq!(send(3, 3), Err(SendTimeoutError::Timeout(3)));
    assert_eq!(
        receiver.recv_timeout(Duration::ZERO).blocking(),
        Ok(Some(1))
    );
    assert!(receiver.recv_timeout(Duration::ZERO).blocking().is_err());
    assert!(
        receiver
            .recv_timeout(Duration::from_millis(3))
            .blocking()
            .is_err()
    );
    receiver.close();
    assert_eq!(send(4, 3), Err(SendTimeoutError::Closed(4)));
    assert_eq!(receiver.recv_timeout(Duration::ZERO).blocking(), Ok(None));
}

// ---- permits ----

#[test]
fn permits_send_without_waiting_and_go_back_if_they_are_dropped() {
    let (sender, mut receiver) = mpsc::channel(2);
    let permit = sender.try_reserve().unwrap();
    let other = sender.reserve().now_or_never().unwrap().unwrap();
    assert_eq!(sender.capacity(), 0);
    assert!(matches!(sender.try_reserve(), Err(TrySendError::Full(()))));
    let mut waiting = Polled::pending(sender.reserve());
    waiting.waits();
    permit.send(1);
    assert_eq!(waiting.wakes(), 0);
    drop(other);
    assert_eq!(waiting.wakes(), 1);
    waiting.ready().unwrap().send(2);
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(2)));
}

#[test]
fn panic_of_the_receivers_waker_takes_the_place_once() {
    let (sender, mut receiver) = mpsc::channel(1);
    let hooks = common::Hooks::on_wake(|| panic!("the waker"));
    let mut waits = Polled::with(receiver.recv(), hooks);
    waits.waits();
    let permit = sender.try_reserve().unwrap();
    assert_eq!(panic_of(|| permit.send(7)), "the waker");
    assert_eq!(sender.capacity(), 0);
    drop(waits);
    assert_eq!(receiver.try_recv(), Ok(7));
    assert_eq!(sender.capacity(), 1);
}

#[test]
fn many_places_are_reserved_at_once_or_not_at_all() {
    let (sender, mut receiver) = mpsc::channel(4);
    sender.try_send(0).unwrap();
    assert!(matches!(
        sender.try_reserve_many(4),
        Err(TrySendError::Full(()))
    ));
    assert!(matches!(
        sender.try_reserve_many(5),
        Err(TrySendError::Full(()))
    ));
    assert!(sender.reserve_many(5).now_or_never().unwrap().is_err());
    assert_eq!(
        sender
            .reserve_many(0)
            .now_or_never()
            .unwrap()
            .unwrap()
            .len(),
        0
    );
    let mut all = Polled::pending(sender.reserve_many(4));
    all.waits();
    assert_eq!(receiver.try_recv(), Ok(0));
    let mut permits = all.ready().unwrap();
    assert_eq!(sender.capacity(), 0);
    permits.next().unwrap().send(1);
    permits.next().unwrap().send(2);
    assert_eq!(permits.len(), 2);
    drop(permits);
    assert_eq!(sender.capacity(), 2);
    drop(receiver);
    assert!(matches!(
        sender.try_reserve_many(0),
        Err(TrySendError::Closed(()))
    ));
    assert!(sender.reserve_many(0).now_or_never().unwrap().is_err());
}

#[test]
fn owned_permits_keep_their_sender() {
    let (sender, mut receiver) = mpsc::channel(1);
    let permit = sender.try_reserve_owned().unwrap();
    let sender = permit.send(1);
    let full = sender.try_reserve_owned();
    let Err(TrySendError::Full(sender)) = full else {
        panic!("it is full")
    };
    let mut waiting = Polled::pending(sender.reserve_owned());
    waiting.waits();
    assert_eq!(receiver.try_recv(), Ok(1));
    let permit = waiting.ready().unwrap();
    assert_eq!(receiver.sender_strong_count(), 1);
    let sender = permit.release();
    assert_eq!(sender.capacity(), 1);
    let permit = sender.clone().try_reserve_owned().unwrap();
    assert!(permit.same_channel_as_sender(&sender));
    drop(sender);
    let mut recv = Polled::new(receiver.recv());
    recv.waits();
    drop(permit);
    assert_eq!(recv.ready(), None, "its sender was the last one");
    // One that is cancelled drops its sender.
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(1).unwrap();
    let mut waiting = Polled::pending(sender.reserve_owned());
    waiting.waits();
    drop(waiting);
    assert_eq!(
        (receiver.try_recv(), receiver.try_recv()),
        (Ok(1), Err(TryRecvError::Disconnected))
    );
}

// ---- the end ----

#[test]
fn last_sender_ends_the_channel_and_what_it_sent_is_received() {
    let (sender, mut receiver) = mpsc::channel(4);
    let other = sender.clone();
    sender.try_send(1).unwrap();
    drop(sender);
    assert!(!receiver.is_closed());
    other.try_send(2).unwrap();
    drop(other);
    assert!(receiver.is_closed());
    assert_eq!(receiver.len(), 2);
    assert_eq!(receiver.recv().now_or_never(), Some(Some(1)));
    assert_eq!(receiver.len(), 1);
    assert_eq!(receiver.try_recv(), Ok(2));
    assert!(receiver.is_empty());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(receiver.recv().now_or_never(), Some(None));
    assert_eq!(receiver.recv().now_or_never(), Some(None));

    let (sender, mut receiver) = mpsc::channel::<u32>(4);
    let mut recv = Polled::new(receiver.recv());
    recv.waits();
    drop(sender);
    assert_eq!((recv.wakes(), recv.ready()), (1, None));
}

#[test]
fn close_refuses_senders_and_keeps_what_was_sent() {
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(1).unwrap();
    let mut waiting = Polled::pending(sender.send(2));
    waiting.waits();
    receiver.close();
    assert_eq!(waiting.wakes(), 1);
    assert_eq!(waiting.ready(), Err(SendError(2)));
    assert!(sender.is_closed() && receiver.is_closed());
    assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
    assert_eq!(sender.send(4).now_or_never(), Some(Err(SendError(4))));
    assert!(sender.reserve().now_or_never().unwrap().is_err());
    assert_eq!(receiver.recv().now_or_never(), Some(Some(1)));
    assert_eq!(receiver.recv().now_or_never(), Some(None));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn closed_channel_waits_for_the_permits_that_are_there() {
    for used in [false, true] {
        let (sender, mut receiver) = mpsc::channel(2);
        let permit = sender.try_reserve().unwrap();
        receiver.close();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        let mut recv = Polled::new(receiver.recv());
        recv.waits();
        if used {
            permit.send(1);
            assert_eq!(recv.wakes(), 1);
            assert_eq!(recv.ready(), Some(1));
            drop(recv);
            assert_eq!(receiver.recv().now_or_never(), Some(None));
        } else {
            drop(permit);
            assert_eq!(recv.wakes(), 1);
            assert_eq!(recv.ready(), None);
        }
    }
}

#[test]
fn close_passes_the_place_of_a_cancelled_sender_on_to_the_end() {
    let (sender, mut receiver) = mpsc::channel(1);
    sender.try_send(1).unwrap();
    let mut granted = Polled::pending(sender.send(2));
    granted.waits();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(granted.wakes(), 1);
    receiver.close();
    let mut recv = Polled::new(receiver.recv());
    recv.waits();
    drop(granted);
    assert_eq!((recv.wakes(), recv.ready()), (1, None));
}

#[test]
fn senders_hear_of_the_close() {
    for by_drop in [false, true] {
        let (sender, mut receiver) = mpsc::channel::<u32>(1);
        let mut closed = [
            Polled::pending(sender.closed()),
            Polled::pending(sender.closed()),
        ];
        closed.iter_mut().for_each(Polled::waits);
        if by_drop {
            drop(receiver);
        } else {
            receiver.close();
        }
        for it in &mut closed {
            assert_eq!(it.wakes(), 1);
            it.ready();
        }
        assert!(sender.closed().now_or_never().is_some());
    }
}

#[test]
fn weak_senders_count_and_do_not_keep_the_channel_open() {
    let (sender, mut receiver) = mpsc::channel(1);
    let weak = sender.downgrade();
    let weaker = weak.clone();
    assert_eq!((sender.strong_count(), sender.weak_count()), (1, 2));
    assert_eq!(
        (receiver.sender_strong_count(), receiver.sender_weak_count()),
        (1, 2)
    );
    let again = weak.upgrade().unwrap();
    assert_eq!((weak.strong_count(), weak.weak_count()), (2, 2));
    drop(sender);
    again.try_send(1).unwrap();
    drop((again, weaker));
    assert!(weak.upgrade().is_none());
    assert_eq!(
        (receiver.try_recv(), receiver.try_recv()),
        (Ok(1), Err(TryRecvError::Disconnected))
    );
}

// ---- what is dropped, and when ----

#[test]
fn values_are_dropped_once_wherever_they_are() {
    for values in [0, 1, 31, 32, 33, 100] {
        for received in [0, 1, 40] {
            let drops = Arc::new(AtomicUsize::new(0));
            let (sender, mut receiver) = mpsc::unbounded_channel();
            for _ in 0..values {
                assert!(sender.send(Dropped(drops.clone())).is_ok());
            }
            for _ in 0..received.min(values) {
                drop(receiver.try_recv().ok().unwrap());
            }
            assert_eq!(drops.load(SeqCst), received.min(values));
            drop(receiver);
            assert_eq!(drops.load(SeqCst), values, "they go with the receiver");
            assert!(sender.send(Dropped(drops.clone())).is_err());
            assert_eq!(drops.load(SeqCst), values + 1);
        }
    }
}

#[test]
fn value_of_a_late_permit_goes_with_the_channel() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpsc::channel(1);
    let permit = sender.try_reserve().unwrap();
    drop(receiver);
    permit.send(Dropped(drops.clone()));
    assert_eq!(drops.load(SeqCst), 0);
    drop(sender);
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn panic_in_a_values_destructor_drops_the_others() {
    struct Bomb(Arc<AtomicUsize>, bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
            assert!(!self.1, "the bomb");
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpsc::unbounded_channel();
    for n in 0..70 {
        assert!(sender.send(Bomb(drops.clone(), n == 40)).is_ok());
    }
    let panic = catch_unwind(AssertUnwindSafe(|| drop(receiver)));
    assert!(panic.is_err());
    assert_eq!(drops.load(SeqCst), 70, "before the last sender goes");
    drop(sender);

    // Values that the receiver did not see any more.
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpsc::channel(3);
    let permits = sender.try_reserve_many(3).unwrap();
    drop(receiver);
    for (n, permit) in permits.enumerate() {
        permit.send(Bomb(drops.clone(), n == 0));
    }
    let panic = catch_unwind(AssertUnwindSafe(|| drop(sender)));
    assert!(panic.is_err());
    assert_eq!(drops.load(SeqCst), 3);
}

#[test]
fn forgotten_ends_and_futures_harm_nobody() {
    let (sender, mut receiver) = mpsc::channel(1);
    std::mem::forget(sender.clone());
    sender.try_send(1).unwrap();
    let mut send = Box::pin(sender.send(2));
    assert!(poll_once(&mut send).is_pending());
    std::mem::forget(send);
    assert_eq!(receiver.try_recv(), Ok(1));
    // The place was handed to a future that nobody polls: it is gone.
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    drop(sender);
    assert!(!receiver.is_closed());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    let mut recv = Box::pin(receiver.recv());
    assert!(poll_once(&mut recv).is_pending());
    drop(recv);
}

// ---- races on real threads ----

#[test]
fn close_and_sends_at_once_lose_no_value() {
    let _watchdog = Watchdog::new("close and sends");
    const SENDERS: usize = 2;
    for round in 0..500 {
        let (sender, mut receiver) = mpsc::channel(1 + round % 3);
        let begun = AtomicUsize::new(0);
        let (sent, received) = thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS)
                .map(|_| {
                    let (sender, begun) = (sender.clone(), &begun);
                    scope.spawn(move || {
                        begun.fetch_add(1, SeqCst);
                        until(|| begun.load(SeqCst) > SENDERS);
                        (0..20)
                            .take_while(|&n| sender.blocking_send(n).is_ok())
                            .count()
                    })
                })
                .collect();
            drop(sender);
            until(|| begun.load(SeqCst) == SENDERS);
            begun.fetch_add(1, SeqCst);
            let mut received = 0;
            for _ in 0..round % 20 {
                received += usize::from(receiver.blocking_recv().is_some());
            }
            receiver.close();
            while receiver.blocking_recv().is_some() {
                received += 1;
            }
            let sent: usize = senders.into_iter().map(|it| it.join().unwrap()).sum();
            (sent, received)
        });
        assert_eq!(sent, received, "in round {round}");
    }
}

#[test]
fn receiver_moves_between_runtimes() {
    let _watchdog = Watchdog::new("a receiver that moves");
    const VALUES: usize = 500;
    let (sender, mut receiver) = mpsc::channel(4);
    let sending = thread::spawn(move || {
        for n in 0..VALUES {
            sender.blocking_send(n).unwrap();
        }
    });
    let mut next = 0;
    for _ in 0..8 {
        (receiver, next) = thread::spawn(move || {
            compio::runtime::Runtime::new()
                .unwrap()
                .block_on(async move {
                    compio::runtime::spawn(async move {
                        for _ in 0..50 {
                            assert_eq!(receiver.recv().await, Some(next));
                            next += 1;
                        }
                        // Begun here, and given up if there is no value.
                        if let Poll::Ready(value) = poll!(receiver.recv()) {
                            assert_eq!(value, Some(next));
                            next += 1;
                        }
                        (receiver, next)
                    })
                    .await
                    .unwrap()
                })
        })
        .join()
        .unwrap();
    }
    while let Some(n) = receiver.blocking_recv() {
        assert_eq!(n, next);
        next += 1;
    }
    assert_eq!(next, VALUES);
    sending.join().unwrap();
}
