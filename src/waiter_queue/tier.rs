//! Which way a sleeping runtime is rung, and what rang.

use std::{
    env, fmt, io,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use compio_driver::DriverType;
use compio_runtime::Runtime;

use super::listener;

/// How a runtime is woken by other threads' grants while it sleeps.
///
/// Waiters of one runtime are woken by that runtime itself: a thread that grants them lays them
/// into the runtime's letter box, and rings only if the runtime has run out of work and sleeps.
/// The tier is how it rings. It is chosen for each runtime on its first wait:
///
/// - by [`select`](WakeTier::select), if the program has called that on the runtime;
/// - by the environment variable `COMPIO_SYNC_TIER` (`auto`, `generic`, `futex` or `iocp`);
/// - else, and for `auto`, it is `Generic`.
///
/// `Generic` is the default because it takes as long where a runtime sleeps, and with few waiters a
/// fraction of the time where it is awake (rows `fan-out/*` of `docs/performance.md`): compio's
/// waker tells a runtime that sleeps, which takes a system call, from one that is awake and busy with
/// other tasks, which does not. A futex wake is a system call in both cases, and has the kernel
/// interrupt a thread that is awake. (It does not where the ring was set up with compio's
/// `ProactorBuilder::coop_taskrun`.) What speaks for `Futex` is that its ring never has to wait for
/// the runtime: see [Limits](#limits).
///
/// # Limits
///
/// A wait counts as its runtime's if a compio task polls it, directly or through compio's own
/// combinators, while that runtime is current. The wakers of anything else, of the main future of
/// `block_on`, of other executors and of collections such as `FuturesUnordered`, are called directly
/// by the granting thread. A task has to poll while its own runtime is current: nobody is woken for a
/// runtime that has ended. And what one of compio's combinators makes of another executor's waker cannot be
/// told from a task's: such a wait is woken when the runtime gets to it, so that executor must not
/// block the runtime's thread.
///
/// A compio 0.19 runtime has room for 64 wakes by other threads between two rounds of its tasks, and
/// a waker that finds no room yields until there is some. A ring by `Generic` takes one place, for
/// any number of waiters; a wake by a waker that is not the runtime's own takes one, too. So where
/// other things than this crate's waits fill that queue, a release can come to wait for the runtime
/// that it rings. With `Futex` a *ring* never does.
///
/// That is about rings. A wake by a waker that is not the runtime's own is compio's under every tier. If 100
/// tasks of each of two runtimes keep their waits in a `FuturesUnordered`, and each runtime releases the
/// other's at once, both wait for room in the other's queue, for ever. What cures it is room:
/// `RuntimeBuilder::sync_queue_size(1024)`, or more than there can be such waits; or to await the waits
/// themselves, or in tasks of their own.
///
/// A waker that another thread calls may go on to use the runtime when the task that it wakes has
/// completed already, and a compio 0.19 runtime that is dropped just then does not wait for it: that
/// is a use of freed memory in compio. Waits that count as the runtime's are not woken in this way,
/// and a runtime that ends waits for whoever is ringing it at that moment. It cannot where it is dropped
/// by a panic of its thread outside `block_on`, since compio drops no task then. A compio 0.19 runtime whose
/// main future has panicked is best dropped: used again, it may never run a task that was woken while the
/// panic took the tasks down. This crate wakes none of its waits then, if their task was made after the
/// runtime's first wait; a task that was made before it may be woken as the panic passes. And waits that do not count
/// as the runtime's are woken by their own wakers, as with any crate: see to it that the runtime
/// outlives the calls that release them, or let a task of its own poll each.
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
/// println!("rung by: {}", WakeTier::current().expect("inside a runtime"));
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
    /// `windows-iocp`. `auto` does not choose it: with compio 0.19, a runtime whose tasks give it
    /// no rest does not look at its port, neither for its own I/O nor for these packets.
    Iocp = 2,
}

impl WakeTier {
    pub(super) const COUNT: usize = 3;

