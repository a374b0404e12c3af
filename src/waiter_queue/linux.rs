//! [`WakeTier::Futex`]: rings through a futex that the runtime's own io_uring waits on.
//!
//! The listener's sleep is one `IORING_OP_FUTEX_WAIT` in the ring that its runtime waits on for
//! everything else: no second event loop, no file descriptor, and no `read` after the wake. A
//! remote thread rings with one `futex(FUTEX_WAKE)`.
//!
//! ```text
//!   listener                                      whoever rings (the box was ARMED)
//!   ────────                                      ────────────────────────────────
//!   word = SLEEPING
//!   box: EMPTY → ARMED                            box: ARMED → pile
//!   FUTEX_WAIT(word, SLEEPING) in the ring        word = RUNG
//!                                                 futex_wake(word, everyone)
//! ```
//!
//! The wait need not be in the kernel yet when the bell rings (the ring is entered when the runtime
//! has nothing else to do): the kernel then finds `RUNG` and completes it at once with `EAGAIN`. That is
//! why the word is stored before the box is armed. Whenever the box is `ARMED` there is a wait in the ring, or
//! its completion is; so a sleep that was left for another reason can be taken up again with the
//! same wait. A late `RUNG` of an earlier sleep ends the next one early, which costs a round and
//! loses nothing.
//!
//! Facts about the kernel that this rests on:
//! - Both sides are *shared* futexes (no `FUTEX2_PRIVATE`). From 6.17 to 7.2 a private wait that
//!   was armed before the process had its first further thread is never found by later wakes.
//! - One word per ring, and a wake is for everyone on it: a ring that is being closed can take a
//!   wake that was meant for one.
//! - Spurious completions occur; the listener looks again after each.

use std::{
    future::Future,
    pin::Pin,
    sync::{OnceLock, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};

use compio_buf::BufResult;
use compio_driver::{Decision, DriverType, IourOpCode, OpEntry, PollOpCode};
use compio_runtime::{Runtime, Submit};
use io_uring::{IoUring, Probe, opcode};

#[cfg(all(test, compio_sync_loom))]
use super::models::futex::wake_all;
use super::{
    doorbell::Bell,
    tier::{TierError, WakeTier},
};
use crate::loom::AtomicU32;

const RUNG: u32 = 0;
const SLEEPING: u32 = 1;

/// `FUTEX2_SIZE_U32`, without `FUTEX2_PRIVATE`.
const FUTEX2_SIZE_U32: u32 = 2;
/// `FUTEX_BITSET_MATCH_ANY`.
const MATCH_ANY: u64 = u32::MAX as u64;

/// What a listener sleeps on. The kernel reads it.
pub(super) struct Word(AtomicU32);

impl Word {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(RUNG))
    }

    /// Where the kernel finds the word. The kernel of the models looks at the word itself.
    fn address(&self) -> *mut u32 {
        #[cfg(not(any(compio_sync_loom, compio_sync_shuttle)))]
        return self.0.as_ptr();
        #[cfg(any(compio_sync_loom, compio_sync_shuttle))]
        return std::ptr::null_mut();
    }

    /// What the kernel compares.
    #[cfg(all(test, compio_sync_loom))]
    pub(super) fn is_sleeping(&self) -> bool {
        self.0.load(Relaxed) == SLEEPING
    }
}

/// Rings a bell that was armed.
pub(super) fn ring(bell: &Bell) {
    // ORDERING: Relaxed. What the listener is woken for comes with the letter box, and the kernel has a
    // full barrier between this store and its look for waits.
    bell.futex.0.store(RUNG, Relaxed);
    bell.stats(WakeTier::Futex).called();
    wake_all(&bell.futex);
}

/// Has the kernel end all waits on `word`.
#[cfg(not(all(test, compio_sync_loom)))]
fn wake_all(word: &Word) {
    // SAFETY: FUTEX_WAKE looks up the address and touches nothing; bells are never freed.
    unsafe {
        libc::syscall(libc::SYS_futex, word.address(), libc::FUTEX_WAKE, i32::MAX);
    }
}

/// The listener's wait, if there is one in the ring. `W` is the wait, outside models.
pub(super) struct Sleep<W = Submit<FutexWait>> {
    wait: Option<W>,
}

