//! A TCP server of lines on several runtimes: one accepts and reads, workers on others answer.
//!
//! ```sh
//! cargo run --example line_server                            # serves clients of its own, and ends
//! cargo run --example line_server -- --listen 127.0.0.1:7000  # serves until Ctrl-C
//! ```
//!
//! A client sends lines, and gets an answer to each: its words counted, in the form that was asked for last
//! (`form: short` and `form: long` are for all clients). What to look at:
//! - Requests go to the workers by one bounded `mpmc` channel: who is free takes the next one, and if all are busy,
//!   connections wait in `send` and read no more. So nothing piles up.
//! - A request carries a `oneshot` sender for its answer. A connection uses the memory of one channel for all of its
//!   requests (`Reusable`).
//! - The form is in a `watch` channel: workers look at it for every request, and nobody waits for anybody.
//! - Ctrl-C is the end of another `watch`: nobody is accepted any more, connections answer what they have read and
//!   close, and when the last one is gone so is the last sender of requests: the workers end.

use std::{
    fmt::Write,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::mpsc as std_mpsc,
    thread,
};

use compio::{
    BufResult,
    io::{AsyncRead, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Runtime, spawn},
};
use compio_sync::{mpmc, oneshot, watch};
use futures_util::future::{Either, join_all, select};
use lexopt::prelude::*;

const WORKERS: usize = 2;
/// How many requests may wait for a worker.
const REQUESTS: usize = 16;
/// Of the demonstration.
const CLIENTS: usize = 20;
const LINES: usize = 50;

struct Request {
    line: String,
    answer: oneshot::Sender<String>,
}

#[derive(Clone, Copy)]
enum Form {
    Short,
    Long,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut listen = None;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("listen") => listen = Some(arguments.value()?.parse()?),
            other => return Err(other.unexpected().into()),
        }
    }

    let (requests, jobs) = mpmc::channel(REQUESTS);
    let (form, current_form) = watch::channel(Form::Short);
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (jobs, form) = (jobs.clone(), current_form.clone());
            thread::spawn(move || run(work(jobs, form)))
        })
        .collect();
    drop((jobs, current_form));

    let (stop, stopping) = watch::channel(false);
    let (tell, address) = std_mpsc::channel();
    let here = listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let server = thread::spawn(move || run(serve(here, tell, requests, form, stopping)));
    let address = address.recv().map_err(|_| "the server does not listen")?;
    println!("listening on {address}");

    let mut clients = Vec::new();
    if listen.is_some() {
        run(async { compio::signal::ctrl_c().await })?;
        println!("no more connections are accepted; those that there are end");
    } else {
        clients = (0..2)
            .map(|_| thread::spawn(move || run(talk_all(address))))
            .collect();
    }
    let asked: usize = clients
        .into_iter()
        .map(|client| client.join().expect("the clients should not panic"))
        .sum::<io::Result<usize>>()?;
    // Without a receiver the server has ended already.
    let _ = stop.send(true);
    let served = server.join().expect("the server should not panic")?;
    let answered: Vec<usize> = workers
        .into_iter()
        .map(|worker| worker.join().expect("the worker should not panic"))
        .collect();
    println!("{served} connections served; answers by each worker: {answered:?}");
    if listen.is_none() {
        assert_eq!(served, CLIENTS);
        assert_eq!(answered.iter().sum::<usize>(), asked);
    }
    Ok(())
}

/// Runs `future` as a task of a new runtime.
fn run<F: Future + 'static>(future: F) -> F::Output {
    let runtime = Runtime::new().expect("the system should have room for another runtime");
    runtime.block_on(async { spawn(future).await.expect("the task should not panic") })
}

