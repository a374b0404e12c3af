//! A TCP server on several runtimes that is shut down in order, with reads in flight on all of them.
//!
//! ```sh
//! cargo run --example graceful_shutdown                            # serves clients of its own, and ends
//! cargo run --example graceful_shutdown -- --listen 127.0.0.1:7000  # serves until Ctrl-C, on ports 7000 and 7001
//! ```
//!
//! A client sends lines, and each comes back. The shutdown has two steps, which are two tokens:
//! - `stop`: nobody is accepted any more. A connection that waits for a request ends at once; one that has begun to read
//!   a request goes on until it has answered it.
//! - `abort`, when the time for that is up, or at a second Ctrl-C: reads and writes that are still in flight end
//!   with an error, on whichever runtime they are. `stop` is a child of it.
//!
//! What to look at:
//! - `run_cancelling_io` ends compio's own operations: the `accept`, and each `read` and `write`. A read that had
//!   bytes by then yields them. In a `select!` it would be dropped, and what it had read would be lost.
//! - Each connection is inside one gate. Closing it refuses those that were accepted too late, and waits until no
//!   connection is left; that wait has a time limit.
//! - The main thread is a plain one. It cancels and waits; the connections are tasks of the runtimes.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc as std_mpsc,
    },
    thread,
    time::Duration,
};

use compio::{
    BufResult,
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Runtime, spawn},
};
use compio_sync::{CancellationToken, Event, Gate};
use futures_util::future::join_all;
use lexopt::prelude::*;

const RUNTIMES: usize = 2;
/// How long connections may go on after the stop.
const DRAIN: Duration = Duration::from_secs(2);
/// Of the demonstration, for each runtime.
const QUICK: usize = 10;
const IDLE: usize = 5;
const BUSY: usize = 5;
const STUCK: usize = 3;

/// What all runtimes share.
struct Server {
    /// Cancelled with `abort`.
    stop: CancellationToken,
    abort: CancellationToken,
    connections: Arc<Gate>,
    /// No connection is left: the runtimes may end.
    ended: Event,
    counts: Counts,
}

/// How many connections ended in which way.
#[derive(Default)]
struct Counts {
    by_client: AtomicUsize,
    idle: AtomicUsize,
    drained: AtomicUsize,
    aborted: AtomicUsize,
    failed: AtomicUsize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut listen = None;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("listen") => listen = Some(arguments.value()?.parse::<SocketAddr>()?),
            other => return Err(other.unexpected().into()),
        }
    }

    let abort = CancellationToken::new();
    let server = Arc::new(Server {
        stop: abort.child_token(),
        abort,
        connections: Arc::new(Gate::new()),
        ended: Event::new(),
        counts: Counts::default(),
    });
    // Runtimes that could not be ended would be waited for: whatever comes, they are.
    let guard = server.abort.drop_guard_ref();
    let (tell, addresses) = std_mpsc::channel();
    let runtimes: Vec<_> = (0..RUNTIMES)
        .map(|n| {
            let (server, tell) = (server.clone(), tell.clone());
            let mut here = listen.unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
            if here.port() != 0 {
                here.set_port(here.port() + n as u16);
            }
            thread::spawn(move || run(accept(server, here, tell)))
        })
        .collect();
    drop(tell);
    let addresses: Vec<SocketAddr> = addresses.iter().collect();
    if addresses.len() < RUNTIMES {
        return Err("a runtime could not listen".into());
    }
    println!("listening on {addresses:?}");

    let clients = if listen.is_some() {
        run(async { compio::signal::ctrl_c().await })?;
        let abort = server.abort.clone();
        // It ends with the program.
        thread::spawn(move || {
            let again = run(async { compio::signal::ctrl_c().await });
            again.map(|()| abort.cancel())
        });
        None
    } else {
        Some(demonstrate(&addresses, &server.stop))
    };

    println!("stopping: {} connections", server.connections.count());
    server.stop.cancel();
    let in_time = server.connections.close().timeout(DRAIN).blocking().is_ok();
    if !in_time {
        println!("aborting: {} connections", server.connections.count());
        guard.disarm().cancel();
        // Nothing is in flight any more: this is not for long.
        server.connections.blocking_close();
    }
    server.ended.set();
    for runtime in runtimes {
        runtime.join().expect("the runtime should not panic")?;
    }

    let Counts {
        by_client,
        idle,
        drained,
        aborted,
        failed,
    } = &server.counts;
    let counts = [by_client, idle, drained, aborted, failed].map(|it| it.load(Relaxed));
    println!(
        "closed by their clients {}, idle {}, drained {}, aborted {}, failed {}",
        counts[0], counts[1], counts[2], counts[3], counts[4]
    );
    if let Some(clients) = clients {
        clients
            .join()
            .expect("the clients should have what they expect")?;
        let expected = [QUICK, IDLE, BUSY, STUCK, 0].map(|each| each * RUNTIMES);
        assert_eq!(counts, expected);
        assert!(!in_time, "there were some to be aborted");
    }
    Ok(())
}

/// Runs `future` as a task of a new runtime.
fn run<F: Future + 'static>(future: F) -> F::Output {
    let runtime = Runtime::new().expect("the system should have room for another runtime");
    runtime.block_on(async { spawn(future).await.expect("the task should not panic") })
}

// ---- the server ----

