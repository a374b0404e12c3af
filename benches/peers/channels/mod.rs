//! The channels that are compared, behind one interface.
//!
//! [`Channels`] names the kinds of channel that a crate has. [`Missing`] takes the place of those that
//! it does not have.

use std::{convert::Infallible, future::Future, marker::PhantomData};

mod crates;

pub use self::crates::{
    AsyncChannel, Asyncband, CompioSync, CompioSyncReusable, Crossfire, Flume, FuturesChannel,
    Kanal, LocalSync, Loole, OneshotCrate, Tachyonix, Tokio,
};

/// A crate's channels.
pub trait Channels: 'static {
    type Bounded: Channel<u64>;
    type Unbounded: Channel<u64>;
    /// The bounded channel with several receivers, between threads.
    type Shared: Channel<u64, Sender: Send, Receiver: Send + Clone>;
    type Oneshots: Oneshots;
    /// The bounded channel that carries requests: the crate's own, or this crate's if it has none.
    type Requests: Channel<Answerer<Self>>;
}

/// What a request carries, so that it can be answered.
pub type Answerer<P> = <<P as Channels>::Oneshots as Oneshots>::Sender;

/// Channels between threads.
pub trait AcrossThreads:
    Channels<
        Bounded: Channel<u64, Sender: Send, Receiver: Send>,
        Unbounded: Channel<u64, Sender: Send, Receiver: Send>,
        Requests: Channel<Answerer<Self>, Sender: Send, Receiver: Send>,
    >
{
}

impl<P> AcrossThreads for P where
    P: Channels<
            Bounded: Channel<u64, Sender: Send, Receiver: Send>,
            Unbounded: Channel<u64, Sender: Send, Receiver: Send>,
            Requests: Channel<Answerer<P>, Sender: Send, Receiver: Send>,
        >
{
}

/// A kind of channel, for values of type `T`.
pub trait Channel<T>: 'static {
    type Sender: Sender<T>;
    type Receiver: Receiver<T>;

    /// `None`: the crate has no such channel. What has no bound ignores the capacity.
    fn channel(capacity: usize) -> Option<(Self::Sender, Self::Receiver)>;
}

pub trait Sender<T>: Clone + 'static {
    /// Sends a value to a receiver that is there.
    fn send_one(&mut self, value: T) -> impl Future<Output = ()>;
}

pub trait Receiver<T>: 'static {
    /// `None`: all senders have been dropped, and there is no value.
    fn recv_one(&mut self) -> impl Future<Output = Option<T>>;
}

/// Makes channels for one value each, one after the other, for one task.
pub trait Oneshots: 'static {
    type Sender: 'static;
    type Receiver: 'static;

    /// `None`: the crate has none.
    fn new() -> Option<Self>
    where
        Self: Sized;

    fn channel(&mut self) -> (Self::Sender, Self::Receiver);
    fn send(sender: Self::Sender, value: u64);
    fn recv(receiver: Self::Receiver) -> impl Future<Output = u64>;
}

/// What a crate does not have.
#[derive(Clone, Copy)]
pub enum Missing {}

impl<T: 'static> Channel<T> for Missing {
    type Receiver = Self;
    type Sender = Self;

    fn channel(_: usize) -> Option<(Self, Self)> {
        None
    }
}

impl<T> Sender<T> for Missing {
    async fn send_one(&mut self, _: T) {
        match *self {}
    }
}

impl<T> Receiver<T> for Missing {
    async fn recv_one(&mut self) -> Option<T> {
        match *self {}
    }
}

impl Oneshots for Missing {
    type Receiver = Infallible;
    type Sender = Infallible;

    fn new() -> Option<Self> {
        None
    }

    fn channel(&mut self) -> (Infallible, Infallible) {
        match *self {}
    }

    fn send(sender: Infallible, _: u64) {
        match sender {}
    }

    async fn recv(receiver: Infallible) -> u64 {
        match receiver {}
    }
}

/// Channels with room for one value, as they are used for answers with crates that have no oneshot
/// channel.
pub struct OfOne<C>(PhantomData<C>);

/// Sends without waiting, which succeeds if there is room.
pub trait TrySend {
    fn send_now(self, value: u64);
}

impl<C: Channel<u64, Sender: TrySend>> Oneshots for OfOne<C> {
    type Receiver = C::Receiver;
    type Sender = C::Sender;

    fn new() -> Option<Self> {
        Some(Self(PhantomData))
    }

    fn channel(&mut self) -> (Self::Sender, Self::Receiver) {
        C::channel(1).expect("the crate has it")
    }

    fn send(sender: Self::Sender, value: u64) {
        sender.send_now(value);
    }

    async fn recv(mut receiver: Self::Receiver) -> u64 {
        receiver.recv_one().await.expect("there is an answer")
    }
}
