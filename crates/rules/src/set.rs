//! All rules, and what they say of a topic, of a subscription, of an event.

use restante_model::{Function, HookPoint, Mode, QoS};

use crate::{
    finding::{Doubt, Refusal},
    gather::gather,
    keep::{Keep, KeepIndex, PoolIndex},
    line::Line,
    rule::{AckAfter, Action, Rule},
};

/// All rules, in the order in which they are evaluated: by `order`, then as they were written.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    keeps: Vec<Keep>,
    rules: Vec<Rule>,
}

/// What the rules say of one topic. The same for every message on it: to be cached with the topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicRules {
    /// Where its backlog is; `None` = in the queues of sessions, as MQTT has it.
    pub backlog: Option<Backlog>,
    /// What is done for a message, in order.
    due: Box<[Due]>,
}

/// The one source of a topic's backlog (K32 to K35).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Which keep.
    pub keep: KeepIndex,
    /// Whether an acknowledgement is written there; without that, the same comes again at every new subscription.
    pub acknowledges: bool,
}

/// What is owed for one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owed {
    /// The message, to a keep.
    Message {
        /// Which.
        keep: KeepIndex,
        /// When the publisher has its acknowledgement.
        ack_after: AckAfter,
    },
    /// The message, as the retained one of its topic.
    Retained(PoolIndex),
    /// That the topic has no retained message.
    NoRetained(PoolIndex),
    /// The user's statements.
    Statements {
        /// In which pool.
        pool: PoolIndex,
        /// Which, in this order.
        numbers: Box<[u32]>,
    },
}

/// [`Owed`], and for which messages.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Due {
    when: When,
    owed: Owed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    /// QoS 1 and 2.
    Acknowledged,
    /// With the retain flag and a payload.
    Retained,
    /// With the retain flag and no payload.
    Cleared,
}

impl RuleSet {
    /// Builds the rules, or says everything that cannot be. Both kinds of findings are ordered by line.
    ///
    /// # Errors
    /// Whatever [`Refusal`] lists.
    pub fn build(lines: &[Line]) -> (Result<RuleSet, Vec<Refusal>>, Vec<Doubt>) {
        let mut gathered = gather(lines);
        gathered.doubts.sort_by_key(Doubt::line);
        let set = if gathered.refusals.is_empty() {
            Ok(RuleSet {
                keeps: gathered.keeps,
                rules: gathered.rules,
            })
        } else {
            gathered.refusals.sort_by_key(Refusal::line);
            Err(gathered.refusals)
        };
        (set, gathered.doubts)
    }

    /// Whether nothing was written: the broker then asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// All keeps; [`KeepIndex`] counts them.
    pub fn keeps(&self) -> &[Keep] {
        &self.keeps
    }

    /// All rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// One keep.
    pub fn keep(&self, keep: KeepIndex) -> Option<&Keep> {
        self.keeps.get(keep.0 as usize)
    }

    /// Whether any rule listens at a hook point: for the others nothing need be told.
    pub fn listens(&self, on: HookPoint) -> bool {
        self.rules.iter().any(|rule| rule.on == on)
    }

    /// The rules that an event concerns, in order. `topic` is the message's topic or the subscription's filter
    /// (without `$share/NAME/`); `None` where the event has none.
    pub fn at<'a>(&'a self, on: HookPoint, topic: Option<&'a str>) -> impl Iterator<Item = &'a Rule> {
        let here = self.rules.iter().filter(move |rule| rule.on == on);
        here.filter(move |rule| rule.concerns(topic))
    }

    /// The keeps that may have a backlog for a subscription: those of which some topic matches the filter (without
    /// `$share/NAME/`). What each topic's source is, [`RuleSet::of_topic`] says.
    pub fn backlogs_of(&self, filter: &str) -> Vec<KeepIndex> {
        let mut found: Vec<KeepIndex> = Vec::new();
        for rule in self.at(HookPoint::SessionSubscribed, Some(filter)) {
            if let Action::Fetch { keeps } = &rule.action {
                let new: Vec<_> = keeps.iter().filter(|keep| !found.contains(keep)).collect();
                found.extend(new);
            }
        }
        found
    }

