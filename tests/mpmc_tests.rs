//! Channels with many senders and many receivers.

mod common;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    thread,
    time::Duration,
};

use common::{Polled, Task, Watchdog, World, panic_of, yield_now};
use compio_sync::mpmc::{
    self, Receiver,
    error::{TryRecvError, TrySendError},
};
use futures_util::FutureExt;

/// Counts how often it was dropped, and may panic then.
struct Dropped(Arc<AtomicUsize>, bool);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        assert!(!self.1, "the bomb");
    }
}

// ---- order and capacity ----

#[test]
fn clones_take_values_in_the_order_in_which_they_were_sent() {
    for capacity in [1, 2, 31, 32, 33, 100, 1 << 20] {
        let (sender, receiver) = mpmc::channel(capacity);
        let receivers = [receiver.clone(), receiver.clone(), receiver];
        let (mut sent, mut received) = (0, 0);
        for step in 0..1000 {
            if step % 3 != 0 {
                match sender.try_send(sent) {
                    Ok(()) => sent += 1,
                    Err(error) => {
                        assert_eq!(error, TrySendError::Full(sent));
                        assert_eq!(sent - received, capacity);
                    }
                }
            } else if let Ok(value) = receivers[step % 2].try_recv() {
                assert_eq!(value, received);
                received += 1;
            }
            assert_eq!(receivers[2].len(), sent - received);
            assert_eq!(sender.capacity(), capacity - (sent - received));
        }
    }
}

#[test]
fn receivers_that_wait_are_served_first_come_first_served() {
    let (sender, receiver) = mpmc::channel(4);
    let others: Vec<Receiver<_>> = (0..4).map(|_| receiver.clone()).collect();
    let mut waits: Vec<_> = others.iter().map(|it| Polled::new(it.recv())).collect();
    waits.iter_mut().for_each(Polled::waits);
    for n in 0..2 {
        sender.try_send(n).unwrap();
    }
    assert_eq!(
        receiver.try_recv(),
        Err(TryRecvError::Empty),
        "they are granted"
    );
    // The one that is polled first takes the older one.
    assert_eq!(waits[1].ready(), Some(0));
    assert_eq!(waits[0].ready(), Some(1));
    waits[2].waits();
    // A third one that gives up hands its turn to the fourth.
    sender.try_send(2).unwrap();
    drop(waits.remove(2));
    assert_eq!(waits[2].ready(), Some(2));
}

#[test]
fn several_futures_of_one_receiver_wait() {
    let (sender, receiver) = mpmc::channel(4);
    let (mut one, mut other) = (Polled::new(receiver.recv()), Polled::new(receiver.recv()));
    one.waits();
    other.waits();
    sender.try_send(1).unwrap();
    sender.try_send(2).unwrap();
    assert_eq!((one.ready(), other.ready()), (Some(1), Some(2)));
}

#[test]
fn wrong_capacities_panic() {
    assert!(panic_of(|| mpmc::channel::<u32>(0)).contains("could never send"));
    let most = compio_sync::Semaphore::MAX_PERMITS;
    assert!(panic_of(|| mpmc::channel::<u32>(most + 1)).contains("MAX_PERMITS"));
}

#[test]
fn values_of_no_size_and_of_much_are_sent() {
    let (sender, receiver) = mpmc::unbounded_channel();
    (0..100).for_each(|_| sender.send(()).unwrap());
    assert_eq!(receiver.len(), 100);
    (0..100).for_each(|_| receiver.try_recv().unwrap());
    let (sender, receiver) = mpmc::unbounded_channel();
    (0..100).for_each(|n| sender.send([n; 1000]).unwrap());
    (0..100).for_each(|n| assert_eq!(receiver.try_recv().unwrap()[999], n));
}

// ---- forcing ----

