//! Channels as streams and sinks.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;

use super::{
    error::SendError,
    receiver::Receiver,
    sender::{Mpsc, Sender},
    unbounded::{UnboundedReceiver, UnboundedSender},
};
use crate::waiter_queue::Slot;

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), self.is_over().then(|| self.len()))
    }
}

impl<T> FusedStream for Receiver<T> {
    fn is_terminated(&self) -> bool {
        self.is_over() && self.is_empty()
    }
}

impl<T> Stream for UnboundedReceiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll_recv(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.bounded().size_hint()
    }
}

impl<T> FusedStream for UnboundedReceiver<T> {
    fn is_terminated(&self) -> bool {
        self.bounded().is_terminated()
    }
}

impl<T, K> UnboundedSender<T, K> {
    /// Makes a [`Sink`] of the sender.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::mpsc;
    /// use futures_util::SinkExt;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = mpsc::unbounded_channel();
    /// sender.into_sink().send(1).await.unwrap();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # });
    /// ```
    pub fn into_sink(self) -> UnboundedSinkSender<T, K> {
        UnboundedSinkSender { sender: Some(self) }
    }
}

/// A sender of an unbounded channel that is a [`Sink`]. From [`UnboundedSender::into_sink`].
///
/// Sending never waits. A value that cannot be sent, since the channel is closed, is dropped. Closing drops the sender.
pub struct UnboundedSinkSender<T, K = Mpsc> {
    /// Taken out when the sink is closed.
    sender: Option<UnboundedSender<T, K>>,
}

impl<T, K> UnboundedSinkSender<T, K> {
    /// Returns the sender, if the sink was not closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::unbounded_channel::<u32>();
    /// assert!(!sender.into_sink().get_ref().unwrap().is_closed());
    /// ```
    pub fn get_ref(&self) -> Option<&UnboundedSender<T, K>> {
        self.sender.as_ref()
    }
}

impl<T, K> Sink<T> for UnboundedSinkSender<T, K> {
    type Error = SendError<()>;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SendError<()>>> {
        Poll::Ready(match &self.sender {
            Some(sender) if !sender.is_closed() => Ok(()),
            _ => Err(SendError(())),
        })
    }

    fn start_send(self: Pin<&mut Self>, value: T) -> Result<(), SendError<()>> {
        let sender = self.sender.as_ref().ok_or(SendError(()))?;
        sender.send(value).map_err(|_| SendError(()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SendError<()>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<()>>> {
        self.sender = None;
        Poll::Ready(Ok(()))
    }
}

impl<T, K> fmt::Debug for UnboundedSinkSender<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundedSinkSender")
            .finish_non_exhaustive()
    }
}

impl<T, K> Sender<T, K> {
    /// Makes a [`Sink`] of the sender.
    ///
    /// # Examples
    ///
    /// ```
    /// use compio_sync::mpsc;
    /// use futures_util::SinkExt;
    ///
    /// # compio::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = mpsc::channel(1);
    /// compio::runtime::spawn(async move { sender.into_sink().send(1).await }).detach();
    /// assert_eq!(receiver.recv().await, Some(1));
    /// # });
    /// ```
    pub fn into_sink(self) -> SinkSender<T, K> {
        SinkSender {
            sender: Some(self),
            slot: Slot::Idle,
            has_place: false,
        }
    }
}

/// A sender that is a [`Sink`]. From [`Sender::into_sink`].
///
/// `poll_ready` waits for a place in the channel, which `start_send` then uses: a value is never kept in between, so
/// that flushing has nothing to do. Closing drops the sender.
pub struct SinkSender<T, K = Mpsc> {
    /// Taken out when the sink is closed.
    sender: Option<Sender<T, K>>,
    slot: Slot,
    has_place: bool,
}

// The value is never pinned.
impl<T, K> Unpin for SinkSender<T, K> {}

impl<T, K> SinkSender<T, K> {
    /// Returns the sender, if the sink was not closed.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, _receiver) = compio_sync::mpsc::channel::<u32>(1);
    /// let sink = sender.into_sink();
    /// assert_eq!(sink.get_ref().unwrap().capacity(), 1);
    /// ```
    pub fn get_ref(&self) -> Option<&Sender<T, K>> {
        self.sender.as_ref()
    }

    /// Gives back the place that it waits for, or has.
    fn stop(&mut self) {
        let Some(sender) = &self.sender else { return };
        let chan = sender.chan();
        let waits = matches!(self.slot, Slot::Waiting(_));
        if waits && chan.leave_places(&mut self.slot) || self.has_place {
            chan.give_places(1);
        }
        self.slot = Slot::Idle;
        self.has_place = false;
    }
}

impl<T, K> Sink<T> for SinkSender<T, K> {
    type Error = SendError<()>;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<()>>> {
        let this = &mut *self;
        if this.has_place {
            return Poll::Ready(Ok(()));
        }
        let Some(sender) = &this.sender else {
            return Poll::Ready(Err(SendError(())));
        };
        this.has_place = ready!(sender.chan().poll_places(&mut this.slot, 1, cx));
        this.slot = Slot::Idle;
        Poll::Ready(if this.has_place {
            Ok(())
        } else {
            Err(SendError(()))
        })
    }

    /// # Panics
    ///
    /// If `poll_ready` did not succeed just before.
    #[track_caller]
    fn start_send(mut self: Pin<&mut Self>, value: T) -> Result<(), SendError<()>> {
        assert!(
            self.has_place,
            "`start_send` was called without `poll_ready` before"
        );
        self.has_place = false;
        let sender = self.sender.as_ref().expect("it has a place");
        sender.chan().send(value);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SendError<()>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<()>>> {
        self.stop();
        self.sender = None;
        Poll::Ready(Ok(()))
    }
}

impl<T, K> Drop for SinkSender<T, K> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<T, K> fmt::Debug for SinkSender<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkSender").finish_non_exhaustive()
    }
}
