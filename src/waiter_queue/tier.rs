//! The tiers by name, and what they count. How each signals is in its own file.

use std::{
    env, fmt, io,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// How other threads wake a runtime that sleeps.
///
/// A thread that releases something to waiters of another runtime puts their wakes into that
/// runtime's mailbox. If the runtime sleeps, the thread signals it; the runtime then wakes its
/// waiters itself. The tier is how it is signalled. It is chosen for each runtime on its first wait:
///
/// - by [`select`](WakeTier::select), if the program has called that on the runtime;
/// - by the environment variable `COMPIO_SYNC_TIER` (`auto`, `generic`, `futex` or `iocp`);
/// - else, and for `auto`, it is `Generic`.
///
/// `Generic` is the default because it takes as long as the others where the runtime sleeps, and a
/// fraction of their time where the runtime is awake and few wait (rows `fan-out/*` of
/// `docs/performance.md`). compio's waker makes a system call only if the runtime sleeps. A futex wake
/// makes one in both cases, and has the kernel interrupt a thread that is awake, unless the io_uring
/// was set up with compio's `ProactorBuilder::coop_taskrun`. The advantage of `Futex` is that its
/// signal never waits for the runtime: see [Limits](#limits).
///
/// # Limits
///
/// **Which waits count as a runtime's.** A wait does if a compio task polls it, directly or through
/// compio's own combinators, while that task's runtime is current. Any other waker is called
/// directly by the releasing thread: that of `block_on`'s main future, of another executor, of a
/// collection such as `FuturesUnordered`. A task must be polled while its own runtime is current:
/// nobody is woken for a runtime that has ended. If another executor's waker is wrapped by one of compio's
/// combinators, it cannot be told from a task's. Such a wait is woken by the runtime, so that executor
/// must not block the runtime's thread.
///
/// **Room for wakes.** A compio 0.19 runtime has room for 64 wakes by other threads between two ticks. A
/// waker that finds no room yields until there is some. A signal by `Generic` takes one place, for
/// any number of waiters. A wake by another waker takes one, too. So if other wakes fill that queue,
/// a release can come to wait for the runtime that it signals. A signal by `Futex` never does.
///
/// Wakes by other wakers are compio's under every tier. If 100 tasks of each of two runtimes keep
/// their waits in a `FuturesUnordered`, and each runtime releases the other's at once, both wait for
/// room in the other's queue, for ever. More room cures it: `RuntimeBuilder::sync_queue_size(1024)`, or
/// more than there can be such waits. So does awaiting the waits themselves, or each in a task.
///
/// **Runtimes that end.** A waker that another thread calls may go on to use the runtime when its task
/// has completed already. A compio 0.19 runtime that is dropped just then does not wait for the call: a
/// use of freed memory in compio. Waits that count as the runtime's are not woken in this way, and
/// a runtime that ends waits for the threads that are signalling it. It cannot do so if it is dropped by
/// a panic of its thread outside `block_on`, since compio drops no task then. All other waits are woken by
/// their own wakers, as with any crate: see to it that the runtime outlives the calls that release them,
/// or poll each in a task of its own.
///
/// A compio 0.19 runtime whose main future has panicked is best dropped. If it is used again, it may
/// never run a task that was woken while the panic dropped the tasks. This crate wakes none of its waits
/// then, if their task was spawned after the runtime's first wait. A task that was spawned before it may
/// be woken as the panic passes.
///
/// # Panics
///
/// The first wait on a runtime panics, before anything is queued, if `COMPIO_SYNC_TIER` is not one
/// of its values or names a tier that the runtime cannot have; [`requested`](WakeTier::requested)
/// tells beforehand. The associated functions panic if they are called by a waker that the
/// runtime's driver is calling just then.
///
/// # Examples
///
/// ```
/// use compio_sync::WakeTier;
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// println!("signalled by: {}", WakeTier::current().expect("inside a runtime"));
/// WakeTier::Generic.select().expect("every runtime has this one");
/// assert_eq!(WakeTier::current(), Some(WakeTier::Generic));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum WakeTier {
    /// compio's own waker: an eventfd, a completion packet, a kqueue or epoll event. Everywhere.
    Generic = 0,
    /// `FUTEX_WAIT` on the runtime's own io_uring, woken with one `futex` system call. Linux 6.7
    /// and later, under the io_uring driver, with the feature `linux-futex`.
    Futex = 1,
    /// A packet posted to the runtime's I/O completion port. Windows, with the feature
    /// `windows-iocp`. `auto` does not choose it: with compio 0.19, a runtime that always has ready
    /// tasks never polls its port, neither for its own I/O nor for these packets.
    Iocp = 2,
}

