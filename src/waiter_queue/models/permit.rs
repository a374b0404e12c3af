//! Permits: given, taken, waited for.

use super::{super::MAX_PERMITS, *};
use crate::Semaphore;

#[test]
fn permit_given_while_a_waiter_arrives_reaches_it() {
    explore(4, || {
        let queue = queue(0);
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        let mut wait = Wait::permits(&queue, 1);
        let _ = wait.poll();
        giver.join().unwrap();
        wait.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn permit_brings_along_what_came_before_it_was_given() {
    explore(4, || {
        let (queue, data) = (queue(0), Data::new());
        let giver = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                data.add(1);
                queue.give(1);
            }
        });
        let mut wait = Wait::permits(&queue, 1);
        // The second poll may see a grant that no wake has told of yet.
        if wait.poll().is_ready() || wait.poll().is_ready() {
            assert_eq!(data.read(), 1);
        }
        giver.join().unwrap();
        wait.ends();
    });
}

#[test]
fn permit_taken_without_waiting_brings_along_what_came_before_it_was_given() {
    explore(4, || {
        let (queue, data) = (queue(0), Data::new());
        let giver = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                data.add(1);
                queue.give(1);
            }
        });
        let taken = queue.try_take(1);
        if taken {
            assert_eq!(data.read(), 1);
        }
        giver.join().unwrap();
        assert_at_rest(&queue, !taken as isize);
    });
}

