//! Every two and every three operations, at once: whatever meets, nothing is lost.
//!
//! Each operation has a thread to itself. When all are through, the waiters are polled as executors
//! would, each only when woken, and then it is checked that nothing was lost.

use super::*;

/// Something that is done to a queue, by one who stands in the list if `Wait` is there.
type Op<Done> = fn(Arc<Queue>, Option<Wait>) -> Done;

/// Does all of that at once, each on a thread of its own. Those that `is_in_the_list` says it of stand
/// in `line`, in that order.
fn meet<Done: 'static, const N: usize>(
    queue: &Arc<Queue>,
    line: Vec<Wait>,
    ops: [Op<Done>; N],
    is_in_the_list: fn(Op<Done>) -> bool,
) -> Vec<Done> {
    let mut line = line.into_iter();
    let mut calls: Vec<_> = ops
        .into_iter()
        .map(|op| {
            let (queue, wait) = (
                queue.clone(),
                is_in_the_list(op).then(|| line.next().unwrap()),
            );
            move || op(queue, wait)
        })
        .collect();
    let mine = calls.pop().unwrap();
    let threads: Vec<_> = calls.into_iter().map(spawn).collect();
    let mut done = vec![mine()];
    done.extend(threads.into_iter().map(|it| it.join().unwrap()));
    done
}

/// Polls as executors would, each only when woken since it was polled here, and says how each that
/// is over has ended. `seen` says how many wakes of each have led to polls.
///
/// Polls before the threads were joined do not count: see [`Wait::runs`].
fn run(waits: &mut Vec<Wait>, seen: &mut Vec<usize>, mut ended: impl FnMut(Wait, Option<Outcome>)) {
    seen.resize(waits.len(), 0);
    while let Some(at) = (0..seen.len()).find(|&n| waits[n].wakes() > seen[n]) {
        seen[at] = waits[at].wakes();
        if let Poll::Ready(outcome) = waits[at].poll() {
            seen.remove(at);
            ended(waits.remove(at), outcome);
        }
    }
}

/// How many wakes each has had.
fn wakes(waits: &[Wait]) -> Vec<usize> {
    waits.iter().map(Wait::wakes).collect()
}

/// A test for each two and each three of the operations, in modules named after them.
macro_rules! meetings {
    ($begin:ident;) => {};
    ($begin:ident; $first:ident $($rest:ident)*) => {
        mod $first {
            use super::*;
            meetings!(@second $begin $first: $first $($rest)*);
        }
        meetings!($begin; $($rest)*);
    };
    (@second $begin:ident $first:ident:) => {};
    (@second $begin:ident $first:ident: $second:ident $($rest:ident)*) => {
        mod $second {
            use super::*;

            #[test]
            fn alone() {
                two($begin, [ops::$first, ops::$second]);
            }

            meetings!(@third $begin $first $second: $second $($rest)*);
        }
        meetings!(@second $begin $first: $($rest)*);
    };
    (@third $begin:ident $first:ident $second:ident: $($third:ident)*) => {$(
        #[test]
        fn $third() {
            three($begin, [ops::$first, ops::$second, ops::$third]);
        }
    )*};
}

mod events;
mod notices;
mod permits;
mod stored;
