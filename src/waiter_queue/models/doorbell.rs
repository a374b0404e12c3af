//! The doorbell: a listener that sleeps, and others that deliver.

use super::{
    super::{
        compio::Tiers,
        generic,
        queue::{Queued, Rewait, Ticket},
        tier::WakeTier,
        wake::{
            Batch, Doorbell, DoorbellOwner, Doorbells, Home, Task, Wake, WakeList, WakeStack,
            this_thread, wake,
        },
    },
    *,
};
use crate::loom::AtomicUsize;

type Owner = DoorbellOwner<Tiers>;

/// Runs `f` with a doorbell that lives until it returns.
fn with_doorbell(tier: WakeTier, f: impl FnOnce(Home, &'static Doorbell)) {
    let tiers = Box::into_raw(Box::new(Tiers::default()));
    // SAFETY: the models join all threads that know of the doorbell.
    let doorbell = Box::into_raw(Box::new(Doorbell::new(unsafe { &*tiers })));
    // SAFETY: as above.
    let open = unsafe { &*doorbell };
    open.open(tier);
    f(open.home(), open);
    // SAFETY: as above.
    drop(unsafe { (Box::from_raw(doorbell), Box::from_raw(tiers)) });
}

/// A waiter of that doorbell's, granted, whose future is gone.
pub(super) fn wake_of(probe: &Probe, home: Home) -> Wake {
    let (ticket, queued): (_, Queued) = Ticket::new(
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

fn stack(wakes_of: impl IntoIterator<Item = Wake>) -> WakeStack {
    let mut stack = WakeStack::new();
    wakes_of.into_iter().for_each(|wake_of| stack.push(wake_of));
    stack
}

fn wake_all(mut chain: WakeList) -> usize {
    let mut count = 0;
    while let Some(wake_of) = chain.pop_front() {
        wake(wake_of).unwrap();
        count += 1;
    }
    count
}

/// The listener: answers the doorbell until `count` wakes_of have come.
fn listen(doorbell: &Doorbell, count: usize) -> usize {
    let sleeper = Sleeper::new();
    let signalled = Probe::new();
    let mut sleeps = 0;
    let mut got = 0;
    loop {
        got += wake_all(doorbell.take());
        if got == count {
            break;
        }
        let waker = Waker::from(StdArc::new(Signalled {
            sleeper: sleeper.clone(),
            probe: signalled.clone(),
        }));
        if generic::sleep(doorbell, &Context::from_waker(&waker)) {
            sleeps += 1;
            sleeper.sleep();
            assert_eq!(
                signalled.wakes(),
                sleeps,
                "signalled more than once in a sleep"
            );
        }
    }
    sleeps
}

struct Signalled {
    sleeper: StdArc<Sleeper>,
    probe: Probe,
}

impl std::task::Wake for Signalled {
    fn wake(self: StdArc<Self>) {
        self.probe.waker().wake();
        self.sleeper.clone().wake();
    }
}

#[test]
fn doorbell_wakes_a_listener_that_falls_asleep_meanwhile() {
    explore(4, || {
        with_doorbell(WakeTier::Generic, |home, doorbell| {
            let probe = Probe::new();
            let deliverer = spawn({
                let probe = probe.clone();
                move || assert!(home.deliver(stack([wake_of(&probe, home)])).is_ok())
            });
            listen(doorbell, 1);
            deliverer.join().unwrap();
            assert_eq!(probe.wakes(), 1);
            assert_eq!(wake_all(doorbell.close()), 0);
        });
    });
}

#[test]
fn doorbell_is_signalled_once_a_sleep_by_two() {
    explore(2, || {
        with_doorbell(WakeTier::Generic, |home, doorbell| {
            let probe = Probe::new();
            let deliver = |probe: Probe| {
                move || assert!(home.deliver(stack([wake_of(&probe, home)])).is_ok())
            };
            let deliverers = [(); 2].map(|()| spawn(deliver(probe.clone())));
            let sleeps = listen(doorbell, 2);
            assert!(sleeps <= 2);
            deliverers.into_iter().for_each(|one| one.join().unwrap());
            assert_eq!(probe.wakes(), 2);
            assert_eq!(wake_all(doorbell.close()), 0);
        });
    });
}

#[test]
fn doorbell_is_signalled_by_the_tier_it_was_armed_with() {
    // A futex wakes nobody here: the listener would sleep for ever.
    explore(4, || {
        with_doorbell(WakeTier::Futex, |home, doorbell| {
            let probe = Probe::new();
            assert!(doorbell.arm(WakeTier::Futex));
            assert_eq!(wake_all(doorbell.take()), 0);
            let deliverer = spawn({
                let probe = probe.clone();
                move || assert!(home.deliver(stack([wake_of(&probe, home)])).is_ok())
            });
            listen(doorbell, 1);
            deliverer.join().unwrap();
            assert_eq!(probe.wakes(), 1);
            assert_eq!(wake_all(doorbell.close()), 0);
        });
    });
}

#[test]
fn doorbell_that_is_armed_again_by_another_tier_is_signalled_by_that() {
    // As above; but whoever delivers may have seen it armed before.
    explore(4, || {
        with_doorbell(WakeTier::Futex, |home, doorbell| {
            let probe = Probe::new();
            assert!(doorbell.arm(WakeTier::Futex));
            let deliverer = spawn({
                let probe = probe.clone();
                move || assert!(home.deliver(stack([wake_of(&probe, home)])).is_ok())
            });
            listen(doorbell, 1);
            deliverer.join().unwrap();
            assert_eq!(probe.wakes(), 1);
            assert_eq!(wake_all(doorbell.close()), 0);
        });
    });
}

#[test]
fn doorbell_that_closes_loses_no_wake() {
    explore(4, || {
        with_doorbell(WakeTier::Generic, |home, doorbell| {
            let (probe, data) = (Probe::new(), Data::new());
            let sleeper = Probe::new();
            assert!(generic::sleep(
                doorbell,
                &Context::from_waker(&sleeper.waker())
            ));
            let deliverer = spawn({
                let (probe, data) = (probe.clone(), data.clone());
                move || match home.deliver(stack([wake_of(&probe, home), wake_of(&probe, home)])) {
                    Ok(()) => 0,
                    Err(stack) => {
                        assert_eq!(data.read(), 1);
                        wake_all(stack.into_list())
                    }
                }
            });
            let taken = wake_all(doorbell.take());
            data.add(1);
            let left = wake_all(doorbell.close());
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
fn doorbell_that_closes_drops_the_listeners_waker() {
    explore(0, || {
        with_doorbell(WakeTier::Generic, |_, doorbell| {
            let probe = Probe::new();
            let waker = probe.waker();
            assert!(generic::sleep(doorbell, &Context::from_waker(&waker)));
            drop(waker);
            let before = StdArc::strong_count(&probe.0);
            assert_eq!(wake_all(doorbell.close()), 0);
            doorbell.drop_listener();
            assert_eq!(StdArc::strong_count(&probe.0), before - 1);
        });
    });
}

#[test]
fn doorbell_that_closes_under_two_keeps_no_wake_and_wakes_nobody() {
    explore(3, || {
        with_doorbell(WakeTier::Generic, |home, doorbell| {
            let probe = Probe::new();
            // As the combiners do it: through a batch.
            let deliver = |probe: Probe| {
                move || {
                    let mut batch = Batch::new();
                    batch.push(wake_of(&probe, home));
                    batch.deliver();
                    batch.finish();
                }
            };
            let deliverers = [(); 2].map(|()| spawn(deliver(probe.clone())));
            let sleeper = Probe::new();
            let _ = generic::sleep(doorbell, &Context::from_waker(&sleeper.waker()));
            wake_all(doorbell.close());
            deliverers.into_iter().for_each(|one| one.join().unwrap());
            assert_eq!(probe.wakes(), 0);
        });
    });
}

#[test]
fn doorbell_gives_wakes_out_in_the_order_they_came() {
    explore(4, || {
        with_doorbell(WakeTier::Generic, |home, doorbell| {
            let probes = [(); 3].map(|()| Probe::new());
            let deliverer = spawn({
                let probes = probes.clone();
                move || {
                    let [first, second, third] = &probes;
                    let both = stack([wake_of(first, home), wake_of(second, home)]);
                    assert!(home.deliver(both).is_ok());
                    assert!(home.deliver(stack([wake_of(third, home)])).is_ok());
                }
            });
            let wakes = || probes.clone().map(|probe| probe.wakes());
            let mut count = 0;
            let mut answer = |mut chain: WakeList| {
                while let Some(wake_of) = chain.pop_front() {
                    wake(wake_of).unwrap();
                    count += 1;
                    assert_eq!(wakes(), [1, (count > 1) as usize, (count > 2) as usize]);
                }
            };
            answer(doorbell.take());
            answer(doorbell.take());
            deliverer.join().unwrap();
            answer(doorbell.take());
            assert_eq!(count, 3);
            assert_eq!(wake_all(doorbell.close()), 0);
        });
    });
}

#[test]
fn doorbell_of_a_batch_is_its_waiters_home() {
    explore(2, || {
        with_doorbell(WakeTier::Generic, |home, doorbell| {
            let (local, remote) = (Probe::new(), Probe::new());
            assert!(home.is_at(this_thread()));
            let granter = spawn({
                let (local, remote) = (local.clone(), remote.clone());
                move || {
                    assert!(!home.is_at(this_thread()));
                    let (ticket, queued) = Ticket::new(
                        1,
                        Task {
                            waker: local.waker(),
                            home: None,
                        },
                    );
                    let mut batch = Batch::new();
                    batch.push(queued.grant(Outcome::Granted).1.unwrap());
                    batch.push(wake_of(&remote, home));
                    batch.deliver();
                    assert_eq!(local.wakes(), 1);
                    batch.finish();
                    ticket.finish();
                }
            });
            listen(doorbell, 1);
            assert_eq!(remote.wakes(), 1);
            granter.join().unwrap();
            assert_eq!(wake_all(doorbell.close()), 0);
        });
    });
}

/// A listener's waker, which uses the executor that it belongs to.
struct Remote {
    executor: Arc<Data>,
}

impl std::task::Wake for Remote {
    fn wake(self: StdArc<Self>) {
        self.executor.read();
    }
}

fn sleep(doorbell: &Doorbell, executor: &Arc<Data>) -> bool {
    let waker = Waker::from(StdArc::new(Remote {
        executor: executor.clone(),
    }));
    generic::sleep(doorbell, &Context::from_waker(&waker))
}

/// Runs `f` with a list of doorbells that lives until it returns, and returns how many there were.
pub(super) fn with_doorbells(f: impl FnOnce(&'static Doorbells<Tiers>)) -> usize {
    let doorbells = Box::into_raw(Box::new(Doorbells::new()));
    // SAFETY: the models join all threads that know of the list.
    let list = unsafe { &*doorbells };
    f(list);
    let count = list.free();
    // SAFETY: as above.
    drop(unsafe { Box::from_raw(doorbells) });
    count
}

pub(super) fn deliver(wake_of: Wake) {
    let mut batch = Batch::new();
    batch.push(wake_of);
    batch.deliver();
    batch.finish();
}

#[test]
fn runtime_that_ends_waits_for_those_who_signal_it() {
    explore(2, || {
        with_doorbells(|doorbells| {
            let probe = Probe::new();
            let executor = Data::new();
            let mut open = doorbells.open(WakeTier::Generic);
            let home = open.doorbell().home();
            let signallers = [(); 2].map(|()| {
                let probe = probe.clone();
                spawn(move || deliver(wake_of(&probe, home)))
            });
            // Sleeps again, perhaps while the first is still signalling.
            assert!(open.drain(|doorbell| sleep(doorbell, &executor)));
            assert!(open.drain(|doorbell| sleep(doorbell, &executor)));
            let woken = probe.wakes();
            drop(open);
            // The executor goes.
            executor.add(1);
            signallers.into_iter().for_each(|one| one.join().unwrap());
            assert_eq!(probe.wakes(), woken, "woken with the runtime gone");
        });
    });
}

#[test]
fn runtime_that_ends_wakes_nobody_whom_its_listener_has_left_for_later() {
    explore(2, || {
        with_doorbells(|doorbells| {
            let probe = Probe::new();
            let mut open = doorbells.open(WakeTier::Generic);
            let home = open.doorbell().home();
            let wakes_of = stack([(); 3].map(|()| wake_of(&probe, home)));
            assert!(
                spawn(move || home.deliver(wakes_of).is_ok())
                    .join()
                    .unwrap()
            );
            assert!(!open.drain(|_| unreachable!("others should have their combiner first")));
            drop(open);
            assert_eq!(probe.wakes(), 2);
        });
    });
}

#[test]
fn wake_for_a_runtime_that_is_gone_wakes_nobody_in_the_next() {
    explore(3, || {
        let doorbells = with_doorbells(|doorbells| {
            let (probe, own) = (Probe::new(), Probe::new());
            let executors = [(); 2].map(|()| Data::new());
            let first = doorbells.open(WakeTier::Generic);
            let home = first.doorbell().home();
            let late = spawn({
                let probe = probe.clone();
                move || deliver(wake_of(&probe, home))
            });
            drop(first);
            executors[0].add(1);

            let mut second = doorbells.open(WakeTier::Generic);
            let successor = second.doorbell().home();
            assert!(home != successor && home.is_gone() && !successor.is_gone());
            assert!(!home.is_at(this_thread()) && successor.is_at(this_thread()));
            assert!(second.drain(|doorbell| sleep(doorbell, &executors[1])));
            deliver(wake_of(&own, successor));
            assert!(home.deliver(stack([])).is_err());
            late.join().unwrap();
            assert!(second.drain(|doorbell| sleep(doorbell, &executors[1])));
            let stats = second.doorbell().counters(WakeTier::Generic).read();
            drop(second);
            executors[1].add(1);
            assert_eq!((probe.wakes(), own.wakes()), (0, 1));
            assert_eq!(stats.wakes, 0, "counted a waiter that was not woken");
        });
        assert_eq!(doorbells, 1, "a place is used again");
    });
}

#[test]
fn runtimes_that_begin_and_end_at_once_have_a_doorbell_each() {
    explore(3, || {
        let doorbells = with_doorbells(|doorbells| {
            drop(doorbells.open(WakeTier::Generic));
            let live = |()| {
                let executor = Data::new();
                let mut open = doorbells.open(WakeTier::Generic);
                assert!(open.drain(|doorbell| sleep(doorbell, &executor)));
                drop(open);
                executor.add(1);
            };
            let other = spawn(move || live(()));
            live(());
            other.join().unwrap();
        });
        assert!((1..=2).contains(&doorbells));
    });
}

#[test]
fn doorbells_made_by_two_at_once_are_both_kept() {
    explore(3, || {
        let doorbells = with_doorbells(|doorbells| {
            let other = spawn(|| doorbells.open(WakeTier::Generic));
            let open = [doorbells.open(WakeTier::Generic), other.join().unwrap()];
            let mut made = open.each_ref().map(|it| std::ptr::from_ref(it.doorbell()));
            assert_ne!(made[0], made[1]);
            drop(open);
            let again = [(); 2].map(|()| doorbells.open(WakeTier::Generic));
            let mut again = again.each_ref().map(|it| std::ptr::from_ref(it.doorbell()));
            again.sort();
            made.sort();
            assert_eq!(again, made, "a place was lost");
        });
        assert_eq!(doorbells, 2);
    });
}

#[test]
fn runtime_that_is_gone_stays_gone_when_another_has_its_doorbell() {
    explore(4, || {
        with_doorbells(|doorbells| {
            let first = doorbells.open(WakeTier::Generic);
            let home = first.doorbell().home();
            drop(first);
            let next = spawn(|| doorbells.open(WakeTier::Generic));
            assert!(home.is_gone());
            assert!(home.deliver(stack([])).is_err());
            drop(next.join().unwrap());
        });
    });
}

#[test]
fn runtimes_that_end_while_they_signal_each_other_wait_for_each_other() {
    explore(3, || {
        with_doorbells(|doorbells| {
            let probe = Probe::new();
            let executors = [(); 2].map(|()| Data::new());
            let mut first = doorbells.open(WakeTier::Generic);
            assert!(first.drain(|doorbell| sleep(doorbell, &executors[0])));
            let mut second = spawn(|| doorbells.open(WakeTier::Generic)).join().unwrap();
            assert!(second.drain(|doorbell| sleep(doorbell, &executors[1])));
            let [one, two] = [&first, &second].map(|it| it.doorbell().home());
            let end = |open: Owner, executor: Arc<Data>, other: Home, probe: Probe| {
                deliver(wake_of(&probe, other));
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

impl std::task::Wake for Slow {
    fn wake(self: StdArc<Self>) {
        self.sleeper.clone().wake();
        self.after.load(Relaxed);
    }
}

#[test]
fn listener_with_another_waker_waits_for_those_who_call_the_last() {
    explore(3, || {
        with_doorbell(WakeTier::Generic, |home, doorbell| {
            let (probe, sleeper) = (Probe::new(), Sleeper::new());
            let waker = || {
                Waker::from(StdArc::new(Slow {
                    sleeper: sleeper.clone(),
                    after: AtomicUsize::new(0),
                }))
            };
            assert!(generic::sleep(doorbell, &Context::from_waker(&waker())));
            let deliverer = spawn({
                let probe = probe.clone();
                move || assert!(home.deliver(stack([wake_of(&probe, home)])).is_ok())
            });
            sleeper.sleep();
            assert_eq!(wake_all(doorbell.take()), 1);
            assert!(generic::sleep(doorbell, &Context::from_waker(&waker())));
            deliverer.join().unwrap();
            assert_eq!(wake_all(doorbell.close()), 0);
            doorbell.drop_listener();
        });
    });
}

#[test]
fn doorbell_of_a_single_waiter_is_its_home() {
    explore(2, || {
        with_doorbell(WakeTier::Generic, |home, doorbell| {
            let probe = Probe::new();
            let granter = spawn({
                let probe = probe.clone();
                move || {
                    let mut batch = Batch::new();
                    batch.push(wake_of(&probe, home));
                    batch.deliver();
                    batch.finish();
                }
            });
            granter.join().unwrap();
            assert_eq!(probe.wakes(), 0);
            listen(doorbell, 1);
            assert_eq!(probe.wakes(), 1);
            assert_eq!(wake_all(doorbell.close()), 0);
        });
    });
}

#[test]
fn doorbell_of_a_waiter_that_stands_on_another_thread_is_another() {
    // Its waker may be one that has got the old one's place in memory.
    explore(2, || {
        with_doorbell(WakeTier::Generic, |home, doorbell| {
            let probe = Probe::new();
            let (mut ticket, queued) = Ticket::new(
                1,
                Task {
                    waker: probe.waker(),
                    home: Some(home),
                },
            );
            wake(queued.wake().unwrap().unwrap()).unwrap();
            let waker = probe.waker();
            let elsewhere = spawn(move || {
                let mut is_asked = false;
                let stand = ticket.rewait(&Context::from_waker(&waker), |_| {
                    is_asked = true;
                    None
                });
                assert_eq!((stand, is_asked), (Rewait::Waiting, true));
                ticket
            });
            let mut ticket = elsewhere.join().unwrap();
            let wake_of = queued.wake().unwrap().unwrap();
            assert!(wake_of.home().is_none());
            wake(wake_of).unwrap();
            drop(ticket.cancel());
            ticket.finish();
            queued.finish();
            assert_eq!(wake_all(doorbell.close()), 0);
        });
    });
}
