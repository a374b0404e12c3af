//! Channels with many senders: publishing in order, using blocks again, closing.
//!
//! A block has two values in models, so a few of them reach the next one.

use super::*;
use crate::mpsc::{
    self, Receiver, UnboundedReceiver,
    error::{TryRecvError, TrySendError},
};

/// A value: who sent it, as which, and data that was changed before.
type Value = (usize, usize, Arc<Data>);

fn value(from: usize, n: usize) -> Value {
    let data = Data::new();
    data.add(from * 10 + n);
    (from, n, data)
}

/// What has been received, and that each sender's values came in order.
#[derive(Default)]
struct Received {
    next: [usize; 3],
}

impl Received {
    fn add(&mut self, (from, n, data): Value) {
        assert_eq!(data.read(), from * 10 + n);
        assert_eq!(n, self.next[from], "out of order");
        self.next[from] += 1;
    }

    fn count(&self) -> usize {
        self.next.iter().sum()
    }
}

/// Polls once, with a probe of its own.
fn poll(receiver: &mut UnboundedReceiver<Value>) -> (Probe, Poll<Option<Value>>) {
    let probe = Probe::new();
    let waker = probe.waker();
    let poll = receiver.poll_recv(&mut Context::from_waker(&waker));
    (probe, poll)
}

/// Receives what there is when all is quiet.
#[track_caller]
fn drain(receiver: &mut UnboundedReceiver<Value>, received: &mut Received) {
    while let Ok(value) = receiver.try_recv() {
        received.add(value);
    }
}

#[test]
fn mpsc_values_of_two_senders_are_published_in_order() {
    explore(3, || {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let other = sender.clone();
        let sending = spawn(move || {
            other.send(value(1, 0)).unwrap_or_else(|_| panic!("open"));
        });
        sender.send(value(0, 0)).unwrap_or_else(|_| panic!("open"));
        let mut received = Received::default();
        drain(&mut receiver, &mut received);
        sending.join().unwrap();
        drain(&mut receiver, &mut received);
        assert_eq!(received.count(), 2, "a value is lost");
    });
}

#[test]
fn mpsc_receiver_is_woken_for_a_value_that_another_sender_publishes() {
    explore(2, || {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let senders: Vec<_> = (0..2)
            .map(|from| {
                let sender = sender.clone();
                spawn(move || {
                    sender
                        .send(value(from, 0))
                        .unwrap_or_else(|_| panic!("open"));
                })
            })
            .collect();
        let mut received = Received::default();
        let (probe, first) = poll(&mut receiver);
        for sender in senders {
            sender.join().unwrap();
        }
        match first {
            Poll::Ready(value) => received.add(value.expect("open")),
            Poll::Pending => assert_eq!(probe.wakes(), 1, "the receiver is lost"),
        }
        drain(&mut receiver, &mut received);
        assert_eq!(received.count(), 2, "a value is lost");
        drop(sender);
    });
}

#[test]
fn mpsc_senders_meet_at_the_end_of_a_block() {
    explore(2, || {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let other = sender.clone();
        let sending = spawn(move || {
            for n in 0..2 {
                other.send(value(1, n)).unwrap_or_else(|_| panic!("open"));
            }
        });
        for n in 0..2 {
            sender.send(value(0, n)).unwrap_or_else(|_| panic!("open"));
        }
        let mut received = Received::default();
        drain(&mut receiver, &mut received);
        sending.join().unwrap();
        drain(&mut receiver, &mut received);
        assert_eq!(received.count(), 4, "a value is lost");
    });
}

#[test]
fn mpsc_blocks_are_used_again_while_others_send() {
    explore(2, || {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut received = Received::default();
        for n in 0..3 {
            sender.send(value(0, n)).unwrap_or_else(|_| panic!("open"));
        }
        let other = sender.clone();
        let sending = spawn(move || {
            for n in 0..3 {
                other.send(value(1, n)).unwrap_or_else(|_| panic!("open"));
            }
        });
        // Leaves the first block, which is linked behind what the other one is about to use.
        drain(&mut receiver, &mut received);
        drain(&mut receiver, &mut received);
        sending.join().unwrap();
        drain(&mut receiver, &mut received);
        assert_eq!(received.count(), 6, "a value is lost");
    });
}

#[test]
fn mpsc_blocks_are_used_again_beside_a_sender_that_has_just_come() {
    explore(2, || {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let other = sender.clone();
        let sending = spawn(move || {
            other.send(value(1, 0)).unwrap_or_else(|_| panic!("open"));
        });
        let mut received = Received::default();
        for n in 0..5 {
            sender.send(value(0, n)).unwrap_or_else(|_| panic!("open"));
            drain(&mut receiver, &mut received);
        }
        sending.join().unwrap();
        drain(&mut receiver, &mut received);
        assert_eq!(received.count(), 6, "a value is lost");
    });
}

