//! Where the futex tier cannot be had.

use super::*;

#[test]
fn test_linux_futex_fallback() {
    const NAME: &str = "test_linux_futex_fallback";
    if let Some(role) = role() {
        watched(NAME, || play(&role));
        println!("{}", played(&role));
        return;
    }
    watched(NAME, || {
        for role in [
            "no-ring",
            "no-probe",
            "no-probe-forced",
            "no-files",
            "no-kernel-help",
            "polling",
        ] {
            let output = ended(child(NAME, role));
            assert_played(role, &output);
        }
        let unusual = OsStr::from_bytes(b"fu\xfftex");
        for (value, role) in [
            (OsStr::new("generic"), "tier-generic"),
            (OsStr::new("futex"), "tier-futex"),
            (OsStr::new("futex"), "tier-futex-no-ring"),
            (OsStr::new("auto"), "tier-auto"),
            (OsStr::new(""), "tier-auto"),
            (OsStr::new("nonsense"), "tier-unknown"),
            (OsStr::new("Futex"), "tier-unknown"),
            (OsStr::new("futex "), "tier-unknown"),
            (unusual, "tier-unknown"),
            (OsStr::new("iocp"), "tier-iocp"),
        ] {
            let mut command = child(NAME, role);
            command.env(TIER, value);
            let output = ended(command);
            assert_played(role, &output);
        }
    });
}

/// What a child does under one obstacle.
fn play(role: &str) {
    match role {
        "no-ring" => {
            deny(libc::SYS_io_uring_setup, libc::EPERM);
            assert_generic(&runtime(), Some(DriverType::Poll), |error| {
                matches!(
                    error,
                    TierError::Driver {
                        tier: WakeTier::Futex,
                        driver: "Poll"
                    }
                )
            });
        }
        "no-probe" => {
            deny(libc::SYS_io_uring_register, libc::EPERM);
            // compio itself does without a ring that it cannot probe.
            assert_generic(&runtime(), None, |error| match error {
                TierError::Driver { driver, .. } => driver == "Poll",
                TierError::Probe { errno } => errno == libc::EPERM,
                _ => false,
            });
        }
        "no-probe-forced" => {
            deny(libc::SYS_io_uring_register, libc::EPERM);
            let runtime = runtime_with(|proactor| {
                proactor.driver_type(DriverType::IoUring);
            });
            assert_generic(&runtime, Some(DriverType::IoUring), |error| {
                matches!(error, TierError::Probe { errno: libc::EPERM })
            });
        }
        "no-files" => {
            let runtime = runtime();
            if runtime.driver_type() != DriverType::IoUring {
                return;
            }
            // No further file from here on: the ring that the probe needs cannot be made.
            let next =
                fs::File::open("/dev/null").map(|file| std::os::fd::AsRawFd::as_raw_fd(&file));
            let mut limit = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            // SAFETY: the struct outlives the calls.
            unsafe {
                assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
                limit.rlim_cur = next.expect("the last file") as libc::rlim_t;
                assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
            }
            assert_generic(&runtime, Some(DriverType::IoUring), |error| {
                matches!(
                    error,
                    TierError::Probe {
                        errno: libc::EMFILE
                    }
                )
            });
        }
        // The ring has the operation, but the kernel will not have any further thread or file. A
        // runtime that was given its futex before keeps it.
        "no-kernel-help" => {
            let runtime = runtime();
            if runtime.enter(|| WakeTier::Futex.check()).is_err() {
                return;
            }
            runtime.enter(|| WakeTier::Futex.select()).expect("checked");
            assert_wakes_arrive(&runtime);
            deny(libc::SYS_io_uring_setup, libc::EPERM);
            deny(libc::SYS_io_uring_register, libc::EPERM);
            assert_wakes_arrive(&runtime);
            run(&runtime, async {
                assert_eq!(WakeTier::current(), Some(WakeTier::Futex));
                assert!(stats(WakeTier::Futex).wakes > 0);
            });
        }
        "polling" => {
            let runtime = runtime_with(|proactor| {
                proactor.driver_type(DriverType::Poll);
            });
            assert_generic(&runtime, Some(DriverType::Poll), |error| {
                matches!(
                    error,
                    TierError::Driver {
                        tier: WakeTier::Futex,
                        driver: "Poll"
                    }
                )
            });
        }
        "tier-generic" => {
            let runtime = runtime();
            run(&runtime, async {
                assert_eq!(WakeTier::current(), Some(WakeTier::Generic));
            });
            assert_wakes_arrive(&runtime);
            run(&runtime, async {
                assert_eq!(stats(WakeTier::Futex), WakeStats::default());
                assert!(stats(WakeTier::Generic).wakes > 0);
            });
        }
        "tier-futex" if runtime().enter(|| WakeTier::Futex.check()).is_ok() => {
            let runtime = runtime();
            assert_wakes_arrive(&runtime);
            run(&runtime, async {
                assert_eq!(WakeTier::current(), Some(WakeTier::Futex));
                assert_eq!(stats(WakeTier::Generic), WakeStats::default());
                assert!(stats(WakeTier::Futex).wakes > 0);
            });
        }
        "tier-futex" => assert_refused(&["COMPIO_SYNC_TIER=futex", "cannot have", "auto"]),
        "tier-futex-no-ring" => {
            deny(libc::SYS_io_uring_setup, libc::ENOSYS);
            assert_refused(&[
                "COMPIO_SYNC_TIER=futex asks for what this runtime cannot have",
                "driver, Poll",
                "Unset the variable, or set it to auto",
            ]);
        }
        "tier-auto" => {
            let runtime = runtime();
            assert_wakes_arrive(&runtime);
            run(&runtime, async move {
                assert_eq!(WakeTier::current(), Some(WakeTier::Generic));
                assert!(stats(WakeTier::Generic).wakes > 0);
            });
        }
        "tier-unknown" => {
            assert!(matches!(WakeTier::requested(), Err(TierError::NoSuchTier)));
            assert_refused(&["COMPIO_SYNC_TIER=", "is none of auto, generic, futex, iocp"])
        }
        "tier-iocp" => assert_refused(&[
            "COMPIO_SYNC_TIER=iocp asks for what this runtime cannot have",
            "another platform",
            "Unset the variable, or set it to auto",
        ]),
        _ => panic!("there is no part `{role}`"),
    }
}

