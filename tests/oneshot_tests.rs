//! Channels for one value.

mod common;

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    thread,
    time::Duration,
};

use common::{Polled, Task, Watchdog, World, panic_of, until, yield_now};
use compio_sync::oneshot::{
    self,
    error::{RecvError, TryRecvError},
};
use futures_util::{FutureExt, poll};

/// Counts how often it was dropped.
#[derive(Clone, Debug)]
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn counted() -> (Dropped, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    (Dropped(count.clone()), count)
}

// ---- sending ----

#[test]
fn value_goes_from_any_world_to_any() {
    World::each(|world| {
        for _ in 0..20 {
            let (sender, receiver) = oneshot::channel();
            let tasks = [
                world.spawn(move || async move { assert_eq!(receiver.await, Ok(vec![7])) }),
                world.spawn(move || async move {
                    yield_now().await;
                    sender.send(vec![7]).unwrap();
                }),
            ];
            tasks.into_iter().for_each(Task::join);
        }
    });
}

#[test]
fn value_that_is_there_is_received_at_once() {
    let (sender, receiver) = oneshot::channel();
    sender.send(1).unwrap();
    assert_eq!(receiver.now_or_never(), Some(Ok(1)));
}

#[test]
fn waiting_receiver_is_woken_once_by_its_last_waker() {
    let (sender, receiver) = oneshot::channel();
    let mut receiver = Polled::new(receiver);
    receiver.waits();
    receiver.waits();
    sender.send(1).unwrap();
    assert_eq!(receiver.wakes(), 1);
    assert_eq!(receiver.ready(), Ok(1));
}

#[test]
fn values_of_no_size_and_of_much_are_sent() {
    let (sender, receiver) = oneshot::channel();
    sender.send(()).unwrap();
    assert_eq!(receiver.now_or_never(), Some(Ok(())));
    let (sender, receiver) = oneshot::channel();
    sender.send([7_u8; 65_536]).unwrap();
    assert!(receiver.now_or_never() == Some(Ok([7; 65_536])));
}

// ---- the end ----

#[test]
fn dropped_sender_ends_the_wait() {
    let (sender, receiver) = oneshot::channel::<u32>();
    let mut receiver = Polled::new(receiver);
    receiver.waits();
    drop(sender);
    assert_eq!(receiver.wakes(), 1);
    assert_eq!(receiver.ready(), Err(RecvError));
}

#[test]
fn dropped_receiver_gives_the_value_back() {
    let (sender, receiver) = oneshot::channel();
    let mut receiver = Polled::new(receiver);
    receiver.waits();
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send(1), Err(1));
}

