//! Copies a directory, with a bounded number of files open at a time and a progress bar.
//!
//! ```sh
//! cargo run --release --example copy_dir -- FROM TO
//! ```
//!
//! Without arguments it copies the sources of this crate to a temporary directory, compares, and
//! deletes the copy. What to look at:
//! - `copy_all` acquires a permit before it spawns the task that copies a file. So there are never
//!   more than `LIMIT` tasks, however many files there are. Having all permits, it knows that all
//!   tasks have ended.
//! - `draw` waits for an `Event`, with a timeout, and draws the bar each time that runs out. A wait
//!   that a timeout drops leaves nothing behind.

use std::{
    env,
    fmt::Display,
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use compio::{
    BufResult,
    fs::File,
    io::{AsyncReadAt, AsyncWriteAtExt},
    runtime::{spawn, spawn_blocking},
    time::timeout,
};
use compio_sync::{Event, OwnedSemaphorePermit, Semaphore};

/// How many files are copied at a time.
const LIMIT: usize = 32;
/// How much of a file is read at a time.
const CHUNK: usize = 64 * 1024;
/// How often the progress is drawn, and how wide its bar is.
const TICK: Duration = Duration::from_millis(100);
const BAR: usize = 40;

#[derive(Default)]
struct Progress {
    total: AtomicU64,
    copied: AtomicU64,
    /// How many things could not be read or written, and how many files are among them.
    failed: AtomicUsize,
    unfinished: AtomicUsize,
    done: Event,
}

impl Progress {
    fn fail(&self, what: &dyn Display) {
        self.failed.fetch_add(1, Relaxed);
        eprintln!("\rcopy_dir: {what}");
    }
}

#[compio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).map(PathBuf::from).collect();
    let demo = arguments.is_empty();
    let (from, to) = match &arguments[..] {
        [] => (
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../src"),
            env::temp_dir().join(format!("copy_dir-{}", std::process::id())),
        ),
        [from, to] => (from.clone(), to.clone()),
        _ => {
            eprintln!("usage: copy_dir FROM TO");
            return ExitCode::from(2);
        }
    };

    let progress = Arc::new(Progress::default());
    let bar = spawn(draw(progress.clone()));
    let result = copy_all(from.clone(), to.clone(), &progress).await;
    progress.done.set();
    bar.await.expect("the bar should not panic");

    let failed = progress.failed.load(Relaxed);
    match result {
        Ok(files) => {
            let copied = files - progress.unfinished.load(Relaxed);
            println!("{copied} of {files} files copied, {failed} errors");
        }
        Err(error) => {
            eprintln!("copy_dir: {error}");
            return ExitCode::FAILURE;
        }
    }
    if demo {
        compare(&from, &to).expect("the copy should be readable");
        fs::remove_dir_all(&to).expect("the copy should be ours to delete");
    }
    ExitCode::from((failed > 0) as u8)
}

/// Copies everything below `from`, and returns how many files that were.
async fn copy_all(from: PathBuf, to: PathBuf, progress: &Arc<Progress>) -> io::Result<usize> {
    // Listing directories blocks: not here.
    let listing = spawn_blocking({
        let progress = progress.clone();
        move || {
            // Before anything is made: a FROM that cannot be read leaves no TO.
            fs::read_dir(&from).map_err(|error| about(&from, error))?;
            let source = from.canonicalize().map_err(|error| about(&from, error))?;
            fs::create_dir_all(&to).map_err(|error| about(&to, error))?;
            let target = to.canonicalize().map_err(|error| about(&to, error))?;
            if target.starts_with(source) {
                return Err(io::Error::other(
                    "the copy would be inside of what is copied",
                ));
            }
            let mut files = Vec::new();
            make_dirs(&from, &to, &mut files, &progress);
            Ok(files)
        }
    });
    let files = listing.await.expect("the listing should not panic")?;
    let total = files.iter().map(|file| file.size).sum();
    progress.total.store(total, Relaxed);

    let count = files.len();
    let tasks = Arc::new(Semaphore::new(LIMIT));
    for file in files {
        let permit = tasks.clone().acquire_owned().await;
        spawn(copy(file, progress.clone(), permit)).detach();
    }
    let _all = tasks.acquire_many(LIMIT).await;
    Ok(count)
}

/// One file to copy.
struct Job {
    from: PathBuf,
    to: PathBuf,
    size: u64,
}

/// The error, with the path that it is about.
fn about(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Makes the directories, and lists the files to be copied into them. What cannot be read is reported,
/// and left out.
fn make_dirs(from: &Path, to: &Path, files: &mut Vec<Job>, progress: &Progress) {
    let entries = fs::create_dir_all(to)
        .map_err(|error| about(to, error))
        .and_then(|()| fs::read_dir(from).map_err(|error| about(from, error)));
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => return progress.fail(&error),
    };
    for entry in entries {
        let listed = entry.and_then(|entry| {
            let size = entry.metadata()?.len();
            Ok((entry.path(), entry.file_name(), entry.file_type()?, size))
        });
        match listed {
            Ok((from, name, kind, _)) if kind.is_dir() => {
                make_dirs(&from, &to.join(name), files, progress);
            }
            Ok((from, name, kind, size)) if kind.is_file() => {
                let to = to.join(name);
                files.push(Job { from, to, size });
            }
            Ok(_) => {}
            Err(error) => progress.fail(&about(from, error)),
        }
    }
}

/// The task that copies one file.
async fn copy(job: Job, progress: Arc<Progress>, _permit: OwnedSemaphorePermit) {
    if let Err(error) = copy_file(&job.from, &job.to, &progress).await {
        let both = format!("{} to {}", job.from.display(), job.to.display());
        progress.unfinished.fetch_add(1, Relaxed);
        progress.fail(&format_args!("{both}: {error}"));
    }
}

async fn copy_file(from: &Path, to: &Path, progress: &Progress) -> io::Result<()> {
    let source = File::open(from).await?;
    let mut target = File::create(to).await?;
    target
        .set_permissions(source.metadata().await?.permissions())
        .await?;
    let mut buffer = Vec::with_capacity(CHUNK);
    let mut position = 0;
    loop {
        let BufResult(read, back) = source.read_at(buffer, position).await;
        let read = read? as u64;
        if read == 0 {
            break;
        }
        let BufResult(written, back) = target.write_all_at(back, position).await;
        written?;
        position += read;
        progress.copied.fetch_add(read, Relaxed);
        buffer = back;
        buffer.clear();
    }
    source.close().await?;
    target.close().await
}

/// Draws a bar until all is done, if somebody can see it.
async fn draw(progress: Arc<Progress>) {
    while io::stderr().is_terminal() {
        let done = timeout(TICK, progress.done.wait()).await.is_ok();
        let (total, copied) = (progress.total.load(Relaxed), progress.copied.load(Relaxed));
        let part = copied as f64 / total.max(1) as f64;
        let bar = "#".repeat(((part * BAR as f64) as usize).min(BAR));
        eprint!("\r[{bar:-<BAR$}] {copied} of {total} bytes");
        if done {
            eprintln!();
            return;
        }
    }
}

/// Fails if the two directories differ.
fn compare(one: &Path, other: &Path) -> io::Result<()> {
    for entry in fs::read_dir(one)? {
        let entry = entry?;
        let (one, other) = (entry.path(), other.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            compare(&one, &other)?;
        } else {
            assert_eq!(fs::read(&one)?, fs::read(&other)?, "{}", one.display());
        }
    }
    Ok(())
}
