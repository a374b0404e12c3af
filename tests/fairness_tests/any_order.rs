//! Anything, in any order.

use super::*;

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        // The constants are Knuth's, of MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// A request that is polled by hand, and what was known when it was last polled.
struct Request<'a> {
    acquire: Polled<AcquireOrClosed<'a>>,
    /// How often its wakers had been woken.
    wakes: usize,
}

impl Request<'_> {
    fn is_woken(&self) -> bool {
        self.acquire.wakes() > self.wakes
    }
}

#[test]
fn whoever_is_polled_when_woken_is_served_or_turned_away_and_permits_are_conserved() {
    const PERMITS: usize = 3;
    for fairness in [
        Fairness::Fifo,
        Fairness::Bounded(1),
        Fairness::Bounded(2),
        Fairness::default(),
    ] {
        for seed in 0..400 {
            let mut random = Random(seed);
            let semaphore = Semaphore::with_fairness(PERMITS, fairness);
            // Half of the runs are with requests of one permit only.
            let sizes = if seed % 2 == 0 { 1 } else { PERMITS };
            let mut held: Vec<SemaphorePermit<'_>> = Vec::new();
            let mut requests: Vec<Request<'_>> = Vec::new();
            for _ in 0..200 {
                let any = random.below(requests.len().max(1));
                match random.below(8) {
                    0 => held.extend(semaphore.try_acquire_many(random.below(sizes) + 1)),
                    1 | 2 => {
                        let acquire = semaphore.acquire_many(random.below(sizes) + 1).or_closed();
                        requests.push(Request {
                            acquire: Polled::new(acquire),
                            wakes: 0,
                        });
                        let last = requests.len() - 1;
                        poll_request(&mut requests, &mut held, last);
                    }
                    3 | 4 if !held.is_empty() => {
                        drop(held.swap_remove(random.below(held.len())));
                    }
                    5 if !requests.is_empty() => {
                        if random.below(2) == 0 {
                            requests[any].acquire.change_waker();
                            requests[any].wakes = 0;
                        }
                        poll_request(&mut requests, &mut held, any);
                    }
                    6 if !requests.is_empty() => {
                        if let Some(woken) = requests.iter().position(Request::is_woken) {
                            poll_request(&mut requests, &mut held, woken);
                        }
                    }
                    7 if !requests.is_empty() && random.below(3) == 0 => {
                        drop(requests.swap_remove(any));
                    }
                    _ => {}
                }
                let of_held: usize = held.iter().map(|it| it.num_permits()).sum();
                assert!(of_held <= semaphore.in_use() && semaphore.in_use() <= PERMITS);
                // Nobody sleeps on a permit that there is for any of them.
                if sizes == 1 && semaphore.available_permits() > 0 && semaphore.waiter_count() > 0 {
                    assert!(requests.iter().any(Request::is_woken), "seed {seed}");
                }
            }
            // From here on who is woken is polled, and nobody else.
            if seed % 3 == 0 {
                semaphore.close();
            }
            held.clear();
            while let Some(woken) = requests.iter().position(Request::is_woken) {
                poll_request(&mut requests, &mut held, woken);
                held.clear();
            }
            assert_eq!(requests.len(), 0, "{fairness:?}, seed {seed}");
            assert_eq!(counts(&semaphore), [PERMITS, 0, PERMITS, 0]);
        }
    }
}

fn poll_request<'a>(
    requests: &mut Vec<Request<'a>>,
    held: &mut Vec<SemaphorePermit<'a>>,
    which: usize,
) {
    let request = &mut requests[which];
    request.wakes = request.acquire.wakes();
    if let Poll::Ready(result) = request.acquire.poll() {
        held.extend(result);
        drop(requests.swap_remove(which));
    }
}

#[test]
fn panic_of_anothers_waker_loses_no_permit_of_one_that_passes_in_line() {
    let semaphore = Semaphore::with_fairness(2, Fairness::Bounded(1));
    let held = semaphore.try_acquire_many(2).unwrap();
    let called = Polled::pending(semaphore.acquire_many(2));
    let mut panics = Polled::with(
        semaphore.acquire(),
        Hooks::on_wake(|| panic!("another's waker")),
    );
    panics.waits();
    let mut passes = Polled::pending(semaphore.acquire());
    drop(held);
    assert_eq!(called.wakes(), 1);
    // It takes one, as the last that may; so the called one is passed over, and the next one called.
    assert_eq!(panic_of(|| passes.poll().map(drop)), "another's waker");
    drop((called, panics, passes));
    assert_eq!((semaphore.in_use(), semaphore.available_permits()), (0, 2));
}

#[test]
fn newcomer_goes_on_with_less_than_a_passed_head_does_not_come_for() {
    let semaphore = Semaphore::with_fairness(2, Fairness::Bounded(1));
    let held = semaphore.try_acquire_many(2).unwrap();
    let large = Polled::pending(semaphore.acquire_many(2));
    drop(held);
    assert_eq!(large.wakes(), 1);
    let _passes = semaphore.try_acquire().unwrap();
    drop(Polled::new(semaphore.acquire()).ready());
}

/// Two waiters were passed over. The one that needs two has come back, and waits for the second; the other
/// needs one, and one is free.
#[test]
fn one_that_was_passed_over_takes_nothing_past_one_that_came_back() {
    let semaphore = Semaphore::with_fairness(2, Fairness::Bounded(1));
    let mut held: Vec<_> = (0..2).map(|_| semaphore.try_acquire().unwrap()).collect();
    let mut two = Polled::pending(semaphore.acquire_many(2));
    let mut one = Polled::pending(semaphore.acquire());
    held.clear();
    // A newcomer takes one past whoever has been called; the next release finds that it has not come.
    for left in [1, 0] {
        drop(semaphore.try_acquire().unwrap());
        assert_eq!(semaphore.waiter_count(), left);
    }
    held.extend((0..2).map(|_| semaphore.try_acquire().unwrap()));
    two.waits();
    held.pop();
    assert_eq!(semaphore.available_permits(), 1);
    one.waits();
    assert_eq!(
        semaphore.available_permits(),
        1,
        "it is for the one that came back"
    );
    held.pop();
    assert_eq!(two.ready().num_permits(), 2);
    drop(one.ready());
}