#[test]
fn forced_value_replaces_the_oldest() {
    let (sender, receiver) = mpmc::channel(3);
    for n in 0..3 {
        assert_eq!(sender.force_send(n).unwrap(), None);
    }
    for n in 3..100 {
        assert_eq!(sender.force_send(n).unwrap(), Some(n - 3));
    }
    assert_eq!(receiver.len(), 3);
    for n in 97..100 {
        assert_eq!(receiver.try_recv(), Ok(n));
    }
    assert_eq!(sender.capacity(), 3);
    drop(receiver);
    assert_eq!(sender.force_send(1).unwrap_err().0, 1);
}

#[test]
fn forced_value_that_finds_nothing_to_replace_is_one_more() {
    let (sender, receiver) = mpmc::channel(1);
    let permit = sender.try_reserve().unwrap();
    assert_eq!(sender.force_send(1).unwrap(), None);
    assert_eq!(receiver.len(), 1);
    permit.send(2);
    assert_eq!(receiver.len(), 2);
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(
        sender.try_send(3),
        Err(TrySendError::Full(3)),
        "one too many has gone"
    );
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(sender.capacity(), 1);
}

// ---- waiting ----

#[test]
fn values_go_from_any_world_to_any() {
    const ENDS: usize = 3;
    const VALUES: usize = 100;
    for capacity in [1, 4, 64] {
        World::each(|world| {
            let (sender, receiver) = mpmc::channel(capacity);
            let seen = Arc::new(Mutex::new(vec![0; ENDS * VALUES]));
            let mut tasks: Vec<Task<()>> = Vec::new();
            for from in 0..ENDS {
                let (sender, receiver, seen) = (sender.clone(), receiver.clone(), seen.clone());
                tasks.push(world.spawn(move || async move {
                    for n in 0..VALUES {
                        sender.send((from, n)).await.unwrap();
                        if n % 7 == 0 {
                            yield_now().await;
                        }
                    }
                }));
                tasks.push(world.spawn(move || async move {
                    let mut last = [None; ENDS];
                    while let Some((from, n)) = receiver.recv().await {
                        assert!(last[from] < Some(n), "out of order");
                        last[from] = Some(n);
                        seen.lock().unwrap()[from * VALUES + n] += 1;
                    }
                }));
            }
            drop((sender, receiver));
            tasks.into_iter().for_each(Task::join);
            assert!(seen.lock().unwrap().iter().all(|&count| count == 1));
        });
    }
}

#[test]
fn many_are_received_at_once_and_none_is_waited_for() {
    let (sender, receiver) = mpmc::channel(100);
    let mut buffer = vec![0];
    let mut recv = Polled::new(receiver.recv_many(&mut buffer, 5));
    recv.waits();
    for n in 1..=70 {
        sender.try_send(n).unwrap();
    }
    assert_eq!(recv.ready(), 5);
    drop(recv);
    assert_eq!(buffer, [0, 1, 2, 3, 4, 5]);
    assert_eq!(receiver.recv_many(&mut buffer, 50).now_or_never(), Some(50));
    drop(sender);
    assert_eq!(receiver.recv_many(&mut buffer, 10).now_or_never(), Some(10));
    assert_eq!(receiver.recv_many(&mut buffer, 0).now_or_never(), Some(0));
    assert_eq!(
        receiver.recv_many(&mut buffer, 1000).now_or_never(),
        Some(5)
    );
    assert_eq!(receiver.recv_many(&mut buffer, 1).now_or_never(), Some(0));
    assert_eq!(buffer, (0..=70).collect::<Vec<_>>());
    assert_eq!(receiver.capacity(), 100);
}

#[test]
fn receiver_that_always_finds_values_yields_now_and_then() {
    let (sender, receiver) = mpmc::unbounded_channel();
    (0..1000).for_each(|n| sender.send(n).unwrap());
    let (mut received, mut yields) = (0, 0);
    while received < 1000 {
        let mut recv = Polled::new(receiver.recv());
        if recv.poll().is_pending() {
            yields += 1;
            assert_eq!(recv.wakes(), 1, "it wakes itself");
            assert_eq!(recv.poll(), Poll::Ready(Some(received)));
        }
        received += 1;
    }
    assert!((5..=1000 / 128).contains(&yields), "{yields}");
}

