//! Models: every claim that the protocols' documentation makes about threads, checked by loom in
//! all the interleavings there are (up to a number of preemptions where it says so).
//!
//! ```sh
//! scripts/loom.sh            # all of them
//! scripts/loom.sh doorbell       # those whose name has `doorbell` in it
//! scripts/mutants.sh         # weakens the protocols, and expects each time that a model fails
//! ```
//!
//! Futures are polled by hand: a model that blocks has more interleavings and shows less, as a wake
//! brings everything along that the waker's thread has done. Where a model polls only once it ends
//! with the threads joined and says what each waiter must have got by then: a waiter that is still
//! pending, and was not woken, is lost.
//!
//! Three things are watched in every model, after every interleaving: that no node is used after
//! it was freed, that none is left over, and that every waker was woken or dropped, once.
//!
//! What a model cannot show: loom knows no spurious failure of `compare_exchange_weak`, and takes
//! a thread's later operations for never done before its earlier ones.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc as StdArc, Mutex as StdMutex,
        atomic::{AtomicUsize as StdAtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use ::loom::{cell::UnsafeCell, model::Builder, sync::Arc, sync::mpsc, thread};

use super::{Left, Outcome, Queue, Slot};

mod barging;
mod broadcast;
mod cancel;
mod cancellation;
mod channels;
mod closing;
mod coordination;
mod doorbell;
#[cfg(all(target_os = "linux", feature = "linux-futex"))]
pub(super) mod futex;
mod node;
mod nodes_alive;
mod notice;
mod notify;
mod once;
mod oneshot;
mod pairs;
mod permit;
mod primitive;
mod rwlock;
mod shared_channels;
mod skipping;
mod steps;
mod watch;

// ---- running ----

/// Explores `model` in all interleavings with up to `preemptions` preemptions.
#[track_caller]
fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.max_branches = 10_000;
    // `LOOM_MAX_PREEMPTIONS` can tighten a model's bound, and `LOOM_DEEPER` loosens it.
    let deeper = std::env::var("LOOM_DEEPER").map_or(0, |more| more.parse().unwrap());
    let most = builder.preemption_bound.unwrap_or(usize::MAX);
    let bound = most.min(preemptions + deeper);
    builder.preemption_bound = Some(bound);
    let count = StdArc::new(StdAtomicUsize::new(0));
    builder.check({
        let count = count.clone();
        move || {
            count.fetch_add(1, Relaxed);
            check_last();
            model();
        }
    });
    check_last();
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    println!(
        "{name}: {} interleavings, up to {bound} preemptions",
        count.load(Relaxed),
    );
}

/// What has to hold when all threads of an interleaving are through.
fn check_last() {
    PROBES.with_borrow_mut(|probes| {
        for probe in probes.drain(..) {
            let count = StdArc::strong_count(&probe);
            assert_eq!(count, 1, "a waker was leaked, or dropped twice");
        }
    });
    nodes_alive::check();
}

// ---- wakers ----

thread_local! {
    /// The probes of the interleaving that runs. Plain std: all threads of a model run on one.
    static PROBES: std::cell::RefCell<Vec<StdArc<Wakes>>> =
        const { std::cell::RefCell::new(Vec::new()) };
}

/// Makes wakers, and counts how often they were woken.
#[derive(Clone)]
struct Probe(StdArc<Wakes>);

struct Wakes(StdAtomicUsize);

impl Probe {
    fn new() -> Self {
        let wakes = StdArc::new(Wakes(StdAtomicUsize::new(0)));
        PROBES.with_borrow_mut(|probes| probes.push(wakes.clone()));
        Self(wakes)
    }

    fn waker(&self) -> Waker {
        self.0.clone().into()
    }

