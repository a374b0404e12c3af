//! Values for every receiver: in order, overwritten, and the end.

use super::*;
use crate::broadcast::{self, Receiver, Sender, error::RecvError};

/// A value: its number, and data that was changed before.
#[derive(Clone)]
struct Value(usize, Arc<Data>);

fn send(sender: &Sender<Value>, n: usize) {
    let data = Data::new();
    data.add(n + 1);
    let result = sender.send(Value(n, data));
    result.unwrap_or_else(|_| panic!("open"));
}

/// What a receiver has got: values, and how many it has missed.
#[derive(Default)]
struct Received {
    values: Vec<usize>,
    missed: usize,
}

impl Received {
    fn add(&mut self, result: Result<Value, RecvError>) -> bool {
        match result {
            Ok(Value(n, data)) => {
                assert_eq!(data.read(), n + 1);
                assert!(!self.values.contains(&n), "received twice");
                self.values.push(n);
            }
            Err(RecvError::Lagged(count)) => self.missed += count as usize,
            Err(RecvError::Closed) => return false,
        }
        true
    }

    /// Receives to the end, polling only when woken; `meanwhile` brings it about.
    fn to_the_end(mut self, receiver: &mut Receiver<Value>, meanwhile: impl FnOnce()) -> Self {
        let mut meanwhile = Some(meanwhile);
        loop {
            let probe = Probe::new();
            let waker = probe.waker();
            let mut cx = Context::from_waker(&waker);
            let mut recv = pin!(receiver.recv());
            let mut poll = recv.as_mut().poll(&mut cx);
            if poll.is_pending() {
                if let Some(meanwhile) = meanwhile.take() {
                    meanwhile();
                }
                assert!(probe.wakes() > 0, "the receiver is lost");
                poll = recv.as_mut().poll(&mut cx);
            }
            match poll {
                Poll::Ready(result) => {
                    if !self.add(result) {
                        break;
                    }
                }
                // Told of a value that is not the next one, which comes.
                Poll::Pending => assert!(probe.wakes() > 1, "woken for nothing"),
            }
        }
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        self
    }
}

#[test]
fn broadcast_values_of_two_senders_reach_all_in_order() {
    explore(3, || {
        let (sender, mut receiver) = broadcast::channel(2);
        let mut other = receiver.resubscribe();
        let second = sender.clone();
        let sending = spawn(move || send(&second, 1));
        send(&sender, 2);
        drop(sender);
        let received = Received::default().to_the_end(&mut receiver, || sending.join().unwrap());
        assert_eq!((received.values.len(), received.missed), (2, 0));
        let again = Received::default().to_the_end(&mut other, || {});
        assert_eq!(again.values, received.values, "not in the same order");
    });
}

#[test]
fn broadcast_value_that_is_overwritten_was_received_or_is_missed() {
    explore(2, || {
        let (sender, mut receiver) = broadcast::channel(1);
        let sending = spawn(move || (1..4).for_each(|n| send(&sender, n)));
        let received = Received::default().to_the_end(&mut receiver, || sending.join().unwrap());
        assert_eq!(received.values.len() + received.missed, 3);
        assert!(received.values.is_sorted());
        assert_eq!(received.values.last(), Some(&3));
    });
}

#[test]
fn broadcast_slow_sender_is_overtaken_by_a_whole_round() {
    explore(2, || {
        let (sender, mut receiver) = broadcast::channel(1);
        let second = sender.clone();
        let sending = spawn(move || send(&second, 1));
        send(&sender, 2);
        drop(sender);
        let received = Received::default().to_the_end(&mut receiver, || sending.join().unwrap());
        assert_eq!(received.values.len() + received.missed, 2);
        assert!(!received.values.is_empty());
    });
}

#[test]
fn broadcast_last_sender_ends_the_wait_after_its_value() {
    explore(3, || {
        let (sender, mut receiver) = broadcast::channel(1);
        let sending = spawn(move || send(&sender, 1));
        let received = Received::default().to_the_end(&mut receiver, || sending.join().unwrap());
        assert_eq!((received.values, received.missed), (vec![1], 0));
    });
}

/// The last receiver clears what it leaves, and nothing of the next one's.
#[test]
fn broadcast_last_receiver_and_the_next_one() {
    explore(3, || {
        let (sender, receiver) = broadcast::channel(1);
        send(&sender, 1);
        let dropping = spawn(move || drop(receiver));
        let mut next = sender.subscribe();
        send(&sender, 2);
        drop(sender);
        let received = Received::default().to_the_end(&mut next, || {});
        dropping.join().unwrap();
        assert_eq!((received.values, received.missed), (vec![2], 0));
    });
}

/// One who comes when the last receiver has gone begins after what that has cleared.
#[test]
fn broadcast_receiver_that_comes_after_the_last_waits_for_nothing_that_is_gone() {
    explore(3, || {
        let (sender, receiver) = broadcast::channel(2);
        let second = sender.clone();
        let going = spawn(move || {
            send(&second, 1);
            drop(receiver);
        });
        let mut next = sender.subscribe();
        going.join().unwrap();
        send(&sender, 2);
        drop(sender);
        let received = Received::default().to_the_end(&mut next, || {});
        assert_eq!(received.values.last(), Some(&2));
    });
}

#[test]
fn broadcast_sender_sees_what_receivers_have_done() {
    explore(3, || {
        let (sender, receiver) = broadcast::channel::<Value>(1);
        let all = [Data::new(), Data::new()];
        let receivers = [receiver.resubscribe(), receiver];
        let mut threads = Vec::new();
        for (receiver, data) in receivers.into_iter().zip(all.clone()) {
            threads.push(spawn(move || {
                data.add(1);
                drop(receiver);
            }));
        }
        if sender.receiver_count() == 0 {
            assert!(all.iter().all(|data| data.read() == 1));
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn broadcast_receiver_hears_of_a_value_though_the_channel_goes_on() {
    explore(3, || {
        let (sender, mut receiver) = broadcast::channel(1);
        let second = sender.clone();
        let sending = spawn(move || {
            send(&second, 1);
            second
        });
        let probe = Probe::new();
        let waker = probe.waker();
        let mut cx = Context::from_waker(&waker);
        let mut recv = pin!(receiver.recv());
        let mut poll = recv.as_mut().poll(&mut cx);
        let _open = sending.join().unwrap();
        if poll.is_pending() {
            assert_eq!(probe.wakes(), 1, "the receiver is lost");
            poll = recv.as_mut().poll(&mut cx);
        }
        assert!(matches!(poll, Poll::Ready(Ok(Value(1, _)))));
    });
}
