//! Hashes every file under a directory, with a bounded number of files open at any time.
//!
//! Several runtimes, one per thread, share the work and **one** `Semaphore`: a task may have its
//! file open while it holds a permit, whichever runtime it is on. Run it with
//!
//! ```sh
//! cargo run --release --example bounded_tasks -- --limit 16 --threads 4 /usr/lib
//! ```
//!
//! What to look at, from the top down:
//! - `work` spawns a task for each file. A second semaphore, of that runtime alone, bounds how many
//!   tasks there are: a permit is acquired before the task is spawned, and moves into it. When all
//!   of these permits can be had, no task is left.
//! - `visit` is such a task. It waits for an `Event` beside its real work, and so ends early when
//!   Ctrl-C has set it. Dropping an unfinished acquire or read is all there is to cancelling it.
//! - `hash` holds a permit of the shared semaphore for as long as its file is open.
//! - `Job::walk` is a `Mutex` whose guard travels: a runtime locks it, and a thread of compio's
//!   blocking pool lists directories under that guard, and unlocks.
//! - `watch` waits for an event for a limited time, over and over, and draws the progress meanwhile.

use std::{
    fs::{self, ReadDir},
    io::{self, IsTerminal, Write},
    path::{MAIN_SEPARATOR, Path, PathBuf},
    pin::pin,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use blake3::{Hash, Hasher};
use compio::{
    BufResult,
    fs::File,
    io::AsyncReadAt,
    runtime::{Runtime, spawn, spawn_blocking},
    signal::ctrl_c,
    time::timeout,
};
use compio_sync::{Event, Mutex, OwnedSemaphorePermit, Semaphore, WakeStats, WakeTier};
use futures_util::future::{Either, select};
use lexopt::{Parser, prelude::*};

const HELP: &str = "\
Hashes every file under DIR, with a bounded number of files open at any time.

Usage: bounded_tasks [OPTIONS] [DIR]

  DIR            where to begin; without it, at the root of this repository
  --limit N      have at most N files open at a time, over all runtimes [64]
  --threads T    run T runtimes, each on a thread of its own [2]
  --print        write `hash  path` lines (BLAKE3, as b3sum does) to standard output, and the
                 summary to standard error
  --help         write this

Symbolic links are not followed; they and special files (FIFOs, sockets, devices) are skipped and
counted. Files and directories that cannot be read are reported and counted. Ctrl-C ends the run
early, with a summary of what has been read; so does a --print that nobody reads. Another Ctrl-C
kills.

The digest is of all paths below DIR and all contents, in no particular order: equal trees have
equal digests.

Exit status: 0 if everything was read, 1 if something could not be, 2 if the arguments are wrong,
130 if interrupted.
";

/// How much of a file is read at a time.
const CHUNK: usize = 64 * 1024;
/// How many files a runtime takes from the walk at a time.
const BATCH: usize = 32;
/// How often the progress is drawn, how wide its bar is, and how wide its line.
const TICK: Duration = Duration::from_millis(100);
const BAR: usize = 20;
const WIDTH: usize = 59;

fn main() -> ExitCode {
    let job = match Options::parse() {
        Ok(Some(options)) => Arc::new(Job::new(options)),
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("bounded_tasks: {error}\nTry --help.");
            return ExitCode::from(2);
        }
    };
    let watcher = run(&job, watch);
    let workers: Vec<_> = (0..job.options.threads).map(|_| run(&job, work)).collect();
    let wakes = workers.into_iter().map(join).collect();
    job.done.set();
    join(watcher);
    job.finish(wakes)
}

/// Starts a thread, a runtime on it, and `task` on that.
fn run<F>(job: &Arc<Job>, task: fn(Arc<Job>) -> F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + 'static,
{
    let job = job.clone();
    thread::spawn(move || {
        let runtime = Runtime::new().expect("the system should have room for another runtime");
        runtime.block_on(async { spawn(task(job)).await.expect("the task should not panic") })
    })
}

fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().expect("the thread should not panic")
}

