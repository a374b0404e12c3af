//! A waiter's two sides, without a queue.

use super::{
    super::{
        batch::wake,
        waiter::{Letter, Look, Queued, Stand, Task, Ticket},
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

fn end(granted: Option<Letter>) {
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
        if let Look::Over(outcome) = ticket.look() {
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
        let seen = match ticket.leave_waker(&Context::from_waker(&waker), |_| None) {
            Look::Over(outcome) => {
                assert_eq!(outcome, Outcome::Refused);
                assert_eq!(data.read(), 1);
                true
            }
            look => {
                assert_eq!(look, Look::Waits);
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
        let _ = ticket.leave_waker(&Context::from_waker(&waker), |_| None);
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
fn node_is_either_called_or_cancelled() {
    explore(4, || {
        let probe = Probe::new();
        let (mut ticket, queued) = ticket(&probe);
        let caller = spawn(move || {
            let called = queued.call();
            let is_called = called.is_ok();
            end(called.unwrap_or(None));
            queued.finish();
            is_called
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
fn node_has_its_waker_changed_or_is_called_with_it() {
    explore(4, || {
        let (old, new, data) = (Probe::new(), Probe::new(), Data::new());
        let (mut ticket, queued) = ticket(&old);
        let caller = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                end(queued.call().unwrap());
                queued
            }
        });
        let waker = new.waker();
        let look = ticket.leave_waker(&Context::from_waker(&waker), |_| None);
        if look == Look::Called {
            assert_eq!(data.read(), 1);
        }
        let queued = caller.join().unwrap();
        // Woken by the waker that it had when it was called, or polled after that.
        let wakes = (old.wakes(), new.wakes());
        match look {
            Look::Called => assert!(wakes == (1, 0) || wakes == (0, 0), "{wakes:?}"),
            _ => assert_eq!(wakes, (0, 1)),
        }
        assert_eq!(ticket.look(), Look::Called);
        queued.finish();
        drop(ticket.cancel());
        ticket.finish();
    });
}

#[test]
fn node_that_comes_in_vain_waits_again_with_its_waker_or_will_be_polled_again() {
    explore(4, || {
        let (old, new) = (Probe::new(), Probe::new());
        let (mut ticket, queued) = ticket(&old);
        let letter = queued.call().unwrap();
        let sender = spawn(move || end(letter));
        let waker = new.waker();
        let stand = ticket.stand(&Context::from_waker(&waker), |_| None);
        sender.join().unwrap();
        assert_eq!(old.wakes(), 1);
        if stand == Stand::Again {
            // Called again, it is woken by the waker that it has left.
            end(queued.call().unwrap());
            assert_eq!(new.wakes(), 1);
        } else {
            assert_eq!((stand, ticket.look()), (Stand::Stuck, Look::Called));
        }
        drop(ticket.cancel());
        ticket.finish();
        queued.finish();
    });
}

#[test]
fn node_is_passed_over_or_has_come() {
    explore(4, || {
        let (old, new) = (Probe::new(), Probe::new());
        let (mut ticket, queued) = ticket(&old);
        end(queued.call().unwrap());
        let passer = spawn(move || {
            let passed = queued.pass_over();
            if passed {
                queued.finish();
            } else {
                let (waited, letter) = queued.grant(Outcome::Granted);
                assert!(waited);
                end(letter);
            }
            passed
        });
        let waker = new.waker();
        let stand = ticket.stand(&Context::from_waker(&waker), |_| None);
        let is_absent = passer.join().unwrap();
        assert_eq!(ticket.look() == Look::Absent, is_absent);
        match stand {
            Stand::Again => assert_eq!((is_absent, new.wakes()), (false, 1)),
            stand => assert_eq!((stand, is_absent), (Stand::See(Look::Absent), true)),
        }
        ticket.finish();
    });
}

#[test]
fn node_is_passed_over_or_cancelled_and_freed_once() {
    explore(4, || {
        let probe = Probe::new();
        let (mut ticket, queued) = ticket(&probe);
        let letter = queued.call().unwrap();
        let sender = spawn(move || end(letter));
        let passer = spawn(move || {
            assert!(queued.pass_over());
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
fn node_is_refused_while_its_letter_is_under_way() {
    explore(4, || {
        let (old, new, data) = (Probe::new(), Probe::new(), Data::new());
        let (mut ticket, queued) = ticket(&old);
        let letter = queued.call().unwrap();
        let closer = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                let (waited, other) = queued.grant(Outcome::Refused);
                assert!(waited);
                end(letter);
                end(other);
            }
        });
        let waker = new.waker();
        let stand = ticket.stand(&Context::from_waker(&waker), |_| None);
        if let Stand::See(Look::Over(_)) = stand {
            assert_eq!(data.read(), 1);
        }
        closer.join().unwrap();
        assert_eq!(ticket.look(), Look::Over(Outcome::Refused));
        // It has been woken, or has seen it, or waits again with the new waker, which then was woken.
        assert_eq!(old.wakes(), 1);
        assert!(stand != Stand::Again || new.wakes() == 1);
        ticket.finish();
    });
}

#[test]
fn node_that_was_called_is_refused_while_it_stands_with_all_that_came_before() {
    explore(4, || {
        let (old, new, data) = (Probe::new(), Probe::new(), Data::new());
        let (mut ticket, queued) = ticket(&old);
        end(queued.call().unwrap());
        let closer = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                end(queued.grant(Outcome::Refused).1);
            }
        });
        let waker = new.waker();
        if let Stand::See(look) = ticket.stand(&Context::from_waker(&waker), |_| None) {
            assert_eq!((look, data.read()), (Look::Over(Outcome::Refused), 1));
        }
        closer.join().unwrap();
        ticket.finish();
    });
}

#[test]
fn node_that_is_called_and_refused_while_its_waker_changes_tells_with_what_came_before() {
    explore(4, || {
        let (old, new, data) = (Probe::new(), Probe::new(), Data::new());
        let (mut ticket, queued) = ticket(&old);
        let closer = spawn({
            let data = data.clone();
            move || {
                end(queued.call().unwrap());
                data.add(1);
                end(queued.grant(Outcome::Refused).1);
            }
        });
        let waker = new.waker();
        let look = ticket.leave_waker(&Context::from_waker(&waker), |_| None);
        if look == Look::Over(Outcome::Refused) {
            assert_eq!(data.read(), 1);
        }
        closer.join().unwrap();
        ticket.finish();
    });
}

#[test]
fn node_is_used_again_only_when_its_letter_has_arrived() {
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
        let letter = queued.call().unwrap();
        assert!(queued.pass_over());
        queued.finish();
        let sender = spawn({
            let other = other.clone();
            move || {
                end(letter);
                use_again(other);
            }
        });
        let waker = other.waker();
        let _ = ticket.stand(&Context::from_waker(&waker), |_| None);
        drop(ticket.cancel());
        ticket.finish();
        use_again(other);
        sender.join().unwrap();
        assert_eq!(probe.wakes(), 1);
    });
}
