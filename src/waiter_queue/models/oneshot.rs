//! Channels for one value: sending, closing and leaving at once.

use super::*;
use crate::oneshot::{
    self, Receiver,
    error::{RecvError, TryRecvError},
};

/// A receiver that is polled by hand. What is sent is a reference to data that the sender has changed.
struct Receiving {
    receiver: Receiver<Arc<Data>>,
    probe: Probe,
}

impl Receiving {
    fn new(receiver: Receiver<Arc<Data>>) -> Self {
        Self {
            receiver,
            probe: Probe::new(),
        }
    }

    fn poll(&mut self) -> Poll<Result<Arc<Data>, RecvError>> {
        let waker = self.probe.waker();
        pin!(&mut self.receiver).poll(&mut Context::from_waker(&waker))
    }

    /// What it yields when all is quiet, after `first`, its first poll.
    #[track_caller]
    fn ends(mut self, first: Poll<Result<Arc<Data>, RecvError>>) -> Result<usize, RecvError> {
        let result = match first {
            Poll::Ready(result) => result,
            Poll::Pending => {
                assert_eq!(self.probe.wakes(), 1, "the receiver is lost");
                match self.poll() {
                    Poll::Ready(result) => result,
                    Poll::Pending => panic!("woken for nothing"),
                }
            }
        };
        result.map(|data| data.read())
    }
}

#[test]
fn oneshot_value_arrives_with_what_was_done_before() {
    explore(4, || {
        let (sender, receiver) = oneshot::channel();
        let sending = spawn(move || {
            let data = Data::new();
            data.add(7);
            assert!(sender.send(data).is_ok());
        });
        let mut receiving = Receiving::new(receiver);
        let first = receiving.poll();
        sending.join().unwrap();
        assert_eq!(receiving.ends(first), Ok(7));
    });
}

#[test]
fn oneshot_value_is_found_by_trying_while_another_poll_waits() {
    explore(4, || {
        let (sender, receiver) = oneshot::channel();
        let mut receiving = Receiving::new(receiver);
        assert!(receiving.poll().is_pending());
        let sending = spawn(move || {
            let data = Data::new();
            data.add(7);
            assert!(sender.send(data).is_ok());
        });
        match receiving.receiver.try_recv() {
            Ok(data) => assert_eq!(data.read(), 7),
            Err(TryRecvError::Empty) => {
                sending.join().unwrap();
                assert_eq!(receiving.ends(Poll::Pending), Ok(7));
                return;
            }
            Err(TryRecvError::Closed) => panic!("nobody has closed"),
        }
        sending.join().unwrap();
    });
}

#[test]
fn oneshot_receiver_hears_of_a_dropped_sender() {
    explore(4, || {
        let (sender, receiver) = oneshot::channel();
        let dropping = spawn(move || drop(sender));
        let mut receiving = Receiving::new(receiver);
        let first = receiving.poll();
        dropping.join().unwrap();
        assert_eq!(receiving.ends(first), Err(RecvError));
    });
}

#[test]
fn oneshot_send_and_close_leave_the_value_with_one_of_them() {
    for polled_before in [false, true] {
        explore(4, move || {
            let (sender, receiver) = oneshot::channel();
            let mut receiving = Receiving::new(receiver);
            if polled_before {
                assert!(receiving.poll().is_pending());
            }
            let sending = spawn(move || {
                let data = Data::new();
                data.add(7);
                sender.send(data).map_err(|data| data.read())
            });
            receiving.receiver.close();
            let received = receiving.receiver.try_recv().map(|data| data.read());
            match sending.join().unwrap() {
                Ok(()) => assert_eq!(received, Ok(7)),
                Err(came_back) => {
                    assert_eq!(came_back, 7);
                    assert_eq!(received, Err(TryRecvError::Closed));
                }
            }
        });
    }
}

#[test]
fn oneshot_send_and_a_dropped_receiver_lose_no_value() {
    for polled_before in [false, true] {
        explore(4, move || {
            let (sender, receiver) = oneshot::channel();
            let mut receiving = Receiving::new(receiver);
            if polled_before {
                assert!(receiving.poll().is_pending());
            }
            let data = Data::new();
            let kept = data.clone();
            let dropping = spawn(move || drop(receiving));
            drop(sender.send(data));
            dropping.join().unwrap();
            assert!(Arc::try_unwrap(kept).is_ok(), "the value is left");
        });
    }
}

#[test]
fn oneshot_sender_hears_of_the_close() {
    explore(4, || {
        let (mut sender, mut receiver) = oneshot::channel::<()>();
        let data = Data::new();
        let closing = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                receiver.close();
                receiver
            }
        });
        let probe = Probe::new();
        let waker = probe.waker();
        let mut cx = Context::from_waker(&waker);
        let first = sender.poll_closed(&mut cx);
        if first.is_ready() || sender.is_closed() {
            assert_eq!(data.read(), 1);
        }
        let receiver = closing.join().unwrap();
        if first.is_pending() {
            assert_eq!(probe.wakes(), 1, "the sender is lost");
            assert!(sender.poll_closed(&mut cx).is_ready());
        }
        assert!(sender.send(()).is_err());
        drop(receiver);
    });
}

#[test]
fn oneshot_memory_is_used_again_when_both_ends_have_gone() {
    explore(4, || {
        let mut memory = oneshot::Reusable::new();
        let (sender, mut receiver) = memory.channel();
        let data = Data::new();
        let sending = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                drop(sender.send(data));
            }
        });
        let first = receiver.try_recv().map(|data| data.read());
        drop(receiver);
        let (sender, mut receiver) = memory.channel();
        assert!(sender.send(Data::new()).is_ok());
        assert_eq!(receiver.try_recv().map(|data| data.read()), Ok(0));
        sending.join().unwrap();
        if first == Ok(1) {
            assert!(Arc::try_unwrap(data).is_ok(), "the value is left");
        }
    });
}
