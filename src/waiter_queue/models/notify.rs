//! Notifications that are stored: `Notify`, `AutoResetEvent`.

use std::sync::Arc as StdArc;

use ::loom::sync::atomic::AtomicUsize;

use super::*;
use crate::{AutoResetEvent, Notify, OwnedNotified};

/// A wait, and who polls it.
struct Notified {
    wait: OwnedNotified,
    probe: Probe,
}

impl Notified {
    fn new(notify: &StdArc<Notify>) -> Self {
        Self {
            wait: notify.clone().notified_owned(),
            probe: Probe::new(),
        }
    }

    /// In the wait list.
    fn queued(mut self) -> Self {
        assert!(!self.poll());
        self
    }

    fn poll(&mut self) -> bool {
        let waker = self.probe.waker();
        let mut cx = Context::from_waker(&waker);
        std::pin::Pin::new(&mut self.wait).poll(&mut cx).is_ready()
    }

    /// Whether it has been woken, and is over.
    #[track_caller]
    fn is_over(&mut self) -> bool {
        let wakes = self.probe.wakes();
        let is_over = self.poll();
        assert_eq!(usize::from(is_over), wakes, "woken for nothing, or not");
        is_over
    }
}

fn notify() -> StdArc<Notify> {
    StdArc::new(Notify::new())
}

/// Takes what is stored, and says whether there was anything.
fn take(notify: &StdArc<Notify>) -> bool {
    Notified::new(notify).poll()
}

fn run(
    notify: &StdArc<Notify>,
    f: impl FnOnce(&StdArc<Notify>) + 'static,
) -> thread::JoinHandle<()> {
    let notify = notify.clone();
    spawn(move || f(&notify))
}

#[test]
fn notify_one_is_not_lost_on_whoever_arrives() {
    explore(3, || {
        let notify = notify();
        let data = Data::new();
        let notifying = run(&notify, {
            let data = data.clone();
            move |notify| {
                data.add(1);
                notify.notify_one();
            }
        });
        let mut wait = Notified::new(&notify);
        let is_over = wait.poll();
        if is_over {
            assert_eq!(data.read(), 1);
        }
        notifying.join().unwrap();
        assert!(is_over || wait.is_over(), "lost");
        assert!(!take(&notify), "and stored");
    });
}

#[test]
fn notify_one_twice_reaches_one_and_is_stored() {
    explore(3, || {
        let notify = notify();
        let mut wait = Notified::new(&notify).queued();
        let others = [(); 2].map(|()| run(&notify, |notify| notify.notify_one()));
        for other in others {
            other.join().unwrap();
        }
        assert!(wait.is_over());
        assert!(take(&notify), "one is lost");
        assert!(!take(&notify), "two are stored");
    });
}

#[test]
fn notify_one_and_last_twice_reach_two() {
    explore(2, || {
        let notify = notify();
        let mut waits = [(); 2].map(|()| Notified::new(&notify).queued());
        let first = run(&notify, |notify| notify.notify_one());
        let last = run(&notify, |notify| notify.notify_last());
        first.join().unwrap();
        last.join().unwrap();
        assert!(waits.iter_mut().all(Notified::is_over));
        assert!(!take(&notify), "one more is stored");
    });
}

#[test]
fn notify_one_that_chose_a_leaver_goes_on() {
    for others_wait in [false, true] {
        explore(3, move || {
            let notify = notify();
            let leaver = Notified::new(&notify).queued();
            let mut other = others_wait.then(|| Notified::new(&notify).queued());
            let notifying = run(&notify, |notify| notify.notify_one());
            drop(leaver);
            notifying.join().unwrap();
            match &mut other {
                Some(other) => assert!(other.is_over(), "lost"),
                None => assert!(take(&notify), "lost"),
            }
            assert!(!take(&notify), "twice");
        });
    }
}

#[test]
fn notify_last_that_chose_a_leaver_goes_to_the_last() {
    explore(2, || {
        let notify = notify();
        let mut first = Notified::new(&notify).queued();
        let mut second = Notified::new(&notify).queued();
        let leaver = Notified::new(&notify).queued();
        let notifying = run(&notify, |notify| notify.notify_last());
        drop(leaver);
        notifying.join().unwrap();
        assert!(second.is_over(), "lost");
        assert!(!first.is_over(), "it was for the last");
    });
}

