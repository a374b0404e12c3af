//! Events. Somebody stands last in the list, and stays there.

use super::*;

/// What an operation has done.
#[derive(Default)]
struct Done {
    /// Whether it has set the event.
    set: bool,
    /// How many waits it has ended.
    ended: usize,
    /// How many it has cancelled.
    left: usize,
    /// Who waits.
    wait: Option<Wait>,
}

mod ops {
    use super::*;

    fn polled(mut wait: Wait) -> Done {
        let is_over = wait.poll().is_ready();
        Done {
            ended: is_over as usize,
            wait: (!is_over).then_some(wait),
            ..Done::default()
        }
    }

    pub(super) fn wait(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        polled(Wait::notice(&queue))
    }

    pub(super) fn set(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        queue.open();
        Done {
            set: true,
            ..Done::default()
        }
    }

    pub(super) fn reset(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        queue.shut();
        Done::default()
    }

    /// One that stands in the list leaves.
    pub(super) fn cancel(_: Arc<Queue>, wait: Option<Wait>) -> Done {
        drop(wait.unwrap());
        Done {
            left: 1,
            ..Done::default()
        }
    }

    /// One that stands in the list is polled by another task.
    pub(super) fn move_away(_: Arc<Queue>, of: Option<Wait>) -> Done {
        let mut of = of.unwrap();
        of.probe = Probe::new();
        polled(of)
    }
}

/// Whether the operation is one of somebody in the list.
fn is_in_the_list(op: Op<Done>) -> bool {
    [ops::cancel as Op<Done>, ops::move_away as Op<Done>]
        .iter()
        .any(|it| std::ptr::fn_addr_eq(*it, op))
}

fn play<const N: usize>(ops: [Op<Done>; N]) {
    let queue = Arc::new(Queue::gate());
    let in_line = ops.iter().filter(|op| is_in_the_list(**op)).count();
    let line: Vec<_> = (0..in_line)
        .map(|_| Wait::notice(&queue).queued())
        .collect();
    let mut waits = vec![Wait::notice(&queue).queued()];

    let mut all = Done::default();
    for done in meet(&queue, line, ops, is_in_the_list) {
        all.set |= done.set;
        all.ended += done.ended;
        all.left += done.left;
        waits.extend(done.wait);
    }

    let mut seen = Vec::new();
    run(&mut waits, &mut seen, |_, _| all.ended += 1);
    assert_eq!(queue.len(), waits.len(), "the list is miscounted");
    // Those who were in the list from the beginning and stayed.
    let stayed = in_line + 1 - all.left;
    assert!(all.set || all.ended == 0, "released by nobody");
    assert!(!all.set || all.ended >= stayed, "somebody was not released");
    assert!(
        !queue.is_no_wait() || waits.is_empty(),
        "somebody waits for an event that is set"
    );

    queue.open();
    run(&mut waits, &mut seen, |_, _| {});
    assert!(waits.is_empty(), "the waiter is lost");
    queue.shut();
    assert_eq!(queue.len(), 0, "somebody is still counted");
}

const ALL: () = ();

fn two(_: (), ops: [Op<Done>; 2]) {
    explore(3, move || play(ops));
}

fn three(_: (), ops: [Op<Done>; 3]) {
    explore(1, move || play(ops));
}

mod no_event_is_missed_between {
    use super::*;
    meetings!(ALL; wait set reset cancel move_away);
}
