//! Channels with many receivers: each value once, using blocks again, closing while values are handed over.
//!
//! A block has two values in models, so a few of them reach the next one.

use super::*;
use crate::mpmc::{self, Receiver, UnboundedSender, error::TryRecvError};

/// A value: its number, and data that was changed before.
type Value = (usize, Arc<Data>);

fn value(n: usize) -> Value {
    let data = Data::new();
    data.add(n + 1);
    (n, data)
}

fn send(sender: &UnboundedSender<Value>, n: usize) {
    sender.send(value(n)).unwrap_or_else(|_| panic!("open"));
}

/// Which values have been received, as bits; each only once.
#[derive(Default)]
struct Received(usize);

impl Received {
    fn add(&mut self, (n, data): Value) {
        assert_eq!(data.read(), n + 1);
        assert_eq!(self.0 & 1 << n, 0, "received twice");
        self.0 |= 1 << n;
    }

    /// Receives what there is at the moment.
    fn drain(mut self, receiver: &Receiver<Value>) -> Self {
        while let Ok(value) = receiver.try_recv() {
            self.add(value);
        }
        self
    }

    fn try_one(receiver: &Receiver<Value>) -> Self {
        let mut received = Self::default();
        if let Ok(value) = receiver.try_recv() {
            received.add(value);
        }
        received
    }

    fn and(self, other: Self) -> Self {
        assert_eq!(self.0 & other.0, 0, "received twice");
        Self(self.0 | other.0)
    }

    #[track_caller]
    fn are_all(self, count: usize) {
        assert_eq!(self.0, (1 << count) - 1, "a value is lost");
    }
}

#[test]
fn mpmc_two_receivers_share_what_is_there() {
    explore(3, || {
        let (sender, receiver) = mpmc::unbounded_channel();
        (0..4).for_each(|n| send(&sender, n));
        let other = receiver.clone();
        let receiving = spawn(move || Received::default().drain(&other));
        let received = Received::default().drain(&receiver);
        received.and(receiving.join().unwrap()).are_all(4);
    });
}

#[test]
fn mpmc_two_receivers_and_a_sender_cross_blocks() {
    explore(2, || {
        let (sender, receiver) = mpmc::unbounded_channel();
        (0..2).for_each(|n| send(&sender, n));
        let other = receiver.clone();
        let receiving = spawn(move || Received::try_one(&other).and(Received::try_one(&other)));
        let sending = spawn(move || send(&sender, 2));
        let received = Received::try_one(&receiver).and(Received::try_one(&receiver));
        let received = received.and(receiving.join().unwrap());
        sending.join().unwrap();
        received.drain(&receiver).are_all(3);
    });
}

#[test]
fn mpmc_blocks_are_used_again_beside_a_receiver_and_a_sender() {
    explore(2, || {
        let (sender, receiver) = mpmc::unbounded_channel();
        let other = receiver.clone();
        send(&sender, 0);
        let receiving = spawn(move || Received::try_one(&other));
        let mut received = Received::default();
        for n in 1..7 {
            send(&sender, n);
            received = received.and(Received::try_one(&receiver));
        }
        let received = received.and(receiving.join().unwrap());
        received.drain(&receiver).are_all(7);
    });
}

#[test]
fn mpmc_blocks_are_used_again_beside_a_sender_that_has_just_come() {
    explore(2, || {
        let (sender, receiver) = mpmc::unbounded_channel();
        let other = sender.clone();
        let sending = spawn(move || send(&other, 0));
        let mut received = Received::default();
        for n in 1..6 {
            send(&sender, n);
            received = received.drain(&receiver);
        }
        sending.join().unwrap();
        received.drain(&receiver).are_all(6);
    });
}

/// Polls a receiver once; then `meanwhile`; and receives to the end, which has to come.
fn until_the_end(receiver: &Receiver<Value>, meanwhile: impl FnOnce()) -> Received {
    let mut received = Received::default();
    let mut recv = pin!(receiver.recv());
    let probe = Probe::new();
    let waker = probe.waker();
    let mut poll = recv.as_mut().poll(&mut Context::from_waker(&waker));
    meanwhile();
    if poll.is_pending() {
        assert_eq!(probe.wakes(), 1, "the receiver is lost");
        poll = recv.as_mut().poll(&mut Context::from_waker(&waker));
    }
    match poll {
        Poll::Ready(Some(value)) => received.add(value),
        Poll::Ready(None) => {}
        Poll::Pending => panic!("woken for nothing"),
    }
    received
}

