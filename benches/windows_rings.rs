//! What the completion port tier could be made of: the three ways there are to ring a compio
//! runtime that sleeps in `GetQueuedCompletionStatusEx`, compared by round trips of two runtimes.
//!
//! `cargo bench --bench windows_rings [-- RUNS]`; with `--features compio-driver/iocp-wait-packet`,
//! events are waited for by the kernel's wait completion packets, else by a thread of the system's
//! pool. `src/waiter_queue/windows.rs` says what follows.

#[cfg(not(windows))]
fn main() {
    println!("nothing to compare: this is not Windows");
}

#[cfg(windows)]
fn main() {
    windows::main();
}

#[cfg(windows)]
mod windows {
    use std::{
        env,
        future::{Future, poll_fn},
        io, mem,
        os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle},
        pin::pin,
        ptr::{null, null_mut},
        sync::{
            Arc, Barrier,
            atomic::{
                AtomicBool, AtomicPtr, AtomicUsize,
                Ordering::{AcqRel, Acquire, Relaxed, Release},
            },
        },
        task::Poll,
        thread,
        time::{Duration, Instant},
    };

    use compio::{
        driver::{AsRawFd, OpCode, OpType},
        runtime::{Runtime, submit},
    };
    use futures_util::task::AtomicWaker;
    use windows_sys::Win32::System::{
        IO::{OVERLAPPED, PostQueuedCompletionStatus},
        Threading::{CreateEventW, SetEvent},
    };

    const ROUND_TRIPS: usize = 500;

    /// A way to ring one runtime, whose owner sleeps and whom another thread rings once a sleep.
    trait Ring: Send + Sync + Sized + 'static {
        const NAME: &'static str;

        fn new(runtime: &Runtime) -> Self;
        /// Begun by its first poll; from then on it may be signalled.
        fn sleep(self: Arc<Self>) -> impl Future<Output = ()>;
        fn ring(&self);
    }

    /// An operation that is left pending, and completed by a packet for its address.
    struct Packet {
        port: AtomicUsize,
        operation: AtomicPtr<OVERLAPPED>,
    }

    struct PacketOp(Arc<Packet>);

    // SAFETY: the operation owns nothing that a completion would have to find alive, and each is
    // completed once, by the one ring between two sleeps.
    unsafe impl OpCode for PacketOp {
        type Control = ();

        fn op_type(&self, (): &()) -> OpType {
            OpType::Overlapped
        }

        unsafe fn operate(
            &mut self,
            (): &mut (),
            operation: *mut OVERLAPPED,
        ) -> Poll<io::Result<usize>> {
            self.0.operation.store(operation, Release);
            Poll::Pending
        }
    }

    impl Ring for Packet {
        const NAME: &'static str = "packet";

        fn new(runtime: &Runtime) -> Self {
            Self {
                port: AtomicUsize::new(runtime.as_raw_fd().addr()),
                operation: AtomicPtr::new(null_mut()),
            }
        }

        async fn sleep(self: Arc<Self>) {
            submit(PacketOp(self)).await.0.expect("a packet");
        }

        fn ring(&self) {
            let port = std::ptr::without_provenance_mut(self.port.load(Relaxed));
            let operation = self.operation.swap(null_mut(), AcqRel);
            assert!(!operation.is_null(), "it sleeps");
            // SAFETY: the runtime outlives the rings of a run, and the operation is pending.
            let posted = unsafe { PostQueuedCompletionStatus(port, 0, 0, operation) };
            assert_ne!(posted, 0);
        }
    }

    /// An event that the driver waits for.
    struct Event(OwnedHandle);

    struct EventOp(Arc<Event>);

    // SAFETY: the event is open for as long as the operation exists.
    unsafe impl OpCode for EventOp {
        type Control = ();

        fn op_type(&self, (): &()) -> OpType {
            OpType::Event(self.0.0.as_raw_handle())
        }

        unsafe fn operate(&mut self, (): &mut (), _: *mut OVERLAPPED) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(0))
        }
    }

    impl Ring for Event {
        const NAME: &'static str = "event";

        fn new(_: &Runtime) -> Self {
            // SAFETY: it makes a handle, which nobody else has.
            Self(unsafe { OwnedHandle::from_raw_handle(CreateEventW(null(), 0, 0, null())) })
        }

        async fn sleep(self: Arc<Self>) {
            submit(EventOp(self)).await.0.expect("an event");
        }

        fn ring(&self) {
            // SAFETY: the event is open.
            assert_ne!(unsafe { SetEvent(self.0.as_raw_handle()) }, 0);
        }
    }

    /// compio's own waker.
    struct Wake {
        signalled: AtomicBool,
        task: AtomicWaker,
    }

    impl Ring for Wake {
        const NAME: &'static str = "compio's waker";

        fn new(_: &Runtime) -> Self {
            Self {
                signalled: AtomicBool::new(false),
                task: AtomicWaker::new(),
            }
        }

        async fn sleep(self: Arc<Self>) {
            poll_fn(|cx| {
                self.task.register(cx.waker());
                if self.signalled.swap(false, Acquire) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }

        fn ring(&self) {
            self.signalled.store(true, Release);
            self.task.wake();
        }
    }

    /// Each side has begun its sleep when the other is signalled, so there always is one to end.
    async fn take_turns<R: Ring>(mine: Arc<R>, other: Arc<R>, begun: &Barrier, first: bool) {
        for round in 0..ROUND_TRIPS {
            let mut sleep = pin!(mine.clone().sleep());
            let mut begins = true;
            poll_fn(|cx| {
                let polled = sleep.as_mut().poll(cx);
                if mem::take(&mut begins) {
                    if round == 0 {
                        begun.wait();
                    }
                    if round > 0 || first {
                        other.ring();
                    }
                }
                polled
            })
            .await;
        }
        if !first {
            other.ring();
        }
    }

    fn run<R: Ring>() -> Duration {
        let runtime = Runtime::new().expect("a runtime");
        let mine = Arc::new(R::new(&runtime));
        let begun = Barrier::new(2);
        let (sender, receiver) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            let other = scope.spawn({
                let (mine, begun) = (mine.clone(), &begun);
                move || {
                    let runtime = Runtime::new().expect("a runtime");
                    let own = Arc::new(R::new(&runtime));
                    sender.send(own.clone()).expect("it is awaited");
                    runtime.block_on(take_turns(own, mine, begun, false));
                }
            });
            let theirs = receiver.recv().expect("the other runtime");
            let begin = Instant::now();
            runtime.block_on(take_turns(mine, theirs, &begun, true));
            let time = begin.elapsed();
            other.join().expect("the other runtime");
            time
        })
    }

    pub(super) fn main() {
        let runs = env::args().find_map(|argument| argument.parse().ok());
        let runs: usize = runs.unwrap_or(11);
        let names = [Packet::NAME, Event::NAME, Wake::NAME];
        let mut times = [const { Vec::new() }; 3];
        for turn in 0..=runs {
            let all = [run::<Packet>(), run::<Event>(), run::<Wake>()];
            for (times, time) in times.iter_mut().zip(all) {
                if turn > 0 {
                    times.push(time);
                }
            }
        }
        println!("a round trip of two sleeping runtimes, median of {runs} times {ROUND_TRIPS}");
        let medians = times.map(|mut times| {
            times.sort();
            times[times.len() / 2].as_secs_f64() * 1e6 / ROUND_TRIPS as f64
        });
        for (name, median) in names.into_iter().zip(medians) {
            println!(
                "  {name:<16} {median:>10.2} us   ratio {:>5.2}",
                medians[0] / median
            );
        }
    }
}
