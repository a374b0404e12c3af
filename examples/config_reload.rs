//! A configuration that is reloaded while requests are served on several runtimes.
//!
//! ```sh
//! cargo run --example config_reload
//! ```
//!
//! The configuration is in a `watch` channel, and not under a `RwLock`:
//! - A request looks at it once, and keeps what it has seen across its `await`s. With a lock its guard would keep the
//!   writer waiting, and behind the writer every other reader: one slow request would stop all.
//! - A reload puts a whole new value in its place. Nobody sees half of it, and whoever reloads never waits.
//! - What has to be done once for each change, here resizing a semaphore, is a task that waits for changes.
//!
//! A file that cannot be read or makes no sense is refused, and the configuration stays as it was.

use std::{fs, path::Path, sync::Arc, thread};

use compio::runtime::Runtime;
use compio_sync::{Event, Semaphore, watch};

const RUNTIMES: usize = 2;

#[derive(Clone, Debug, PartialEq)]
struct Config {
    greeting: String,
    /// How many requests there may be at a time, on all runtimes together.
    limit: usize,
}

impl Config {
    fn parse(text: &str) -> Result<Self, String> {
        let value = |key| {
            text.lines()
                .filter_map(|line| line.split_once('='))
                .find(|(name, _)| name.trim() == key)
                .map(|(_, value)| value.trim())
                .ok_or(format!("`{key}` is missing"))
        };
        let limit = value("limit")?.parse();
        Ok(Self {
            greeting: value("greeting")?.to_owned(),
            limit: limit.map_err(|error| format!("`limit`: {error}"))?,
        })
    }

    fn load(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
        Self::parse(&text)
    }
}

/// What a program does when it is told to, by a signal or a request.
fn reload(file: &Path, config: &watch::Sender<Config>) {
    match Config::load(file) {
        // Who is told need not look at a configuration that is the same.
        Ok(new) => _ = config.send_if_modified(|old| std::mem::replace(old, new.clone()) != new),
        Err(error) => println!("the configuration stays as it is: {error}"),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::temp_dir().join(format!("config_reload.{}", std::process::id()));
    fs::write(&file, "greeting = hello\nlimit = 4\n")?;
    let first = Config::load(&file)?;
    let limit = first.limit;
    let (config, receiver) = watch::channel(first);
    let server = Arc::new(Server {
        limit: Semaphore::new(limit),
        config: receiver,
        begun: Semaphore::new(0),
        goes_on: Event::new(),
        resized: Event::new(),
    });

    let runtimes: Vec<_> = (0..RUNTIMES)
        .map(|_| {
            let server = server.clone();
            thread::spawn(move || {
                run(async {
                    let answer = server.request().await;
                    assert_eq!(answer, "hello, and hello");
                    let answer = server.request().await;
                    assert_eq!(answer, "good day, and good day");
                })
            })
        })
        .collect();
    let resizes = thread::spawn({
        let server = server.clone();
        move || run(async { server.resize().await })
    });

    drop(server.begun.blocking_acquire_many(RUNTIMES));
    fs::write(&file, "greeting = good day\nlimit = many\n")?;
    reload(&file, &config);
    assert_eq!(config.borrow().greeting, "hello");
    fs::write(&file, "greeting = good day\nlimit = 8\n")?;
    // Requests are under way, and look at the old one: this waits for nobody.
    reload(&file, &config);
    assert_eq!(config.borrow().greeting, "good day");
    server.resized.blocking_wait();
    assert_eq!(server.limit.max_permits(), 8);
    server.goes_on.set();

    for runtime in runtimes {
        runtime.join().expect("the runtime should not panic");
    }
    // The end of the sender ends the task that waits for changes.
    drop(config);
    resizes.join().expect("the runtime should not panic");
    fs::remove_file(&file)?;
    println!("requests kept the configuration that they began with; later ones had the new one");
    Ok(())
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = Runtime::new().expect("the system should have room for another runtime");
    runtime.block_on(future)
}

/// What all runtimes share.
struct Server {
    config: watch::Receiver<Config>,
    /// How many requests there may be.
    limit: Semaphore,
    /// A permit for each request that has looked at the configuration.
    begun: Semaphore,
    /// Requests may end.
    goes_on: Event,
    resized: Event,
}

impl Server {
    /// Answers a request from one configuration, though another comes meanwhile.
    async fn request(&self) -> String {
        let _permit = self.limit.acquire().await;
        let config = self.config.borrow();
        let first = config.greeting.clone();
        self.begun.add_permits(1);
        self.goes_on.wait().await;
        format!("{first}, and {}", config.greeting)
    }

    /// Has as many permits as the configuration says, whenever that changes.
    async fn resize(&self) {
        let mut config = self.config.clone();
        while config.changed().await.is_ok() {
            let (before, now) = (self.limit.max_permits(), config.borrow().limit);
            self.limit.add_permits(now.saturating_sub(before));
            // Those that are in use are taken when they are given back.
            self.limit.remove_permits(before.saturating_sub(now));
            self.resized.set();
        }
    }
}
