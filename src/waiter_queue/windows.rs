//! [`WakeTier::Iocp`]: signals through the I/O completion port that the runtime waits on anyway.
//!
//! The listener's sleep is an overlapped operation that no device carries out: it is begun, which
//! gives it an address, and left pending. A remote thread signals by completing it, with one
//! `PostQueuedCompletionStatus` for that address: no second event loop, and no thread in between.
//!
//! To the driver a completion for an address is the order to let go of the operation that lives
//! there. A second one for the same address would be a use after free; so the right to post is a
//! thing that only one can have. It is a [`Channel`] in the doorbell's [`Slot`], and the thread that takes it out posts:
//!
//! ```text
//!   listener                                      signalling thread (the mailbox was ARMED)
//!   ────────                                      ─────────────────
//!   begins an operation
//!   slot: nothing → channel                       mailbox: ARMED → wakes
//!   mailbox: EMPTY → ARMED                        slot: channel → nothing; if there was one:
//!                                                 post to channel.port for channel.operation
//!   the operation completes
//!
//!              begin                signal, or cancel              complete
//!   no operation ──► channel in slot ──────────────► post on its way ──────► no operation
//!                           ▲                               │
//!                           └───────────────────────────────┘ the post failed
//! ```
//!
//! - *Nothing in the slot*: the thread that emptied it posts, if it has not yet. The listener wakes, and
//!   finds every wake that was in the mailbox by then. So a sleep that was left for another reason can be
//!   taken up again with the same operation, even if its completion is already on its way.
//! - *A signal of an earlier sleep, or of an earlier runtime with this doorbell*, may come so late that
//!   it takes the channel of a later one. It completes that one's operation, and the listener wakes for
//!   nothing, once.
//! - *The post fails*, as the system has no memory for it: the operation is still pending, and it
//!   is the listener that puts the channel back, woken by its [generic](super::generic) signal.
//! - *The runtime goes away*: the listener takes the channel out itself, and posts. If another thread was
//!   faster and is about to post, that goes to a port which is still open: the channel owns a handle of
//!   its own, which is closed with the last reference to the channel. The handle's number
//!   cannot have become another object's, and the address is only compared, never followed.
//! - *The process ends*, with channels in slots and completions on their way: these are the port's, which
//!   goes with the process, and what they would be the order for is not done.
//!
//! The driver lets go of an operation when it dequeues its completion, and a runtime that is dropped
//! polls its driver no more. So **each dropped runtime whose listener sleeps by this tier leaks the
//! memory of one operation**: 112 bytes, no handle, and nothing else with it. compio 0.19 does so with
//! whatever is pending when a driver is dropped. A runtime that goes on, after a panic in `block_on`,
//! frees it.
//!
//! What it has over the generic tier, which posts to the same port by compio's waker: that takes one of
//! the 64 places in the runtime's queue for other threads' wakes first, and waits while there is none.
//! A signal of this tier never waits for the runtime. The price is an allocation a sleep, and a post even
//! if the runtime is awake just then, which compio's waker would notice.
//!
//! What it has not, and why `auto` does not choose it: compio 0.19's driver looks at its port only if
//! nothing was woken since it last did (`poll` in compio-driver's `iocp/mod.rs`, to 0.13.0-beta.1). **A
//! runtime that always has ready tasks looks at no completion, of I/O or of this tier**. The executor's
//! queue, by which the generic tier signals, is looked at in every tick. No signalling thread can tell
//! whether the runtime is of that kind just now, and no listener that sleeps. `tests/windows_specific/` has
//! a test that fails when compio looks.
//!
//! Why not an event: compio can also wait for a Win32 event (`OpType::Event`). With its feature
//! `iocp-wait-packet` that takes `NtCreateWaitCompletionPacket`, `NtAssociateWaitCompletionPacket`
//! and a handle to be closed, for each sleep, on top of the `SetEvent` of each signal; without the
//! feature, a thread of the system's pool that waits for the event and then posts. Here a sleep makes
//! no system call, and a signal makes one. Nor does a cancelled event operation complete under the
//! pool: it stays registered until the driver goes, and leaks like ours then. And it is not to
//! be had everywhere: the packets came with Windows 8, and Wine had none up to 10. The benchmark
//! `windows_rings` has all three ways: on Wine, two runtimes take twice as long for a round trip by
//! events of the pool as by packets posted here, and as long by compio's waker.

