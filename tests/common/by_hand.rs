//! Futures polled by hand, and wakers that do things when they are touched.

use super::*;

/// A future that is polled by hand, with a waker that counts.
pub struct Polled<F> {
    future: Pin<Box<F>>,
    hooks: Arc<Hooks>,
}

impl<F: Future> Polled<F> {
    pub fn new(future: F) -> Self {
        Self::with(future, Hooks::default())
    }

    pub fn with(future: F, hooks: Hooks) -> Self {
        Self {
            future: Box::pin(future),
            hooks: Arc::new(hooks),
        }
    }

    /// A future that has been polled once, and waits.
    #[track_caller]
    pub fn pending(future: F) -> Self {
        let mut this = Self::new(future);
        this.waits();
        this
    }

    pub fn poll(&mut self) -> Poll<F::Output> {
        let waker = self.hooks.waker();
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    #[track_caller]
    pub fn waits(&mut self) {
        assert!(self.poll().is_pending(), "it should wait");
    }

    #[track_caller]
    pub fn ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it should be ready"),
        }
    }

    /// Replaces the waker for the polls to come, and returns the old one.
    pub fn change_waker(&mut self) -> Arc<Hooks> {
        self.swap_hooks(Hooks::default())
    }

    /// As `change_waker`, for a waker with `hooks`.
    pub fn swap_hooks(&mut self, hooks: Hooks) -> Arc<Hooks> {
        std::mem::replace(&mut self.hooks, Arc::new(hooks))
    }

    pub fn hooks(&self) -> &Arc<Hooks> {
        &self.hooks
    }

    /// How often it was woken.
    pub fn wakes(&self) -> usize {
        self.hooks.wakes()
    }
}

type Hook = Option<Box<dyn Fn() + Send + Sync>>;

/// What a waker does when it is cloned, woken and dropped, and how often it was.
#[derive(Default)]
pub struct Hooks {
    pub clone: Hook,
    pub wake: Hook,
    pub drop: Hook,
    wakes: AtomicUsize,
    /// How many wakers there are.
    wakers: AtomicUsize,
}

impl Hooks {
    pub fn on_clone(f: impl Fn() + Send + Sync + 'static) -> Self {
        let clone: Hook = Some(Box::new(f));
        Self {
            clone,
            ..Self::default()
        }
    }

    pub fn on_wake(f: impl Fn() + Send + Sync + 'static) -> Self {
        let wake: Hook = Some(Box::new(f));
        Self {
            wake,
            ..Self::default()
        }
    }

    pub fn on_drop(f: impl Fn() + Send + Sync + 'static) -> Self {
        let drop: Hook = Some(Box::new(f));
        Self {
            drop,
            ..Self::default()
        }
    }

    pub fn wakes(&self) -> usize {
        self.wakes.load(SeqCst)
    }

    /// How many wakers of this kind there are.
    pub fn wakers(&self) -> usize {
        self.wakers.load(SeqCst)
    }

    /// A waker that calls no hook when itself is dropped, only when clones of it are.
    fn waker(self: &Arc<Self>) -> ManuallyDrop<Waker> {
        // SAFETY: the vtable's functions take the pointer for what it is, an `Arc`'s, whose count
        // goes up with each clone and down with each drop. This one borrows the caller's `Arc`,
        // which outlives it in `Polled::poll`, and is never dropped.
        ManuallyDrop::new(unsafe { Waker::new(Arc::as_ptr(self).cast(), &VTABLE) })
    }
}

fn call(hook: &Hook) {
    if let Some(hook) = hook {
        hook();
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        // SAFETY: see `Hooks::waker`.
        let hooks = unsafe { &*data.cast::<Hooks>() };
        call(&hooks.clone);
        hooks.wakers.fetch_add(1, SeqCst);
        // SAFETY: see `Hooks::waker`.
        unsafe { Arc::increment_strong_count(hooks) };
        RawWaker::new(data, &VTABLE)
    },
    |data| {
        // SAFETY: see `Hooks::waker`.
        let hooks = unsafe { Arc::from_raw(data.cast::<Hooks>()) };
        hooks.wakers.fetch_sub(1, SeqCst);
        hooks.wakes.fetch_add(1, SeqCst);
        call(&hooks.wake);
    },
    |data| {
        // SAFETY: see `Hooks::waker`.
        let hooks = unsafe { &*data.cast::<Hooks>() };
        hooks.wakes.fetch_add(1, SeqCst);
        call(&hooks.wake);
    },
    |data| {
        // SAFETY: see `Hooks::waker`.
        let hooks = unsafe { Arc::from_raw(data.cast::<Hooks>()) };
        hooks.wakers.fetch_sub(1, SeqCst);
        call(&hooks.drop);
    },
);
