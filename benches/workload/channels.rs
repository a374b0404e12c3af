//! Channels, within one runtime and between two.

use std::{
    future::Future,
    hint::black_box,
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{PingPong, Remote, beside, run_together};
use crate::peers::channels::{
    AcrossThreads, Answerer, Channel, Channels, Oneshots, Receiver, Sender,
};

/// What is sent through a channel.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    pub senders: usize,
    /// How many values each sends.
    pub values: usize,
    pub capacity: usize,
}

/// Tasks that send to one that receives, all on `remote`. `None` if the peer has no such channel.
pub fn stream_within<C: Channel<u64>>(remote: &Remote, stream: Stream) -> Option<Duration> {
    let time = remote.run(move || async move {
        let (sender, receiver) = C::channel(stream.capacity)?;
        let begin = Instant::now();
        let sending = send_all(sender, stream);
        receive_all(receiver, stream).await;
        sending.await;
        Some(begin.elapsed())
    });
    time.recv().expect("the runtime ends")
}

/// The first of `remotes` receives, the second has the tasks that send. `None` as above.
pub fn stream_across<C>(remotes: &[Remote], stream: Stream) -> Option<Duration>
where
    C: Channel<u64, Sender: Send, Receiver: Send>,
{
    let (sender, receiver) = C::channel(stream.capacity)?;
    let time = halves(remotes, receiver, sender, move |end| async move {
        match end {
            Half::First(receiver) => receive_all(receiver, stream).await,
            Half::Second(sender) => send_all(sender, stream).await,
        }
    });
    Some(time)
}

/// As [`stream_across`], with as many tasks that receive as there are that send.
pub fn share_across<C>(remotes: &[Remote], stream: Stream) -> Option<Duration>
where
    C: Channel<u64, Sender: Send, Receiver: Send + Clone>,
{
    let (sender, receiver) = C::channel(stream.capacity)?;
    let time = halves(remotes, receiver, sender, move |end| async move {
        match end {
            Half::First(receiver) => {
                let receivers = vec![receiver; stream.senders];
                let counts = receivers.into_iter().map(count_all).collect::<Vec<_>>();
                let mut all = 0;
                for count in counts {
                    all += count.await.expect("the task ends");
                }
                assert_eq!(all, stream.senders * stream.values);
            }
            Half::Second(sender) => send_all(sender, stream).await,
        }
    });
    Some(time)
}

async fn receive_all<R: Receiver<u64>>(receiver: R, stream: Stream) {
    let count = count_all(receiver).await.expect("the task ends");
    assert_eq!(count, stream.senders * stream.values);
}

/// Starts a task that receives all there is, and says how many that were.
fn count_all<R: Receiver<u64>>(mut receiver: R) -> compio::runtime::JoinHandle<usize> {
    compio::runtime::spawn(async move {
        let mut count = 0;
        while receiver.recv_one().await.is_some() {
            count += 1;
        }
        count
    })
}

/// Starts the tasks; the future is for their end.
fn send_all<S: Sender<u64>>(sender: S, stream: Stream) -> impl Future<Output = ()> {
    let tasks: Vec<_> = (0..stream.senders)
        .map(|_| {
            let mut sender = sender.clone();
            compio::runtime::spawn(async move {
                for value in 0..stream.values {
                    sender.send_one(value as u64).await;
                }
            })
        })
        .collect();
    drop(sender);
    join(tasks)
}

async fn join(tasks: Vec<compio::runtime::JoinHandle<()>>) {
    for task in tasks {
        task.await.expect("the task ends");
    }
}

/// A value goes back and forth between two runtimes, through a channel for each direction. `None`
/// as above.
pub fn echo<C>(remotes: &[Remote], besides: PingPong, rounds: usize) -> Option<Duration>
where
    C: Channel<u64, Sender: Send, Receiver: Send>,
{
    const CAPACITY: usize = 16;
    let there = C::channel(CAPACITY)?;
    let back = C::channel(CAPACITY)?;
    let time = halves(remotes, (there.0, back.1), (back.0, there.1), move |half| {
        let (is_first, (mut sender, mut receiver)) = match half {
            Half::First(ends) => (true, ends),
            Half::Second(ends) => (false, ends),
        };
        beside(besides, async move {
            for round in 0..rounds as u64 {
                if is_first {
                    sender.send_one(round).await;
                }
                assert_eq!(receiver.recv_one().await, Some(round));
                if !is_first {
                    sender.send_one(round).await;
                }
            }
        })
    });
    Some(time)
}

