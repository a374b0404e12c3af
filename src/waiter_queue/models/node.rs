//! A waiter's two sides, without a queue.

use super::{
    super::{
        batch::wake,
        waiter::{Letter, Queued, Task, Ticket},
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
        if let Some(outcome) = ticket.outcome() {
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
        let seen = match ticket.poll(&Context::from_waker(&waker), |_| None) {
            Poll::Ready(outcome) => {
                assert_eq!(outcome, Outcome::Refused);
                assert_eq!(data.read(), 1);
                true
            }
            Poll::Pending => false,
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
        let _ = ticket.poll(&Context::from_waker(&waker), |_| None);
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