impl<T, W> Sleep<W>
where
    W: Future<Output = BufResult<usize, T>> + Unpin,
{
    pub(super) fn new() -> Self {
        Self { wait: None }
    }

    /// Sleeps until the bell rings. Fails if there are letters already, or if the ring will not
    /// have the wait, in which case the bell's tier is changed to the generic one.
    ///
    /// `submit` hands a wait to the ring.
    pub(super) fn sleep(
        &mut self,
        bell: &'static Bell,
        submit: impl FnOnce(FutexWait) -> W,
        cx: &mut Context<'_>,
    ) -> bool {
        if let Some(wait) = &mut self.wait {
            let Poll::Ready(result) = Pin::new(wait).poll(cx) else {
                // Left early. The wait is still there, or its completion is.
                return bell.arm(WakeTier::Futex);
            };
            self.wait = None;
            Self::look_at(bell, result.0);
        }
        // ORDERING: Relaxed. The ringer's store comes after it read `ARMED`, hence after this.
        bell.futex.0.store(SLEEPING, Relaxed);
        let mut wait = submit(FutexWait { bell });
        match Pin::new(&mut wait).poll(cx) {
            Poll::Pending => {
                self.wait = Some(wait);
                bell.arm(WakeTier::Futex)
            }
            Poll::Ready(result) => {
                Self::look_at(bell, result.0);
                false
            }
        }
    }

    fn look_at(bell: &Bell, result: std::io::Result<usize>) {
        match result.map_err(|error| error.raw_os_error()) {
            Ok(_) => bell.stats(WakeTier::Futex).heard(),
            // The word had changed before the kernel looked; or something ended the wait early.
            Err(Some(libc::EAGAIN | libc::EINTR | libc::ECANCELED)) => {}
            // The ring will not have it, and would not another time: no memory, no such operation.
            Err(_) => bell.set_tier(WakeTier::Generic),
        }
    }
}

/// `IORING_OP_FUTEX_WAIT` on a bell's word.
pub(super) struct FutexWait {
    pub(super) bell: &'static Bell,
}

// SAFETY: the entry points to a bell's word, and bells are never freed.
unsafe impl IourOpCode for FutexWait {
    type Control = ();

    fn create_entry(&mut self, (): &mut ()) -> OpEntry {
        opcode::FutexWait::new(
            self.bell.futex.address(),
            u64::from(SLEEPING),
            MATCH_ANY,
            FUTEX2_SIZE_U32,
        )
        .build()
        .into()
    }

    fn call_blocking(&mut self, (): &mut ()) -> std::io::Result<usize> {
        // What the driver does with operations that its kernel lacks.
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

// SAFETY: it never waits for a file descriptor.
unsafe impl PollOpCode for FutexWait {
    type Control = ();

    fn pre_submit(&mut self, (): &mut ()) -> std::io::Result<Decision> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn operate(&mut self, (): &mut ()) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Err(std::io::ErrorKind::Unsupported.into()))
    }
}

/// Whether `runtime` can be rung by a futex.
pub(super) fn check(runtime: &Runtime) -> Result<(), TierError> {
    match runtime.driver_type() {
        DriverType::IoUring => kernel(),
        driver => Err(TierError::Driver {
            tier: WakeTier::Futex,
            driver,
        }),
    }
}

/// Whether the kernel's io_uring can wait on futexes. Asked once per process.
fn kernel() -> Result<(), TierError> {
    static KERNEL: OnceLock<Result<(), TierError>> = OnceLock::new();
    *KERNEL.get_or_init(|| {
        let mut probe = Probe::new();
        IoUring::new(2)
            .and_then(|ring| ring.submitter().register_probe(&mut probe))
            .map_err(|error| TierError::Probe {
                errno: error.raw_os_error().unwrap_or(0),
            })?;
        has_futexes(&probe)
    })
}

fn has_futexes(probe: &Probe) -> Result<(), TierError> {
    if probe.is_supported(opcode::FutexWait::CODE) {
        Ok(())
    } else {
        Err(TierError::NoFutexOperations)
    }
}

#[cfg(all(test, not(compio_sync_loom)))]
mod tests {
    use std::task::Waker;

    use compio_driver::ProactorBuilder;

    use super::*;

    static BELL: OnceLock<Bell> = OnceLock::new();

    #[test]
    fn driver_that_refuses_the_wait_has_the_bell_rung_generically() {
        let mut proactor = ProactorBuilder::new();
        proactor.driver_type(DriverType::Poll);
        let runtime = Runtime::builder().with_proactor(proactor).build().unwrap();
        let bell = BELL.get_or_init(Bell::new);
        bell.set_tier(WakeTier::Futex);
        let mut cx = Context::from_waker(Waker::noop());
        let asleep = runtime.enter(|| Sleep::new().sleep(bell, |it| runtime.submit(it), &mut cx));
        assert!(!asleep);
        assert_eq!(bell.tier(), WakeTier::Generic);
    }

    #[test]
    fn operation_is_for_the_ring_alone() {
        let mut wait = FutexWait {
            bell: BELL.get_or_init(Bell::new),
        };
        assert!(wait.call_blocking(&mut ()).is_err());
        assert!(matches!(wait.operate(&mut ()), Poll::Ready(Err(_))));
    }

    #[test]
    fn kernel_that_names_no_futex_operation_has_none() {
        assert_eq!(
            has_futexes(&Probe::new()),
            Err(TierError::NoFutexOperations)
        );
    }
}