    pub(super) fn from_index(index: u32) -> Self {
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
    /// If the variable is set to something else than a tier or `auto`. Whether the tier can be had
    /// is for each runtime to say: see [`check`](Self::check).
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::WakeTier;
    ///
    /// match WakeTier::requested() {
    ///     Ok(Some(tier)) => println!("every runtime is to be rung by {tier}"),
    ///     Ok(None) => println!("each runtime is rung by what it has"),
    ///     Err(error) => eprintln!("{error}"),
    /// }
    /// ```
    pub fn requested() -> Result<Option<Self>, TierError> {
        requested()
            .as_ref()
            .copied()
            .map_err(|_| TierError::NoSuchTier)
    }

    /// Returns the tier that rings the current runtime, or `None` outside a runtime.
    ///
    /// # Panics
    ///
    /// If `COMPIO_SYNC_TIER` is wrong; see [`WakeTier`].
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::WakeTier;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// assert!(WakeTier::current().is_some());
    /// # });
    /// assert_eq!(WakeTier::current(), None, "outside a runtime");
    /// ```
    pub fn current() -> Option<Self> {
        Runtime::try_with_current(|runtime| {
            listener::known(runtime)
                .map_or_else(|| Self::choose(runtime), |home| home.bell().tier())
        })
        .ok()
    }

    /// Has the current runtime rung by this tier, from its next sleep on.
    ///
    /// # Errors
    ///
    /// If there is no current runtime, or it cannot be rung that way. Nothing is changed then.
    ///
    /// # Panics
    ///
    /// If `COMPIO_SYNC_TIER` is wrong; see [`WakeTier`].
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::WakeTier;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// // The ring of this tier never waits for the runtime, where there is such a ring.
    /// if let Err(missing) = WakeTier::Futex.select() {
    ///     println!("rung by {}: {missing}", WakeTier::current().unwrap());
    /// }
    /// # });
    /// ```
    pub fn select(self) -> Result<(), TierError> {
        self.check()?;
        let home = listener::current().ok_or(TierError::NoRuntime)?;
        home.bell().set_tier(self);
        Ok(())
    }

    /// Tells whether the current runtime can be rung this way.
    ///
    /// # Errors
    ///
    /// If there is no current runtime, or it cannot; the error says what is missing.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{TierError, WakeTier};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// assert_eq!(WakeTier::Generic.check(), Ok(()));
    /// # });
    /// assert_eq!(WakeTier::Generic.check(), Err(TierError::NoRuntime));
    /// ```
    pub fn check(self) -> Result<(), TierError> {
        Runtime::try_with_current(|runtime| self.check_on(runtime))
            .unwrap_or(Err(TierError::NoRuntime))
    }

    fn check_on(self, runtime: &Runtime) -> Result<(), TierError> {
        match self {
            Self::Generic => Ok(()),
            #[cfg(all(target_os = "linux", feature = "linux-futex"))]
            Self::Futex => super::linux::check(runtime),
            #[cfg(all(windows, feature = "windows-iocp"))]
            Self::Iocp => super::windows::check(runtime),
            _ => {
                let _ = runtime;
                Err(TierError::NotBuilt { tier: self })
            }
        }
    }

    /// The tier for a new runtime.
    pub(super) fn choose(runtime: &Runtime) -> Self {
        match requested() {
            Ok(Some(tier)) => match tier.check_on(runtime) {
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

/// Why a runtime cannot be rung by a tier.
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
        /// The driver that the runtime has.
        driver: DriverType,
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
                    "the tier `{tier}` does not work with the runtime's driver, {driver:?}"
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
/// The numbers are counted by whichever thread does the thing, without ordering between them:
/// exact once the threads have been joined, a snapshot before. They begin anew with each runtime.
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
    /// How often another thread has rung it.
    pub rings: usize,
    /// How many system calls ringing has made.
    ///
    /// A ring of the generic tier is up to compio, whose system calls are not counted here.
    pub syscalls: usize,
    /// How often the tier's own operation has ended a sleep of the event loop.
    pub heard: usize,
    /// How many batches of waiters other threads have delivered.
    pub batches: usize,
    /// How many waiters the listener has woken for them.
    pub wakes: usize,
}

impl WakeStats {
    /// Returns what `tier` has done for the current runtime.
    ///
    /// `None` outside a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::{WakeStats, WakeTier};
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let tier = WakeTier::current().expect("inside a runtime");
    /// let before = WakeStats::current(tier).expect("inside a runtime");
    /// // ... wait for other threads ...
    /// let after = WakeStats::current(tier).expect("inside a runtime");
    /// println!("{} wakes, {} rings", after.wakes - before.wakes, after.rings - before.rings);
    /// # });
    /// ```
    pub fn current(tier: WakeTier) -> Option<Self> {
        Runtime::try_with_current(|runtime| {
            listener::known(runtime).map(|home| home.bell().stats(tier).read())
        })
        .ok()
        .map(Option::unwrap_or_default)
    }
}

/// The counters behind [`WakeStats`]. They order nothing, so loom need not see them.
#[derive(Default)]
pub(super) struct TierStats {
    sleeps: AtomicUsize,
    rings: AtomicUsize,
    syscalls: AtomicUsize,
    heard: AtomicUsize,
    batches: AtomicUsize,
    wakes: AtomicUsize,
}

// ORDERING: Relaxed throughout: statistics.
impl TierStats {
    pub(super) fn slept(&self) {
        self.sleeps.fetch_add(1, Relaxed);
    }

    pub(super) fn rang(&self) {
        self.rings.fetch_add(1, Relaxed);
    }

    #[cfg(any(
        all(target_os = "linux", feature = "linux-futex"),
        all(windows, feature = "windows-iocp")
    ))]
    pub(super) fn called(&self) {
        self.syscalls.fetch_add(1, Relaxed);
    }

    #[cfg(any(
        all(target_os = "linux", feature = "linux-futex"),
        all(windows, feature = "windows-iocp")
    ))]
    pub(super) fn heard(&self) {
        self.heard.fetch_add(1, Relaxed);
    }

    pub(super) fn delivered(&self) {
        self.batches.fetch_add(1, Relaxed);
    }

    pub(super) fn woke(&self) {
        self.wakes.fetch_add(1, Relaxed);
    }

    pub(super) fn reset(&self) {
        for counter in [
            &self.sleeps,
            &self.rings,
            &self.syscalls,
            &self.heard,
            &self.batches,
            &self.wakes,
        ] {
            counter.store(0, Relaxed);
        }
    }

    pub(super) fn read(&self) -> WakeStats {
        WakeStats {
            sleeps: self.sleeps.load(Relaxed),
            rings: self.rings.load(Relaxed),
            syscalls: self.syscalls.load(Relaxed),
            heard: self.heard.load(Relaxed),
            batches: self.batches.load(Relaxed),
            wakes: self.wakes.load(Relaxed),
        }
    }
}
