//! [`Mutex`]: who has it, who gets it next, and what its guards lead to.

mod common;

use std::{
    cell::Cell,
    fmt::Display,
    sync::{
        Arc, Mutex as StdMutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use common::{Hooks, Polled, Task, World, claims::Primitive, message, panic_of, until};
use compio_sync::{
    Fairness, MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard,
};
use futures_util::{FutureExt, future::BoxFuture, poll};

/// A mutex that is locked. Whose wait ends puts the guard back.
struct Locked<const LIMIT: u8> {
    mutex: Arc<Mutex<()>>,
    guard: StdMutex<Option<OwnedMutexGuard<()>>>,
}

impl<const LIMIT: u8> Default for Locked<LIMIT> {
    fn default() -> Self {
        let mutex = Arc::new(Mutex::with_fairness((), Fairness::Bounded(LIMIT)));
        let guard = StdMutex::new(mutex.clone().try_lock_owned());
        Self { mutex, guard }
    }
}

impl<const LIMIT: u8> Primitive for Locked<LIMIT> {
    const RELEASES_ONE: bool = true;
    const CALLS: bool = LIMIT > 0;

    fn wait(self: Arc<Self>) -> BoxFuture<'static, ()> {
        async move {
            let guard = self.mutex.clone().lock_owned().await;
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
        self.mutex.waiter_count()
    }
}

mod fifo {
    crate::waits_like_the_others!(super::Locked<0>);
}

mod bounded {
    crate::waits_like_the_others!(super::Locked<16>);
}

/// What of each there is to be tested.
fn each_fairness(test: impl Fn(Fairness)) {
    for fairness in [Fairness::Fifo, Fairness::Bounded(1), Fairness::default()] {
        test(fairness);
    }
}

/// A mutex that is handed over to those who wait.
const fn fifo<T>(value: T) -> Mutex<T> {
    Mutex::with_fairness(value, Fairness::Fifo)
}

fn is_locked<T: ?Sized>(mutex: &Mutex<T>) -> bool {
    mutex.try_lock().is_none()
}

// ---- locking ----

#[test]
fn guard_excludes_everybody_else_until_it_is_dropped() {
    let mutex = Arc::new(Mutex::new(1));
    let mut guard = Polled::new(mutex.lock()).ready();
    *guard += 1;
    assert!(mutex.try_lock().is_none());
    assert!(mutex.clone().try_lock_owned().is_none());
    assert!(std::ptr::eq(MutexGuard::mutex(&guard), &*mutex));
    drop(guard);
    let guard = mutex.clone().try_lock_owned().unwrap();
    assert!(Arc::ptr_eq(OwnedMutexGuard::mutex(&guard), &mutex));
    assert_eq!((*guard, is_locked(&mutex)), (2, true));
    drop(guard);
    assert_eq!(*mutex.try_lock().unwrap(), 2);
}

#[test]
fn lock_is_handed_over_and_nobody_can_barge_in() {
    let mutex = Arc::new(fifo(0));
    let guard = mutex.try_lock().unwrap();
    let mut borrowed = Polled::pending(mutex.lock());
    let mut owned = Polled::pending(mutex.clone().lock_owned());
    drop(guard);
    assert_eq!(
        (borrowed.wakes(), owned.wakes(), mutex.waiter_count()),
        (1, 0, 1)
    );
    assert!(is_locked(&mutex));
    drop(borrowed.ready());
    assert!(is_locked(&mutex));
    drop(owned.ready());
    assert!(!is_locked(&mutex));
}

#[test]
fn cancelled_lock_passes_the_mutex_on() {
    let mutex = fifo(());
    let guard = mutex.try_lock();
    let cancelled = Polled::pending(mutex.lock());
    let granted = Polled::pending(mutex.lock());
    drop(cancelled);
    drop(guard);
    assert!(is_locked(&mutex));
    drop(granted);
    assert!(!is_locked(&mutex));
}

#[test]
fn waker_may_try_to_lock_and_may_lock() {
    let mutex = Arc::new(fifo(()));
    let guard = mutex.try_lock();
    let tried = Arc::new(StdMutex::new(Vec::new()));
    let hooks = Hooks::on_wake({
        let (mutex, tried) = (mutex.clone(), tried.clone());
        move || {
            tried.lock().unwrap().push(is_locked(&mutex));
            Polled::pending(mutex.lock());
        }
    });
    let mut waits = Polled::with(mutex.lock(), hooks);
    waits.waits();
    drop(guard);
    assert_eq!(*tried.lock().unwrap(), [true]);
    drop(waits.ready());
    assert!(!is_locked(&mutex));
}

#[test]
fn value_is_reached_without_locking_where_the_mutex_is_ones_own() {
    let mut mutex = Mutex::from(1);
    *mutex.get_mut() += 1;
    assert_eq!(mutex.into_inner(), 2);
    assert_eq!(Mutex::<u8>::default().into_inner(), 0);
}

#[test]
fn mutex_may_be_a_static() {
    static NAMES: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    NAMES.blocking_lock().push("a");
    assert_eq!(*NAMES.try_lock().unwrap(), ["a"]);
}

#[test]
fn value_may_be_unsized() {
    let array: Arc<Mutex<[u8]>> = Arc::new(Mutex::new([1, 2, 3]));
    Polled::new(array.lock()).ready()[0] = 4;
    let last = OwnedMutexGuard::map(array.clone().try_lock_owned().unwrap(), |it| &mut it[2]);
    assert_eq!(*last, 3);
    assert_eq!(format!("{array:?}"), "Mutex { data: <locked>, .. }");
    drop(last);
    assert_eq!(*array.blocking_lock(), [4, 2, 3]);

    let object: Box<Mutex<dyn Display + Send>> = Box::new(Mutex::new(5));
    assert_eq!(object.blocking_lock().to_string(), "5");
    assert_eq!(object.try_lock().unwrap().to_string(), "5");
}

#[test]
fn debug_shows_the_value_unless_it_is_locked() {
    let mutex = Mutex::new(7);
    assert_eq!(format!("{mutex:?}"), "Mutex { data: 7, .. }");
    let guard = mutex.try_lock().unwrap();
    assert_eq!(
        format!("{mutex:?} {guard:?} {guard}"),
        "Mutex { data: <locked>, .. } 7 7"
    );
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
    let mutex = Arc::new(Mutex::new((CountsDrops(drops.clone()), 1)));
    let guard = mutex.try_lock_owned().unwrap();
    let part = OwnedMutexGuard::map(guard, |it| &mut it.1);
    let part = OwnedMappedMutexGuard::map(part, |it| it);
    assert_eq!((*part, drops.load(SeqCst)), (1, 0));
    drop(part);
    assert_eq!(drops.load(SeqCst), 1);
}

// ---- mapping ----

/// Checks the guards of one kind: `lock` makes them, `$guard` and `$mapped` are their types.
macro_rules! mapping {
    ($name:ident, $guard:ident, $mapped:ident, |$mutex:ident| $lock:expr) => {
        #[test]
        fn $name() {
            let $mutex = Arc::new(Mutex::new((1, [2, 3])));
            let lock = || $lock.unwrap();

            let mut part = $guard::map(lock(), |it| &mut it.1);
            part[0] += 10;
            assert!(is_locked(&$mutex));
            let mut part = $mapped::map(part, |it| &mut it[0]);
            *part += 10;
            assert!(is_locked(&$mutex));
            assert_eq!(format!("{part:?} {part}"), "22 22");
            drop(part);
            assert!(!is_locked(&$mutex));

            let whole = $guard::filter_map(lock(), |_| None::<&mut ()>).unwrap_err();
            assert_eq!((*whole, is_locked(&$mutex)), ((1, [22, 3]), true));
            let part = $guard::filter_map(whole, |it| Some(&mut it.1)).unwrap();
            let part = $mapped::filter_map(part, |_| None::<&mut ()>).unwrap_err();
            assert_eq!((*part, is_locked(&$mutex)), ([22, 3], true));
            let mut part = $mapped::filter_map(part, |it| it.get_mut(1)).unwrap();
            *part = 4;
            assert!(is_locked(&$mutex));
            drop(part);
            assert_eq!(*$mutex.try_lock().unwrap(), (1, [22, 4]));

            fn fail<T: ?Sized, U: ?Sized>(_: &mut T) -> &mut U {
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
            ] {
                assert_eq!((&*panic, is_locked(&$mutex)), ("in the closure", false));
            }

            let part = $guard::map(lock(), |it| &mut it.0);
            let mut waits = Polled::pending($mutex.lock());
            drop(part);
            drop(waits.ready());
        }
    };
}

mapping!(
    mapped_guard_locks_until_it_is_dropped,
    MutexGuard,
    MappedMutexGuard,
    |mutex| mutex.try_lock()
);
mapping!(
    owned_mapped_guard_locks_until_it_is_dropped,
    OwnedMutexGuard,
    OwnedMappedMutexGuard,
    |mutex| mutex.clone().try_lock_owned()
);

#[test]
fn guards_may_be_unlocked_on_other_threads() {
    let mutex = Arc::new(Mutex::new(Cell::new(1)));
    let guard = mutex.try_lock().unwrap();
    thread::scope(|scope| drop(scope.spawn(move || drop(guard))));
    let part = OwnedMutexGuard::map(mutex.clone().blocking_lock_owned(), |it| it.get_mut());
    thread::spawn(move || drop(part)).join().unwrap();
    assert!(!is_locked(&mutex));
}

// ---- worlds ----

#[test]
fn panicking_holder_unlocks_and_poisons_nothing() {
    World::each(|world| {
        let mutex = Arc::new(Mutex::new(0));
        let holder = world.spawn({
            let mutex = mutex.clone();
            || async move {
                let mut guard = mutex.lock().await;
                *guard = 1;
                while mutex.waiter_count() < 1 {
                    common::yield_now().await;
                }
                panic!("inside");
            }
        });
        until(|| is_locked(&mutex));
        let next = world.spawn({
            let mutex = mutex.clone();
            || async move { *mutex.lock().await }
        });
        assert_eq!(message(&*holder.outcome().unwrap_err()), "inside");
        assert_eq!(next.join(), 1);
        assert_eq!(*mutex.blocking_lock(), 1);
    });
}

#[test]
fn blocking_in_a_runtime_panics_and_harms_nobody() {
    World::each_compio(|world| {
        let mutex = Arc::new(Mutex::new(()));
        let guard = mutex.try_lock();
        let lock = |lock: fn(Arc<Mutex<()>>)| {
            let mutex = mutex.clone();
            let task = world.spawn_on(0, move || async move { lock(mutex) });
            message(&*task.outcome().unwrap_err())
        };
        let waits = world.spawn_on(0, {
            let mutex = mutex.clone();
            || async move { drop(mutex.lock().await) }
        });
        until(|| mutex.waiter_count() == 1);
        for (method, panic) in [
            ("blocking_lock", lock(|it| drop(it.blocking_lock()))),
            (
                "blocking_lock_owned",
                lock(|it| drop(it.blocking_lock_owned())),
            ),
        ] {
            let expected = format!("`{method}` was called inside a compio runtime");
            assert!(panic.starts_with(&expected), "{panic}");
        }
        assert_eq!(mutex.waiter_count(), 1);
        drop(guard);
        waits.join();
        assert!(!is_locked(&mutex));
    });
}

#[test]
fn tasks_and_blocked_threads_exclude_each_other() {
    each_fairness(|fairness| {
        const ROUNDS: usize = 60;
        World::each(|world| {
            let mutex = Arc::new(Mutex::with_fairness(0, fairness));
            let is_inside = Arc::new(AtomicBool::new(false));
            fn enter(is_inside: &AtomicBool, count: &mut usize) {
                assert!(!is_inside.swap(true, SeqCst), "two inside");
                *count += 1;
            }
            let tasks: Vec<_> = (0..8)
                .map(|n| {
                    let (mutex, is_inside) = (mutex.clone(), is_inside.clone());
                    world.spawn(move || async move {
                        for round in 0..ROUNDS {
                            if (n + round) % 3 == 0 {
                                let mut cancelled = mutex.lock();
                                let _ = poll!(&mut cancelled);
                                if round % 2 == 0 {
                                    common::yield_now().await;
                                }
                            }
                            let mut count = mutex.lock().await;
                            enter(&is_inside, &mut count);
                            common::yield_now().await;
                            is_inside.store(false, SeqCst);
                        }
                    })
                })
                .collect();
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let (mutex, is_inside) = (mutex.clone(), is_inside.clone());
                    thread::spawn(move || {
                        for _ in 0..ROUNDS {
                            let mut count = mutex.blocking_lock();
                            enter(&is_inside, &mut count);
                            is_inside.store(false, SeqCst);
                        }
                    })
                })
                .collect();
            tasks.into_iter().for_each(Task::join);
            threads.into_iter().for_each(|it| it.join().unwrap());
            assert_eq!(*mutex.try_lock().unwrap(), ROUNDS * 10);
            assert_eq!(mutex.waiter_count(), 0);
        });
    });
}