use std::{
    future::Future,
    io,
    os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
    pin::Pin,
    ptr::null_mut,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicPtr,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    task::{Context, Poll, Waker},
};

use compio_driver::{AsRawFd, OpCode, OpType, RawFd};
use compio_runtime::{Runtime, Submit};
use windows_sys::Win32::{
    Foundation::{DUPLICATE_SAME_ACCESS, DuplicateHandle},
    System::{
        IO::{OVERLAPPED, PostQueuedCompletionStatus},
        Threading::GetCurrentProcess,
    },
};

use super::{
    generic,
    tier::WakeTier,
    wake::{Doorbell, Signal},
};

/// What it takes to complete a listener's operation. One per listener.
struct Channel {
    /// The runtime's port, by a handle of its own.
    port: OwnedHandle,
    /// The address of the operation that was begun last. Whoever takes the channel may post for it,
    /// once.
    operation: AtomicPtr<OVERLAPPED>,
    /// The channel was taken, and not posted to: the listener is to put it back.
    unposted: AtomicBool,
}

impl Channel {
    fn new(port: RawFd) -> io::Result<Self> {
        let mut own = null_mut();
        // SAFETY: it makes a handle of a handle, and writes it to `own`.
        let duplicated = unsafe {
            let process = GetCurrentProcess();
            DuplicateHandle(
                process,
                port,
                process,
                &raw mut own,
                0,
                0,
                DUPLICATE_SAME_ACCESS,
            )
        };
        if duplicated == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            // SAFETY: just made, and nobody else's.
            port: unsafe { OwnedHandle::from_raw_handle(own) },
            operation: AtomicPtr::new(null_mut()),
            unposted: AtomicBool::new(false),
        })
    }

    /// Completes the operation. Only for those who have taken the channel out of the slot; returns
    /// whether they have used up their right to do so.
    #[must_use]
    fn post(&self) -> bool {
        // ORDERING: Relaxed; it was stored before the channel was put into the slot.
        let operation = self.operation.load(Relaxed);
        // SAFETY: the port is open, as `self` owns it. The operation is pending: it waits for the
        // completion that only its channel's taker can post. The system passes the address on to the
        // driver and does not look at what is there, which is what the driver will take for the
        // result: it has been zero, success, since the operation was made.
        unsafe { PostQueuedCompletionStatus(self.port.as_raw_handle(), 0, 0, operation) != 0 }
    }
}

/// The doorbell's place for a [`Channel`], while the operation of that channel waits for a completion that
/// nobody has undertaken to post.
pub(super) struct Slot(AtomicPtr<Channel>);

impl Default for Slot {
    fn default() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }
}

impl Slot {
    /// Only for the listener, for an operation that is pending and has no completion on its way.
    fn put(&self, channel: Arc<Channel>) {
        // ORDERING: Release publishes the operation's address to `take`. Acquire, as there.
        let old = self.0.swap(Arc::into_raw(channel).cast_mut(), AcqRel);
        // The listener's operation before this one has completed, hence was taken; and a listener
        // takes its last one out before the doorbell is another's.
        debug_assert!(old.is_null(), "two operations wait for this slot");
    }

    fn take(&self) -> Option<Arc<Channel>> {
        // ORDERING: Acquire pairs with the release in `put`. Release, because what is put next has
        // to come after this.
        let channel = self.0.swap(null_mut(), AcqRel);
        // SAFETY: it came from `Arc::into_raw` in `put`, and the swap gives it to nobody else.
        (!channel.is_null()).then(|| unsafe { Arc::from_raw(channel) })
    }
}

