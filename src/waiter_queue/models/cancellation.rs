//! The tree of cancellation tokens.

use super::{primitive::poll, *};
use crate::CancellationToken;

/// A root, and a child of it.
fn family() -> (CancellationToken, CancellationToken) {
    let root = CancellationToken::new();
    let child = root.child_token();
    (root, child)
}

#[test]
fn cancel_of_a_parent_is_not_lost_on_whoever_arrives() {
    explore(3, || {
        let (root, child) = family();
        let probe = Probe::new();
        {
            let mut wait = pin!(child.cancelled());
            let canceller = spawn({
                let root = root.clone();
                move || root.cancel()
            });
            let is_ready = poll(wait.as_mut(), &probe).is_ready();
            canceller.join().unwrap();
            if !is_ready {
                assert_eq!(probe.wakes(), 1, "the cancel is lost");
                assert!(poll(wait.as_mut(), &probe).is_ready());
            }
        }
        assert_eq!((root.waiter_count(), child.waiter_count()), (0, 0));
    });
}

#[test]
fn cancels_of_a_token_and_of_its_parent_both_end_a_wait() {
    explore(3, || {
        let (root, child) = family();
        let probe = Probe::new();
        {
            let mut wait = pin!(child.cancelled());
            assert!(poll(wait.as_mut(), &probe).is_pending());
            let canceller = spawn({
                let root = root.clone();
                move || root.cancel()
            });
            child.cancel();
            assert!(poll(wait.as_mut(), &probe).is_ready());
            canceller.join().unwrap();
        }
        assert!((1..=2).contains(&probe.wakes()));
        assert_eq!((root.waiter_count(), child.waiter_count()), (0, 0));
    });
}

#[test]
fn cancels_of_the_same_token_end_a_wait_once() {
    explore(3, || {
        let (root, child) = family();
        let probe = Probe::new();
        {
            let mut wait = pin!(child.cancelled());
            assert!(poll(wait.as_mut(), &probe).is_pending());
            let canceller = spawn({
                let root = root.clone();
                move || root.cancel()
            });
            root.cancel();
            canceller.join().unwrap();
            assert_eq!(probe.wakes(), 1);
            assert!(poll(wait.as_mut(), &probe).is_ready());
        }
        assert_eq!((root.waiter_count(), child.waiter_count()), (0, 0));
    });
}

#[test]
fn cancelled_wait_that_is_dropped_leaves_nothing_behind() {
    explore(3, || {
        let (root, child) = family();
        let (leaving, staying) = (Probe::new(), Probe::new());
        {
            let mut leaver = Box::pin(child.cancelled());
            let mut stayer = pin!(child.cancelled());
            assert!(poll(leaver.as_mut(), &leaving).is_pending());
            assert!(poll(stayer.as_mut(), &staying).is_pending());
            let canceller = spawn({
                let root = root.clone();
                move || root.cancel()
            });
            drop(leaver);
            canceller.join().unwrap();
            assert_eq!(staying.wakes(), 1);
            assert!(poll(stayer.as_mut(), &staying).is_ready());
        }
        assert_eq!((root.waiter_count(), child.waiter_count()), (0, 0));
    });
}

#[test]
fn cancel_of_a_parent_brings_along_what_came_before_it() {
    explore(3, || {
        let (root, child) = family();
        let data = Data::new();
        let probe = Probe::new();
        let canceller = spawn({
            let (root, data) = (root.clone(), data.clone());
            move || {
                data.add(1);
                root.cancel();
            }
        });
        if child.is_cancelled() {
            assert_eq!(data.read(), 1);
        }
        if poll(pin!(child.cancelled()), &probe).is_ready() {
            assert_eq!(data.read(), 1);
        }
        canceller.join().unwrap();
        assert!(child.is_cancelled());
    });
}

/// Somebody else combines, and has the waiters to wake.
#[test]
fn cancel_that_has_returned_is_seen_by_every_poll() {
    explore(3, || {
        let (root, child) = family();
        let (probe, other) = (Probe::new(), Probe::new());
        {
            let mut wait = pin!(child.cancelled());
            assert!(poll(wait.as_mut(), &probe).is_pending());
            let busy = spawn({
                let root = root.clone();
                move || _ = poll(pin!(root.cancelled()), &other)
            });
            root.cancel();
            assert!(child.is_cancelled());
            assert!(poll(wait.as_mut(), &probe).is_ready());
            busy.join().unwrap();
        }
        assert_eq!((root.waiter_count(), child.waiter_count()), (0, 0));
    });
}

#[test]
fn subtree_is_cancelled_at_one_instant() {
    explore(3, || {
        let (root, first) = family();
        let second = root.child_token().child_token();
        let canceller = spawn(move || root.cancel());
        if first.is_cancelled() {
            assert!(second.is_cancelled());
        }
        if second.is_cancelled() {
            assert!(first.child_token().is_cancelled());
        }
        canceller.join().unwrap();
    });
}

#[test]
fn run_until_a_cancel_ends_by_it_or_with_what_came_before() {
    explore(3, || {
        let (root, child) = family();
        let event = StdArc::new(crate::Event::new());
        let probe = Probe::new();
        {
            let mut run = pin!(child.run_until_cancelled(event.wait()));
            let other = spawn({
                let (root, event) = (root.clone(), event.clone());
                move || {
                    event.set();
                    root.cancel();
                }
            });
            let mut ends = poll(run.as_mut(), &probe);
            other.join().unwrap();
            if ends.is_pending() {
                assert!(probe.wakes() > 0, "both are lost");
                ends = poll(run.as_mut(), &probe);
                assert_eq!(ends, Poll::Ready(Some(())), "it was set before the cancel");
            }
            assert!(ends.is_ready());
        }
        assert_eq!((root.waiter_count(), child.waiter_count()), (0, 0));
    });
}

/// Two at once give up the last children, and nobody else has the ancestors.
#[test]
fn last_tokens_of_a_tree_may_be_dropped_at_once() {
    explore(3, || {
        let (root, first) = family();
        let second = root.child_token();
        drop(root);
        let other = spawn(move || drop(second));
        drop(first);
        other.join().unwrap();
    });
}
