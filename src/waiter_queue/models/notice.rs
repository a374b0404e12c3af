//! Notifications: `WaiterQueue`, `Condvar`.

use ::loom::sync::atomic::AtomicBool;

use super::*;
use crate::WaiterQueue;

#[test]
fn notice_for_a_condition_is_not_lost_on_whoever_arrives() {
    // The condition itself orders nothing: the queue does.
    explore(3, || {
        let shared = Arc::new((WaiterQueue::new(), AtomicBool::new(false)));
        let waker = spawn({
            let shared = shared.clone();
            move || {
                shared.1.store(true, Relaxed);
                shared.0.wake_one();
            }
        });
        {
            let probe = Probe::new();
            let waker_of_probe = probe.waker();
            let mut cx = Context::from_waker(&waker_of_probe);
            let mut wait = pin!(shared.0.add_waiter_if(|| shared.1.load(Relaxed)));
            let ready = wait.as_mut().poll(&mut cx).is_ready();
            waker.join().unwrap();
            if !ready {
                assert_eq!(probe.wakes(), 1, "the wake is lost");
                assert!(wait.as_mut().poll(&mut cx).is_ready());
            }
        }
        assert_eq!(shared.0.waiter_count(), 0);
    });
}

#[test]
fn notice_brings_along_what_came_before_it() {
    explore(4, || {
        let (queue, data) = (queue(0), Data::new());
        let mut wait = Wait::notice(&queue).queued();
        let notifier = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                data.add(1);
                queue.notify(1);
            }
        });
        if wait.poll().is_ready() {
            assert_eq!(data.read(), 1);
        }
        notifier.join().unwrap();
        wait.ends();
    });
}

#[test]
fn notice_that_reaches_a_leaver_passes_on() {
    explore(3, || {
        let queue = queue(0);
        let leaver = Wait::notice(&queue).queued();
        let mut behind = Wait::notice(&queue).queued();
        let notifier = spawn({
            let queue = queue.clone();
            move || queue.notify(1)
        });
        drop(leaver);
        notifier.join().unwrap();
        behind.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn notices_that_meet_are_both_carried_out() {
    explore(4, || {
        let queue = queue(0);
        let mut waits = [(); 3].map(|()| Wait::notice(&queue).queued());
        let notifier = spawn({
            let queue = queue.clone();
            move || queue.notify(1)
        });
        queue.notify(1);
        notifier.join().unwrap();
        let [first, second, third] = &mut waits;
        first.ends();
        second.ends();
        assert!(third.end().is_pending());
        queue.notify_all();
        third.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn notice_left_in_the_inbox_brings_along_what_came_before_it() {
    explore(3, || {
        let (queue, data) = (queue(0), Data::new());
        let mut first = Wait::notice(&queue).queued();
        let mut second = Wait::notice(&queue).queued();
        let notifier = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                data.add(1);
                queue.notify(1);
            }
        });
        queue.notify(1);
        if second.poll().is_ready() {
            assert_eq!(data.read(), 1);
        }
        notifier.join().unwrap();
        first.ends();
        second.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn notice_for_all_is_for_those_who_wait() {
    explore(4, || {
        let queue = queue(0);
        let mut waiting = Wait::notice(&queue).queued();
        let notifier = spawn({
            let queue = queue.clone();
            move || queue.notify_all()
        });
        let mut arriving = Wait::notice(&queue);
        let _ = arriving.poll();
        notifier.join().unwrap();
        waiting.ends();
        if arriving.end().is_pending() {
            assert_eq!(queue.len(), 1);
            queue.notify_all();
            arriving.ends();
        }
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn notice_is_not_for_those_who_arrive_after_it() {
    // Whoever had the lock, and wherever the notice lay.
    explore(3, || {
        let queue = queue(0);
        let mut first = Wait::notice(&queue).queued();
        let leaver = Wait::notice(&queue).queued();
        let leaving = spawn(move || drop(leaver));
        queue.notify_all();
        let mut after = Wait::notice(&queue).queued();
        leaving.join().unwrap();
        first.ends();
        assert!(after.end().is_pending());
        queue.notify_all();
        after.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn notice_for_all_and_notice_for_one_leave_nobody_behind() {
    explore(2, || {
        let queue = queue(0);
        let mut waits = [(); 2].map(|()| Wait::notice(&queue).queued());
        let notifier = spawn({
            let queue = queue.clone();
            move || queue.notify_all()
        });
        let arriver = spawn({
            let queue = queue.clone();
            move || {
                let mut wait = Wait::notice(&queue);
                let _ = wait.poll();
                wait
            }
        });
        queue.notify(1);
        notifier.join().unwrap();
        let mut arrived = arriver.join().unwrap();
        waits.iter_mut().for_each(Wait::ends);
        if arrived.end().is_pending() {
            queue.notify(1);
            arrived.ends();
        }
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn notices_for_more_than_a_batch_reach_all() {
    explore(2, || {
        let queue = queue(0);
        let mut waits = [(); 4].map(|()| Wait::notice(&queue).queued());
        let notifier = spawn({
            let queue = queue.clone();
            move || queue.notify_all()
        });
        let mut late = Wait::notice(&queue);
        let _ = late.poll();
        queue.notify(3);
        notifier.join().unwrap();
        waits.iter_mut().for_each(Wait::ends);
        if late.end().is_pending() {
            queue.notify_all();
            late.ends();
        }
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn notice_finds_whoever_arrived_while_a_batch_was_being_woken() {
    // The notifier has the lock again by then, or has left it with the arrival's message unread.
    explore(3, || {
        let queue = queue(0);
        let mut waits = [(); 2].map(|()| Wait::notice(&queue).queued());
        let other = spawn({
            let queue = queue.clone();
            move || {
                let mut wait = Wait::notice(&queue);
                let _ = wait.poll();
                queue.notify(1);
                wait
            }
        });
        queue.notify(2);
        let mut theirs = other.join().unwrap();
        waits.iter_mut().for_each(Wait::ends);
        theirs.ends();
        assert_at_rest(&queue, 0);
    });
}
