//! Nothing stays.

use super::*;

const MILLION: usize = 1_000_000;

/// Begins and drops a million waits, and returns by how much the memory in use grew at most.
fn growth(mut wait: impl FnMut()) -> isize {
    for _ in 0..WARM_UP {
        wait();
    }
    let (before, mut most) = (live(), 0);
    for _ in 0..MILLION / 100 {
        for _ in 0..100 {
            wait();
        }
        most = most.max(live() - before);
    }
    most
}

#[test]
fn a_million_cancelled_acquires_leave_nothing_behind() {
    watched("a_million_cancelled_acquires_leave_nothing_behind", || {
        let semaphore = Semaphore::new(0);
        let grown = growth(|| assert!(poll_once(pin!(semaphore.acquire())).is_pending()));
        assert_eq!((grown, semaphore.waiter_count()), (0, 0));
    });
}

#[test]
fn a_million_acquires_cancelled_within_a_line_leave_nothing_behind() {
    watched(
        "a_million_acquires_cancelled_within_a_line_leave_nothing_behind",
        || {
            let semaphore = Semaphore::new(0);
            let mut ahead = pin!(semaphore.acquire_many(5));
            assert!(poll_once(ahead.as_mut()).is_pending());
            let mut behind = std::collections::VecDeque::new();
            let grown = growth(|| {
                if behind.len() == 50 {
                    behind.pop_front();
                }
                let mut acquire = Box::pin(semaphore.acquire());
                assert!(poll_once(acquire.as_mut()).is_pending());
                behind.push_back(acquire);
            });
            assert_eq!((grown, semaphore.waiter_count()), (0, 51));
            drop(behind);
            assert_eq!(semaphore.waiter_count(), 1);
        },
    );
}

#[test]
fn a_million_cancelled_event_waits_leave_nothing_behind() {
    watched(
        "a_million_cancelled_event_waits_leave_nothing_behind",
        || {
            let event = Event::new();
            let grown = growth(|| assert!(poll_once(pin!(event.wait())).is_pending()));
            assert_eq!((grown, event.waiter_count()), (0, 0));
        },
    );
}

#[test]
fn a_million_cancelled_locks_leave_nothing_behind() {
    watched("a_million_cancelled_locks_leave_nothing_behind", || {
        let mutex = Mutex::new(());
        let _guard = mutex.try_lock().expect("nobody has it");
        let grown = growth(|| assert!(poll_once(pin!(mutex.lock())).is_pending()));
        assert_eq!((grown, mutex.waiter_count()), (0, 0));
    });
}

#[test]
fn a_million_cancelled_condvar_waits_leave_nothing_behind() {
    watched(
        "a_million_cancelled_condvar_waits_leave_nothing_behind",
        || {
            let (mutex, condvar) = (Mutex::new(()), Condvar::new());
            let grown = growth(|| {
                let guard = mutex.try_lock().expect("nobody has it");
                assert!(poll_once(pin!(condvar.wait(guard))).is_pending());
            });
            assert_eq!((grown, condvar.waiter_count()), (0, 0));
        },
    );
}

/// Their timers go with them.
#[cfg(feature = "time")]
#[test]
fn timed_waits_that_end_early_leave_nothing_behind() {
    watched("timed_waits_that_end_early_leave_nothing_behind", || {
        run(async {
            let event = Event::new();
            let grown = growth(|| {
                let mut wait = pin!(event.wait().timeout(Duration::from_secs(3600)));
                assert!(poll_once(wait.as_mut()).is_pending());
                event.set();
                assert!(poll_once(wait.as_mut()).is_ready());
                event.reset();
                let mut given_up = pin!(event.wait().timeout(Duration::from_secs(3600)));
                assert!(poll_once(given_up.as_mut()).is_pending());
            });
            assert!(grown < 1_000, "{grown} bytes");
        })
    });
}

