//! [`WakeTier::Futex`]: signals through a futex that the runtime's own io_uring waits on.
//!
//! The listener's sleep is one `IORING_OP_FUTEX_WAIT` in the io_uring that its runtime waits on for
//! everything else: no second event loop, no file descriptor, and no `read` after the wake. A
//! remote thread signals with one `futex(FUTEX_WAKE)`.
//!
//! ```text
//!   listener                                      signalling thread (the mailbox was ARMED)
//!   ────────                                      ─────────────────
//!   word = SLEEPING
//!   mailbox: EMPTY → ARMED                        mailbox: ARMED → wakes
//!   FUTEX_WAIT(word, SLEEPING) in the ring        word = SIGNALLED
//!                                                 futex_wake(word, everyone)
//! ```
//!
//! The wait need not be in the kernel yet when the signal comes, as the ring is entered when the runtime
//! has nothing else to do. The kernel then finds `SIGNALLED` and completes the wait at once with `EAGAIN`.
//! That is why the word is stored before the mailbox is armed. Whenever the mailbox is `ARMED` there is a
//! wait in the ring, or its completion is; so a sleep that was left for another reason can be taken up
//! again with the same wait. A late `SIGNALLED` of an earlier sleep ends the next one early, which costs
//! a tick and loses nothing.
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
use compio_driver::{Decision, IourOpCode, OpEntry, PollOpCode};
use compio_runtime::Submit;
use io_uring::{IoUring, Probe, opcode};

#[cfg(all(test, compio_sync_loom))]
use super::models::futex::wake_all;
use super::{
    tier::{TierError, WakeTier},
    wake::{Doorbell, Signal},
};
use crate::loom::AtomicU32;

const SIGNALLED: u32 = 0;
const SLEEPING: u32 = 1;

/// `FUTEX2_SIZE_U32`, without `FUTEX2_PRIVATE`.
const FUTEX2_SIZE_U32: u32 = 2;
/// `FUTEX_BITSET_MATCH_ANY`.
const MATCH_ANY: u64 = u32::MAX as u64;

/// What a listener sleeps on. The kernel reads it.
pub(super) struct Word(AtomicU32);

impl Default for Word {
    fn default() -> Self {
        Self(AtomicU32::new(SIGNALLED))
    }
}

impl Word {
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

/// Signals a listener that sleeps.
pub(super) fn signal(word: &Word, signal: &Signal) {
    // ORDERING: Relaxed. What the listener is woken for comes with the mailbox, and the kernel has a
    // full barrier between this store and its look for waits.
    word.0.store(SIGNALLED, Relaxed);
    signal.counters(WakeTier::Futex).syscall();
    wake_all(word);
}

/// Has the kernel end all waits on `word`.
#[cfg(not(all(test, compio_sync_loom)))]
fn wake_all(word: &Word) {
    // SAFETY: FUTEX_WAKE looks up the address and touches nothing; words are never freed.
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

    /// Sleeps until signalled. Fails if there are wakes already, or if the ring does not take the
    /// wait, in which case the doorbell's tier is changed to the generic one.
    ///
    /// `word` is the doorbell's. `submit` hands a wait to the ring.
    pub(super) fn sleep(
        &mut self,
        doorbell: &Doorbell,
        word: &'static Word,
        submit: impl FnOnce(FutexWait) -> W,
        cx: &mut Context<'_>,
    ) -> bool {
        if let Some(wait) = &mut self.wait {
            let Poll::Ready(result) = Pin::new(wait).poll(cx) else {
                // Left early. The wait is still there, or its completion is.
                return doorbell.arm(WakeTier::Futex);
            };
            self.wait = None;
            Self::completed(doorbell, result.0);
        }
        // ORDERING: Relaxed. The signalling thread's store comes after it read `ARMED`, hence after
        // this.
        word.0.store(SLEEPING, Relaxed);
        let mut wait = submit(FutexWait { word });
        match Pin::new(&mut wait).poll(cx) {
            Poll::Pending => {
                self.wait = Some(wait);
                doorbell.arm(WakeTier::Futex)
            }
            Poll::Ready(result) => {
                Self::completed(doorbell, result.0);
                false
            }
        }
    }

    fn completed(doorbell: &Doorbell, result: std::io::Result<usize>) {
        match result.map_err(|error| error.raw_os_error()) {
            Ok(_) => doorbell.counters(WakeTier::Futex).completion(),
            // The word had changed before the kernel looked; or something ended the wait early.
            Err(Some(libc::EAGAIN | libc::EINTR | libc::ECANCELED)) => {}
            // The ring does not take it, and would not another time: no memory, no such operation.
            Err(_) => doorbell.set_tier(WakeTier::Generic),
        }
    }
}

/// `IORING_OP_FUTEX_WAIT` on a doorbell's word.
pub(super) struct FutexWait {
    pub(super) word: &'static Word,
}

// SAFETY: the entry points to a word, and words are never freed.
unsafe impl IourOpCode for FutexWait {
    type Control = ();

    fn create_entry(&mut self, (): &mut ()) -> OpEntry {
        opcode::FutexWait::new(
            self.word.address(),
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

/// Whether the kernel's io_uring can wait on futexes. Asked once per process.
pub(super) fn check_kernel() -> Result<(), TierError> {
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

    use compio_driver::{DriverType, ProactorBuilder};
    use compio_runtime::Runtime;

    use super::*;
    use crate::waiter_queue::wake::Signaller;

    static WORD: OnceLock<Word> = OnceLock::new();

    struct Nobody;

    impl Signaller for Nobody {
        fn signal(&'static self, _: WakeTier, _: Signal) {
            unreachable!("nothing is delivered")
        }
    }

    #[test]
    fn driver_that_refuses_the_wait_has_the_runtime_signalled_generically() {
        let mut proactor = ProactorBuilder::new();
        proactor.driver_type(DriverType::Poll);
        let runtime = Runtime::builder().with_proactor(proactor).build().unwrap();
        let word = WORD.get_or_init(Word::default);
        let doorbell = Doorbell::new(&Nobody);
        doorbell.set_tier(WakeTier::Futex);
        let mut cx = Context::from_waker(Waker::noop());
        let asleep =
            runtime.enter(|| Sleep::new().sleep(&doorbell, word, |it| runtime.submit(it), &mut cx));
        assert!(!asleep);
        assert_eq!(doorbell.tier(), WakeTier::Generic);
    }

    #[test]
    fn operation_is_for_the_ring_alone() {
        let mut wait = FutexWait {
            word: WORD.get_or_init(Word::default),
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