#[test]
fn mpsc_last_sender_ends_the_wait_after_its_value() {
    explore(3, || {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let sending = spawn(move || {
            sender.send(value(0, 0)).unwrap_or_else(|_| panic!("open"));
        });
        let mut received = Received::default();
        let (probe, first) = poll(&mut receiver);
        sending.join().unwrap();
        match first {
            Poll::Ready(value) => received.add(value.expect("it was sent before the end")),
            Poll::Pending => assert_eq!(probe.wakes(), 1, "the receiver is lost"),
        }
        drain(&mut receiver, &mut received);
        assert_eq!(received.count(), 1);
        assert!(matches!(
            receiver.try_recv(),
            Err(TryRecvError::Disconnected)
        ));
    });
}

#[test]
fn mpsc_last_two_senders_go_at_once() {
    explore(3, || {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let other = sender.clone();
        let sending = spawn(move || {
            other.send(value(1, 0)).unwrap_or_else(|_| panic!("open"));
        });
        let (probe, first) = poll(&mut receiver);
        drop(sender);
        sending.join().unwrap();
        let mut received = Received::default();
        match first {
            Poll::Ready(value) => received.add(value.expect("it was sent before the end")),
            Poll::Pending => assert_eq!(probe.wakes(), 1, "the receiver is lost"),
        }
        drain(&mut receiver, &mut received);
        assert_eq!(received.count(), 1);
        assert!(matches!(
            receiver.try_recv(),
            Err(TryRecvError::Disconnected)
        ));
    });
}

/// Receives until the channel has ended, polling only when woken.
#[track_caller]
fn until_the_end(receiver: &mut Receiver<Value>, received: &mut Received, ends: impl FnOnce()) {
    let mut ends = Some(ends);
    loop {
        let probe = Probe::new();
        let waker = probe.waker();
        match receiver.poll_recv(&mut Context::from_waker(&waker)) {
            Poll::Ready(Some(value)) => received.add(value),
            Poll::Ready(None) => break,
            Poll::Pending => {
                if let Some(ends) = ends.take() {
                    ends();
                }
                assert_eq!(probe.wakes(), 1, "the receiver is lost");
            }
        }
    }
    if let Some(ends) = ends {
        ends();
    }
}

#[test]
fn mpsc_close_and_send_agree_on_what_was_sent() {
    explore(3, || {
        let (sender, mut receiver) = mpsc::channel(1);
        // Another one, so that the channel ends by its close alone; so below.
        let _kept = sender.clone();
        let sending = spawn(move || sender.try_send(value(0, 0)).is_ok());
        let mut received = Received::default();
        receiver.close();
        let mut sent = None;
        until_the_end(&mut receiver, &mut received, || {
            sent = Some(sending.join().unwrap());
        });
        assert_eq!(received.count(), usize::from(sent.unwrap()));
    });
}

#[test]
fn mpsc_close_and_unbounded_sends_agree_on_what_was_sent() {
    explore(2, || {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let _kept = sender.clone();
        let sendings = [0, 1].map(|from| {
            let sender = sender.clone();
            spawn(move || usize::from(sender.send(value(from, 0)).is_ok()))
        });
        receiver.close();
        assert!(receiver.is_closed());
        assert!(sender.send(value(2, 0)).is_err(), "sent after the close");
        let mut received = Received::default();
        let mut sendings = Some(sendings);
        let mut sent = 0;
        loop {
            let (probe, poll) = poll(&mut receiver);
            match poll {
                Poll::Ready(Some(value)) => received.add(value),
                Poll::Ready(None) => break,
                Poll::Pending => {
                    let sendings = sendings.take().expect("all have sent");
                    sent = sendings.map(|it| it.join().unwrap()).iter().sum();
                    assert_eq!(probe.wakes(), 1, "the receiver is lost");
                }
            }
        }
        if let Some(sendings) = sendings {
            sent = sendings.map(|it| it.join().unwrap()).iter().sum();
        }
        assert_eq!(received.count(), sent, "a value in doubt");
        assert!(matches!(
            receiver.try_recv(),
            Err(TryRecvError::Disconnected)
        ));
    });
}

#[test]
fn mpsc_unbounded_end_is_not_before_what_was_sent() {
    explore(3, || {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let _kept = sender.clone();
        let sending = spawn(move || usize::from(sender.send(value(0, 0)).is_ok()));
        receiver.close();
        let mut received = Received::default();
        let ended = loop {
            match receiver.try_recv() {
                Ok(value) => received.add(value),
                Err(error) => break error == TryRecvError::Disconnected,
            }
        };
        let sent = sending.join().unwrap();
        assert!(!ended || received.count() == sent, "sent after the end");
        drain(&mut receiver, &mut received);
        assert_eq!(received.count(), sent);
    });
}