#[test]
fn plain_threads_send_and_receive() {
    let (sender, receiver) = mpmc::channel(2);
    let sum = thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let receiver = receiver.clone();
                scope.spawn(move || {
                    let mut sum = 0;
                    let mut buffer = Vec::new();
                    while let Some(n) = receiver.blocking_recv() {
                        sum += n;
                        if receiver.blocking_recv_many(&mut buffer, 2) == 0 {
                            break;
                        }
                    }
                    sum + buffer.iter().sum::<usize>()
                })
            })
            .collect();
        (0..1000).for_each(|n| sender.blocking_send(n).unwrap());
        drop(sender);
        threads
            .into_iter()
            .map(|it| it.join().unwrap())
            .sum::<usize>()
    });
    assert_eq!(sum, 499_500);
}

#[test]
fn blocking_in_a_runtime_panics() {
    let (_sender, receiver) = mpmc::channel::<u32>(1);
    compio::runtime::Runtime::new().unwrap().block_on(async {
        assert!(panic_of(|| receiver.blocking_recv()).contains("inside a compio runtime"));
    });
}

#[test]
fn time_that_is_up_takes_what_is_there() {
    let (sender, receiver) = mpmc::channel(2);
    let short = Duration::from_millis(2);
    assert!(receiver.recv_timeout(short).blocking().is_err());
    sender.try_send(1).unwrap();
    assert_eq!(
        receiver.recv_timeout(Duration::ZERO).blocking(),
        Ok(Some(1))
    );
    let mut buffer = Vec::new();
    assert!(
        receiver
            .recv_many(&mut buffer, 2)
            .timeout(short)
            .blocking()
            .is_err()
    );
    sender.try_send(2).unwrap();
    let many = receiver.recv_many(&mut buffer, 2).timeout(Duration::ZERO);
    assert_eq!(many.blocking(), Ok(1));
    drop(sender);
    assert_eq!(receiver.recv_timeout(Duration::ZERO).blocking(), Ok(None));
}

// ---- the ends ----

#[test]
fn what_was_sent_before_the_end_goes_to_whoever_asks() {
    let (sender, receiver) = mpmc::channel(4);
    let other = receiver.clone();
    let mut granted = Polled::new(other.recv());
    granted.waits();
    sender.try_send(1).unwrap();
    drop(sender);
    assert!(receiver.is_closed());
    // It had been granted the value, but was slower.
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(granted.ready(), None);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(receiver.len(), 0);
}

#[test]
fn end_wakes_all_receivers() {
    let (sender, receiver) = mpmc::channel::<u32>(4);
    let mut waits: Vec<_> = (0..3).map(|_| Polled::new(receiver.recv())).collect();
    waits.iter_mut().for_each(Polled::waits);
    drop(sender);
    for wait in &mut waits {
        assert_eq!(wait.wakes(), 1);
        assert_eq!(wait.ready(), None);
    }
}

#[test]
fn close_refuses_senders_and_keeps_what_was_sent() {
    let (sender, receiver) = mpmc::channel(1);
    sender.try_send(1).unwrap();
    let mut send = Polled::new(sender.send(2));
    send.waits();
    receiver.close();
    assert!(send.ready().is_err());
    assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
    assert_eq!(receiver.blocking_recv(), Some(1));
    assert_eq!(receiver.clone().blocking_recv(), None);
}

