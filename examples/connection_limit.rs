//! A limit on the connections of a TCP server, and an orderly end.
//!
//! The server and its clients are on runtimes of their own and meet on the loopback interface. What
//! to look at:
//! - `serve` acquires a permit *before* it accepts: who is one too many waits in the system's
//!   queue, and costs the server neither memory nor a file descriptor. The permit moves into the
//!   connection's task, and is given back with it, however it ends.
//! - `serve` ends on an `Event`, which it waits for beside the next connection. When it can have
//!   all of the permits, no connection is left.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use compio::{
    BufResult,
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Runtime, spawn},
};
use compio_sync::{Event, Semaphore, SemaphorePermit};
use futures_util::future::{Either, join_all, select};

const LIMIT: usize = 4;
const CLIENTS: usize = 32;

/// One permit for each connection that may be open.
static CONNECTIONS: Semaphore = Semaphore::new(LIMIT);
static STOP: Event = Event::new();

/// How many connections are open, and how many have been at most: the proof that the limit works.
static OPEN: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn main() {
    let (tell, address) = mpsc::channel();
    let server = thread::spawn(|| run(serve(tell)));
    let address = address.recv().expect("the server should listen");
    let clients = thread::spawn(move || {
        run(async move {
            let all = (0..CLIENTS).map(|n| spawn(talk(address, n)));
            for client in join_all(all).await {
                client
                    .expect("the client should not panic")
                    .expect("the server should answer");
            }
        })
    });
    clients.join().expect("the clients should not panic");
    STOP.set();
    let served = server
        .join()
        .expect("the server should not panic")
        .expect("the server should listen");

    let peak = PEAK.load(Relaxed);
    println!("{served} connections served, at most {peak} of {LIMIT} at a time");
    assert_eq!(served, CLIENTS);
    assert!(peak <= LIMIT);
}

/// Runs `future` as a task of a new runtime.
fn run<F: Future + 'static>(future: F) -> F::Output {
    let runtime = Runtime::new().expect("the system should have room for another runtime");
    runtime.block_on(async { spawn(future).await.expect("the task should not panic") })
}

/// Accepts connections until it is told to stop. Returns how many there were, once all have ended.
async fn serve(tell: mpsc::Sender<SocketAddr>) -> io::Result<usize> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let _ = tell.send(listener.local_addr()?);
    let mut served = 0;
    loop {
        // A permit of a static may go into a task. That of an Arc's would be `acquire_owned`.
        let permit = CONNECTIONS.acquire().await;
        let stream = match select(pin!(listener.accept()), STOP.wait()).await {
            Either::Left((accepted, _)) => accepted?.0,
            Either::Right(_) => break,
        };
        served += 1;
        spawn(echo(stream, permit)).detach();
    }
    let _all = CONNECTIONS.acquire_many(LIMIT).await;
    Ok(served)
}

/// Sends back whatever comes, until the client closes.
async fn echo(mut stream: TcpStream, _permit: SemaphorePermit<'static>) {
    PEAK.fetch_max(OPEN.fetch_add(1, Relaxed) + 1, Relaxed);
    let mut buffer = Vec::with_capacity(1024);
    loop {
        let BufResult(read, back) = stream.read(buffer).await;
        if !matches!(read, Ok(1..)) {
            break;
        }
        let BufResult(written, back) = stream.write_all(back).await;
        if written.is_err() {
            break;
        }
        buffer = back;
        buffer.clear();
    }
    OPEN.fetch_sub(1, Relaxed);
}

/// One client: says a few things, and checks that they come back.
async fn talk(server: SocketAddr, number: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(server).await?;
    for word in ["hello", "again", "bye"] {
        let message = format!("{word} from {number}").into_bytes();
        let BufResult(written, message) = stream.write_all(message).await;
        written?;
        let answer = Vec::with_capacity(message.len());
        let BufResult(read, answer) = stream.read_exact(answer).await;
        read?;
        assert_eq!(answer, message);
    }
    stream.close().await
}
