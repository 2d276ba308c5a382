//! What the rules say of a message, a filter, an event: asked by the publish path once for each topic, and by the drain.

use restante_backend::statement::StatementId;
use restante_model::{Filter, Function, HookPoint, Mode, QoS};
use restante_rules::{Action, Home, KeepIndex, Owed, PoolIndex, RuleSet, TopicRules};

use super::{
    owed::{Event, topic_filter},
    pool::Pool,
    reduce::{Act, Record},
};

/// A set of pools, by their places: bit `i` for pool `i`.
pub(crate) type Pools = u64;

/// The rules at work.
pub(crate) struct Ruling {
    rules: RuleSet,
    /// As the rules number them.
    statements: Vec<StatementId>,
}

/// What the rules say of one topic; cached with what the topic matches.
pub(crate) struct KeptTopic {
    rules: TopicRules,
    /// By keep: the pool it is in.
    pools: Box<[Option<usize>]>,
    /// The keep that its backlog is in.
    pub(crate) source: Option<usize>,
    /// Pools that are told when a subscriber acknowledges one of its messages.
    pub(crate) told_of_acks: Pools,
    /// Pools that are told when one is handed to a subscriber.
    pub(crate) told_of_deliveries: Pools,
}

impl KeptTopic {
    /// Pools that are owed a message.
    pub(crate) fn owed(&self, qos: QoS, retain: bool, is_empty: bool) -> Pools {
        let pool_of = |owed: &Owed| match owed {
            Owed::Message { keep, .. } => self.pools.get(keep.0 as usize).copied().flatten(),
            Owed::Retained(pool) | Owed::NoRetained(pool) => Some(pool.0 as usize),
            Owed::Statements { pool, .. } => Some(pool.0 as usize),
        };
        let owed = self.rules.owed(qos, retain, is_empty).filter_map(pool_of);
        owed.fold(0, |set, pool| set | 1 << pool)
    }

    /// Whether its deliveries must be followed to their acknowledgement.
    pub(crate) fn is_followed(&self) -> bool {
        self.source.is_some() || self.told_of_acks != 0
    }
}

impl Ruling {
    pub(crate) fn new(rules: RuleSet, statements: Vec<StatementId>) -> Ruling {
        Ruling { rules, statements }
    }

    /// What the rules say of a topic; `None` = nothing.
    pub(crate) fn of_topic(&self, topic: &str) -> Option<KeptTopic> {
        let rules = self.rules.of_topic(topic);
        let source = rules.backlog.map(|backlog| backlog.keep.0 as usize);
        let told_of_acks = self.pools_at(HookPoint::MessageAcked, Some(topic));
        let told_of_deliveries = self.pools_at(HookPoint::MessageDelivered, Some(topic));
        if rules.owes_nothing() && source.is_none() && told_of_acks | told_of_deliveries == 0 {
            return None;
        }
        let pools = self.rules.keeps().iter().map(|keep| pool_of(keep.home)).collect();
        Some(KeptTopic {
            rules,
            pools,
            source,
            told_of_acks,
            told_of_deliveries,
        })
    }

    /// Pools that have something to do at an event.
    pub(crate) fn pools_at(&self, point: HookPoint, topic: Option<&str>) -> Pools {
        if !self.rules.listens(point) {
            return 0;
        }
        let pools = self
            .rules
            .at(point, topic)
            .flat_map(|rule| self.pools_of(&rule.action));
        pools.fold(0, |set, pool| set | 1 << pool)
    }

    /// Keeps that may have a backlog for a filter (without `$share`).
    pub(crate) fn backlogs_of(&self, filter: &str) -> Vec<usize> {
        let found = self.rules.backlogs_of(filter).into_iter();
        found.map(|keep| keep.0 as usize).collect()
    }

    /// Whether a pool keeps presence: it is told at this hook point.
    pub(crate) fn keeps_presence(&self, pool: &Pool, point: HookPoint) -> bool {
        self.rules
            .at(point, None)
            .any(|rule| matches!(&rule.action, Action::Function { pool: of, .. } if is(*of, pool)))
    }

