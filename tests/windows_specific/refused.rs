//! Where the tier is not wanted, or another one is.

use super::*;

#[test]
fn test_windows_version_fallback() {
    const NAME: &str = "test_windows_version_fallback";
    let _watchdog = Watchdog::new("children");
    if let Some(role) = role() {
        play(&role);
        println!("{}", played(&role));
        return;
    }
    let no_unicode = OsString::from_wide(&[u16::from(b'i'), 0xD800]);
    for (value, role) in [
        (OsStr::new("generic"), "generic"),
        (OsStr::new("iocp"), "iocp"),
        (OsStr::new("auto"), "generic"),
        (OsStr::new("futex"), "futex"),
        (OsStr::new("nonsense"), "unknown"),
        (OsStr::new("Iocp"), "unknown"),
        (OsStr::new("iocp "), "unknown"),
        (&no_unicode, "unknown"),
    ] {
        let output = child(NAME, role).env(TIER, value).output();
        assert_played(role, &output.expect("a child"));
    }
    assert_played(
        "generic",
        &child(NAME, "generic").output().expect("a child"),
    );

    // And asked for at run time.
    let runtime = runtime();
    assert_eq!(runtime.driver_type(), DriverType::IOCP);
    let refused = Err(TierError::NotBuilt {
        tier: WakeTier::Futex,
    });
    runtime.enter(|| {
        assert_eq!(WakeTier::Futex.check(), refused);
        assert_eq!(WakeTier::Futex.select(), refused);
        assert_eq!(WakeTier::Iocp.check(), Ok(()));
    });
    for tier in [WakeTier::Generic, WakeTier::Iocp, WakeTier::Generic] {
        assert_wakes_arrive_by(tier, &runtime);
        runtime.enter(|| assert_eq!(WakeTier::current(), Some(tier)));
    }
}

/// What a child does under one value of the variable.
fn play(role: &str) {
    let carries = |tier: WakeTier, not: WakeTier| {
        let runtime = runtime();
        runtime.enter(|| assert_eq!(WakeTier::current(), Some(tier)));
        assert_wakes_arrive(&runtime);
        runtime.enter(|| {
            assert!(stats(tier).wakes > 0);
            assert_eq!(stats(not), WakeStats::default());
        });
    };
    match role {
        "generic" => carries(WakeTier::Generic, WakeTier::Iocp),
        "iocp" => carries(WakeTier::Iocp, WakeTier::Generic),
        "futex" => assert_refused(&[
            "COMPIO_SYNC_TIER=futex asks for what this runtime cannot have",
            "another platform",
            "Unset the variable, or set it to auto",
        ]),
        "unknown" => {
            assert_refused(&["COMPIO_SYNC_TIER=", "is none of auto, generic, futex, iocp"]);
        }
        _ => panic!("there is no part `{role}`"),
    }
}

/// The first wait of a runtime panics with `words`, and queues nothing.
fn assert_refused(words: &[&str]) {
    let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
    let runtime = runtime();
    for _ in 0..2 {
        let waiting = semaphore.clone();
        let message = panic_of(|| {
            run(&runtime, async move { waiting.acquire().await.forget() });
        });
        for word in words {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
        assert_eq!(semaphore.waiter_count(), 0);
    }
}
