//! A waiter's two sides, without a queue.

use super::{
    super::{
        queue::{Queued, Rewait, State, Ticket},
        wake::{Task, Wake, wake},
    },
    *,
};

fn ticket(probe: &Probe) -> (Ticket, Queued) {
    Ticket::new(
        1,
        Task {
            waker: probe.waker(),
            home: None,
        },
    )
}

fn end(granted: Option<Wake>) {
    if let Some(granted) = granted {
        assert!(granted.home().is_none());
        wake(granted).unwrap();
    }
}

#[test]
fn node_is_either_granted_or_cancelled() {
    explore(4, || {
        let (probe, data) = (Probe::new(), Data::new());
        let (mut ticket, queued) = ticket(&probe);
        let granter = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                let (waited, granted) = queued.grant(Outcome::Granted);
                end(granted);
                waited
            }
        });
        let cancelled = match ticket.cancel() {
            Ok(task) => {
                drop(task);
                true
            }
            Err(outcome) => {
                assert_eq!(outcome, Outcome::Granted);
                assert_eq!(data.read(), 1);
                false
            }
        };
        ticket.finish();
        assert_eq!(granter.join().unwrap(), !cancelled);
        assert_eq!(probe.wakes(), !cancelled as usize);
    });
}

#[test]
fn node_tells_its_outcome_with_what_came_before() {
    explore(4, || {
        let (probe, data) = (Probe::new(), Data::new());
        let (ticket, queued) = ticket(&probe);
        let granter = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                end(queued.grant(Outcome::Broadcast).1);
            }
        });
        if let State::Done(outcome) = ticket.state() {
            assert_eq!(outcome, Outcome::Broadcast);
            assert_eq!(data.read(), 1);
        }
        granter.join().unwrap();
        ticket.finish();
        assert_eq!(probe.wakes(), 1);
    });
}

#[test]
fn node_has_its_waker_changed_or_woken() {
    explore(4, || {
        let (old, new, data) = (Probe::new(), Probe::new(), Data::new());
        let (mut ticket, queued) = ticket(&old);
        let granter = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                let (waited, granted) = queued.grant(Outcome::Refused);
                assert!(waited);
                end(granted);
            }
        });
        let waker = new.waker();
        let seen = match ticket.set_waker(&Context::from_waker(&waker), |_| None) {
            State::Done(outcome) => {
                assert_eq!(outcome, Outcome::Refused);
                assert_eq!(data.read(), 1);
                true
            }
            look => {
                assert_eq!(look, State::Waiting);
                false
            }
        };
        ticket.finish();
        granter.join().unwrap();
        assert!(old.wakes() + new.wakes() <= 1);
        assert!(seen || (old.wakes(), new.wakes()) == (0, 1));
    });
}

#[test]
fn node_is_used_again_only_when_both_sides_are_done() {
    // The pool hands the node out again to whoever was last: loom sees if the other was not done.
    explore(4, || {
        let probe = Probe::new();
        let use_again = |probe: Probe| {
            let (mut ticket, queued) = ticket(&probe);
            drop(ticket.cancel());
            ticket.finish();
            assert_eq!(queued.need(), 1);
            queued.finish();
        };
        let (mut ticket, queued) = ticket(&probe);
        let granter = spawn({
            let probe = probe.clone();
            move || {
                end(queued.grant(Outcome::Granted).1);
                use_again(probe);
            }
        });
        let waker = Probe::new().waker();
        let _ = ticket.set_waker(&Context::from_waker(&waker), |_| None);
        ticket.finish();
        use_again(probe);
        granter.join().unwrap();
    });
}

