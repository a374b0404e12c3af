//! [`Gate`], [`Latch`], [`WaitGroup`] and [`Barrier`]: who waits for whom, and what leaving does.

mod common;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Polled, Task, World, panic_of, until};
use compio_sync::{Barrier, Elapsed, EnterError, Gate, Latch, WaitGroup};

const SHORT: Duration = Duration::from_millis(2);

// ---- Gate ----

#[test]
fn closed_gate_refuses_and_waits_for_those_inside() {
    let gate = Gate::new();
    let (one, two) = (gate.enter().unwrap(), gate.enter().unwrap());
    assert_eq!((gate.count(), gate.is_closed()), (2, false));
    let mut close = Polled::new(gate.close());
    assert_eq!(gate.enter().unwrap_err(), EnterError);
    assert_eq!(EnterError.to_string(), "the gate is closed");
    close.waits();
    drop(one);
    close.waits();
    // Who is inside may bring in another one.
    let three = two.clone();
    drop(two);
    close.waits();
    drop(three);
    assert_eq!(close.wakes(), 1);
    close.ready();
    Polled::new(gate.close()).ready();
    assert_eq!(format!("{gate:?}"), "Gate { count: 0, is_closed: true }");
}

#[test]
fn gate_is_closed_by_the_call_and_stays_so() {
    let gate = Gate::default();
    let inside = gate.enter().unwrap();
    drop(gate.close());
    assert!(gate.is_closed() && gate.enter().is_err());
    assert_eq!(gate.close().timeout(SHORT).blocking(), Err(Elapsed));
    let mut closes: Vec<_> = (0..3).map(|_| Polled::pending(gate.close())).collect();
    drop(closes.remove(1));
    drop(inside);
    closes.iter_mut().for_each(Polled::ready);
    assert_eq!(gate.close().timeout(Duration::ZERO).blocking(), Ok(()));
}

#[test]
fn task_that_panics_inside_has_left() {
    let gate = Gate::new();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _inside = gate.enter().unwrap();
        panic!("inside");
    }));
    assert!(result.is_err());
    Polled::new(gate.close()).ready();
}

#[test]
fn operations_of_every_world_are_waited_for() {
    World::each(|world| {
        let (gate, done) = (Arc::new(Gate::new()), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (gate, done) = (gate.clone(), done.clone());
                world.spawn(move || async move {
                    let mut entered = 0;
                    while let Ok(inside) = gate.clone().enter_owned() {
                        entered += 1;
                        common::yield_now().await;
                        done.fetch_add(1, SeqCst);
                        drop(inside);
                    }
                    entered
                })
            })
            .collect();
        until(|| done.load(SeqCst) > 100);
        gate.blocking_close();
        let at_close = done.load(SeqCst);
        let entered: usize = tasks.into_iter().map(Task::join).sum();
        assert_eq!((entered, done.load(SeqCst)), (at_close, at_close));
    });
}

// ---- Latch ----

#[test]
fn latch_counts_down_to_zero_and_no_further() {
    let latch = Latch::new(3);
    let mut waits: Vec<_> = (0..2).map(|_| Polled::pending(latch.wait())).collect();
    latch.count_down();
    latch.arrive(0);
    assert_eq!((latch.count(), latch.try_wait()), (2, false));
    drop(waits.pop());
    assert_eq!(
        latch.wait().timeout(Duration::ZERO).blocking(),
        Err(Elapsed)
    );
    latch.arrive(usize::MAX);
    assert_eq!((latch.count(), latch.try_wait()), (0, true));
    latch.count_down();
    waits.iter_mut().for_each(Polled::ready);
    Polled::new(latch.wait()).ready();
    assert_eq!(latch.wait().timeout(Duration::ZERO).blocking(), Ok(()));
    Polled::new(Latch::new(0).wait()).ready();
}

