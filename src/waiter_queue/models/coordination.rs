//! `Gate`, `Latch`, `WaitGroup`, `Barrier`.

use std::{pin::Pin, sync::Arc as StdArc};

use super::*;
use crate::{Barrier, BarrierWait, Gate, Latch, WaitGroup};

fn poll<F: Future + Unpin>(future: &mut F, probe: &Probe) -> Poll<F::Output> {
    let waker = probe.waker();
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

/// Something that futures borrow, and threads share. All of them are done with it before it is dropped.
struct Shared<T: 'static>(StdArc<T>);

impl<T> Shared<T> {
    fn new(it: T) -> Self {
        Self(StdArc::new(it))
    }

    fn get(&self) -> &'static T {
        // SAFETY: a model ends with the joins of its threads, and drops its futures before this.
        unsafe { &*StdArc::as_ptr(&self.0) }
    }
}

#[test]
fn gate_closes_when_those_inside_have_left() {
    explore(2, || {
        let gate = Shared::new(Gate::new());
        let it = gate.get();
        let data = Data::new();
        let inside = it.enter().unwrap();
        let leaving = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                drop(inside);
            }
        });
        let late = spawn(move || it.enter().is_err());
        let probe = Probe::new();
        let mut close = it.close();
        let first = poll(&mut close, &probe).is_ready();
        if first {
            assert_eq!(data.read(), 1);
        }
        assert!(it.enter().is_err(), "entered after the close");
        leaving.join().unwrap();
        let refused = late.join().unwrap();
        if !first {
            assert_eq!(probe.wakes(), 1, "lost");
            assert!(poll(&mut close, &probe).is_ready());
        }
        assert!(it.is_closed());
        assert_eq!(it.count(), 0, "{refused}");
        drop(close);
    });
}

#[test]
fn gate_that_two_close_ends_both_waits() {
    explore(1, || {
        let gate = Shared::new(Gate::new());
        let it = gate.get();
        let inside = it.enter().unwrap();
        let leaving = spawn(move || drop(inside));
        let other = spawn(move || {
            let probe = Probe::new();
            let mut close = it.close();
            let is_over = poll(&mut close, &probe).is_ready();
            (close, probe, is_over)
        });
        let probe = Probe::new();
        let mut close = it.close();
        let is_over = poll(&mut close, &probe).is_ready();
        leaving.join().unwrap();
        let (mut other, other_probe, other_is_over) = other.join().unwrap();
        assert!(is_over || probe.wakes() == 1 && poll(&mut close, &probe).is_ready());
        assert!(
            other_is_over || other_probe.wakes() == 1 && poll(&mut other, &other_probe).is_ready()
        );
        drop((close, other));
    });
}

/// Who is refused sees what came before the close.
#[test]
fn gate_refuses_after_what_came_before_the_close() {
    explore(3, || {
        let gate = Shared::new(Gate::new());
        let it = gate.get();
        let data = Data::new();
        let closing = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                drop(it.close());
            }
        });
        let refused = it.enter().is_err();
        if refused || it.is_closed() {
            assert_eq!(data.read(), 1);
        }
        closing.join().unwrap();
    });
}

#[test]
fn latch_ends_waits_after_all_counts() {
    explore(2, || {
        let latch = Shared::new(Latch::new(2));
        let it = latch.get();
        let data = [Data::new(), Data::new()];
        let others = [0, 1].map(|n| {
            let data = data[n].clone();
            spawn(move || {
                data.add(1);
                it.count_down();
            })
        });
        let probe = Probe::new();
        let mut wait = it.wait();
        let first = poll(&mut wait, &probe).is_ready();
        if first || it.try_wait() {
            assert_eq!(data.iter().map(|data| data.read()).sum::<usize>(), 2);
        }
        for other in others {
            other.join().unwrap();
        }
        if !first {
            assert_eq!(probe.wakes(), 1, "lost");
            assert!(poll(&mut wait, &probe).is_ready());
        }
        drop(wait);
    });
}

/// Of the waits that end, each sees what both did, not only what the one did that opened.
#[test]
fn latch_opens_after_what_all_did() {
    explore(2, || {
        let latch = Shared::new(Latch::new(2));
        let it = latch.get();
        let data = Data::new();
        let other = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                it.count_down();
            }
        });
        let probe = Probe::new();
        let mut wait = it.wait();
        assert!(poll(&mut wait, &probe).is_pending());
        let last = spawn(move || it.count_down());
        if poll(&mut wait, &probe).is_ready() {
            assert_eq!(data.read(), 1);
        }
        other.join().unwrap();
        last.join().unwrap();
        assert_eq!(probe.wakes(), 1);
        drop(wait);
    });
}

