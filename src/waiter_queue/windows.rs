//! [`WakeTier::Iocp`]: rings through the I/O completion port that the runtime waits on anyway.
//!
//! The listener's sleep is an overlapped operation that no device carries out: it is begun, which
//! gives it an address, and left pending. A remote thread rings by completing it, with one
//! `PostQueuedCompletionStatus` for that address: no second event loop, and no thread in between.
//!
//! To the driver a completion for an address is the order to let go of the operation that lives
//! there. A second one for the same address would be a use after free; so the right to post is a
//! thing that only one can have. It lies in the bell's [`Slot`], and whoever takes it out posts:
//!
//! ```text
//!   listener                                      whoever rings (the box was ARMED)
//!   ────────                                      ────────────────────────────────
//!   begins an operation
//!   slot: nothing → line                          box: ARMED → pile
//!   box: EMPTY → ARMED                            slot: line → nothing; if there was one:
//!                                                 post to line.port for line.operation
//!   the operation completes
//!
//!              begin                 ring, or cancel               complete
//!   no operation ──► line in the slot ─────────────► post on its way ──────► no operation
//!                           ▲                               │
//!                           └───────────────────────────────┘ the post failed
//! ```
//!
//! - *Nothing in the slot*: whoever has emptied it posts, if not yet. The listener wakes, and finds
//!   every letter that was in the box by then. So a sleep that was left for another reason can be
//!   taken up again with the same operation, even if its completion is already on its way.
//! - *A ring of an earlier sleep, or of an earlier runtime with this bell*, may come so late that it
//!   takes the line of a later one. It completes that one's operation, and the listener wakes for
//!   nothing, once.
//! - *The post fails*, as the system has no memory for it: the operation is still pending, and it
//!   is the listener who puts the line back, woken by its [generic](super::generic) bell.
//! - *The runtime goes away*: the listener takes the line out itself, and posts. If somebody was
//!   faster and is about to post, that goes to a port which is still open: the line owns a handle of
//!   its own, which is closed when the last who holds the line lets go of it. The handle's number
//!   cannot have become another object's, and the address is only compared, never followed.
//! - *The process ends*, with lines in slots and completions on their way: these are the port's, which
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
//! A ring of this tier never waits for the runtime. The price is an allocation a sleep, and a post even
//! if the runtime is awake just then, which compio's waker would notice.
//!
//! What it has not, and why `auto` does not choose it: compio 0.19's driver looks at its port only if
//! nothing was woken since it last did (`poll` in compio-driver's `iocp/mod.rs`, to 0.13.0-beta.1). **A
//! runtime whose tasks wake each other, or themselves, without a pause looks at no completion, of I/O
//! or of this tier**, for as long as they go on; the executor's queue, by which the generic tier rings,
//! is looked at in every round. No ringer can tell, and no listener that sleeps, whether the runtime is
//! of that kind just now. `tests/windows_specific.rs` has a test that fails when compio looks.
//!
//! Why not an event: compio can also wait for a Win32 event (`OpType::Event`). With its feature
//! `iocp-wait-packet` that takes `NtCreateWaitCompletionPacket`, `NtAssociateWaitCompletionPacket`
//! and a handle to be closed, for each sleep, on top of the `SetEvent` of each ring; without the
//! feature, a thread of the system's pool that waits for the event and then posts. Here a sleep makes
//! no system call, and a ring makes one. Nor does a cancelled event operation complete under the
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

use compio_driver::{AsRawFd, DriverType, OpCode, OpType, RawFd};
use compio_runtime::{Runtime, Submit};
use windows_sys::Win32::{
    Foundation::{DUPLICATE_SAME_ACCESS, DuplicateHandle},
    System::{
        IO::{OVERLAPPED, PostQueuedCompletionStatus},
        Threading::GetCurrentProcess,
    },
};

use super::{
    doorbell::{Bell, Caller},
    generic,
    tier::{TierError, WakeTier},
};

/// What it takes to complete a listener's operation. One per listener.
struct Line {
    /// The runtime's port, by a handle of its own.
    port: OwnedHandle,
    /// The address of the operation that was begun last. Whoever takes the line may post for it,
    /// once.
    operation: AtomicPtr<OVERLAPPED>,
    /// The line was taken, and not posted to: the listener is to put it back.
    unposted: AtomicBool,
}

impl Line {
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

