//! The retained messages: one sequence per topic; the bodies are elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use restante_model::{Seq, UnixMillis, filter};

/// Which message is retained on which topic.
#[derive(Default)]
pub(super) struct Retained {
    topics: BTreeMap<Box<str>, Kept>,
    /// Those that expire, soonest first.
    deadlines: BTreeSet<(UnixMillis, Seq, Box<str>)>,
    bytes: u64,
}

#[derive(Clone, Copy)]
struct Kept {
    seq: Seq,
    deadline: UnixMillis,
    bytes: usize,
}

impl Retained {
    /// Sets a topic's retained message; answers the one it replaces.
    pub(super) fn set(&mut self, topic: &str, seq: Seq, bytes: usize, deadline: UnixMillis) -> Option<Seq> {
        let replaced = self.clear(topic);
        if deadline != UnixMillis::NEVER {
            self.deadlines.insert((deadline, seq, topic.into()));
        }
        self.bytes += bytes as u64;
        self.topics.insert(topic.into(), Kept { seq, deadline, bytes });
        replaced
    }

    /// Clears a topic; answers what was retained on it.
    pub(super) fn clear(&mut self, topic: &str) -> Option<Seq> {
        let (topic, kept) = self.topics.remove_entry(topic)?;
        self.bytes -= kept.bytes as u64;
        self.deadlines.remove(&(kept.deadline, kept.seq, topic));
        Some(kept.seq)
    }

    /// Takes out one that has expired.
    pub(super) fn pop_expired(&mut self, now: UnixMillis) -> Option<Seq> {
        let (deadline, _, topic) = self.deadlines.first()?;
        if *deadline > now {
            return None;
        }
        let topic = topic.clone();
        self.clear(&topic)
    }

    /// The messages whose topics a filter matches and that have not expired, oldest first.
    pub(super) fn matching(&self, topic_filter: &str, now: UnixMillis) -> Vec<Seq> {
        let literal = topic_filter.split(['+', '#']).next().unwrap_or_default();
        // `a/#` matches `a` too: the separator before the wildcard is not part of what all topics begin with.
        let prefix = literal.strip_suffix('/').unwrap_or(literal);
        let mut found: Vec<Seq> = self
            .topics
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(topic, _)| topic.starts_with(prefix))
            .filter(|(topic, kept)| kept.deadline > now && filter::matches(topic_filter, topic))
            .map(|(_, kept)| kept.seq)
            .collect();
        found.sort_unstable();
        found
    }

    /// How many topics have one.
    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    /// Bytes of their messages.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_find_what_the_filter_matches() {
        let mut retained = Retained::default();
        for (seq, topic) in ["b", "a", "a/b", "a/c/d", "ab", "$SYS/a"].into_iter().enumerate() {
            retained.set(topic, Seq(seq as u64), 1, UnixMillis::NEVER);
        }
        let found = |filter: &str| -> Vec<u64> {
            let seqs = retained.matching(filter, UnixMillis(0));
            seqs.into_iter().map(|seq| seq.0).collect()
        };
        assert_eq!(found("a/#"), [1, 2, 3]);
        assert_eq!(found("#"), [0, 1, 2, 3, 4]);
        assert_eq!(found("+"), [0, 1, 4]);
        assert_eq!(found("a/+"), [2]);
        assert_eq!(found("a"), [1]);
        assert_eq!(found("$SYS/#"), [5]);
        assert_eq!(found("c"), [0_u64; 0]);
    }

    #[test]
    fn the_expired_are_not_found_and_go_soonest_first() {
        let mut retained = Retained::default();
        retained.set("late", Seq(1), 5, UnixMillis(200));
        retained.set("soon", Seq(2), 5, UnixMillis(100));
        retained.set("soon", Seq(3), 7, UnixMillis(150));
        assert_eq!(retained.bytes(), 12);
        assert_eq!(retained.matching("#", UnixMillis(150)), [Seq(1)]);
        assert_eq!(retained.pop_expired(UnixMillis(149)), None);
        assert_eq!(retained.pop_expired(UnixMillis(250)), Some(Seq(3)));
        assert_eq!(retained.pop_expired(UnixMillis(250)), Some(Seq(1)));
        assert_eq!((retained.len(), retained.bytes()), (0, 0));
    }
}