#[test]
fn wait_group_ends_waits_when_the_last_handle_goes() {
    explore(2, || {
        let group = WaitGroup::new();
        let data = Data::new();
        let others = [(); 2].map(|()| {
            let (member, data) = (group.clone(), data.clone());
            (member, data)
        });
        let [(one, data_of_one), (other, _)] = others;
        let leaving = [
            spawn(move || {
                data_of_one.add(1);
                drop(one);
            }),
            spawn(move || drop(other)),
        ];
        let probe = Probe::new();
        let mut wait = group.wait();
        let first = poll(&mut wait, &probe).is_ready();
        if first {
            assert_eq!(data.read(), 1);
        }
        for it in leaving {
            it.join().unwrap();
        }
        if !first {
            assert_eq!(probe.wakes(), 1, "lost");
            assert!(poll(&mut wait, &probe).is_ready());
        }
    });
}

/// One who has arrived, or tries to.
struct Arrival {
    wait: BarrierWait<'static>,
    probe: Probe,
    result: Option<bool>,
}

impl Arrival {
    fn new(barrier: &'static Barrier) -> Self {
        let mut it = Self {
            wait: barrier.wait(),
            probe: Probe::new(),
            result: None,
        };
        it.poll();
        it
    }

    fn poll(&mut self) {
        if self.result.is_none()
            && let Poll::Ready(result) = poll(&mut self.wait, &self.probe)
        {
            self.result = Some(result.is_leader());
        }
    }

    /// Whether it is the leader. It has to be over, and woken if it had to wait.
    #[track_caller]
    fn is_leader(&mut self) -> bool {
        if self.result.is_none() {
            assert_eq!(self.probe.wakes(), 1, "lost");
            self.poll();
        }
        self.result.expect("all have arrived")
    }
}

#[test]
fn barrier_ends_the_waits_of_a_generation_with_one_leader() {
    explore(1, || {
        let barrier = Shared::new(Barrier::new(3));
        let it = barrier.get();
        let data = Data::new();
        let first = spawn({
            let data = data.clone();
            move || {
                data.add(1);
                Arrival::new(it)
            }
        });
        let second = spawn(move || Arrival::new(it));
        let mut third = Arrival::new(it);
        if third.result.is_some() {
            assert_eq!(data.read(), 1);
        }
        let mut arrivals = [first.join().unwrap(), second.join().unwrap()];
        let leaders = arrivals
            .iter_mut()
            .filter_map(|it| it.is_leader().then_some(()))
            .count();
        assert_eq!(leaders + usize::from(third.is_leader()), 1);
        drop((arrivals, third));
    });
}

/// Who leaves either takes its arrival back, or all had arrived.
#[test]
fn barrier_waits_for_another_if_one_leaves() {
    explore(3, || {
        let barrier = Shared::new(Barrier::new(2));
        let it = barrier.get();
        let leaver = Arrival::new(it);
        let arriving = spawn(move || Arrival::new(it));
        drop(leaver);
        let mut arrival = arriving.join().unwrap();
        if arrival.result.is_none() {
            // The leaver was first. Another one has to come.
            assert_eq!(arrival.probe.wakes(), 0, "two have to arrive");
            assert!(Arrival::new(it).is_leader());
            assert!(!arrival.is_leader());
        } else {
            assert!(arrival.is_leader());
            // And the next generation waits for two.
            let next = Arrival::new(it);
            assert!(next.result.is_none());
            drop(next);
        }
        drop(arrival);
    });
}

/// Those of the next generation are not let go with those of this one.
#[test]
fn barrier_begins_again_beside_those_who_go() {
    explore(2, || {
        let barrier = Shared::new(Barrier::new(2));
        let it = barrier.get();
        let mut first = Arrival::new(it);
        let leading = spawn(move || {
            let mut arrival = Arrival::new(it);
            assert!(arrival.is_leader());
        });
        if first.result.is_none() {
            first.poll();
        }
        // Goes on at once, and waits in the next generation.
        let mut next = (first.result.is_some()).then(|| Arrival::new(it));
        leading.join().unwrap();
        assert!(!first.is_leader());
        if let Some(next) = &mut next {
            next.poll();
            assert!(next.result.is_none(), "one has arrived");
        }
        drop((first, next));
    });
}