/// A channel for one value is made and used, `rounds` times, by one task on `remote`.
pub fn oneshots<O: Oneshots>(remote: &Remote, rounds: usize) -> Option<Duration> {
    let time = remote.run(move || async move {
        let mut oneshots = O::new()?;
        let begin = Instant::now();
        for round in 0..rounds as u64 {
            let (sender, receiver) = black_box(oneshots.channel());
            O::send(sender, round);
            assert_eq!(O::recv(receiver).await, round);
        }
        Some(begin.elapsed())
    });
    time.recv().expect("the runtime ends")
}

/// Tasks that ask one that answers.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    pub clients: usize,
    /// How many requests each makes, one after the other.
    pub rounds: usize,
}

/// How many requests the channel holds.
const REQUESTS: usize = 100;

/// All on `remote`, with a new channel for each answer. `None` if the peer has no such channels.
pub fn requests_within<P: Channels>(remote: &Remote, requests: Requests) -> Option<Duration> {
    P::Oneshots::new()?;
    let time = remote.run(move || async move {
        let (sender, receiver) = P::Requests::channel(REQUESTS)?;
        let begin = Instant::now();
        let asking = ask::<P>(sender, requests);
        answer::<P>(receiver).await;
        asking.await;
        Some(begin.elapsed())
    });
    time.recv().expect("the runtime ends")
}

/// The first of `remotes` answers, the second has the tasks that ask. `None` as above.
pub fn requests_across<P: AcrossThreads>(
    remotes: &[Remote],
    requests: Requests,
) -> Option<Duration> {
    P::Oneshots::new()?;
    let (sender, receiver) = P::Requests::channel(REQUESTS)?;
    let time = halves(remotes, receiver, sender, move |half| async move {
        match half {
            Half::First(receiver) => answer::<P>(receiver).await,
            Half::Second(sender) => ask::<P>(sender, requests).await,
        }
    });
    Some(time)
}

async fn answer<P: Channels>(mut receiver: <P::Requests as Channel<Answerer<P>>>::Receiver) {
    compio::runtime::spawn(async move {
        while let Some(answerer) = receiver.recv_one().await {
            P::Oneshots::send(answerer, 1);
        }
    })
    .await
    .expect("the task ends");
}

/// Starts the tasks; the future is for their end.
fn ask<P: Channels>(
    sender: <P::Requests as Channel<Answerer<P>>>::Sender,
    requests: Requests,
) -> impl Future<Output = ()> {
    let tasks: Vec<_> = (0..requests.clients)
        .map(|_| {
            let mut sender = sender.clone();
            compio::runtime::spawn(async move {
                let mut oneshots = P::Oneshots::new().expect("it has them");
                for _ in 0..requests.rounds {
                    let (answerer, answer) = oneshots.channel();
                    sender.send_one(answerer).await;
                    assert_eq!(P::Oneshots::recv(answer).await, 1);
                }
            })
        })
        .collect();
    drop(sender);
    join(tasks)
}

/// What one of two runtimes has.
enum Half<A, B> {
    First(A),
    Second(B),
}

/// Runs `main` on both, each with its own half.
fn halves<A, B, F, Fut>(remotes: &[Remote], first: A, second: B, main: F) -> Duration
where
    A: Send + 'static,
    B: Send + 'static,
    F: Fn(Half<A, B>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()>,
{
    assert_eq!(remotes.len(), 2);
    let halves = Mutex::new([Some(Half::First(first)), Some(Half::Second(second))]);
    run_together(remotes, move |index| {
        let half = halves.lock().expect("no panic")[index].take();
        main(half.expect("it is taken once"))
    })
    .0
}