/// What the sender did before it saw that the channel is closed is its own; what the receiver did before the close
/// is seen by a sender that is refused.
#[test]
fn mpsc_refused_sender_sees_what_came_before_the_close() {
    for asks in [false, true] {
        explore(3, move || {
            let (sender, mut receiver) = mpsc::unbounded_channel();
            let data = Arc::new(Data::new());
            let closing = spawn({
                let data = data.clone();
                move || {
                    data.add(1);
                    receiver.close();
                    receiver
                }
            });
            let refused = if asks {
                sender.is_closed()
            } else {
                sender.send(value(0, 0)).is_err()
            };
            if refused {
                assert_eq!(data.read(), 1);
            }
            drop(closing.join().unwrap());
        });
    }
}

#[test]
fn mpsc_dropped_receiver_and_an_unbounded_send_lose_no_value() {
    explore(3, || {
        let (sender, receiver) = mpsc::unbounded_channel();
        let sent = value(0, 0);
        let kept = sent.2.clone();
        let dropping = spawn(move || drop(receiver));
        drop(sender.send(sent));
        drop(sender);
        dropping.join().unwrap();
        assert!(Arc::try_unwrap(kept).is_ok(), "the value is left");
    });
}

/// The wait begins, ends, and begins again at the next value, while two send.
#[test]
fn mpsc_receiver_waits_for_one_value_after_the_other() {
    explore(2, || {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut sendings: Vec<_> = (0..2)
            .map(|from| {
                let sender = sender.clone();
                spawn(move || sender.send(value(from, 0)).is_ok())
            })
            .collect();
        let mut received = Received::default();
        while received.count() < 2 {
            let (probe, poll) = poll(&mut receiver);
            match poll {
                Poll::Ready(value) => received.add(value.expect("open")),
                Poll::Pending => {
                    // One may do; if it was the later one, the other has to.
                    while probe.wakes() == 0 {
                        let sending = sendings.pop().expect("the receiver is lost");
                        assert!(sending.join().unwrap());
                    }
                }
            }
        }
    });
}

#[test]
fn mpsc_close_waits_for_a_permit_that_is_used_or_dropped() {
    for is_used in [false, true] {
        explore(3, move || {
            let (sender, mut receiver) = mpsc::channel(1);
            let _kept = sender.clone();
            let sending = spawn(move || match sender.try_reserve() {
                Ok(permit) if is_used => {
                    permit.send(value(0, 0));
                    1
                }
                Ok(permit) => {
                    drop(permit);
                    0
                }
                Err(error) => {
                    assert_eq!(error, TrySendError::Closed(()));
                    0
                }
            });
            let mut received = Received::default();
            receiver.close();
            let mut sent = None;
            until_the_end(&mut receiver, &mut received, || {
                sent = Some(sending.join().unwrap());
            });
            assert_eq!(received.count(), sent.unwrap());
        });
    }
}

#[test]
fn mpsc_close_refuses_a_sender_that_waits_or_is_handed_a_place() {
    for is_cancelled in [false, true] {
        explore(3, move || {
            let (sender, mut receiver) = mpsc::channel(1);
            let _kept = sender.clone();
            sender
                .try_send(value(0, 0))
                .unwrap_or_else(|_| panic!("open"));
            let sending = spawn(move || {
                let probe = Probe::new();
                let waker = probe.waker();
                let mut cx = Context::from_waker(&waker);
                let mut send = Box::pin(sender.send(value(1, 0)));
                match send.as_mut().poll(&mut cx) {
                    Poll::Ready(result) => usize::from(result.is_ok()),
                    Poll::Pending if is_cancelled => 0,
                    Poll::Pending => match send.as_mut().poll(&mut cx) {
                        Poll::Ready(result) => usize::from(result.is_ok()),
                        Poll::Pending => 0,
                    },
                }
            });
            let mut received = Received::default();
            if let Ok(value) = receiver.try_recv() {
                received.add(value);
            }
            receiver.close();
            let mut sent = None;
            until_the_end(&mut receiver, &mut received, || {
                sent = Some(sending.join().unwrap());
            });
            assert_eq!(received.count(), 1 + sent.unwrap());
        });
    }
}

