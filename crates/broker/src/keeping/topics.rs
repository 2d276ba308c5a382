//! Which topics of a keep have a backlog (K38): so that a wildcard subscription is answered without asking the database
//! to look through itself.
//!
//! Filled by what the drain appends and by one scan of the database when the broker starts, where the database lets
//! itself be listed. A topic that turns out to be empty is forgotten.

use std::{collections::BTreeMap, ops::Bound};

use parking_lot::RwLock;
use restante_model::Filter;

/// Topics remembered for one keep; beyond, they are found by exact subscriptions only, and the log says so.
pub(crate) const TOPICS_MAX: usize = 1_000_000;
/// Topics compared with a filter before others get a turn.
const LOOKED_AT_MAX: usize = 100_000;

/// The topics of one keep.
#[derive(Default)]
pub(crate) struct Topics {
    /// How often something was appended since it is known.
    known: RwLock<BTreeMap<Box<str>, u64>>,
}

/// What [`Topics::add`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It was known.
    Known,
    /// It was not.
    New,
    /// It is not, and cannot be remembered.
    NoRoom,
}

/// Where to go on looking.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This one matches.
    Topic(Box<str>),
    /// Nothing up to this one; look on behind it.
    NotYet(Box<str>),
    /// Nothing more.
    End,
}

impl Topics {
    /// A topic has something.
    pub(crate) fn add(&self, topic: &str) -> Added {
        let mut known = self.known.write();
        if let Some(times) = known.get_mut(topic) {
            *times += 1;
            return Added::Known;
        }
        if known.len() >= TOPICS_MAX {
            return Added::NoRoom;
        }
        known.insert(topic.into(), 1);
        Added::New
    }

    /// How often something was appended to it.
    pub(crate) fn times(&self, topic: &str) -> Option<u64> {
        self.known.read().get(topic).copied()
    }

    /// A topic was found empty; it is forgotten unless something was appended since it was looked at.
    pub(crate) fn remove(&self, topic: &str, times: Option<u64>) -> bool {
        let mut known = self.known.write();
        let is_same = times.is_some() && known.get(topic).copied() == times;
        is_same && known.remove(topic).is_some()
    }

    /// The next topic behind `after` that a filter matches.
    pub(crate) fn next(&self, filter: &Filter, after: Option<&str>) -> Found {
        let known = self.known.read();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut last = None;
        for (topic, _) in known
            .range::<str, _>((from, Bound::Unbounded))
            .take(LOOKED_AT_MAX)
        {
            if filter.matches(topic) {
                return Found::Topic(topic.clone());
            }
            last = Some(topic);
        }
        let looked = last.filter(|last| {
            known
                .range::<str, _>((Bound::Excluded(&***last), Bound::Unbounded))
                .next()
                .is_some()
        });
        looked.map_or(Found::End, |last| Found::NotYet(last.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k38_a_wildcard_finds_its_topics_in_order() {
        let topics = Topics::default();
        for topic in ["t/2", "t/1", "u/1", "t/1/x"] {
            assert_eq!(topics.add(topic), Added::New);
        }
        let filter = Filter::parse("t/+", true).unwrap();
        assert_eq!(topics.next(&filter, None), Found::Topic("t/1".into()));
        assert_eq!(topics.next(&filter, Some("t/1")), Found::Topic("t/2".into()));
        assert_eq!(topics.next(&filter, Some("t/2")), Found::End);
        let times = topics.times("t/1");
        topics.add("t/1");
        assert!(!topics.remove("t/1", times), "something has come since");
        assert!(topics.remove("t/1", topics.times("t/1")));
        assert_eq!(topics.next(&filter, None), Found::Topic("t/2".into()));
    }
}
