//! Read-write locks, and waits that go ahead of everyone in a queue.

use super::{primitive::poll, *};
use crate::{Fairness, RwLock, RwLockUpgradableReadGuard, RwLockWriteGuard};

// ---- going ahead ----

/// A wait that goes ahead of everyone.
struct AheadWait {
    queue: Arc<Queue>,
    slot: Slot,
    need: usize,
    probe: Probe,
}

impl AheadWait {
    fn new(queue: &Arc<Queue>, need: usize) -> Self {
        Self {
            queue: queue.clone(),
            slot: Slot::Idle,
            need,
            probe: Probe::new(),
        }
    }

    fn poll(&mut self) -> bool {
        let waker = self.probe.waker();
        let cx = Context::from_waker(&waker);
        self.queue
            .poll_take_ahead(&mut self.slot, self.need, &cx)
            .is_ready()
    }

    /// Whether it has its permits, having been polled when it was woken.
    #[track_caller]
    fn ends(&mut self) {
        if !self.slot.is_done() {
            assert_eq!(self.probe.wakes(), 1, "it is lost");
            assert!(self.poll(), "it was woken for nothing");
        }
    }

    /// Cancels the wait, as a future that is dropped does.
    fn leave(&mut self) {
        if !self.slot.is_done() && self.queue.leave(&mut self.slot) == Left::With(Outcome::Granted)
        {
            self.queue.give(self.need);
        }
    }
}

/// There are two permits, of which the caller has both, and one waits for both. The caller gives
/// one, and wants it back, while another thread gives and takes.
fn ahead_of_who_waits_for_its_permit(limit: u8) {
    let queue = bounded(2, limit);
    assert!(queue.try_take(2));
    let mut writer = Wait::permits(&queue, 2).queued();
    let giver = spawn({
        let queue = queue.clone();
        move || queue.give(1)
    });
    let mut ahead = AheadWait::new(&queue, 1);
    ahead.poll();
    giver.join().unwrap();
    ahead.ends();
    assert_eq!((queue.permits(), writer.wakes()), (0, 0));
    queue.give(2);
    writer.runs(0);
    queue.give(2);
    assert_at_rest(&queue, 2);
}

#[test]
fn who_goes_ahead_has_its_permit_before_one_that_waits_for_all() {
    explore(3, || ahead_of_who_waits_for_its_permit(0));
}

#[test]
fn who_goes_ahead_with_barging_has_its_permit_before_one_that_waits_for_all() {
    explore(3, || ahead_of_who_waits_for_its_permit(1));
}

/// Cancelled while the permit comes: the other waiter has it.
fn ahead_and_gone(limit: u8) {
    let queue = bounded(1, limit);
    assert!(queue.try_take(1));
    let mut other = Wait::permits(&queue, 1).queued();
    let giver = spawn({
        let queue = queue.clone();
        move || queue.give(1)
    });
    let mut ahead = AheadWait::new(&queue, 1);
    ahead.poll();
    if ahead.slot.is_done() {
        queue.give(1);
    }
    ahead.leave();
    giver.join().unwrap();
    other.runs(0);
    queue.give(1);
    assert_at_rest(&queue, 1);
}

#[test]
fn who_goes_ahead_and_is_cancelled_passes_its_permit_on() {
    explore(3, || ahead_and_gone(0));
}

#[test]
fn who_goes_ahead_with_barging_and_is_cancelled_passes_its_permit_on() {
    explore(3, || ahead_and_gone(1));
}

/// A head that has been woken, and is polled while another goes ahead of it.
#[test]
fn who_goes_ahead_of_a_woken_head_and_the_head_have_the_permit_one_after_the_other() {
    explore(3, || {
        let (queue, data) = (bounded(1, 1), Data::new());
        assert!(queue.try_take(1));
        let mut head = Wait::permits(&queue, 1).queued();
        queue.give(1);
        assert_eq!(head.wakes(), 1);
        let other = spawn({
            let (queue, data) = (queue.clone(), data.clone());
            move || {
                let mut ahead = AheadWait::new(&queue, 1);
                if ahead.poll() {
                    data.add(1);
                    queue.give(1);
                    return None;
                }
                Some(ahead)
            }
        });
        let had = head.poll().is_ready();
        if had {
            data.add(1);
            queue.give(1);
        }
        if let Some(mut ahead) = other.join().unwrap() {
            ahead.ends();
            data.add(1);
            queue.give(1);
        }
        if !had {
            head.runs(1);
            data.add(1);
            queue.give(1);
        }
        assert_eq!(data.read(), 2);
        assert_at_rest(&queue, 1);
    });
}

