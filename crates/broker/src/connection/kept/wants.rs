//! Which filters of a client are still to be looked through for a backlog, and which are: one of each keep at a time, so
//! that a database that is away holds up nothing but what is in it.
//!
//! Bounded by the client's subscriptions times the keeps, and by one for each topic whose gate has overflowed.

use std::collections::{HashSet, VecDeque};

use restante_backend::{messages::Place, stored_id::StoredId};
use restante_model::{Filter, UnixMillis};
use tokio::sync::oneshot;

use crate::keeping::fetch::Step;

/// A filter to be looked through, in one keep.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) keep: usize,
    pub(super) filter: Filter,
    /// Wanted since. What is wanted twice is wanted since the first time.
    pub(super) at: UnixMillis,
    /// One topic of what the client has subscribed to, once more: no subscription of its own.
    pub(super) is_part: bool,
}

/// A filter that is being looked through.
pub(super) struct Run {
    pub(super) want: Want,
    pub(super) number: u64,
    /// What is to be asked next.
    pub(super) step: Step,
    /// It was asked; its drop says that nobody waits any more.
    pub(super) asked: Option<oneshot::Sender<()>>,
    /// Every topic up to this one has been fetched to its end.
    pub(super) through: Option<Box<str>>,
    /// What was in flight of this keep when the run began: it may be acknowledged, and still be in a page that was read
    /// before.
    pub(super) known: HashSet<StoredId>,
}

/// What is still to be fetched.
#[derive(Default)]
pub(super) struct Wants {
    waiting: VecDeque<Want>,
    /// At most one of each keep.
    runs: Vec<Run>,
    numbers: u64,
}

impl Want {
    /// One topic is to be fetched once more.
    pub(super) fn part(keep: usize, topic: &str, at: UnixMillis) -> Option<Want> {
        Some(Want {
            keep,
            filter: Filter::parse(topic, false).ok()?,
            at,
            is_part: true,
        })
    }

    fn covers(&self, keep: usize, topic: &str) -> bool {
        self.keep == keep && self.filter.matches(topic)
    }
}

impl Run {
    /// Whether the topic's backlog is still to come.
    fn covers(&self, keep: usize, topic: &str) -> bool {
        self.want.covers(keep, topic) && self.through.as_deref().is_none_or(|through| topic > through)
    }
}

impl Wants {
    /// Adds one, unless it waits already.
    pub(super) fn add(&mut self, want: Want) {
        let is_same = |known: &Want| {
            (known.keep, &known.filter, known.is_part) == (want.keep, &want.filter, want.is_part)
        };
        if !self.waiting.iter().any(is_same) {
            self.waiting.push_back(want);
        }
    }

    /// The client wants nothing of a filter any more; nor of topics that `is_wanted` says it has not subscribed to.
    pub(super) fn forget(&mut self, filter: &Filter, is_wanted: impl Fn(&str) -> bool) {
        let stays = |want: &Want| match want.is_part {
            true => is_wanted(want.filter.topic_filter()),
            false => want.filter != *filter,
        };
        self.waiting.retain(stays);
        self.runs.retain(|run| stays(&run.want));
    }

    /// The client leaves: nobody waits for an answer any more.
    pub(super) fn leave(&mut self) {
        *self = Wants {
            numbers: self.numbers,
            ..Wants::default()
        };
    }

    /// Whether a topic's backlog is still to come.
    pub(super) fn covers(&self, keep: usize, topic: &str) -> bool {
        self.runs.iter().any(|run| run.covers(keep, topic))
            || self.waiting.iter().any(|want| want.covers(keep, topic))
    }

    /// The next filter of which something is to be asked; begins with it where its keep has none that is looked through.
    /// `known` says what is in flight of a keep.
    pub(super) fn run(&mut self, known: impl FnOnce(usize) -> HashSet<StoredId>) -> Option<&mut Run> {
        let asks = self.runs.iter().position(|run| run.asked.is_none());
        let at = match asks {
            Some(at) => at,
            None => {
                let is_free = |want: &Want| self.runs.iter().all(|run| run.want.keep != want.keep);
                let next = self.waiting.iter().position(is_free)?;
                let want = self.waiting.remove(next)?;
                self.numbers += 1;
                self.runs.push(Run {
                    known: known(want.keep),
                    want,
                    number: self.numbers,
                    step: Step::Topic { after: None },
                    asked: None,
                    through: None,
                });
                self.runs.len() - 1
            }
        };
        self.runs.get_mut(at)
    }

    /// The run that an answer is for; `None` when it has ended.
    pub(super) fn answered(&mut self, number: u64) -> Option<&mut Run> {
        let run = self.runs.iter_mut().find(|run| run.number == number)?;
        run.asked = None;
        Some(run)
    }

    /// Nothing more is to be found for the filter of a run.
    pub(super) fn end_run(&mut self, number: u64) {
        self.runs.retain(|run| run.number != number);
    }

    /// Whether nothing waits and nothing runs.
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.waiting.is_empty()
    }
}

impl Run {
    /// A page of a topic has come: what is asked next.
    pub(super) fn came(&mut self, topic: Box<str>, next: Option<Place>) {
        self.step = match next {
            Some(after) => Step::Page { topic, after },
            None => {
                self.through = Some(topic.clone());
                Step::Topic { after: Some(topic) }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(keep: usize, filter: &str) -> Want {
        Want {
            keep,
            filter: Filter::parse(filter, true).unwrap(),
            at: UnixMillis(1),
            is_part: false,
        }
    }

    #[test]
    fn each_keep_is_looked_through_beside_the_others() {
        let mut wants = Wants::default();
        for one in [want(0, "a"), want(0, "b"), want(1, "u")] {
            wants.add(one);
        }
        let mut asked = Vec::new();
        while let Some(run) = wants.run(|_| HashSet::new()) {
            run.asked = Some(oneshot::channel().0);
            asked.push((run.want.keep, run.number));
        }
        assert_eq!(asked.iter().map(|(keep, _)| *keep).collect::<Vec<_>>(), [0, 1]);
        wants.end_run(asked[0].1);
        let next = wants.run(|_| HashSet::new()).unwrap();
        assert_eq!(next.want.filter.as_str(), "b");
    }

    #[test]
    fn a_topic_is_covered_until_its_backlog_has_come() {
        let mut wants = Wants::default();
        wants.add(want(0, "t/+"));
        wants.add(want(0, "t/+"));
        wants.add(want(1, "u"));
        assert!(wants.covers(0, "t/1") && wants.covers(1, "u") && !wants.covers(1, "t/1"));
        let run = wants.run(|_| HashSet::new()).unwrap();
        let number = run.number;
        wants.answered(number).unwrap().came("t/5".into(), None);
        assert!(
            !wants.covers(0, "t/5") && !wants.covers(0, "t/1"),
            "topics come in order"
        );
        assert!(wants.covers(0, "t/6") && wants.covers(1, "u"));
        wants.end_run(number);
        assert!(!wants.covers(0, "t/6"));
        assert!(wants.answered(number).is_none(), "an answer to what has ended");
        assert!(wants.run(|_| HashSet::new()).is_some());
        wants.forget(&Filter::parse("u", true).unwrap(), |_| true);
        assert!(wants.is_empty());
        wants.add(Want::part(0, "t/1", UnixMillis(1)).unwrap());
        wants.forget(&Filter::parse("t/1", true).unwrap(), |_| true);
        assert!(wants.covers(0, "t/1"), "another subscription wants it");
        wants.forget(&Filter::parse("t/+", true).unwrap(), |_| false);
        assert!(wants.is_empty());
    }
}
