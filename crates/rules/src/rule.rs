//! One rule: source, order, action.

use restante_model::{
    Filter, Function, HookPoint,
    filter::{matches, overlap},
};

use crate::{
    keep::{KeepIndex, PoolIndex},
    line::LineIndex,
};

/// When the publisher has its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum AckAfter {
    /// When what is owed to the database is durable here.
    #[default]
    Outbox,
    /// When the database has it, or at the deadline (K41).
    Backend,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The message is owed to a keep. Only at `message.publish`.
    Store {
        /// To which, unless the topic is fetched from another keep that shares its rows.
        keep: KeepIndex,
        /// Messages of QoS 0 too (history); otherwise those above it (K33).
        every_qos: bool,
        /// When the publisher has its acknowledgement.
        ack_after: AckAfter,
    },
    /// What waits is fetched. Only at `session.subscribed`.
    Fetch {
        /// From which; several where their messages have different times to stay.
        keeps: Box<[KeepIndex]>,
    },
    /// The read position moves, or the message goes. Only at `message.acked`.
    Acknowledge {
        /// In which keeps.
        keeps: Box<[KeepIndex]>,
    },
    /// The read position is forgotten. Only at `session.unsubscribed`.
    Forget {
        /// In which keeps.
        keeps: Box<[KeepIndex]>,
    },
    /// The client's subscriptions are read from the keep's table and made. Only at `session.created`.
    RestoreSubscriptions {
        /// Beside which keep's messages.
        keep: KeepIndex,
    },
    /// The subscription is written. Only at `session.subscribed`.
    WriteSubscription {
        /// Beside which keep's messages.
        keep: KeepIndex,
    },
    /// The subscription is removed. Only at `session.unsubscribed`.
    RemoveSubscription {
        /// Beside which keep's messages.
        keep: KeepIndex,
    },
    /// A built-in function that keeps no messages: presence, subscriptions that are looked up, retained messages.
    Function {
        /// Which.
        function: Function,
        /// Where.
        pool: PoolIndex,
    },
    /// The user's own statements.
    Statements {
        /// Where.
        pool: PoolIndex,
        /// Which, in this order.
        numbers: Box<[u32]>,
    },
}

/// At an event, something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// At which event.
    pub on: HookPoint,
    /// Only for these topics; `None` = for all.
    pub topic: Option<Filter>,
    /// The lower one goes first.
    pub order: u32,
    /// The line that made it.
    pub line: LineIndex,
    /// What is done.
    pub action: Action,
}

impl Rule {
    /// Whether an event with this topic (for subscriptions: this filter) concerns the rule.
    ///
    /// What keeps messages is concerned by every subscription that some topic of its own can match, so wildcard
    /// subscriptions have their backlog. The user's statements are concerned as in the original, which compares the
    /// subscription's filter as if it were a topic.
    pub(crate) fn concerns(&self, topic: Option<&str>) -> bool {
        let (Some(own), Some(topic)) = (&self.topic, topic) else {
            return true;
        };
        match (&self.action, self.on) {
            (Action::Statements { .. }, _) => own.matches(topic),
            // A backend knows the retained message of exactly one topic.
            (
                Action::Function {
                    function: Function::RetainLookup,
                    ..
                },
                _,
            ) => !topic.contains(['+', '#']) && own.matches(topic),
            (_, HookPoint::SessionSubscribed | HookPoint::SessionUnsubscribed) => {
                overlap(own.topic_filter(), topic)
            }
            _ => own.matches(topic),
        }
    }
}

/// Whether some topic is matched by both sources; `None` matches all.
pub(crate) fn overlaps(one: Option<&Filter>, other: Option<&Filter>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => overlap(one.topic_filter(), other.topic_filter()),
        _ => true,
    }
}

/// Whether every topic of `narrow` is one of `wide`. Says no where it cannot tell at a glance.
pub(crate) fn covers(wide: Option<&Filter>, narrow: Option<&Filter>) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) if wide.topic_filter() == narrow.topic_filter() => true,
        (Some(wide), Some(narrow)) => {
            let (wide, narrow) = (wide.topic_filter(), narrow.topic_filter());
            // A filter read as a topic stands for its topics where the wider one has wildcards for its own; `a/#`
            // matches `a` too.
            match narrow.strip_suffix("/#") {
                Some(parent) => wide.ends_with('#') && matches(wide, narrow) && matches(wide, parent),
                None => narrow != "#" && matches(wide, narrow),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter() -> impl Strategy<Value = Filter> {
        let level = prop::sample::select(vec!["a", "b", "+", "#", "$x", ""]);
        prop::collection::vec(level, 1..4)
            .prop_filter_map("no filter", |levels| Filter::parse(&levels.join("/"), false).ok())
    }

    /// All topics of one to four levels over a small alphabet: deep enough to tell any two filters of three levels apart.
    fn topics() -> Vec<String> {
        let words = ["a", "b", "c", "$x", ""];
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut last = all.clone();
        for _ in 0..3 {
            last = last
                .iter()
                .flat_map(|start| words.iter().map(move |word| format!("{start}/{word}")))
                .collect();
            all.extend(last.iter().cloned());
        }
        all.retain(|topic| !topic.is_empty());
        all
    }

    proptest! {
        #[test]
        fn k34_filters_overlap_exactly_when_a_topic_matches_both(one in filter(), other in filter()) {
            let by_trial = topics().iter().any(|topic| one.matches(topic) && other.matches(topic));
            prop_assert_eq!(overlaps(Some(&one), Some(&other)), by_trial, "{} {}", one.as_str(), other.as_str());
            prop_assert!(overlaps(None, Some(&other)) && overlaps(Some(&one), None));
        }

        #[test]
        fn what_covers_matches_all_of_it(wide in filter(), narrow in filter()) {
            if covers(Some(&wide), Some(&narrow)) {
                for topic in topics().iter().filter(|topic| narrow.matches(topic)) {
                    prop_assert!(wide.matches(topic), "{} {} {topic}", wide.as_str(), narrow.as_str());
                }
            }
        }
    }

    #[test]
    fn covering_is_seen_where_it_matters() {
        let check = |wide: &str, narrow: &str, expected| {
            let [wide, narrow] = [wide, narrow].map(|text| Filter::parse(text, false).unwrap());
            assert_eq!(
                covers(Some(&wide), Some(&narrow)),
                expected,
                "{wide:?} {narrow:?}"
            );
        };
        check("#", "#", true);
        check("#", "queue/#", true);
        check("queue/#", "queue/+", true);
        check("queue/#", "#", false);
        check("a/+/#", "a/#", false);
        check("+", "a/#", false);
        check("#", "$SYS/#", false);
    }
}