/// One that was skipped waits again, and another goes ahead of it.
#[test]
fn who_goes_ahead_goes_before_those_who_were_skipped() {
    explore(2, || {
        let queue = bounded(1, 1);
        assert!(queue.try_take(1));
        let mut skipped = Wait::permits(&queue, 1).queued();
        let mut second = Wait::permits(&queue, 1).queued();
        queue.give(1);
        assert!(queue.try_take(1), "one may pass");
        queue.give(1);
        assert!(queue.try_take(1), "one may pass the second");
        let other = spawn({
            let queue = queue.clone();
            move || {
                let mut ahead = AheadWait::new(&queue, 1);
                assert!(!ahead.poll());
                ahead
            }
        });
        assert!(skipped.poll().is_pending());
        let mut ahead = other.join().unwrap();
        assert!(second.poll().is_pending());
        queue.give(1);
        ahead.ends();
        assert_eq!((skipped.wakes(), second.wakes()), (1, 1));
        queue.give(1);
        skipped.runs(1);
        queue.give(1);
        second.runs(1);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

#[test]
fn permit_granted_to_the_head_is_not_taken_by_one_that_goes_ahead() {
    explore(3, || {
        let queue = queue(1);
        assert!(queue.try_take(1));
        let mut head = Wait::permits(&queue, 1).queued();
        let giver = spawn({
            let queue = queue.clone();
            move || queue.give(1)
        });
        let had = queue.try_take_ahead(1);
        giver.join().unwrap();
        assert_eq!(head.wakes(), usize::from(!had), "two have it, or nobody");
        if had {
            queue.give(1);
        }
        head.runs(0);
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

/// One may barge. One goes ahead of a head, and has the permit; then there is a newcomer.
fn overtaken_by_one_that_goes_ahead(waits: bool) {
    let queue = bounded(1, 1);
    assert!(queue.try_take(1));
    let mut head = Wait::permits(&queue, 1).queued();
    let mut ahead = AheadWait::new(&queue, 1);
    if waits {
        assert!(!ahead.poll());
        queue.give(1);
        assert_eq!(head.wakes(), 0);
        ahead.ends();
    } else {
        queue.give(1);
        assert_eq!(head.wakes(), 1);
        assert!(ahead.poll());
        assert!(head.poll().is_pending());
    }
    let before = head.wakes();
    let newcomer = spawn({
        let queue = queue.clone();
        move || queue.try_take(1)
    });
    queue.give(1);
    assert!(!newcomer.join().unwrap(), "two have overtaken it");
    head.runs(before);
    queue.give(1);
    assert_at_rest(&queue, 1);
}

#[test]
fn who_is_overtaken_by_one_that_goes_ahead_is_overtaken_by_nobody_else() {
    explore(3, || overtaken_by_one_that_goes_ahead(true));
}

#[test]
fn who_goes_ahead_without_waiting_counts_as_barging() {
    explore(3, || overtaken_by_one_that_goes_ahead(false));
}

/// It takes what is there again and again: the head is skipped, and then served.
#[test]
fn who_goes_ahead_often_barges_no_more_often_than_may_be() {
    explore(2, || {
        let queue = bounded(1, 1);
        assert!(queue.try_take(1));
        let mut head = Wait::permits(&queue, 1).queued();
        queue.give(1);
        assert_eq!(head.wakes(), 1);
        for _ in 0..3 {
            if queue.try_take_ahead(1) {
                queue.give(1);
            }
        }
        let other = spawn({
            let queue = queue.clone();
            move || {
                if queue.try_take_ahead(1) {
                    queue.give(1);
                }
            }
        });
        let had = head.poll().is_ready();
        other.join().unwrap();
        if !had {
            head.runs(1);
        }
        queue.give(1);
        assert_at_rest(&queue, 1);
    });
}

// ---- the lock ----

type Lock = StdArc<RwLock<()>>;

fn lock(fairness: Fairness) -> Lock {
    StdArc::new(RwLock::with_max_readers_and_fairness((), 3, fairness))
}

/// What both fairnesses have to keep.
macro_rules! with_each_fairness {
    ($($(#[$meta:meta])* $fifo:ident: $few:literal, $bounded:ident: $many:literal, |$lock:ident| $model:block)*) => {$(
        $(#[$meta])*
        #[test]
        fn $fifo() {
            explore($few, || {
                let $lock = lock(Fairness::Fifo);
                $model
                assert_free(&$lock);
            });
        }

        $(#[$meta])*
        #[test]
        fn $bounded() {
            explore($many, || {
                let $lock = lock(Fairness::Bounded(1));
                $model
                assert_free(&$lock);
            });
        }
    )*};
}

#[track_caller]
fn assert_free(lock: &Lock) {
    assert_eq!(lock.waiter_count(), 0);
    drop(lock.try_write().expect("it is locked"));
    drop(
        lock.try_upgradable_read()
            .expect("there is an upgradable reader"),
    );
}

with_each_fairness! {
    lock_lets_one_write_and_others_read_what_it_wrote: 2,
    lock_with_barging_lets_one_write_and_others_read_what_it_wrote: 2, |lock| {
        let data = Data::new();
        let writer = spawn({
            let (lock, data) = (lock.clone(), data.clone());
            move || {
                let guard = block_on(lock.write());
                data.add(1);
                data.add(1);
                drop(guard);
            }
        });
        let reader = spawn({
            let (lock, data) = (lock.clone(), data.clone());
            move || {
                let guard = block_on(lock.read());
                assert!(matches!(data.read(), 0 | 2));
                drop(guard);
            }
        });
        let guard = block_on(lock.read());
        assert!(matches!(data.read(), 0 | 2));
        drop(guard);
        writer.join().unwrap();
        reader.join().unwrap();
    }

    upgrade_waits_for_no_writer: 2,
    upgrade_with_barging_waits_for_no_writer: 2, |lock| {
        let data = Data::new();
        let mut guard = block_on(lock.upgradable_read());
        let writer = spawn({
            let (lock, data) = (lock.clone(), data.clone());
            move || {
                let guard = block_on(lock.write());
                data.add(1);
                drop(guard);
            }
        });
        assert_eq!(data.read(), 0);
        let upgraded = block_on(RwLockUpgradableReadGuard::upgrade(&mut guard));
        assert_eq!(data.read(), 0, "somebody wrote since it was read");
        data.add(10);
        drop(upgraded);
        assert_eq!(data.read(), 10, "somebody wrote while it is read");
        drop(guard);
        writer.join().unwrap();
        assert_eq!(data.read(), 11);
    }

    upgrade_waits_for_readers_and_they_for_it: 2,
    upgrade_with_barging_waits_for_readers_and_they_for_it: 1, |lock| {
        let data = Data::new();
        let mut guard = block_on(lock.upgradable_read());
        let readers = [(); 2].map(|()| {
            let (lock, data) = (lock.clone(), data.clone());
            spawn(move || {
                let guard = block_on(lock.read());
                assert!(matches!(data.read(), 0 | 2));
                drop(guard);
            })
        });
        let upgraded = block_on(RwLockUpgradableReadGuard::upgrade(&mut guard));
        data.add(1);
        data.add(1);
        drop(upgraded);
        assert_eq!(data.read(), 2);
        drop(guard);
        for reader in readers {
            reader.join().unwrap();
        }
    }

    two_upgradable_readers_do_not_wait_for_each_other_to_end: 2,
    two_upgradable_readers_with_barging_do_not_wait_for_each_other_to_end: 2, |lock| {
        let data = Data::new();
        let upgrade = |lock: Lock, data: Arc<Data>| {
            let mut guard = block_on(lock.upgradable_read());
            let seen = data.read();
            let upgraded = block_on(RwLockUpgradableReadGuard::upgrade(&mut guard));
            assert_eq!(data.read(), seen);
            data.add(1);
            drop(upgraded);
        };
        let other = spawn({
            let (lock, data) = (lock.clone(), data.clone());
            move || upgrade(lock, data)
        });
        upgrade(lock.clone(), data.clone());
        other.join().unwrap();
        assert_eq!(data.read(), 2);
    }

    upgrade_that_is_cancelled_leaves_its_read_and_lets_others_go_on: 3,
    upgrade_with_barging_that_is_cancelled_leaves_its_read_and_lets_others_go_on: 3, |lock| {
        let (upgrader, waits) = (Probe::new(), Probe::new());
        let mut guard = lock.try_upgradable_read().unwrap();
        let reader = lock.clone().try_read_owned().unwrap();
        let mut next = pin!(lock.read());
        {
            let mut upgrade = Box::pin(RwLockUpgradableReadGuard::upgrade(&mut guard));
            assert!(poll(upgrade.as_mut(), &upgrader).is_pending());
            assert!(poll(next.as_mut(), &waits).is_pending());
            let other = spawn(move || drop(reader));
            drop(upgrade);
            other.join().unwrap();
        }
        assert_eq!(waits.wakes(), 1, "the reader is lost");
        let Poll::Ready(next) = poll(next.as_mut(), &waits) else {
            panic!("the reader is lost")
        };
        assert!(lock.try_write().is_none(), "the read is lost");
        assert!(lock.try_upgradable_read().is_none(), "the right to upgrade is lost");
        drop(next);
        drop(RwLockUpgradableReadGuard::try_upgrade(&mut guard).expect("nobody else reads"));
        drop(guard);
    }

    upgradable_read_that_is_cancelled_passes_the_right_on: 3,
    upgradable_read_with_barging_that_is_cancelled_passes_the_right_on: 3, |lock| {
        let (leaving, staying) = (Probe::new(), Probe::new());
        let writer = lock.clone().try_write_owned().unwrap();
        let mut stays = pin!(lock.upgradable_read());
        {
            // It has the right to upgrade, and waits to read.
            let mut leaves = Box::pin(lock.upgradable_read());
            assert!(poll(leaves.as_mut(), &leaving).is_pending());
            assert!(poll(stays.as_mut(), &staying).is_pending());
            let other = spawn(move || drop(writer));
            drop(leaves);
            other.join().unwrap();
        }
        assert_eq!(staying.wakes(), 1, "the right is lost");
        assert!(poll(stays.as_mut(), &staying).is_ready());
    }

    write_that_is_cancelled_lets_readers_go_on: 3,
    write_with_barging_that_is_cancelled_lets_readers_go_on: 3, |lock| {
        let (leaving, staying) = (Probe::new(), Probe::new());
        let reader = lock.clone().try_read_owned().unwrap();
        let mut reads = pin!(lock.read());
        {
            let mut writes = Box::pin(lock.write());
            assert!(poll(writes.as_mut(), &leaving).is_pending());
            // The one that may barge.
            drop(lock.try_read());
            assert!(poll(reads.as_mut(), &staying).is_pending());
            let other = spawn(move || drop(reader));
            drop(writes);
            other.join().unwrap();
        }
        assert_eq!(staying.wakes(), 1, "the reader is lost");
        assert!(poll(reads.as_mut(), &staying).is_ready());
    }

    downgrade_lets_readers_in_and_nobody_write: 2,
    downgrade_with_barging_lets_readers_in_and_nobody_write: 1, |lock| {
        let data = Data::new();
        let guard = block_on(lock.write());
        data.add(1);
        let others = [true, false].map(|writes| {
            let (lock, data) = (lock.clone(), data.clone());
            spawn(move || {
                if writes {
                    let guard = block_on(lock.write());
                    data.add(1);
                    drop(guard);
                } else {
                    let guard = block_on(lock.read());
                    assert!(data.read() >= 1);
                    drop(guard);
                }
            })
        });
        let guard = RwLockWriteGuard::downgrade(guard);
        assert_eq!(data.read(), 1, "somebody wrote in between");
        drop(guard);
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(data.read(), 2);
    }
}