    /// Completes the operation. Only for those who have taken the line out of the slot; returns
    /// whether they have used up their right to do so.
    #[must_use]
    fn post(&self) -> bool {
        // ORDERING: Relaxed; it was stored before the line was put into the slot.
        let operation = self.operation.load(Relaxed);
        // SAFETY: the port is open, as `self` owns it. The operation is pending: it waits for the
        // completion that only its line's taker can post. The system passes the address on to the
        // driver and does not look at what is there, which is what the driver will take for the
        // result: it has been zero, success, since the operation was made.
        unsafe { PostQueuedCompletionStatus(self.port.as_raw_handle(), 0, 0, operation) != 0 }
    }
}

/// The bell's place for a [`Line`], while the operation of that line waits for a completion that
/// nobody has undertaken to post.
pub(super) struct Slot(AtomicPtr<Line>);

impl Slot {
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    /// Only for the listener, for an operation that is pending and has no completion on its way.
    fn put(&self, line: Arc<Line>) {
        // ORDERING: Release publishes the operation's address to `take`. Acquire, as there.
        let old = self.0.swap(Arc::into_raw(line).cast_mut(), AcqRel);
        // The listener's operation before this one has completed, hence was taken; and a listener
        // takes its last one out before the bell is another's.
        debug_assert!(old.is_null(), "two operations wait for this bell");
    }

    fn take(&self) -> Option<Arc<Line>> {
        // ORDERING: Acquire pairs with the release in `put`. Release, because what is put next has
        // to come after this.
        let line = self.0.swap(null_mut(), AcqRel);
        // SAFETY: it came from `Arc::into_raw` in `put`, and the swap gives it to nobody else.
        (!line.is_null()).then(|| unsafe { Arc::from_raw(line) })
    }
}

/// Rings a bell that was armed.
pub(super) fn ring(bell: &Bell, caller: Caller) {
    let Some(line) = bell.iocp.take() else {
        return;
    };
    bell.stats(WakeTier::Iocp).called();
    if !line.post() {
        // ORDERING: Release pairs with the acquire in `Sleep::sleep`: the line is put back after
        // it was taken.
        line.unposted.store(true, Release);
        bell.stats(WakeTier::Generic).rang();
        generic::ring(caller);
    }
}

/// The listener's operation, if it has begun one.
#[derive(Default)]
pub(super) struct Sleep {
    line: Option<Arc<Line>>,
    wait: Option<Submit<Wait>>,
}

impl Sleep {
    /// Sleeps until the bell rings. Fails if there are letters already. If the system will not have
    /// it, sleeps by the generic tier from now on.
    pub(super) fn sleep(
        &mut self,
        runtime: &Runtime,
        bell: &'static Bell,
        cx: &mut Context<'_>,
    ) -> bool {
        // For a post that fails.
        bell.set_listener(cx.waker());
        if let Some(wait) = &mut self.wait {
            if Pin::new(wait).poll(cx).is_pending() {
                // Left early. The operation is still there, or its completion is on its way.
                self.put_back(bell);
                return bell.arm(WakeTier::Iocp);
            }
            self.wait = None;
            bell.stats(WakeTier::Iocp).heard();
        }
        let line = match &self.line {
            Some(line) => line.clone(),
            None => {
                let Ok(line) = Line::new(runtime.as_raw_fd()) else {
                    bell.set_tier(WakeTier::Generic);
                    return generic::sleep(bell, cx);
                };
                self.line.insert(Arc::new(line)).clone()
            }
        };
        let mut wait = runtime.submit(Wait {
            bell,
            line: Some(line),
        });
        // The driver begins an overlapped operation at once, and leaves it pending.
        if Pin::new(&mut wait).poll(cx).is_pending() {
            self.wait = Some(wait);
            bell.arm(WakeTier::Iocp)
        } else {
            false
        }
    }

    /// Puts the line back into the slot, if it was taken and could not be posted to.
    fn put_back(&self, bell: &Bell) {
        if let Some(line) = &self.line
            // ORDERING: Acquire pairs with the release in `ring`.
            && line.unposted.swap(false, Acquire)
        {
            bell.iocp.put(line.clone());
        }
    }

    /// Cancels the operation, which from then on is nothing to the bell.
    pub(super) fn end(&mut self, bell: &Bell) {
        let Some(mut wait) = self.wait.take() else {
            return;
        };
        self.put_back(bell);
        // So that what may be leaked does not keep the listener's task.
        let _ = Pin::new(&mut wait).poll(&mut Context::from_waker(Waker::noop()));
        drop(wait);
    }
}

