//! Looks for an order of concurrent calls in which a sequential model gives the same answers.
//!
//! A call takes effect at one moment between its beginning and its end. The checker tries all
//! orders of those moments that the intervals leave open, as Wing and Gong do, and remembers, as
//! Lowe does, which combinations of "calls that have taken effect" and "state" it has seen. A model
//! may have several answers to a call; the checker follows all of them.
//!
//! A history is checked window by window: at the end of each nobody is in a call. So the number of
//! orders stays small, and what is left is the set of states that the model may be in.

use std::{collections::HashSet, fmt, hash::Hash};

/// A sequential model of a primitive.
pub trait Model {
    type State: Clone + Eq + Hash + fmt::Debug;
    /// A call, with what it answered.
    type Call: fmt::Debug;

    /// The states that `call` may lead to from `state`: none, if the answer is wrong.
    ///
    /// A call is `alone` if no other one was going on at any time between its beginning and end.
    fn step(state: &Self::State, call: &Self::Call, alone: bool) -> Vec<Self::State>;
}

/// A call that was made.
#[derive(Debug)]
pub struct Event<C> {
    /// Whose it was. One thread's calls are in order; those with the same interval, too.
    pub thread: usize,
    pub call: C,
    pub begun: u64,
    pub ended: u64,
}

/// What the model could not follow.
pub struct Violation {
    report: String,
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report)
    }
}

/// How much was checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub windows: usize,
    pub calls: usize,
    /// Calls that overlapped with others.
    pub overlapping: usize,
    /// Pairs of "calls that have taken effect" and "state" that were looked at.
    pub explored: usize,
}

impl Counts {
    pub fn add(&mut self, other: Self) {
        self.windows += other.windows;
        self.calls += other.calls;
        self.overlapping += other.overlapping;
        self.explored += other.explored;
    }
}

pub struct Checker<M: Model> {
    states: Vec<M::State>,
    /// The calls of all windows so far, to be printed.
    past: Vec<Vec<Event<M::Call>>>,
    counts: Counts,
}

impl<M: Model> Checker<M> {
    pub fn new(state: M::State) -> Self {
        Self {
            states: vec![state],
            past: Vec::new(),
            counts: Counts::default(),
        }
    }

    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Checks a call that is made alone, after a window.
    pub fn look(&mut self, call: &M::Call) -> Result<(), Violation> {
        self.states = self.after(call)?;
        Ok(())
    }

    /// The states after a call that is made alone.
    pub fn after(&self, call: &M::Call) -> Result<Vec<M::State>, Violation> {
        let step = |state: &M::State| M::step(state, call, true);
        let states: Vec<_> = self.states.iter().flat_map(step).collect();
        if states.is_empty() {
            let what = format!("what is seen in the end, {call:?}, fits none of the states");
            return Err(self.violation(&what, self.states.iter()));
        }
        Ok(states)
    }

    /// What is wrong with the last window, and `states` that the model may have been in.
    pub fn violation<'a>(&self, what: &str, states: impl Iterator<Item = &'a M::State>) -> Violation
    where
        M: 'a,
    {
        let mut report = format!("{what}\n");
        for window in &self.past {
            for event in window {
                let Event {
                    thread,
                    call,
                    begun,
                    ended,
                } = event;
                report += &format!("  {begun:>6}..{ended:<6} thread {thread}: {call:?}\n");
            }
            report += "  -- nobody is in a call\n";
        }
        report += "the model was then in one of these states:\n";
        for state in states.take(5) {
            report += &format!("  {state:?}\n");
        }
        Violation { report }
    }

    /// Checks the calls of one window, at whose beginning and end nobody is in a call.
    pub fn window(&mut self, events: Vec<Event<M::Call>>) -> Result<(), Violation> {
        self.past.push(events);
        let events = self.past.last().expect("just pushed");
        let alone: Vec<_> = events
            .iter()
            .map(|it| !events.iter().any(|other| overlap(it, other)))
            .collect();
        self.counts.windows += 1;
        self.counts.calls += events.len();
        self.counts.overlapping += alone.iter().filter(|it| !**it).count();

        let mut threads: Vec<Vec<usize>> = Vec::new();
        for (index, event) in events.iter().enumerate() {
            if threads.len() <= event.thread {
                threads.resize(event.thread + 1, Vec::new());
            }
            threads[event.thread].push(index);
        }
        // All that can be reached with one call more in each turn of the loop.
        let mut layer: HashSet<(Vec<usize>, M::State)> = self
            .states
            .drain(..)
            .map(|state| (vec![0; threads.len()], state))
            .collect();
        for placed in 0..events.len() {
            let mut next = HashSet::new();
            for (positions, state) in &layer {
                let first = |thread: usize| threads[thread].get(positions[thread]).copied();
                for thread in 0..threads.len() {
                    let Some(index) = first(thread) else { continue };
                    let is_later = (0..threads.len())
                        .filter_map(first)
                        .any(|other| events[other].ended < events[index].begun);
                    if is_later {
                        continue;
                    }
                    for state in M::step(state, &events[index].call, alone[index]) {
                        let mut positions = positions.clone();
                        positions[thread] += 1;
                        next.insert((positions, state));
                    }
                }
            }
            self.counts.explored += next.len();
            if next.is_empty() {
                let what = format!("only {placed} of the last calls have an order");
                return Err(self.violation(&what, layer.iter().map(|(_, state)| state)));
            }
            layer = next;
        }
        let states: HashSet<_> = layer.into_iter().map(|(_, state)| state).collect();
        self.states = states.into_iter().collect();
        Ok(())
    }
}

fn overlap<C>(a: &Event<C>, b: &Event<C>) -> bool {
    a.thread != b.thread && a.begun < b.ended && b.begun < a.ended
}