/// Signals a listener that sleeps.
pub(super) fn signal(slot: &Slot, signal: Signal) {
    let Some(channel) = slot.take() else {
        return;
    };
    signal.counters(WakeTier::Iocp).syscall();
    if !channel.post() {
        // ORDERING: Release pairs with the acquire in `Sleep::put_back`: the channel is put back after
        // it was taken.
        channel.unposted.store(true, Release);
        signal.counters(WakeTier::Generic).signal();
        generic::signal(signal);
    }
}

/// The listener's operation, if it has begun one.
#[derive(Default)]
pub(super) struct Sleep {
    channel: Option<Arc<Channel>>,
    wait: Option<Submit<Wait>>,
}

impl Sleep {
    /// Sleeps until signalled. Fails if there are wakes already. If the system does not take the
    /// operation, sleeps by the generic tier from now on.
    pub(super) fn sleep(
        &mut self,
        runtime: &Runtime,
        doorbell: &Doorbell,
        slot: &'static Slot,
        cx: &mut Context<'_>,
    ) -> bool {
        // For a post that fails.
        doorbell.set_listener(cx.waker());
        if let Some(wait) = &mut self.wait {
            if Pin::new(wait).poll(cx).is_pending() {
                // Left early. The operation is still there, or its completion is on its way.
                self.put_back(slot);
                return doorbell.arm(WakeTier::Iocp);
            }
            self.wait = None;
            doorbell.counters(WakeTier::Iocp).completion();
        }
        let channel = match &self.channel {
            Some(channel) => channel.clone(),
            None => {
                let Ok(channel) = Channel::new(runtime.as_raw_fd()) else {
                    doorbell.set_tier(WakeTier::Generic);
                    return generic::sleep(doorbell, cx);
                };
                self.channel.insert(Arc::new(channel)).clone()
            }
        };
        let mut wait = runtime.submit(Wait {
            slot,
            channel: Some(channel),
        });
        // The driver begins an overlapped operation at once, and leaves it pending.
        if Pin::new(&mut wait).poll(cx).is_pending() {
            self.wait = Some(wait);
            doorbell.arm(WakeTier::Iocp)
        } else {
            false
        }
    }

    /// Puts the channel back into the slot, if it was taken and could not be posted to.
    fn put_back(&self, slot: &Slot) {
        if let Some(channel) = &self.channel
            // ORDERING: Acquire pairs with the release in `signal`.
            && channel.unposted.swap(false, Acquire)
        {
            slot.put(channel.clone());
        }
    }

    /// Cancels the operation, which from then on is nothing to the doorbell.
    pub(super) fn end(&mut self, slot: &Slot) {
        let Some(mut wait) = self.wait.take() else {
            return;
        };
        self.put_back(slot);
        // So that what may be leaked does not keep the listener's task.
        let _ = Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop()));
        drop(wait);
    }
}

/// The operation: pending until somebody posts its completion.
struct Wait {
    slot: &'static Slot,
    /// Goes into the slot when the operation begins.
    channel: Option<Arc<Channel>>,
}

// SAFETY: the operation owns nothing that a completion would have to find alive, and the pointer to
// its `OVERLAPPED` is used for exactly one completion, to the port of the driver that begins it.
unsafe impl OpCode for Wait {
    type Control = ();

    fn op_type(&self, (): &()) -> OpType {
        OpType::Overlapped
    }

    unsafe fn operate(
        &mut self,
        (): &mut (),
        operation: *mut OVERLAPPED,
    ) -> Poll<io::Result<usize>> {
        let Some(channel) = self.channel.take() else {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        };
        // ORDERING: Relaxed; published by putting the channel into the slot. Nobody holds it for the
        // operation before, whose completion has arrived.
        channel.operation.store(operation, Relaxed);
        self.slot.put(channel);
        Poll::Pending
    }