    fn wakes(&self) -> usize {
        self.0.0.load(Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// Sleeps until woken, without the spurious wakes of loom's own `block_on`.
struct Sleeper {
    send: mpsc::Sender<()>,
    receive: StdMutex<mpsc::Receiver<()>>,
}

impl Sleeper {
    fn new() -> StdArc<Self> {
        let (send, receive) = mpsc::channel();
        StdArc::new(Self {
            send,
            receive: StdMutex::new(receive),
        })
    }

    fn sleep(&self) {
        self.receive.lock().unwrap().recv().unwrap();
    }
}

impl Wake for Sleeper {
    fn wake(self: StdArc<Self>) {
        self.send.send(()).unwrap();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let sleeper = Sleeper::new();
    let waker = Waker::from(sleeper.clone());
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        sleeper.sleep();
    }
}

// ---- waiting ----

/// A future of a primitive's: a wait that passes on what it had been given if it is dropped.
struct Wait {
    queue: Arc<Queue>,
    slot: Slot,
    /// How many permits; none for a notification.
    need: usize,
    /// For a notification that may be stored: the opening of the gate that ends the wait as well.
    opening: Option<usize>,
    probe: Probe,
}

impl Wait {
    fn permits(queue: &Arc<Queue>, need: usize) -> Self {
        Self {
            queue: queue.clone(),
            slot: Slot::Idle,
            need,
            opening: None,
            probe: Probe::new(),
        }
    }

    fn stored(queue: &Arc<Queue>) -> Self {
        let mut wait = Self::notice(queue);
        wait.opening = Some(queue.next_opening());
        wait
    }

    fn notice(queue: &Arc<Queue>) -> Self {
        Self::permits(queue, 0)
    }

    /// Polled once, and pending.
    fn queued(mut self) -> Self {
        assert!(self.poll().is_pending());
        self
    }

    fn poll(&mut self) -> Poll<Option<Outcome>> {
        let waker = self.probe.waker();
        let cx = Context::from_waker(&waker);
        match (self.need, self.opening) {
            (_, Some(opening)) => self.queue.poll_stored(&mut self.slot, opening, &cx),
            (0, _) => self.queue.poll_notice(&mut self.slot, &cx),
            (need, _) => self.queue.poll_take(&mut self.slot, need, &cx),
        }
    }

    fn poll_from(&mut self, probe: &Probe) -> Poll<Option<Outcome>> {
        self.probe = probe.clone();
        self.poll()
    }

    fn wakes(&self) -> usize {
        self.probe.wakes()
    }

    fn is_waiting(&self) -> bool {
        matches!(self.slot, Slot::Waiting(_))
    }

    /// What it has come to when all is quiet. Whoever is released then must have been woken.
    #[track_caller]
    fn end(&mut self) -> Poll<Option<Outcome>> {
        if !self.is_waiting() {
            return Poll::Ready(None);
        }
        let woken = self.wakes();
        assert!(woken <= 1, "woken {woken} times");
        let poll = self.poll();
        assert_eq!(poll.is_ready(), woken == 1, "{poll:?}, woken {woken} times");
        poll
    }

    /// Ends in having been released, now or before.
    #[track_caller]
    fn ends(&mut self) {
        assert!(self.end().is_ready(), "the waiter is lost");
    }

    /// Polls as an executor would, only when woken, until it is released.
    ///
    /// `seen` is how many wakes have led to earlier polls. The counts bring nothing along, so a wake
    /// that another thread may have made just before a poll has not.
    #[track_caller]
    fn runs(&mut self, mut seen: usize) -> Option<Outcome> {
        if !self.is_waiting() {
            return None;
        }
        loop {
            let woken = self.wakes();
            assert!(woken > seen, "the waiter is lost, woken {woken} times");
            seen = woken;
            if let Poll::Ready(outcome) = self.poll() {
                return outcome;
            }
        }
    }

    fn leave(&mut self) -> Left {
        if !self.is_waiting() {
            return Left::Nothing;
        }
        let left = self.queue.leave(&mut self.slot);
        match (left, self.need) {
            (Left::With(Outcome::GrantedLast), _) => self.queue.notify_last_or_store(),
            (Left::With(Outcome::Granted), _) if self.opening.is_some() => {
                self.queue.notify_or_store();
            }
            (Left::With(Outcome::Granted), 0) => self.queue.notify(1),
            (Left::With(Outcome::Granted), need) => self.queue.give(need),
            _ => {}
        }
        left
    }
}

/// Polls as executors would, each only when woken, until all are released, and calls `then` for each.
/// They have seen so many wakes when they were polled last.
#[track_caller]
fn run_all<const N: usize>(waits: [&mut Wait; N], mut seen: [usize; N], mut then: impl FnMut()) {
    let mut left: Vec<_> = (0..N).filter(|&n| waits[n].is_waiting()).collect();
    while !left.is_empty() {
        let woken: Vec<_> = left.iter().map(|&n| waits[n].wakes()).collect();
        let next = left.iter().position(|&n| waits[n].wakes() > seen[n]);
        let Some(at) = next else {
            panic!("{left:?} are lost, woken {woken:?} times")
        };
        let n = left[at];
        seen[n] = waits[n].wakes();
        if waits[n].poll().is_ready() {
            left.remove(at);
            then();
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.leave();
        }
    }
}

fn queue(permits: usize) -> Arc<Queue> {
    Arc::new(Queue::new(permits))
}

/// A queue in which `limit` newcomers may pass the same head of the list.
fn bounded(permits: usize, limit: u8) -> Arc<Queue> {
    Arc::new(Queue::with_limit(permits, limit))
}

/// At rest: nobody in the list, nobody with the lock, and `permits` permits to be had.
#[track_caller]
fn assert_at_rest(queue: &Queue, permits: isize) {
    assert_eq!(queue.len(), 0, "somebody is still counted");
    assert_eq!(queue.permits(), permits);
    if permits > 0 {
        let permits = permits as usize;
        assert!(queue.try_take(permits), "the list is empty and in the way");
        queue.give(permits);
    }
}

// ---- data ----

/// Plain data: loom reports it if two threads get at it at once.
struct Data(UnsafeCell<usize>);

// SAFETY: whether its users exclude each other is what the models find out.
unsafe impl Sync for Data {}
// SAFETY: a number.
unsafe impl Send for Data {}

impl Data {
    fn new() -> Arc<Self> {
        Arc::new(Self(UnsafeCell::new(0)))
    }

    fn add(&self, n: usize) {
        // SAFETY: loom panics before two threads get here at once.
        self.0.with_mut(|data| unsafe { *data += n });
    }

    fn read(&self) -> usize {
        // SAFETY: as above.
        self.0.with(|data| unsafe { *data })
    }
}

/// Runs `f` on a thread of the model's.
fn spawn<T: 'static>(f: impl FnOnce() -> T + 'static) -> thread::JoinHandle<T> {
    thread::spawn(f)
}