impl WakeTier {
    pub(super) const COUNT: usize = 3;

    pub(crate) fn from_index(index: u32) -> Self {
        match index {
            1 => Self::Futex,
            2 => Self::Iocp,
            _ => Self::Generic,
        }
    }

    /// Returns the tier that the environment asks for, or `None` for `auto`.
    ///
    /// The variable is `COMPIO_SYNC_TIER`.
    ///
    /// # Errors
    ///
    /// If the variable is set to something else than a tier or `auto`. Whether a runtime can have the
    /// tier is another question: see [`check`](Self::check).
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::WakeTier;
    ///
    /// match WakeTier::requested() {
    ///     Ok(Some(tier)) => println!("every runtime is to be signalled by {tier}"),
    ///     Ok(None) => println!("each runtime has its default"),
    ///     Err(error) => eprintln!("{error}"),
    /// }
    /// ```
    pub fn requested() -> Result<Option<Self>, TierError> {
        requested()
            .as_ref()
            .copied()
            .map_err(|_| TierError::NoSuchTier)
    }

    /// The tier for a new runtime. `check` tells whether the runtime can have one.
    pub(crate) fn choose(check: impl FnOnce(Self) -> Result<(), TierError>) -> Self {
        match requested() {
            Ok(Some(tier)) => match check(*tier) {
                Ok(()) => *tier,
                Err(error) => panic!(
                    "{VARIABLE}={tier} asks for what this runtime cannot have: {error}. Unset the \
                     variable, or set it to auto"
                ),
            },
            Ok(None) => Self::Generic,
            Err(value) => {
                panic!("{VARIABLE}={value} is none of {VALUES}")
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Futex => "futex",
            Self::Iocp => "iocp",
        }
    }
}

impl fmt::Display for WakeTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const VARIABLE: &str = "COMPIO_SYNC_TIER";
const VALUES: &str = "auto, generic, futex, iocp";

/// The tier that the environment asks for; the value itself if it is none.
fn requested() -> &'static Result<Option<WakeTier>, String> {
    static REQUESTED: OnceLock<Result<Option<WakeTier>, String>> = OnceLock::new();
    REQUESTED.get_or_init(|| match env::var_os(VARIABLE) {
        None => Ok(None),
        Some(value) => match value.to_str() {
            Some("" | "auto") => Ok(None),
            Some("generic") => Ok(Some(WakeTier::Generic)),
            Some("futex") => Ok(Some(WakeTier::Futex)),
            Some("iocp") => Ok(Some(WakeTier::Iocp)),
            _ => Err(value.to_string_lossy().into_owned()),
        },
    })
}

/// Why a runtime cannot be signalled by a tier.
///
/// Its [`Display`](fmt::Display) is a sentence for people, and names what is missing.
///
/// # Examples
///
/// ```
/// use compio_sync::{TierError, WakeTier};
///
/// let error = WakeTier::Generic.select().unwrap_err();
/// assert_eq!(error, TierError::NoRuntime);
/// assert_eq!(error.to_string(), "the calling thread is not inside a compio runtime");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TierError {
    /// The calling thread is not inside a compio runtime.
    NoRuntime,
    /// The tier is for another platform, or its feature is off.
    NotBuilt {
        /// The tier in question.
        tier: WakeTier,
    },
    /// `COMPIO_SYNC_TIER` is none of `auto`, `generic`, `futex` and `iocp`.
    NoSuchTier,
    /// The runtime's driver is not the one that the tier works with.
    Driver {
        /// The tier in question.
        tier: WakeTier,
        /// The name of the driver that the runtime has, as compio spells it.
        driver: &'static str,
    },
    /// The kernel has io_uring, but not its futex operations: it is older than Linux 6.7.
    NoFutexOperations,
    /// The kernel would not say what its io_uring has.
    Probe {
        /// The system's error number.
        errno: i32,
    },
}

