//! The sending end itself: what it holds, and what its clones and its drop do.

use std::{fmt, marker::PhantomData};

use super::chan::Chan;
use crate::loom::Arc;

/// The kind of channels that have one receiver: those of [`mpsc`](super).
#[derive(Debug)]
pub enum Mpsc {}

/// The sending end of a bounded channel, of [`mpsc`](super::channel) or [`mpmc`](crate::mpmc::channel). Clones send to the
/// same receivers.
///
/// When all are dropped, the channel is closed. `K` is the kind of channel, [`Mpsc`] or [`Mpmc`](crate::mpmc::Mpmc).
pub struct Sender<T, K = Mpsc> {
    chan: Arc<Chan<T>>,
    _kind: PhantomData<fn() -> K>,
}

impl<T, K> Sender<T, K> {
    /// A sender that is counted already.
    pub(crate) fn new(chan: Arc<Chan<T>>) -> Self {
        Self {
            chan,
            _kind: PhantomData,
        }
    }

    pub(crate) fn chan(&self) -> &Arc<Chan<T>> {
        &self.chan
    }
}

impl<T, K> Clone for Sender<T, K> {
    fn clone(&self) -> Self {
        self.chan.senders.add();
        Self::new(self.chan.clone())
    }
}

impl<T, K> Drop for Sender<T, K> {
    fn drop(&mut self) {
        self.chan.remove_sender();
    }
}

impl<T, K> fmt::Debug for Sender<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("capacity", &self.capacity())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
