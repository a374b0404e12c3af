//! What waiting costs in memory, and what it costs by number.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    future::Future,
    mem::size_of,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering::Relaxed},
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::{Remote, contend, contend::Load, each};
use crate::peers::{
    Peer, Semaphore,
    channels::{Channel, Sender},
};

/// The system's allocator, which counts on demand.
pub struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicIsize = AtomicIsize::new(0);

fn count(allocations: usize, bytes: isize) {
    if ON.load(Relaxed) {
        ALLOCATIONS.fetch_add(allocations, Relaxed);
        LIVE.fetch_add(bytes, Relaxed);
    }
}

// SAFETY: all is passed on to the system's allocator; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as isize);
        // SAFETY: the caller's contract is this call's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(0, -(layout.size() as isize));
        // SAFETY: the caller's contract is this call's.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as isize - layout.size() as isize);
        // SAFETY: the caller's contract is this call's.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// Allocations and growth of the heap in bytes, on all threads, while `f` runs.
fn counted(f: impl FnOnce()) -> (usize, isize) {
    ALLOCATIONS.store(0, Relaxed);
    LIVE.store(0, Relaxed);
    ON.store(true, Relaxed);
    f();
    ON.store(false, Relaxed);
    (ALLOCATIONS.load(Relaxed), LIVE.load(Relaxed))
}

/// How many allocations one more wait takes, when many have been through.
pub fn allocations_per_wait<P: Peer>(remotes: &[Remote], load: Load) -> f64 {
    let waits = remotes.len() * load.tasks * load.rounds;
    let more = allocations_of(load.rounds, |rounds| {
        contend::<P>(remotes, Load { rounds, ..load });
    });
    more / waits as f64
}

/// How many allocations `rounds` more rounds take, when as many have been through.
pub fn allocations_of(rounds: usize, mut run: impl FnMut(usize)) -> f64 {
    run(rounds);
    let [once, twice] = [rounds, 2 * rounds].map(|rounds| counted(|| run(rounds)).0);
    twice.saturating_sub(once) as f64
}

/// By how many bytes the heap grows while `rounds` waits are cancelled, one after the other.
pub fn growth_by_cancels<P: Peer>(rounds: usize) -> f64 {
    let semaphore = P::semaphore(0);
    let cancel = |rounds| {
        for _ in 0..rounds {
            let mut wait = Box::pin(semaphore.acquire());
            let _ = poll_once(wait.as_mut());
        }
    };
    cancel(1000);
    counted(|| cancel(rounds)).1 as f64
}

/// `count` waits are queued, granted and completed, without an executor. Returns the nanoseconds
/// for each of them.
pub fn queue_and_grant<P: Peer>(count: usize) -> f64 {
    let semaphore = P::semaphore(0);
    let repeat = (10_000 / count).max(1);
    let mut waits = Vec::with_capacity(count);
    let mut time = std::time::Duration::ZERO;
    for round in 0..=repeat {
        // Those that are alive at the same time, in memory as they come.
        waits.extend((0..count).map(|_| Box::pin(semaphore.acquire())));
        let begin = Instant::now();
        for wait in &mut waits {
            assert!(poll_once(wait.as_mut()).is_pending());
        }
        for _ in 0..count {
            semaphore.add_permits(1);
        }
        for wait in &mut waits {
            match poll_once(wait.as_mut()) {
                Poll::Ready(permit) => P::Semaphore::forget(permit),
                Poll::Pending => unreachable!("there is a permit for each"),
            }
        }
        if round > 0 {
            time += begin.elapsed();
        }
        waits.clear();
    }
    each(time, repeat * count)
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What each of many semaphores takes, in bytes.
pub struct Footprint {
    /// Itself, with all that it has on the heap.
    pub new: f64,
    /// With somebody waiting, and what the wait takes, but for the future itself.
    pub waited_for: f64,
    /// When nobody waits any more.
    pub used: f64,
    /// The future of a wait.
    pub future: f64,
}

pub fn footprint<P: Peer>(count: usize) -> Footprint {
    let per = |bytes: isize| bytes as f64 / count as f64;
    let mut semaphores = Vec::with_capacity(count);
    let (_, new) = counted(|| semaphores.extend((0..count).map(|_| P::semaphore(0))));
    let mut waits = Vec::with_capacity(count);
    waits.extend(semaphores.iter().map(|semaphore| semaphore.acquire()));
    let future = size_of_each(&waits);
    let mut waits: Vec<_> = waits.into_iter().map(Box::pin).collect();
    let (_, waited_for) = counted(|| {
        for wait in &mut waits {
            assert!(poll_once(wait.as_mut()).is_pending());
        }
    });
    let (_, used) = counted(|| {
        for (semaphore, wait) in semaphores.iter().zip(&mut waits) {
            semaphore.add_permits(1);
            match poll_once(wait.as_mut()) {
                Poll::Ready(permit) => P::Semaphore::forget(permit),
                Poll::Pending => unreachable!("there is a permit for it"),
            }
        }
    });
    let own = size_of::<P::Semaphore>() as f64;
    Footprint {
        new: own + per(new),
        waited_for: own + per(new + waited_for),
        used: own + per(new + waited_for + used),
        future,
    }
}

fn size_of_each<T>(_: &[T]) -> f64 {
    size_of::<T>() as f64
}

/// How many values a channel is sent, and how many senders wait.
const SENDS: usize = 100;

/// What each of `count` channels with room for `SENDS` values takes on the heap; each sender that waits
/// for room; and its future, in bytes. `None` if the peer has no such channel.
pub fn memory_of_waits<C: Channel<u64>>(count: usize) -> Option<Vec<f64>> {
    let (mut channels, new) = many::<C>(count)?;
    let mut senders: Vec<_> = channels
        .iter_mut()
        .flat_map(|(sender, _)| {
            for _ in 0..SENDS {
                assert!(poll_once(pin!(sender.send_one(0))).is_ready());
            }
            // Some crates count a place for each sender that there is.
            (0..SENDS).map(|_| sender.clone())
        })
        .collect();
    let sends: Vec<_> = senders.iter_mut().map(|it| it.send_one(0)).collect();
    let future = size_of_each(&sends);
    let mut sends: Vec<_> = sends.into_iter().map(Box::pin).collect();
    let mut waiting = 0;
    let (_, bytes) = counted(|| {
        for send in &mut sends {
            waiting += usize::from(poll_once(send.as_mut()).is_pending());
        }
    });
    let waits = bytes as f64 / waiting as f64;
    Some(vec![new, waits, future])
}

/// What each of `count` channels without a bound takes on the heap, and each value of 8 bytes in one.
/// `None` as above.
pub fn memory_of_values<C: Channel<u64>>(count: usize) -> Option<Vec<f64>> {
    let (mut channels, new) = many::<C>(count)?;
    let (_, bytes) = counted(|| {
        for (sender, _) in &mut channels {
            for value in 0..SENDS {
                assert!(poll_once(pin!(sender.send_one(value as u64))).is_ready());
            }
        }
    });
    Some(vec![new, bytes as f64 / (count * SENDS) as f64])
}

/// Channels, and what each takes on the heap.
type Many<C> = (
    Vec<(<C as Channel<u64>>::Sender, <C as Channel<u64>>::Receiver)>,
    f64,
);

fn many<C: Channel<u64>>(count: usize) -> Option<Many<C>> {
    C::channel(SENDS)?;
    let mut channels = Vec::with_capacity(count);
    let (_, new) = counted(|| channels.extend((0..count).filter_map(|_| C::channel(SENDS))));
    Some((channels, new as f64 / count as f64))
}
