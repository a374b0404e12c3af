//! Waiters that are woken, newcomers that barge past them, and the bound on those.

use super::*;

/// Takes a permit as a newcomer, works on `data`, and gives it back. Says whether it could.
pub(super) fn pass(queue: &Queue, data: &Data) -> bool {
    let taken = queue.try_take(1);
    if taken {
        data.add(1);
        queue.give(1);
    }
    taken
}

#[test]
fn woken_waiter_gets_the_permit_though_a_newcomer_takes_it_first() {
    explore(4, || {
        let (queue, data) = (bounded(0, 1), Data::new());
        let mut wait = Wait::permits(&queue, 1).queued();
        let newcomer = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || pass(&queue, &data)
        });
        queue.give(1);
        newcomer.join().unwrap();
        wait.runs(0);
        data.add(1);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn woken_waiter_that_looks_meanwhile_gets_the_permit() {
    explore(3, || {
        let (queue, data) = (bounded(0, 1), Data::new());
        let mut wait = Wait::permits(&queue, 1).queued();
        let newcomer = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                queue.give(1);
                pass(&queue, &data);
            }
        });
        let had = wait.poll().is_ready();
        if had {
            data.add(1);
            queue.give(1);
        }
        newcomer.join().unwrap();
        if !had {
            wait.runs(0);
            data.add(1);
            queue.give(1);
        }
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn woken_waiter_with_a_new_waker_is_woken_by_it() {
    explore(2, || {
        let queue = bounded(0, 1);
        let old = Wait::permits(&queue, 1).queued();
        let first = old.probe.clone();
        let mut wait = old;
        let giver = spawn({
            let queue = queue.clone();
            move || {
                queue.give(1);
                let taken = queue.try_take(1);
                if taken {
                    queue.give(1);
                }
            }
        });
        let new = Probe::new();
        let had = wait.poll_from(&new).is_ready();
        giver.join().unwrap();
        if !had {
            wait.runs(0);
        }
        assert!(first.wakes() <= 1);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn wake_of_a_leaver_passes_on() {
    explore(3, || {
        let queue = bounded(0, 1);
        let first = Wait::permits(&queue, 1).queued();
        let mut second = Wait::permits(&queue, 1).queued();
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        drop(first);
        giver.join().unwrap();
        second.runs(0);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn wake_of_a_leaver_passes_on_past_a_newcomer() {
    explore(2, || {
        let (queue, data) = (bounded(1, 1), Data::new());
        assert!(queue.try_take(1));
        let first = Wait::permits(&queue, 1).queued();
        let mut second = Wait::permits(&queue, 1).queued();
        queue.give(1);
        let newcomer = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || pass(&queue, &data)
        });
        drop(first);
        newcomer.join().unwrap();
        second.runs(0);
        data.add(1);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn two_who_wait_for_one_permit_both_get_it() {
    explore(2, || {
        let (queue, data) = (bounded(0, 1), Data::new());
        let [mut first, mut second] = [(); 2].map(|()| Wait::permits(&queue, 1).queued());
        let other = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                queue.give(1);
                pass(&queue, &data);
            }
        });
        let had = first.poll().is_ready();
        if had {
            data.add(1);
            queue.give(1);
        }
        other.join().unwrap();
        run_all([&mut first, &mut second], [0, 0], || {
            data.add(1);
            queue.give(1);
        });
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn newcomers_pass_no_more_than_the_limit() {
    explore(3, || {
        let queue = bounded(0, 1);
        let mut wait = Wait::permits(&queue, 1).queued();
        let newcomers = [(); 2].map(|()| {
            let queue = queue.clone();
            // One that takes and keeps, so that nobody is skipped.
            spawn(move || queue.try_take(1))
        });
        queue.give(2);
        let passed: usize = newcomers
            .into_iter()
            .map(|it| it.join().unwrap() as usize)
            .sum();
        assert!(passed <= 1, "{passed} passed");
        wait.runs(0);
        queue.give(1 + passed);
        assert_at_rest(&queue, 2);
    });
}

#[test]
fn more_permits_than_the_woken_head_needs_go_to_the_next() {
    explore(3, || {
        let queue = bounded(0, 1);
        let [mut first, mut second] = [(); 2].map(|()| Wait::permits(&queue, 1).queued());
        let other = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        queue.give(1);
        other.join().unwrap();
        assert_eq!((first.wakes(), second.wakes()), (1, 1));
        // The second does not depend on the first's coming.
        second.runs(0);
        first.runs(0);
        queue.give(2);
        assert_at_rest(&queue, 2);
    });
}

#[test]
fn large_need_is_woken_for_and_met() {
    explore(2, || {
        let queue = bounded(0, 1);
        let mut large = Wait::permits(&queue, 2).queued();
        let mut small = Wait::permits(&queue, 1).queued();
        let other = spawn({
            let queue = queue.clone();
            move || {
                queue.give(1);
                if queue.try_take(1) {
                    queue.give(1);
                }
            }
        });
        queue.give(1);
        let had = large.poll().is_ready();
        other.join().unwrap();
        if !had {
            large.runs(0);
        }
        queue.give(2);
        small.runs(0);
        queue.give(1);
        assert_at_rest(&queue, 2);
    });
}

#[test]
fn woken_waiter_is_refused_by_the_close() {
    explore(3, || {
        let queue = bounded(0, 1);
        let mut wait = Wait::permits(&queue, 1).queued();
        let closer = spawn({
            let queue = queue.clone();
            move || {
                queue.close();
            }
        });
        queue.give(1);
        let over = match wait.poll() {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        };
        closer.join().unwrap();
        let outcome = over.unwrap_or_else(|| wait.runs(0));
        let got = outcome == Some(Outcome::Granted);
        assert_eq!(queue.permits(), !got as isize);
        assert_eq!(queue.len(), 0);
    });
}

#[test]
fn one_that_looks_in_the_list_may_pass_and_is_not_granted_twice() {
    explore(3, || {
        let (queue, data) = (bounded(0, 2), Data::new());
        let mut first = Wait::permits(&queue, 1).queued();
        let mut second = Wait::permits(&queue, 1).queued();
        let other = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        let had = second.poll().is_ready();
        other.join().unwrap();
        if had {
            data.add(1);
            queue.give(1);
        }
        run_all([&mut first, &mut second], [0, 0], || {
            data.add(1);
            queue.give(1);
        });
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn lock_with_barging_is_had_by_one_of_two_at_a_time() {
    explore(2, || {
        let mutex = Arc::new(crate::Mutex::with_fairness(0, crate::Fairness::Bounded(1)));
        let add = |mutex: Arc<crate::Mutex<usize>>| {
            move || {
                for _ in 0..2 {
                    *block_on(mutex.lock()) += 1;
                }
            }
        };
        let other = spawn(add(mutex.clone()));
        add(mutex.clone())();
        other.join().unwrap();
        assert_eq!(*mutex.try_lock().unwrap(), 4);
    });
}

#[test]
fn lock_with_barging_is_had_by_one_of_three_at_a_time() {
    explore(2, || {
        let mutex = Arc::new(crate::Mutex::with_fairness(0, crate::Fairness::Bounded(1)));
        let add = |mutex: Arc<crate::Mutex<usize>>| move || *block_on(mutex.lock()) += 1;
        let others = [(); 2].map(|()| spawn(add(mutex.clone())));
        add(mutex.clone())();
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(*mutex.try_lock().unwrap(), 3);
    });
}

#[test]
fn woken_waiter_that_finds_nothing_is_woken_again() {
    // The permit is given before it says so, and left to it, or after, and then it is woken.
    explore(4, || {
        let queue = bounded(0, 2);
        let mut wait = Wait::permits(&queue, 1).queued();
        queue.give(1);
        assert!(queue.try_take(1), "one may pass");
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        let had = wait.poll().is_ready();
        giver.join().unwrap();
        if !had {
            wait.runs(1);
        }
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn one_that_is_granted_while_it_passes_has_one_permit() {
    explore(3, || {
        let queue = bounded(0, 2);
        let [mut first, mut second] = [(); 2].map(|()| Wait::permits(&queue, 1).queued());
        queue.give(1);
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(2)
        });
        let had = second.poll().is_ready();
        giver.join().unwrap();
        if !had {
            second.runs(0);
        }
        first.runs(0);
        queue.give(2);
        assert_at_rest(&queue, 3);
    });
}

#[test]
fn waiter_that_is_woken_while_its_waker_changes_is_not_lost() {
    explore(4, || {
        let queue = bounded(0, 1);
        let mut wait = Wait::permits(&queue, 1).queued();
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        let had = wait.poll_from(&Probe::new()).is_ready();
        giver.join().unwrap();
        if !had {
            wait.runs(0);
        }
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn permit_granted_to_a_leaver_behind_a_woken_head_is_not_lost() {
    explore(3, || {
        let queue = bounded(0, 1);
        let [mut first, second] = [(); 2].map(|()| Wait::permits(&queue, 1).queued());
        queue.give(1);
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        drop(second);
        giver.join().unwrap();
        first.runs(0);
        queue.give(1);
        assert_at_rest(&queue, 2);
    });
}

// ---- step by step ----

#[test]
fn one_in_the_list_passes_the_head_as_a_newcomer_may() {
    explore(0, || {
        let queue = bounded(0, 1);
        let [mut first, mut second, mut third] =
            [(); 3].map(|()| Wait::permits(&queue, 1).queued());
        queue.give(1);
        assert_eq!((first.wakes(), second.wakes()), (1, 0));
        assert!(second.poll().is_ready(), "one may pass");
        assert!(third.poll().is_pending(), "there is nothing to take");
        assert!(first.poll().is_pending(), "it finds nothing");
        queue.give(1);
        assert_eq!((queue.permits(), first.wakes()), (0, 2));
        first.runs(1);
        assert!(third.poll().is_pending());
        queue.give(1);
        third.runs(0);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn nobody_passes_a_head_that_was_passed_to_the_limit() {
    explore(0, || {
        let queue = bounded(0, 1);
        let mut first = Wait::permits(&queue, 2).queued();
        let [mut second, mut third] = [(); 2].map(|()| Wait::permits(&queue, 1).queued());
        queue.give(1);
        assert!(second.poll().is_ready(), "one in the list may pass");
        queue.give(1);
        assert!(third.poll().is_pending(), "one in the list may not");
        assert!(!queue.try_take(1), "a newcomer may not");
        queue.give(1);
        assert_eq!((queue.permits(), first.wakes()), (0, 1));
        first.runs(0);
        // Nobody has passed the next head.
        queue.give(1);
        assert!(queue.try_take(1));
        queue.give(3);
        third.runs(0);
        queue.give(1);
        assert_at_rest(&queue, 3);
    });
}

#[test]
fn each_head_is_passed_to_the_limit_anew() {
    explore(0, || {
        let queue = bounded(0, 2);
        let [mut first, mut second] = [(); 2].map(|()| Wait::permits(&queue, 1).queued());
        queue.give(1);
        assert!(queue.try_take(1), "one passes the first");
        queue.give(1);
        first.runs(0);
        queue.give(2);
        assert!(
            queue.try_take(1) && queue.try_take(1),
            "two may pass the second"
        );
        queue.give(2);
        second.runs(0);
        queue.give(1);
        assert_at_rest(&queue, 2);
    });
}

#[test]
fn head_is_passed_to_the_limit_though_the_last_one_left() {
    explore(0, || {
        let queue = bounded(0, 2);
        let first = Wait::permits(&queue, 1).queued();
        queue.give(1);
        assert!(queue.try_take(1), "one passes the first");
        drop(first);
        let mut second = Wait::permits(&queue, 1).queued();
        queue.give(2);
        assert!(
            queue.try_take(1) && queue.try_take(1),
            "two may pass the second"
        );
        queue.give(2);
        second.runs(0);
        queue.give(1);
        assert_at_rest(&queue, 2);
    });
}

#[test]
fn close_refuses_whoever_was_woken_or_skipped() {
    explore(0, || {
        let queue = bounded(0, 1);
        let [mut first, mut second] = [(); 2].map(|()| Wait::permits(&queue, 1).queued());
        queue.give(1);
        assert!(queue.try_take(1), "one may pass");
        queue.give(1);
        assert_eq!(
            (first.wakes(), second.wakes()),
            (1, 1),
            "the first was skipped"
        );
        // Whoever closes it is interrupted before it tells those who wait.
        assert!(queue.begin_to_close());
        assert!(!queue.try_take(1), "past the close");
        assert_eq!(second.poll(), Poll::Ready(Some(Outcome::Refused)));
        assert_eq!(first.poll(), Poll::Ready(None));
        assert_eq!((queue.permits(), queue.len()), (1, 0));
    });
}

#[test]
fn woken_head_is_not_skipped_for_nothing() {
    explore(0, || {
        let queue = bounded(0, 1);
        let mut first = Wait::permits(&queue, 1).queued();
        let second = Wait::permits(&queue, 1).queued();
        queue.give(1);
        assert!(queue.try_take(1), "one may pass");
        // Somebody serves, and there is nothing for anybody.
        drop(second);
        assert_eq!(queue.len(), 1);
        assert!(first.poll().is_pending());
        queue.give(1);
        first.runs(1);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}