/// What the runtimes share.
struct Job {
    options: Options,
    begin: Instant,
    progress: bool,
    walk: Arc<Mutex<Walk>>,
    /// One permit for each file that may be open.
    files: Semaphore,
    /// How many files are open, and how many have been at most: the proof that `files` works.
    open: AtomicUsize,
    peak: AtomicUsize,
    bytes: AtomicU64,
    /// How many things the walk has come by so far.
    found: AtomicUsize,
    totals: Mutex<Totals>,
    /// Set by Ctrl-C.
    stop: Event,
    /// Set when all of the work has ended.
    done: Event,
}

#[derive(Default)]
struct Totals {
    files: usize,
    failures: usize,
    digest: [u8; blake3::OUT_LEN],
}

/// The main task of a runtime: spawns a task for each file, and waits for them all.
async fn work(job: Arc<Job>) -> (WakeTier, WakeStats) {
    let tier = WakeTier::current().expect("this is inside a runtime");
    // For each task that has a file open, another may be in line.
    let most = 2 * job.options.limit;
    let tasks = Arc::new(Semaphore::new(most));
    'walk: loop {
        // Listing directories blocks. The guard goes where that does no harm.
        let mut walk = job.walk.clone().lock_owned().await;
        let batch = spawn_blocking(move || walk.by_ref().take(BATCH).collect::<Vec<_>>());
        let batch = batch.await.expect("the walk should not panic");
        if batch.is_empty() {
            break;
        }
        job.found.fetch_add(batch.len(), Relaxed);
        for found in batch {
            let permit = tasks.clone().acquire_owned().await;
            if job.stop.is_set() {
                break 'walk;
            }
            spawn(visit(job.clone(), found, permit)).detach();
        }
    }
    let _all = tasks.acquire_many(most).await;

    let stats = WakeStats::current(tier).expect("this is inside a runtime");
    (tier, stats)
}

/// One file's task.
async fn visit(job: Arc<Job>, (path, found): Found, _permit: OwnedSemaphorePermit) {
    let hashed = match found {
        Ok(()) => match select(pin!(hash(&job, &path)), job.stop.wait()).await {
            Either::Left((hashed, _)) => hashed,
            Either::Right(_) => return,
        },
        Err(error) => Err(error),
    };
    // The lock also keeps lines on the terminal apart.
    let mut totals = job.totals.lock().await;
    match hashed {
        Ok(hash) => {
            totals.files += 1;
            totals.mix(path.strip_prefix(&job.options.dir).unwrap_or(&path), hash);
            if job.options.print && print_line(&path, hash).is_err() {
                job.stop.set();
            }
        }
        Err(error) => {
            totals.failures += 1;
            job.erase_progress();
            eprintln!("{path:?}: {error}");
        }
    }
}

/// Hashes the contents of a file, once it may be open.
async fn hash(job: &Job, path: &Path) -> io::Result<Hash> {
    let _permit = job.files.acquire().await;
    // Dropped after the file and before the permit: never less than what is really open.
    let _open = Open::count(job);
    let file = File::open(path).await?;
    let mut hasher = Hasher::new();
    let mut buffer = Vec::with_capacity(CHUNK);
    let mut position = 0;
    loop {
        // The buffer goes to the system for as long as the read takes, and comes back.
        let BufResult(read, back) = file.read_at(buffer, position).await;
        buffer = back;
        match read? {
            0 => break,
            read => {
                hasher.update(&buffer[..read]);
                position += read as u64;
                job.bytes.fetch_add(read as u64, Relaxed);
            }
        }
    }
    file.close().await?;
    Ok(hasher.finalize())
}

/// Counts a file as open.
struct Open<'a>(&'a Job);

