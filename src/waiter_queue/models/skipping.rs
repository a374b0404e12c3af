//! Heads that were woken and are not polled: skipped, and requeued.

use super::{barging::pass, *};

/// One that was woken and skipped, with nobody in the list and no permit to be had.
fn skipped(queue: &Arc<Queue>) -> Wait {
    let wait = Wait::permits(queue, 1).queued();
    let other = Wait::permits(queue, 1).queued();
    queue.give(1);
    assert!(queue.try_take(1), "one may pass");
    queue.give(1);
    drop(other);
    assert!(queue.try_take(1), "nobody is in the list");
    wait
}

#[test]
fn one_that_does_not_come_is_skipped_and_gets_its_permit_when_it_does() {
    explore(2, || {
        let (queue, data) = (bounded(1, 1), Data::new());
        assert!(queue.try_take(1));
        let [mut first, mut second] = [(); 2].map(|()| Wait::permits(&queue, 1).queued());
        queue.give(1);
        assert_eq!(first.wakes(), 1);
        // Passed once: as often as may be.
        let newcomer = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || pass(&queue, &data)
        });
        let had = first.poll().is_ready();
        if had {
            data.add(1);
            queue.give(1);
        }
        newcomer.join().unwrap();
        run_all([&mut first, &mut second], [1, 0], || {
            data.add(1);
            queue.give(1);
        });
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn one_that_was_skipped_and_is_requeued_is_passed_by_nobody() {
    explore(3, || {
        let queue = bounded(1, 1);
        assert!(queue.try_take(1));
        let mut first = Wait::permits(&queue, 1).queued();
        let mut second = Wait::permits(&queue, 1).queued();
        queue.give(1);
        assert!(queue.try_take(1), "one may pass");
        queue.give(1);
        assert_eq!((first.wakes(), second.wakes()), (1, 1));
        assert!(queue.try_take(1), "one may pass the second");
        assert!(first.poll().is_pending());
        // From here on nobody passes the first.
        let newcomer = spawn({
            let queue = queue.clone();
            move || queue.try_take(1)
        });
        queue.give(1);
        assert!(!newcomer.join().unwrap());
        assert_eq!(first.wakes(), 2);
        first.runs(1);
        queue.give(1);
        second.runs(0);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn permit_granted_to_skipped_waiter_is_not_taken_by_a_newcomer() {
    // It has the lock, and puts itself in the list, while nobody is known to be there.
    explore(3, || {
        let queue = bounded(0, 1);
        let mut wait = skipped(&queue);
        let newcomer = spawn({
            let queue = queue.clone();
            move || {
                queue.give(1);
                queue.try_take(1)
            }
        });
        let had = wait.poll().is_ready();
        let taken = newcomer.join().unwrap();
        let had = had || wait.wakes() > 1 && wait.poll().is_ready();
        assert!(taken != had, "{} have the permit", taken as u8 + had as u8);
        queue.give(1);
        if !had {
            wait.runs(1);
            queue.give(1);
        }
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn one_that_was_skipped_sees_what_came_before_its_permit_was_given() {
    explore(3, || {
        let (queue, data) = (bounded(0, 1), Data::new());
        let mut wait = skipped(&queue);
        let giver = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                data.add(1);
                queue.give(1);
            }
        });
        let had = wait.poll().is_ready();
        if had {
            assert_eq!(data.read(), 1);
        }
        giver.join().unwrap();
        if !had {
            wait.runs(1);
        }
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn permit_granted_to_the_head_is_not_taken_by_one_that_was_skipped() {
    explore(3, || {
        let queue = bounded(0, 1);
        let mut skipped = skipped(&queue);
        let mut head = Wait::permits(&queue, 1).queued();
        queue.give(1);
        assert!(queue.try_take(1), "one may pass");
        assert!(head.poll().is_pending(), "it finds nothing");
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        let had = skipped.poll().is_ready();
        giver.join().unwrap();
        assert_eq!(queue.permits(), 0);
        let [(first, seen), (last, other)] = if had || skipped.wakes() > 1 {
            [(&mut skipped, 1), (&mut head, 1)]
        } else {
            [(&mut head, 1), (&mut skipped, 1)]
        };
        if !had {
            first.runs(seen);
        }
        assert_eq!(last.wakes(), other, "two have the permit");
        queue.give(1);
        last.runs(other);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn permit_that_an_skipped_head_leaves_reaches_one_that_arrives_with_it() {
    // The release leaves its permit to the arrival's combiner, and the head, which was passed to the
    // limit, does not come.
    explore(3, || {
        let queue = bounded(0, 1);
        let mut head = Wait::permits(&queue, 1).queued();
        queue.give(1);
        assert!(queue.try_take(1), "one may pass");
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        let mut arrival = Wait::permits(&queue, 1);
        let had = arrival.poll().is_ready();
        giver.join().unwrap();
        if !had {
            arrival.runs(0);
        }
        queue.give(1);
        head.runs(0);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn skipped_waiter_is_granted_the_next_permit() {
    explore(0, || {
        let queue = bounded(0, 1);
        let mut wait = skipped(&queue);
        assert!(wait.poll().is_pending());
        queue.give(1);
        assert_eq!((queue.permits(), wait.wakes()), (0, 2), "it may be passed");
        wait.runs(1);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn requeued_head_is_passed_by_nobody_in_a_pause() {
    explore(5, || {
        let queue = bounded(0, 1);
        // Somebody who wants one, skipped.
        let mut one = Wait::permits(&queue, 1).queued();
        queue.give(1);
        assert!(queue.try_take(1));
        queue.give(1);
        assert!(queue.try_take(1));
        // Somebody who wants two, skipped.
        let mut two = Wait::permits(&queue, 2).queued();
        queue.give(2);
        assert!(queue.try_take(1));
        queue.give(1);
        assert!(queue.try_take(2));
        assert!(one.poll().is_pending());
        assert!(two.poll().is_pending());
        assert_eq!(queue.len(), 2);
        let giver = spawn({
            let queue = queue.clone();
            move || {
                queue.give(1);
                queue.give(1);
                assert!(!queue.try_take(1), "passed one who was requeued");
            }
        });
        queue.give(1);
        giver.join().unwrap();
        assert_eq!(one.wakes(), 2);
        assert!(one.poll().is_ready());
        assert_eq!(two.wakes(), 2);
        assert!(two.poll().is_ready());
    });
}

#[test]
fn arrival_is_granted_what_a_passed_head_does_not_come_for() {
    explore(0, || {
        let queue = bounded(0, 1);
        let mut large = Wait::permits(&queue, 2).queued();
        queue.give(2);
        assert_eq!(large.wakes(), 1);
        assert!(queue.try_take(1), "one may pass");
        // One is left. The head needs two, and has been passed as often as may be.
        let mut small = Wait::permits(&queue, 1);
        assert!(
            small.poll().is_ready(),
            "it waits for a permit that is there"
        );
        assert_eq!(queue.len(), 0, "the head was not skipped");
        queue.give(2);
        large.runs(0);
        queue.give(2);
        assert_at_rest(&queue, 2);
    });
}

#[test]
fn skipped_waiters_are_granted_in_the_order_in_which_they_are_requeued() {
    explore(0, || {
        let queue = bounded(0, 1);
        let mut waits = [(); 3].map(|()| Wait::permits(&queue, 1).queued());
        // Each is woken, and passed to the limit; the last one stays in the list.
        for _ in 0..3 {
            queue.give(1);
            assert!(queue.try_take(1), "one may pass each");
        }
        let [first, second, third] = &mut waits;
        assert_eq!(queue.len(), 1, "two were skipped");
        // The second is requeued before the first does.
        assert!(second.poll().is_pending());
        assert!(first.poll().is_pending());
        assert_eq!(queue.len(), 3);
        let before = [first.wakes(), second.wakes(), third.wakes()];
        queue.give(1);
        assert_eq!(second.wakes(), before[1] + 1, "the second was back first");
        assert_eq!(first.wakes(), before[0]);
        second.runs(before[1]);
        queue.give(1);
        assert_eq!(first.wakes(), before[0] + 1, "the first was back next");
        first.runs(before[0]);
        queue.give(1);
        third.runs(0);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}
