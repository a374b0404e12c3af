//! Closing: semaphores that close, events that are set.

use super::*;
use crate::{
    Event, EventWait,
    loom::{AtomicUsize, OPENINGS},
};

/// What a semaphore does to close.
fn close(queue: &Queue) {
    queue.close();
}

#[test]
fn closing_refuses_whoever_arrives_meanwhile() {
    explore(4, || {
        let (queue, data) = (queue(0), Data::new());
        let closer = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                data.add(1);
                close(&queue);
            }
        });
        let mut wait = Wait::permits(&queue, 1);
        if wait.poll().is_ready() || wait.poll().is_ready() {
            assert_eq!(data.read(), 1);
        }
        closer.join().unwrap();
        wait.ends();
        assert_at_rest(&queue, 0);
    });
}

#[test]
fn closing_refuses_whoever_was_about_to_take_a_permit() {
    explore(4, || {
        let (queue, data) = (queue(0), Data::new());
        let closer = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                queue.give(1);
                data.add(1);
                close(&queue);
            }
        });
        let mut wait = Wait::permits(&queue, 1);
        let had = match wait.poll() {
            Poll::Ready(Some(Outcome::Granted)) => true,
            Poll::Ready(_) => {
                assert_eq!(data.read(), 1);
                false
            }
            Poll::Pending => false,
        };
        closer.join().unwrap();
        if had {
            queue.give(1);
        }
        assert_eq!(queue.len(), 0);
    });
}

#[test]
fn closing_and_a_permit_leave_nobody_waiting() {
    explore(3, || {
        let queue = queue(0);
        let mut first = Wait::permits(&queue, 1).queued();
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        let mut second = Wait::permits(&queue, 1);
        let _ = second.poll();
        close(&queue);
        giver.join().unwrap();
        first.ends();
        second.ends();
        assert_eq!(queue.len(), 0);
    });
}

#[test]
fn closing_while_two_arrive_leaves_nobody_waiting() {
    explore(2, || {
        let queue = queue(0);
        let arrive = |queue: Arc<Queue>| {
            move || {
                let mut wait = Wait::permits(&queue, 1);
                let _ = wait.poll();
                wait
            }
        };
        let one = spawn(arrive(queue.clone()));
        let other = spawn(arrive(queue.clone()));
        close(&queue);
        let (mut one, mut other) = (one.join().unwrap(), other.join().unwrap());
        one.ends();
        other.ends();
        assert_eq!(queue.len(), 0);
    });
}

#[test]
fn closing_while_one_leaves_turns_the_others_away() {
    explore(3, || {
        let queue = queue(0);
        let leaver = Wait::permits(&queue, 2).queued();
        let mut staying = Wait::permits(&queue, 1).queued();
        let closer = spawn({
            let queue = queue.clone();
            move || close(&queue)
        });
        drop(leaver);
        closer.join().unwrap();
        staying.ends();
        assert_eq!(queue.len(), 0);
    });
}

#[test]
fn closing_brings_along_what_came_before_it() {
    explore(4, || {
        let (queue, data) = (queue(1), Data::new());
        let closer = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                data.add(1);
                close(&queue);
                assert!(!queue.try_take(1), "past the close");
            }
        });
        if queue.is_no_wait() {
            assert_eq!(data.read(), 1);
        }
        closer.join().unwrap();
    });
}

/// A wait for an event, polled by hand.
struct EventPoll {
    // Dropped first: it borrows the event.
    wait: EventWait<'static>,
    probe: Probe,
    _event: Arc<Event>,
}

impl EventPoll {
    fn new(event: &Arc<Event>) -> Self {
        // SAFETY: this holds on to the event until the wait has been dropped.
        let wait = unsafe { &*std::ptr::from_ref::<Event>(event) }.wait();
        Self {
            wait,
            probe: Probe::new(),
            _event: event.clone(),
        }
    }

    fn poll(&mut self) -> bool {
        let waker = self.probe.waker();
        let mut cx = Context::from_waker(&waker);
        pin!(&mut self.wait).poll(&mut cx).is_ready()
    }

    #[track_caller]
    fn end(&mut self) -> bool {
        let woken = self.probe.wakes();
        let ready = self.poll();
        assert_eq!(ready as usize, woken, "a wake was lost, or one too many");
        ready
    }
}

#[test]
fn event_releases_whoever_waits_when_it_is_set_though_it_is_reset() {
    explore(3, || {
        let event = Arc::new(Event::new());
        let mut waiting = EventPoll::new(&event);
        assert!(!waiting.poll());
        let setter = spawn({
            let event = event.clone();
            move || {
                event.set();
                event.reset();
            }
        });
        let mut arriving = EventPoll::new(&event);
        let arrived = arriving.poll();
        setter.join().unwrap();
        assert!(waiting.end());
        if !arrived && !arriving.end() {
            event.set();
            assert!(arriving.end());
        }
    });
}

#[test]
fn event_releases_whoever_waits_when_it_is_set_though_another_resets_it() {
    explore(3, || {
        let event = Arc::new(Event::new());
        let mut waiting = EventPoll::new(&event);
        assert!(!waiting.poll());
        let setter = spawn({
            let event = event.clone();
            move || event.set()
        });
        let arrived = EventPoll::new(&event).poll();
        if arrived {
            assert!(event.is_set());
        }
        event.reset();
        setter.join().unwrap();
        assert!(waiting.end());
    });
}

