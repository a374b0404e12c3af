//! [`RwLock`]: who reads, who writes, who gets it next, and what upgrades do.

mod common;

use std::{
    cell::Cell,
    fmt::Display,
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Hooks, Polled, Task, World, claims::Primitive, message, panic_of, until};
use compio_sync::{
    Elapsed, Fairness, OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard,
    OwnedRwLockUpgradableReadGuard, OwnedRwLockWriteGuard, RwLock, RwLockMappedWriteGuard,
    RwLockReadGuard, RwLockUpgradableReadGuard, RwLockWriteGuard,
};
use futures_util::{FutureExt, future::BoxFuture, poll};

// ---- waiting like the others ----

/// A lock that is written. Whose wait to write ends puts the guard back.
struct Written<const LIMIT: u8> {
    lock: Arc<RwLock<()>>,
    guard: StdMutex<Option<OwnedRwLockWriteGuard<()>>>,
}

impl<const LIMIT: u8> Default for Written<LIMIT> {
    fn default() -> Self {
        let lock = Arc::new(RwLock::with_fairness((), Fairness::Bounded(LIMIT)));
        let guard = StdMutex::new(lock.clone().try_write_owned());
        Self { lock, guard }
    }
}

impl<const LIMIT: u8> Primitive for Written<LIMIT> {
    const RELEASES_ONE: bool = true;
    const CALLS: bool = LIMIT > 0;

    fn wait(self: Arc<Self>) -> BoxFuture<'static, ()> {
        async move {
            let guard = self.lock.clone().write_owned().await;
            *self.guard.lock().unwrap() = Some(guard);
        }
        .boxed()
    }

    fn release(&self) {
        let guard = self.guard.lock().unwrap().take();
        drop(guard);
    }

    fn release_all(&self) {
        self.release();
    }

    fn waiter_count(&self) -> usize {
        self.lock.waiter_count()
    }
}

/// A lock that has an upgradable reader. Whose wait for that ends puts the guard back.
struct Upgradable<const LIMIT: u8> {
    lock: Arc<RwLock<()>>,
    guard: StdMutex<Option<OwnedRwLockUpgradableReadGuard<()>>>,
}

impl<const LIMIT: u8> Default for Upgradable<LIMIT> {
    fn default() -> Self {
        let lock = Arc::new(RwLock::with_fairness((), Fairness::Bounded(LIMIT)));
        let guard = StdMutex::new(lock.clone().try_upgradable_read_owned());
        Self { lock, guard }
    }
}

impl<const LIMIT: u8> Primitive for Upgradable<LIMIT> {
    const RELEASES_ONE: bool = true;
    const CALLS: bool = LIMIT > 0;

    fn wait(self: Arc<Self>) -> BoxFuture<'static, ()> {
        async move {
            let guard = self.lock.clone().upgradable_read_owned().await;
            *self.guard.lock().unwrap() = Some(guard);
        }
        .boxed()
    }

    fn release(&self) {
        let guard = self.guard.lock().unwrap().take();
        drop(guard);
    }

    fn release_all(&self) {
        self.release();
    }

    fn waiter_count(&self) -> usize {
        self.lock.waiter_count()
    }
}

mod writes {
    mod fifo {
        crate::waits_like_the_others!(crate::Written<0>);
    }

    mod bounded {
        crate::waits_like_the_others!(crate::Written<16>);
    }
}

mod upgradable_reads {
    mod fifo {
        crate::waits_like_the_others!(crate::Upgradable<0>);
    }

    mod bounded {
        crate::waits_like_the_others!(crate::Upgradable<16>);
    }
}

fn each_fairness(test: impl Fn(Fairness)) {
    for fairness in [Fairness::Fifo, Fairness::Bounded(1), Fairness::default()] {
        test(fairness);
    }
}

/// A lock that is handed over to those who wait.
const fn fifo<T>(value: T) -> RwLock<T> {
    RwLock::with_fairness(value, Fairness::Fifo)
}

fn is_locked<T: ?Sized>(lock: &RwLock<T>) -> bool {
    lock.try_write().is_none()
}

/// Whether it is read, by somebody who lets others read.
fn is_read<T: ?Sized>(lock: &RwLock<T>) -> bool {
    is_locked(lock) && lock.try_read().is_some()
}

#[track_caller]
fn is_free<T: ?Sized>(lock: &RwLock<T>) {
    assert_eq!(lock.waiter_count(), 0);
    drop(lock.try_write().expect("it is locked"));
    drop(
        lock.try_upgradable_read()
            .expect("somebody has the right to upgrade"),
    );
}

fn upgrade<'a, T: ?Sized>(
    guard: &'a mut RwLockUpgradableReadGuard<'_, T>,
) -> compio_sync::RwLockUpgrade<'a, T> {
    RwLockUpgradableReadGuard::upgrade(guard)
}

// ---- locking ----

