//! The columns of the table: who is measured.

use super::{channels, once, scenario::Scenario, tokens};
use crate::{
    peers::{
        self, AsyncLock, Asyncband, CompioSync, CompioSyncFifo, Locked, Peer, Segmented, Tokio,
        channels::{AcrossThreads, Channels},
        once::Cells,
        tokens::Token,
    },
    workload::Remotes,
};

/// One run of a scenario, on those runtimes. `None` if it is nothing for the column.
type Run<S> = fn(&S, &mut Remotes) -> Option<Vec<f64>>;

pub struct Column {
    pub name: &'static str,
    /// What `COMPIO_SYNC_TIER` is set to.
    pub tier: &'static str,
    /// All scenarios but those of channels, tokens and cells.
    waits: Option<Run<Scenario>>,
    channels: Option<Run<channels::Scenario>>,
    tokens: Option<Run<tokens::Scenario>>,
    once: Option<Run<once::Scenario>>,
    /// Whether it is this crate, in one of its settings.
    pub is_ours: bool,
}

impl Column {
    /// Whether it has anything of the kind.
    pub fn has(&self, scenario: &Scenario) -> bool {
        match scenario {
            Scenario::Channel(_) => self.channels.is_some(),
            Scenario::Token(_) => self.tokens.is_some(),
            Scenario::Once(_) => self.once.is_some(),
            _ => self.waits.is_some(),
        }
    }

    /// One run. `None` if that is nothing for it.
    pub fn run(&self, scenario: &Scenario, remotes: &mut Remotes) -> Option<Vec<f64>> {
        match scenario {
            Scenario::Channel(scenario) => self.channels?(scenario, remotes),
            Scenario::Token(scenario) => self.tokens?(scenario, remotes),
            Scenario::Once(scenario) => self.once?(scenario, remotes),
            _ => self.waits?(scenario, remotes),
        }
    }

    const fn named(name: &'static str) -> Self {
        Self {
            name,
            tier: "auto",
            waits: None,
            channels: None,
            tokens: None,
            once: None,
            is_ours: false,
        }
    }

    const fn ours(self, tier: &'static str) -> Self {
        Self {
            tier,
            is_ours: true,
            ..self
        }
    }

    const fn waits<P: Peer>(self) -> Self {
        Self {
            waits: Some(|scenario, remotes| scenario.run::<P>(remotes)),
            ..self
        }
    }

    const fn channels<P: AcrossThreads>(self) -> Self {
        Self {
            channels: Some(|scenario, remotes| scenario.run::<P>(remotes)),
            ..self
        }
    }

    const fn tokens<T: Token>(self) -> Self {
        Self {
            tokens: Some(|scenario, remotes| scenario.run::<T>(remotes)),
            ..self
        }
    }

    const fn once<P: Cells>(self) -> Self {
        Self {
            once: Some(|scenario, remotes| scenario.run::<P>(remotes)),
            ..self
        }
    }

    const fn local_channels<P: Channels>(self) -> Self {
        Self {
            channels: Some(|scenario, remotes| scenario.run_within::<P>(remotes)),
            ..self
        }
    }
}

const fn ours(name: &'static str, tier: &'static str) -> Column {
    Column::named(name)
        .ours(tier)
        .waits::<CompioSync>()
        .channels::<peers::channels::CompioSync>()
        .tokens::<compio_sync::CancellationToken>()
        .once::<peers::once::CompioSync>()
}

pub const COLUMNS: &[Column] = &[
    ours("compio-sync", "auto"),
    Column::named("compio-sync fifo")
        .ours("auto")
        .waits::<CompioSyncFifo>(),
    Column::named("compio-sync reusable")
        .ours("auto")
        .channels::<peers::channels::CompioSyncReusable>(),
    ours("compio-sync generic", "generic"),
    #[cfg(target_os = "linux")]
    ours("compio-sync futex", "futex"),
    #[cfg(windows)]
    ours("compio-sync iocp", "iocp"),
    Column::named(Tokio::NAME)
        .waits::<Tokio>()
        .channels::<peers::channels::Tokio>()
        .tokens::<tokio_util::sync::CancellationToken>()
        .once::<peers::once::Tokio>(),
    Column::named(AsyncLock::NAME)
        .waits::<AsyncLock>()
        .once::<peers::once::AsyncLock>(),
    Column::named(Asyncband::NAME)
        .waits::<Asyncband>()
        .channels::<peers::channels::Asyncband>()
        .once::<peers::once::Asyncband>(),
    Column::named(Locked::NAME).waits::<Locked>(),
    Column::named(Segmented::NAME).waits::<Segmented>(),
    Column::named("async-channel").channels::<peers::channels::AsyncChannel>(),
    Column::named("flume").channels::<peers::channels::Flume>(),
    Column::named("kanal").channels::<peers::channels::Kanal>(),
    Column::named("crossfire").channels::<peers::channels::Crossfire>(),
    Column::named("loole").channels::<peers::channels::Loole>(),
    Column::named("tachyonix").channels::<peers::channels::Tachyonix>(),
    Column::named("futures-channel").channels::<peers::channels::FuturesChannel>(),
    Column::named("local-sync").local_channels::<peers::channels::LocalSync>(),
    Column::named("oneshot").channels::<peers::channels::OneshotCrate>(),
    Column {
        waits: Some(|scenario, remotes| scenario.run_limit(remotes)),
        ..Column::named("limit")
    },
];
