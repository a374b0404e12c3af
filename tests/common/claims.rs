//! Claims about waiting that hold for every primitive.

use std::sync::{Mutex, mpsc};

use futures_util::future::BoxFuture;

use super::*;

/// Something to wait for, in a state in which one has to wait.
pub trait Primitive: Default + Send + Sync + 'static {
    /// Whether `release` ends all waits.
    const RELEASES_ALL: bool = false;
    /// Whether `release_all` ends only the first wait.
    const RELEASES_ONE: bool = false;
    /// Whether the first in line is called to take what was released, and counted until it has,
    /// and others may take it before.
    const CALLS: bool = false;

    fn wait(self: Arc<Self>) -> BoxFuture<'static, ()>;
    /// Ends the wait of whoever has waited longest. With [`RELEASES_ONE`](Self::RELEASES_ONE),
    /// of nobody if the one before has not been polled since.
    fn release(&self);
    /// Ends all waits.
    fn release_all(&self);
    /// Lets waits begin while `release_all` runs, or after it has panicked.
    fn rearm(&self) {}
    fn waiter_count(&self) -> usize;
}

/// Makes tests of the claims, for one primitive.
#[macro_export]
macro_rules! waits_like_the_others {
    ($primitive:ty) => {
        $crate::waits_like_the_others!($primitive:
            waiter_is_counted_from_its_first_poll_until_its_wait_ends,
            waiters_are_released_in_the_order_of_their_first_polls,
            cancelled_waiter_is_forgotten_and_its_waker_dropped_at_once,
            cancelled_waiter_is_passed_over,
            granted_waiter_that_is_dropped_passes_it_on,
            only_the_last_waker_is_woken_and_the_others_are_dropped_at_once,
            waker_is_not_cloned_again_while_it_stays_the_same,
            future_may_be_polled_and_dropped_on_different_threads,
            future_may_move_between_executors_and_outlive_one,
            waker_may_complete_its_own_future_and_release,
            waker_may_drop_other_waiters,
            waker_may_begin_a_wait_which_is_not_released_with_the_others,
            waker_may_reenter_when_it_is_cloned,
            waker_may_reenter_when_it_is_dropped,
            panic_in_cloning_a_waker_leaves_nothing_behind,
            panicking_waker_keeps_nobody_from_being_woken,
            panicking_waker_in_an_unwinding_thread_does_not_abort,
            many_more_than_a_batch_are_released,
            leaked_future_keeps_nothing_but_its_place,
            no_wake_is_lost_and_every_wait_ends
        );
    };
    ($primitive:ty: $($claim:ident),*) => {$(
        #[test]
        fn $claim() {
            $crate::common::claims::$claim::<$primitive>();
        }
    )*};
}

type Waiter = Polled<BoxFuture<'static, ()>>;

fn idle<P: Primitive>(primitive: &Arc<P>) -> Waiter {
    Polled::new(primitive.clone().wait())
}

fn waiter<P: Primitive>(primitive: &Arc<P>) -> Waiter {
    Polled::pending(primitive.clone().wait())
}

fn waiters<P: Primitive>(primitive: &Arc<P>, count: usize) -> Vec<Waiter> {
    (0..count).map(|_| waiter(primitive)).collect()
}

/// Begins a wait and drops it: one that takes what has just been released, with
/// [`CALLS`](Primitive::CALLS), else one that waits.
fn come_and_go<P: Primitive>(primitive: &Arc<P>) {
    if P::CALLS {
        idle(primitive).ready();
    } else {
        drop(waiter(primitive));
    }
}

fn hooked<P: Primitive>(primitive: &Arc<P>, hooks: Hooks) -> Waiter {
    let mut waiter = Polled::with(primitive.clone().wait(), hooks);
    waiter.waits();
    waiter
}

pub fn waiter_is_counted_from_its_first_poll_until_its_wait_ends<P: Primitive>() {
    let p = Arc::new(P::default());
    let mut waiter = idle(&p);
    assert_eq!(p.waiter_count(), 0);
    waiter.waits();
    waiter.waits();
    assert_eq!((p.waiter_count(), waiter.wakes()), (1, 0));
    p.release();
    assert_eq!(
        (p.waiter_count(), waiter.wakes()),
        (usize::from(P::CALLS), 1)
    );
    waiter.ready();
    assert_eq!((p.waiter_count(), waiter.hooks().wakers()), (0, 0));
}