#[test]
fn latch_lets_all_go_when_all_have_counted() {
    World::each(|world| {
        let (latch, counted) = (Arc::new(Latch::new(30)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..30)
            .map(|_| {
                let (latch, counted) = (latch.clone(), counted.clone());
                world.spawn(move || async move {
                    counted.fetch_add(1, SeqCst);
                    latch.count_down();
                    latch.wait().await;
                    assert_eq!(counted.load(SeqCst), 30);
                })
            })
            .collect();
        latch.blocking_wait();
        assert_eq!(counted.load(SeqCst), 30);
        tasks.into_iter().for_each(Task::join);
    });
}

// ---- WaitGroup ----

#[test]
fn group_is_done_when_all_handles_are_dropped() {
    let group = WaitGroup::default();
    let (one, two) = (group.clone(), group.clone());
    assert_eq!(group.count(), 3);
    let mut wait = Polled::pending(group.wait());
    assert_eq!(one.count(), 2);
    let mut other = Polled::pending(two.wait());
    drop(Polled::pending(one.clone().wait()));
    wait.waits();
    drop(one);
    assert_eq!((wait.wakes(), other.wakes()), (1, 1));
    wait.ready();
    other.ready();
    Polled::new(WaitGroup::new().wait()).ready();
}

#[test]
fn group_waits_for_tasks_that_panic_and_for_threads() {
    World::each(|world| {
        let group = WaitGroup::new();
        let member = group.clone();
        let panics = world.spawn(|| async move {
            let _member = member;
            panic!("a member");
        });
        let member = group.clone();
        let thread = thread::spawn(move || drop(member));
        let task = world.spawn(|| async move {
            group.await;
        });
        task.join();
        let panics: Task<()> = panics;
        assert!(panics.outcome().is_err());
        thread.join().unwrap();
    });
    let group = WaitGroup::new();
    let member = group.clone();
    assert_eq!(group.wait().timeout(SHORT).blocking(), Err(Elapsed));
    assert_eq!(member.count(), 1);
}

// ---- Barrier ----

#[test]
fn barrier_lets_a_generation_go_and_begins_again() {
    let barrier = Barrier::new(3);
    for _ in 0..3 {
        let mut waits: Vec<_> = (0..2).map(|_| Polled::pending(barrier.wait())).collect();
        assert_eq!(format!("{barrier:?}"), "Barrier { n: 3, arrived: 2, .. }");
        assert!(barrier.blocking_wait().is_leader());
        for wait in &mut waits {
            assert_eq!(wait.wakes(), 1);
            assert!(!wait.ready().is_leader());
        }
    }
}

#[test]
fn barrier_of_none_or_one_lets_everybody_go_as_the_leader() {
    for n in [0, 1] {
        let barrier = Barrier::new(n);
        for _ in 0..3 {
            assert!(barrier.blocking_wait().is_leader());
        }
    }
    let panic = panic_of(|| drop(Barrier::new(Barrier::MAX_TASKS + 1)));
    assert!(panic.contains("Barrier::MAX_TASKS"), "{panic}");
}

#[test]
fn who_leaves_early_takes_its_arrival_back_and_who_leaves_late_does_not() {
    let barrier = Barrier::new(2);
    drop(Polled::new(barrier.wait()));
    drop(Polled::pending(barrier.wait()));
    let timed = barrier.wait().timeout(SHORT).blocking();
    assert_eq!(timed, Err(Elapsed));
    let mut one = Polled::pending(barrier.wait());
    let late = {
        let two = Polled::new(barrier.wait());
        let mut two = two;
        assert!(two.ready().is_leader());
        two
    };
    drop(late);
    assert!(!one.ready().is_leader());
    // Let go, and dropped without having been polled: the next generation has nothing of it.
    let dropped = Polled::pending(barrier.wait());
    assert!(barrier.blocking_wait().is_leader());
    drop(dropped);
    let mut next = Polled::pending(barrier.wait());
    assert!(barrier.blocking_wait().is_leader());
    assert!(!next.ready().is_leader());
}

#[test]
fn wait_that_is_late_for_its_generation_is_not_let_go_with_it() {
    let barrier = Barrier::new(2);
    let mut first = Polled::pending(barrier.wait());
    assert!(barrier.blocking_wait().is_leader());
    let mut next = Polled::pending(barrier.wait());
    assert!(!first.ready().is_leader());
    next.waits();
    assert_eq!(next.wakes(), 0);
}

#[test]
fn tasks_of_every_world_meet_again_and_again() {
    const ROUNDS: usize = 50;
    const TASKS: usize = 12;
    World::each(|world| {
        let barrier = Arc::new(Barrier::new(TASKS + 1));
        let (arrived, leaders) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (barrier, arrived, leaders) =
                    (barrier.clone(), arrived.clone(), leaders.clone());
                world.spawn(move || async move {
                    for round in 1..=ROUNDS {
                        arrived.fetch_add(1, SeqCst);
                        if barrier.wait().await.is_leader() {
                            leaders.fetch_add(1, SeqCst);
                        }
                        assert!(arrived.load(SeqCst) >= round * (TASKS + 1));
                        // Nobody goes on before all have looked.
                        if barrier.wait().await.is_leader() {
                            leaders.fetch_add(1, SeqCst);
                        }
                    }
                })
            })
            .collect();
        for _ in 0..ROUNDS {
            arrived.fetch_add(1, SeqCst);
            let leads = [barrier.blocking_wait(), barrier.blocking_wait()];
            let count = leads.iter().filter(|it| it.is_leader()).count();
            leaders.fetch_add(count, SeqCst);
        }
        tasks.into_iter().for_each(Task::join);
        assert_eq!(leaders.load(SeqCst), 2 * ROUNDS);
    });
}

#[test]
fn blocking_in_a_runtime_panics() {
    World::each_compio(|world| {
        let task = world.spawn_on(0, || async {
            let panics = [
                panic_of(|| Gate::new().blocking_close()),
                panic_of(|| Latch::new(0).blocking_wait()),
                panic_of(|| WaitGroup::new().blocking_wait()),
                panic_of(|| _ = Barrier::new(0).blocking_wait()),
            ];
            for panic in panics {
                assert!(panic.contains("inside a compio runtime"), "{panic}");
            }
        });
        task.join();
    });
}