#[test]
fn a_million_cancelled_queue_waits_leave_nothing_behind() {
    watched(
        "a_million_cancelled_queue_waits_leave_nothing_behind",
        || {
            let (queue, mut stay) = (WaiterQueue::new(), true);
            let grown = growth(|| {
                stay = !stay;
                let left = poll_once(pin!(queue.add_waiter_if(|| !stay)));
                assert_eq!(left.is_pending(), stay);
            });
            assert_eq!((grown, queue.waiter_count()), (0, 0));
        },
    );
}

/// While another thread has the turn time and again, those who leave leave messages. The other
/// thread ends up with their nodes.
#[test]
fn a_million_waits_cancelled_beside_a_busy_holder_stay_bounded() {
    watched(
        "a_million_waits_cancelled_beside_a_busy_holder_stay_bounded",
        || {
            /// The two threads' pools: 1,024 idle nodes each, of less than 128 bytes.
            const POOLS: isize = 2 * 1_024 * 128;

            let semaphore = Arc::new(Semaphore::new(0));
            let over = Arc::new(AtomicBool::new(false));
            // The other thread's share, which it publishes as it goes.
            let theirs = Arc::new(AtomicUsize::new(0));
            let holder = thread::spawn({
                let (semaphore, over, theirs) = (semaphore.clone(), over.clone(), theirs.clone());
                move || {
                    let before = live();
                    let share = || theirs.store((live() - before) as usize, Relaxed);
                    let mut turns = 0usize;
                    while !over.load(Relaxed) {
                        // A turn each: an arrival, and, as it goes on its way, a grant or a leave.
                        let mut acquire = pin!(semaphore.acquire());
                        let _ = poll_once(acquire.as_mut());
                        semaphore.add_permits(1);
                        semaphore.reduce_permits(1);
                        turns += 1;
                        share();
                    }
                    // What the last leave has read is gone by now.
                    share();
                    turns
                }
            });
            let before = live();
            let mut most = 0;
            for _ in 0..MILLION / 100 {
                for _ in 0..100 {
                    let mut acquire = pin!(semaphore.acquire());
                    if let Poll::Ready(permit) = poll_once(acquire.as_mut()) {
                        permit.forget();
                    }
                }
                most = most.max(live() - before + theirs.load(Relaxed) as isize);
            }
            over.store(true, Relaxed);
            let turns = holder.join().unwrap();
            let left = live() - before + theirs.load(Relaxed) as isize;
            println!("{turns} turns beside; at most {most} bytes, {left} in the end");
            assert!(turns > 1_000, "the other thread was not busy");
            // In between there may be as much unread as this thread can send while the other one has
            // the turn and is not running: that is up to the scheduler.
            assert!(left <= POOLS, "{left} bytes stay in use");
            assert_eq!(semaphore.waiter_count(), 0);
            drop(semaphore);
        },
    );
}

/// The same within a runtime whose semaphore is busy on another one: `select!` in a loop.
#[test]
fn cancelled_waits_of_a_task_stay_bounded_beside_a_busy_runtime() {
    watched(
        "cancelled_waits_of_a_task_stay_bounded_beside_a_busy_runtime",
        || {
            const WAITS: usize = 100_000;
            let semaphore = Arc::new(Semaphore::new(1));
            let over = Arc::new(AtomicBool::new(false));
            let busy = thread::spawn({
                let (semaphore, over) = (semaphore.clone(), over.clone());
                move || {
                    run(async move {
                        let before = live();
                        let tasks = [(); 4].map(|()| {
                            let (semaphore, over) = (semaphore.clone(), over.clone());
                            compio::runtime::spawn(async move {
                                while !over.load(Relaxed) {
                                    let _permit = semaphore.acquire().await;
                                    pass().await;
                                }
                            })
                        });
                        for task in tasks {
                            task.await.expect("a task panicked");
                        }
                        live() - before
                    })
                }
            });
            let grown = run({
                let semaphore = semaphore.clone();
                async move {
                    let mut before = 0;
                    for wait in 0..WARM_UP + WAITS {
                        if wait == WARM_UP {
                            before = live();
                        }
                        let acquire = pin!(semaphore.acquire());
                        futures_util::future::select(acquire, pin!(pass())).await;
                    }
                    live() - before
                }
            });
            over.store(true, Relaxed);
            // The busy thread has got, and partly freed, what this one has lost to it.
            let grown = grown + busy.join().unwrap();
            assert!(grown <= 2 * 1_024 * 128, "{grown} bytes more than at first");
            assert_eq!(
                (semaphore.available_permits(), semaphore.waiter_count()),
                (1, 0)
            );
        },
    );
}