    /// Pools whose retained message is looked up for a new subscription without wildcards.
    pub(crate) fn retained_in(&self, filter: &Filter) -> Pools {
        if filter.has_wildcard() || filter.share().is_some() {
            return 0;
        }
        let rules = self
            .rules
            .at(HookPoint::SessionSubscribed, Some(filter.topic_filter()));
        let pools = rules.filter_map(|rule| match &rule.action {
            Action::Function {
                function: Function::RetainLookup,
                pool,
            } => Some(pool.0),
            _ => None,
        });
        pools.fold(0, |set, pool| set | 1 << pool)
    }

    /// Keeps that forget a client's read position when it unsubscribes from a filter (without `$share`).
    pub(crate) fn forgets(&self, filter: &str) -> Vec<usize> {
        let mut found = Vec::new();
        for rule in self.rules.at(HookPoint::SessionUnsubscribed, Some(filter)) {
            if let Action::Forget { keeps } = &rule.action {
                found.extend(keeps.iter().map(|keep| keep.0 as usize));
            }
        }
        found
    }

    /// Where the subscriptions of a client who connects are looked up: pools with the built-in function, and keeps that
    /// write subscriptions (C2: once, whichever hook point names it).
    pub(crate) fn lookups(&self) -> (Pools, Vec<usize>) {
        let mut pools = 0;
        let mut keeps = Vec::new();
        for rule in self.rules.rules() {
            match &rule.action {
                Action::Function {
                    function: Function::SubscribeLookup,
                    pool,
                } => pools |= 1 << pool.0,
                Action::RestoreSubscriptions { keep } => keeps.push(keep.0 as usize),
                _ => {}
            }
        }
        keeps.dedup();
        (pools, keeps)
    }

    /// What a pool is to do with a record, in the order of the rules.
    pub(crate) fn acts(&self, pool: &Pool, record: &Record) -> Vec<Act> {
        match record {
            Record::Message(message) => {
                let rules = self.rules.of_topic(&message.topic);
                let owed = rules.owed(message.qos, message.retain, message.payload.is_empty());
                owed.flat_map(|owed| self.acts_of(pool, owed)).collect()
            }
            Record::Event(event, _) => self.acts_at(pool, event),
        }
    }

    fn acts_of(&self, pool: &Pool, owed: &Owed) -> Vec<Act> {
        match owed {
            Owed::Message { keep, .. } => self.kept_in(pool, *keep).map(Act::Append).into_iter().collect(),
            Owed::Retained(of) if is(*of, pool) => vec![Act::Retain],
            Owed::NoRetained(of) if is(*of, pool) => vec![Act::RetainDelete],
            Owed::Statements { pool: of, numbers } if is(*of, pool) => {
                self.runs(numbers, HookPoint::MessagePublish).collect()
            }
            _ => Vec::new(),
        }
    }

