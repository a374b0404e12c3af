//! A budget in bytes, which two runtimes share: a `Semaphore` with a permit for each.
//!
//! The files of this repository are read as a whole, many at a time, as long as they fit into
//! memory that is set aside for them. What to look at:
//! - `acquire_many` takes the whole size at once, or nothing. Taking it bit by bit, two tasks could
//!   each hold half of what they need, for ever.
//! - A large file is not starved by small ones: while it is first in line, a bounded number of them
//!   pass it, and then what is given back gathers for it.
//! - What is larger than the budget takes all of it, or it would wait for ever.
//! - The permit goes with the buffer, not with the task. A read that is cancelled keeps its buffer until the
//!   kernel is through with it, and a permit that the task had would be given back before that.
//! - `split` gives back a part early: that of the contents, while the result is still held.

use std::{
    collections::BTreeMap,
    fs, io,
    mem::MaybeUninit,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use compio::{
    BufResult,
    buf::{IoBuf, IoBufMut, SetLen},
    fs::File,
    io::AsyncReadAtExt,
    runtime::{Runtime, spawn},
};
use compio_sync::{Mutex, Semaphore, SemaphorePermit};
use futures_util::future::join_all;

const BUDGET: usize = 128 * 1024;
const RUNTIMES: usize = 2;

static MEMORY: Semaphore = Semaphore::new(BUDGET);
/// How many bytes are in memory, and how many have been at most: the proof that the budget holds.
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// How many lines there are of each length.
static LENGTHS: Mutex<BTreeMap<usize, usize>> = Mutex::new(BTreeMap::new());

fn main() {
    let mut files = Vec::new();
    find(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
        &mut files,
    )
    .expect("this repository should be readable");
    let files = Arc::new(files);
    let threads: Vec<_> = (0..RUNTIMES)
        .map(|nth| {
            let files = files.clone();
            thread::spawn(move || {
                let runtime =
                    Runtime::new().expect("the system should have room for another runtime");
                let mine = files.iter().skip(nth).step_by(RUNTIMES);
                let tasks = runtime.block_on(async {
                    join_all(mine.map(|(path, size)| spawn(measure(path.clone(), *size)))).await
                });
                for task in tasks {
                    task.expect("the task should not panic")
                        .expect("the file should be readable");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no runtime should panic");
    }

    let total: usize = files.iter().map(|(_, size)| size).sum();
    let peak = PEAK.load(Relaxed);
    let lengths = LENGTHS.blocking_lock();
    println!(
        "{} files with {total} bytes, at most {peak} of {BUDGET} in memory",
        files.len()
    );
    println!(
        "the most frequent length of a line that is not empty: {}",
        most_frequent(&lengths)
    );
    assert!(peak <= BUDGET);
    assert_eq!(MEMORY.available_permits(), BUDGET);
}

/// Adds all source files in `dir` to `files`, with their sizes.
fn find(dir: &Path, files: &mut Vec<(PathBuf, usize)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() && entry.file_name() != "target" {
            find(&path, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|end| end == "rs") {
            files.push((path, entry.metadata()?.len() as usize));
        }
    }
    Ok(())
}

/// Memory, and the permit for it.
struct Buffer {
    bytes: Vec<u8>,
    memory: SemaphorePermit<'static>,
}

impl IoBuf for Buffer {
    fn as_init(&self) -> &[u8] {
        self.bytes.as_init()
    }
}

impl SetLen for Buffer {
    unsafe fn set_len(&mut self, len: usize) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.bytes.set_len(len) }
    }
}

impl IoBufMut for Buffer {
    fn as_uninit(&mut self) -> &mut [MaybeUninit<u8>] {
        self.bytes.as_uninit()
    }
}

/// Measures the lines of a file, once there is room for its contents.
async fn measure(path: PathBuf, size: usize) -> io::Result<()> {
    let memory = MEMORY.acquire_many(size.min(BUDGET)).await;
    hold(memory.num_permits());
    let buffer = Buffer {
        bytes: Vec::with_capacity(size),
        memory,
    };
    let file = File::open(&path).await?;
    let BufResult(read, buffer) = file.read_exact_at(buffer, 0).await;
    read?;
    let Buffer { bytes, mut memory } = buffer;
    let lengths: Vec<u8> = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| line != b"")
        .map(|line| line.len().min(255) as u8)
        .collect();

    // The result is smaller than the contents. The difference goes to others now.
    drop(bytes);
    let rest = memory.num_permits().saturating_sub(lengths.len());
    HELD.fetch_sub(rest, Relaxed);
    drop(memory.split(rest));

    let mut all = LENGTHS.lock().await;
    for length in lengths {
        *all.entry(length.into()).or_default() += 1;
    }
    HELD.fetch_sub(memory.num_permits(), Relaxed);
    Ok(())
}

fn hold(bytes: usize) {
    PEAK.fetch_max(HELD.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

fn most_frequent(lengths: &BTreeMap<usize, usize>) -> usize {
    let most = lengths.iter().max_by_key(|(_, count)| **count);
    most.map_or(0, |(length, _)| *length)
}
