//! Each crate's channels.

use std::future::Future;

use futures_util::{SinkExt, StreamExt};

use super::{Channel, Channels, Missing, OfOne, Oneshots, Receiver, Sender, TrySend};

/// The two ends of a kind of channel, and how they are used.
macro_rules! ends {
    (
        [$($bound:tt)*] $sender:ty, $receiver:ty,
        |$this:ident, $value:ident| $send:expr, |$that:ident| $recv:expr
    ) => {
        impl<T: $($bound)* + 'static> Sender<T> for $sender {
            #[inline]
            async fn send_one(&mut self, $value: T) {
                let $this = self;
                assert!($send, "the receiver is there");
            }
        }

        impl<T: $($bound)* + 'static> Receiver<T> for $receiver {
            #[inline]
            async fn recv_one(&mut self) -> Option<T> {
                let $that = self;
                $recv
            }
        }
    };
}

/// A kind of channel: what its ends are, and how it is made.
macro_rules! channel {
    (
        $(#[$doc:meta])* $kind:ident: [$($bound:tt)*] $sender:ty, $receiver:ty,
        |$capacity:pat_param| $make:expr
    ) => {
        $(#[$doc])*
        pub enum $kind {}

        impl<T: $($bound)* + 'static> Channel<T> for $kind {
            type Receiver = $receiver;
            type Sender = $sender;

            fn channel($capacity: usize) -> Option<($sender, $receiver)> {
                Some($make)
            }
        }
    };
}

/// A crate's channels for one value.
macro_rules! oneshots {
    (
        $kind:ident, $sender:ty, $receiver:ty, $make:expr,
        |$this:ident, $value:ident| $send:expr
    ) => {
        pub struct $kind;

        impl Oneshots for $kind {
            type Receiver = $receiver;
            type Sender = $sender;

            fn new() -> Option<Self> {
                Some(Self)
            }

            #[inline]
            fn channel(&mut self) -> (Self::Sender, Self::Receiver) {
                $make
            }

            #[inline]
            fn send($this: Self::Sender, $value: u64) {
                assert!($send, "the receiver is there");
            }

            #[inline]
            fn recv(receiver: Self::Receiver) -> impl Future<Output = u64> {
                async { receiver.await.expect("there is an answer") }
            }
        }
    };
}

/// A crate, by its bounded, unbounded and oneshot channels, what carries its requests, and its channel with several
/// receivers.
macro_rules! peer {
    ($(#[$doc:meta])* $peer:ident: $bounded:ty, $unbounded:ty, $oneshots:ty, $requests:ty) => {
        peer!($(#[$doc])* $peer: $bounded, $unbounded, $oneshots, $requests, Missing);
    };
    ($(#[$doc:meta])* $peer:ident: $bounded:ty, $unbounded:ty, $oneshots:ty, $requests:ty, $shared:ty) => {
        $(#[$doc])*
        pub enum $peer {}

        impl Channels for $peer {
            type Bounded = $bounded;
            type Oneshots = $oneshots;
            type Requests = $requests;
            type Shared = $shared;
            type Unbounded = $unbounded;
        }
    };
}

// This crate.

channel!(OurBounded: [Send] compio_sync::mpsc::Sender<T>, compio_sync::mpsc::Receiver<T>,
    |capacity| compio_sync::mpsc::channel(capacity));
ends!([Send] compio_sync::mpsc::Sender<T>, compio_sync::mpsc::Receiver<T>,
    |sender, value| sender.send(value).await.is_ok(), |receiver| receiver.recv().await);
channel!(OurUnbounded: [Send]
    compio_sync::mpsc::UnboundedSender<T>, compio_sync::mpsc::UnboundedReceiver<T>,
    |_| compio_sync::mpsc::unbounded_channel());
ends!([Send] compio_sync::mpsc::UnboundedSender<T>, compio_sync::mpsc::UnboundedReceiver<T>,
    |sender, value| sender.send(value).is_ok(), |receiver| receiver.recv().await);
oneshots!(
    OurOneshots,
    compio_sync::oneshot::Sender<u64>,
    compio_sync::oneshot::Receiver<u64>,
    compio_sync::oneshot::channel(),
    |sender, value| sender.send(value).is_ok()
);
channel!(OurShared: [Send] compio_sync::mpmc::Sender<T>, compio_sync::mpmc::Receiver<T>,
    |capacity| compio_sync::mpmc::channel(capacity));
ends!([Send] compio_sync::mpmc::Sender<T>, compio_sync::mpmc::Receiver<T>,
    |sender, value| sender.send(value).await.is_ok(), |receiver| receiver.recv().await);
peer!(CompioSync: OurBounded, OurUnbounded, OurOneshots, OurBounded, OurShared);

/// Channels for one value that use the memory of the one before.
pub struct Reused(compio_sync::oneshot::Reusable<u64>);

impl Oneshots for Reused {
    type Receiver = compio_sync::oneshot::Receiver<u64>;
    type Sender = compio_sync::oneshot::Sender<u64>;

    fn new() -> Option<Self> {
        Some(Self(compio_sync::oneshot::Reusable::new()))
    }

    #[inline]
    fn channel(&mut self) -> (Self::Sender, Self::Receiver) {
        self.0.channel()
    }

    #[inline]
    fn send(sender: Self::Sender, value: u64) {
        OurOneshots::send(sender, value);
    }

    #[inline]
    fn recv(receiver: Self::Receiver) -> impl Future<Output = u64> {
        OurOneshots::recv(receiver)
    }
}

peer!(
    /// This crate's `oneshot::Reusable`.
    CompioSyncReusable: Missing, Missing, Reused, OurBounded
);

// tokio

channel!(TokioBounded: [Send] tokio::sync::mpsc::Sender<T>, tokio::sync::mpsc::Receiver<T>,
    |capacity| tokio::sync::mpsc::channel(capacity));
ends!([Send] tokio::sync::mpsc::Sender<T>, tokio::sync::mpsc::Receiver<T>,
    |sender, value| sender.send(value).await.is_ok(), |receiver| receiver.recv().await);
channel!(TokioUnbounded: [Send]
    tokio::sync::mpsc::UnboundedSender<T>, tokio::sync::mpsc::UnboundedReceiver<T>,
    |_| tokio::sync::mpsc::unbounded_channel());
ends!([Send] tokio::sync::mpsc::UnboundedSender<T>, tokio::sync::mpsc::UnboundedReceiver<T>,
    |sender, value| sender.send(value).is_ok(), |receiver| receiver.recv().await);
oneshots!(
    TokioOneshots,
    tokio::sync::oneshot::Sender<u64>,
    tokio::sync::oneshot::Receiver<u64>,
    tokio::sync::oneshot::channel(),
    |sender, value| sender.send(value).is_ok()
);
peer!(Tokio: TokioBounded, TokioUnbounded, TokioOneshots, TokioBounded);

// async-channel

channel!(AsyncBounded: [Send] async_channel::Sender<T>, async_channel::Receiver<T>,
    |capacity| async_channel::bounded(capacity));
channel!(AsyncUnbounded: [Send] async_channel::Sender<T>, async_channel::Receiver<T>,
    |_| async_channel::unbounded());
ends!([Send] async_channel::Sender<T>, async_channel::Receiver<T>,
    |sender, value| sender.send(value).await.is_ok(),
    |receiver| receiver.recv().await.ok());

impl TrySend for async_channel::Sender<u64> {
    #[inline]
    fn send_now(self, value: u64) {
        assert!(self.try_send(value).is_ok());
    }
}

peer!(AsyncChannel: AsyncBounded, AsyncUnbounded, OfOne<AsyncBounded>, AsyncBounded, AsyncBounded);

// flume

channel!(FlumeBounded: [Send] flume::Sender<T>, flume::Receiver<T>,
    |capacity| flume::bounded(capacity));
channel!(FlumeUnbounded: [Send] flume::Sender<T>, flume::Receiver<T>, |_| flume::unbounded());
ends!([Send] flume::Sender<T>, flume::Receiver<T>,
    |sender, value| sender.send_async(value).await.is_ok(),
    |receiver| receiver.recv_async().await.ok());

impl TrySend for flume::Sender<u64> {
    #[inline]
    fn send_now(self, value: u64) {
        assert!(self.try_send(value).is_ok());
    }
}

peer!(Flume: FlumeBounded, FlumeUnbounded, OfOne<FlumeBounded>, FlumeBounded, FlumeBounded);

// kanal

channel!(KanalBounded: [Send] kanal::AsyncSender<T>, kanal::AsyncReceiver<T>,
    |capacity| kanal::bounded_async(capacity));
channel!(KanalUnbounded: [Send] kanal::AsyncSender<T>, kanal::AsyncReceiver<T>,
    |_| kanal::unbounded_async());
ends!([Send] kanal::AsyncSender<T>, kanal::AsyncReceiver<T>,
    |sender, value| sender.send(value).await.is_ok(),
    |receiver| receiver.recv().await.ok());

impl TrySend for kanal::AsyncSender<u64> {
    #[inline]
    fn send_now(self, value: u64) {
        assert!(self.try_send(value).is_ok_and(|sent| sent));
    }
}

peer!(Kanal: KanalBounded, KanalUnbounded, OfOne<KanalBounded>, KanalBounded, KanalBounded);

// crossfire

type CrossfireArray<T> = crossfire::mpsc::Array<T>;
type CrossfireList<T> = crossfire::mpsc::List<T>;
channel!(CrossfireBounded: [Send + Unpin]
    crossfire::MAsyncTx<CrossfireArray<T>>, crossfire::AsyncRx<CrossfireArray<T>>,
    |capacity| crossfire::mpsc::bounded_async(capacity));
ends!([Send + Unpin]
    crossfire::MAsyncTx<CrossfireArray<T>>, crossfire::AsyncRx<CrossfireArray<T>>,
    |sender, value| sender.send(value).await.is_ok(),
    |receiver| receiver.recv().await.ok());
channel!(CrossfireUnbounded: [Send + Unpin]
    crossfire::MTx<CrossfireList<T>>, crossfire::AsyncRx<CrossfireList<T>>,
    |_| crossfire::mpsc::unbounded_async());
ends!([Send + Unpin] crossfire::MTx<CrossfireList<T>>, crossfire::AsyncRx<CrossfireList<T>>,
    |sender, value| sender.send(value).is_ok(),
    |receiver| receiver.recv().await.ok());
oneshots!(
    CrossfireOneshots,
    crossfire::oneshot::TxOneshot<u64>,
    crossfire::oneshot::RxOneshot<u64>,
    crossfire::oneshot::oneshot(),
    |sender, value| {
        sender.send(value);
        true
    }
);
type CrossfireSharedArray<T> = crossfire::mpmc::Array<T>;
channel!(CrossfireShared: [Send + Unpin]
    crossfire::MAsyncTx<CrossfireSharedArray<T>>, crossfire::MAsyncRx<CrossfireSharedArray<T>>,
    |capacity| crossfire::mpmc::bounded_async(capacity));
ends!([Send + Unpin]
    crossfire::MAsyncTx<CrossfireSharedArray<T>>, crossfire::MAsyncRx<CrossfireSharedArray<T>>,
    |sender, value| sender.send(value).await.is_ok(),
    |receiver| receiver.recv().await.ok());
peer!(Crossfire: CrossfireBounded, CrossfireUnbounded, CrossfireOneshots, CrossfireBounded, CrossfireShared);

// loole

channel!(LooleBounded: [Send] loole::Sender<T>, loole::Receiver<T>,
    |capacity| loole::bounded(capacity));
channel!(LooleUnbounded: [Send] loole::Sender<T>, loole::Receiver<T>, |_| loole::unbounded());
ends!([Send] loole::Sender<T>, loole::Receiver<T>,
    |sender, value| sender.send_async(value).await.is_ok(),
    |receiver| receiver.recv_async().await.ok());

impl TrySend for loole::Sender<u64> {
    #[inline]
    fn send_now(self, value: u64) {
        assert!(self.try_send(value).is_ok());
    }
}

peer!(Loole: LooleBounded, LooleUnbounded, OfOne<LooleBounded>, LooleBounded, LooleBounded);

// tachyonix

channel!(TachyonixBounded: [Send] tachyonix::Sender<T>, tachyonix::Receiver<T>,
    |capacity| tachyonix::channel(capacity));
ends!([Send] tachyonix::Sender<T>, tachyonix::Receiver<T>,
    |sender, value| sender.send(value).await.is_ok(),
    |receiver| receiver.recv().await.ok());

impl TrySend for tachyonix::Sender<u64> {
    #[inline]
    fn send_now(self, value: u64) {
        assert!(self.try_send(value).is_ok());
    }
}

peer!(Tachyonix: TachyonixBounded, Missing, OfOne<TachyonixBounded>, TachyonixBounded);

// asyncband

channel!(AsyncbandBounded: [Send]
    asyncband::mpsc::BoundedSender<T>, asyncband::mpsc::BoundedReceiver<T>,
    |capacity| asyncband::mpsc::bounded(capacity));
ends!([Send] asyncband::mpsc::BoundedSender<T>, asyncband::mpsc::BoundedReceiver<T>,
    |sender, value| sender.send(value).await.is_ok(),
    |receiver| receiver.recv().await.ok());
channel!(AsyncbandUnbounded: [Send]
    asyncband::mpsc::UnboundedSender<T>, asyncband::mpsc::UnboundedReceiver<T>,
    |_| asyncband::mpsc::unbounded());
ends!([Send] asyncband::mpsc::UnboundedSender<T>, asyncband::mpsc::UnboundedReceiver<T>,
    |sender, value| sender.send(value).is_ok(),
    |receiver| receiver.recv().await.ok());
oneshots!(
    AsyncbandOneshots,
    asyncband::oneshot::Sender<u64>,
    asyncband::oneshot::Receiver<u64>,
    asyncband::oneshot::channel(),
    |sender, value| sender.send(value).is_ok()
);
peer!(Asyncband: AsyncbandBounded, AsyncbandUnbounded, AsyncbandOneshots, AsyncbandBounded);

// futures-channel

channel!(FuturesBounded: [Send]
    futures_channel::mpsc::Sender<T>, futures_channel::mpsc::Receiver<T>,
    |capacity| futures_channel::mpsc::channel(capacity));
ends!([Send] futures_channel::mpsc::Sender<T>, futures_channel::mpsc::Receiver<T>,
    |sender, value| sender.send(value).await.is_ok(), |receiver| receiver.next().await);
channel!(FuturesUnbounded: [Send]
    futures_channel::mpsc::UnboundedSender<T>, futures_channel::mpsc::UnboundedReceiver<T>,
    |_| futures_channel::mpsc::unbounded());
ends!([Send] futures_channel::mpsc::UnboundedSender<T>, futures_channel::mpsc::UnboundedReceiver<T>,
    |sender, value| sender.unbounded_send(value).is_ok(), |receiver| receiver.next().await);
oneshots!(
    FuturesOneshots,
    futures_channel::oneshot::Sender<u64>,
    futures_channel::oneshot::Receiver<u64>,
    futures_channel::oneshot::channel(),
    |sender, value| sender.send(value).is_ok()
);
peer!(FuturesChannel: FuturesBounded, FuturesUnbounded, FuturesOneshots, FuturesBounded);

// local-sync

type LocalSender<T> = local_sync::mpsc::bounded::Tx<T>;
type LocalReceiver<T> = local_sync::mpsc::bounded::Rx<T>;
channel!(LocalBounded: [Sized] LocalSender<T>, LocalReceiver<T>,
    |capacity| local_sync::mpsc::bounded::channel(capacity));
ends!([Sized] LocalSender<T>, LocalReceiver<T>,
    |sender, value| sender.send(value).await.is_ok(),
    |receiver| receiver.recv().await);
type LocalUnboundedSender<T> = local_sync::mpsc::unbounded::Tx<T>;
type LocalUnboundedReceiver<T> = local_sync::mpsc::unbounded::Rx<T>;
channel!(LocalUnbounded: [Sized] LocalUnboundedSender<T>, LocalUnboundedReceiver<T>,
    |_| local_sync::mpsc::unbounded::channel());
ends!([Sized] LocalUnboundedSender<T>, LocalUnboundedReceiver<T>,
    |sender, value| sender.send(value).is_ok(),
    |receiver| receiver.recv().await);
oneshots!(
    LocalOneshots,
    local_sync::oneshot::Sender<u64>,
    local_sync::oneshot::Receiver<u64>,
    local_sync::oneshot::channel(),
    |sender, value| sender.send(value).is_ok()
);
peer!(
    /// For the tasks of one runtime: without atomics.
    LocalSync: LocalBounded, LocalUnbounded, LocalOneshots, LocalBounded
);

// oneshot

oneshots!(
    OneshotOneshots,
    oneshot::Sender<u64>,
    oneshot::AsyncReceiver<u64>,
    oneshot::async_channel(),
    |sender, value| sender.send(value).is_ok()
);
peer!(
    /// It has no other channels: this crate's carries the requests.
    OneshotCrate: Missing, Missing, OneshotOneshots, OurBounded
);