#[test]
fn readers_share_and_a_writer_excludes_everybody() {
    let lock = Arc::new(RwLock::new(1));
    let first = Polled::new(lock.read()).ready();
    let second = Polled::new(lock.clone().read_owned()).ready();
    assert!(Arc::ptr_eq(OwnedRwLockReadGuard::rwlock(&second), &lock));
    assert_eq!((*first, *second, is_read(&lock)), (1, 1, true));
    assert!(lock.clone().try_write_owned().is_none());
    drop(first);
    assert!(is_locked(&lock));
    drop(second);

    let mut guard = Polled::new(lock.write()).ready();
    *guard += 1;
    assert!(lock.try_read().is_none() && lock.clone().try_read_owned().is_none());
    assert!(lock.try_write().is_none() && lock.try_upgradable_read().is_none());
    assert!(lock.clone().try_upgradable_read_owned().is_none());
    drop(guard);
    let mut guard = Polled::new(lock.clone().write_owned()).ready();
    assert!(Arc::ptr_eq(OwnedRwLockWriteGuard::rwlock(&guard), &lock));
    *guard += 1;
    assert!(lock.try_read().is_none());
    drop(guard);
    assert_eq!(*lock.try_read().unwrap(), 3);
    is_free(&lock);
}

#[test]
fn as_many_read_as_may() {
    each_fairness(|fairness| {
        let lock = RwLock::with_max_readers_and_fairness((), 2, fairness);
        assert_eq!((lock.max_readers(), lock.fairness()), (2, fairness));
        let first = lock.try_read().unwrap();
        let second = lock.try_upgradable_read().unwrap();
        assert!(lock.try_read().is_none());
        let mut third = Polled::pending(lock.read());
        drop(first);
        assert_eq!(third.wakes(), 1);
        let third = third.ready();
        assert!(lock.try_read().is_none());
        drop((second, third));
        is_free(&lock);
    });
}

#[test]
fn lock_with_one_reader_upgrades_at_once() {
    let lock = RwLock::with_max_readers(1, 1);
    let mut guard = lock.try_upgradable_read().unwrap();
    *Polled::new(upgrade(&mut guard)).ready() += 1;
    *RwLockUpgradableReadGuard::try_upgrade(&mut guard).unwrap() += 1;
    let guard = RwLockUpgradableReadGuard::downgrade(guard);
    assert_eq!((*guard, lock.try_read().is_none()), (3, true));
    drop(guard);
    let read = RwLockWriteGuard::downgrade(lock.try_write().unwrap());
    assert!(lock.try_read().is_none());
    drop(read);
    is_free(&lock);
}

#[test]
fn room_for_no_reader_or_too_many_is_refused() {
    let panic = panic_of(|| RwLock::with_max_readers((), 0));
    assert!(panic.contains("room for a reader"), "{panic}");
    let most = RwLock::<()>::MAX_READERS;
    assert_eq!(RwLock::with_max_readers((), most).max_readers(), most);
    assert_eq!(RwLock::new(()).max_readers(), most);
    if let Some(more) = most.checked_add(1) {
        let panic = panic_of(|| RwLock::with_max_readers((), more));
        assert!(panic.contains("MAX_READERS"), "{panic}");
    }
}

#[test]
fn value_is_reached_without_locking_where_the_lock_is_ones_own() {
    let mut lock = RwLock::from(1);
    *lock.get_mut() += 1;
    assert_eq!(lock.into_inner(), 2);
    assert_eq!(RwLock::<u8>::default().into_inner(), 0);
}

#[test]
fn lock_may_be_a_static() {
    static NAMES: RwLock<Vec<&str>> = RwLock::new(Vec::new());
    NAMES.blocking_write().push("a");
    assert_eq!(*NAMES.blocking_read(), ["a"]);
}

#[test]
fn value_may_be_unsized() {
    let array: Arc<RwLock<[u8]>> = Arc::new(RwLock::new([1, 2, 3]));
    Polled::new(array.write()).ready()[0] = 4;
    let last = OwnedRwLockReadGuard::map(array.clone().try_read_owned().unwrap(), |it| &it[2]);
    assert_eq!(*last, 3);
    drop(last);
    let mut guard = array.clone().blocking_upgradable_read_owned();
    OwnedRwLockUpgradableReadGuard::blocking_upgrade(&mut guard)[1] = 5;
    assert_eq!(*guard, [4, 5, 3]);

    let object: Box<RwLock<dyn Display + Send + Sync>> = Box::new(RwLock::new(5));
    assert_eq!(object.blocking_read().to_string(), "5");
    assert_eq!(object.try_write().unwrap().to_string(), "5");
}

#[test]
fn debug_shows_the_value_unless_it_is_written() {
    let lock = RwLock::new(7);
    let guard = lock.try_read().unwrap();
    let shown = format!("{lock:?} {guard:?} {guard}");
    assert_eq!(shown, "RwLock { data: 7, .. } 7 7");
    drop(guard);
    let guard = lock.try_write().unwrap();
    let shown = format!("{lock:?} {guard:?} {guard}");
    assert_eq!(shown, "RwLock { data: <locked>, .. } 7 7");
    assert_eq!(format!("{:?}", lock.read()), "RwLockRead { .. }");
}