impl<'a> Open<'a> {
    fn count(job: &'a Job) -> Self {
        let open = job.open.fetch_add(1, Relaxed) + 1;
        job.peak.fetch_max(open, Relaxed);
        Self(job)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// The main task of the watcher: sees to Ctrl-C and draws the progress, until all is done.
async fn watch(job: Arc<Job>) {
    let interrupts = job.clone();
    spawn(async move {
        // From here on, Ctrl-C does what it always does.
        if ctrl_c().await.is_ok() {
            interrupts.stop.set();
        }
    })
    .detach();
    if !job.progress {
        return job.done.wait().await;
    }
    while timeout(TICK, job.done.wait()).await.is_err() {
        job.draw_progress().await;
    }
    job.erase_progress();
}

impl Job {
    fn new(options: Options) -> Self {
        Self {
            begin: Instant::now(),
            progress: io::stderr().is_terminal(),
            walk: Arc::new(Mutex::new(Walk::new(&options.dir))),
            files: Semaphore::new(options.limit),
            open: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            found: AtomicUsize::new(0),
            totals: Mutex::default(),
            stop: Event::new(),
            done: Event::new(),
            options,
        }
    }

    /// Draws a bar of how much has been done of what the walk has found so far.
    async fn draw_progress(&self) {
        let totals = self.totals.lock().await;
        let (done, found) = (totals.files + totals.failures, self.found.load(Relaxed));
        let bar = "#".repeat((done * BAR).checked_div(found).unwrap_or(0).min(BAR));
        let (open, mib) = (self.open.load(Relaxed), self.mib());
        let line = format!("[{bar:-<BAR$}] {done} of {found}, {mib:.0} MiB, {open} open");
        eprint!("\r{line:<WIDTH$.WIDTH$}");
    }

    fn erase_progress(&self) {
        if self.progress {
            eprint!("\r{:WIDTH$}\r", "");
        }
    }

    fn mib(&self) -> f64 {
        self.bytes.load(Relaxed) as f64 / (1 << 20) as f64
    }

    fn seconds(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    /// Checks that the run has kept its promises, and writes the summary.
    fn finish(&self, wakes: Vec<(WakeTier, WakeStats)>) -> ExitCode {
        let (seconds, mib, bytes) = (self.seconds(), self.mib(), self.bytes.load(Relaxed));
        let (totals, walk) = (self.totals.blocking_lock(), self.walk.blocking_lock());
        let (peak, limit) = (self.peak.load(Relaxed), self.options.limit);
        let interrupted = self.stop.is_set();
        assert!(peak <= limit, "{peak} files were open at a time");
        assert_eq!(self.open.load(Relaxed), 0, "every file is closed");
        assert_eq!(self.files.in_use(), 0, "every permit is back");
        if !interrupted {
            assert_eq!(totals.files + totals.failures, walk.found);
        }

        let mut text = format!("digest {}\n", Hash::from_bytes(totals.digest));
        let (mut tiers, mut across) = (String::new(), 0);
        for (runtime, (tier, stats)) in wakes.iter().enumerate() {
            text += &format!(
                "runtime {runtime}: wake tier {tier}, {} wakes from other threads, {} signals\n",
                stats.wakes, stats.signals
            );
            tiers += &format!(" {tier}");
            across += stats.wakes;
        }
        text += &format!(
            "{}{} files, {bytes} bytes in {seconds:.2} s, {:.1} MiB/s, at most {peak} of {limit} \
             open, {} unreadable, {} skipped, wake tiers{tiers}, {across} wakes across threads\n",
            if interrupted { "interrupted: " } else { "" },
            totals.files,
            mib / seconds,
            totals.failures,
            walk.skipped,
        );
        // If nobody reads it, nobody misses it.
        let _ = match self.options.print {
            true => io::stderr().write_all(text.as_bytes()),
            false => io::stdout().write_all(text.as_bytes()),
        };
        match (interrupted, totals.failures) {
            (true, _) => ExitCode::from(130),
            (false, 0) => ExitCode::SUCCESS,
            (false, _) => ExitCode::FAILURE,
        }
    }
}

impl Totals {
    /// Mixes a file into the digest, which comes out the same in whichever order they come.
    fn mix(&mut self, path: &Path, hash: Hash) {
        let mut hasher = Hasher::new();
        hasher.update(path.as_os_str().as_encoded_bytes());
        hasher.update(hash.as_bytes());
        for (mixed, byte) in self.digest.iter_mut().zip(hasher.finalize().as_bytes()) {
            *mixed ^= byte;
        }
    }
}

/// Writes a line as b3sum does: one that begins with a backslash has escapes in its path.
fn print_line(path: &Path, hash: Hash) -> io::Result<()> {
    let path = path.to_string_lossy().replace(MAIN_SEPARATOR, "/");
    if path.contains(['\\', '\n']) {
        let path = path.replace('\\', "\\\\").replace('\n', "\\n");
        writeln!(io::stdout(), "\\{hash}  {path}")
    } else {
        writeln!(io::stdout(), "{hash}  {path}")
    }
}

/// All files below a directory, found as they are asked for. One directory is open at a time.
struct Walk {
    entries: Option<(PathBuf, ReadDir)>,
    directories: Vec<PathBuf>,
    found: usize,
    skipped: usize,
}

/// What the walk has come by: a file, or something that it could not read.
type Found = (PathBuf, io::Result<()>);

impl Walk {
    fn new(dir: &Path) -> Self {
        Self {
            entries: None,
            directories: vec![dir.to_owned()],
            found: 0,
            skipped: 0,
        }
    }

    /// The next file, or the next thing that could not be read.
    fn step(&mut self) -> Option<Found> {
        loop {
            let Some((dir, entries)) = &mut self.entries else {
                let dir = self.directories.pop()?;
                match fs::read_dir(&dir) {
                    Ok(entries) => self.entries = Some((dir, entries)),
                    Err(error) => return Some((dir, Err(error))),
                }
                continue;
            };
            let Some(entry) = entries.next() else {
                self.entries = None;
                continue;
            };
            match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                Ok((path, kind)) if kind.is_file() => return Some((path, Ok(()))),
                Ok((path, kind)) if kind.is_dir() => self.directories.push(path),
                Ok(_) => self.skipped += 1,
                Err(error) => return Some((dir.clone(), Err(error))),
            }
        }
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        let found = self.step()?;
        self.found += 1;
        Some(found)
    }
}

struct Options {
    dir: PathBuf,
    limit: usize,
    threads: usize,
    print: bool,
}

impl Options {
    /// The options of this process; none if it has been asked for help.
    fn parse() -> Result<Option<Self>, lexopt::Error> {
        let mut options = Self {
            dir: PathBuf::new(),
            limit: 64,
            threads: 2,
            print: false,
        };
        let mut dir = None;
        let most = Semaphore::MAX_PERMITS / 2;
        let mut arguments = Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("limit") => options.limit = number(&mut arguments, "limit", most)?,
                Long("threads") => options.threads = number(&mut arguments, "threads", 1024)?,
                Long("print") => options.print = true,
                Long("help") | Short('h') => return Ok(None),
                Value(value) if dir.is_none() => dir = Some(PathBuf::from(value)),
                _ => return Err(argument.unexpected()),
            }
        }
        options.dir = dir.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/..").into());
        match fs::metadata(&options.dir) {
            Ok(metadata) if metadata.is_dir() => Ok(Some(options)),
            Ok(_) => Err(format!("{:?} is not a directory", options.dir).into()),
            Err(error) => Err(format!("{:?}: {error}", options.dir).into()),
        }
    }
}

/// The value of an option: a number from 1 to `most`.
fn number(arguments: &mut Parser, option: &str, most: usize) -> Result<usize, lexopt::Error> {
    let value = arguments.value()?;
    match value.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("--{option} takes a number from 1 to {most}, not {value:?}").into()),
    }
}
