//! A receiver as a stream.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::{FusedStream, Stream};

use super::receiver::Receiver;

/// A stream that is not polled to the end keeps its place among the receivers that wait, until the receiver is dropped.
impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slot = mem::take(&mut self.slot);
        let poll = self.poll_in(&mut slot, cx);
        if poll.is_pending() {
            self.slot = slot;
        }
        Poll::Ready(ready!(poll))
    }
}

impl<T> FusedStream for Receiver<T> {
    fn is_terminated(&self) -> bool {
        self.is_at_end() && self.is_empty()
    }
}