    fn acts_at(&self, pool: &Pool, event: &Event) -> Vec<Act> {
        let (point, topic) = match event {
            Event::Connected { .. } => (HookPoint::ClientConnected, None),
            Event::Disconnected { .. } => (HookPoint::ClientDisconnected, None),
            Event::SessionCreated { .. } => (HookPoint::SessionCreated, None),
            Event::Subscribed { filter, .. } => (HookPoint::SessionSubscribed, Some(topic_filter(filter).0)),
            Event::Unsubscribed { filter, .. } => {
                (HookPoint::SessionUnsubscribed, Some(topic_filter(filter).0))
            }
            Event::Acked { message, .. } | Event::Written { message, .. } => {
                (HookPoint::MessageAcked, Some(&*message.topic))
            }
            Event::Delivered { message, .. } => (HookPoint::MessageDelivered, Some(&*message.topic)),
            Event::Position { message, .. } => {
                let source = self.rules.of_topic(&message.topic).backlog;
                let keep = source.and_then(|backlog| self.kept_in(pool, backlog.keep));
                return keep.map(Act::Mark).into_iter().collect();
            }
        };
        let source = match event {
            Event::Acked { message, .. } | Event::Written { message, .. } => {
                self.rules.of_topic(&message.topic).backlog
            }
            _ => None,
        };
        // A share of the messages is not written as a subscription to all of them, and leaving it is no word on what the
        // client reads for itself.
        let is_shared = match event {
            Event::Subscribed { filter, .. } | Event::Unsubscribed { filter, .. } => topic_filter(filter).1,
            _ => false,
        };
        let mut acts = Vec::new();
        for rule in self.rules.at(point, topic) {
            match &rule.action {
                Action::Acknowledge { keeps } => {
                    let keep = source
                        .map(|source| source.keep)
                        .filter(|keep| keeps.contains(keep));
                    acts.extend(
                        keep.filter(|keep| self.deletes(*keep))
                            .and_then(|keep| self.kept_in(pool, keep))
                            .map(Act::Delete),
                    );
                }
                Action::Forget { .. }
                | Action::WriteSubscription { .. }
                | Action::RemoveSubscription { .. }
                    if is_shared => {}
                Action::Forget { keeps } => {
                    acts.extend(
                        keeps
                            .iter()
                            .filter_map(|keep| self.kept_in(pool, *keep))
                            .map(Act::Forget),
                    );
                }
                Action::WriteSubscription { keep } | Action::RemoveSubscription { keep } => {
                    acts.extend(self.kept_in(pool, *keep).map(Act::Subscription));
                }
                Action::Function {
                    function: Function::ClientConnected | Function::ClientDisconnected,
                    pool: of,
                } if is(*of, pool) => acts.push(Act::Standing),
                // Nothing was acknowledged: only what is kept goes.
                Action::Statements { .. } if matches!(event, Event::Written { .. }) => {}
                Action::Statements { pool: of, numbers } if is(*of, pool) => {
                    acts.extend(self.runs(numbers, point))
                }
                _ => {}
            }
        }
        acts
    }

    /// The keep's place, if it is in this pool.
    fn kept_in(&self, pool: &Pool, keep: KeepIndex) -> Option<usize> {
        let home = self.rules.keep(keep)?.home;
        (pool_of(home) == Some(pool.index)).then_some(keep.0 as usize)
    }

    /// Whether an acknowledgement deletes the message from a keep.
    fn deletes(&self, keep: KeepIndex) -> bool {
        let mode = self.rules.keep(keep).map(|keep| keep.mode);
        matches!(mode, Some(Mode::Queue | Mode::Latest))
    }

    fn runs<'a>(&'a self, numbers: &'a [u32], point: HookPoint) -> impl Iterator<Item = Act> + 'a {
        let statements = numbers
            .iter()
            .filter_map(|&number| self.statements.get(number as usize));
        statements.map(move |&statement| Act::Run(statement, point))
    }

    fn pools_of(&self, action: &Action) -> Vec<usize> {
        let of_keep = |keep: &KeepIndex| self.rules.keep(*keep).and_then(|keep| pool_of(keep.home));
        match action {
            Action::Store { keep, .. }
            | Action::WriteSubscription { keep }
            | Action::RemoveSubscription { keep } => of_keep(keep).into_iter().collect(),
            // Read positions go their own way.
            Action::Acknowledge { keeps } => {
                let deleting = keeps.iter().filter(|keep| self.deletes(**keep));
                deleting.filter_map(of_keep).collect()
            }
            Action::Forget { keeps } => keeps.iter().filter_map(of_keep).collect(),
            Action::Function {
                function: Function::ClientConnected | Function::ClientDisconnected,
                pool,
            }
            | Action::Statements { pool, .. } => vec![pool.0 as usize],
            // What is read for a client, and nothing is owed.
            Action::Function { .. } | Action::Fetch { .. } | Action::RestoreSubscriptions { .. } => {
                Vec::new()
            }
        }
    }
}

fn is(pool: PoolIndex, this: &Pool) -> bool {
    pool.0 as usize == this.index
}

fn pool_of(home: Home) -> Option<usize> {
    match home {
        Home::Pool(pool) => Some(pool.0 as usize),
        Home::Embedded => None,
    }
}