/// One that waits is handed the value of a sender that then ends the channel, while another finds it closed.
#[test]
fn mpmc_value_before_the_end_goes_to_one_of_two_receivers() {
    explore(3, || {
        let (sender, receiver) = mpmc::unbounded_channel();
        let other = receiver.clone();
        let sending = spawn(move || send(&sender, 0));
        let receiving = spawn(move || Received::try_one(&other));
        let mut of_other = None;
        let received = until_the_end(&receiver, || {
            sending.join().unwrap();
            of_other = Some(receiving.join().unwrap());
        });
        let received = received.and(of_other.expect("joined"));
        received.drain(&receiver).are_all(1);
        assert!(matches!(
            receiver.try_recv(),
            Err(TryRecvError::Disconnected)
        ));
    });
}

/// Three receivers go for two values at the end: two that have permits, and one that finds the channel closed.
#[test]
fn mpmc_end_beside_receivers_with_permits() {
    explore(2, || {
        let (sender, receiver) = mpmc::unbounded_channel();
        (0..2).for_each(|n| send(&sender, n));
        let receivings = [receiver.clone(), receiver.clone()]
            .map(|other| spawn(move || Received::try_one(&other)));
        drop(sender);
        let mut received = Received::try_one(&receiver);
        for receiving in receivings {
            received = received.and(receiving.join().unwrap());
        }
        received.drain(&receiver).are_all(2);
    });
}

#[test]
fn mpmc_cancelled_receiver_hands_its_value_on() {
    explore(2, || {
        let (sender, receiver) = mpmc::unbounded_channel();
        let other = receiver.clone();
        let receiving = spawn(move || {
            let probe = Probe::new();
            let waker = probe.waker();
            let mut received = Received::default();
            let mut recv = pin!(Some(other.recv()));
            let first = recv.as_mut().as_pin_mut().expect("there");
            if let Poll::Ready(Some(value)) = first.poll(&mut Context::from_waker(&waker)) {
                received.add(value);
            }
            recv.set(None);
            received
        });
        // The channel stays open: at its end, permits do not count.
        let mut received = Received::default();
        let mut recv = pin!(receiver.recv());
        let probe = Probe::new();
        let waker = probe.waker();
        let mut cx = Context::from_waker(&waker);
        let mut poll = recv.as_mut().poll(&mut cx);
        send(&sender, 0);
        let of_other = receiving.join().unwrap();
        if poll.is_pending() && of_other.0 == 0 {
            assert_eq!(probe.wakes(), 1, "the receiver is lost");
            poll = recv.as_mut().poll(&mut cx);
        }
        if let Poll::Ready(value) = poll {
            received.add(value.expect("open"));
        }
        received.and(of_other).are_all(1);
    });
}

#[test]
fn mpmc_forced_value_takes_the_place_of_one_that_nobody_gets_otherwise() {
    explore(3, || {
        let (sender, receiver) = mpmc::channel(1);
        assert!(sender.try_send(value(0)).is_ok());
        let other = receiver.clone();
        let receiving = spawn(move || Received::try_one(&other));
        let mut received = Received::default();
        let oldest = sender
            .force_send(value(1))
            .unwrap_or_else(|_| panic!("open"));
        oldest.into_iter().for_each(|value| received.add(value));
        let received = received.and(receiving.join().unwrap());
        received.drain(&receiver).are_all(2);
        assert_eq!(sender.capacity(), 1, "a place is lost, or one too many");
    });
}

#[test]
fn mpmc_last_receiver_and_a_send_lose_no_value() {
    explore(3, || {
        let (sender, receiver) = mpmc::unbounded_channel();
        let other = receiver.clone();
        let sending = spawn(move || drop(sender.send(value(0))));
        let dropping = spawn(move || drop(other));
        drop(receiver);
        sending.join().unwrap();
        dropping.join().unwrap();
        // The value has been dropped with the channel: loom says so if not.
    });
}

#[test]
fn mpmc_sender_sees_what_receivers_have_done() {
    explore(3, || {
        let (sender, receiver) = mpmc::unbounded_channel::<Value>();
        let all = [Data::new(), Data::new()];
        let receivers = [receiver.clone(), receiver];
        let mut threads = Vec::new();
        for (receiver, data) in receivers.into_iter().zip(all.clone()) {
            threads.push(spawn(move || {
                data.add(1);
                drop(receiver);
            }));
        }
        if sender.is_closed() {
            assert!(all.iter().all(|data| data.read() == 1));
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
