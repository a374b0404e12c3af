//! Scenarios, on every kind of runtime that the machine has.

use super::*;

/// Some lanes that tasks are spread over, round robin.
pub struct World {
    name: String,
    lanes: Vec<Lane>,
    next: AtomicUsize,
    watchdog: Watchdog,
}

impl World {
    /// Runs `scenario` in each world. The calling thread is a plain one, outside of the world.
    pub fn each(scenario: impl Fn(World)) {
        Self::each_of(&[LaneKind::Pool, LaneKind::Thread], scenario);
    }

    /// Runs `scenario` in each world that is made of nothing but compio runtimes.
    pub fn each_compio(scenario: impl Fn(World)) {
        Self::each_of(&[], scenario);
    }

    fn each_of(foreign: &[LaneKind], scenario: impl Fn(World)) {
        let runtimes = available();
        let mut worlds = Vec::new();
        for &kind in runtimes {
            worlds.push((format!("one {kind:?}"), vec![kind]));
        }
        for &kind in runtimes.iter().chain(foreign) {
            worlds.push((format!("several {kind:?}"), vec![kind; 3]));
        }
        worlds.push(("all at once".into(), [runtimes, foreign].concat()));
        for (name, kinds) in worlds {
            let _named = NameOnPanic(&name);
            scenario(World {
                watchdog: Watchdog::new(&name),
                name: name.clone(),
                lanes: kinds.into_iter().map(Lane::new).collect(),
                next: AtomicUsize::new(0),
            });
        }
    }

    /// Starts a task on the next lane.
    pub fn spawn<T, F>(&self, task: impl FnOnce() -> F + Send + 'static) -> Task<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let lane = self.next.fetch_add(1, SeqCst) % self.lanes.len();
        self.spawn_on(lane, task)
    }

    /// Starts a task on lane `lane`.
    pub fn spawn_on<T, F>(&self, lane: usize, task: impl FnOnce() -> F + Send + 'static) -> Task<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let (sender, result) = mpsc::channel();
        let ended = Arc::new(AtomicBool::new(false));
        let end = ended.clone();
        self.lanes[lane].run(Box::new(move || {
            let task = async move { task().await };
            async move {
                let result = AssertUnwindSafe(task).catch_unwind().await;
                let _ = sender.send(result);
                end.store(true, SeqCst);
            }
            .boxed_local()
        }));
        Task { result, ended }
    }

    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for lane in &mut self.lanes {
            drop(lane.jobs.take());
            lane.doorbell.wake();
        }
        for lane in &mut self.lanes {
            if lane.thread.take().is_some_and(|it| it.join().is_err()) && !thread::panicking() {
                panic!("a lane panicked");
            }
        }
    }
}

/// A task of a [`World`]. It goes on if this is dropped.
pub struct Task<T> {
    result: Receiver<thread::Result<T>>,
    ended: Arc<AtomicBool>,
}

impl<T> Task<T> {
    /// Blocks until the task has ended. Passes on its panic.
    pub fn join(self) -> T {
        self.outcome().unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Blocks until the task has ended.
    pub fn outcome(self) -> thread::Result<T> {
        self.result.recv().expect("the task was dropped")
    }

    /// Whether the task has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.load(SeqCst)
    }
}

type Job = Box<dyn FnOnce() -> LocalBoxFuture<'static, ()> + Send>;

#[derive(Clone, Copy, Debug)]
enum LaneKind {
    /// A compio runtime.
    Runtime(DriverType, WakeTier),
    /// A foreign executor.
    Pool,
    /// No executor: each task blocks a thread of its own.
    Thread,
}

