//! How often in a row a receiver may find something before it lets its runtime's other tasks run.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    task::Context,
};

/// How often, if nobody says otherwise.
const DEFAULT: u32 = 128;

/// A count of how often a receiver has found something without waiting. It need not be exact.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicU32,
    /// Of how many: 0 if there is no limit.
    most: AtomicU32,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self {
            left: AtomicU32::new(DEFAULT),
            most: AtomicU32::new(DEFAULT),
        }
    }

    pub(crate) fn set(&self, most: u32) {
        // ORDERING: Relaxed, here and below. It only counts.
        self.most.store(most, Relaxed);
        self.left.store(most, Relaxed);
    }

    /// If all is spent, lets others run first: whoever polls is woken at once.
    #[inline]
    pub(crate) fn is_spent(&self, cx: &Context<'_>) -> bool {
        let is_spent = self.left.load(Relaxed) == 0 && self.most.load(Relaxed) > 0;
        if is_spent {
            self.refill();
            cx.waker().wake_by_ref();
        }
        is_spent
    }

    /// Something was found without waiting.
    #[inline]
    pub(crate) fn spend(&self) {
        let left = self.left.load(Relaxed);
        self.left.store(left.saturating_sub(1), Relaxed);
    }

    /// Others can run anyway.
    #[inline]
    pub(crate) fn refill(&self) {
        self.left.store(self.most.load(Relaxed), Relaxed);
    }
}

/// Adds `set_budget` to a receiver that has a `budget`.
macro_rules! set_budget {
    ([$($generics:tt)*] $receiver:ty, $it:ident => $budget:expr, $setup:literal) => {
        impl<$($generics)*> $receiver {
            /// Sets how often in a row it finds something before it lets its runtime's other tasks run: 128 times if
            /// nothing is set, and without a limit for 0.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $setup]
            /// receiver.set_budget(16);
            /// ```
            pub fn set_budget(&mut self, most: u32) {
                let $it = self;
                $budget.set(most);
            }
        }
    };
}
pub(crate) use set_budget;