#[test]
fn last_receiver_closes_and_drops_what_is_left() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpmc::channel(40);
    for _ in 0..40 {
        assert!(sender.try_send(Dropped(drops.clone(), false)).is_ok());
    }
    let other = receiver.clone();
    assert_eq!(sender.receiver_count(), 2);
    drop(receiver);
    assert!(!sender.is_closed());
    let mut send = Polled::new(sender.send(Dropped(drops.clone(), false)));
    send.waits();
    drop(other);
    assert!(sender.is_closed());
    assert_eq!(drops.load(SeqCst), 40);
    drop(send.ready());
    assert_eq!(drops.load(SeqCst), 41);
}

#[test]
fn panic_in_a_values_destructor_drops_the_others() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpmc::unbounded_channel();
    for n in 0..70 {
        assert!(sender.send(Dropped(drops.clone(), n == 40)).is_ok());
    }
    let panic = catch_unwind(AssertUnwindSafe(|| drop(receiver)));
    assert!(panic.is_err());
    assert_eq!(drops.load(SeqCst), 70);
}

#[test]
fn weak_senders_and_owned_permits_are_of_the_same_kind() {
    let (sender, receiver) = mpmc::channel(2);
    let weak: mpmc::WeakSender<u32> = sender.downgrade();
    let permit: mpmc::OwnedPermit<u32> = weak.upgrade().unwrap().try_reserve_owned().unwrap();
    let again: mpmc::Sender<u32> = permit.send(1);
    assert_eq!(again.force_send(2).unwrap(), None);
    drop((again, sender));
    assert!(weak.upgrade().is_none());
    assert_eq!((receiver.try_recv(), receiver.try_recv()), (Ok(1), Ok(2)));
}

// ---- races on real threads ----

#[test]
fn each_value_is_received_once_whatever_is_cancelled() {
    let _watchdog = Watchdog::new("receivers that give up");
    const VALUES: usize = 3000;
    for capacity in [1, 3, 100] {
        let (sender, receiver) = mpmc::channel(capacity);
        let counts: Vec<AtomicUsize> = (0..2 * VALUES).map(|_| AtomicUsize::new(0)).collect();
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for from in 0..2 {
                let (sender, start) = (sender.clone(), &start);
                scope.spawn(move || {
                    start.wait();
                    for n in 0..VALUES {
                        sender.blocking_send(from * VALUES + n).unwrap();
                    }
                });
            }
            for which in 0..2 {
                let (receiver, start, counts) = (receiver.clone(), &start, &counts);
                scope.spawn(move || {
                    start.wait();
                    for step in 0.. {
                        let value = match (step + which) % 3 {
                            0 => match receiver.recv().now_or_never() {
                                Some(value) => value,
                                None => continue,
                            },
                            1 => match receiver.try_recv() {
                                Ok(value) => Some(value),
                                Err(TryRecvError::Empty) => continue,
                                Err(TryRecvError::Disconnected) => None,
                            },
                            _ => receiver.blocking_recv(),
                        };
                        let Some(value) = value else { break };
                        counts[value].fetch_add(1, SeqCst);
                    }
                });
            }
            drop((sender, receiver));
        });
        assert!(counts.iter().all(|count| count.load(SeqCst) == 1));
    }
}

#[test]
fn forced_values_are_received_or_returned_once() {
    let _watchdog = Watchdog::new("forced values");
    const VALUES: usize = 3000;
    let (sender, receiver) = mpmc::channel(2);
    let counts: Vec<AtomicUsize> = (0..2 * VALUES).map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        for from in 0..2 {
            let (sender, counts) = (sender.clone(), &counts);
            scope.spawn(move || {
                for n in 0..VALUES {
                    if let Some(oldest) = sender.force_send(from * VALUES + n).unwrap() {
                        counts[oldest].fetch_add(1, SeqCst);
                    }
                }
            });
        }
        drop(sender);
        while let Some(value) = receiver.blocking_recv() {
            counts[value].fetch_add(1, SeqCst);
        }
    });
    assert!(counts.iter().all(|count| count.load(SeqCst) == 1));
    assert_eq!(receiver.capacity(), 2, "no place is lost");
}
