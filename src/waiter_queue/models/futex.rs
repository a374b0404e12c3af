//! The futex tier: a listener that sleeps in the kernel, and others that ring.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};

use ::loom::sync::Mutex;
use compio_buf::BufResult;

use super::{
    super::{
        compio::Tiers,
        linux::{FutexWait, Sleep, Word},
        tier::WakeTier,
        wake::{DoorbellOwner, Doorbells},
    },
    doorbell::{deliver, wake_of, with_doorbells},
    *,
};

type Owner = DoorbellOwner<Tiers>;

/// One ring and one futex. A wait is compared with its word when the ring is entered, not before: the
/// driver hands operations over when the runtime has nothing else to do.
struct Kernel(Mutex<State>);

enum State {
    /// Nothing is in the ring.
    Idle,
    /// A wait was handed to the ring, which has not been entered since.
    Submitted(Waker),
    Waits(Waker),
    Completed(Result<usize, i32>),
}

thread_local! {
    /// The kernel of the interleaving that runs. Plain std: all threads of a model run on one.
    static KERNEL: RefCell<Option<Arc<Kernel>>> = const { RefCell::new(None) };
}

/// `futex(FUTEX_WAKE)`.
pub(in super::super) fn wake_all(_: &Word) {
    // Without a kernel nobody waits.
    let Some(kernel) = KERNEL.with_borrow(Option::clone) else {
        return;
    };
    let mut state = kernel.0.lock().unwrap();
    if let State::Waits(_) = *state
        && let State::Waits(waker) = std::mem::replace(&mut *state, State::Completed(Ok(0)))
    {
        drop(state);
        waker.wake();
    }
}

impl Kernel {
    fn boot() -> Arc<Self> {
        let kernel = Arc::new(Self(Mutex::new(State::Idle)));
        KERNEL.set(Some(kernel.clone()));
        kernel
    }

    /// `io_uring_enter`.
    fn enter(&self, word: &Word) {
        let mut state = self.0.lock().unwrap();
        if let State::Submitted(waker) = &*state {
            let waker = waker.clone();
            if word.is_sleeping() {
                *state = State::Waits(waker);
            } else {
                *state = State::Completed(Err(libc::EAGAIN));
                drop(state);
                waker.wake();
            }
        }
    }

    fn shut_down(&self) {
        KERNEL.set(None);
        *self.0.lock().unwrap() = State::Idle;
    }
}

/// A wait that was submitted.
struct Submitted {
    kernel: Arc<Kernel>,
    /// Handed over with the first poll.
    is_in_ring: AtomicBool,
}

impl Future for Submitted {
    type Output = BufResult<usize, ()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.kernel.0.lock().unwrap();
        let is_in_ring = self.is_in_ring.swap(true, SeqCst);
        let waker = cx.waker().clone();
        let next = match &*state {
            State::Idle => {
                assert!(!is_in_ring);
                State::Submitted(waker)
            }
            State::Submitted(_) => State::Submitted(waker),
            State::Waits(_) => State::Waits(waker),
            State::Completed(result) => {
                let result = result.map_err(io::Error::from_raw_os_error);
                *state = State::Idle;
                return Poll::Ready(BufResult(result, ()));
            }
        };
        *state = next;
        Poll::Pending
    }
}

/// A runtime that is signalled by the futex.
struct Sleepy {
    open: Owner,
    futex: Sleep<Submitted>,
    kernel: Arc<Kernel>,
    sleeper: StdArc<Sleeper>,
}

impl Sleepy {
    fn new(doorbells: &'static Doorbells<Tiers>) -> Self {
        Self {
            open: doorbells.open(WakeTier::Futex),
            futex: Sleep::new(),
            kernel: Kernel::boot(),
            sleeper: Sleeper::new(),
        }
    }

    /// Polls the listener.
    fn poll(&mut self) {
        let waker = Waker::from(self.sleeper.clone());
        let mut cx = Context::from_waker(&waker);
        let submit = |_: FutexWait| Submitted {
            kernel: self.kernel.clone(),
            is_in_ring: AtomicBool::new(false),
        };
        let word = &self.open.signaller().futex;
        let sleep = |doorbell| self.futex.sleep(doorbell, word, submit, &mut cx);
        assert!(self.open.drain(sleep));
    }

    /// Runs until `probe` has been woken `count` times.
    fn run(&mut self, probe: &Probe, count: usize) {
        loop {
            self.poll();
            if probe.wakes() == count {
                break;
            }
            self.kernel.enter(&self.open.signaller().futex);
            self.sleeper.sleep();
        }
    }

    fn end(self) {
        drop(self.open);
        self.kernel.shut_down();
    }
}

#[test]
fn futex_wakes_a_listener_that_falls_asleep_meanwhile() {
    explore(4, || {
        with_doorbells(|doorbells| {
            let probe = Probe::new();
            let mut runtime = Sleepy::new(doorbells);
            let home = runtime.open.doorbell().home();
            let deliverer = spawn({
                let probe = probe.clone();
                move || deliver(wake_of(&probe, home))
            });
            runtime.run(&probe, 1);
            deliverer.join().unwrap();
            runtime.end();
        });
    });
}

#[test]
fn futex_sleep_that_was_left_is_taken_up_again() {
    explore(3, || {
        with_doorbells(|doorbells| {
            let probe = Probe::new();
            let mut runtime = Sleepy::new(doorbells);
            let home = runtime.open.doorbell().home();
            runtime.poll();
            runtime.kernel.enter(&runtime.open.signaller().futex);
            let deliverer = spawn({
                let probe = probe.clone();
                move || deliver(wake_of(&probe, home))
            });
            // Something else has woken its task.
            runtime.poll();
            runtime.run(&probe, 1);
            deliverer.join().unwrap();
            runtime.end();
        });
    });
}

#[test]
fn futex_signalled_by_two_wakes_the_listener_for_both() {
    explore(2, || {
        with_doorbells(|doorbells| {
            let probe = Probe::new();
            let mut runtime = Sleepy::new(doorbells);
            let home = runtime.open.doorbell().home();
            let deliverers = [(); 2].map(|()| {
                let probe = probe.clone();
                spawn(move || deliver(wake_of(&probe, home)))
            });
            runtime.run(&probe, 2);
            deliverers.into_iter().for_each(|one| one.join().unwrap());
            runtime.end();
        });
    });
}