    fn cancel(&mut self, (): &mut (), _: *mut OVERLAPPED) -> io::Result<()> {
        // The driver lets go of it when it next polls. If the post fails, it never does.
        match self.slot.take().map(|channel| channel.post()) {
            Some(false) => Err(io::Error::last_os_error()),
            Some(true) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::Barrier, thread};

    use super::*;
    use crate::waiter_queue::wake::Signaller;

    /// A doorbell that signals nobody by itself, and a slot.
    fn doorbell() -> (&'static Doorbell, &'static Slot) {
        struct Nobody;

        impl Signaller for Nobody {
            fn signal(&'static self, _: WakeTier, _: Signal) {
                unreachable!("nothing is delivered")
            }
        }

        (
            Box::leak(Box::new(Doorbell::new(&Nobody))),
            Box::leak(Box::default()),
        )
    }

    /// A channel whose handle has no right but to be waited on.
    fn dead_channel(runtime: &Runtime) -> Channel {
        const SYNCHRONIZE: u32 = 0x0010_0000;
        let channel = Channel::new(runtime.as_raw_fd()).unwrap();
        let mut weak = null_mut();
        // SAFETY: it makes a handle of one that is open, and writes it to `weak`.
        let port = unsafe {
            let process = GetCurrentProcess();
            let port = channel.port.as_raw_handle();
            DuplicateHandle(process, port, process, &raw mut weak, SYNCHRONIZE, 0, 0);
            OwnedHandle::from_raw_handle(weak)
        };
        Channel { port, ..channel }
    }

    #[test]
    fn signal_that_cannot_be_posted_wakes_the_generic_way_and_leaves_the_next_its_chance() {
        let runtime = Runtime::new().unwrap();
        let (doorbell, slot) = doorbell();
        let mut sleep = Sleep {
            channel: Some(Arc::new(dead_channel(&runtime))),
            wait: None,
        };
        let mut threads = Vec::new();
        runtime.block_on(poll_fn(|cx| {
            let _ = doorbell.take();
            let signals = doorbell.counters(WakeTier::Generic).read().signals;
            if signals == 3 {
                return Poll::Ready(());
            }
            assert!(Runtime::with_current(
                |it| sleep.sleep(it, doorbell, slot, cx)
            ));
            if signals == threads.len() {
                threads.push(thread::spawn(|| signal(slot, Signal::new(doorbell))));
            }
            Poll::Pending
        }));
        for thread in threads {
            thread.join().unwrap();
        }
        let iocp = doorbell.counters(WakeTier::Iocp).read();
        assert_eq!((iocp.syscalls, iocp.completions), (3, 0));
        sleep.end(slot);
        assert!(slot.take().is_none());
    }

    #[test]
    fn port_that_cannot_be_had_is_an_error() {
        assert!(Channel::new(null_mut()).is_err());
    }

    #[test]
    fn operation_is_completed_by_one_of_many_threads() {
        const ROUNDS: usize = 500;
        const THREADS: usize = 4;
        let runtime = Runtime::new().unwrap();
        let (doorbell, slot) = doorbell();
        let mut sleep = Sleep::default();
        let all = Arc::new(Barrier::new(THREADS + 1));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let all = all.clone();
                thread::spawn(move || {
                    for _ in 0..ROUNDS {
                        all.wait();
                        signal(slot, Signal::new(doorbell));
                    }
                })
            })
            .collect();
        let counted = || doorbell.counters(WakeTier::Iocp).read();
        let mut sleep_until = |done: &dyn Fn() -> bool, begin: &dyn Fn()| {
            let mut begun = false;
            runtime.block_on(poll_fn(|cx| {
                let _ = doorbell.take();
                assert!(Runtime::with_current(
                    |it| sleep.sleep(it, doorbell, slot, cx)
                ));
                if !std::mem::replace(&mut begun, true) {
                    begin();
                }
                if done() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }));
        };
        for _ in 0..ROUNDS {
            let before = counted().completions;
            sleep_until(&|| counted().completions > before, &|| {
                all.wait();
            });
        }
        for thread in threads {
            thread.join().unwrap();
        }
        // Late ones have completed the operation after, which nobody has looked at yet.
        sleep_until(&|| counted().completions == counted().syscalls, &|| {});
        assert!((ROUNDS..=ROUNDS * THREADS).contains(&counted().syscalls));
        sleep.end(slot);
        assert!(slot.take().is_none());
    }
}