/// A waker that is counted by its `Arc`.
struct Counted;

// Clippy from 1.96 on takes it for `Waker::noop`, which nothing counts.
#[allow(unknown_lints, clippy::manual_noop_waker)]
impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn every_waker_is_dropped_by_the_end_of_its_wait() {
    watched("every_waker_is_dropped_by_the_end_of_its_wait", || {
        let counted = Arc::new(Counted);
        let waker = Waker::from(counted.clone());
        let other = Arc::new(Counted);
        let other_waker = Waker::from(other.clone());
        let held = || {
            (
                Arc::strong_count(&counted) - 2,
                Arc::strong_count(&other) - 2,
            )
        };
        let poll = |future: Pin<&mut dyn Future<Output = ()>>, waker: &Waker| {
            future.poll(&mut Context::from_waker(waker))
        };
        let semaphore = Semaphore::new(0);
        let acquire = || async {
            semaphore
                .acquire()
                .or_closed()
                .await
                .map(|p| p.forget())
                .unwrap_or(())
        };

        // Granted; and polled with another waker before that.
        let mut wait = Box::pin(acquire());
        assert!(poll(wait.as_mut(), &waker).is_pending());
        assert_eq!(held(), (1, 0));
        assert!(poll(wait.as_mut(), &other_waker).is_pending());
        assert_eq!(held(), (0, 1));
        semaphore.add_permits(1);
        assert_eq!(held(), (0, 0), "woken, hence dropped, before it is polled");
        assert!(poll(wait.as_mut(), &waker).is_ready());
        assert_eq!(held(), (0, 0));

        // Cancelled, from the line's head, middle and end.
        let mut waits: Vec<_> = (0..9).map(|_| Box::pin(acquire())).collect();
        for wait in &mut waits {
            assert!(poll(wait.as_mut(), &waker).is_pending());
        }
        assert_eq!(held(), (9, 0));
        for index in [0, 3, 6] {
            drop(waits.remove(index));
        }
        assert_eq!(held(), (6, 0));

        // Leaked: the wakers go with the semaphore. Closed: at once.
        std::mem::forget(waits.pop());
        semaphore.close();
        assert_eq!(held(), (0, 0));
        drop(waits);

        let semaphore = Arc::new(Semaphore::new(0));
        let mut leaked = Box::pin(semaphore.acquire());
        assert!(
            leaked
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert_eq!(held(), (1, 0));
        std::mem::forget(leaked);
        drop(semaphore);
        assert_eq!(held(), (0, 0), "nobody can end that wait any more");

        // A future that is granted and dropped, unpolled.
        let event = Event::new();
        let mut wait = Box::pin(event.wait());
        assert!(poll(wait.as_mut(), &waker).is_pending());
        event.set();
        drop(wait);
        assert_eq!(held(), (0, 0));

        // A condvar's waiter, which is cancelled before and after it was notified.
        let (mutex, condvar) = (Mutex::new(()), Condvar::new());
        for notify in [false, true] {
            let wait = async { drop(condvar.wait(mutex.try_lock().expect("free")).await) };
            let mut wait = Box::pin(wait);
            assert!(poll(wait.as_mut(), &waker).is_pending());
            let guard = mutex.try_lock().expect("the wait has unlocked it");
            if notify {
                condvar.notify_one();
                assert!(poll(wait.as_mut(), &waker).is_pending(), "for the mutex");
            }
            assert_eq!(held(), (1, 0));
            drop(wait);
            assert_eq!(held(), (0, 0));
            drop(guard);
        }
        assert_eq!((mutex.waiter_count(), condvar.waiter_count()), (0, 0));
    });
}

/// Runtimes come and go: what they leave behind is used again by the next.
#[test]
fn runtimes_that_come_and_go_leave_nothing_behind() {
    watched("runtimes_that_come_and_go_leave_nothing_behind", || {
        let semaphore = Arc::new(Semaphore::new(0));
        let both = Arc::new(Barrier::new(2));
        let over = Arc::new(AtomicBool::new(false));
        let releaser = thread::spawn({
            let (semaphore, both, over) = (semaphore.clone(), both.clone(), over.clone());
            move || {
                loop {
                    both.wait();
                    if over.load(SeqCst) {
                        return;
                    }
                    semaphore.add_permits(1);
                }
            }
        });
        let one = || {
            let (semaphore, both) = (semaphore.clone(), both.clone());
            run(async move {
                let granted = compio::runtime::spawn({
                    let semaphore = semaphore.clone();
                    async move { semaphore.acquire().await.forget() }
                });
                for _ in 0..4 {
                    let semaphore = semaphore.clone();
                    let never = async move { semaphore.acquire_many_owned(1_000).await.forget() };
                    compio::runtime::spawn(never).detach();
                }
                pass_until(|| semaphore.waiter_count() == 5).await;
                both.wait();
                granted.await.expect("the task panicked");
            });
        };
        for _ in 0..20 {
            one();
        }
        let before = live();
        for _ in 0..200 {
            one();
        }
        let grown = live() - before;
        over.store(true, SeqCst);
        both.wait();
        releaser.join().unwrap();
        assert_eq!(semaphore.waiter_count(), 0);
        assert!(grown.abs() < 4_096, "{grown} bytes after 200 runtimes");
    });
}

/// Has something done as it is dropped.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Waiters that are granted when their runtime has stopped, or as it is being dropped: neither
/// they nor their tasks are kept, and their permits pass on.
#[test]
fn wakes_that_come_too_late_leave_nothing_behind() {
    watched("wakes_that_come_too_late_leave_nothing_behind", || {
        const WAITERS: usize = 4;
        let semaphore = Arc::new(Semaphore::new(0));
        let both = Arc::new(Barrier::new(2));
        let over = Arc::new(AtomicBool::new(false));
        let theirs = Arc::new(AtomicUsize::new(0));
        let releaser = thread::spawn({
            let (semaphore, both) = (semaphore.clone(), both.clone());
            let (over, theirs) = (over.clone(), theirs.clone());
            move || {
                loop {
                    both.wait();
                    if over.load(SeqCst) {
                        return;
                    }
                    semaphore.add_permits(WAITERS);
                    theirs.store(live() as usize, SeqCst);
                    both.wait();
                }
            }
        });
        let release = || {
            both.wait();
            both.wait();
        };
        let one = |late: bool| {
            let runtime = runtime();
            runtime.enter(|| {
                let wait = || {
                    let semaphore = semaphore.clone();
                    runtime
                        .spawn(async move { drop(semaphore.acquire_owned().await) })
                        .detach();
                };
                // compio drops its tasks in the order of their making. The listener is made by the
                // first wait.
                wait();
                while runtime.run() {}
                if late {
                    let both = both.clone();
                    let release = OnDrop(move || {
                        both.wait();
                        both.wait();
                    });
                    let never = async move {
                        let _release = release;
                        std::future::pending::<()>().await;
                    };
                    runtime.spawn(never).detach();
                }
                (0..WAITERS).for_each(|_| wait());
                while runtime.run() {}
                assert_eq!(semaphore.waiter_count(), WAITERS + 1);
            });
            if !late {
                release();
            }
            drop(runtime);
            assert_eq!(semaphore.waiter_count(), 0);
            assert_eq!(semaphore.reduce_permits(usize::MAX), WAITERS);
        };
        for late in [false, true] {
            (0..20).for_each(|_| one(late));
            let in_use = || live() + theirs.load(SeqCst) as isize;
            let before = in_use();
            (0..200).for_each(|_| one(late));
            let grown = in_use() - before;
            assert!(
                grown.abs() < 4_096,
                "late: {late}: {grown} bytes after 200 runtimes"
            );
        }
        over.store(true, SeqCst);
        both.wait();
        releaser.join().unwrap();
    });
}
