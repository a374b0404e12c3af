//! Notifications that are stored, as `Notify` has them. Somebody stands last in the list, and stays there.

use super::*;

/// What an operation has done.
#[derive(Default)]
struct Done {
    /// How many notifications for one it has sent.
    sent: usize,
    /// Whether it has sent one for all.
    for_all: bool,
    /// How a wait has ended.
    ended: Option<Option<Outcome>>,
    /// How many it has cancelled.
    left: usize,
    /// Who waits.
    wait: Option<Wait>,
}

mod ops {
    use super::*;

    fn polled(mut wait: Wait) -> Done {
        match wait.poll() {
            Poll::Ready(outcome) => Done {
                ended: Some(outcome),
                ..Done::default()
            },
            Poll::Pending => Done {
                wait: Some(wait),
                ..Done::default()
            },
        }
    }

    pub(super) fn wait(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        polled(Wait::stored(&queue))
    }

    pub(super) fn one(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        queue.notify_or_store();
        Done {
            sent: 1,
            ..Done::default()
        }
    }

    pub(super) fn last(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        queue.notify_last_or_store();
        Done {
            sent: 1,
            ..Done::default()
        }
    }

    pub(super) fn all(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        queue.open_once();
        Done {
            for_all: true,
            ..Done::default()
        }
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

fn is_for_one(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Granted | Outcome::GrantedLast))
}

fn play<const N: usize>(ops: [Op<Done>; N]) {
    let queue = Arc::new(Queue::gate());
    let in_line = ops.iter().filter(|op| is_in_the_list(**op)).count();
    let line: Vec<_> = (0..in_line)
        .map(|_| Wait::stored(&queue).queued())
        .collect();
    let mut waits = vec![Wait::stored(&queue).queued()];

    let (mut sent, mut for_all, mut left) = (0, false, 0);
    let mut outcomes = Vec::new();
    for done in meet(&queue, line, ops, is_in_the_list) {
        sent += done.sent;
        for_all |= done.for_all;
        left += done.left;
        outcomes.extend(done.ended);
        waits.extend(done.wait);
    }

    let mut seen = Vec::new();
    run(&mut waits, &mut seen, |_, outcome| outcomes.push(outcome));
    assert_eq!(queue.len(), waits.len(), "the list is miscounted");
    let for_one = outcomes.iter().filter(|it| is_for_one(**it)).count();
    let stored = queue.take_stored();
    // What ended no wait is stored, and only that; and not while somebody waits.
    assert!(for_one <= sent, "one has let two go");
    assert_eq!(stored, for_one < sent, "lost, or one too many");
    assert!(!stored || waits.is_empty(), "stored though somebody waits");
    // Those who were in the list from the beginning and stayed.
    let stayed = in_line + 1 - left;
    assert!(for_all || outcomes.len() == for_one, "for all, by nobody");
    assert!(
        !for_all || outcomes.len() >= stayed,
        "somebody was not reached"
    );

    queue.open_once();
    run(&mut waits, &mut seen, |_, _| {});
    assert!(waits.is_empty(), "the waiter is lost");
    assert_eq!(queue.len(), 0, "somebody is still counted");
}

const ALL: () = ();

fn two(_: (), ops: [Op<Done>; 2]) {
    explore(3, move || play(ops));
}

fn three(_: (), ops: [Op<Done>; 3]) {
    explore(1, move || play(ops));
}

mod none_is_lost_or_too_many_between {
    use super::*;
    meetings!(ALL; wait one last all cancel move_away);
}
