//! The columns of the table: who is measured.

use super::scenario::Scenario;
use crate::{
    peers::{AsyncLock, Asyncband, CompioSync, CompioSyncFifo, Locked, Peer, Segmented, Tokio},
    workload::Remotes,
};

pub struct Column {
    pub name: &'static str,
    /// What `COMPIO_SYNC_TIER` is set to.
    pub tier: &'static str,
    pub run: fn(&Scenario, &mut Remotes) -> Option<Vec<f64>>,
    /// Whether it is this crate, in one of its settings.
    pub is_ours: bool,
}

const fn ours<P: Peer>(name: &'static str, tier: &'static str) -> Column {
    Column {
        name,
        tier,
        run: |scenario, remotes| scenario.run::<P>(remotes),
        is_ours: true,
    }
}

const fn peer<P: Peer>() -> Column {
    Column {
        name: P::NAME,
        tier: "auto",
        run: |scenario, remotes| scenario.run::<P>(remotes),
        is_ours: false,
    }
}

pub const COLUMNS: &[Column] = &[
    ours::<CompioSync>("compio-sync", "auto"),
    ours::<CompioSyncFifo>("compio-sync fifo", "auto"),
    ours::<CompioSync>("compio-sync generic", "generic"),
    #[cfg(target_os = "linux")]
    ours::<CompioSync>("compio-sync futex", "futex"),
    #[cfg(windows)]
    ours::<CompioSync>("compio-sync iocp", "iocp"),
    peer::<Tokio>(),
    peer::<AsyncLock>(),
    peer::<Asyncband>(),
    peer::<Locked>(),
    peer::<Segmented>(),
    Column {
        name: "limit",
        tier: "auto",
        run: |scenario, remotes| scenario.run_limit(remotes),
        is_ours: false,
    },
];
