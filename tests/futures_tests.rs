//! Channels as streams and sinks.
#![cfg(feature = "futures")]

mod common;

use common::Polled;
use compio_sync::{mpmc, mpsc};
use futures_util::{
    SinkExt, StreamExt,
    future::poll_fn,
    sink::Sink,
    stream::{FusedStream, Stream},
};

#[test]
fn receivers_are_streams() {
    compio::runtime::Runtime::new().unwrap().block_on(async {
        let (sender, receiver) = mpsc::channel(2);
        let (unbounded, other) = mpsc::unbounded_channel();
        let (shared, third) = mpmc::channel(2);
        let sending = compio::runtime::spawn(async move {
            for n in 0..100 {
                sender.send(n).await.unwrap();
                unbounded.send(n).unwrap();
                shared.send(n).await.unwrap();
            }
        });
        let all = receiver.zip(other).zip(third).collect::<Vec<_>>().await;
        assert_eq!(all, (0..100).map(|n| ((n, n), n)).collect::<Vec<_>>());
        sending.await.unwrap();
    });
}

#[test]
fn streams_know_their_end() {
    let (sender, mut receiver) = mpsc::channel(2);
    let (shared, mut other) = mpmc::channel(2);
    sender.try_send(1).unwrap();
    shared.try_send(1).unwrap();
    drop((sender, shared));
    assert!(!receiver.is_terminated() && !other.is_terminated());
    assert_eq!(Stream::size_hint(&receiver), (1, Some(1)));
    assert_eq!(Polled::new(receiver.next()).ready(), Some(1));
    assert_eq!(Polled::new(other.next()).ready(), Some(1));
    assert!(receiver.is_terminated() && other.is_terminated());
    assert_eq!(Polled::new(receiver.next()).ready(), None);
    assert_eq!(Polled::new(other.next()).ready(), None);
}

#[test]
fn dropped_stream_hands_its_value_on() {
    let (sender, mut receiver) = mpmc::channel(2);
    let other = receiver.clone();
    let mut next = Polled::new(receiver.next());
    next.waits();
    sender.try_send(1).unwrap();
    drop(next);
    assert!(other.try_recv().is_err(), "the stream has been granted it");
    drop(receiver);
    assert_eq!(other.try_recv(), Ok(1));
}

#[test]
fn sink_waits_for_places_and_gives_them_back() {
    let (sender, mut receiver) = mpsc::channel(1);
    let mut sink = sender.clone().into_sink();
    assert!(Polled::new(sink.send(1)).ready().is_ok());
    let mut other = sender.clone().into_sink();
    let mut ready = Polled::new(poll_fn(|cx| other.poll_ready_unpin(cx)));
    ready.waits();
    drop(ready);
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(
        sender.capacity(),
        0,
        "the sink that waits has been granted it"
    );
    assert!(
        Polled::new(poll_fn(|cx| other.poll_ready_unpin(cx)))
            .ready()
            .is_ok()
    );
    drop(other);
    assert_eq!(sender.capacity(), 1);
    assert!(Polled::new(sink.close()).ready().is_ok());
    assert!(sink.get_ref().is_none());
    assert!(Polled::new(sink.send(2)).ready().is_err());
    drop(receiver);
    assert!(Polled::new(sender.into_sink().send(3)).ready().is_err());
}

#[test]
#[should_panic(expected = "without `poll_ready`")]
fn sending_to_a_sink_that_is_not_ready_panics() {
    let (sender, _receiver) = mpsc::channel(1);
    let mut sink = sender.into_sink();
    let _ = std::pin::Pin::new(&mut sink).start_send(1);
}

#[test]
fn unbounded_senders_are_sinks() {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let other = sender.clone();
    let mut sink = sender.into_sink();
    let values = (0..3).map(Ok);
    assert!(
        Polled::new(sink.send_all(&mut futures_util::stream::iter(values)))
            .ready()
            .is_ok()
    );
    assert_eq!(receiver.len(), 3);
    assert!(Polled::new(sink.close()).ready().is_ok());
    assert_eq!(other.strong_count(), 1);
    assert!(Polled::new(sink.send(3)).ready().is_err());
    receiver.close();
    assert!(Polled::new(other.into_sink().send(4)).ready().is_err());
}

/// A sender whose own `send` is meant is not taken for a sink, even behind a mutable reference.
#[test]
fn senders_are_no_sinks_themselves() {
    let (mut sender, mut receiver) = mpsc::unbounded_channel();
    let borrowed = &mut sender;
    assert!(borrowed.send(1).is_ok());
    assert_eq!(receiver.try_recv(), Ok(1));
}