/// What one runtime does: accepts until the stop, and serves until nobody is left.
async fn accept(
    server: Arc<Server>,
    here: SocketAddr,
    tell: std_mpsc::Sender<SocketAddr>,
) -> io::Result<()> {
    let listener = TcpListener::bind(here).await?;
    let _ = tell.send(listener.local_addr()?);
    drop(tell);
    loop {
        let stream = match server.stop.run_cancelling_io(listener.accept()).await {
            Ok((stream, _)) => stream,
            Err(_) if server.stop.is_cancelled() => break,
            Err(error) => {
                eprintln!("nobody could be accepted: {error}");
                continue;
            }
        };
        let Ok(inside) = server.connections.clone().enter_owned() else {
            break;
        };
        let server = server.clone();
        spawn(async move {
            let end = serve(&server, stream).await;
            end.unwrap_or(&server.counts.failed).fetch_add(1, Relaxed);
            drop(inside);
        })
        .detach();
    }
    // Who connects from here on is refused.
    drop(listener);
    server.ended.wait().await;
    Ok(())
}

/// Serves a connection. Returns where its end is to be counted.
async fn serve(server: &Server, mut stream: TcpStream) -> io::Result<&AtomicUsize> {
    let Server {
        stop,
        abort,
        counts,
        ..
    } = server;
    let mut lines = Lines::default();
    // Whether a request was being read when the stop came.
    let mut was_busy = false;
    let end = loop {
        while let Some(line) = lines.next() {
            let answer = abort.run_cancelling_io(stream.write_all(line + "\n"));
            match answer.await.0 {
                Err(_) if abort.is_cancelled() => return Ok(&counts.aborted),
                answer => answer?,
            }
        }
        let is_busy = !lines.is_empty();
        if stop.is_cancelled() && !is_busy {
            break if was_busy {
                &counts.drained
            } else {
                &counts.idle
            };
        }
        was_busy = is_busy;
        let token = if is_busy { abort } else { stop };
        match token.run_cancelling_io(lines.read(&mut stream)).await {
            Ok(0) => break &counts.by_client,
            Ok(_) => {}
            Err(_) if abort.is_cancelled() => return Ok(&counts.aborted),
            // And no byte has been read.
            Err(_) if stop.is_cancelled() => {}
            Err(error) => return Err(error),
        }
    };
    abort.run_cancelling_io(stream.close()).await?;
    Ok(end)
}

/// What has been read and is not answered yet.
#[derive(Default)]
struct Lines {
    read: Vec<u8>,
}

impl Lines {
    fn is_empty(&self) -> bool {
        self.read.is_empty()
    }

    fn next(&mut self) -> Option<String> {
        let end = self.read.iter().position(|&byte| byte == b'\n')?;
        let line: Vec<u8> = self.read.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// Reads more. Returns how many bytes that are: 0 at the end.
    async fn read(&mut self, stream: &mut TcpStream) -> io::Result<usize> {
        let BufResult(read, bytes) = stream.read(Vec::with_capacity(1024)).await;
        self.read.extend(bytes);
        read
    }
}

// ---- the demonstration ----

/// Starts clients of all kinds, and waits until each is where the stop is to find it.
fn demonstrate(
    addresses: &[SocketAddr],
    stop: &CancellationToken,
) -> thread::JoinHandle<io::Result<()>> {
    let (ready, all_ready) = std_mpsc::channel();
    let (addresses, stop) = (addresses.to_vec(), stop.clone());
    let count = addresses.len() * (QUICK + IDLE + BUSY + STUCK);
    let clients = thread::spawn(move || {
        run(async move {
            let clients = addresses.into_iter().flat_map(|address| {
                let kinds = [
                    (QUICK, Kind::Quick),
                    (IDLE, Kind::Idle),
                    (BUSY, Kind::Busy),
                    (STUCK, Kind::Stuck),
                ];
                let kinds = kinds.map(|(count, kind)| [kind].repeat(count)).concat();
                kinds.into_iter().map(move |kind| (address, kind))
            });
            let clients = clients.map(|(address, kind)| {
                let client = client(address, kind, ready.clone(), stop.clone());
                spawn(client)
            });
            let clients = join_all(clients.collect::<Vec<_>>()).await;
            clients
                .into_iter()
                .try_for_each(|it| it.expect("the client should not panic"))
        })
    });
    assert_eq!(all_ready.iter().take(count).count(), count);
    clients
}

#[derive(Clone, Copy)]
enum Kind {
    /// Asks, and closes.
    Quick,
    /// Asks, and stays.
    Idle,
    /// Has sent half of a request, and sends the other half after the stop.
    Busy,
    /// Has sent half of a request, and never sends the other.
    Stuck,
}

async fn client(
    server: SocketAddr,
    kind: Kind,
    ready: std_mpsc::Sender<()>,
    stop: CancellationToken,
) -> io::Result<()> {
    let mut stream = TcpStream::connect(server).await?;
    let mut answers = Lines::default();
    let is_half = matches!(kind, Kind::Busy | Kind::Stuck);
    // With one write, so that the server has half of the second line when it answers the first.
    let first = if is_half { "first\nsec" } else { "first\n" };
    stream.write_all(first).await.0?;
    answers.read(&mut stream).await?;
    assert_eq!(answers.next().as_deref(), Some("first"));
    if let Kind::Quick = kind {
        stream.shutdown().await?;
        assert_eq!(answers.read(&mut stream).await?, 0);
        let _ = ready.send(());
        return Ok(());
    }
    let _ = ready.send(());
    if let Kind::Busy = kind {
        stop.cancelled().await;
        stream.write_all("ond\n").await.0?;
        answers.read(&mut stream).await?;
        assert_eq!(answers.next().as_deref(), Some("second"));
    }
    // Nothing more comes but the end; to a stuck client, perhaps as an error.
    let end = answers.read(&mut stream).await;
    assert_eq!(end.unwrap_or(0), 0);
    Ok(())
}