/// The operation: pending until somebody posts its completion.
struct Wait {
    bell: &'static Bell,
    /// Goes into the slot when the operation begins.
    line: Option<Arc<Line>>,
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
        let Some(line) = self.line.take() else {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        };
        // ORDERING: Relaxed; published by putting the line into the slot. Nobody holds it for the
        // operation before, whose completion has arrived.
        line.operation.store(operation, Relaxed);
        self.bell.iocp.put(line);
        Poll::Pending
    }

    fn cancel(&mut self, (): &mut (), _: *mut OVERLAPPED) -> io::Result<()> {
        // The driver lets go of it when it next polls. If the post fails, it never does.
        match self.bell.iocp.take().map(|line| line.post()) {
            Some(false) => Err(io::Error::last_os_error()),
            Some(true) | None => Ok(()),
        }
    }
}

/// Whether `runtime` can be rung by completions.
pub(super) fn check(runtime: &Runtime) -> Result<(), TierError> {
    match runtime.driver_type() {
        DriverType::IOCP => Ok(()),
        driver => Err(TierError::Driver {
            tier: WakeTier::Iocp,
            driver,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::Barrier, thread};

    use super::*;

    fn bell() -> &'static Bell {
        let bell = Box::leak(Box::new(Bell::new()));
        bell.open(WakeTier::Iocp);
        bell
    }

    /// A line whose handle has no right but to be waited on.
    fn dead_line(runtime: &Runtime) -> Line {
        const SYNCHRONIZE: u32 = 0x0010_0000;
        let line = Line::new(runtime.as_raw_fd()).unwrap();
        let mut weak = null_mut();
        // SAFETY: it makes a handle of one that is open, and writes it to `weak`.
        let port = unsafe {
            let process = GetCurrentProcess();
            let port = line.port.as_raw_handle();
            DuplicateHandle(process, port, process, &raw mut weak, SYNCHRONIZE, 0, 0);
            OwnedHandle::from_raw_handle(weak)
        };
        Line { port, ..line }
    }

    #[test]
    fn ring_that_cannot_be_posted_wakes_the_generic_way_and_leaves_the_next_its_chance() {
        let runtime = Runtime::new().unwrap();
        let bell = bell();
        let mut sleep = Sleep {
            line: Some(Arc::new(dead_line(&runtime))),
            wait: None,
        };
        let mut ringers = Vec::new();
        runtime.block_on(poll_fn(|cx| {
            let _ = bell.take();
            let rings = bell.stats(WakeTier::Generic).read().rings;
            if rings == 3 {
                return Poll::Ready(());
            }
            assert!(Runtime::with_current(|it| sleep.sleep(it, bell, cx)));
            if rings == ringers.len() {
                ringers.push(thread::spawn(|| ring(bell, Caller::new(bell))));
            }
            Poll::Pending
        }));
        for ringer in ringers {
            ringer.join().unwrap();
        }
        let iocp = bell.stats(WakeTier::Iocp).read();
        assert_eq!((iocp.syscalls, iocp.heard), (3, 0));
        sleep.end(bell);
        assert!(bell.iocp.take().is_none());
    }

    #[test]
    fn port_that_cannot_be_had_is_an_error() {
        assert!(Line::new(null_mut()).is_err());
    }

    #[test]
    fn operation_is_completed_by_one_of_many_ringers() {
        const ROUNDS: usize = 500;
        const RINGERS: usize = 4;
        let runtime = Runtime::new().unwrap();
        let bell = bell();
        let mut sleep = Sleep::default();
        let all = Arc::new(Barrier::new(RINGERS + 1));
        let ringers: Vec<_> = (0..RINGERS)
            .map(|_| {
                let all = all.clone();
                thread::spawn(move || {
                    for _ in 0..ROUNDS {
                        all.wait();
                        ring(bell, Caller::new(bell));
                    }
                })
            })
            .collect();
        let counted = || bell.stats(WakeTier::Iocp).read();
        let mut sleep_until = |done: &dyn Fn() -> bool, begin: &dyn Fn()| {
            let mut begun = false;
            runtime.block_on(poll_fn(|cx| {
                let _ = bell.take();
                assert!(Runtime::with_current(|it| sleep.sleep(it, bell, cx)));
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
            let before = counted().heard;
            sleep_until(&|| counted().heard > before, &|| {
                all.wait();
            });
        }
        for ringer in ringers {
            ringer.join().unwrap();
        }
        // Late ones have completed the operation after, which nobody has looked at yet.
        sleep_until(&|| counted().heard == counted().syscalls, &|| {});
        assert!((ROUNDS..=ROUNDS * RINGERS).contains(&counted().syscalls));
        sleep.end(bell);
        assert!(bell.iocp.take().is_none());
    }
}