impl fmt::Display for TierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime => f.write_str("the calling thread is not inside a compio runtime"),
            Self::NotBuilt { tier } => {
                write!(
                    f,
                    "the tier `{tier}` is for another platform, or its feature is off"
                )
            }
            Self::NoSuchTier => {
                write!(f, "the environment variable {VARIABLE} is none of {VALUES}")
            }
            Self::Driver { tier, driver } => {
                write!(
                    f,
                    "the tier `{tier}` does not work with the runtime's driver, {driver}"
                )
            }
            Self::NoFutexOperations => f.write_str(
                "the kernel's io_uring has no futex operations; they came with Linux 6.7",
            ),
            Self::Probe { errno } => {
                let error = io::Error::from_raw_os_error(*errno);
                write!(f, "the kernel would not say what its io_uring has: {error}")
            }
        }
    }
}

impl std::error::Error for TierError {}

/// What one tier has done for one runtime.
///
/// Only waits that count as the runtime's are delivered by a tier: see [Limits](WakeTier#limits).
///
/// The numbers are exact once the threads that use the runtime's waits have been joined, and a
/// snapshot before. They begin anew with each runtime.
///
/// # Examples
///
/// ```
/// use compio_sync::{WakeStats, WakeTier};
///
/// # compio::runtime::Runtime::new().unwrap().block_on(async {
/// let stats = WakeStats::current(WakeTier::Generic).expect("inside a runtime");
/// assert_eq!(stats.wakes, 0, "nobody has woken a waiter of this runtime from another thread");
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WakeStats {
    /// How often the runtime's listener has gone to sleep by this tier.
    pub sleeps: usize,
    /// How often another thread has signalled it.
    pub signals: usize,
    /// How many system calls signalling has made.
    ///
    /// A signal of the generic tier is compio's, whose system calls are not counted here.
    pub syscalls: usize,
    /// How often the tier's own operation has completed, which ends a sleep of the event loop.
    pub completions: usize,
    /// How many batches of wakes other threads have delivered.
    pub batches: usize,
    /// How many waiters the listener has woken for them.
    pub wakes: usize,
}

/// The counters behind [`WakeStats`]. They order nothing, so loom need not see them.
#[derive(Default)]
pub(crate) struct Counters {
    sleeps: AtomicUsize,
    signals: AtomicUsize,
    syscalls: AtomicUsize,
    completions: AtomicUsize,
    batches: AtomicUsize,
    wakes: AtomicUsize,
}

// ORDERING: Relaxed throughout: statistics.
impl Counters {
    pub(crate) fn sleep(&self) {
        self.sleeps.fetch_add(1, Relaxed);
    }

    pub(crate) fn signal(&self) {
        self.signals.fetch_add(1, Relaxed);
    }

    #[cfg(any(
        all(target_os = "linux", feature = "linux-futex"),
        all(windows, feature = "windows-iocp")
    ))]
    pub(crate) fn syscall(&self) {
        self.syscalls.fetch_add(1, Relaxed);
    }

    #[cfg(any(
        all(target_os = "linux", feature = "linux-futex"),
        all(windows, feature = "windows-iocp")
    ))]
    pub(crate) fn completion(&self) {
        self.completions.fetch_add(1, Relaxed);
    }

    pub(crate) fn batch(&self) {
        self.batches.fetch_add(1, Relaxed);
    }

    pub(crate) fn wake(&self) {
        self.wakes.fetch_add(1, Relaxed);
    }

    pub(crate) fn reset(&self) {
        for counter in [
            &self.sleeps,
            &self.signals,
            &self.syscalls,
            &self.completions,
            &self.batches,
            &self.wakes,
        ] {
            counter.store(0, Relaxed);
        }
    }

    pub(crate) fn read(&self) -> WakeStats {
        WakeStats {
            sleeps: self.sleeps.load(Relaxed),
            signals: self.signals.load(Relaxed),
            syscalls: self.syscalls.load(Relaxed),
            completions: self.completions.load(Relaxed),
            batches: self.batches.load(Relaxed),
            wakes: self.wakes.load(Relaxed),
        }
    }
}
