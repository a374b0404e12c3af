//! Cases of tokio's and parking_lot's read-write locks.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use compio::runtime::Runtime;
use compio_sync::{Fairness, RwLock, RwLockUpgradableReadGuard, RwLockWriteGuard};

use crate::common::{Polled, yield_now};

fn fifo<T>(value: T) -> RwLock<T> {
    RwLock::with_fairness(value, Fairness::Fifo)
}

/// Reading again behind a writer that waits is a deadlock where nobody may barge, and only there.
#[test]
fn recursive_read_waits_behind_a_writer_unless_it_may_barge() {
    let lock = fifo(0);
    let first = lock.try_read();
    let mut write = Polled::pending(lock.write());
    let mut second = Polled::pending(lock.read());
    assert!(lock.try_read().is_none());
    drop(first);
    *write.ready() += 1;
    assert_eq!(*second.ready(), 1);

    let lock = RwLock::new(0);
    let first = lock.try_read();
    let mut write = Polled::pending(lock.write());
    drop(Polled::new(lock.read()).ready());
    drop(first);
    *write.ready() += 1;
}

/// Nor may it barge past an upgrade that waits.
#[test]
fn recursive_read_waits_behind_an_upgrade() {
    for fairness in [Fairness::Fifo, Fairness::DEFAULT] {
        let lock = RwLock::with_fairness((), fairness);
        let first = lock.try_read();
        let mut guard = lock.try_upgradable_read().unwrap();
        let mut upgrades = Polled::pending(RwLockUpgradableReadGuard::upgrade(&mut guard));
        let mut second = Polled::pending(lock.read());
        drop(first);
        drop(upgrades.ready());
        drop(second.ready());
    }
}

/// A future that lost a `select!` by reference and is kept stands in nobody's way.
#[test]
fn write_that_is_not_polled_any_more_does_not_keep_its_task_from_writing() {
    for kept_reads in [false, true] {
        let lock = RwLock::new(());
        let guard = lock.try_write();
        let (mut writes, mut reads) = (lock.write(), lock.read());
        let kept = Polled::pending(async {
            match kept_reads {
                true => drop((&mut reads).await),
                false => drop((&mut writes).await),
            }
        });
        let mut write = Polled::pending(lock.write());
        drop(guard);
        drop(write.ready());
        drop(Polled::new(lock.read()).ready());
        drop(kept);
        drop(lock.try_write().expect("it is free"));
    }
}

/// A write that is given up while it waits for the last of several readers gives up all of it.
#[test]
fn write_that_is_given_up_has_taken_nothing() {
    let lock = RwLock::with_max_readers_and_fairness((), 4, Fairness::Fifo);
    let readers = [(); 3].map(|()| lock.try_read().unwrap());
    let mut late = {
        let _write = Polled::pending(lock.write());
        Polled::pending(lock.read())
    };
    assert_eq!(late.wakes(), 1);
    let late = late.ready();
    assert!(lock.try_read().is_none(), "four read");
    drop((readers, late));
    drop(lock.try_write().expect("nobody reads"));
}

/// Each way of ending a write gives back what it took, once.
#[test]
fn downgraded_write_leaves_room_for_all_other_readers_and_no_more() {
    let lock = RwLock::with_max_readers((), 3);
    for _ in 0..3 {
        let guard = RwLockWriteGuard::downgrade(lock.try_write().unwrap());
        let others = [(); 2].map(|()| lock.try_read().expect("there is room"));
        assert!(lock.try_read().is_none());
        drop((guard, others));
    }
}

/// Readers that come while an upgrade waits are served after it, and do not hold it up.
#[test]
fn upgrade_is_not_held_up_by_readers_that_come_later() {
    for fairness in [Fairness::Fifo, Fairness::DEFAULT] {
        let lock = RwLock::with_fairness(0, fairness);
        let mut guard = lock.try_upgradable_read().unwrap();
        let reader = lock.try_read();
        let mut upgrades = Polled::pending(RwLockUpgradableReadGuard::upgrade(&mut guard));
        let mut later = [(); 50].map(|()| Polled::pending(lock.read()));
        assert!(lock.try_read().is_none());
        drop(reader);
        *upgrades.ready() = 1;
        drop(upgrades);
        for read in &mut later {
            assert_eq!(*read.ready(), 1);
        }
    }
}

/// A reader is kept out by an upgradable reader neither while that reads nor while another waits to.
#[test]
fn upgradable_readers_keep_no_reader_out() {
    let lock = fifo(());
    let guard = lock.try_upgradable_read().unwrap();
    let mut next = Polled::pending(lock.upgradable_read());
    drop(Polled::new(lock.read()).ready());
    drop(guard);
    drop(next.ready());
}

#[test]
fn guard_may_be_upgraded_again_and_again() {
    let lock = RwLock::new(0);
    let mut guard = lock.blocking_upgradable_read();
    for n in 1..=3 {
        *RwLockUpgradableReadGuard::blocking_upgrade(&mut guard) += 1;
        assert_eq!((*guard, *lock.blocking_read()), (n, n));
    }
}

/// What was read still holds when the upgrade is had, whoever waits to write.
#[test]
fn upgrade_is_atomic() {
    let threads = 4;
    let lock = Arc::new(RwLock::new(0));
    let writes = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let threads: Vec<_> = (0..threads)
        .map(|n| {
            let (lock, writes) = (lock.clone(), writes.clone());
            std::thread::spawn(move || {
                Runtime::new().unwrap().block_on(async {
                    for _ in 0..200 {
                        if n % 2 == 0 {
                            *lock.write().await += 1;
                        } else {
                            let mut guard = lock.upgradable_read().await;
                            let seen = *guard;
                            yield_now().await;
                            let mut upgraded = RwLockUpgradableReadGuard::upgrade(&mut guard).await;
                            assert_eq!(*upgraded, seen);
                            *upgraded += 1;
                        }
                        writes.fetch_add(1, SeqCst);
                    }
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|it| it.join().unwrap());
    assert_eq!(*lock.try_read().unwrap(), writes.load(SeqCst));
}

/// Writers are served between readers that never leave the lock free.
#[test]
fn writer_is_not_starved_by_readers_that_overlap() {
    for fairness in [Fairness::Fifo, Fairness::DEFAULT] {
        Runtime::new().unwrap().block_on(async {
            let lock = Arc::new(RwLock::with_fairness(false, fairness));
            let readers: Vec<_> = (0..3)
                .map(|n| {
                    let lock = lock.clone();
                    compio::runtime::spawn(async move {
                        for _ in 0..n {
                            yield_now().await;
                        }
                        // Until it has been written.
                        loop {
                            let guard = lock.read().await;
                            for _ in 0..3 {
                                yield_now().await;
                            }
                            if *guard {
                                break;
                            }
                        }
                    })
                })
                .collect();
            yield_now().await;
            *lock.write().await = true;
            for reader in readers {
                reader.await.unwrap();
            }
        });
    }
}