#[test]
fn value_is_dropped_once_with_the_last_owner() {
    struct CountsDrops(Arc<AtomicUsize>);
    impl Drop for CountsDrops {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let lock = Arc::new(RwLock::new((CountsDrops(drops.clone()), 1)));
    let guard = lock.try_write_owned().unwrap();
    let part = OwnedRwLockWriteGuard::downgrade_map(guard, |it| &it.1);
    let part = OwnedRwLockReadGuard::map(part, |it| it);
    assert_eq!((*part, drops.load(SeqCst)), (1, 0));
    drop(part);
    assert_eq!(drops.load(SeqCst), 1);
}

// ---- order ----

#[test]
fn readers_and_writers_are_served_in_the_order_they_came() {
    let lock = fifo(());
    let writer = lock.try_write();
    let mut reads = [(); 2].map(|()| Polled::pending(lock.read()));
    let mut write = Polled::pending(lock.write());
    let mut late = Polled::pending(lock.read());
    drop(writer);
    assert_eq!(reads.each_ref().map(Polled::wakes), [1, 1]);
    assert_eq!((write.wakes(), late.wakes()), (0, 0));
    let reads = reads.each_mut().map(Polled::ready);
    drop(reads);
    assert_eq!((write.wakes(), late.wakes()), (1, 0));
    assert!(lock.try_read().is_none(), "nobody barges");
    drop(write.ready());
    drop(late.ready());
    is_free(&lock);
}

#[test]
fn readers_that_wait_side_by_side_are_let_in_together() {
    each_fairness(|fairness| {
        let lock = RwLock::with_fairness((), fairness);
        let writer = lock.try_write();
        let mut reads = Vec::from_iter((0..40).map(|_| Polled::pending(lock.read())));
        let write = Polled::pending(lock.write());
        drop(writer);
        let guards = Vec::from_iter(reads.iter_mut().map(|it| {
            assert_eq!(it.wakes(), 1);
            it.ready()
        }));
        assert_eq!((guards.len(), write.wakes()), (40, 0));
    });
}

/// Newcomers that get a lock until one does not.
fn newcomers<G>(mut lock: impl FnMut() -> Option<G>) -> usize {
    (0..).take_while(|_| lock().is_some()).count()
}

#[test]
fn so_many_readers_barge_past_a_writer_and_no_more() {
    for limit in [0, 1, 5] {
        let lock = RwLock::with_fairness((), Fairness::Bounded(limit));
        let first = lock.try_read().unwrap();
        let mut write = Polled::pending(lock.write());
        assert_eq!(newcomers(|| lock.try_read()), limit as usize);
        assert!(Polled::new(lock.read()).poll().is_pending());
        drop(first);
        assert_eq!(write.wakes(), 1);
        assert!(lock.try_read().is_none(), "the writer was handed it");
        drop(write.ready());
        is_free(&lock);
    }
}

#[test]
fn so_many_writers_barge_past_a_reader_and_no_more() {
    for limit in [0, 1, 5] {
        let lock = RwLock::with_fairness((), Fairness::Bounded(limit));
        let first = lock.try_write().unwrap();
        let mut read = Polled::pending(lock.read());
        drop(first);
        // The reader is polled each time, and finds it locked.
        let count = newcomers(|| {
            let guard = lock.try_write()?;
            read.waits();
            Some(guard)
        });
        assert_eq!(count, limit as usize);
        drop(read.ready());
        is_free(&lock);
    }
}

#[test]
fn upgradable_reader_that_waits_keeps_no_reader_out() {
    each_fairness(|fairness| {
        let lock = RwLock::with_fairness((), fairness);
        let guard = lock.try_upgradable_read();
        let mut next = Polled::pending(lock.upgradable_read());
        for _ in 0..100 {
            assert!(lock.try_read().is_some());
        }
        drop(guard);
        drop(next.ready());
        is_free(&lock);
    });
}

// ---- cancelling ----

#[test]
fn cancelled_write_lets_readers_behind_it_in() {
    each_fairness(|fairness| {
        let lock = RwLock::with_fairness((), fairness);
        let reader = lock.try_read();
        let write = Polled::pending(lock.write());
        newcomers(|| lock.try_read());
        let mut read = Polled::pending(lock.read());
        drop(write);
        assert_eq!(read.wakes(), 1);
        drop(read.ready());
        drop(reader);
        is_free(&lock);
    });
}

#[test]
fn lock_that_was_handed_over_passes_on_if_it_is_cancelled() {
    let lock = fifo(());
    let writer = lock.try_write();
    let handed = (
        Polled::pending(lock.read()),
        Polled::pending(lock.write()),
        Polled::pending(lock.upgradable_read()),
        Polled::pending(lock.upgradable_read()),
    );
    drop(writer);
    assert_eq!(handed.0.wakes(), 1);
    drop(handed.0);
    assert_eq!(handed.1.wakes(), 1);
    drop(handed.1);
    assert_eq!((handed.2.wakes(), handed.3.wakes()), (1, 0));
    drop(handed.2);
    // It has the right to upgrade now, and reads when it is polled.
    assert_eq!(handed.3.wakes(), 1);
    drop(handed.3);
    is_free(&lock);
}

#[test]
fn upgradable_read_that_is_cancelled_gives_back_what_it_has() {
    each_fairness(|fairness| {
        let lock = RwLock::with_fairness((), fairness);
        let writer = lock.try_write();
        let waits_to_read = Polled::pending(lock.upgradable_read());
        let mut waits_for_the_right = Polled::pending(lock.upgradable_read());
        drop(waits_to_read);
        assert_eq!(waits_for_the_right.wakes(), 1);
        waits_for_the_right.waits();
        drop(waits_for_the_right);
        drop(writer);
        is_free(&lock);
    });
}

// ---- upgrading ----

#[test]
fn upgrade_waits_for_readers_and_goes_ahead_of_writers() {
    each_fairness(|fairness| {
        let lock = RwLock::with_fairness(0, fairness);
        let mut guard = lock.try_upgradable_read().unwrap();
        let reader = lock.try_read().unwrap();
        let mut write = Polled::pending(lock.write());
        let mut other = Polled::pending(lock.upgradable_read());
        assert!(RwLockUpgradableReadGuard::try_upgrade(&mut guard).is_none());
        let mut upgrades = Polled::pending(upgrade(&mut guard));
        assert!(lock.try_read().is_none(), "nobody begins to read");
        assert!(Polled::new(lock.read()).poll().is_pending());
        drop(reader);
        assert_eq!((upgrades.wakes(), write.wakes(), other.wakes()), (1, 0, 0));
        let mut upgraded = upgrades.ready();
        drop(upgrades);
        *upgraded += 1;
        assert!(lock.try_read().is_none() && lock.try_write().is_none());
        drop(upgraded);
        assert_eq!((*guard, write.wakes()), (1, 0));
        drop(guard);
        assert_eq!(*write.ready(), 1);
        assert_eq!(*other.ready(), 1);
        is_free(&lock);
    });
}

#[test]
fn upgrade_needs_no_wait_if_nobody_else_reads_though_a_writer_waits() {
    each_fairness(|fairness| {
        let lock = RwLock::with_max_readers_and_fairness(0, 3, fairness);
        let mut guard = lock.try_upgradable_read().unwrap();
        let mut write = Polled::pending(lock.write());
        // More than there is room to count.
        for _ in 0..5000 {
            *RwLockUpgradableReadGuard::try_upgrade(&mut guard).expect("nobody else reads") += 1;
            *Polled::new(upgrade(&mut guard)).ready() += 1;
        }
        assert_eq!(write.wakes(), 0);
        drop(guard);
        assert_eq!(*write.ready(), 10_000);
        let readers = Vec::from_iter((0..3).map(|_| lock.try_read().unwrap()));
        assert!(lock.try_read().is_none());
        drop(readers);
        is_free(&lock);
    });
}

#[test]
fn upgrade_goes_ahead_of_a_writer_that_was_skipped() {
    let lock = RwLock::with_fairness((), Fairness::Bounded(1));
    // The writer is woken and not polled, and one reader barges; another arrival skips it.
    let reader = lock.try_read();
    let mut write = Polled::pending(lock.write());
    drop(reader);
    assert_eq!(write.wakes(), 1);
    let mut guard = lock.try_upgradable_read().unwrap();
    let reader = Polled::new(lock.read()).ready();
    // It waits again, at the head, and nobody may barge.
    write.waits();
    assert!(lock.try_read().is_none());
    let mut upgrades = Polled::pending(upgrade(&mut guard));
    drop(reader);
    assert_eq!(upgrades.wakes(), 1);
    drop(upgrades.ready());
    drop(upgrades);
    drop(guard);
    drop(write.ready());
    is_free(&lock);
}

#[test]
fn cancelled_upgrade_leaves_its_read_as_it_was() {
    each_fairness(|fairness| {
        for is_handed in [false, true] {
            let lock = RwLock::with_fairness(1, fairness);
            let mut guard = lock.try_upgradable_read().unwrap();
            let reader = lock.try_read();
            let mut next = Polled::pending({
                let upgrades = Polled::pending(upgrade(&mut guard));
                let next = lock.read();
                if is_handed {
                    drop(reader);
                    assert_eq!(upgrades.wakes(), 1);
                }
                let mut next = Polled::new(next);
                next.waits();
                drop(upgrades);
                assert_eq!(next.wakes(), 1);
                drop(next.ready());
                lock.write()
            });
            assert_eq!(*guard, 1);
            assert!(
                lock.try_upgradable_read().is_none(),
                "it is still the upgradable one"
            );
            next.waits();
            if is_handed {
                *RwLockUpgradableReadGuard::try_upgrade(&mut guard).unwrap() += 1;
            }
            drop(guard);
            if is_handed {
                assert_eq!(*next.ready(), 2);
            }
        }
    });
}

#[test]
fn reader_is_overtaken_by_upgrades_as_often_as_by_newcomers_and_once_more() {
    for limit in [0, 1, 5] {
        let lock = RwLock::with_fairness((), Fairness::Bounded(limit));
        let mut guard = lock.try_upgradable_read().unwrap();
        let upgraded = RwLockUpgradableReadGuard::try_upgrade(&mut guard).unwrap();
        let mut read = Polled::pending(lock.read());
        drop(upgraded);
        // The reader is polled each time it is kept out.
        let mut overtaken = 0;
        loop {
            let mut upgrades = Polled::new(upgrade(&mut guard));
            let std::task::Poll::Ready(upgraded) = upgrades.poll() else {
                break;
            };
            if read.poll().is_ready() {
                panic!("two have it");
            }
            drop(upgraded);
            overtaken += 1;
            assert!(overtaken <= limit as usize, "more often than newcomers");
        }
        drop(read.ready());
        drop(guard);
        is_free(&lock);
    }
}

#[test]
fn upgradable_read_becomes_a_plain_one_and_another_takes_its_place() {
    each_fairness(|fairness| {
        let lock = Arc::new(RwLock::with_fairness(1, fairness));
        let guard = lock.try_upgradable_read().unwrap();
        let mut next = Polled::pending(lock.clone().upgradable_read_owned());
        let read = RwLockUpgradableReadGuard::downgrade(guard);
        let next = next.ready();
        assert!(Arc::ptr_eq(
            OwnedRwLockUpgradableReadGuard::rwlock(&next),
            &lock
        ));
        assert_eq!((*read, *next), (1, 1));
        let next = OwnedRwLockUpgradableReadGuard::downgrade(next);
        drop(read);
        assert!(lock.try_upgradable_read().is_some() && is_locked(&lock));
        drop(next);
        is_free(&lock);
    });
}

#[test]
fn downgraded_write_lets_readers_in_and_no_writer() {
    each_fairness(|fairness| {
        let lock = Arc::new(RwLock::with_fairness(1, fairness));
        let guard = lock.clone().try_write_owned().unwrap();
        let mut read = Polled::pending(lock.read());
        let mut write = Polled::pending(lock.write());
        let guard = OwnedRwLockWriteGuard::downgrade(guard);
        assert_eq!((read.wakes(), write.wakes()), (1, 0));
        assert_eq!((*guard, *read.ready()), (1, 1));
        write.waits();
        drop(guard);
        drop(write.ready());
        let part = RwLockWriteGuard::downgrade_map(lock.try_write().unwrap(), |it| it);
        assert!(is_read(&lock));
        drop(part);
        let whole = RwLockWriteGuard::try_downgrade_map(lock.try_write().unwrap(), |_| None::<&()>);
        assert!(lock.try_read().is_none());
        drop(whole.unwrap_err());
        is_free(&lock);
    });
}

// ---- wakers and panics ----

#[test]
fn waker_may_lock_again_in_every_way() {
    let lock = Arc::new(fifo(()));
    let writer = lock.try_write();
    let hooks = Hooks::on_wake({
        let lock = lock.clone();
        move || {
            assert!(lock.try_write().is_none());
            let _ = Polled::new(lock.read()).poll();
            let _ = Polled::new(lock.write()).poll();
            let _ = Polled::new(lock.upgradable_read()).poll();
        }
    });
    let mut waits = Polled::with(lock.read(), hooks);
    waits.waits();
    drop(writer);
    drop(waits.ready());
    is_free(&lock);
}

#[test]
fn panicking_waker_keeps_nothing_locked() {
    each_fairness(|fairness| {
        let lock = RwLock::with_fairness((), fairness);
        let guard = lock.try_upgradable_read().unwrap();
        let mut write = Polled::with(lock.write(), Hooks::on_wake(|| panic!("in a waker")));
        write.waits();
        let mut next = Polled::pending(lock.upgradable_read());
        assert_eq!(&*panic_of(|| drop(guard)), "in a waker");
        drop(write.ready());
        drop(next.ready());
        is_free(&lock);

        let guard = lock.try_write().unwrap();
        let mut read = Polled::with(lock.read(), Hooks::on_wake(|| panic!("in a waker")));
        read.waits();
        assert_eq!(
            &*panic_of(|| drop(RwLockWriteGuard::downgrade(guard))),
            "in a waker"
        );
        drop(read.ready());
        is_free(&lock);

        let guard = lock.try_upgradable_read().unwrap();
        let mut read = Polled::with(
            lock.upgradable_read(),
            Hooks::on_wake(|| panic!("in a waker")),
        );
        read.waits();
        let downgrade = || drop(RwLockUpgradableReadGuard::downgrade(guard));
        assert_eq!(&*panic_of(downgrade), "in a waker");
        drop(read.ready());
        is_free(&lock);
    });
}

#[test]
fn panic_in_cloning_a_waker_leaves_an_upgradable_read_and_an_upgrade_as_they_were() {
    each_fairness(|fairness| {
        let lock = RwLock::with_fairness((), fairness);
        let writer = lock.try_write();
        let panics = || Hooks::on_clone(|| panic!("in a clone"));
        // It takes the right to upgrade, and panics when it waits to read.
        let mut read = Polled::with(lock.upgradable_read(), panics());
        assert_eq!(&*panic_of(|| read.poll().is_ready()), "in a clone");
        drop(read);
        drop(writer);
        is_free(&lock);

        let mut guard = lock.try_upgradable_read().unwrap();
        let reader = lock.try_read();
        let mut upgrades = Polled::with(upgrade(&mut guard), panics());
        assert_eq!(&*panic_of(|| upgrades.poll().is_ready()), "in a clone");
        drop(upgrades);
        drop(reader);
        drop(RwLockUpgradableReadGuard::try_upgrade(&mut guard).unwrap());
        drop(guard);
        is_free(&lock);
    });
}

#[test]
fn future_that_has_completed_panics_if_it_is_polled() {
    let lock = RwLock::new(());
    fn polled_again<F: Future>(future: F) -> String {
        let mut future = Polled::new(future);
        drop(future.ready());
        panic_of(|| future.poll().is_ready())
    }
    let mut guard = lock.try_upgradable_read().unwrap();
    let one = RwLock::with_max_readers((), 1);
    let mut only = one.try_upgradable_read().unwrap();
    for panic in [
        polled_again(lock.read()),
        polled_again(upgrade(&mut guard)),
        polled_again(upgrade(&mut only)),
        polled_again(RwLock::new(()).write()),
        polled_again(RwLock::new(()).upgradable_read()),
    ] {
        assert!(panic.contains("polled after it had completed"), "{panic}");
    }
}

// ---- mapping ----

/// Checks guards that write, of one kind: `$lock` makes them, `$guard` and `$mapped` are their types.
macro_rules! mapping {
    ($name:ident, $guard:ident, $mapped:ident, |$rwlock:ident| $lock:expr) => {
        #[test]
        fn $name() {
            let $rwlock = Arc::new(RwLock::with_max_readers((1, [2, 3]), 3));
            let lock = || $lock.unwrap();
            let is_written = || $rwlock.try_read().is_none();

            let mut part = $guard::map(lock(), |it| &mut it.1);
            part[0] += 10;
            assert!(is_written());
            let mut part = $mapped::map(part, |it| &mut it[0]);
            *part += 10;
            assert!(is_written());
            assert_eq!(format!("{part:?} {part}"), "22 22");
            drop(part);
            is_free(&$rwlock);

            let whole = $guard::filter_map(lock(), |_| None::<&mut ()>).unwrap_err();
            assert_eq!((*whole, is_written()), ((1, [22, 3]), true));
            let part = $guard::filter_map(whole, |it| Some(&mut it.1)).unwrap();
            let part = $mapped::filter_map(part, |_| None::<&mut ()>).unwrap_err();
            assert_eq!((*part, is_written()), ([22, 3], true));
            let mut part = $mapped::filter_map(part, |it| it.get_mut(1)).unwrap();
            *part = 4;
            assert!(is_written());
            drop(part);
            assert_eq!(*$rwlock.try_read().unwrap(), (1, [22, 4]));
            $guard::into_mapped(lock()).0 = 5;
            assert_eq!($rwlock.try_read().unwrap().0, 5);

            fn fail<T: ?Sized, U: ?Sized>(_: &mut T) -> &mut U {
                panic!("in the closure")
            }
            fn look<T: ?Sized, U: ?Sized>(_: &T) -> &U {
                panic!("in the closure")
            }
            for panic in [
                panic_of(|| drop($guard::map(lock(), fail::<_, ()>))),
                panic_of(|| drop($guard::filter_map(lock(), |it| Some(fail::<_, ()>(it))))),
                panic_of(|| drop($mapped::map($guard::map(lock(), |it| it), fail::<_, ()>))),
                panic_of(|| {
                    let part = $guard::map(lock(), |it| it);
                    drop($mapped::filter_map(part, |it| Some(fail::<_, ()>(it))))
                }),
                panic_of(|| drop($guard::downgrade_map(lock(), look::<_, ()>))),
                panic_of(|| {
                    drop($guard::try_downgrade_map(lock(), |it| {
                        Some(look::<_, ()>(it))
                    }))
                }),
            ] {
                assert_eq!(&*panic, "in the closure");
                is_free(&$rwlock);
            }

            let part = $guard::map(lock(), |it| &mut it.0);
            let mut waits = Polled::pending($rwlock.read());
            drop(part);
            drop(waits.ready());
            is_free(&$rwlock);
        }
    };
}

mapping!(
    mapped_guard_writes_until_it_is_dropped,
    RwLockWriteGuard,
    RwLockMappedWriteGuard,
    |lock| lock.try_write()
);
mapping!(
    owned_mapped_guard_writes_until_it_is_dropped,
    OwnedRwLockWriteGuard,
    OwnedRwLockMappedWriteGuard,
    |lock| lock.clone().try_write_owned()
);

/// Checks guards that read, of one kind.
macro_rules! mapping_reads {
    ($name:ident, $guard:ident, |$rwlock:ident| $lock:expr) => {
        #[test]
        fn $name() {
            let $rwlock = Arc::new(RwLock::new((1, [2, 3])));
            let lock = || $lock.unwrap();

            let part = $guard::map(lock(), |it| &it.1);
            let part = $guard::map(part, |it| &it[0]);
            assert!(is_read(&$rwlock));
            assert_eq!(format!("{part:?} {part}"), "2 2");
            drop(part);
            is_free(&$rwlock);

            let whole = $guard::filter_map(lock(), |_| None::<&()>).unwrap_err();
            assert_eq!((*whole, is_read(&$rwlock)), ((1, [2, 3]), true));
            let part = $guard::filter_map(whole, |it| Some(&it.1)).unwrap();
            let part = $guard::filter_map(part, |it| it.get(1)).unwrap();
            assert_eq!((*part, is_read(&$rwlock)), (3, true));
            drop(part);
            is_free(&$rwlock);

            fn fail<T: ?Sized, U: ?Sized>(_: &T) -> &U {
                panic!("in the closure")
            }
            for panic in [
                panic_of(|| drop($guard::map(lock(), fail::<_, ()>))),
                panic_of(|| drop($guard::filter_map(lock(), |it| Some(fail::<_, ()>(it))))),
            ] {
                assert_eq!(&*panic, "in the closure");
                is_free(&$rwlock);
            }
        }
    };
}

mapping_reads!(
    mapped_guard_reads_until_it_is_dropped,
    RwLockReadGuard,
    |lock| lock.try_read()
);
mapping_reads!(
    owned_mapped_guard_reads_until_it_is_dropped,
    OwnedRwLockReadGuard,
    |lock| lock.clone().try_read_owned()
);

#[test]
fn guards_may_be_unlocked_on_other_threads() {
    let lock = Arc::new(RwLock::new(1));
    let guards = (
        lock.try_read().unwrap(),
        lock.try_upgradable_read().unwrap(),
    );
    thread::scope(|scope| drop(scope.spawn(move || drop(guards))));
    is_free(&lock);
    let guard = lock.clone().blocking_write_owned();
    thread::spawn(move || drop(guard)).join().unwrap();
    is_free(&lock);
    // A part that is written may go where the value itself could not be shared.
    let lock = RwLock::new(Cell::new(1));
    let part = RwLockWriteGuard::map(lock.try_write().unwrap(), Cell::get_mut);
    thread::scope(|scope| drop(scope.spawn(move || drop(part))));
    is_free(&lock);
}

// ---- time ----

#[test]
fn timed_lock_takes_what_is_there_when_its_time_is_up() {
    each_fairness(|fairness| {
        let lock = RwLock::with_fairness(1, fairness);
        let none = Duration::ZERO;
        drop(lock.read().timeout(none).blocking().unwrap());
        drop(lock.write().timeout(none).blocking().unwrap());
        let mut guard = lock.upgradable_read().timeout(none).blocking().unwrap();
        drop(upgrade(&mut guard).timeout(none).blocking().unwrap());
        let reader = lock.try_read();
        let failed = upgrade(&mut guard).timeout(none).blocking();
        assert_eq!(failed.unwrap_err(), Elapsed);
        let failed = lock.upgradable_read().timeout(none).blocking();
        assert_eq!(failed.unwrap_err(), Elapsed);
        drop(reader);
        *upgrade(&mut guard).timeout(none).blocking().unwrap() += 1;
        drop(guard);
        let writer = lock.try_write();
        assert!(lock.read().timeout(none).blocking().is_err());
        assert!(lock.write().timeout(none).blocking().is_err());
        assert!(lock.upgradable_read().timeout(none).blocking().is_err());
        drop(writer);
        is_free(&lock);
    });
}

// ---- worlds ----

#[test]
fn panicking_holder_unlocks_and_poisons_nothing() {
    World::each(|world| {
        let lock = Arc::new(RwLock::new(0));
        let holder = world.spawn({
            let lock = lock.clone();
            || async move {
                let mut guard = lock.upgradable_read().await;
                let mut upgraded = upgrade(&mut guard).await;
                *upgraded = 1;
                while lock.waiter_count() < 1 {
                    common::yield_now().await;
                }
                panic!("inside");
            }
        });
        until(|| lock.try_read().is_none());
        let next = world.spawn({
            let lock = lock.clone();
            || async move { *lock.read().await }
        });
        assert_eq!(message(&*holder.outcome().unwrap_err()), "inside");
        assert_eq!(next.join(), 1);
        is_free(&lock);
    });
}

#[test]
fn blocking_in_a_runtime_panics_and_harms_nobody() {
    World::each_compio(|world| {
        let lock = Arc::new(RwLock::new(()));
        let call = |call: fn(Arc<RwLock<()>>)| {
            let lock = lock.clone();
            let task = world.spawn_on(0, move || async move { call(lock) });
            message(&*task.outcome().unwrap_err())
        };
        for (method, panic) in [
            ("blocking_read", call(|it| drop(it.blocking_read()))),
            ("blocking_write", call(|it| drop(it.blocking_write()))),
            (
                "blocking_upgradable_read",
                call(|it| drop(it.blocking_upgradable_read())),
            ),
            (
                "blocking_read_owned",
                call(|it| drop(it.blocking_read_owned())),
            ),
            (
                "blocking_write_owned",
                call(|it| drop(it.blocking_write_owned())),
            ),
            (
                "blocking_upgradable_read_owned",
                call(|it| drop(it.blocking_upgradable_read_owned())),
            ),
            (
                "blocking_upgrade",
                call(|it| {
                    let mut guard = it.try_upgradable_read().unwrap();
                    drop(RwLockUpgradableReadGuard::blocking_upgrade(&mut guard));
                }),
            ),
        ] {
            let expected = format!("`{method}` was called inside a compio runtime");
            assert!(panic.starts_with(&expected), "{panic}");
            is_free(&lock);
        }
    });
}

/// Who is inside, as seen from inside.
#[derive(Default)]
struct Inside {
    readers: AtomicUsize,
    upgradable: AtomicBool,
    is_written: AtomicBool,
}

impl Inside {
    fn begin_read(&self) {
        self.readers.fetch_add(1, SeqCst);
        assert!(!self.is_written.load(SeqCst), "a reader beside a writer");
    }

    fn end_read(&self) {
        assert!(!self.is_written.load(SeqCst), "a writer beside a reader");
        self.readers.fetch_sub(1, SeqCst);
    }

    /// `readers` are the caller's own.
    fn begin_write(&self, readers: usize) {
        assert!(!self.is_written.swap(true, SeqCst), "two writers");
        assert_eq!(
            self.readers.load(SeqCst),
            readers,
            "a writer beside a reader"
        );
    }

    fn end_write(&self) {
        self.is_written.store(false, SeqCst);
    }
}

#[test]
fn tasks_and_threads_read_together_and_write_alone() {
    each_fairness(|fairness| {
        const ROUNDS: usize = 40;
        World::each(|world| {
            let lock = Arc::new(RwLock::with_fairness(0, fairness));
            let inside = Arc::new(Inside::default());
            let tasks: Vec<_> = (0..8)
                .map(|n| {
                    let (lock, inside) = (lock.clone(), inside.clone());
                    world.spawn(move || async move {
                        let mut writes = 0;
                        for round in 0..ROUNDS {
                            match (n + round) % 5 {
                                0 => {
                                    let mut count = lock.write().await;
                                    inside.begin_write(0);
                                    *count += 1;
                                    writes += 1;
                                    common::yield_now().await;
                                    inside.end_write();
                                }
                                1 => {
                                    let mut guard = lock.upgradable_read().await;
                                    inside.begin_read();
                                    assert!(!inside.upgradable.swap(true, SeqCst));
                                    let seen = *guard;
                                    let mut cancelled = upgrade(&mut guard);
                                    if let std::task::Poll::Ready(it) = poll!(&mut cancelled) {
                                        drop(it);
                                    }
                                    drop(cancelled);
                                    common::yield_now().await;
                                    let mut count = upgrade(&mut guard).await;
                                    inside.begin_write(1);
                                    assert_eq!(*count, seen, "written since it was read");
                                    *count += 1;
                                    writes += 1;
                                    inside.end_write();
                                    drop(count);
                                    inside.upgradable.store(false, SeqCst);
                                    inside.end_read();
                                }
                                2 => {
                                    let mut cancelled = lock.write();
                                    let _ = poll!(&mut cancelled);
                                    common::yield_now().await;
                                }
                                3 => {
                                    let mut count = lock.write().await;
                                    inside.begin_write(0);
                                    *count += 1;
                                    writes += 1;
                                    inside.end_write();
                                    let count = RwLockWriteGuard::downgrade(count);
                                    inside.begin_read();
                                    let seen = *count;
                                    common::yield_now().await;
                                    assert_eq!(*count, seen);
                                    inside.end_read();
                                }
                                _ => {
                                    let count = lock.read().await;
                                    inside.begin_read();
                                    let seen = *count;
                                    common::yield_now().await;
                                    assert_eq!(*count, seen);
                                    inside.end_read();
                                }
                            }
                        }
                        writes
                    })
                })
                .collect();
            let threads: Vec<_> = (0..2)
                .map(|n| {
                    let (lock, inside) = (lock.clone(), inside.clone());
                    thread::spawn(move || {
                        for _ in 0..ROUNDS {
                            if n == 0 {
                                let count = lock.blocking_read();
                                inside.begin_read();
                                inside.end_read();
                                drop(count);
                            } else {
                                let mut count = lock.blocking_write();
                                inside.begin_write(0);
                                *count += 1;
                                inside.end_write();
                            }
                        }
                    })
                })
                .collect();
            let writes: usize = tasks.into_iter().map(Task::join).sum();
            threads.into_iter().for_each(|it| it.join().unwrap());
            assert_eq!(*lock.try_read().unwrap(), writes + ROUNDS);
            is_free(&lock);
        });
    });
}