struct Lane {
    jobs: Option<Sender<Job>>,
    doorbell: Arc<AtomicWaker>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Lane {
    fn new(kind: LaneKind) -> Self {
        let (sender, jobs) = mpsc::channel();
        let doorbell = Arc::new(AtomicWaker::new());
        let thread = thread::spawn({
            let doorbell = doorbell.clone();
            move || kind.work_off(jobs, doorbell)
        });
        Self {
            jobs: Some(sender),
            doorbell,
            thread: Some(thread),
        }
    }

    fn run(&self, job: Job) {
        let jobs = self.jobs.as_ref().expect("the world still stands");
        jobs.send(job).expect("the lane is alive");
        self.doorbell.wake();
    }
}

impl LaneKind {
    fn work_off(self, jobs: Receiver<Job>, doorbell: Arc<AtomicWaker>) {
        match self {
            Self::Runtime(driver, tier) => runtime(driver).unwrap().block_on(async {
                tier.select().unwrap();
                start_all(jobs, doorbell, |job| compio::runtime::spawn(job()).detach()).await;
                assert_eq!(WakeTier::current(), Some(tier), "the tier has been left");
            }),
            Self::Pool => {
                let mut pool = LocalPool::new();
                let spawner = pool.spawner();
                pool.run_until(start_all(jobs, doorbell, |job| {
                    spawner.spawn_local(job()).unwrap()
                }));
            }
            Self::Thread => futures_executor::block_on(start_all(jobs, doorbell, |job| {
                thread::spawn(|| futures_executor::block_on(job()));
            })),
        }
    }
}

/// Starts jobs until there are no more to come.
async fn start_all(jobs: Receiver<Job>, doorbell: Arc<AtomicWaker>, start: impl Fn(Job)) {
    poll_fn(|cx| {
        doorbell.register(cx.waker());
        loop {
            match jobs.try_recv() {
                Ok(job) => start(job),
                Err(TryRecvError::Empty) => return Poll::Pending,
                Err(TryRecvError::Disconnected) => return Poll::Ready(()),
            }
        }
    })
    .await
}

fn runtime(driver: DriverType) -> Result<Runtime, String> {
    let mut proactor = ProactorBuilder::new();
    proactor.driver_type(driver);
    let runtime = Runtime::builder()
        .with_proactor(proactor)
        .build()
        .map_err(|error| error.to_string())?;
    match runtime.driver_type() {
        it if it == driver => Ok(runtime),
        it => Err(format!("compio was built for {it:?} only")),
    }
}

/// The kinds of runtimes that this machine has; says so once.
fn available() -> &'static [LaneKind] {
    static AVAILABLE: LazyLock<Vec<LaneKind>> = LazyLock::new(|| {
        let asked = env::var("COMPIO_SYNC_TIER").unwrap_or_default();
        let is_asked = |tier: WakeTier| matches!(&*asked, "" | "auto") || asked == tier.to_string();
        let candidates: &[_] = if cfg!(target_os = "linux") {
            &[
                (DriverType::IoUring, WakeTier::Futex),
                (DriverType::IoUring, WakeTier::Generic),
                (DriverType::Poll, WakeTier::Generic),
            ]
        } else if cfg!(windows) {
            &[
                (DriverType::IOCP, WakeTier::Iocp),
                (DriverType::IOCP, WakeTier::Generic),
            ]
        } else {
            &[(DriverType::Poll, WakeTier::Generic)]
        };
        let mut kinds = Vec::new();
        for &(driver, tier) in candidates {
            let check = runtime(driver)
                .and_then(|it| it.enter(|| tier.check()).map_err(|error| error.to_string()))
                .and_then(|()| is_asked(tier).then_some(()).ok_or("not asked for".into()));
            match &check {
                Ok(()) => kinds.push(LaneKind::Runtime(driver, tier)),
                Err(reason) => say(&format!("not tested: {driver:?} with {tier}: {reason}")),
            }
        }
        say(&format!("tested: {kinds:?}"));
        let has_generic = |kind: &_| matches!(kind, LaneKind::Runtime(_, WakeTier::Generic));
        assert!(kinds.iter().any(has_generic) || !is_asked(WakeTier::Generic));
        kinds
    });
    &AVAILABLE
}

/// Prints, past the test harness, which would swallow it.
fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

struct NameOnPanic<'a>(&'a str);

impl Drop for NameOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("in the world: {}", self.0);
        }
    }
}

/// Aborts the process if it is not dropped within a minute.
pub struct Watchdog {
    _alive: Sender<()>,
}

impl Watchdog {
    /// `place` is what hangs in the calling test.
    pub fn new(place: &str) -> Self {
        let (_alive, dropped) = mpsc::channel();
        let test = thread::current().name().unwrap_or("?").to_owned();
        let place = place.to_owned();
        thread::spawn(move || {
            if let Err(RecvTimeoutError::Timeout) = dropped.recv_timeout(Duration::from_secs(300)) {
                say(&format!("{test} hangs, in the world: {place}"));
                process::abort();
            }
        });
        Self { _alive }
    }
}

/// Blocks until `condition` holds.
pub fn until(mut condition: impl FnMut() -> bool) {
    let mut looks = 0_u32;
    while !condition() {
        looks += 1;
        if looks.is_multiple_of(256) {
            thread::yield_now();
        } else {
            hint::spin_loop();
        }
    }
}

/// Lets the other tasks of the executor run.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await
}

/// Runs `f`, which has to panic, and returns the message.
pub fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(panic) => message(&*panic),
    }
}

/// The message of a panic.
pub fn message(panic: &(dyn Any + Send)) -> String {
    None.or_else(|| panic.downcast_ref::<&str>().map(|it| it.to_string()))
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .expect("a message")
}
