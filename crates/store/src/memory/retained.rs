//! The retained messages: one sequence per topic; the bodies are elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use restante_model::{Seq, UnixMillis, filter};

use crate::contract::RetainedRequest;

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

    /// The messages of a page, ascending by topic, and where the next one begins. Looks at no more than `most` topics.
    pub(super) fn page(
        &self,
        request: &RetainedRequest,
        now: UnixMillis,
        most: usize,
    ) -> (Vec<Seq>, Option<Box<str>>) {
        let literal = request.topic_filter.split(['+', '#']).next().unwrap_or_default();
        // `a/#` matches `a` too: the separator before the wildcard is not part of what all topics begin with.
        let prefix = literal.strip_suffix('/').unwrap_or(literal);
        let from = match &request.after {
            Some(topic) => Bound::Excluded(&**topic),
            None => Bound::Included(prefix),
        };
        let (mut found, mut bytes, mut before) = (Vec::new(), 0, None);
        let topics = self.topics.range::<str, _>((from, Bound::Unbounded));
        let topics = topics.take_while(|(topic, _)| topic.starts_with(prefix));
        for (count, (topic, kept)) in topics.enumerate() {
            let is_wanted = kept.seq <= request.to && kept.deadline > now;
            let fits = is_wanted && filter::matches(&request.topic_filter, topic);
            let room = found.is_empty()
                || (found.len() < request.messages_max && bytes + kept.bytes <= request.bytes_max);
            if count == most || (fits && !room) {
                return (found, before.or(request.after.clone()));
            }
            if fits {
                bytes += kept.bytes;
                found.push(kept.seq);
            }
            before = Some(topic.clone());
        }
        (found, None)
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

    /// All, by pages of up to so many messages, for each of which so many topics are looked at.
    fn all(retained: &Retained, filter: &str, messages_max: usize, most: usize) -> Vec<u64> {
        let mut request = RetainedRequest {
            topic_filter: filter.into(),
            after: None,
            to: Seq::MAX,
            messages_max,
            bytes_max: usize::MAX,
            applied: Seq::ZERO,
        };
        let mut all = Vec::new();
        loop {
            let (seqs, after) = retained.page(&request, UnixMillis(150), most);
            assert!(seqs.len() <= messages_max);
            all.extend(seqs.into_iter().map(|seq| seq.0));
            if after.is_none() {
                return all;
            }
            request.after = after;
        }
    }

    #[test]
    fn pages_of_any_length_show_the_same() {
        let mut retained = Retained::default();
        for number in 0..40_u64 {
            retained.set(&format!("t/{number:02}"), Seq(number), 1, UnixMillis::NEVER);
            retained.set(
                &format!("t/{number:02}/x"),
                Seq(100 + number),
                1,
                UnixMillis::NEVER,
            );
        }
        for page in [1, 2, 7, 40, 41] {
            for most in [1, 3, 80, 81] {
                let expected: Vec<u64> = (0..40).collect();
                assert_eq!(all(&retained, "t/+", page, most), expected, "{page} {most}");
            }
        }
    }

    #[test]
    fn wildcards_find_what_the_filter_matches() {
        let mut retained = Retained::default();
        for (seq, topic) in ["b", "a", "a/b", "a/c/d", "ab", "$SYS/a"].into_iter().enumerate() {
            retained.set(topic, Seq(seq as u64), 1, UnixMillis::NEVER);
        }
        let found = |filter: &str| all(&retained, filter, 1000, 1000);
        assert_eq!(found("a/#"), [1, 2, 3]);
        assert_eq!(found("#"), [1, 2, 3, 4, 0]);
        assert_eq!(found("+"), [1, 4, 0]);
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
        assert_eq!(all(&retained, "#", 10, 10), [1]);
        assert_eq!(retained.pop_expired(UnixMillis(149)), None);
        assert_eq!(retained.pop_expired(UnixMillis(250)), Some(Seq(3)));
        assert_eq!(retained.pop_expired(UnixMillis(250)), Some(Seq(1)));
        assert_eq!((retained.len(), retained.bytes()), (0, 0));
    }
}
