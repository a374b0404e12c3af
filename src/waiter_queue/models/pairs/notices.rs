//! Notifications. Somebody stands last in the list, and stays there.

use super::*;

/// What an operation has done.
#[derive(Default)]
struct Done {
    /// How many notifications for one it has sent.
    sent: usize,
    /// Whether it has notified all.
    all: bool,
    /// How many waits it has ended, by a notification.
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

    pub(super) fn notify_one(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        queue.notify(1);
        Done {
            sent: 1,
            ..Done::default()
        }
    }

    pub(super) fn notify_all(queue: Arc<Queue>, _: Option<Wait>) -> Done {
        queue.notify_all();
        Done {
            all: true,
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

fn play<const N: usize>(ops: [Op<Done>; N]) {
    let queue = queue(0);
    let in_line = ops.iter().filter(|op| is_in_the_list(**op)).count();
    let line: Vec<_> = (0..in_line)
        .map(|_| Wait::notice(&queue).queued())
        .collect();
    let mut waits = vec![Wait::notice(&queue).queued()];

    let mut all = Done::default();
    for done in meet(&queue, line, ops, is_in_the_list) {
        all.sent += done.sent;
        all.all |= done.all;
        all.ended += done.ended;
        all.left += done.left;
        waits.extend(done.wait);
    }

    let mut seen = Vec::new();
    run(&mut waits, &mut seen, |_, outcome| {
        assert_ne!(outcome, Some(Outcome::Refused));
        all.ended += 1;
    });
    assert_eq!(queue.len(), waits.len(), "the list is miscounted");
    // Those who were in the list from the beginning and stayed.
    let stayed = in_line + 1 - all.left;
    let due = if all.all {
        stayed
    } else {
        all.sent.min(stayed)
    };
    assert!(all.ended >= due, "a notification is lost");
    assert!(
        all.all || all.ended <= all.sent,
        "one notification was for two"
    );

    queue.notify_all();
    run(&mut waits, &mut seen, |_, _| {});
    assert!(waits.is_empty(), "the waiter is lost");
    assert_at_rest(&queue, 0);
}

const ALL: () = ();

fn two(_: (), ops: [Op<Done>; 2]) {
    explore(3, move || play(ops));
}

fn three(_: (), ops: [Op<Done>; 3]) {
    explore(1, move || play(ops));
}

mod no_notification_is_lost_between {
    use super::*;
    meetings!(ALL; wait notify_one notify_all cancel move_away);
}