    /// What the rules say of a topic. Walks all rules: to be cached.
    pub fn of_topic(&self, topic: &str) -> TopicRules {
        let fetched = self.fetched(topic);
        let mut due: Vec<Due> = Vec::new();
        for rule in self.at(HookPoint::MessagePublish, Some(topic)) {
            match &rule.action {
                Action::Store {
                    keep,
                    every_qos,
                    ack_after,
                } => self.store(self.shared(*keep, fetched), *every_qos, *ack_after, &mut due),
                Action::Function { function, pool } => due.extend(retained(*function, *pool)),
                Action::Statements { pool, numbers } => due.push(Due {
                    when: When::Always,
                    owed: Owed::Statements {
                        pool: *pool,
                        numbers: numbers.clone(),
                    },
                }),
                _ => {}
            }
        }
        let stored = |keep: &&KeepIndex| {
            due.iter()
                .any(|due| matches!(due.owed, Owed::Message { keep: stored, .. } if stored == **keep))
        };
        let backlog = fetched
            .iter()
            .find(stored)
            .or(fetched.first())
            .map(|&keep| Backlog {
                keep,
                acknowledges: self.acknowledges(topic, keep),
            });
        TopicRules {
            backlog,
            due: due.into(),
        }
    }

    /// The keeps of the line that fetches this topic.
    fn fetched(&self, topic: &str) -> &[KeepIndex] {
        let matches = |rule: &&Rule| rule.topic.as_ref().is_none_or(|filter| filter.matches(topic));
        let keeps = self
            .rules
            .iter()
            .filter(matches)
            .find_map(|rule| match &rule.action {
                Action::Fetch { keeps } => Some(&keeps[..]),
                _ => None,
            });
        keeps.unwrap_or_default()
    }

    fn acknowledges(&self, topic: &str, keep: KeepIndex) -> bool {
        self.at(HookPoint::MessageAcked, Some(topic))
            .any(|rule| matches!(&rule.action, Action::Acknowledge { keeps } if keeps.contains(&keep)))
    }

    /// The keep that the topic is fetched from, where it shares its rows with the one that stores and keeps them as
    /// long; otherwise the one that stores.
    fn shared(&self, keep: KeepIndex, fetched: &[KeepIndex]) -> KeepIndex {
        let Some(stores) = self.keep(keep) else {
            return keep;
        };
        let same = |other: &&KeepIndex| {
            self.keep(**other)
                .is_some_and(|other| other.shares_rows(stores) && other.ttl == stores.ttl)
        };
        fetched.iter().find(same).copied().unwrap_or(keep)
    }

    /// One row, whatever the number of lines that store it (C1).
    fn store(&self, keep: KeepIndex, every_qos: bool, ack_after: AckAfter, due: &mut Vec<Due>) {
        let shares = |other: KeepIndex| match (self.keep(keep), self.keep(other)) {
            (Some(one), Some(other)) => one.shares_rows(other),
            _ => false,
        };
        for before in due.iter_mut() {
            if let Owed::Message {
                keep: other,
                ack_after: first,
            } = &mut before.owed
                && shares(*other)
            {
                if every_qos {
                    before.when = When::Always;
                }
                if ack_after == AckAfter::Backend {
                    *first = AckAfter::Backend;
                }
                // The one that is read again stands for both.
                if self.keep(*other).is_some_and(|other| other.mode == Mode::History) {
                    *other = keep;
                }
                return;
            }
        }
        due.push(Due {
            when: if every_qos {
                When::Always
            } else {
                When::Acknowledged
            },
            owed: Owed::Message { keep, ack_after },
        });
    }
}

impl TopicRules {
    /// What is owed for a message, in the order of the rules. A keep takes QoS 1 and 2 (K33), a history and statements
    /// all, the retained functions what has the retain flag.
    pub fn owed(&self, qos: QoS, retain: bool, is_empty: bool) -> impl Iterator<Item = &Owed> {
        let is_due = move |due: &&Due| match due.when {
            When::Always => true,
            When::Acknowledged => qos > QoS::AtMostOnce,
            When::Retained => retain && !is_empty,
            When::Cleared => retain && is_empty,
        };
        self.due.iter().filter(is_due).map(|due| &due.owed)
    }

    /// Whether nothing is ever owed for this topic.
    pub fn owes_nothing(&self) -> bool {
        self.due.is_empty()
    }
}

fn retained(function: Function, pool: PoolIndex) -> Option<Due> {
    match function {
        Function::MessageRetain => Some(Due {
            when: When::Retained,
            owed: Owed::Retained(pool),
        }),
        Function::RetainDelete => Some(Due {
            when: When::Cleared,
            owed: Owed::NoRetained(pool),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
