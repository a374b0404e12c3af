//! Waits that are cancelled.

use super::*;

#[test]
fn permit_granted_to_a_leaver_is_neither_lost_nor_doubled() {
    explore(4, || {
        let queue = queue(0);
        let wait = Wait::permits(&queue, 1).queued();
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        drop(wait);
        giver.join().unwrap();
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn permit_granted_to_a_leaver_passes_on() {
    explore(3, || {
        let queue = queue(0);
        let wait = Wait::permits(&queue, 1).queued();
        let mut behind = Wait::permits(&queue, 1).queued();
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        drop(wait);
        giver.join().unwrap();
        behind.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn leaver_sees_what_came_before_the_grant_it_passes_on() {
    explore(4, || {
        let (queue, data) = (queue(0), Data::new());
        let mut wait = Wait::permits(&queue, 1).queued();
        let giver = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                data.add(1);
                queue.give(1);
            }
        });
        if wait.leave() == Left::With(Outcome::Granted) {
            assert_eq!(data.read(), 1);
        }
        giver.join().unwrap();
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn leaver_with_a_large_need_lets_the_small_one_behind_it_through() {
    explore(4, || {
        let queue = queue(1);
        let large = Wait::permits(&queue, 3).queued();
        let mut small = Wait::permits(&queue, 1).queued();
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        drop(large);
        giver.join().unwrap();
        small.ends();
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn leavers_that_meet_are_both_out_of_the_list() {
    explore(4, || {
        let queue = queue(0);
        let first = Wait::permits(&queue, 1).queued();
        let second = Wait::permits(&queue, 1).queued();
        let leaver = spawn(move || drop(second));
        drop(first);
        leaver.join().unwrap();
        assert_at_rest(&queue, 0);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn leaver_that_has_only_just_arrived_is_out_of_the_list() {
    // Both of its messages may be in the inbox while the other thread serves.
    explore(3, || {
        let queue = queue(0);
        let mut head = Wait::permits(&queue, 1).queued();
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        drop(Wait::permits(&queue, 1).queued());
        giver.join().unwrap();
        head.ends();
        assert_at_rest(&queue, 0);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn leavers_and_permits_that_come_round_after_round_pass_nobody_by() {
    explore(2, || {
        let queue = queue(0);
        let leaver = Wait::permits(&queue, 1).queued();
        let mut staying = Wait::permits(&queue, 1).queued();
        let leaving = spawn(move || drop(leaver));
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        let mut late = Wait::permits(&queue, 1);
        let _ = late.poll();
        leaving.join().unwrap();
        giver.join().unwrap();
        staying.ends();
        assert!(late.end().is_pending());
        queue.give(1);
        late.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn waker_left_last_is_woken_or_the_poll_that_leaves_it_sees_the_grant() {
    explore(4, || {
        let (queue, data) = (queue(0), Data::new());
        let (old, new) = (Probe::new(), Probe::new());
        let mut wait = Wait::permits(&queue, 1);
        assert!(wait.poll_from(&old).is_pending());
        let giver = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                data.add(1);
                queue.give(1);
            }
        });
        let seen = wait.poll_from(&new).is_ready();
        if seen {
            assert_eq!(data.read(), 1);
        }
        giver.join().unwrap();
        assert!(old.wakes() + new.wakes() <= 1);
        if seen {
            assert_eq!(new.wakes(), 0);
        } else {
            assert_eq!((old.wakes(), new.wakes()), (0, 1));
            wait.ends();
        }
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn waker_is_dropped_once_though_its_wait_changes_hands_and_is_cancelled() {
    explore(4, || {
        let queue = queue(0);
        let mut wait = Wait::permits(&queue, 1).queued();
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        let _ = wait.poll_from(&Probe::new());
        let kept = !wait.is_waiting();
        drop(wait);
        giver.join().unwrap();
        assert_at_rest(&queue, !kept as isize);
    });
}

#[test]
fn waker_can_be_left_while_another_arrives() {
    explore(3, || {
        let queue = queue(0);
        let mut wait = Wait::permits(&queue, 1).queued();
        let other = spawn({
            let queue = queue.clone();
            move || {
                let wait = Wait::permits(&queue, 1).queued();
                queue.give(1);
                wait
            }
        });
        let new = Probe::new();
        if wait.poll_from(&new).is_pending() {
            let _ = wait.poll();
        }
        let mut theirs = other.join().unwrap();
        wait.ends();
        queue.give(1);
        theirs.ends();
        assert_at_rest(&queue, 0);
    });
}
