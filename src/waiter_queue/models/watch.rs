//! Values that are replaced as a whole, and waiting for the next one.

use super::*;
use crate::{
    snapshot::Snapshots,
    watch::{self, Receiver, Sender},
};

/// A value: its number, and data that was changed before.
#[derive(Clone)]
struct Value(usize, Arc<Data>);

fn value(n: usize) -> Value {
    let data = Data::new();
    data.add(n + 1);
    Value(n, data)
}

impl Value {
    fn check(&self) -> usize {
        assert_eq!(self.1.read(), self.0 + 1);
        self.0
    }
}

fn send(sender: &Sender<Value>, n: usize) {
    sender.send(value(n)).unwrap_or_else(|_| panic!("open"));
}

fn snapshots() -> Arc<Snapshots<Value>> {
    let values = Snapshots::new();
    assert!(values.prepare(value(0)).publish(None, 0).is_ok());
    Arc::new(values)
}

fn replace(values: &Snapshots<Value>, n: usize) {
    let old = values.get().expect("there");
    assert!(values.prepare(value(n)).publish(Some(&old), n).is_ok());
}

#[test]
fn snapshot_stays_while_values_come_and_go() {
    explore(2, || {
        let values = snapshots();
        let others = values.clone();
        let reading = spawn(move || {
            let first = others.get().expect("there");
            let n = first.check();
            assert_eq!(first.number(), n);
            let second = others.get().expect("there");
            assert!(second.check() >= n, "an older value");
            assert_eq!(first.check(), n);
        });
        // The nodes are used again.
        (1..4).for_each(|n| replace(&values, n));
        reading.join().unwrap();
    });
}

#[test]
fn snapshots_of_two_readers_and_a_writer() {
    explore(2, || {
        let values = snapshots();
        let readings = [values.clone(), values.clone()].map(|others| {
            spawn(move || {
                others.get().expect("there").check();
                others.get().expect("there").check();
            })
        });
        (1..3).for_each(|n| replace(&values, n));
        for reading in readings {
            reading.join().unwrap();
        }
    });
}

#[test]
fn snapshot_that_is_taken_out_is_nobody_elses() {
    explore(2, || {
        let (sender, receiver) = watch::channel(value(0));
        let looking = spawn(move || {
            receiver.borrow().check();
            receiver.borrow().check();
        });
        let taken = [sender.send_replace(value(1)), sender.send_replace(value(2))];
        assert_eq!(taken.map(|it| it.check()), [0, 1]);
        looking.join().unwrap();
    });
}

#[test]
fn watch_changes_of_two_senders_are_both_made() {
    explore(2, || {
        let (sender, receiver) = watch::channel(value(0));
        let other = sender.clone();
        let change = |sender: &Sender<Value>| sender.send_modify(|it| *it = value(it.check() + 1));
        let changing = spawn(move || change(&other));
        change(&sender);
        changing.join().unwrap();
        assert_eq!(receiver.borrow().check(), 2);
        assert_eq!(receiver.has_changed(), Ok(true));
    });
}

/// Polls for a change once; then `meanwhile`; and says what has come of it.
fn changes(receiver: &mut Receiver<Value>, meanwhile: impl FnOnce()) -> bool {
    let mut changed = pin!(receiver.changed());
    let probe = Probe::new();
    let waker = probe.waker();
    let mut poll = changed.as_mut().poll(&mut Context::from_waker(&waker));
    meanwhile();
    if poll.is_pending() {
        assert!(probe.wakes() > 0, "the receiver is lost");
        poll = changed.as_mut().poll(&mut Context::from_waker(&waker));
    }
    match poll {
        Poll::Ready(result) => result.is_ok(),
        Poll::Pending => panic!("woken for nothing"),
    }
}

#[test]
fn watch_receiver_hears_of_a_change() {
    explore(3, || {
        let (sender, mut receiver) = watch::channel(value(0));
        let sending = spawn(move || {
            send(&sender, 1);
            sender
        });
        let mut kept = None;
        assert!(changes(&mut receiver, || kept = Some(sending.join().unwrap())));
        assert_eq!(receiver.borrow().check(), 1);
    });
}

#[test]
fn watch_version_that_is_announced_can_be_seen() {
    explore(3, || {
        let (sender, mut receiver) = watch::channel(value(0));
        let sending = spawn(move || {
            send(&sender, 1);
            sender
        });
        if receiver.has_changed() == Ok(true) {
            assert_eq!(receiver.borrow_and_update().check(), 1);
            assert_eq!(receiver.has_changed(), Ok(false));
        }
        sending.join().unwrap();
    });
}

#[test]
fn watch_sender_sees_what_receivers_have_done() {
    explore(3, || {
        let all = [Data::new(), Data::new()];
        let (sender, receiver) = watch::channel(0);
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

#[test]
fn watch_receivers_hear_of_the_last_of_two_changes() {
    explore(2, || {
        let (sender, mut receiver) = watch::channel(value(0));
        let other = sender.clone();
        let sending = spawn(move || {
            send(&other, 1);
            other
        });
        send(&sender, 2);
        let mut kept = None;
        assert!(changes(&mut receiver, || kept = Some(sending.join().unwrap())));
        while receiver.has_changed() == Ok(true) {
            assert!(changes(&mut receiver, || {}));
        }
        let last = receiver.borrow().check();
        drop((sender, kept));
        // Nothing has come that it was not told of.
        assert_eq!(receiver.borrow_and_update().check(), last);
        assert!(!changes(&mut receiver, || {}));
    });
}

#[test]
fn watch_last_sender_ends_the_wait_after_its_value() {
    explore(3, || {
        let (sender, mut receiver) = watch::channel(value(0));
        let sending = spawn(move || send(&sender, 1));
        assert!(changes(&mut receiver, || sending.join().unwrap()));
        assert_eq!(receiver.borrow().check(), 1);
        assert!(!changes(&mut receiver, || {}));
    });
}

#[test]
fn watch_sender_hears_of_the_last_receiver() {
    explore(3, || {
        let (sender, receiver) = watch::channel(value(0));
        let other = receiver.clone();
        let droppings = [receiver, other].map(|it| spawn(move || drop(it)));
        let mut closed = pin!(sender.closed());
        let probe = Probe::new();
        let waker = probe.waker();
        let poll = closed.as_mut().poll(&mut Context::from_waker(&waker));
        for dropping in droppings {
            dropping.join().unwrap();
        }
        if poll.is_pending() {
            assert_eq!(probe.wakes(), 1, "the sender is lost");
            let again = closed.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(again.is_ready(), "woken for nothing");
        }
    });
}

/// A value may be seen before it is announced. That it is announced late hides no later one.
#[test]
fn watch_late_announcement_hides_no_later_value() {
    explore(2, || {
        let (sender, mut receiver) = watch::channel(value(0));
        let sendings = [1, 2].map(|n| {
            let sender = sender.clone();
            spawn(move || send(&sender, n))
        });
        let seen = receiver.borrow_and_update().check();
        for sending in sendings {
            sending.join().unwrap();
        }
        let last = receiver.borrow().check();
        assert_eq!(receiver.has_changed(), Ok(last != seen));
    });
}