#[test]
fn value_sent_before_the_close_is_received() {
    let (sender, mut receiver) = oneshot::channel();
    sender.send(1).unwrap();
    receiver.close();
    assert!(!receiver.is_empty());
    assert_eq!(receiver.try_recv(), Ok(1));

    let (sender, mut receiver) = oneshot::channel();
    assert!(poll_once(&mut receiver).is_pending());
    sender.send(1).unwrap();
    receiver.close();
    assert_eq!(receiver.now_or_never(), Some(Ok(1)));
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    future.poll_unpin(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[test]
fn closed_channel_yields_an_error_and_takes_no_value() {
    let (sender, mut receiver) = oneshot::channel();
    receiver.close();
    receiver.close();
    assert_eq!(sender.send(1), Err(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert!(receiver.is_terminated());

    let (_sender, mut receiver) = oneshot::channel::<u32>();
    assert!(poll_once(&mut receiver).is_pending());
    receiver.close();
    assert_eq!(receiver.now_or_never(), Some(Err(RecvError)));
}

#[test]
fn sender_waits_for_the_close() {
    for by_drop in [false, true] {
        let (mut sender, mut receiver) = oneshot::channel::<u32>();
        let mut polls = Polled::new(poll_fn(move |cx| sender.poll_closed(cx)));
        polls.waits();
        polls.waits();
        if by_drop {
            drop(receiver);
        } else {
            receiver.close();
        }
        assert_eq!(polls.wakes(), 1);
        polls.ready();
    }
    let (mut sender, receiver) = oneshot::channel::<u32>();
    assert!(poll_once(&mut sender.closed()).is_pending());
    drop(receiver);
    assert!(poll_once(&mut sender.closed()).is_ready());
    assert!(sender.closed().timeout(Duration::ZERO).blocking().is_ok());
    assert!(
        poll_fn(|cx| sender.poll_closed(cx))
            .now_or_never()
            .is_some()
    );
    assert!(
        poll_fn(|cx| sender.poll_closed(cx))
            .now_or_never()
            .is_some()
    );
}

#[test]
fn wait_for_the_close_may_be_cancelled() {
    let (mut sender, receiver) = oneshot::channel();
    let mut closed = Polled::pending(sender.closed());
    closed.waits();
    let hooks = closed.hooks().clone();
    drop(closed);
    assert_eq!(hooks.wakers(), 0);
    sender.send(1).unwrap();
    assert_eq!(receiver.now_or_never(), Some(Ok(1)));
}

// ---- trying, and giving up ----

#[test]
fn try_recv_says_what_there_is_and_keeps_the_waker() {
    let (sender, receiver) = oneshot::channel();
    let receiver = std::cell::RefCell::new(receiver);
    let mut wait = Polled::new(poll_fn(|cx| receiver.borrow_mut().poll_unpin(cx)));
    assert_eq!(receiver.borrow_mut().try_recv(), Err(TryRecvError::Empty));
    wait.waits();
    assert_eq!(receiver.borrow_mut().try_recv(), Err(TryRecvError::Empty));
    assert!(receiver.borrow().is_empty());
    sender.send(1).unwrap();
    assert_eq!(wait.wakes(), 1, "trying did not take the waker away");
    assert!(!receiver.borrow().is_empty());
    assert_eq!(receiver.borrow_mut().try_recv(), Ok(1));
    assert_eq!(receiver.borrow_mut().try_recv(), Err(TryRecvError::Closed));
    assert!(receiver.borrow().is_terminated());
    assert!(receiver.borrow().is_empty());
}

#[test]
fn try_recv_sees_a_dropped_sender_while_it_waits() {
    let (sender, mut receiver) = oneshot::channel::<u32>();
    assert!(poll_once(&mut receiver).is_pending());
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn receiver_that_was_polled_and_left_has_lost_nothing() {
    let (sender, mut receiver) = oneshot::channel();
    assert!(poll_once(&mut receiver).is_pending());
    sender.send(1).unwrap();
    // As `select!` by reference does it.
    assert_eq!(receiver.now_or_never(), Some(Ok(1)));
}

#[test]
fn time_that_is_up_keeps_the_receiver() {
    let (sender, mut receiver) = oneshot::channel();
    for timeout in [Duration::ZERO, Duration::from_millis(2)] {
        assert!(receiver.recv_timeout(timeout).blocking().is_err());
    }
    assert!(!sender.is_closed());
    sender.send(1).unwrap();
    assert_eq!(receiver.recv_timeout(Duration::ZERO).blocking(), Ok(Ok(1)));

    let (sender, receiver) = oneshot::channel::<u32>();
    assert!(receiver.timeout(Duration::ZERO).blocking().is_err());
    assert!(
        sender.is_closed(),
        "the receiver is dropped with its timeout"
    );
}

#[test]
fn completed_receiver_must_not_be_polled() {
    let (sender, mut receiver) = oneshot::channel();
    sender.send(1).unwrap();
    assert!(poll_once(&mut receiver).is_ready());
    assert!(panic_of(|| poll_once(&mut receiver)).contains("after it had completed"));
    assert!(futures_util::future::FusedFuture::is_terminated(&receiver));
}

// ---- what is dropped, and when ----

#[test]
fn value_is_dropped_once_wherever_it_is() {
    let (value, drops) = counted();
    let (sender, receiver) = oneshot::channel();
    sender.send(value).unwrap();
    assert_eq!(drops.load(SeqCst), 0);
    drop(receiver);
    assert_eq!(drops.load(SeqCst), 1, "sent, and not received");

    let (value, drops) = counted();
    let (sender, receiver) = oneshot::channel();
    let mut receiver = Polled::new(receiver);
    receiver.waits();
    sender.send(value).unwrap();
    drop(receiver);
    assert_eq!(drops.load(SeqCst), 1, "sent to a receiver that waited");

    let (value, drops) = counted();
    let (sender, receiver) = oneshot::channel();
    sender.send(value).unwrap();
    let value = receiver.now_or_never().unwrap().unwrap();
    assert_eq!(drops.load(SeqCst), 0);
    drop(value);
    assert_eq!(drops.load(SeqCst), 1, "received");
}

#[test]
fn wakers_are_dropped_with_the_ends() {
    let (sender, receiver) = oneshot::channel::<u32>();
    let mut receiver = Polled::new(receiver);
    receiver.waits();
    let hooks = receiver.hooks().clone();
    drop(receiver);
    assert_eq!(hooks.wakers(), 0);
    drop(sender);

    let (mut sender, receiver) = oneshot::channel::<u32>();
    let mut polls = Polled::new(poll_fn(move |cx| sender.poll_closed(cx)));
    polls.waits();
    let hooks = polls.hooks().clone();
    drop(polls);
    assert_eq!(hooks.wakers(), 0);
    drop(receiver);
}

#[test]
fn forgotten_ends_harm_nobody() {
    let (sender, receiver) = oneshot::channel::<u32>();
    let mut receiver = Polled::new(receiver);
    receiver.waits();
    std::mem::forget(sender);
    receiver.waits();
    drop(receiver);
    let (sender, receiver) = oneshot::channel::<u32>();
    std::mem::forget(receiver);
    sender.send(1).unwrap();
}

// ---- used again ----

#[test]
fn reusable_channels_do_not_meet() {
    let mut reusable = oneshot::Reusable::new();
    let (sender, mut receiver) = reusable.channel();
    // The one before is still in use: the next one is another.
    let (other, mut others) = reusable.channel();
    sender.send(1).unwrap();
    assert_eq!(others.try_recv(), Err(TryRecvError::Empty));
    other.send(2).unwrap();
    assert_eq!((receiver.try_recv(), others.try_recv()), (Ok(1), Ok(2)));
    drop((receiver, others));
    for n in 0..10 {
        let (sender, receiver) = reusable.channel();
        if n % 3 == 0 {
            drop(receiver);
            assert_eq!(sender.send(n), Err(n));
        } else if n % 3 == 1 {
            drop(sender);
            assert_eq!(receiver.now_or_never(), Some(Err(RecvError)));
        } else {
            assert!(sender.send(n).is_ok());
            assert_eq!(receiver.now_or_never(), Some(Ok(n)));
        }
    }
}

#[test]
fn value_that_nobody_received_is_dropped_when_the_channel_is_used_again() {
    let mut reusable = oneshot::Reusable::new();
    let (value, drops) = counted();
    let (sender, receiver) = reusable.channel();
    sender.send(value).unwrap();
    drop(receiver);
    drop(reusable.channel());
    assert_eq!(drops.load(SeqCst), 1);
}

// ---- races on real threads ----

#[test]
fn send_and_close_at_once_leave_the_value_with_one_of_them() {
    let _watchdog = Watchdog::new("send and close");
    const ROUNDS: usize = 2_000;
    let mut sent = 0;
    for round in 0..ROUNDS {
        let (sender, mut receiver) = oneshot::channel();
        let step = AtomicUsize::new(0);
        let (came_back, received) = thread::scope(|scope| {
            let sending = scope.spawn(|| {
                step.fetch_add(1, SeqCst);
                until(|| step.load(SeqCst) == 2);
                sender.send(round).is_err()
            });
            if round % 2 == 0 {
                assert!(poll_once(&mut receiver).is_pending());
            }
            step.fetch_add(1, SeqCst);
            until(|| step.load(SeqCst) == 2);
            receiver.close();
            let received = receiver.try_recv();
            (sending.join().unwrap(), received)
        });
        assert_eq!(
            received.is_err(),
            came_back,
            "in round {round}: {received:?}"
        );
        sent += usize::from(!came_back);
    }
    println!("{sent} of {ROUNDS} were sent before the close");
}

#[test]
fn requests_with_an_answer_each_go_round_in_every_world() {
    const REQUESTS: usize = 50;
    World::each(|world| {
        let (requests, inbox) = std::sync::mpsc::channel::<(usize, oneshot::Sender<usize>)>();
        let server = world.spawn(move || async move {
            for _ in 0..REQUESTS {
                let (n, answer) = loop {
                    match inbox.try_recv() {
                        Ok(request) => break request,
                        Err(_) => yield_now().await,
                    }
                };
                answer.send(n * n).unwrap();
            }
        });
        let client = world.spawn(move || async move {
            let mut answers = oneshot::Reusable::new();
            for n in 0..REQUESTS {
                let (sender, mut receiver) = answers.channel();
                requests.send((n, sender)).unwrap();
                let answer = match poll!(&mut receiver) {
                    Poll::Ready(answer) => answer,
                    Poll::Pending => receiver.await,
                };
                assert_eq!(answer, Ok(n * n));
            }
        });
        client.join();
        server.join();
    });
}