#[test]
fn mpsc_place_is_handed_to_the_sender_that_waits() {
    explore(3, || {
        let (sender, mut receiver) = mpsc::channel(1);
        sender
            .try_send(value(0, 0))
            .unwrap_or_else(|_| panic!("open"));
        let receiving = spawn(move || {
            let mut received = Received::default();
            received.add(
                receiver
                    .try_recv()
                    .unwrap_or_else(|_| panic!("it is there")),
            );
            (receiver, received)
        });
        let probe = Probe::new();
        let waker = probe.waker();
        let mut cx = Context::from_waker(&waker);
        let mut send = Box::pin(sender.send(value(1, 0)));
        let first = send.as_mut().poll(&mut cx);
        let (mut receiver, mut received) = receiving.join().unwrap();
        if first.is_pending() {
            assert_eq!(probe.wakes(), 1, "the sender is lost");
            assert!(send.as_mut().poll(&mut cx).is_ready());
        }
        received.add(
            receiver
                .try_recv()
                .unwrap_or_else(|_| panic!("it was sent")),
        );
        assert_eq!(received.next, [1, 1, 0]);
    });
}

#[test]
fn mpsc_weak_sender_and_the_last_one_agree() {
    explore(3, || {
        let (sender, mut receiver) = mpsc::channel(1);
        let weak = sender.downgrade();
        let dropping = spawn(move || drop(sender));
        let sent = weak
            .upgrade()
            .is_some_and(|sender| sender.try_send(value(0, 0)).is_ok());
        dropping.join().unwrap();
        assert!(weak.upgrade().is_none(), "the last sender is gone");
        assert_eq!(receiver.try_recv().is_ok(), sent);
        assert!(matches!(
            receiver.try_recv(),
            Err(TryRecvError::Disconnected)
        ));
    });
}

#[test]
fn mpsc_dropped_receiver_and_a_send_lose_no_value() {
    explore(3, || {
        let (sender, receiver) = mpsc::channel(1);
        let sent = value(0, 0);
        let kept = sent.2.clone();
        let dropping = spawn(move || drop(receiver));
        drop(sender.try_send(sent));
        drop(sender);
        dropping.join().unwrap();
        assert!(Arc::try_unwrap(kept).is_ok(), "the value is left");
    });
}

#[test]
fn mpsc_end_comes_after_what_all_have_sent() {
    explore(3, || {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let other = sender.clone();
        let sending = spawn(move || {
            other.send(value(1, 0)).unwrap_or_else(|_| panic!("open"));
        });
        let dropping = spawn(move || {
            sender.send(value(0, 0)).unwrap_or_else(|_| panic!("open"));
        });
        let mut received = Received::default();
        // Nothing is joined: what the end brings along is all there is.
        loop {
            match receiver.try_recv() {
                Ok(value) => received.add(value),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    assert_eq!(received.count(), 2, "the end came too early");
                    break;
                }
            }
        }
        sending.join().unwrap();
        dropping.join().unwrap();
    });
}

#[test]
fn mpsc_close_beside_a_place_that_is_being_handed_over_is_not_the_end() {
    explore(3, || {
        let (sender, mut receiver) = mpsc::channel(1);
        let permit = sender
            .clone()
            .try_reserve_owned()
            .unwrap_or_else(|_| panic!("open"));
        let probe = Probe::new();
        let waker = probe.waker();
        let mut cx = Context::from_waker(&waker);
        let mut send = Box::pin(sender.send(value(0, 0)));
        assert!(send.as_mut().poll(&mut cx).is_pending());
        let dropping = spawn(move || drop(permit));
        receiver.close();
        let ended = matches!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        dropping.join().unwrap();
        assert_eq!(probe.wakes(), 1, "the sender is lost");
        let sent = matches!(send.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
        assert!(!(ended && sent), "sent after the end");
        assert_eq!(receiver.try_recv().is_ok(), sent);
        assert!(matches!(
            receiver.try_recv(),
            Err(TryRecvError::Disconnected)
        ));
    });
}

#[test]
fn mpsc_value_that_is_being_handed_over_counts_once() {
    for closes in [false, true] {
        explore(3, move || {
            let (sender, mut receiver) = mpsc::channel(2);
            let _kept = sender.clone();
            let probe = Probe::new();
            let waker = probe.waker();
            let mut cx = Context::from_waker(&waker);
            assert!(receiver.poll_recv(&mut cx).is_pending());
            let sending = spawn(move || {
                sender
                    .try_send(value(0, 0))
                    .unwrap_or_else(|_| panic!("open"));
            });
            let mut received = Received::default();
            if let Ok(value) = receiver.try_recv() {
                received.add(value);
            }
            if closes && received.count() == 1 {
                receiver.close();
            }
            // The sender may not be through yet.
            if let Ok(value) = receiver.try_recv() {
                received.add(value);
            }
            sending.join().unwrap();
            if let Ok(value) = receiver.try_recv() {
                received.add(value);
            }
            assert_eq!(received.count(), 1);
        });
    }
}