#[test]
fn node_of_a_leaver_is_used_again_only_when_both_sides_are_done() {
    explore(4, || {
        let (queue, probe) = (queue(0), Probe::new());
        let wait = Wait::permits(&queue, 1).queued();
        let giver = spawn({
            let queue = queue.clone();
            move || {
                queue.give(1);
                // A node from this thread's pool, if there is one by now.
                let (mut ticket, queued) = ticket(&probe);
                drop(ticket.cancel());
                queued.finish();
                ticket.finish();
            }
        });
        drop(wait);
        let (mut ticket, queued) = ticket(&Probe::new());
        drop(ticket.cancel());
        queued.finish();
        ticket.finish();
        giver.join().unwrap();
    });
}

#[test]
fn node_is_either_woken_or_cancelled() {
    explore(4, || {
        let probe = Probe::new();
        let (mut ticket, queued) = ticket(&probe);
        let caller = spawn(move || {
            let called = queued.wake();
            let is_woken = called.is_ok();
            end(called.unwrap_or(None));
            queued.finish();
            is_woken
        });
        let task = ticket.cancel().unwrap();
        let kept = task.is_some();
        drop(task);
        ticket.finish();
        assert_eq!(caller.join().unwrap(), !kept);
        assert_eq!(probe.wakes(), !kept as usize);
    });
}

#[test]
fn node_has_its_waker_changed_or_is_woken_with_it() {
    explore(4, || {
        let (old, new, data) = (Probe::new(), Probe::new(), Data::new());
        let (mut ticket, queued) = ticket(&old);
        let caller = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                end(queued.wake().unwrap());
                queued
            }
        });
        let waker = new.waker();
        let look = ticket.set_waker(&Context::from_waker(&waker), |_| None);
        if look == State::Woken {
            assert_eq!(data.read(), 1);
        }
        let queued = caller.join().unwrap();
        // Woken by the waker that it had when it was woken, or polled after that.
        let wakes = (old.wakes(), new.wakes());
        match look {
            State::Woken => assert!(wakes == (1, 0) || wakes == (0, 0), "{wakes:?}"),
            _ => assert_eq!(wakes, (0, 1)),
        }
        assert_eq!(ticket.state(), State::Woken);
        queued.finish();
        drop(ticket.cancel());
        ticket.finish();
    });
}

#[test]
fn node_that_finds_nothing_waits_again_with_its_waker_or_will_be_polled_again() {
    explore(4, || {
        let (old, new) = (Probe::new(), Probe::new());
        let (mut ticket, queued) = ticket(&old);
        let wake_of = queued.wake().unwrap();
        let sender = spawn(move || end(wake_of));
        let waker = new.waker();
        let stand = ticket.rewait(&Context::from_waker(&waker), |_| None);
        sender.join().unwrap();
        assert_eq!(old.wakes(), 1);
        if stand == Rewait::Waiting {
            // Called again, it is woken by the waker that it has left.
            end(queued.wake().unwrap());
            assert_eq!(new.wakes(), 1);
        } else {
            assert_eq!((stand, ticket.state()), (Rewait::Stuck, State::Woken));
        }
        drop(ticket.cancel());
        ticket.finish();
        queued.finish();
    });
}

#[test]
fn node_is_skipped_or_has_come() {
    explore(4, || {
        let (old, new) = (Probe::new(), Probe::new());
        let (mut ticket, queued) = ticket(&old);
        end(queued.wake().unwrap());
        let passer = spawn(move || {
            let passed = queued.skip();
            if passed {
                queued.finish();
            } else {
                let (waited, wake_of) = queued.grant(Outcome::Granted);
                assert!(waited);
                end(wake_of);
            }
            passed
        });
        let waker = new.waker();
        let stand = ticket.rewait(&Context::from_waker(&waker), |_| None);
        let is_absent = passer.join().unwrap();
        assert_eq!(ticket.state() == State::Skipped, is_absent);
        match stand {
            Rewait::Waiting => assert_eq!((is_absent, new.wakes()), (false, 1)),
            stand => assert_eq!((stand, is_absent), (Rewait::Changed(State::Skipped), true)),
        }
        ticket.finish();
    });
}