pub fn waiters_are_released_in_the_order_of_their_first_polls<P: Primitive>() {
    let p = Arc::new(P::default());
    let mut created_first = idle(&p);
    let mut waiters = waiters(&p, 4);
    created_first.waits();
    waiters.push(created_first);
    if P::RELEASES_ALL {
        let order = Arc::new(Mutex::new(Vec::new()));
        for (n, waiter) in waiters.iter_mut().enumerate() {
            let order = order.clone();
            let wake = move || order.lock().unwrap().push(n);
            waiter.swap_hooks(Hooks::on_wake(wake));
            waiter.waits();
        }
        p.release();
        return assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }
    for n in 0..waiters.len() {
        p.release();
        let wakes: Vec<_> = waiters.iter().map(Polled::wakes).collect();
        let expected: Vec<_> = (0..waiters.len()).map(|it| usize::from(it <= n)).collect();
        assert_eq!(wakes, expected);
        waiters[n].ready();
    }
}

pub fn cancelled_waiter_is_forgotten_and_its_waker_dropped_at_once<P: Primitive>() {
    let p = Arc::new(P::default());
    drop(idle(&p));
    let waiter = waiter(&p);
    let hooks = waiter.hooks().clone();
    assert_eq!((p.waiter_count(), hooks.wakers()), (1, 1));
    drop(waiter);
    assert_eq!((p.waiter_count(), hooks.wakers(), hooks.wakes()), (0, 0, 0));
    assert_eq!(Arc::strong_count(&hooks), 1);
}

pub fn cancelled_waiter_is_passed_over<P: Primitive>() {
    for cancelled in 0..3 {
        let p = Arc::new(P::default());
        let mut waiters = waiters(&p, 3);
        drop(waiters.remove(cancelled));
        assert_eq!(p.waiter_count(), 2);
        for waiter in &mut waiters {
            p.release();
            waiter.ready();
        }
        assert_eq!(p.waiter_count(), 0);
    }
}

pub fn granted_waiter_that_is_dropped_passes_it_on<P: Primitive>() {
    if P::RELEASES_ALL {
        return;
    }
    let p = Arc::new(P::default());
    let (first, second, mut third) = (waiter(&p), waiter(&p), waiter(&p));
    p.release();
    drop(first);
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    drop(second);
    assert_eq!(third.wakes(), 1);
    third.ready();
}

pub fn only_the_last_waker_is_woken_and_the_others_are_dropped_at_once<P: Primitive>() {
    let p = Arc::new(P::default());
    let mut waiter = waiter(&p);
    for _ in 0..3 {
        let old = waiter.change_waker();
        waiter.waits();
        assert_eq!((old.wakers(), waiter.hooks().wakers()), (0, 1));
        assert_eq!((old.wakes(), waiter.wakes()), (0, 0));
    }
    p.release();
    assert_eq!((waiter.wakes(), waiter.hooks().wakers()), (1, 0));
    let old = waiter.change_waker();
    waiter.ready();
    assert_eq!((old.wakes(), waiter.wakes()), (1, 0));
}

pub fn waker_is_not_cloned_again_while_it_stays_the_same<P: Primitive>() {
    let p = Arc::new(P::default());
    let clones = Arc::new(AtomicUsize::new(0));
    let mut waiter = hooked(&p, {
        let clones = clones.clone();
        Hooks::on_clone(move || {
            clones.fetch_add(1, SeqCst);
        })
    });
    waiter.waits();
    waiter.waits();
    assert_eq!(clones.load(SeqCst), 1);
}

pub fn future_may_be_polled_and_dropped_on_different_threads<P: Primitive>() {
    fn elsewhere<T: Send>(f: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| scope.spawn(f).join().unwrap())
    }
    let p = Arc::new(P::default());
    let mut first = elsewhere(|| waiter(&p));
    let second = elsewhere(|| waiter(&p));
    let third = elsewhere(|| waiter(&p));
    let mut fourth = elsewhere(|| waiter(&p));
    let old = first.change_waker();
    elsewhere(|| first.waits());
    elsewhere(|| p.release());
    assert_eq!((old.wakes(), first.wakes()), (0, 1));
    elsewhere(|| first.ready());
    elsewhere(|| drop(second));
    elsewhere(|| p.release());
    assert_eq!(third.wakes(), 1);
    elsewhere(|| drop(third));
    elsewhere(|| p.release());
    elsewhere(|| fourth.ready());
    assert_eq!(p.waiter_count(), 0);
}

