//! Cells that are set once, behind one interface.

use std::future::Future;

/// A crate's cells.
pub trait Cells: 'static {
    type Once: Once;
    type Set: Set;
}

/// A cell that is initialized by whoever needs the value first.
pub trait Once: Send + Sync + 'static {
    fn new() -> Self;
    fn get(&self) -> Option<&u64>;
    fn get_or_init<Fut: Future<Output = u64>>(
        &self,
        init: impl FnOnce() -> Fut,
    ) -> impl Future<Output = &u64>;
}

/// A cell that is set, and waited for.
pub trait Set: Send + Sync + 'static {
    /// `None`: the crate has none.
    fn new() -> Option<Self>
    where
        Self: Sized;
    fn set(&self, value: u64) -> bool;
    fn wait(&self) -> impl Future<Output = &u64>;
}

/// The cell of crates whose cells cannot be waited for.
pub enum NoSet {}

impl Set for NoSet {
    fn new() -> Option<Self> {
        None
    }

    fn set(&self, _: u64) -> bool {
        match *self {}
    }

    async fn wait(&self) -> &u64 {
        match *self {}
    }
}

macro_rules! once {
    ($($cell:ty),*) => {$(
        impl Once for $cell {
            fn new() -> Self {
                Self::new()
            }

            #[inline]
            fn get(&self) -> Option<&u64> {
                self.get()
            }

            #[inline]
            fn get_or_init<Fut: Future<Output = u64>>(
                &self,
                init: impl FnOnce() -> Fut,
            ) -> impl Future<Output = &u64> {
                self.get_or_init(init)
            }
        }
    )*};
}

macro_rules! set {
    ($($cell:ty => $set:ident),*) => {$(
        impl Set for $cell {
            fn new() -> Option<Self> {
                Some(Self::new())
            }

            #[inline]
            fn set(&self, value: u64) -> bool {
                self.$set(value).is_ok()
            }

            #[inline]
            fn wait(&self) -> impl Future<Output = &u64> {
                self.wait()
            }
        }
    )*};
}

type AsyncLockCell = async_lock::OnceCell<u64>;

once!(
    compio_sync::OnceCell<u64>,
    tokio::sync::OnceCell<u64>,
    AsyncLockCell
);
set!(
    compio_sync::SetOnce<u64> => set,
    tokio::sync::SetOnce<u64> => set,
    AsyncLockCell => try_set
);

impl Once for asyncband::once::OnceCell<u64> {
    fn new() -> Self {
        Self::new()
    }

    #[inline]
    fn get(&self) -> Option<&u64> {
        self.get()
    }

    #[inline]
    async fn get_or_init<Fut: Future<Output = u64>>(&self, init: impl FnOnce() -> Fut) -> &u64 {
        self.get_or_init(async || init().await).await
    }
}

macro_rules! cells {
    ($($crate_name:ident: $once:ty, $set:ty;)*) => {$(
        pub enum $crate_name {}

        impl Cells for $crate_name {
            type Once = $once;
            type Set = $set;
        }
    )*};
}

cells! {
    CompioSync: compio_sync::OnceCell<u64>, compio_sync::SetOnce<u64>;
    Tokio: tokio::sync::OnceCell<u64>, tokio::sync::SetOnce<u64>;
    AsyncLock: AsyncLockCell, AsyncLockCell;
    Asyncband: asyncband::once::OnceCell<u64>, NoSet;
}