#[test]
fn node_is_skipped_or_cancelled_and_freed_once() {
    explore(4, || {
        let probe = Probe::new();
        let (mut ticket, queued) = ticket(&probe);
        let wake_of = queued.wake().unwrap();
        let sender = spawn(move || end(wake_of));
        let passer = spawn(move || {
            assert!(queued.skip());
            queued.finish();
        });
        assert!(ticket.cancel().unwrap().is_none());
        ticket.finish();
        sender.join().unwrap();
        passer.join().unwrap();
        assert_eq!(probe.wakes(), 1);
    });
}

#[test]
fn node_is_refused_while_its_wake_is_under_way() {
    explore(4, || {
        let (old, new, data) = (Probe::new(), Probe::new(), Data::new());
        let (mut ticket, queued) = ticket(&old);
        let wake_of = queued.wake().unwrap();
        let closer = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                let (waited, other) = queued.grant(Outcome::Refused);
                assert!(waited);
                end(wake_of);
                end(other);
            }
        });
        let waker = new.waker();
        let stand = ticket.rewait(&Context::from_waker(&waker), |_| None);
        if let Rewait::Changed(State::Done(_)) = stand {
            assert_eq!(data.read(), 1);
        }
        closer.join().unwrap();
        assert_eq!(ticket.state(), State::Done(Outcome::Refused));
        // It has been woken, or has seen it, or waits again with the new waker, which then was woken.
        assert_eq!(old.wakes(), 1);
        assert!(stand != Rewait::Waiting || new.wakes() == 1);
        ticket.finish();
    });
}

#[test]
fn node_that_was_woken_is_refused_while_it_stands_with_all_that_came_before() {
    explore(4, || {
        let (old, new, data) = (Probe::new(), Probe::new(), Data::new());
        let (mut ticket, queued) = ticket(&old);
        end(queued.wake().unwrap());
        let closer = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                end(queued.grant(Outcome::Refused).1);
            }
        });
        let waker = new.waker();
        if let Rewait::Changed(look) = ticket.rewait(&Context::from_waker(&waker), |_| None) {
            assert_eq!((look, data.read()), (State::Done(Outcome::Refused), 1));
        }
        closer.join().unwrap();
        ticket.finish();
    });
}

#[test]
fn node_that_is_woken_and_refused_while_its_waker_changes_tells_with_what_came_before() {
    explore(4, || {
        let (old, new, data) = (Probe::new(), Probe::new(), Data::new());
        let (mut ticket, queued) = ticket(&old);
        let closer = spawn({
            let data = data.clone();
            move || {
                end(queued.wake().unwrap());
                data.add(1);
                end(queued.grant(Outcome::Refused).1);
            }
        });
        let waker = new.waker();
        let look = ticket.set_waker(&Context::from_waker(&waker), |_| None);
        if look == State::Done(Outcome::Refused) {
            assert_eq!(data.read(), 1);
        }
        closer.join().unwrap();
        ticket.finish();
    });
}

#[test]
fn node_is_used_again_only_when_its_wake_has_arrived() {
    // As in the models above: loom sees if it is still in use.
    explore(4, || {
        let (probe, other) = (Probe::new(), Probe::new());
        let use_again = |probe: Probe| {
            let (mut ticket, queued) = ticket(&probe);
            drop(ticket.cancel());
            ticket.finish();
            queued.finish();
        };
        let (mut ticket, queued) = ticket(&probe);
        let wake_of = queued.wake().unwrap();
        assert!(queued.skip());
        queued.finish();
        let sender = spawn({
            let other = other.clone();
            move || {
                end(wake_of);
                use_again(other);
            }
        });
        let waker = other.waker();
        let _ = ticket.rewait(&Context::from_waker(&waker), |_| None);
        drop(ticket.cancel());
        ticket.finish();
        use_again(other);
        sender.join().unwrap();
        assert_eq!(probe.wakes(), 1);
    });
}