pub fn future_may_move_between_executors_and_outlive_one<P: Primitive>() {
    World::each(|world| {
        let p = Arc::new(P::default());
        let begin = |lane| {
            let p = p.clone();
            let begun = world.spawn_on(lane, || async {
                let mut wait = p.wait();
                assert!(futures_util::poll!(&mut wait).is_pending());
                [wait]
            });
            let [wait] = begun.join();
            wait
        };
        let end_elsewhere = world.spawn({
            let wait = begin(world.lanes() - 1);
            || wait
        });
        p.release();
        end_elsewhere.join();

        let mut end_here = Polled::pending(begin(0));
        p.release();
        assert_eq!(end_here.wakes(), 1);
        end_here.ready();

        let mut released_by_the_living = begin(0);
        let dropped_by_the_living = begin(0);
        drop(world);
        drop(dropped_by_the_living);
        p.release();
        assert!((&mut released_by_the_living).now_or_never().is_some());
        assert_eq!(p.waiter_count(), 0);
    });
}

pub fn waker_may_complete_its_own_future_and_release<P: Primitive>() {
    let p = Arc::new(P::default());
    let cell = Arc::new(Mutex::new(None::<Waiter>));
    let first = hooked(&p, {
        let (p, cell) = (p.clone(), cell.clone());
        Hooks::on_wake(move || {
            let Some(mut own) = cell.lock().unwrap().take() else {
                return;
            };
            own.ready();
            p.release();
        })
    });
    let mut second = waiter(&p);
    *cell.lock().unwrap() = Some(first);
    p.release();
    assert!(cell.lock().unwrap().is_none(), "the first one was woken");
    assert_eq!(second.wakes(), 1);
    second.ready();
    assert_eq!(p.waiter_count(), 0);
}

pub fn waker_may_drop_other_waiters<P: Primitive>() {
    let p = Arc::new(P::default());
    let others = Arc::new(Mutex::new(Vec::new()));
    let mut first = hooked(&p, {
        let others = others.clone();
        Hooks::on_wake(move || drop(std::mem::take(&mut *others.lock().unwrap())))
    });
    *others.lock().unwrap() = waiters(&p, 40);
    let mut last = waiter(&p);
    p.release();
    first.ready();
    assert_eq!(others.lock().unwrap().len(), 0);
    p.release();
    last.ready();
    assert_eq!(p.waiter_count(), 0);
}

pub fn waker_may_begin_a_wait_which_is_not_released_with_the_others<P: Primitive>() {
    if P::CALLS {
        // It may take what is released, without waiting.
        return;
    }
    let p = Arc::new(P::default());
    let begun = Arc::new(Mutex::new(Vec::new()));
    let mut first = hooked(&p, {
        let (p, begun) = (p.clone(), begun.clone());
        Hooks::on_wake(move || {
            p.rearm();
            let waiter = waiter(&p);
            begun.lock().unwrap().push(waiter);
        })
    });
    let mut others = waiters(&p, if P::RELEASES_ONE { 0 } else { 100 });
    p.release_all();
    first.ready();
    others.iter_mut().for_each(Polled::ready);
    let mut begun = begun
        .lock()
        .unwrap()
        .pop()
        .expect("the first one was woken");
    assert_eq!((p.waiter_count(), begun.wakes()), (1, 0));
    p.release();
    begun.ready();
}

pub fn waker_may_reenter_when_it_is_cloned<P: Primitive>() {
    let p = Arc::new(P::default());
    let mut first = waiter(&p);
    let reenter = || {
        let p = p.clone();
        Hooks::on_clone(move || {
            p.release();
            come_and_go(&p);
        })
    };
    // As it begins to wait: the release is for the one before.
    let mut second = hooked(&p, reenter());
    if P::CALLS {
        assert_eq!((first.wakes(), p.waiter_count()), (1, 2));
        first.waits();
        p.release();
    } else {
        assert_eq!((first.wakes(), p.waiter_count()), (1, 1));
    }
    first.ready();
    // As its waker is replaced: the release is for itself.
    second.swap_hooks(reenter());
    if P::CALLS {
        second.waits();
        p.release();
    }
    second.ready();
    assert_eq!(p.waiter_count(), 0);
}

pub fn waker_may_reenter_when_it_is_dropped<P: Primitive>() {
    let p = Arc::new(P::default());
    let reenter = || {
        let p = p.clone();
        Hooks::on_drop(move || {
            p.release();
            come_and_go(&p);
        })
    };
    let mut first = waiter(&p);
    drop(hooked(&p, reenter()));
    if P::CALLS {
        first.waits();
        p.release();
    }
    first.ready();

    let mut second = hooked(&p, reenter());
    second.change_waker();
    let _ = second.poll();
    if P::CALLS {
        second.waits();
        p.release();
    }
    second.ready();
    assert_eq!(p.waiter_count(), 0);
}

