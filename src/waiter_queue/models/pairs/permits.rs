//! Permits. There is one to begin with, and whoever stands in the list before all begins needs two.
//!
//! When all are through and the woken have been polled,
//! - nothing is left undone: somebody who looks after the list finds nothing to do;
//! - every permit is with somebody, in the queue, or taken away;
//! - whoever still waits gets its permits when they are given.

use super::*;

/// What the operations find, and what they leave.
struct Scene {
    queue: Arc<Queue>,
    /// Those who stand in the list when all begins, one for each operation that needs one.
    line: Vec<Wait>,
    /// How many permits there are in all.
    permits: isize,
    is_closed: bool,
    /// Those who wait when all are through.
    waits: Vec<Wait>,
}

/// What an operation has done: to how many permits there are, whether it has closed, who waits.
#[derive(Default)]
struct Done {
    permits: isize,
    closed: bool,
    wait: Option<Wait>,
}

type Op = super::Op<Done>;

/// What the queues are like when all begins.
#[derive(Clone, Copy, PartialEq)]
enum Begin {
    Strict,
    Barging,
    /// The head of the list has been woken, and has not come.
    Called,
}

use Begin::{Barging, Called, Strict};

mod ops {
    use super::*;

    fn wait(mut wait: Wait) -> Done {
        let is_over = match wait.poll() {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        };
        match is_over {
            Some(Some(Outcome::Granted)) => Done {
                permits: -(wait.need as isize),
                ..Done::default()
            },
            Some(_) => Done::default(),
            None => Done {
                wait: Some(wait),
                ..Done::default()
            },
        }
    }

    pub(super) fn acquire(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        wait(Wait::permits(&queue, 1))
    }

    pub(super) fn acquire_two(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        wait(Wait::permits(&queue, 2))
    }

    pub(super) fn try_acquire(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        Done {
            permits: -(queue.try_take(1) as isize),
            ..Done::default()
        }
    }

    pub(super) fn release(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        queue.give(1);
        Done {
            permits: 1,
            ..Done::default()
        }
    }

    pub(super) fn reduce(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        Done {
            permits: -(queue.reduce(1) as isize),
            ..Done::default()
        }
    }

    pub(super) fn forget(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        queue.forget(1);
        Done {
            permits: -1,
            ..Done::default()
        }
    }

    pub(super) fn close(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        queue.close();
        Done {
            closed: true,
            ..Done::default()
        }
    }

    /// One that stands in the list leaves.
    pub(super) fn cancel(_: Arc<Queue>, wait: Option<Wait>) -> Done {
        drop(wait.unwrap());
        Done::default()
    }

    /// One that stands in the list is polled by another task.
    pub(super) fn move_away(_: Arc<Queue>, of: Option<Wait>) -> Done {
        let mut of = of.unwrap();
        of.probe = Probe::new();
        wait(of)
    }
}

/// Whether the operation is one of somebody in the list.
fn is_in_the_list(op: Op) -> bool {
    [ops::cancel as Op, ops::move_away as Op]
        .iter()
        .any(|it| std::ptr::fn_addr_eq(*it, op))
}

impl Scene {
    fn new<const N: usize>(begin: Begin, ops: [Op; N]) -> Self {
        let queue = match begin {
            Begin::Strict => queue(1),
            _ => bounded(1, 1),
        };
        let in_line = ops.iter().filter(|op| is_in_the_list(**op)).count();
        let line = (0..in_line)
            .map(|_| Wait::permits(&queue, 2).queued())
            .collect();
        let mut scene = Self {
            queue,
            line,
            permits: 1,
            is_closed: false,
            waits: Vec::new(),
        };
        if begin == Begin::Called {
            scene.give(1);
        }
        scene
    }

    fn give(&mut self, count: usize) {
        self.queue.give(count);
        self.permits += count as isize;
    }

    fn end(&mut self, done: Done) {
        self.permits += done.permits;
        self.is_closed |= done.closed;
        self.waits.extend(done.wait);
    }

    /// Polls whoever has been woken.
    fn run(&mut self, seen: &mut Vec<usize>) {
        run(&mut self.waits, seen, |wait, outcome| match outcome {
            Some(Outcome::Granted) => self.permits -= wait.need as isize,
            _ => assert!(self.is_closed, "refused for nothing"),
        });
    }

    /// Whether anything was left undone.
    fn check(&self) {
        let before = (wakes(&self.waits), self.queue.len(), self.queue.permits());
        assert_eq!(before.1, self.waits.len(), "the list is miscounted");
        assert_eq!(before.2, self.permits, "a permit is lost, or had by two");
        self.queue.combine_if_unlocked();
        let after = (wakes(&self.waits), self.queue.len(), self.queue.permits());
        assert_eq!(before, after, "something was left undone");
    }

    fn play<const N: usize>(mut self, ops: [Op; N]) {
        let line = std::mem::take(&mut self.line);
        for done in meet(&self.queue, line, ops, is_in_the_list) {
            self.end(done);
        }

        let mut seen = Vec::new();
        self.run(&mut seen);
        self.check();
        if self.is_closed {
            assert!(self.waits.is_empty(), "somebody waits behind the close");
            return;
        }
        let needs: usize = self.waits.iter().map(|it| it.need).sum();
        for _ in 0..needs as isize - self.permits {
            self.give(1);
            self.run(&mut seen);
            self.check();
        }
        assert!(self.waits.is_empty(), "the waiter is lost");
        assert_at_rest(&self.queue, self.permits);
    }
}

fn two(begin: Begin, ops: [Op; 2]) {
    explore(3, move || Scene::new(begin, ops).play(ops));
}

fn three(begin: Begin, ops: [Op; 3]) {
    explore(1, move || Scene::new(begin, ops).play(ops));
}

macro_rules! scenes {
    ($($scene:ident: $begin:ident)*) => {$(
        mod $scene {
            use super::*;
            meetings!($begin;
                acquire acquire_two try_acquire release reduce forget close cancel move_away);
        }
    )*};
}

scenes! {
    nothing_is_lost_in_a_strict_queue_between: Strict
    nothing_is_lost_with_barging_between: Barging
    nothing_is_lost_once_the_head_is_woken_between: Called
}
