//! Heads that were called and do not come: passed over, and back in line.

use super::*;

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
        assert_eq!(queue.len(), 0, "the head was not passed over");
        queue.give(2);
        large.runs(0);
        queue.give(2);
        assert_at_rest(&queue, 2);
    });
}

#[test]
fn those_who_come_back_are_granted_in_the_order_in_which_they_do() {
    explore(0, || {
        let queue = bounded(0, 1);
        let mut waits = [(); 3].map(|()| Wait::permits(&queue, 1).queued());
        // Each is called, and passed to the limit; the last one stays in line.
        for _ in 0..3 {
            queue.give(1);
            assert!(queue.try_take(1), "one may pass each");
        }
        let [first, second, third] = &mut waits;
        assert_eq!(queue.len(), 1, "two were passed over");
        // The second comes back before the first does.
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