#[test]
fn permit_given_by_one_is_granted_by_another_with_all_that_came_before() {
    // Whoever serves need not be who gave; what the giver did comes along all the same.
    explore(3, || {
        let (queue, data) = (queue(0), Data::new());
        let mut first = Wait::permits(&queue, 1).queued();
        let mut second = Wait::permits(&queue, 2).queued();
        let giver = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                data.add(1);
                queue.give(2);
            }
        });
        queue.give(1);
        // All three permits are needed for the second to get there.
        if second.poll().is_ready() {
            assert_eq!(data.read(), 1);
        }
        giver.join().unwrap();
        first.ends();
        second.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn permits_given_by_two_reach_two() {
    explore(4, || {
        let queue = queue(0);
        let both = |queue: Arc<Queue>| {
            move || {
                queue.give(1);
                let mut wait = Wait::permits(&queue, 1);
                let _ = wait.poll();
                wait
            }
        };
        let other = spawn(both(queue.clone()));
        let mut mine = both(queue.clone())();
        let mut theirs = other.join().unwrap();
        mine.ends();
        theirs.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn permits_waited_for_and_then_given_by_two_reach_both() {
    explore(2, || {
        let queue = queue(0);
        let both = |queue: Arc<Queue>| {
            move || {
                let mut wait = Wait::permits(&queue, 1);
                let _ = wait.poll();
                queue.give(1);
                wait
            }
        };
        let other = spawn(both(queue.clone()));
        let mut mine = both(queue.clone())();
        let mut theirs = other.join().unwrap();
        mine.ends();
        theirs.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn permits_given_by_two_reach_two_who_wait() {
    explore(4, || {
        let queue = queue(0);
        let mut first = Wait::permits(&queue, 1).queued();
        let mut second = Wait::permits(&queue, 1).queued();
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        queue.give(1);
        giver.join().unwrap();
        first.ends();
        second.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn arrivals_that_meet_are_both_in_the_list() {
    explore(4, || {
        let queue = queue(0);
        let other = spawn({
            let queue = queue.clone();
            move || Wait::permits(&queue, 1).queued()
        });
        let mut mine = Wait::permits(&queue, 1).queued();
        let mut theirs = other.join().unwrap();
        assert_eq!(queue.len(), 2);
        queue.give(2);
        mine.ends();
        theirs.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn arrival_while_others_arrive_and_give_is_served() {
    explore(2, || {
        let queue = queue(0);
        let arriver = spawn({
            let queue = queue.clone();
            move || {
                let mut wait = Wait::permits(&queue, 1);
                let _ = wait.poll();
                wait
            }
        });
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(2)
        });
        let mut mine = Wait::permits(&queue, 1);
        let _ = mine.poll();
        let mut theirs = arriver.join().unwrap();
        giver.join().unwrap();
        mine.ends();
        theirs.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn first_come_is_first_served_though_a_newcomer_tries() {
    explore(4, || {
        let queue = queue(0);
        let mut first = Wait::permits(&queue, 1).queued();
        let mut second = Wait::permits(&queue, 1).queued();
        let newcomer = spawn({
            let queue = queue.clone();
            move || assert!(!queue.try_take(1), "past the list")
        });
        queue.give(1);
        newcomer.join().unwrap();
        first.ends();
        assert!(second.end().is_pending());
        queue.give(1);
        second.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn first_come_is_first_served_by_the_combiner() {
    // The two arrive while the other thread may be serving: through the inbox, or not.
    explore(3, || {
        let queue = queue(0);
        let mut head = Wait::permits(&queue, 1).queued();
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        let mut first = Wait::permits(&queue, 1).queued();
        let mut second = Wait::permits(&queue, 1).queued();
        giver.join().unwrap();
        head.ends();
        assert!(first.end().is_pending());
        queue.give(1);
        first.ends();
        assert!(second.end().is_pending());
        queue.give(1);
        second.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn permits_for_more_than_a_batch_reach_all() {
    explore(2, || {
        let queue = queue(0);
        let mut waits = [(); 3].map(|()| Wait::permits(&queue, 1).queued());
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(3)
        });
        let mut late = Wait::permits(&queue, 1);
        let _ = late.poll();
        queue.give(1);
        giver.join().unwrap();
        waits.iter_mut().for_each(Wait::ends);
        late.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn permits_that_come_round_after_round_reach_all() {
    // Each new round of the lock finds another one to grant.
    explore(3, || {
        let queue = queue(0);
        let mut waits = [(); 3].map(|()| Wait::permits(&queue, 1).queued());
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        queue.give(1);
        queue.give(1);
        giver.join().unwrap();
        waits.iter_mut().for_each(Wait::ends);
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn permits_reduced_are_missing_once() {
    explore(4, || {
        let queue = queue(0);
        let mut wait = Wait::permits(&queue, 1).queued();
        let reducer = spawn({
            let queue = queue.clone();
            move || queue.reduce(1)
        });
        queue.give(1);
        let reduced = reducer.join().unwrap() as isize;
        let granted = wait.end().is_ready() as isize;
        assert_eq!(granted + reduced + queue.permits(), 1);
        assert!(queue.permits() >= 0, "reduced what had been granted");
        queue.give(1);
        if reduced + granted < 2 {
            wait.ends();
        }
        assert_at_rest(&queue, 1 - reduced);
    });
}

#[test]
fn permits_forgotten_are_missing_once() {
    explore(4, || {
        let queue = queue(0);
        let mut wait = Wait::permits(&queue, 1).queued();
        let forgetter = spawn({
            let queue = queue.clone();
            move || queue.forget(1)
        });
        queue.give(1);
        forgetter.join().unwrap();
        let granted = wait.end().is_ready();
        assert_eq!(queue.permits(), -(granted as isize));
        queue.give(1);
        wait.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn lock_is_had_by_one_of_two_at_a_time() {
    explore(3, || {
        let mutex = Arc::new(crate::Mutex::new(0));
        let add = |mutex: Arc<crate::Mutex<usize>>| move || *block_on(mutex.lock()) += 1;
        let other = spawn(add(mutex.clone()));
        add(mutex.clone())();
        other.join().unwrap();
        assert_eq!(*mutex.try_lock().unwrap(), 2);
    });
}

#[test]
fn lock_is_had_by_one_of_three_at_a_time() {
    explore(2, || {
        let mutex = Arc::new(crate::Mutex::new(0));
        let add = |mutex: Arc<crate::Mutex<usize>>| move || *block_on(mutex.lock()) += 1;
        let others = [(); 2].map(|()| spawn(add(mutex.clone())));
        add(mutex.clone())();
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(*mutex.try_lock().unwrap(), 3);
    });
}

#[test]
fn lock_passes_from_hand_to_hand_with_what_was_done_under_it() {
    // The combiner unlocks while another arrives, and looks without having been woken.
    explore(4, || {
        let (queue, data) = (queue(1), Data::new());
        assert!(queue.try_take(1));
        data.add(1);
        let combiner = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                data.add(1);
                queue.give(1);
            }
        });
        let mut wait = Wait::permits(&queue, 1);
        let had = wait.poll().is_ready() || wait.poll().is_ready();
        if had {
            data.add(1);
            queue.give(1);
        }
        combiner.join().unwrap();
        if !had {
            wait.ends();
            queue.give(1);
        }
        assert_eq!(data.read(), 2 + had as usize);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn permit_is_not_granted_and_taken_at_once() {
    // A leaver has the lock of an empty line while one arrives, and one gives and takes past it.
    explore(2, || {
        let queue = queue(0);
        let leaver = Wait::permits(&queue, 1).queued();
        let leaver = spawn(move || drop(leaver));
        let arrival = spawn({
            let queue = queue.clone();
            move || {
                let mut wait = Wait::permits(&queue, 1);
                let _ = wait.poll();
                wait
            }
        });
        queue.give(1);
        if queue.try_take(1) {
            queue.give(1);
        }
        let taken = queue.try_take(1);
        leaver.join().unwrap();
        let mut arrival = arrival.join().unwrap();
        let had = !arrival.is_waiting() || arrival.end().is_ready();
        assert!(taken != had, "{} have the permit", taken as u8 + had as u8);
        queue.give(1);
        if !had {
            arrival.ends();
            queue.give(1);
        }
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn permit_given_while_another_serves_brings_along_what_came_before() {
    // The combiner finds it when it wants to give the lock back; a third one is granted.
    explore(2, || {
        let (queue, data) = (queue(0), Data::new());
        let mut wait = Wait::permits(&queue, 2).queued();
        let giver = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                data.add(1);
                queue.give(1);
            }
        });
        let waiter = spawn(move || {
            if wait.poll().is_ready() {
                assert_eq!(data.read(), 1);
            }
            wait
        });
        queue.give(1);
        giver.join().unwrap();
        waiter.join().unwrap().ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn permits_that_come_while_a_combiner_pauses_are_served_by_either() {
    explore(3, || {
        let queue = queue(0);
        let mut waits = [(); 3].map(|()| Wait::permits(&queue, 1).queued());
        let giver = spawn({
            let queue = queue.clone();
            move || {
                queue.give(1);
                queue.give(1);
            }
        });
        queue.give(2);
        giver.join().unwrap();
        waits.iter_mut().for_each(Wait::ends);
        assert_at_rest(&queue, 1);
    });
}

/// Two take all permits away, while a third adds as many again whenever it can.
#[test]
fn permits_removed_by_two_and_added_again_fit_into_the_word() {
    explore(3, || {
        let semaphore = Arc::new(Semaphore::new(MAX_PERMITS));
        let removers = [(); 2].map(|()| {
            let semaphore = semaphore.clone();
            spawn(move || semaphore.try_remove(MAX_PERMITS))
        });
        let added = [(); 2].map(|()| {
            let added = semaphore.try_add(MAX_PERMITS);
            assert!(semaphore.available_permits() <= MAX_PERMITS);
            added
        });
        let added = added.into_iter().filter(|it| *it).count();
        let removed = removers.map(|it| it.join().unwrap());
        let removed = removed.into_iter().filter(|it| *it).count();
        let left = (1 + added - removed) * MAX_PERMITS;
        assert_eq!(semaphore.max_permits(), left);
        assert_eq!(semaphore.available_permits(), left);
        assert!(semaphore.try_add(MAX_PERMITS - left), "no room is left");
    });
}

/// Two add all permits there can be, while a third takes them away whenever it can.
#[test]
fn permits_added_by_two_and_removed_again_leave_no_debt() {
    explore(3, || {
        let semaphore = Arc::new(Semaphore::new(0));
        let adders = [(); 2].map(|()| {
            let semaphore = semaphore.clone();
            spawn(move || semaphore.try_add(MAX_PERMITS))
        });
        let removed = [(); 2].map(|()| {
            let removed = semaphore.try_remove(MAX_PERMITS);
            assert!(semaphore.queue.permits() >= 0, "a debt");
            removed
        });
        let removed = removed.into_iter().filter(|it| *it).count();
        let added = adders.map(|it| it.join().unwrap());
        let added = added.into_iter().filter(|it| *it).count();
        let left = (added - removed) * MAX_PERMITS;
        assert_eq!(semaphore.max_permits(), left);
        assert_eq!(semaphore.available_permits(), left);
    });
}
