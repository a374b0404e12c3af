//! Cancellation tokens, behind one interface.

use std::future::Future;

/// A crate's cancellation token.
pub trait Token: Clone + Send + Sync + 'static {
    fn root() -> Self;
    fn child(&self) -> Self;
    fn cancel_all(&self);
    fn looks_cancelled(&self) -> bool;
    fn wait(&self) -> impl Future<Output = ()>;
}

macro_rules! token {
    ($token:ty) => {
        impl Token for $token {
            fn root() -> Self {
                Self::new()
            }

            #[inline]
            fn child(&self) -> Self {
                self.child_token()
            }

            fn cancel_all(&self) {
                self.cancel();
            }

            #[inline]
            fn looks_cancelled(&self) -> bool {
                self.is_cancelled()
            }

            #[inline]
            fn wait(&self) -> impl Future<Output = ()> {
                self.cancelled()
            }
        }
    };
}

token!(compio_sync::CancellationToken);
token!(tokio_util::sync::CancellationToken);