pub fn panic_in_cloning_a_waker_leaves_nothing_behind<P: Primitive>() {
    let p = Arc::new(P::default());
    let mut first = idle(&p);
    first.swap_hooks(Hooks::on_clone(|| panic!("no clones")));
    assert_eq!(panic_of(|| first.poll()), "no clones");
    assert_eq!(p.waiter_count(), 0);

    let mut second = waiter(&p);
    let old = second.swap_hooks(Hooks::on_clone(|| panic!("no clones")));
    assert_eq!(panic_of(|| second.poll()), "no clones");
    drop(second);
    assert_eq!((p.waiter_count(), old.wakers()), (0, 0));
    let mut third = waiter(&p);
    p.release();
    third.ready();
}

pub fn panicking_waker_keeps_nobody_from_being_woken<P: Primitive>() {
    let p = Arc::new(P::default());
    let mut all: Vec<_> = ["first", "second"]
        .map(|name| hooked(&p, Hooks::on_wake(move || panic!("{name}"))))
        .into();
    all.extend(waiters(&p, 70));
    all.push(hooked(&p, Hooks::on_wake(|| panic!("last"))));
    assert_eq!(panic_of(|| p.release_all()), "first");
    if P::RELEASES_ONE {
        all[0].ready();
        assert_eq!(panic_of(|| p.release()), "second");
        all.remove(0);
        all.truncate(1);
    }
    for waiter in &mut all {
        assert_eq!(waiter.wakes(), 1);
        waiter.ready();
    }
    p.rearm();
    let mut next = waiter(&p);
    p.release();
    next.ready();
    assert_eq!(p.waiter_count(), 0);
}

pub fn panicking_waker_in_an_unwinding_thread_does_not_abort<P: Primitive>() {
    struct ReleaseAll<P: Primitive>(Arc<P>);
    impl<P: Primitive> Drop for ReleaseAll<P> {
        fn drop(&mut self) {
            self.0.release_all();
        }
    }
    let p = Arc::new(P::default());
    let mut waiter = hooked(&p, Hooks::on_wake(|| panic!("the waker's")));
    let panic = panic_of(|| {
        let _release_all = ReleaseAll(p.clone());
        panic!("the first");
    });
    assert_eq!(panic, "the first");
    waiter.ready();
}

pub fn many_more_than_a_batch_are_released<P: Primitive>() {
    let p = Arc::new(P::default());
    let mut all = waiters(&p, 1000);
    if !P::RELEASES_ONE {
        p.release_all();
        assert_eq!(p.waiter_count(), usize::from(P::CALLS));
    }
    for waiter in &mut all {
        if P::RELEASES_ONE {
            p.release();
        }
        assert_eq!(waiter.wakes(), 1);
        waiter.ready();
    }
}

pub fn leaked_future_keeps_nothing_but_its_place<P: Primitive>() {
    let p = Arc::new(P::default());
    let leaked = waiter(&p);
    let mut next = waiter(&p);
    let hooks = leaked.hooks().clone();
    std::mem::forget(leaked);
    p.release_all();
    assert_eq!((hooks.wakes(), hooks.wakers()), (1, 0));
    if !P::RELEASES_ONE {
        next.ready();
    }
}

pub fn no_wake_is_lost_and_every_wait_ends<P: Primitive>() {
    const TASKS: usize = 6;
    const ROUNDS: usize = 100;
    World::each(|world| {
        let p = Arc::new(P::default());
        let running = Arc::new(AtomicUsize::new(TASKS));
        let (sender, waits) = mpsc::channel();
        let tasks: Vec<_> = (0..TASKS)
            .map(|n| {
                let (p, running, sender) = (p.clone(), running.clone(), sender.clone());
                world.spawn(move || async move {
                    for round in 0..ROUNDS {
                        if (n + round) % 3 == 0 {
                            let mut cancelled = p.clone().wait();
                            let _ = futures_util::poll!(&mut cancelled);
                            if round % 2 == 0 {
                                yield_now().await;
                            }
                        }
                        p.clone().wait().await;
                        let _ = sender.send(());
                    }
                    running.fetch_sub(1, SeqCst);
                })
            })
            .collect();
        drop(sender);
        while running.load(SeqCst) > 0 {
            if p.waiter_count() > 0 {
                p.release();
            }
            thread::yield_now();
        }
        tasks.into_iter().for_each(Task::join);
        assert_eq!(waits.iter().count(), TASKS * ROUNDS);
        assert_eq!(p.waiter_count(), 0);
    });
}