#[test]
fn event_brings_along_what_came_before_it_was_set() {
    explore(4, || {
        let (event, data) = (Arc::new(Event::new()), Data::new());
        let setter = spawn({
            let (event, data) = (event.clone(), data.clone());
            move || {
                data.add(1);
                event.set();
            }
        });
        let mut wait = EventPoll::new(&event);
        let seen = wait.poll() || wait.poll();
        if seen {
            assert_eq!(data.read(), 1);
        }
        setter.join().unwrap();
        assert!(seen || wait.end());
    });
}

#[test]
fn event_that_was_reset_keeps_whoever_comes_then() {
    explore(3, || {
        let event = Arc::new(Event::new());
        let mut before = EventPoll::new(&event);
        assert!(!before.poll());
        let setter = spawn({
            let event = event.clone();
            move || event.set()
        });
        let mut after = EventPoll::new(&event);
        let reset = event.is_set();
        if reset {
            event.reset();
            assert!(!after.poll());
        }
        setter.join().unwrap();
        assert!(before.end());
        if reset {
            assert!(!after.end(), "released by the set before the reset");
            event.set();
            assert!(after.end());
        }
    });
}

#[test]
fn event_set_by_two_lets_everybody_go_once() {
    explore(2, || {
        let event = Arc::new(Event::new());
        let mut waiting = EventPoll::new(&event);
        assert!(!waiting.poll());
        let setter = spawn({
            let event = event.clone();
            move || event.set()
        });
        let other = spawn({
            let event = event.clone();
            move || {
                let mut wait = EventPoll::new(&event);
                let seen = wait.poll();
                (wait, seen)
            }
        });
        event.set();
        setter.join().unwrap();
        let (mut arriving, seen) = other.join().unwrap();
        assert!(waiting.end());
        assert!(seen || arriving.end());
    });
}

/// One who sets, resets, waits and sets again, while `others` do what they do.
fn event_releases_what_waits_beside(others: Vec<fn(Arc<Event>)>, openings: usize) {
    let event = Arc::new(Event::new());
    for _ in 0..openings {
        event.set();
        event.reset();
    }
    let threads: Vec<_> = others
        .into_iter()
        .map(|other| {
            let event = event.clone();
            spawn(move || other(event))
        })
        .collect();
    event.set();
    event.reset();
    let mut wait = EventPoll::new(&event);
    let seen = wait.poll();
    event.set();
    threads.into_iter().for_each(|it| it.join().unwrap());
    assert!(seen || wait.end(), "sleeps through a `set`");
}

#[test]
fn event_reset_by_two_releases_whoever_waits_when_it_is_set() {
    explore(4, || {
        event_releases_what_waits_beside(vec![|event| event.reset()], 0)
    });
}

#[test]
fn event_reset_by_three_releases_whoever_waits_when_it_is_set() {
    explore(2, || {
        event_releases_what_waits_beside(vec![|event| event.reset(), |event| event.reset()], 0)
    });
}

#[test]
fn event_set_by_two_and_reset_by_two_releases_whoever_waits() {
    explore(2, || {
        let set_and_reset = |event: Arc<Event>| {
            event.set();
            event.reset();
        };
        event_releases_what_waits_beside(vec![set_and_reset, |event| event.set()], 0)
    });
}

#[test]
fn event_whose_count_begins_anew_releases_whoever_waits() {
    for openings in 0..=OPENINGS.unwrap() as usize {
        explore(3, move || {
            event_releases_what_waits_beside(
                vec![|event| {
                    event.set();
                    event.reset();
                }],
                openings,
            )
        });
    }
}

#[test]
fn event_that_two_reset_keeps_whoever_comes_after_it_was_set() {
    explore(3, || {
        let event = Arc::new(Event::new());
        let mut before = EventPoll::new(&event);
        assert!(!before.poll());
        let resetter = spawn({
            let event = event.clone();
            move || event.reset()
        });
        event.set();
        event.reset();
        let mut after = EventPoll::new(&event);
        assert!(!after.poll());
        resetter.join().unwrap();
        assert!(before.end());
        assert!(!after.end(), "released by the set before the reset");
        event.set();
        assert!(after.end());
    });
}

#[test]
fn event_that_another_sets_and_resets_releases_only_whoever_came_before() {
    explore(3, || {
        let event = Arc::new(Event::new());
        let mut before = EventPoll::new(&event);
        assert!(!before.poll());
        let setter = spawn({
            let event = event.clone();
            move || event.set()
        });
        let resetter = spawn({
            let event = event.clone();
            move || event.reset()
        });
        let is_set = event.is_set();
        event.reset();
        let mut after = EventPoll::new(&event);
        let seen = after.poll();
        setter.join().unwrap();
        resetter.join().unwrap();
        assert!(before.end());
        if is_set {
            assert!(
                !seen && !after.end(),
                "released by the set before the reset"
            );
        }
        event.set();
        assert!(seen || after.end());
    });
}

#[test]
fn event_that_is_reset_shows_what_came_before_it_was_set() {
    explore(4, || {
        let (event, data) = (Arc::new(Event::new()), Arc::new(AtomicUsize::new(0)));
        event.set();
        let setter = spawn({
            let (event, data) = (event.clone(), data.clone());
            move || {
                data.store(1, Relaxed);
                event.set();
            }
        });
        // Set again before or after it is reset: nobody who looks, and then waits, sleeps through it.
        event.reset();
        let seen = data.load(Relaxed) == 1;
        let mut wait = EventPoll::new(&event);
        let passed = wait.poll();
        setter.join().unwrap();
        assert!(seen || passed || wait.end());
    });
}