#[test]
fn notify_waiters_reaches_those_made_before() {
    explore(3, || {
        let notify = notify();
        let mut queued = Notified::new(&notify).queued();
        let mut made = Notified::new(&notify);
        let data = Data::new();
        let notifying = run(&notify, {
            let data = data.clone();
            move |notify| {
                data.add(1);
                notify.notify_waiters();
            }
        });
        let is_over = made.poll();
        if is_over {
            assert_eq!(data.read(), 1);
        }
        notifying.join().unwrap();
        assert!(is_over || made.is_over(), "lost");
        assert!(queued.is_over());
        assert!(!take(&notify), "it is never stored");
    });
}

/// Two calls of one thread are in an order, whoever serves them.
#[test]
fn notify_one_and_waiters_are_in_their_order() {
    for one_first in [false, true] {
        for leaves in [false, true] {
            explore(2, move || {
                let notify = notify();
                let mut wait = Notified::new(&notify).queued();
                let mut other = Some(Notified::new(&notify).queued());
                let notifying = run(&notify, move |notify| {
                    if one_first {
                        notify.notify_one();
                        notify.notify_waiters();
                    } else {
                        notify.notify_waiters();
                        notify.notify_one();
                    }
                });
                // Keeps the queue locked meanwhile.
                if leaves {
                    other = None;
                } else {
                    drop(Notified::new(&notify).queued_or_over());
                }
                notifying.join().unwrap();
                assert!(wait.is_over(), "lost");
                assert!(other.as_mut().is_none_or(Notified::is_over), "lost");
                let stored = take(&notify);
                // A newcomer may have taken the one that came after all.
                if leaves || one_first {
                    assert_eq!(stored, !one_first, "out of order");
                }
            });
        }
    }
}

impl Notified {
    fn queued_or_over(mut self) -> Self {
        self.poll();
        self
    }
}

/// A notification and two that come: one of them gets it, and nothing is left.
#[test]
fn notify_one_is_for_one_of_two_that_come() {
    explore(1, || {
        let notify = notify();
        let notifying = run(&notify, |notify| notify.notify_one());
        let other = {
            let notify = notify.clone();
            spawn(move || {
                let mut wait = Notified::new(&notify);
                let is_over = wait.poll();
                (wait, is_over)
            })
        };
        let mut one = Notified::new(&notify);
        let one_is_over = one.poll();
        notifying.join().unwrap();
        let (mut other, other_is_over) = other.join().unwrap();
        let one = one_is_over || one.is_over();
        let other = other_is_over || other.is_over();
        assert!(one != other, "both, or none");
        assert!(!take(&notify));
    });
}

/// Whoever takes what two have stored sees what both did before.
#[test]
fn notify_one_that_finds_one_stored_is_seen() {
    explore(3, || {
        let event = StdArc::new(AutoResetEvent::new(false));
        // Orders nothing: the event does.
        let done = StdArc::new(AtomicUsize::new(0));
        let data = [Data::new(), Data::new()];
        let others = [0, 1].map(|n| {
            let (event, done, data) = (event.clone(), done.clone(), data[n].clone());
            spawn(move || {
                data.add(1);
                event.set();
                done.fetch_add(1, Relaxed);
            })
        });
        let both = done.load(Relaxed) == 2;
        let taken = event.try_wait();
        if both && taken {
            data.iter().for_each(|data| assert_eq!(data.read(), 1));
        }
        for other in others {
            other.join().unwrap();
        }
        assert!(taken || event.reset(), "lost");
    });
}

#[test]
fn auto_reset_event_lets_go_one_for_each_set() {
    explore(2, || {
        let event: &'static AutoResetEvent = Box::leak(Box::new(AutoResetEvent::new(true)));
        let probe = Probe::new();
        let waker = probe.waker();
        let mut cx = Context::from_waker(&waker);
        let setting = spawn(|| event.set());
        let other = spawn(|| event.try_wait());
        let mut wait = event.wait();
        let first = std::pin::Pin::new(&mut wait).poll(&mut cx).is_ready();
        setting.join().unwrap();
        let other = other.join().unwrap();
        let first = first || std::pin::Pin::new(&mut wait).poll(&mut cx).is_ready();
        let left = event.reset();
        // One was there, and one came: together, or one after the other.
        let taken = usize::from(first) + usize::from(other) + usize::from(left);
        assert!((1..=2).contains(&taken), "{taken}");
        // SAFETY: leaked above, and nobody has it any more.
        drop(wait);
        drop(unsafe { Box::from_raw(std::ptr::from_ref(event).cast_mut()) });
    });
}