/// The runtime is signalled by the generic tier, works, and says clearly why not by futex.
fn assert_generic(
    runtime: &Runtime,
    driver: Option<DriverType>,
    expected: impl Fn(TierError) -> bool,
) {
    if let Some(driver) = driver {
        assert_eq!(runtime.driver_type(), driver);
    }
    assert_wakes_arrive(runtime);
    runtime.enter(|| {
        assert_eq!(WakeTier::current(), Some(WakeTier::Generic));
        let error = WakeTier::Futex.check().expect_err("it cannot be had");
        assert!(expected(error), "{error:?}");
        assert!(error.to_string().len() > 20, "{error}");
        assert_eq!(WakeTier::Futex.select(), Err(error));
        assert_eq!(
            WakeTier::current(),
            Some(WakeTier::Generic),
            "nothing was changed"
        );
    });
    assert_wakes_arrive(runtime);
    runtime.enter(|| {
        assert_eq!(stats(WakeTier::Futex), WakeStats::default());
        let generic = stats(WakeTier::Generic);
        assert!(generic.wakes > 0 && generic.syscalls == 0, "{generic:?}");
    });
}

/// The first wait of a runtime panics with `words`, and harms nobody else who waits.
fn assert_refused(words: &[&str]) {
    let semaphore = Arc::new(Semaphore::with_fairness(0, Fairness::Fifo));
    let before = thread::spawn({
        let semaphore = semaphore.clone();
        move || futures_executor::block_on(semaphore.acquire()).forget()
    });
    until(|| semaphore.waiter_count() == 1);

    let runtime = runtime();
    for _ in 0..2 {
        let waiting = semaphore.clone();
        let panic = catch_unwind(AssertUnwindSafe(|| {
            run(&runtime, async move { waiting.acquire().await.forget() });
        }))
        .expect_err("the first wait panics");
        let message = panic.downcast_ref::<String>().expect("a message");
        for word in words {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
        assert_eq!(semaphore.waiter_count(), 1, "nothing was queued");
    }
    // The waits of main futures need no doorbell.
    let (main, releaser) = (semaphore.clone(), semaphore.clone());
    let releaser = thread::spawn(move || {
        until(|| releaser.waiter_count() == 2);
        releaser.add_permits(2);
    });
    runtime.block_on(async move { main.acquire().await.forget() });
    releaser.join().unwrap();
    before.join().unwrap();
    assert_eq!(
        (semaphore.available_permits(), semaphore.waiter_count()),
        (0, 0)
    );
}

/// Whether the kernel makes no ring for want of memory that may be locked: some count a ring's.
fn has_no_memory_for_a_ring() -> bool {
    // `struct io_uring_params`: 120 bytes, all zero for the defaults.
    let mut params = [0u64; 15];
    // SAFETY: the kernel writes to `params`, and to nothing else.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 8, params.as_mut_ptr()) };
    if ring >= 0 {
        // SAFETY: it was opened above, and nobody else knows of it.
        unsafe { libc::close(ring as i32) };
        return false;
    }
    std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOMEM)
}

#[test]
fn test_linux_kernel_version_detection() {
    watched("test_linux_kernel_version_detection", || {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("Linux has it");
        let mut numbers = release
            .split(|c: char| !c.is_ascii_digit())
            .map(|number| number.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let disabled = fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
            .is_ok_and(|disabled| disabled.trim() != "0");
        let filtered = fs::read_to_string("/proc/thread-self/status")
            .expect("Linux has it")
            .lines()
            .any(|line| line.starts_with("Seccomp:") && !line.ends_with('0'));

        let runtime = runtime();
        let found = runtime.enter(|| WakeTier::Futex.check());
        println!("Linux {}: {found:?}", release.trim());
        match runtime.driver_type() {
            DriverType::IoUring if version < (6, 7) => {
                assert_eq!(found, Err(TierError::NoFutexOperations));
            }
            DriverType::IoUring if !disabled && !filtered => assert_eq!(found, Ok(())),
            DriverType::IoUring => {}
            _ => {
                assert_eq!(
                    found,
                    Err(TierError::Driver {
                        tier: WakeTier::Futex,
                        driver: "Poll"
                    })
                );
                assert!(
                    disabled || filtered || version < (5, 11) || has_no_memory_for_a_ring(),
                    "compio has no ring, for no reason that this test knows of"
                );
            }
        }
        // Once and for all: each further runtime, and each thread, finds the same.
        let elsewhere = thread::spawn(|| self::runtime().enter(|| WakeTier::Futex.check()));
        assert_eq!(elsewhere.join().unwrap(), found);
    });
}