/// Answers requests until there will be none. Returns how many there were.
async fn work(jobs: mpmc::Receiver<Request>, form: watch::Receiver<Form>) -> usize {
    let mut answered = 0;
    while let Some(Request { line, answer }) = jobs.recv().await {
        let words = line.split_whitespace().count();
        let mut text = String::new();
        let _ = match *form.borrow() {
            Form::Short => write!(text, "{words}"),
            Form::Long => write!(text, "{words} words in {line:?}"),
        };
        // Whoever has asked may be gone.
        let _ = answer.send(text);
        answered += 1;
    }
    answered
}

/// Accepts connections until it is told to stop. Returns how many there were, once all have ended.
async fn serve(
    address: SocketAddr,
    tell: std_mpsc::Sender<SocketAddr>,
    requests: mpmc::Sender<Request>,
    form: watch::Sender<Form>,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<usize> {
    let listener = TcpListener::bind(address).await?;
    let _ = tell.send(listener.local_addr()?);
    let mut connections = Vec::new();
    loop {
        let of_connection = stopping.clone();
        let accepted = match select(pin!(listener.accept()), stopping.wait_for(|&it| it)).await {
            Either::Left((accepted, _)) => accepted?.0,
            Either::Right(_) => break,
        };
        let (requests, form) = (requests.clone(), form.clone());
        let connection = connection(accepted, requests, form, of_connection);
        connections.push(spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("a connection has failed: {error}");
            }
        }));
    }
    let served = connections.len();
    for connection in connections {
        connection.await.expect("the connection should not panic");
    }
    Ok(served)
}

/// Answers lines until the client closes, or the server is told to stop.
async fn connection(
    mut stream: TcpStream,
    requests: mpmc::Sender<Request>,
    form: watch::Sender<Form>,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut answers = oneshot::Reusable::new();
    let mut lines = Lines::default();
    loop {
        while let Some(line) = lines.next() {
            let text = match line.as_str() {
                "form: short" => set(&form, Form::Short),
                "form: long" => set(&form, Form::Long),
                _ => {
                    let (answer, receiver) = answers.channel();
                    let request = Request { line, answer };
                    requests.send(request).await.expect("there are workers");
                    receiver.await.expect("workers answer")
                }
            };
            stream.write_all(text + "\n").await.0?;
        }
        // What comes after it was told to stop is not answered: the client sees the close.
        match select(pin!(lines.read(&mut stream)), stopping.wait_for(|&it| it)).await {
            Either::Left((read, _)) => {
                if read? == 0 {
                    break;
                }
            }
            Either::Right(_) => break,
        }
    }
    stream.close().await
}

fn set(form: &watch::Sender<Form>, new: Form) -> String {
    form.send_replace(new);
    "done".into()
}

/// What has been read and is not answered yet.
#[derive(Default)]
struct Lines {
    read: Vec<u8>,
}

impl Lines {
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

/// Half of the demonstration's clients, one after the other and beside each other. Returns how many lines they asked.
async fn talk_all(server: SocketAddr) -> io::Result<usize> {
    let all = (0..CLIENTS / 2).map(|n| spawn(talk(server, n)));
    let all = join_all(all).await.into_iter();
    all.map(|client| client.expect("the client should not panic"))
        .sum()
}

/// One client: asks, and checks the answers. Returns how many lines it asked.
async fn talk(server: SocketAddr, number: usize) -> io::Result<usize> {
    let mut stream = TcpStream::connect(server).await?;
    let mut lines = Lines::default();
    if number == 3 {
        stream.write_all("form: long\n").await.0?;
        assert_eq!(answer(&mut stream, &mut lines).await?, "done");
    }
    for n in 1..=LINES {
        stream.write_all("word ".repeat(n) + "\n").await.0?;
        let answer = answer(&mut stream, &mut lines).await?;
        assert_eq!(answer.split(' ').next(), Some(n.to_string().as_str()));
    }
    stream.close().await?;
    Ok(LINES)
}

async fn answer(stream: &mut TcpStream, lines: &mut Lines) -> io::Result<String> {
    loop {
        if let Some(line) = lines.next() {
            return Ok(line);
        }
        if lines.read(stream).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
