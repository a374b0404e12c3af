//! The doorbell: a listener that sleeps, and others that deliver.

use super::{
    super::{
        batch::{Batch, wake},
        doorbell::{Bell, Bells, Home, Open, here},
        generic,
        line::{Chain, Pile},
        tier::WakeTier,
        waiter::{Letter, Stand, Task, Ticket},
    },
    *,
};
use crate::loom::AtomicUsize;

/// Runs `f` with a bell that lives until it returns.
fn with_bell(tier: WakeTier, f: impl FnOnce(Home, &'static Bell)) {
    let bell = Box::into_raw(Box::new(Bell::new()));
    // SAFETY: the models join all threads that know of the bell.
    let open = unsafe { &*bell };
    open.open(tier);
    f(open.home(), open);
    // SAFETY: as above.
    drop(unsafe { Box::from_raw(bell) });
}

/// A waiter of that bell's, granted, whose future is gone.
pub(super) fn letter(probe: &Probe, home: Home) -> Letter {
    let (ticket, queued) = Ticket::new(
        1,
        Task {
            waker: probe.waker(),
            home: Some(home),
        },
    );
    let (_, granted) = queued.grant(Outcome::Granted);
    ticket.finish();
    granted.unwrap()
}

fn pile(letters: impl IntoIterator<Item = Letter>) -> Pile {
    let mut pile = Pile::new();
    letters.into_iter().for_each(|letter| pile.push(letter));
    pile
}

fn wake_all(mut chain: Chain<Letter>) -> usize {
    let mut count = 0;
    while let Some(letter) = chain.pop_front() {
        wake(letter).unwrap();
        count += 1;
    }
    count
}

/// The listener: answers the bell until `count` letters have come.
fn listen(bell: &Bell, count: usize) -> usize {
    let sleeper = Sleeper::new();
    let rung = Probe::new();
    let mut sleeps = 0;
    let mut got = 0;
    loop {
        got += wake_all(bell.take());
        if got == count {
            break;
        }
        let waker = Waker::from(StdArc::new(Ring {
            sleeper: sleeper.clone(),
            probe: rung.clone(),
        }));
        if generic::sleep(bell, &Context::from_waker(&waker)) {
            sleeps += 1;
            sleeper.sleep();
            assert_eq!(rung.wakes(), sleeps, "rung more than once in a sleep");
        }
    }
    sleeps
}

struct Ring {
    sleeper: StdArc<Sleeper>,
    probe: Probe,
}

impl Wake for Ring {
    fn wake(self: StdArc<Self>) {
        self.probe.waker().wake();
        self.sleeper.clone().wake();
    }
}

#[test]
fn bell_wakes_a_listener_that_falls_asleep_meanwhile() {
    explore(4, || {
        with_bell(WakeTier::Generic, |home, bell| {
            let probe = Probe::new();
            let deliverer = spawn({
                let probe = probe.clone();
                move || assert!(home.deliver(pile([letter(&probe, home)])).is_ok())
            });
            listen(bell, 1);
            deliverer.join().unwrap();
            assert_eq!(probe.wakes(), 1);
            assert_eq!(wake_all(bell.close()), 0);
        });
    });
}

#[test]
fn bell_is_rung_once_a_sleep_by_two() {
    explore(2, || {
        with_bell(WakeTier::Generic, |home, bell| {
            let probe = Probe::new();
            let deliver =
                |probe: Probe| move || assert!(home.deliver(pile([letter(&probe, home)])).is_ok());
            let deliverers = [(); 2].map(|()| spawn(deliver(probe.clone())));
            let sleeps = listen(bell, 2);
            assert!(sleeps <= 2);
            deliverers.into_iter().for_each(|one| one.join().unwrap());
            assert_eq!(probe.wakes(), 2);
            assert_eq!(wake_all(bell.close()), 0);
        });
    });
}

#[test]
fn bell_is_rung_by_the_tier_it_was_armed_with() {
    // A futex wakes nobody here: the listener would sleep for ever.
    explore(4, || {
        with_bell(WakeTier::Futex, |home, bell| {
            let probe = Probe::new();
            assert!(bell.arm(WakeTier::Futex));
            assert_eq!(wake_all(bell.take()), 0);
            let deliverer = spawn({
                let probe = probe.clone();
                move || assert!(home.deliver(pile([letter(&probe, home)])).is_ok())
            });
            listen(bell, 1);
            deliverer.join().unwrap();
            assert_eq!(probe.wakes(), 1);
            assert_eq!(wake_all(bell.close()), 0);
        });
    });
}

#[test]
fn bell_that_is_armed_again_by_another_tier_is_rung_by_that() {
    // As above; but whoever delivers may have seen it armed before.
    explore(4, || {
        with_bell(WakeTier::Futex, |home, bell| {
            let probe = Probe::new();
            assert!(bell.arm(WakeTier::Futex));
            let deliverer = spawn({
                let probe = probe.clone();
                move || assert!(home.deliver(pile([letter(&probe, home)])).is_ok())
            });
            listen(bell, 1);
            deliverer.join().unwrap();
            assert_eq!(probe.wakes(), 1);
            assert_eq!(wake_all(bell.close()), 0);
        });
    });
}

#[test]
fn bell_that_closes_loses_no_letter() {
    explore(4, || {
        with_bell(WakeTier::Generic, |home, bell| {
            let (probe, data) = (Probe::new(), Data::new());
            let sleeper = Probe::new();
            assert!(generic::sleep(bell, &Context::from_waker(&sleeper.waker())));
            let deliverer = spawn({
                let (probe, data) = (probe.clone(), data.clone());
                move || match home.deliver(pile([letter(&probe, home), letter(&probe, home)])) {
                    Ok(()) => 0,
                    Err(pile) => {
                        assert_eq!(data.read(), 1);
                        wake_all(pile.into_chain())
                    }
                }
            });
            let taken = wake_all(bell.take());
            data.add(1);
            let left = wake_all(bell.close());
            let back = deliverer.join().unwrap();
            assert_eq!(taken + left + back, 2);
            assert_eq!(
                probe.wakes(),
                taken,
                "woken with the runtime gone, or not before"
            );
        });
    });
}

#[test]
fn bell_that_closes_drops_the_listeners_waker() {
    explore(0, || {
        with_bell(WakeTier::Generic, |_, bell| {
            let probe = Probe::new();
            let waker = probe.waker();
            assert!(generic::sleep(bell, &Context::from_waker(&waker)));
            drop(waker);
            let before = StdArc::strong_count(&probe.0);
            assert_eq!(wake_all(bell.close()), 0);
            bell.end();
            assert_eq!(StdArc::strong_count(&probe.0), before - 1);
        });
    });
}

#[test]
fn bell_that_closes_under_two_keeps_no_letter_and_wakes_nobody() {
    explore(3, || {
        with_bell(WakeTier::Generic, |home, bell| {
            let probe = Probe::new();
            // As the turn's holders do it: through a batch.
            let deliver = |probe: Probe| {
                move || {
                    let mut batch = Batch::new();
                    batch.push(letter(&probe, home));
                    batch.deliver();
                    batch.finish();
                }
            };
            let deliverers = [(); 2].map(|()| spawn(deliver(probe.clone())));
            let sleeper = Probe::new();
            let _ = generic::sleep(bell, &Context::from_waker(&sleeper.waker()));
            wake_all(bell.close());
            deliverers.into_iter().for_each(|one| one.join().unwrap());
            assert_eq!(probe.wakes(), 0);
        });
    });
}

#[test]
fn bell_gives_letters_out_in_the_order_they_came() {
    explore(4, || {
        with_bell(WakeTier::Generic, |home, bell| {
            let probes = [(); 3].map(|()| Probe::new());
            let deliverer = spawn({
                let probes = probes.clone();
                move || {
                    let [first, second, third] = &probes;
                    let both = pile([letter(first, home), letter(second, home)]);
                    assert!(home.deliver(both).is_ok());
                    assert!(home.deliver(pile([letter(third, home)])).is_ok());
                }
            });
            let wakes = || probes.clone().map(|probe| probe.wakes());
            let mut count = 0;
            let mut answer = |mut chain: Chain<Letter>| {
                while let Some(letter) = chain.pop_front() {
                    wake(letter).unwrap();
                    count += 1;
                    assert_eq!(wakes(), [1, (count > 1) as usize, (count > 2) as usize]);
                }
            };
            answer(bell.take());
            answer(bell.take());
            deliverer.join().unwrap();
            answer(bell.take());
            assert_eq!(count, 3);
            assert_eq!(wake_all(bell.close()), 0);
        });
    });
}

#[test]
fn bell_of_a_batch_is_its_waiters_home() {
    explore(2, || {
        with_bell(WakeTier::Generic, |home, bell| {
            let (local, remote) = (Probe::new(), Probe::new());
            assert!(home.is_at(here()));
            let granter = spawn({
                let (local, remote) = (local.clone(), remote.clone());
                move || {
                    assert!(!home.is_at(here()));
                    let (ticket, queued) = Ticket::new(
                        1,
                        Task {
                            waker: local.waker(),
                            home: None,
                        },
                    );
                    let mut batch = Batch::new();
                    batch.push(queued.grant(Outcome::Granted).1.unwrap());
                    batch.push(letter(&remote, home));
                    batch.deliver();
                    assert_eq!(local.wakes(), 1);
                    batch.finish();
                    ticket.finish();
                }
            });
            listen(bell, 1);
            assert_eq!(remote.wakes(), 1);
            granter.join().unwrap();
            assert_eq!(wake_all(bell.close()), 0);
        });
    });
}

/// A listener's waker, which uses the executor that it belongs to.
struct Remote {
    executor: Arc<Data>,
}

impl Wake for Remote {
    fn wake(self: StdArc<Self>) {
        self.executor.read();
    }
}

fn sleep(bell: &Bell, executor: &Arc<Data>) -> bool {
    let waker = Waker::from(StdArc::new(Remote {
        executor: executor.clone(),
    }));
    generic::sleep(bell, &Context::from_waker(&waker))
}

/// Runs `f` with a list of bells that lives until it returns, and returns how many there were.
pub(super) fn with_bells(f: impl FnOnce(&'static Bells)) -> usize {
    let bells = Box::into_raw(Box::new(Bells::new()));
    // SAFETY: the models join all threads that know of the list.
    let list = unsafe { &*bells };
    f(list);
    let count = list.free();
    // SAFETY: as above.
    drop(unsafe { Box::from_raw(bells) });
    count
}

pub(super) fn deliver(letter: Letter) {
    let mut batch = Batch::new();
    batch.push(letter);
    batch.deliver();
    batch.finish();
}

#[test]
fn runtime_that_ends_waits_for_those_who_ring_it() {
    explore(2, || {
        with_bells(|bells| {
            let probe = Probe::new();
            let executor = Data::new();
            let mut open = bells.open(WakeTier::Generic);
            let home = open.bell().home();
            let ringers = [(); 2].map(|()| {
                let probe = probe.clone();
                spawn(move || deliver(letter(&probe, home)))
            });
            // Sleeps again, perhaps while the first is still ringing.
            assert!(open.answer(|bell| sleep(bell, &executor)));
            assert!(open.answer(|bell| sleep(bell, &executor)));
            let woken = probe.wakes();
            drop(open);
            // The executor goes.
            executor.add(1);
            ringers.into_iter().for_each(|one| one.join().unwrap());
            assert_eq!(probe.wakes(), woken, "woken with the runtime gone");
        });
    });
}

#[test]
fn runtime_that_ends_wakes_nobody_whom_its_listener_has_left_for_later() {
    explore(2, || {
        with_bells(|bells| {
            let probe = Probe::new();
            let mut open = bells.open(WakeTier::Generic);
            let home = open.bell().home();
            let letters = pile([(); 3].map(|()| letter(&probe, home)));
            assert!(spawn(move || home.deliver(letters).is_ok()).join().unwrap());
            assert!(!open.answer(|_| unreachable!("others should have their turn first")));
            drop(open);
            assert_eq!(probe.wakes(), 2);
        });
    });
}

#[test]
fn letter_for_a_runtime_that_is_gone_wakes_nobody_in_the_next() {
    explore(3, || {
        let bells = with_bells(|bells| {
            let (probe, own) = (Probe::new(), Probe::new());
            let executors = [(); 2].map(|()| Data::new());
            let first = bells.open(WakeTier::Generic);
            let home = first.bell().home();
            let late = spawn({
                let probe = probe.clone();
                move || deliver(letter(&probe, home))
            });
            drop(first);
            executors[0].add(1);

            let mut second = bells.open(WakeTier::Generic);
            let successor = second.bell().home();
            assert!(home != successor && home.is_gone() && !successor.is_gone());
            assert!(!home.is_at(here()) && successor.is_at(here()));
            assert!(second.answer(|bell| sleep(bell, &executors[1])));
            deliver(letter(&own, successor));
            assert!(home.deliver(pile([])).is_err());
            late.join().unwrap();
            assert!(second.answer(|bell| sleep(bell, &executors[1])));
            let stats = second.bell().stats(WakeTier::Generic).read();
            drop(second);
            executors[1].add(1);
            assert_eq!((probe.wakes(), own.wakes()), (0, 1));
            assert_eq!(stats.wakes, 0, "counted a waiter that was not woken");
        });
        assert_eq!(bells, 1, "a place is used again");
    });
}

#[test]
fn runtimes_that_begin_and_end_at_once_have_a_bell_each() {
    explore(3, || {
        let bells = with_bells(|bells| {
            drop(bells.open(WakeTier::Generic));
            let live = |()| {
                let executor = Data::new();
                let mut open = bells.open(WakeTier::Generic);
                assert!(open.answer(|bell| sleep(bell, &executor)));
                drop(open);
                executor.add(1);
            };
            let other = spawn(move || live(()));
            live(());
            other.join().unwrap();
        });
        assert!((1..=2).contains(&bells));
    });
}

#[test]
fn bells_made_by_two_at_once_are_both_kept() {
    explore(3, || {
        let bells = with_bells(|bells| {
            let other = spawn(|| bells.open(WakeTier::Generic));
            let open = [bells.open(WakeTier::Generic), other.join().unwrap()];
            let mut made = open.each_ref().map(|it| std::ptr::from_ref(it.bell()));
            assert_ne!(made[0], made[1]);
            drop(open);
            let again = [(); 2].map(|()| bells.open(WakeTier::Generic));
            let mut again = again.each_ref().map(|it| std::ptr::from_ref(it.bell()));
            again.sort();
            made.sort();
            assert_eq!(again, made, "a place was lost");
        });
        assert_eq!(bells, 2);
    });
}

#[test]
fn runtime_that_is_gone_stays_gone_when_another_has_its_bell() {
    explore(4, || {
        with_bells(|bells| {
            let first = bells.open(WakeTier::Generic);
            let home = first.bell().home();
            drop(first);
            let next = spawn(|| bells.open(WakeTier::Generic));
            assert!(home.is_gone());
            assert!(home.deliver(pile([])).is_err());
            drop(next.join().unwrap());
        });
    });
}

#[test]
fn runtimes_that_end_while_they_ring_each_other_wait_for_each_other() {
    explore(3, || {
        with_bells(|bells| {
            let probe = Probe::new();
            let executors = [(); 2].map(|()| Data::new());
            let mut first = bells.open(WakeTier::Generic);
            assert!(first.answer(|bell| sleep(bell, &executors[0])));
            let mut second = spawn(|| bells.open(WakeTier::Generic)).join().unwrap();
            assert!(second.answer(|bell| sleep(bell, &executors[1])));
            let [one, two] = [&first, &second].map(|it| it.bell().home());
            let end = |open: Open, executor: Arc<Data>, other: Home, probe: Probe| {
                deliver(letter(&probe, other));
                drop(open);
                executor.add(1);
            };
            let other = spawn({
                let (executor, probe) = (executors[1].clone(), probe.clone());
                move || end(second, executor, one, probe)
            });
            end(first, executors[0].clone(), two, probe.clone());
            other.join().unwrap();
            assert_eq!(probe.wakes(), 0);
        });
    });
}

/// A listener's waker that is not through when it has woken.
struct Slow {
    sleeper: StdArc<Sleeper>,
    after: AtomicUsize,
}

impl Wake for Slow {
    fn wake(self: StdArc<Self>) {
        self.sleeper.clone().wake();
        self.after.load(Relaxed);
    }
}

#[test]
fn listener_with_another_waker_waits_for_those_who_call_the_last() {
    explore(3, || {
        with_bell(WakeTier::Generic, |home, bell| {
            let (probe, sleeper) = (Probe::new(), Sleeper::new());
            let waker = || {
                Waker::from(StdArc::new(Slow {
                    sleeper: sleeper.clone(),
                    after: AtomicUsize::new(0),
                }))
            };
            assert!(generic::sleep(bell, &Context::from_waker(&waker())));
            let deliverer = spawn({
                let probe = probe.clone();
                move || assert!(home.deliver(pile([letter(&probe, home)])).is_ok())
            });
            sleeper.sleep();
            assert_eq!(wake_all(bell.take()), 1);
            assert!(generic::sleep(bell, &Context::from_waker(&waker())));
            deliverer.join().unwrap();
            assert_eq!(wake_all(bell.close()), 0);
            bell.end();
        });
    });
}

#[test]
fn bell_of_a_single_waiter_is_its_home() {
    explore(2, || {
        with_bell(WakeTier::Generic, |home, bell| {
            let probe = Probe::new();
            let granter = spawn({
                let probe = probe.clone();
                move || {
                    let mut batch = Batch::new();
                    batch.push(letter(&probe, home));
                    batch.deliver();
                    batch.finish();
                }
            });
            granter.join().unwrap();
            assert_eq!(probe.wakes(), 0);
            listen(bell, 1);
            assert_eq!(probe.wakes(), 1);
            assert_eq!(wake_all(bell.close()), 0);
        });
    });
}

#[test]
fn bell_of_a_waiter_that_stands_on_another_thread_is_another() {
    // Its waker may be one that has got the old one's place in memory.
    explore(2, || {
        with_bell(WakeTier::Generic, |home, bell| {
            let probe = Probe::new();
            let (mut ticket, queued) = Ticket::new(
                1,
                Task {
                    waker: probe.waker(),
                    home: Some(home),
                },
            );
            wake(queued.call().unwrap().unwrap()).unwrap();
            let waker = probe.waker();
            let elsewhere = spawn(move || {
                let mut is_asked = false;
                let stand = ticket.stand(&Context::from_waker(&waker), |_| {
                    is_asked = true;
                    None
                });
                assert_eq!((stand, is_asked), (Stand::Again, true));
                ticket
            });
            let mut ticket = elsewhere.join().unwrap();
            let letter = queued.call().unwrap().unwrap();
            assert!(letter.home().is_none());
            wake(letter).unwrap();
            drop(ticket.cancel());
            ticket.finish();
            queued.finish();
            assert_eq!(wake_all(bell.close()), 0);
        });
    });
}
